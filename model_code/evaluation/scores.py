"""Scores of one model over the test split."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from model_code.statistics.metrics import Array

Pixels = npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class TestScores:
    """The test split as one model sees it; all of length n, in the order of the shards.

    Attributes:
        labels: zeros (NORMAL) and ones (PNEUMONIA).
        logits: before the temperature.
        probabilities: calibrated probabilities of PNEUMONIA as served, in [0, 1].
        patients: key of each image's patient.
        subtypes: bacteria, virus or "".
        areas: pixels of the original image, width times height.
        out_of_distribution_scores: out-of-distribution scores; above 1 the image would be refused. Zeros from an
            older model without a detector.
        features: (n, k), what the network saw, see `projection`; (n, 0) from a model that does not tell.
        paths: paths of the files in the archive.
        groups: subgroups that DICOM files name, by kind; empty of other files.
    """

    labels: Array
    logits: Array
    probabilities: Array
    patients: list[str]
    subtypes: list[str]
    areas: Array
    out_of_distribution_scores: Array
    features: Array
    paths: list[str]
    groups: list[dict[str, str]] = dataclasses.field(default_factory=list)

    @property
    def refused(self) -> npt.NDArray[np.bool_]:
        """Mask (n,) of the images that the out-of-distribution detector refuses."""
        return np.asarray(self.out_of_distribution_scores > 1, dtype=np.bool_)

    def where(self, chosen: npt.NDArray[np.bool_]) -> TestScores:
        """Scores of the images in a mask (n,)."""

        def some(values: Any) -> Any:
            if isinstance(values, np.ndarray):
                return values[chosen]
            return [value for value, taken in zip(values, chosen, strict=True) if taken]

        return TestScores(**{field.name: some(getattr(self, field.name)) for field in dataclasses.fields(self)})
