"""Models of what `cxr predict` and `batch` print with `--json`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

Label = Literal["NORMAL", "PNEUMONIA", "INDETERMINATE"]


class Scored(BaseModel):
    """A radiograph's answer; docs/api.md explains the members. `overlay` and `dicom` are there where files are."""

    path: str
    probability: float
    label: Label
    indeterminate: bool | None
    guaranteed: Annotated[float | None, Field(description="Least share of such answers that is right.")]
    threshold: float | None
    model_version: int | str | None
    model_package_arn: str | None
    outside_intended_population: list[Literal["age", "view"]]
    modality: str | None
    body_part: Literal["chest", "other", "unstated"] | None
    overlay: Annotated[str | None, Field(description="The file that was written.")] = None
    dicom: Annotated[list[str] | None, Field(description="The files that were written.")] = None


class Failed(BaseModel):
    """A file without an answer: a sentence, and the API's code where there is one (docs/api.md)."""

    path: str
    error: str
    code: str | None


class Batch(BaseModel):
    """A batch, its table, in the bucket and here, and how many images have no answer."""

    batch: str
    summary: str
    file: str
    images: int
    failed: int
