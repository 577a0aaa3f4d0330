"""Models of what commands about archives and executions print with `--json`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

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
    """Answer of an upload, with what readers changed."""

    derived_from: Annotated[str, Field(description="S3 URI of the archive with the earlier labels.")]
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


class Requests(BaseModel):
    """Requests for a prediction in the window, as the Predict function counted them."""

    first: Annotated[datetime, Field(description="Hour of the first that was counted.")]
    total: int
    predicted: int
    repeated: Annotated[int, Field(description="Answered as before: repeated with the same Idempotency-Key.")]
    refused: Annotated[dict[str, int], Field(description="By outcome, of those that occurred.")]
    failed: Annotated[dict[str, int], Field(description="By outcome, of those that occurred.")]


class ApiRequests(BaseModel):
    """Requests to all paths in the window, as API Gateway counted them."""

    requests: int
    client_errors: Annotated[int, Field(description="Answered with 4xx.")]
    server_errors: Annotated[int, Field(description="Answered with 5xx.")]


class RequestCounts(BaseModel):
    """Refused and failed requests; null where they are not known, which is something else than none."""

    predictions: Requests | None
    api: ApiRequests | None
    sentence: str


class Share(BaseModel):
    """A figure with its 95 % interval."""

    value: float
    confidence_interval: list[float]


class LabelledShare(Share):
    """A figure by readers' labels, and the evaluation's."""

    evaluation: float


class Index(BaseModel):
    """A population stability index, and below what 95 % of such lie by chance."""

    value: float
    by_chance: float


class Run(BaseModel):
    """A monitoring run's figures; null is what it did not compare."""

    at: Annotated[datetime, Field(description="End of its window.")]
    begin: Annotated[datetime, Field(alias="from", description="Begin of its window.")]
    package: Annotated[str, Field(description="Short name of the model package: group and version.")]
    predictions: int
    labelled_predictions: int
    min_predictions: int
    psi_limit: float
    drift: bool | None
    dropped: bool | None
    score_psi: Index | None
    input_psi: Annotated[Index | None, Field(description="The largest of the other quantities.")]
    predicted_positive: Share | None
    indeterminate: Share | None
    sensitivity: LabelledShare | None
    specificity: LabelledShare | None


class Trend(BaseModel):
    """Runs by time, the one that is reported last."""

    runs: list[Run]
    sentence: str


class Findings(BaseModel):
    """monitoring.json (docs/monitoring.md), with all that it has besides these."""

    model_config = ConfigDict(extra="allow")

    sentence: str
    requests: Annotated[RequestCounts | None, Field(description="Absent from older results.")] = None
    trend: Annotated[Trend | None, Field(description="Absent from older results.")] = None


class Monitored(Report):
    """The report of a monitoring run."""

    findings: Findings
