"""Environment variables of the serving container, by instance type and kind of inference.

What the variables do: "Amazon SageMaker AI Deployment" and `serve.py` of the TensorFlow Serving 2.20 image
(github.com/aws/deep-learning-containers). docs/adr/0017 gives the reasons at length.
"""

from infra.settings.instance_types import is_gpu, vcpus

# The GPU images are built for CUDA 12.9. Without a name g4dn and g5 get driver 470, which is one for CUDA 11.4; this
# image has driver 580 (ProductionVariant in botocore 1.43's model, and "Best practices to minimize interruptions
# during GPU driver upgrades" of the developer guide, both read 2026-11; not tried).
_GPU_AMI = "al2023-ami-sagemaker-inference-gpu-4-1"


def ami(instance_type: str) -> str | None:
    """The `InferenceAmiVersion` of an instance type: that with the GPU image's driver, and none for processors."""
    return _GPU_AMI if is_gpu(instance_type) else None


def for_single_requests(instance_type: str | None) -> dict[str, str]:
    """Variables of a container that somebody waits for: each answer as early as possible.

    Args:
        instance_type: none for a serverless endpoint.
    """
    if instance_type is None:
        # A serverless container is given one request at a time (its concurrency is the number of containers), so
        # everything it has belongs to that one.
        return _variables(workers=1, within=0, beside=1)
    processors = vcpus(instance_type)
    if is_gpu(instance_type):
        # The GPU runs the network; the processors decode, a single operation of one request that nothing can divide.
        return _variables(workers=processors, within=1, beside=processors)
    # One request's convolutions share all processors. A residual network has two branches that can run side by side.
    return _variables(workers=max(1, processors // 2), within=processors, beside=2)


def for_many_requests(instance_type: str) -> dict[str, str]:
    """Variables of a container that works through a queue: as many answers as possible, however long each takes."""
    processors = vcpus(instance_type)
    # Each request on a processor of its own: none waits for the slowest part of another's divided convolution.
    return _variables(workers=processors, within=1, beside=processors)


def _variables(*, workers: int, within: int, beside: int) -> dict[str, str]:
    """The container's variables.

    Args:
        within: threads that share one operation; 0 lets TensorFlow take one for each processor.
        beside: threads that run operations side by side.
    """
    return {
        # Requests merged into one batch fail together: the graph decodes the images, and one that cannot be decoded
        # would be everybody's error.
        "SAGEMAKER_TFS_ENABLE_BATCHING": "false",
        "SAGEMAKER_TFS_INTRA_OP_PARALLELISM": str(within),
        "SAGEMAKER_TFS_INTER_OP_PARALLELISM": str(beside),
        "SAGEMAKER_GUNICORN_WORKERS": str(workers),
        # As long as an invocation may take; the container's own 30 s would cut a first, slow answer off.
        "SAGEMAKER_GUNICORN_TIMEOUT_SECONDS": "60",
    }
