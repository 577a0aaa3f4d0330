"""What differs between environments, read from the context of cdk.json and checked before anything is built.

`shared` holds what every environment has in common; an entry of `environments` holds what only that one says, so each
value is stated once. Anything missing, unknown or out of a service's range stops the synthesis with one line.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.alias_generators import to_pascal
from pydantic_core import ErrorDetails

MIB = 1024 * 1024

# CopyObject copies at most 5 GB in one request (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html).
MAX_COPY_BYTES = 5 * 1024 * MIB
# A Lambda request is at most 6 MB (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html). API
# Gateway wraps the image in base64, four characters for three bytes, beside 10 KB of headers and its own fields.
MAX_IMAGE_BYTES = 4_500_000
# A serverless endpoint takes 4 MB (https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html).
MAX_SERVERLESS_IMAGE_BYTES = 4 * MIB

# What PutRetentionPolicy accepts.
LogRetentionDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
                           3288, 3653]  # fmt: skip
InstanceType = Annotated[str, Field(pattern=r"^ml\.[a-z][a-z0-9-]*\.[a-z0-9]+$")]
Fraction = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(ge=1e-8, le=1)]
Positive = Annotated[int, Field(ge=1)]
PackageArn = Annotated[str, Field(pattern=r"^(none|arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}:model-package/.+/\d+)$")]

# What a tuning job chooses by itself: not among the parameters of the definitions that tune.
SEARCHED = frozenset({"learning_rate", "fine_tune_learning_rate", "fine_tune_from", "dropout"})


class SettingsError(Exception):
    """A setting is missing or wrong; the message is one line that says which, and what to do."""


class Section(BaseModel):
    """A group of settings: immutable, and closed to names it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PowertoolsLayer(Section):
    """Version of the public layer with Powertools for AWS Lambda (Python) and pydantic."""

    account: Annotated[str, Field(pattern=r"^\d{12}$")]
    version: Positive


class Containers(Section):
    """Tags of AWS's TensorFlow Deep Learning Containers, by what the instance has."""

    training_cpu_tag: str
    training_gpu_tag: str
    serving_cpu_tag: str
    serving_gpu_tag: str


class Buckets(Section):
    """How long the buckets keep what nobody needs any more."""

    incoming_days: Positive
    noncurrent_days: Positive
    access_logs: bool
    access_log_days: Positive


class Pipeline(Section):
    """Defaults of the pipeline's parameters; a start may name others.

    `model_code` explains each; the names here are theirs in snake case.
    """

    model_config = ConfigDict(alias_generator=to_pascal, validate_by_name=True, validate_by_alias=False)

    processing_instance_type: InstanceType
    # Each instance downloads the whole archive: many of them spend their time on that.
    processing_instance_count: Annotated[int, Field(ge=1, le=20)]
    training_instance_type: InstanceType
    image_size: Annotated[int, Field(ge=32, le=1024)]
    validation_fraction: Annotated[float, Field(gt=0, lt=0.5)]
    backbone: Literal["ResNet50V2", "EfficientNetV2B0", "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large"]
    backbone_weights: Annotated[str, Field(pattern=r"^(imagenet|none|s3://[a-z0-9.-]+/.+)$")]
    warm_start_from: PackageArn
    epochs: Annotated[int, Field(ge=1, le=1000)]
    fine_tune_epochs: Annotated[int, Field(ge=0, le=1000)]
    learning_rate: Rate
    fine_tune_learning_rate: Rate
    # A stage, or the name of one of the backbone's layers.
    fine_tune_from: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    patience: Annotated[int, Field(ge=1, le=1000)]
    batch_size: Annotated[int, Field(ge=2, le=4096)]
    dropout: Annotated[float, Field(ge=0, le=0.9)]
    label_smoothing: Annotated[float, Field(ge=0, le=0.5)]
    class_weights: Literal["balanced", "none"]
    ema_momentum: Annotated[float, Field(ge=0, le=0.9999)]
    feature_views: Annotated[int, Field(ge=0, le=100)]
    horizontal_flip: Fraction
    zoom_range: Annotated[float, Field(ge=0, le=0.9)]
    rotation_degrees: Annotated[float, Field(ge=0, le=180)]
    shift_range: Annotated[float, Field(ge=0, le=0.5)]
    contrast_range: Annotated[float, Field(ge=0, le=0.9)]
    precision: Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"]
    xla: Literal["off", "on"]
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    min_auroc: Fraction
    min_sensitivity: Fraction
    min_specificity: Fraction
    max_calibration_error: Fraction
    serving_comparison: Literal["gate", "report"]
    # A tuning job has at most 750 training jobs and 100 at once, unless the account's quotas are raised
    # (https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-limits.html).
    tuning_jobs: Annotated[int, Field(ge=1, le=750)]
    tuning_parallel_jobs: Annotated[int, Field(ge=1, le=100)]
    # A training job runs at most 28 days, a processing job 5 (API_StoppingCondition, API_ProcessingStoppingCondition).
    max_runtime_seconds: Annotated[int, Field(ge=600, le=432_000)]
    # Only of managed spot training: run time and waiting for capacity together. On demand has no such limit.
    max_wait_seconds: Annotated[int, Field(ge=600)]
    # No parameters: a pipeline has no expression for either, so each choice has a definition of its own.
    spot: bool
    tuning: bool

    def defaults(self) -> dict[str, str | int | float]:
        """Parameter names of the pipeline's definition, and the values they have unless a start names others."""
        absent = {"spot", "tuning"}
        absent |= set() if self.spot else {"max_wait_seconds"}
        absent |= SEARCHED if self.tuning else {"tuning_jobs", "tuning_parallel_jobs"}
        return self.model_dump(by_alias=True, exclude=absent)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.spot and self.max_wait_seconds < self.max_runtime_seconds:
            raise ValueError("max_wait_seconds must not be below max_runtime_seconds: it counts the run time too")
        if self.tuning and self.tuning_jobs < self.tuning_parallel_jobs:
            raise ValueError("tuning_jobs must not be below tuning_parallel_jobs: no more can run at once than in all")
        return self


