"""SageMaker's instance types: which name a machine that AWS's TensorFlow images run on."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

# AWS's own processors are a "g" behind the generation (c7g, r6gd, and g5g with a GPU besides); NVIDIA's Grace is in
# p6e-gb200. Both are Arm (https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html, read 2026-11).
# The tests hold this against every type in the service model of the pinned botocore.
_ARM = re.compile(r"ml\.([a-z]+\d+g[a-z]*|[a-z]+\d+[a-z]*-gb\d+)\.")
# G and P, and Gr, which is G with more memory.
_GPU = re.compile(r"ml\.(g|gr|p)\d")


def is_arm(instance_type: str) -> bool:
    """Whether a SageMaker instance type has an Arm processor."""
    return _ARM.match(instance_type) is not None


def is_gpu(instance_type: str) -> bool:
    """Whether a SageMaker instance type has an NVIDIA GPU, which needs the container's GPU build."""
    return _GPU.match(instance_type) is not None


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


InstanceType = Annotated[str, Field(pattern=r"^ml\.[a-z][a-z0-9-]*\.[a-z0-9]+$"), AfterValidator(_runs_the_images)]
"""Setting: an instance type that every image of this project starts on."""
