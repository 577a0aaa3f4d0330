"""Settings of what serves: real-time, serverless and asynchronous endpoints, and batches."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from infra.settings.instance_types import Fallbacks, InstanceType, check_fallbacks
from infra.settings.section import MAX_ROLLOUT_SECONDS, Section


class ServerlessEndpoint(Section):
    """An endpoint that costs nothing while idle and starts on demand."""

    kind: Literal["serverless"]
    memory_mb: Literal[1024, 2048, 3072, 4096, 5120, 6144]
    """Serverless: memory of a container. A new account has 3072 at most, and more has to be asked for
    (`cxr doctor`)."""
    max_concurrency: Annotated[int, Field(ge=1, le=200)]
    """Serverless: containers at once."""
    provisioned_concurrency: Annotated[int, Field(ge=0, le=200)]
    """Serverless: how many of them are always there, so that no request waits for one to start; they cost by the
    second, also while nobody asks. 0 for none."""

    @model_validator(mode="after")
    def _provisions_within_its_concurrency(self) -> Self:
        if self.provisioned_concurrency > self.max_concurrency:
            raise ValueError("provisioned_concurrency must not exceed max_concurrency, of which it is a part")
        return self


class Rollout(Section):
    """Blue/green deployment of a new model: traffic shifting, and auto-rollback when an alarm goes off."""

    traffic: Literal["canary", "linear"]
    """Realtime: `canary` (a share of the traffic, then all of it) or `linear` (the same share again and again)."""
    percent: Annotated[int, Field(ge=1, le=50)]
    """That share; linear: 10 to 50."""
    wait_seconds: Annotated[int, Field(ge=0, le=3600)]
    """How long each share lasts."""
    termination_wait_seconds: Annotated[int, Field(ge=0, le=3600)]
    """How long the old instances stay after the last one, while the alarms still count."""
    # A share, not a number: an image that cannot be decoded is one of the container's errors too, and a client that
    # sends one must not be able to roll a release back. One that sends many still is.
    max_error_percent: Annotated[int, Field(ge=1, le=99)]
    """Share of the new model's requests that fail, in two minutes running, that rolls a release back."""
    max_latency_ms: Annotated[int, Field(ge=1, le=60_000)]
    """Time of the slowest tenth in the model that rolls a release back, in three minutes running."""
    max_overhead_ms: Annotated[int, Field(ge=1, le=60_000)]
    """The same for the time on the way to the model and back."""
    # With 10 the endpoint publishes its metrics as often, by instance too, and that costs.
    alarm_period_seconds: Literal[10, 60]
    """How often the alarms that roll back look: 60, or 10, with which the endpoint publishes its metrics every ten
    seconds and once more for each instance (`cxr cost`). Then half of the tens of seconds of the spans above have to
    reach a limit, so that what fails every request is rolled back in half of the time. Not tried in AWS
    ([ADR 54](adr/0054-what-sagemaker-and-lambda-offer-is-a-setting.md))."""

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
        if self.longest_seconds > MAX_ROLLOUT_SECONDS:
            raise ValueError(
                f"with these waits a release takes up to {self.longest_seconds} s, and SageMaker stops it after "
                f"{MAX_ROLLOUT_SECONDS}"
            )
        return self


class Capture(Section):
    """Data capture of an endpoint on instances; a serverless one has none."""

    percent: Annotated[int, Field(ge=1, le=100)]
    """Realtime, with a `capture` section: share of the requests whose answers SageMaker keeps below `capture/` of the
    artifact bucket, encrypted, for audit. Monitoring does not read them ([ADR
    21](adr/0021-monitoring-reads-kept-predictions.md))."""
    # Radiographs are patient data: answers are enough to show later what was answered.
    inputs: bool
    """Whether radiographs are kept too; they are patient data."""


class Scaling(Section):
    """Autoscaling of a realtime endpoint."""

    max_instances: Annotated[int, Field(ge=1)]
    """Realtime: most instances that a busy endpoint gets; as many as `endpoint.instance_count` end the scaling."""
    invocations_per_minute: Annotated[int, Field(ge=1)]
    """Realtime: requests a minute that each instance is to have at most. 480 is half of what two cores answered (60 ms
    a radiograph, so 16 a second and 960 a minute): the other half lasts while an instance starts."""


class RealtimeEndpoint(Section):
    """An endpoint on instances that are always there."""

    kind: Literal["realtime"]
    instance_type: InstanceType
    """Realtime: instance type; with a GPU (`g`, `gr`, `p`) the GPU image is registered and served. Here and wherever an
    instance type is named, those with an Arm processor (Graviton, such as `ml.c7g.xlarge`) are refused: AWS's
    TensorFlow images are built for x86-64."""
    fallback_instance_types: Fallbacks
    """Realtime: up to four types that SageMaker tries in this order where the first has no capacity, when the endpoint
    is made, updated or scaled out; such as `["ml.m6i.xlarge"]`. As many vCPUs each, and all with a GPU or none. Each
    needs its quota for all instances (`cxr doctor`). None by default."""
    # One instance has no half to try the new model on, and is lost with its availability zone.
    instance_count: Annotated[int, Field(ge=2)]
    """Realtime: instances that are always there; at least 2, or a canary has nothing to shift."""
    scaling: Scaling
    shadow_percent: Annotated[int, Field(ge=0, le=100)]
    """Realtime: share of the requests that a second model gets copies of, without answering; 0 for none."""
    rollout: Rollout
    capture: Capture | None = None
    detailed_observability: bool
    """Realtime: whether SageMaker collects metrics of nodes, GPUs and containers by OpenTelemetry. Without a word it
    does, so the template always says which."""

    @property
    def scales(self) -> bool:
        """Whether the number of instances follows the traffic."""
        return self.scaling.max_instances > self.instance_count

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.scaling.max_instances < self.instance_count:
            raise ValueError("scaling.max_instances must not be below instance_count, which is always there")
        check_fallbacks(self.instance_type, self.fallback_instance_types)
        return self


class Asynchronous(Section):
    """A second endpoint, for large or many images: requests queue in S3, and without any it has no instance."""

    instance_type: InstanceType
    """With an `asynchronous` section there is a second endpoint, for large or many images, whose requests queue in S3:
    its instance type."""
    fallback_instance_types: Fallbacks
    """As `endpoint.fallback_instance_types`."""
    max_instances: Annotated[int, Field(ge=1)]
    """Its most instances; it has none while nothing waits."""
    concurrent_requests: Annotated[int, Field(ge=1, le=1000)]
    """Requests that an instance works on at once."""
    backlog_per_instance: Annotated[int, Field(ge=1)]
    """Requests that may wait for each instance before it gets another. At 16 a second, 1,000 are a minute's work, and
    an instance takes minutes to start."""

    @model_validator(mode="after")
    def _falls_back_to_its_like(self) -> Self:
        check_fallbacks(self.instance_type, self.fallback_instance_types)
        return self


class Batch(Section):
    """Defaults of the batch transform jobs that `cxr batch` starts."""

    instance_type: InstanceType
    """`cxr batch`: instance type of the batch transform job."""
    instance_count: Annotated[int, Field(ge=1)]
    """Its instances, which share the images."""
    concurrent_requests: Annotated[int, Field(ge=1, le=100)]
    """Requests that each of them works on at once."""
