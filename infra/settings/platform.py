"""Settings of layers, containers, buckets, network, archives and budget."""

from typing import Annotated

from pydantic import Field

from infra.settings.section import MAX_COPY_BYTES, Positive, Section


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
    """Retention of the buckets, in days, and their logs."""

    incoming_days: Positive
    noncurrent_days: Positive
    access_logs: bool
    data_events: bool
    access_log_days: Positive
    # What realtime endpoints answered, where `endpoint.capture` keeps it.
    capture_days: Positive


class Network(Section):
    """VPC of functions, jobs and the endpoint's instances."""

    # False: in SageMaker's and Lambda's own networks. True: in private subnets of a network of their own.
    vpc: bool
    # Room for 256 addresses a subnet and zone at least; the largest a VPC may be is /16.
    cidr: Annotated[str, Field(pattern=r"^\d{1,3}(\.\d{1,3}){3}/(16|17|18|19|20|21|22)$")]
    # Letters of the region's zones. An interface endpoint costs in each; two keep one that fails from ending all.
    zones: Annotated[tuple[Annotated[str, Field(pattern=r"^[a-z]$")], ...], Field(min_length=2, max_length=3)]


class Budget(Section):
    """Monthly budget of resources with the project's tag, and when somebody is told."""

    monthly_usd: Positive
    alert_percent: Annotated[tuple[Annotated[int, Field(ge=1, le=1000)], ...], Field(min_length=1, max_length=5)]


class Source(Section):
    """Folder of a bucket, of this account or another, that `cxr start --from` may train on."""

    # A prefix ends with a slash: `study` would be the start of `study-of-others` too.
    uri: Annotated[str, Field(pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/([^*?${}]+/)?$", max_length=1024)]
    # Of the KMS key that encrypts the objects; none where S3's or AWS's own key does.
    key_arn: Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+$")] | None = None

    @property
    def bucket(self) -> str:
        """Name of the bucket."""
        return self.uri.split("/")[2]

    @property
    def prefix(self) -> str:
        """What keys in it begin with; empty for the whole bucket."""
        return self.uri.split("/", 3)[3]


class Archive(Section):
    """Limits of an uploaded archive, a larger one is refused before anything runs, and what may be read instead."""

    max_bytes: Annotated[int, Field(ge=1, le=MAX_COPY_BYTES)]
    max_uncompressed_bytes: Positive
    max_files: Positive
    # Besides `radiographs/` of the data bucket.
    sources: tuple[Source, ...]
