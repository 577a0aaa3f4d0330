"""Settings of what serves: real-time, serverless and asynchronous endpoints, and batches."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from infra.settings.instance_types import Fallbacks, InstanceType, check_fallbacks
from infra.settings.section import MAX_ROLLOUT_SECONDS, Section


class ServerlessEndpoint(Section):
    """An endpoint that costs nothing while idle and starts on demand."""

    kind: Literal["serverless"]
    memory_mb: Literal[1024, 2048, 3072, 4096, 5120, 6144]
    max_concurrency: Annotated[int, Field(ge=1, le=200)]
    # Containers that are always there, for which there is no cold start; they cost by the second.
    provisioned_concurrency: Annotated[int, Field(ge=0, le=200)]

    @model_validator(mode="after")
    def _provisions_within_its_concurrency(self) -> Self:
        if self.provisioned_concurrency > self.max_concurrency:
            raise ValueError("provisioned_concurrency must not exceed max_concurrency, of which it is a part")
        return self


class Rollout(Section):
    """Blue/green deployment of a new model: traffic shifting, and auto-rollback when an alarm goes off."""

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
    # With 10 the endpoint publishes its metrics as often, by instance too, and that costs.
    alarm_period_seconds: Literal[10, 60]

    @property
    def steps(self) -> int:
        """Number of traffic shifts until the new model gets all traffic."""
        return 2 if self.traffic == "canary" else -(-100 // self.percent)

    @property
    def longest_seconds(self) -> int:
        """Longest duration of a release in seconds: its waits, and an hour for instances to start and stop."""
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
    """Data capture of an endpoint on instances; a serverless one has none."""

    percent: Annotated[int, Field(ge=1, le=100)]
    # Radiographs are patient data: answers are enough to show later what was answered.
    inputs: bool


class Scaling(Section):
    """Autoscaling of a realtime endpoint."""

    max_instances: Annotated[int, Field(ge=1)]
    invocations_per_minute: Annotated[int, Field(ge=1)]


class RealtimeEndpoint(Section):
    """An endpoint on instances that are always there."""

    kind: Literal["realtime"]
    instance_type: InstanceType
    fallback_instance_types: Fallbacks
    # One instance has no half to try the new model on, and is lost with its availability zone.
    instance_count: Annotated[int, Field(ge=2)]
    scaling: Scaling
    # Requests that a second model gets copies of; 0 for no such model.
    shadow_percent: Annotated[int, Field(ge=0, le=100)]
    rollout: Rollout
    capture: Capture | None = None
    # Metrics of nodes, GPUs and containers by OpenTelemetry, which SageMaker has on unless it is told otherwise.
    detailed_observability: bool

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.scaling.max_instances < self.instance_count:
            raise ValueError("scaling.max_instances must not be below instance_count, which is always there")
        check_fallbacks(self.instance_type, self.fallback_instance_types)
        return self


class Asynchronous(Section):
    """A second endpoint, for large or many images: requests queue in S3, and without any it has no instance."""

    instance_type: InstanceType
    fallback_instance_types: Fallbacks
    max_instances: Annotated[int, Field(ge=1)]
    concurrent_requests: Annotated[int, Field(ge=1, le=1000)]
    backlog_per_instance: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _falls_back_to_its_like(self) -> Self:
        check_fallbacks(self.instance_type, self.fallback_instance_types)
        return self


class Batch(Section):
    """Batch transform jobs, as `cxr batch` starts them unless it is told otherwise."""

    instance_type: InstanceType
    instance_count: Annotated[int, Field(ge=1)]
    concurrent_requests: Annotated[int, Field(ge=1, le=100)]
