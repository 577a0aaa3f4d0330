"""Check of a job's container image: the laptop has no containers and stands in for TensorFlow's training image only."""

from __future__ import annotations

import re

from local.core.api import ApiError

_TENSORFLOW_TRAINING = re.compile(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.[a-z.]+/tensorflow-training[:@].+")


def check_image(uri: str | None) -> None:
    """Refuse every image but AWS's TensorFlow training image, whose packages this machine's environment has.

    Raises:
        ApiError: `ValidationException` naming the image.
    """
    if uri is None or _TENSORFLOW_TRAINING.fullmatch(uri) is None:
        raise ApiError(
            "ValidationException",
            f"The laptop has no containers and cannot run the image '{uri}'. It runs jobs of AWS's TensorFlow training "
            "image (<account>.dkr.ecr.<region>.amazonaws.com/tensorflow-training:<tag>) in its own Python environment.",
        )
