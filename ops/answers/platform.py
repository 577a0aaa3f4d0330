"""Models of what commands about a deployment print with `--json`: its state, what it lacks and what it costs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from ops.answers.executions import Execution
from ops.answers.models import Approval, ModelVersion


class Status(BaseModel):
    """State of a deployment: stacks, training, the latest model and what serves; null for what is not there."""

    env: str
    region: str | None
    stacks: Annotated[dict[str, str | None], Field(description="CloudFormation's status by the stack's name.")]
    execution: Execution | None
    latest_model: ModelVersion | None
    endpoint_status: str | None
    serving_version: int | None
    serving_approval: Approval | None
    serving_package_arn: str | None
    api_url: str | None


class Finding(BaseModel):
    """One check of `cxr doctor`; the advice is empty where nothing is to be done."""

    check: str
    state: Literal["fine", "skipped", "unknown", "wrong"]
    found: str
    advice: str


class DeployedStack(BaseModel):
    """A stack and its outputs."""

    status: str
    outputs: dict[str, str]


class Deployed(BaseModel):
    """The stacks that were deployed, by their names."""

    stacks: dict[str, DeployedStack]


class Destroyed(BaseModel):
    """Number of executions that were stopped before the stacks were removed."""

    stopped_executions: int


class Price(BaseModel):
    """US dollars for a unit, and where and when they were read."""

    usd: float
    unit: str
    source: str
    date: str


class CostLine(BaseModel):
    """A charge: `ops.cost.charges.Charge` explains the members. The price is null where the table has none."""

    part: str
    resource: str
    group: str
    quantity: float
    key: str
    formula: str
    most: float | None
    instead: list[str]
    price: Price | None
    usd: float | None
    usd_at_most: float | None


class CostSection(BaseModel):
    """Lines that are added up; the sums are null while something has no price, `usd_priced` is the sum of the rest."""

    usd: float | None
    usd_at_most: float | None
    usd_priced: float
    unpriced: Annotated[list[str], Field(description="Keys in ops/cost/prices.json.")]
    lines: list[CostLine]


class Cost(BaseModel):
    """Cost of an environment: a month, an execution, a site evaluation, a calibration, 1,000 predictions."""

    env: str
    region: str
    currency: Literal["USD"]
    standing: CostSection
    execution: CostSection
    site_evaluation: CostSection
    calibration: CostSection
    predictions: CostSection


class Up(BaseModel):
    """The laptop's cloud that was started, and the file with the variables that lead to it."""

    endpoint_url: str
    environment: str
    pid: int | None


class Down(BaseModel):
    """Whether the laptop's cloud was running."""

    ended: bool
