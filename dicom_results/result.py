"""The API's answer about one radiograph, and the UIDs of the instances that are made of it."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime

WRITER = "CXR-RESULT"
"""Source Application Entity Title of every file of a result (PS3.10, 7.1): what tells them from radiographs."""
PRODUCT = "cxr chest X-ray pneumonia classifier"
MANUFACTURER = "cxr"

# Of this product, drawn once: what is derived below it is derived nowhere else.
_NAMESPACE = uuid.UUID("5d0f3a52-6c1e-4e0b-9a55-0c2d1f7b8e46")


@dataclasses.dataclass(frozen=True)
class Result:
    """One answer of the API. Probabilities are in [0, 1].

    Attributes:
        prediction_id: of the answer; a repeated answer has the same.
        probability: of pneumonia.
        threshold: from which on the label is PNEUMONIA.
        label: NORMAL or PNEUMONIA.
        indeterminate: the probability lies where the model's validation data do not decide.
        band: from where to below where they do not; None where the answer does not tell.
        model_version: of the model package.
        model_package_arn: of the same.
        dataset_sha256: content of the data set that it was trained on; empty where the answer does not tell.
        served_sha256: digest of the files that its container loaded; empty where the answer does not tell.
        time: when the answer was given, with its zone.
        notice: what the answer says that it is for.
    """

    prediction_id: str
    probability: float
    threshold: float
    label: str
    indeterminate: bool
    band: tuple[float, float] | None
    model_version: str
    model_package_arn: str
    dataset_sha256: str
    served_sha256: str
    time: datetime
    notice: str

    def uid(self, of: str, image: str) -> str:
        """The UID of something made of this prediction (PS3.5, B.2: a UUID as an integer below 2.25).

        The same prediction of the same image gets the same, so sending it again adds nothing to an archive; a
        corrected result is another prediction. Orthanc 1.10.1 keeps the first of two contents under one UID.

        Args:
            of: what it is, such as `report`.
            image: SOP Instance UID of the radiograph.
        """
        return _uid(self.uuid(of, image))

    def uuid(self, of: str, image: str) -> uuid.UUID:
        """UUID that its UID is made of."""
        return uuid.uuid5(_NAMESPACE, f"{self.prediction_id} {image} {of}")

    def model_uid(self) -> str:
        """The UID of the model package as an observer: the same in all its results."""
        return _uid(uuid.uuid5(_NAMESPACE, self.model_package_arn))


def remarks(notice: str, *, outside_intended_population: Sequence[str], guaranteed: float | None) -> str:
    """Remarks for an archive to keep beside the label: what the answer is for, for whom it is none, what it promises.

    Args:
        notice: what the answer says that it is for.
        outside_intended_population: `age`, `view` or both, where the model is not meant for this patient's.
        guaranteed: the least share of such answers that is right, in (0, 1]; None where nothing is guaranteed.
    """
    return " ".join(_remarks(notice, outside_intended_population, guaranteed))


def _remarks(notice: str, outside: Sequence[str], guaranteed: float | None) -> Iterator[str]:
    yield notice
    if outside:
        yield f"The model is not meant for this patient's {' and '.join(outside)}."
    if guaranteed is None:
        yield "Nothing is guaranteed about how many such answers are right."
    else:
        yield (
            f"At least {guaranteed:.0%} of such answers are guaranteed to be right, for patients like those "
            "of the model's validation data."
        )


def _uid(value: uuid.UUID) -> str:
    return f"2.25.{value.int}"
