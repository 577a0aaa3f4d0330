"""Settings of layers, containers, encryption, buckets, network, archives and budget."""

from typing import Annotated, Literal

from pydantic import Field

from infra.settings.section import MAX_COPY_BYTES, Positive, Section
from lambdas.trigger.environment import ArchiveSettings
from model_code.contract.archives import BUCKET


class PowertoolsLayer(Section):
    """Version of the public layer with Powertools for AWS Lambda (Python) and pydantic."""

    account: Annotated[str, Field(pattern=r"^\d{12}$")]
    """Who publishes the public layer with Powertools for AWS Lambda; in China and GovCloud it is another account, which
    the stacks know."""
    version: Positive
    """The layer's version."""


class Containers(Section):
    """Tags of AWS's TensorFlow Deep Learning Containers, by what the instance has."""

    training_cpu_tag: str
    """TensorFlow training image for CPU instances, also of the processing steps."""
    training_gpu_tag: str
    """The same for GPU instances (`g`, `gr`, `p` families)."""
    serving_cpu_tag: str
    """TensorFlow Serving image for CPU and serverless endpoints."""
    serving_gpu_tag: str
    """The same for GPU endpoints."""


class Encryption(Section):
    """Encryption beyond that of buckets, tables and topics, which always have the environment's key."""

    volume_key: Literal["service", "environment"]
    """Whose KMS key encrypts the volumes of training jobs, of endpoints on instances and of `cxr batch`: SageMaker's
    own (`service`), or the `environment`'s, as organisations ask that allow no job without a key. Processing jobs
    always have the environment's. Types with local disks (`ml.g4dn`, `ml.g5`, ...) encrypt these by their hardware, and
    jobs on them name no key. See [deployment.md](deployment.md#what-service-control-policies-may-demand)."""

    @property
    def keys_volumes(self) -> bool:
        """Whether volumes have the environment's key."""
        return self.volume_key == "environment"


class Buckets(Section):
    """Retention of the buckets, in days, and their logs."""

    incoming_days: Positive
    """Days until an upload is removed; training works on a copy."""
    noncurrent_days: Positive
    """Days until an overwritten or deleted version is removed."""
    access_logs: bool
    """Whether a third bucket collects the access logs of the two others."""
    data_events: bool
    """Whether CloudTrail records who read and wrote each object, in one more bucket; it costs per event."""
    access_log_days: Positive
    """Days until those logs, and those of the data events, are removed."""
    capture_days: Positive
    """Days until what `endpoint.capture` kept is removed."""


# Each has endpoints that cost by the hour; addresses for so many are set aside (`infra/network/vpc.py`).
MOST_ZONES = 3


class Network(Section):
    """VPC of functions, jobs and the endpoint's instances."""

    vpc: bool
    """Whether functions, jobs and models run in private subnets without a way out (below); not with a serverless
    endpoint."""
    # Room for 256 addresses a subnet and zone at least; the largest a VPC may be is /16.
    cidr: Annotated[str, Field(pattern=r"^\d{1,3}(\.\d{1,3}){3}/(16|17|18|19|20|21|22)$")]
    """Addresses of that network, `/16` to `/22`."""
    # Two keep one that fails from ending all.
    zones: Annotated[tuple[Annotated[str, Field(pattern=r"^[a-z]$")], ...], Field(min_length=2, max_length=MOST_ZONES)]
    """Letters of two or three availability zones of the region, such as `["a", "b"]`; each has its own interface
    endpoints, which cost by the hour. A third can be added later at the end; for
    [other changes of the network](deployment.md#recovery) it has to go first."""


class Budget(Section):
    """Monthly budget of resources with the project's tag, and the shares at which it notifies."""

    monthly_usd: Positive
    """With a `budget` section, which may be left out: what a month may cost before the topic is told, when it is spent
    and when it is forecast. It counts what carries the tag `project`, which has to be activated as a cost allocation
    tag. Set it above what `cxr cost` prints."""
    # A budget has five notifications at most, of which one is the forecast's (CreateBudget in botocore 1.43's service
    # model, read 2026-11-29, whose list has room for ten: which of the two holds was not tried).
    alert_percent: Annotated[tuple[Annotated[int, Field(ge=1, le=1000)], ...], Field(min_length=1, max_length=4)]
    """Shares of it at which the topic is told, four at most, such as `[50, 80, 100]`."""


class Source(Section):
    """Folder of a bucket, of this account or another, that `cxr start --from` may train on."""

    # A prefix ends with a slash: `study` would be the start of `study-of-others` too.
    uri: Annotated[str, Field(pattern=rf"^s3://{BUCKET}/([^*?${{}}]+/)?$", max_length=1024)]
    # Of the KMS key that encrypts the objects; none where S3's or AWS's own key does.
    key_arn: Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+$")] | None = None

    @property
    def bucket(self) -> str:
        """Name of the bucket."""
        return self.uri.split("/")[2]

    @property
    def prefix(self) -> str:
        """Beginning of the keys in it; empty for the whole bucket."""
        return self.uri.split("/", 3)[3]


class Archive(ArchiveSettings, Section):
    """Limits of an uploaded archive, a larger one is refused before anything runs, and what may be read instead.

    Those that the Trigger function reads by the same name are declared with its environment variables.
    """

    max_bytes: Annotated[int, Field(ge=1, le=MAX_COPY_BYTES)]
    """Largest archive taken, in bytes."""
    # One role may read them all, by policies of 10,240 characters together
    # (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html, read 2026-11).
    sources: Annotated[tuple[Source, ...], Field(max_length=20)]
    """Folders of other buckets that `cxr start --from` may train on, besides `radiographs/` of the data bucket: `[{
    "uri": "s3://bucket/prefix/", "key_arn": "arn:..." }]`, the key only where a KMS key of yours encrypts them, 20
    folders at most; see [datasets.md](datasets.md#a-folder-of-a-bucket)."""
