"""Archives, executions, what they logged and reported."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

Moment = datetime | None


class Entry(BaseModel):
    """An entry of an archive: its number in the directory, what reports call it, and its own name."""

    number: int
    called: str
    name: str


class Trial(BaseModel):
    """A training job of a search; its objective is null until it has ended well."""

    job: str
    status: str
    hyperparameters: dict[str, str]
    objective: float | None


class Search(BaseModel):
    """A hyperparameter tuning job."""

    job: str
    metric: str
    planned: Annotated[int, Field(description="Training jobs in all.")]
    best: str | None
    training_jobs: list[Trial]


class Step(BaseModel):
    """A step of an execution; `job` is its processing, training or tuning job."""

    name: str
    status: str
    started: Moment
    ended: Moment
    reason: Annotated[str | None, Field(description="Why it failed.")]
    cached: Annotated[bool, Field(description="Whether an earlier execution's result was taken.")]
    job: str | None
    search: Search | None
    outputs: Annotated[dict[str, str] | None, Field(description="Of a step that is a Lambda function.")]


class Execution(BaseModel):
    """A pipeline execution; `cxr executions` has the steps of failed ones only."""

    id: str
    arn: str
    status: str
    started: Moment
    ended: Moment
    reason: str | None
    model_version: Annotated[str | None, Field(description="That it registered.")]
    steps: list[Step]


class Uploaded(BaseModel):
    """The execution that started on an upload, and the upload."""

    execution: str
    arn: str
    bucket: str
    key: str


class Imported(Uploaded):
    """As of an upload, with what readers changed."""

    derived_from: Annotated[str, Field(description="S3 URI of the archive with the labels of before.")]
    changed: Annotated[dict[str, int], Field(description="Labels by the way they changed: NORMAL to PNEUMONIA.")]


class Exported(BaseModel):
    """The table of suspect labels; `file` is null where it was not written."""

    source: str
    file: str | None
    images: int


class Started(BaseModel):
    """The execution that started on a dataset."""

    execution: str
    arn: str
    dataset: Annotated[str, Field(description="S3 URI.")]
    parameters: Annotated[dict[str, str], Field(description="That were given; the others have their defaults.")]


class Dataset(BaseModel):
    """An archive that was taken."""

    token: Annotated[str, Field(description="64 hexadecimal digits; `cxr start` takes the beginning of it.")]
    uri: str
    size: Annotated[int, Field(description="Bytes.")]
    kept: datetime


class Logs(BaseModel):
    """Log lines of a step."""

    execution: str
    step: str
    lines: list[str]


class Report(BaseModel):
    """A report that was written to a file."""

    source: Annotated[str, Field(description="S3 URI of the report.")]
    file: str
    opened: Annotated[bool, Field(description="Whether a browser was asked to show it.")]


class EvaluationReport(Report):
    """The report of an evaluation."""

    decision: Annotated[
        str, Field(description="What was decided about its version, when and by whom; empty where none was registered.")
    ]


class Monitored(Report):
    """The report of a monitoring run, with monitoring.json (docs/monitoring.md)."""

    findings: dict[str, Any]