class ServerlessEndpoint(Section):
    """An endpoint that costs nothing while idle and starts on demand."""

    kind: Literal["serverless"]
    memory_mb: Literal[1024, 2048, 3072, 4096, 5120, 6144]
    max_concurrency: Annotated[int, Field(ge=1, le=200)]


class Canary(Section):
    """How a new model takes over: a share of the traffic first, back to the old model when an alarm goes off."""

    percent: Annotated[int, Field(ge=1, le=50)]
    wait_seconds: Annotated[int, Field(ge=0, le=3600)]
    termination_wait_seconds: Annotated[int, Field(ge=0, le=3600)]
    max_errors_per_minute: Annotated[int, Field(ge=1)]
    max_latency_ms: Annotated[int, Field(ge=1, le=60_000)]


class RealtimeEndpoint(Section):
    """An endpoint on instances that are always there."""

    kind: Literal["realtime"]
    instance_type: InstanceType
    # One instance has no half to try the new model on, and is lost with its availability zone.
    instance_count: Annotated[int, Field(ge=2)]
    canary: Canary


class Api(Section):
    """What a client of the API may ask for."""

    requests_per_second: Positive
    burst: Positive
    requests_per_day: Positive
    max_image_bytes: Annotated[int, Field(ge=1, le=MAX_IMAGE_BYTES)]
    # API Gateway writes access logs with one role an account and region. Of two environments there, one owns it.
    owns_account_log_role: bool


class Archive(Section):
    """What an uploaded archive may hold; more is refused before anything runs."""

    max_bytes: Annotated[int, Field(ge=1, le=MAX_COPY_BYTES)]
    max_uncompressed_bytes: Positive
    max_files: Positive


class Settings(Section):
    """Everything one environment needs to know."""

    environment: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{1,15}$")]
    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
    retain: bool
    log_retention_days: LogRetentionDays
    tracing: bool
    notification_email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")] | None = None
    powertools_layer: PowertoolsLayer
    containers: Containers
    buckets: Buckets
    archive: Archive
    pipeline: Pipeline
    endpoint: Annotated[ServerlessEndpoint | RealtimeEndpoint, Field(discriminator="kind")]
    api: Api

    @property
    def name(self) -> str:
        """Name of the pipeline, the model package group and the endpoint, and the start of every stack's name."""
        return f"cxr-{self.environment}"

    @field_validator("endpoint", mode="before")
    @classmethod
    def _kind_is_named(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and "kind" not in value:
            raise ValueError('kind is missing; it is "serverless" or "realtime"')
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.environment == "prod" and not self.retain:
            raise ValueError("retain must be true in prod: deleting the stack would delete datasets and models")
        if self.endpoint.kind == "serverless" and self.api.max_image_bytes > MAX_SERVERLESS_IMAGE_BYTES:
            raise ValueError(
                f"api.max_image_bytes is {self.api.max_image_bytes}, but a serverless endpoint takes at most "
                f"{MAX_SERVERLESS_IMAGE_BYTES}"
            )
        if self.archive.max_uncompressed_bytes < self.archive.max_bytes:
            raise ValueError("archive.max_uncompressed_bytes must not be below archive.max_bytes")
        return self

    @classmethod
    def load(cls, context: Mapping[str, Any]) -> Self:
        """The settings of the environment that the context names.

        Args:
            context: `env`, `shared` and `environments` as cdk.json and `cdk -c` give them.

        Raises:
            SettingsError: in one line, everything that is missing or wrong.
        """
        environment = context.get("env")
        environments = context.get("environments")
        if not isinstance(environments, Mapping) or not environments:
            raise SettingsError('cdk.json holds no "environments": add one with at least a region.')
        if environment not in environments:
            known = ", ".join(environments)
            raise SettingsError(
                f'There is no environment "{environment}" in cdk.json: name one of {known} with -c env=...'
            )
        try:
            return cls.model_validate(
                {"environment": environment, **_merged(context.get("shared") or {}, environments[environment])}
            )
        except ValidationError as error:
            problems = "; ".join(_problem(detail) for detail in error.errors())
            raise SettingsError(f'cdk.json, environment "{environment}": {problems}.') from error


def is_gpu(instance_type: str) -> bool:
    """Whether a SageMaker instance type has an NVIDIA GPU, which needs the container's GPU build."""
    return re.match(r"^ml\.(g|p)\d", instance_type) is not None


def _merged(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The shared values, replaced or extended by the environment's own, group by group."""
    result = dict(shared)
    for key, value in own.items():
        below = result.get(key)
        result[key] = _merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result


def _problem(detail: ErrorDetails) -> str:
    """One part of a sentence about one of pydantic's errors."""
    # A tagged union puts its tag into the path, where cdk.json has nothing of that name.
    path = ".".join(str(part) for part in detail["loc"] if part not in ("serverless", "realtime"))
    if detail["type"] == "missing":
        return f"{path} is missing"
    if detail["type"] == "extra_forbidden":
        return f"{path} is not a setting"
    message = detail["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if isinstance(detail["input"], Mapping):
        return f"{path}: {message}" if path else message
    return f"{path} is {detail['input']!r}, {message}"
