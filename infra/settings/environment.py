"""Settings of one environment, read from the context of cdk.json and checked before synthesis.

`shared` holds what every environment has in common; an entry of `environments` holds what only that one says, on top of
what another one says where it is `like` that one, so each value is stated once. Anything missing, unknown or out of a
service's range stops the synthesis with one line.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from infra.settings.api import Api
from infra.settings.endpoint import Asynchronous, Batch, RealtimeEndpoint, ServerlessEndpoint
from infra.settings.environment_name import ENVIRONMENT
from infra.settings.instance_types import is_gpu
from infra.settings.pipelines import Monitoring, Pipeline, SiteEvaluation
from infra.settings.platform import Archive, Buckets, Budget, Containers, Encryption, Network, PowertoolsLayer
from infra.settings.section import (
    MAX_SERVERLESS_IMAGE_BYTES,
    LogRetentionDays,
    Section,
    SettingsError,
    TagName,
    TagValue,
    with_kind,
)

LIKE = (
    "Optional; another environment, on top of whose values this one states its own; it can change them, not take them "
    "away: the CDK drops a `null`."
)
"""What cdk.json says with `like`, which is read before the settings are."""


class Settings(Section):
    """All settings of one environment."""

    environment: Annotated[str, Field(pattern=f"^{ENVIRONMENT}$")]
    account: Annotated[str, Field(pattern=r"^\d{12}$")] | None = None
    """Optional; the account of the stacks, so that no other can be deployed to by mistake. Without it: that of the
    credentials."""
    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
    """AWS region of the stacks; synthesis refuses one in which AWS publishes no TensorFlow images or no Powertools
    layer (Ningxia), or CloudFormation makes no endpoints (me-central-1)."""
    # SageMaker takes 50 of a job (TagList in botocore 1.43's service model): `environment` is one, and pipelines add
    # the execution and the step.
    tags: Annotated[dict[TagName, TagValue], Field(max_length=47)]
    """`project`, and as many others as you need (`owner`, `cost-centre`): tags of everything that takes tags.
    `environment` is always there."""
    permissions_boundary: Annotated[str, Field(pattern=r"^[\w+=,.@/-]{1,128}$")] | None = None
    """Optional; name of a managed policy of the account that bounds every role of the stacks."""
    retain: bool
    """Whether buckets and key outlive the stacks; must be true in prod."""
    log_retention_days: LogRetentionDays
    """How long CloudWatch keeps function and API logs."""
    tracing: bool
    """X-Ray traces of the functions and the API (never an image, never a result); not in China."""
    vendor_libraries: bool
    """Whether functions carry the packages they import (`make libraries`); false only where the interpreter that runs
    them has these already, as on the laptop."""
    notification_email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")] | None = None
    """Optional; receives rejected archives, requested and failed releases."""
    powertools_layer: PowertoolsLayer
    containers: Containers
    encryption: Encryption
    buckets: Buckets
    network: Network
    archive: Archive
    pipeline: Pipeline
    site_evaluation: SiteEvaluation
    endpoint: Annotated[ServerlessEndpoint | RealtimeEndpoint, Field(discriminator="kind")]
    """`serverless` (nothing to pay while idle; not in China) or `realtime`. SageMaker turns no endpoint on instances
    into a serverless one: to go back, remove the endpoint first (update its stack with an empty `ModelPackageArn`),
    deploy, and approve again."""
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
        return with_kind(value, '"serverless" or "realtime"')

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
        self._fits_the_region()
        self._fits_the_network()
        self._fits_the_container()
        return self

    def _fits_the_region(self) -> None:
        """Refuse what services have not in China.

        "Amazon X-Ray integration with Lambda functions is not available in the China Regions" (Lambda in "Getting
        Started with Amazon Web Services in China", read 2026-11-30), and none of 21 regions that the developer guide
        lists under "Serverless Inference" is in China (nor in its Chinese edition, read 2026-11-30; not tried).
        """
        if not self.region.startswith("cn-"):
            return
        if self.tracing:
            raise ValueError(f"tracing is true, and functions have no X-Ray in {self.region}: set it to false")
        if self.endpoint.kind == "serverless":
            raise ValueError(f"endpoint.kind is serverless, which SageMaker has not in {self.region}: name realtime")

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
