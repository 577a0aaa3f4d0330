"""Models of what commands about registered models print with `--json`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from lambdas.aws.site_evaluations import SiteEvaluation
from ops.answers.executions import Moment, Report

Approval = Annotated[str, Field(description="SageMaker's ModelApprovalStatus.")]
SiteEvaluations = Annotated[
    list[SiteEvaluation],
    Field(description="`lambdas.aws.site_evaluations.SiteEvaluation` explains the members; intervals are of 95 %."),
]


class EvaluatedSite(Report):
    """The report of a site evaluation, with site_evaluation.json (`model_code.contract.documents.SiteEvaluation`)."""

    evaluation: dict[str, Any]


class Calibrated(Report):
    """The version that a calibration made, with evaluation.json (`model_code.contract.documents.Evaluation`)."""

    version: int
    calibrated_from: dict[str, Any] | None
    evaluation: dict[str, Any]


class ModelVersion(BaseModel):
    """A registered model: `ops.models.registry.ModelVersion` explains the members."""

    version: int
    arn: str
    approval: Approval
    created: datetime
    comment: str
    decided: Moment
    decided_by: str
    statistics_uri: str
    metrics: Annotated[dict[str, float], Field(description="On the test split.")]
    calibrated_from: int | None
    calibration: str


class ListedVersion(ModelVersion):
    """A registered model, whether it serves, and its site evaluations, newest first."""

    serving: bool
    site_evaluations: SiteEvaluations


class Figure(BaseModel):
    """A metric with its 95 % interval, where the evaluation has one."""

    value: float
    confidence_interval: tuple[float, float] | None


class ComparedVersion(BaseModel):
    """One side of a comparison."""

    version: int
    arn: str
    approval: Approval
    dataset_sha256: str | None
    calibrated_from: dict[str, Any] | None
    threshold: float | None
    target_prevalence: float | None
    test_images: int | None
    metrics: dict[str, Figure]
    site_evaluations: SiteEvaluations


class Comparison(BaseModel):
    """Two versions, and what is not to be concluded from their figures."""

    versions: tuple[ComparedVersion, ComparedVersion]
    caution: str


class Approved(BaseModel):
    """A version that was approved, and whether it serves by now."""

    version: int
    arn: str
    approval: Literal["Approved"]
    serving: bool


class Rejected(BaseModel):
    """A version that was rejected; `being_released` says whether its release was under way, which is taken back."""

    version: int
    arn: str
    approval: Literal["Rejected"]
    serving: bool
    being_released: bool


class RolledBack(BaseModel):
    """The version that serves again, and the one that was left."""

    version: int
    arn: str
    serving: bool
    left: int | None


class Promoted(BaseModel):
    """A version in another environment: `ops.models.promotion.Promoted` explains the members."""

    version: int
    arn: str
    approval: Approval
    source_arn: str
    model_sha256: str
    known: bool


class Changed(BaseModel):
    """Member of the signed statement that is different now, or unknown; null on the side that does not have it."""

    name: str
    signed: str | None
    now: str | None
    unknown: Annotated[str | None, Field(description="Why it cannot be looked at any more.")]


class Verified(BaseModel):
    """A version held against what was signed of it; `changed` is empty where all is the same."""

    version: int
    arn: str
    statement: Annotated[str, Field(description="S3 URI of the signed statement.")]
    signed: Annotated[dict[str, str], Field(description="All that was signed, by names for people.")]
    changed: list[Changed]
