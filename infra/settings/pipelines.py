"""Settings that are defaults of the training and monitoring pipelines' parameters, and what goes with them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationInfo, create_model, field_validator, model_validator
from pydantic.alias_generators import to_pascal

from infra.settings.instance_types import InstanceType, ProcessingInstanceType
from infra.settings.section import Section
from model_code.contract.parameters import HYPERPARAMETERS, MONITORING, SPOT, TRAINING, TUNING, Parameter
from model_code.contract.site_parameters import SITE_REFUSALS


def _annotation(parameter: Parameter) -> Any:
    """Annotation by which pydantic checks a parameter's default."""
    if parameter.choices:
        return Literal[parameter.choices]
    if parameter.name.endswith("InstanceType"):
        return ProcessingInstanceType if parameter.name == "ProcessingInstanceType" else InstanceType
    if isinstance(parameter.default, str):
        return Annotated[str, Field(pattern=parameter.pattern)]
    return Annotated[type(parameter.default), Field(ge=parameter.least, le=parameter.greatest)]


DEFAULTS = {parameter.field: parameter for parameter in TRAINING.values() if parameter.setting}
"""Parameters whose defaults are settings, by the names that these have below `pipeline`."""
# Where settings say nothing else, a parameter's default is that of the table.
_FIELDS: dict[str, Any] = {name: (_annotation(parameter), parameter.default) for name, parameter in DEFAULTS.items()}
_Parameters: Any = create_model("_Parameters", __base__=Section, **_FIELDS)


class Pipeline(_Parameters):  # type: ignore[misc]  # its fields are those of `contract.parameters`
    """Defaults of the pipeline's parameters; a start may name others. The names here are theirs in snake case."""

    model_config = ConfigDict(alias_generator=to_pascal, validate_by_name=True, validate_by_alias=False)

    weights_file: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """Name of a no-top weights file below `weights/` of the artifact bucket, which SageMaker copies into the training
    job (default of `WeightsChannelUri`), or `none`."""
    # No parameters: a pipeline has no expression for spot or tuning, so each choice has a definition of its own.
    spot: bool
    """Train on managed spot instances; an interrupted job resumes from its last checkpoint."""
    tuning: bool
    """Let a tuning job search the learning rates, the dropout and how deep fine-tuning reaches, and take its best
    model."""

    def defaults(self) -> dict[str, str | int | float]:
        """Parameter names of the pipeline's definition, and the values they have unless a start names others."""
        absent = {"spot", "tuning", "weights_file"}
        absent |= set() if self.spot else {parameter.field for parameter in SPOT.values()}
        searched = {parameter.field for parameter in HYPERPARAMETERS.values() if parameter.search}
        absent |= searched if self.tuning else {parameter.field for parameter in TUNING.values()}
        return dict(self.model_dump(by_alias=True, exclude=absent))

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.spot and self.max_wait_seconds < self.max_runtime_seconds:
            raise ValueError("max_wait_seconds must not be below max_runtime_seconds: it counts the run time too")
        if self.tuning and self.tuning_jobs < self.tuning_parallel_jobs:
            raise ValueError("tuning_jobs must not be below tuning_parallel_jobs: no more can run at once than in all")
        return self


class SiteEvaluation(Section):
    """Limits of a registered model on a site's own radiographs, and whether a release asks for that."""

    max_refused_share: Annotated[float, Field(ge=0, le=1)]
    """Largest share of a site's radiographs that the out-of-distribution detector may refuse where a model is called
    usable there (default of `MaxRefusedShare`); 0 to 1. The other limits are those of `pipeline`."""
    required_for_release: bool
    """Whether an approved version is released only when a site evaluation calls it usable and none speaks against it
    ([releases.md](releases.md#site-evaluation-before-a-release)); until then the Release function reads no
    evaluations."""

    def defaults(self, pipeline: Pipeline, parameters: Mapping[str, Parameter]) -> dict[str, str | int | float]:
        """Names of parameters in the definition of a pipeline that holds a model against a site, and their defaults.

        Args:
            pipeline: settings of the training pipeline, which give those of the parameters that both have.
        """
        shared = pipeline.model_dump(by_alias=True)
        given = {name: shared[name] for name, parameter in parameters.items() if parameter.setting and name in shared}
        return {**given, SITE_REFUSALS: self.max_refused_share} if SITE_REFUSALS in parameters else given


# Settings that are defaults of the monitoring pipeline's parameters.
_OF_MONITORING = {"days": "Days", "min_predictions": "MinPredictions", "psi_limit": "PsiLimit"}
_OF_MONITORING |= {"instance_type": "ProcessingInstanceType", "max_runtime_seconds": "MaxRuntimeSeconds"}


class Monitoring(Section):
    """Monitoring settings: dashboard, alarms, and the schedule and parameters of the monitoring pipeline."""

    dashboard: bool
    """Whether there is a dashboard `cxr-<env>` in CloudWatch."""
    alarms: bool
    """Whether alarms tell the topic what stops working; each is explained in [runbooks.md](runbooks.md)."""
    # The alarm about a run that is missing looks back on twice that, and no alarm on more than seven
    # days (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html).
    every_hours: Annotated[int, Field(ge=0, le=72)]
    """Hours between runs of the monitoring pipeline, at most 72; 0 for no schedule. With alarms, one tells when no run
    ended in twice that time."""
    days: int
    """Predictions of so many days are compared (default of `Days`); at most `api.keep_days`."""
    min_predictions: int
    """Fewer predictions than these are counted, not compared (default of `MinPredictions`)."""
    psi_limit: float
    """Population stability index from which a significant difference is called drift (default of `PsiLimit`)."""
    instance_type: ProcessingInstanceType
    """Instance of the monitoring job (default of `ProcessingInstanceType`)."""
    max_runtime_seconds: int
    """Its longest run (default of `MaxRuntimeSeconds`)."""
    retrain: bool
    """Whether the drift alarm starts the training pipeline on the newest dataset that has trained; needs
    `monitoring.alarms`."""
    # An argument of the monitoring job has at most 256 characters
    # (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AppSpecification.html, botocore 1.43).
    runbook_url: Annotated[str, Field(pattern=r"^[^\s#]+$", max_length=256)]
    """Page that alarms, dashboard and the monitoring report link to, an anchor follows: a copy of
    [runbooks.md](runbooks.md) that those who get the messages can open."""

    def defaults(self) -> dict[str, str | int | float]:
        """Parameter names of the monitoring pipeline's definition, and the values they have by default."""
        return {parameter: getattr(self, field) for field, parameter in _OF_MONITORING.items()}

    @field_validator("days", "min_predictions", "psi_limit", "max_runtime_seconds")
    @classmethod
    def _is_accepted(cls, value: int | float | str, info: ValidationInfo) -> int | float | str:
        parameter = MONITORING[_OF_MONITORING[str(info.field_name)]]
        if problem := parameter.problem(value):
            raise ValueError(f"which is refused: {problem.rstrip('.')}")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.retrain and not self.alarms:
            raise ValueError("retrain needs alarms: it is the drift alarm that starts the training pipeline")
        if self.every_hours > 24 * self.days:
            raise ValueError("every_hours must not be above days: predictions in between would be looked at by no run")
        return self
