"""SageMaker's instance types: which name a machine that AWS's TensorFlow images run on."""

import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

# AWS's own processors are a "g" behind the generation (c7g, r6gd, and g5g with a GPU besides); NVIDIA's Grace is in
# p6e-gb200. Both are Arm (https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html, read 2026-11).
# The tests hold this against every type in the service model of the pinned botocore.
_ARM = re.compile(r"ml\.([a-z]+\d+g[a-z]*|[a-z]+\d+[a-z]*-gb\d+)\.")
# G and P, and Gr, which is G with more memory.
_GPU = re.compile(r"ml\.(g|gr|p)\d")
# Sizes of SageMaker's instance families, but for the smallest: as many vCPUs as the number says, times four.
_SMALL = {"medium": 2, "large": 2, "xlarge": 4}


def is_arm(instance_type: str) -> bool:
    """Whether a SageMaker instance type has an Arm processor."""
    return _ARM.match(instance_type) is not None


def is_gpu(instance_type: str) -> bool:
    """Whether a SageMaker instance type has an NVIDIA GPU, which needs the container's GPU build."""
    return _GPU.match(instance_type) is not None


def has_local_disks(instance_type: str) -> bool:
    """Whether a SageMaker instance type has disks of its own in place of a volume.

    Their hardware encrypts them, and SageMaker refuses a job that names a key (`VolumeKmsKeyId` in botocore 1.43's
    service model). Which have them: those with a "d", and GPUs from G5 and P4 on (`volume_size_supported` of
    sagemaker-core, read 2026-11-29).
    """
    family = instance_type.split(".")[1]
    return "d" in family or (is_gpu(instance_type) and not family.startswith(("p2", "p3")))


def vcpus(instance_type: str) -> int:
    """Virtual processors of an instance type, such as 4 of `ml.c6i.xlarge` and 16 of `ml.m5.4xlarge`."""
    size = instance_type.rpartition(".")[2]
    multiple = re.fullmatch(r"(\d+)xlarge", size)
    return 4 * int(multiple[1]) if multiple else _SMALL.get(size, 4)


def check_fallbacks(instance_type: str, fallbacks: Sequence[str]) -> None:
    """Refuse types that cannot stand in for an instance type: one model serves on all of them.

    Its image is for processors or for a GPU, and its container's variables are for a number of processors
    (`infra/endpoint/serving_container.py`). Scaling counts invocations by instance, whatever its type.

    Raises:
        ValueError: a type is named twice, or differs in its GPU or in the number of its processors.
    """
    for number, fallback in enumerate(fallbacks):
        if fallback in (instance_type, *fallbacks[:number]):
            raise ValueError(f"fallback_instance_types names {fallback}, which is tried before already")
        if is_gpu(fallback) is not is_gpu(instance_type) or vcpus(fallback) != vcpus(instance_type):
            raise ValueError(
                f"fallback_instance_types names {fallback}, which cannot stand in for {instance_type}: both need as "
                f"many vCPUs ({vcpus(instance_type)}), and both a GPU or none"
            )


def _runs_the_images(instance_type: str) -> str:
    """Refuse what the containers cannot start on.

    The TensorFlow images for training (2.21) and inference (2.20) are built for x86-64 only; those for Graviton ended
    with TensorFlow 2.16 (aws/deep-learning-containers, docs/reference/available_images.md, read 2026-11).
    """
    if is_arm(instance_type):
        raise ValueError(
            "which has an Arm processor (Graviton or Grace), and AWS's TensorFlow images are built for x86-64: name a "
            "type without the g behind the generation, such as ml.c6i.xlarge"
        )
    return instance_type


def _takes_a_key(instance_type: str) -> str:
    """Refuse what processing jobs cannot run on, whose volumes hold radiographs and have the environment's key."""
    if has_local_disks(instance_type):
        raise ValueError(
            "which has local disks, for which SageMaker takes no key, and processing jobs name one: choose a type "
            "without the d behind the generation, such as ml.m5.xlarge"
        )
    return instance_type


InstanceType = Annotated[str, Field(pattern=r"^ml\.[a-z][a-z0-9-]*\.[a-z0-9]+$"), AfterValidator(_runs_the_images)]
"""Setting: an instance type that every image of this project starts on."""

ProcessingInstanceType = Annotated[InstanceType, AfterValidator(_takes_a_key)]
"""Setting: an instance type whose volume takes a key."""

# An InstancePoolList has at most five (botocore 1.43's service model, read 2026-11); the first is the instance type.
Fallbacks = Annotated[tuple[InstanceType, ...], Field(max_length=4)]
"""Setting: instance types that are tried, in this order, where the first has no capacity."""
