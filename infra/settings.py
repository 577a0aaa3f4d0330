"""What differs between environments, read from the context of cdk.json and checked before anything is built.

`shared` holds what every environment has in common; an entry of `environments` holds what only that one says, on top of
what another one says where it is `like` that one, so each value is stated once. Anything missing, unknown or out of a
service's range stops the synthesis with one line.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_pascal
from pydantic_core import ErrorDetails

from infra.base.instance_types import InstanceType, is_gpu
from model_code.contract.parameters import HYPERPARAMETERS, MONITORING, SPOT, TRAINING, TUNING, Parameter

MIB = 1024 * 1024

# CopyObject copies at most 5 GB in one request (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html).
MAX_COPY_BYTES = 5 * 1024 * MIB
# A Lambda request is at most 6 MB (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html). API
# Gateway wraps the image in base64, four characters for three bytes, beside 10 KB of headers and its own fields.
MAX_IMAGE_BYTES = 4_500_000
# InvokeEndpoint takes 6 MB (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html).
MAX_ENDPOINT_BYTES = 6_291_456
# A serverless endpoint takes 4 MB (https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html).
MAX_SERVERLESS_IMAGE_BYTES = 4 * MIB
# API_BlueGreenUpdatePolicy, MaximumExecutionTimeoutInSeconds.
MAX_ROLLOUT_SECONDS = 28_800

# What PutRetentionPolicy accepts.
LogRetentionDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
                           3288, 3653]  # fmt: skip
# With one * at most, which is what S3's CORS rules take, for the start of the host or for the port.
PageOrigin = Annotated[
    str, Field(pattern=r"^https?://([a-z0-9.-]+(:(\d{1,5}|\*))?|\*\.[a-z0-9.-]+(:\d{1,5})?)$", max_length=255)
]
Positive = Annotated[int, Field(ge=1)]
# What AWS takes as a tag; of names without the colon, which its own begin with (aws:)
# (https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html).
TagName = Annotated[str, Field(pattern=r"^[A-Za-z0-9 _./=+@-]{1,128}$")]
TagValue = Annotated[str, Field(pattern=r"^[A-Za-z0-9 _.:/=+@-]{1,256}$")]


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
    data_events: bool
    access_log_days: Positive
    # What realtime endpoints answered, where `endpoint.capture` keeps it.
    capture_days: Positive


class Network(Section):
    """Where functions, jobs and the endpoint's instances run."""

    # False: in SageMaker's and Lambda's own networks. True: in private subnets of a network of their own.
    vpc: bool
    # Room for 256 addresses a subnet and zone at least; the largest a VPC may be is /16.
    cidr: Annotated[str, Field(pattern=r"^\d{1,3}(\.\d{1,3}){3}/(16|17|18|19|20|21|22)$")]
    # Letters of the region's zones. An interface endpoint costs in each; two keep one that fails from ending all.
    zones: Annotated[tuple[Annotated[str, Field(pattern=r"^[a-z]$")], ...], Field(min_length=2, max_length=3)]


def _annotation(one: Parameter) -> Any:
    """What pydantic checks a parameter's default by."""
    if one.choices:
        return Literal[one.choices]
    if one.name.endswith("InstanceType"):
        return InstanceType
    if isinstance(one.default, str):
        return Annotated[str, Field(pattern=one.pattern)]
    return Annotated[type(one.default), Field(ge=one.least, le=one.greatest)]


_STATED = {one.field: one for one in TRAINING.values() if one.setting}
# Where settings say nothing else, a parameter's default is that of the table.
_FIELDS: dict[str, Any] = {name: (_annotation(one), one.default) for name, one in _STATED.items()}
_Parameters: Any = create_model("_Parameters", __base__=Section, **_FIELDS)


class Pipeline(_Parameters):  # type: ignore[misc]  # its fields are those of `contract.parameters`
    """Defaults of the pipeline's parameters; a start may name others. The names here are theirs in snake case."""

    model_config = ConfigDict(alias_generator=to_pascal, validate_by_name=True, validate_by_alias=False)

    # Below weights/ of the artifact bucket; SageMaker copies it into the training job.
    weights_file: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    # No parameters: a pipeline has no expression for spot or tuning, so each choice has a definition of its own.
    spot: bool
    tuning: bool

    def defaults(self) -> dict[str, str | int | float]:
        """Parameter names of the pipeline's definition, and the values they have unless a start names others."""
        absent = {"spot", "tuning", "weights_file"}
        absent |= set() if self.spot else {one.field for one in SPOT.values()}
        searched = {one.field for one in HYPERPARAMETERS.values() if one.search}
        absent |= searched if self.tuning else {one.field for one in TUNING.values()}
        return dict(self.model_dump(by_alias=True, exclude=absent))

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


class Rollout(Section):
    """How a new model takes over: a share of the traffic first, back to the old model when an alarm goes off."""

    # canary: one share, then everything. linear: the same share again and again.
    traffic: Literal["canary", "linear"]
    percent: Annotated[int, Field(ge=1, le=50)]
    wait_seconds: Annotated[int, Field(ge=0, le=3600)]
    termination_wait_seconds: Annotated[int, Field(ge=0, le=3600)]
    # Of all requests, not a number of them: an image that cannot be decoded is one of the container's errors too, and
    # a client that sends one must not be able to take a release back.
    max_error_percent: Annotated[int, Field(ge=1, le=99)]
    max_latency_ms: Annotated[int, Field(ge=1, le=60_000)]
    max_overhead_ms: Annotated[int, Field(ge=1, le=60_000)]

    @property
    def steps(self) -> int:
        """How many shares it takes to give the new model everything."""
        return 2 if self.traffic == "canary" else -(-100 // self.percent)

    @property
    def longest_seconds(self) -> int:
        """What a release may take: its waits, and an hour for instances to start and stop."""
        return (self.steps - 1) * self.wait_seconds + self.termination_wait_seconds + 3600

    @model_validator(mode="after")
    def _works(self) -> Self:
        if self.traffic == "linear" and self.percent < 10:
            raise ValueError("percent must be at least 10 for linear traffic: SageMaker takes no smaller steps")
        if self.max_error_percent >= self.percent:
            raise ValueError(
                f"max_error_percent must be below percent, which is {self.percent}: a model that fails every request "
                "of its share would go unnoticed until it has all of them"
            )
        if self.longest_seconds > MAX_ROLLOUT_SECONDS:
            raise ValueError(
                f"with these waits a release takes up to {self.longest_seconds} s, and SageMaker stops it after "
                f"{MAX_ROLLOUT_SECONDS}"
            )
        return self


class Capture(Section):
    """What SageMaker keeps of the requests to an endpoint on instances; a serverless one keeps nothing."""

    percent: Annotated[int, Field(ge=1, le=100)]
    # Radiographs are patient data: answers are enough to show later what was answered.
    inputs: bool


class Scaling(Section):
    """How many more instances a busy endpoint gets."""

    max_instances: Annotated[int, Field(ge=1)]
    invocations_per_minute: Annotated[int, Field(ge=1)]


class RealtimeEndpoint(Section):
    """An endpoint on instances that are always there."""

    kind: Literal["realtime"]
    instance_type: InstanceType
    # One instance has no half to try the new model on, and is lost with its availability zone.
    instance_count: Annotated[int, Field(ge=2)]
    scaling: Scaling
    # Requests that a second model gets copies of; 0 for no such model.
    shadow_percent: Annotated[int, Field(ge=0, le=100)]
    rollout: Rollout
    capture: Capture | None = None

    @model_validator(mode="after")
    def _scales_up(self) -> Self:
        if self.scaling.max_instances < self.instance_count:
            raise ValueError("scaling.max_instances must not be below instance_count, which is always there")
        return self


class Asynchronous(Section):
    """A second endpoint, for large or many images: requests queue in S3, and without any it has no instance."""

    instance_type: InstanceType
    max_instances: Annotated[int, Field(ge=1)]
    concurrent_requests: Annotated[int, Field(ge=1, le=1000)]
    backlog_per_instance: Annotated[int, Field(ge=1)]


class Batch(Section):
    """Batch transform jobs, as `cxr batch` starts them unless it is told otherwise."""

    instance_type: InstanceType
    instance_count: Annotated[int, Field(ge=1)]
    concurrent_requests: Annotated[int, Field(ge=1, le=100)]


class ApiKeyAuthentication(Section):
    """Clients hold a key of the API's usage plan."""

    kind: Literal["api_key"]


class IamAuthentication(Section):
    """Clients sign requests as IAM principals (Signature Version 4), whose policies say what they may ask for."""

    kind: Literal["iam"]


class JwtAuthentication(Section):
    """Clients hold tokens of an OpenID Connect issuer, such as an Amazon Cognito user pool, with scopes."""

    kind: Literal["jwt"]
    issuer: Annotated[str, Field(pattern=r"^https://[^\s?#]+$")]
    audience: Annotated[str, Field(min_length=1)]
    # Cognito's scopes begin with the resource server's identifier and a slash.
    scope_prefix: Annotated[str, Field(pattern=r"^[!#-\[\]-~]*$")] = ""


class Firewall(Section):
    """AWS WAF before the API."""

    enabled: bool
    # Of one address: ten is the least that WAF counts to.
    requests_per_five_minutes: Annotated[int, Field(ge=10, le=2_000_000_000)]


class Api(Section):
    """What a client of the API may ask for."""

    # Of one key; the stage takes more, so that one busy client leaves the others something.
    requests_per_second: Positive
    burst: Positive
    stage_requests_per_second: Positive
    stage_burst: Positive
    requests_per_day: Positive
    max_image_bytes: Annotated[int, Field(ge=1, le=MAX_IMAGE_BYTES)]
    # By way of S3, which the gateway's limit does not hold for.
    max_upload_bytes: Annotated[int, Field(ge=1, le=MAX_ENDPOINT_BYTES)]
    keep_days: Annotated[int, Field(ge=1, le=3650)]
    keep_labelled_days: Annotated[int, Field(ge=1, le=3650)]
    # Whose pages may call the API from a browser. Not "*": a key in a page of anybody's would be everybody's.
    allowed_origins: tuple[Annotated[str, Field(pattern=r"^https?://[a-z0-9.-]+(:\d{1,5})?$")], ...]
    # Where browsers find the API's own page besides API Gateway's address.
    page_origins: tuple[PageOrigin, ...]
    authentication: Annotated[ApiKeyAuthentication | IamAuthentication | JwtAuthentication, Field(discriminator="kind")]
    firewall: Firewall
    # API Gateway writes access logs with one role an account and region. Of two environments there, one owns it.
    owns_account_log_role: bool

    @field_validator("authentication", mode="before")
    @classmethod
    def _kind_is_named(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and "kind" not in value:
            raise ValueError('kind is missing; it is "api_key", "iam" or "jwt"')
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.requests_per_second >= self.stage_requests_per_second or self.burst >= self.stage_burst:
            raise ValueError(
                "requests_per_second and burst, of one key, must be below stage_requests_per_second and stage_burst: "
                "one busy client would keep out all others"
            )
        if self.max_upload_bytes < self.max_image_bytes:
            raise ValueError("max_upload_bytes must not be below max_image_bytes: uploads are for what is larger")
        if self.keep_labelled_days < self.keep_days:
            raise ValueError(
                "keep_labelled_days must not be below keep_days: a label would shorten a prediction's time"
            )
        return self


# Settings that are defaults of the monitoring pipeline's parameters.
_OF_MONITORING = {"days": "Days", "min_predictions": "MinPredictions", "psi_limit": "PsiLimit"}
_OF_MONITORING |= {"instance_type": "ProcessingInstanceType", "max_runtime_seconds": "MaxRuntimeSeconds"}


class Monitoring(Section):
    """Who looks at what the stack does: a dashboard, alarms, and a pipeline that compares predictions with training."""

    dashboard: bool
    alarms: bool
    # 0 for no schedule. The alarm about a run that is missing looks back on twice that, and no alarm on more than seven
    # days (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html).
    every_hours: Annotated[int, Field(ge=0, le=72)]
    days: int
    min_predictions: int
    psi_limit: float
    instance_type: InstanceType
    max_runtime_seconds: int
    # Whether the drift alarm starts the training pipeline on the newest dataset that has trained.
    retrain: bool
    # What alarms and the dashboard link to; an anchor follows.
    runbook_url: Annotated[str, Field(pattern=r"^[^\s#]+$", max_length=500)]

    def defaults(self) -> dict[str, str | int | float]:
        """Parameter names of the monitoring pipeline's definition, and the values they have by default."""
        return {parameter: getattr(self, field) for field, parameter in _OF_MONITORING.items()}

    @field_validator("days", "min_predictions", "psi_limit", "max_runtime_seconds")
    @classmethod
    def _is_accepted(cls, value: int | float | str, info: ValidationInfo) -> int | float | str:
        one = MONITORING[_OF_MONITORING[str(info.field_name)]]
        if problem := one.problem(value):
            raise ValueError(f"which is refused: {problem.rstrip('.')}")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.retrain and not self.alarms:
            raise ValueError("retrain needs alarms: it is the drift alarm that starts the training pipeline")
        if self.every_hours > 24 * self.days:
            raise ValueError("every_hours must not be above days: predictions in between would be looked at by no run")
        return self


class Budget(Section):
    """What the account may spend a month on what carries the project's tag, before somebody is told."""

    monthly_usd: Positive
    alert_percent: Annotated[tuple[Annotated[int, Field(ge=1, le=1000)], ...], Field(min_length=1, max_length=5)]


class Archive(Section):
    """What an uploaded archive may hold; more is refused before anything runs."""

    max_bytes: Annotated[int, Field(ge=1, le=MAX_COPY_BYTES)]
    max_uncompressed_bytes: Positive
    max_files: Positive


class Settings(Section):
    """Everything one environment needs to know."""

    environment: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{1,15}$")]
    # Without it, that of the credentials which deploy. With it, no other account is ever deployed to by mistake.
    account: Annotated[str, Field(pattern=r"^\d{12}$")] | None = None
    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
    # On everything that takes tags, besides `environment`, which is not to be said here.
    tags: dict[TagName, TagValue]
    # Name of a managed policy of the account that bounds what every role of the stacks can ever do.
    permissions_boundary: Annotated[str, Field(pattern=r"^[\w+=,.@/-]{1,128}$")] | None = None
    retain: bool
    log_retention_days: LogRetentionDays
    tracing: bool
    # Where functions run in an interpreter that has the libraries, as on the laptop, none are carried along.
    vendor_libraries: bool
    notification_email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")] | None = None
    powertools_layer: PowertoolsLayer
    containers: Containers
    buckets: Buckets
    network: Network
    archive: Archive
    pipeline: Pipeline
    endpoint: Annotated[ServerlessEndpoint | RealtimeEndpoint, Field(discriminator="kind")]
    asynchronous: Asynchronous | None = None
    batch: Batch
    api: Api
    monitoring: Monitoring
    budget: Budget | None = None

    @property
    def name(self) -> str:
        """Name of the pipeline, the model package group and the endpoint, and the start of every stack's name."""
        return f"cxr-{self.environment}"

    @property
    def drift_alarm(self) -> str:
        """Name of the alarm about drift: fixed, because a stack that is deployed before the alarm's waits for it."""
        return f"{self.name}-drift"

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
        limits = {"max_image_bytes": self.api.max_image_bytes, "max_upload_bytes": self.api.max_upload_bytes}
        for name, limit in limits.items():
            if self.endpoint.kind == "serverless" and limit > MAX_SERVERLESS_IMAGE_BYTES:
                raise ValueError(
                    f"api.{name} is {limit}, but a serverless endpoint takes at most {MAX_SERVERLESS_IMAGE_BYTES}"
                )
        if self.archive.max_uncompressed_bytes < self.archive.max_bytes:
            raise ValueError("archive.max_uncompressed_bytes must not be below archive.max_bytes")
        if "environment" in self.tags:
            raise ValueError("tags.environment is the name of the environment already")
        if self.budget is not None and "project" not in self.tags:
            raise ValueError("budget needs tags.project: it counts what carries that tag")
        if self.monitoring.days > self.api.keep_days:
            raise ValueError(
                f"monitoring.days is {self.monitoring.days}, but predictions are kept for {self.api.keep_days} days "
                "(api.keep_days)"
            )
        self._fits_the_network()
        self._fits_the_container()
        return self

    def _fits_the_container(self) -> None:
        """A registered model names one image, for a processor or for a GPU, and every kind of inference runs that."""
        gpu = self.endpoint.kind == "realtime" and is_gpu(self.endpoint.instance_type)
        others: list[tuple[str, Asynchronous | Batch | None]] = [
            ("asynchronous", self.asynchronous),
            ("batch", self.batch),
        ]
        for name, section in others:
            if section is not None and is_gpu(section.instance_type) is not gpu:
                has = "has a GPU" if not gpu else "has none"
                raise ValueError(
                    f"{name}.instance_type is {section.instance_type}, which {has}, but models are registered with the "
                    f"image for {'GPUs' if gpu else 'CPUs'}, as the endpoint needs it"
                )
        if gpu and self.pipeline.serving_engine != "tensorflow":
            raise ValueError(
                f"pipeline.serving_engine is {self.pipeline.serving_engine}, which computes on processors only, and "
                "the endpoint has a GPU: name tensorflow"
            )

    def _fits_the_network(self) -> None:
        if not self.network.vpc:
            return
        if self.api.authentication.kind == "jwt":
            raise ValueError(
                "network.vpc leaves nobody to fetch the keys of api.authentication.issuer: use api_key or iam"
            )
        if self.endpoint.kind == "serverless":
            raise ValueError("network.vpc needs another kind of endpoint: a serverless one runs in no VPC")
        if self.pipeline.backbone_weights == "imagenet" and self.pipeline.weights_file == "none":
            raise ValueError(
                "network.vpc leaves training without the internet: name in pipeline.weights_file the file with the "
                "backbone's weights below weights/ of the artifact bucket, or set pipeline.backbone_weights to none"
            )
        if self.pipeline.backbone_weights.startswith("s3://") or self.pipeline.warm_start_from != "none":
            raise ValueError(
                "network.vpc isolates training jobs, which then reach no S3 of their own accord: give weights by "
                "pipeline.weights_file, and no pipeline.warm_start_from"
            )

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
        own = dict(environments[environment])
        like = own.pop("like", None)
        if like is not None and (like not in environments or "like" in environments[like]):
            raise SettingsError(
                f'cdk.json, environment "{environment}": like is {like!r}, which is no environment with values of '
                "its own."
            )
        model = _merged(context.get("shared") or {}, environments[like] if like else {})
        try:
            return cls.model_validate({"environment": environment, **_merged(model, own)})
        except ValidationError as error:
            problems = "; ".join(_problem(detail) for detail in error.errors())
            raise SettingsError(f'cdk.json, environment "{environment}": {problems}.') from error


def _merged(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The shared values, replaced or extended by the environment's own, group by group."""
    result = dict(shared)
    for key, value in own.items():
        below = result.get(key)
        result[key] = _merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result


_TAGS = frozenset({"serverless", "realtime", "api_key", "iam", "jwt"})


def _problem(detail: ErrorDetails) -> str:
    """One part of a sentence about one of pydantic's errors."""
    # A tagged union puts its tag into the path, where cdk.json has nothing of that name.
    path = ".".join(str(part) for part in detail["loc"] if part not in _TAGS)
    if detail["type"] == "missing":
        return f"{path} is missing"
    if detail["type"] == "extra_forbidden":
        return f"{path} is not a setting"
    message = detail["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if isinstance(detail["input"], Mapping):
        return f"{path}: {message}" if path else message
    return f"{path} is {detail['input']!r}, {message}"
