"""Data stack: KMS key, data and artifact buckets, table of predictions, audit trail."""

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.base.stack import deployable
from infra.settings.environment import Settings
from infra.settings.platform import Buckets
from infra.storage.access_log_bucket import AccessLogBucket
from infra.storage.audit_trail import AuditTrail
from infra.storage.data_key import DataKey
from infra.storage.encrypted_bucket import EncryptedBucket
from infra.storage.signing_key import SigningKey
from infra.storage.ttl_table import ExpiringTable
from lambdas.aws.provenance import PREFIX

# What realtime endpoints answered, below this prefix of the artifact bucket.
CAPTURE_PREFIX = "capture"
# Checkpoints of trainings, a folder each execution, likewise. A prefix of their own, because a lifecycle rule is about
# the begin of keys and has no wildcards (https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-filters.html,
# read 2026-11); `pipeline/definition.py` names it too.
CHECKPOINT_PREFIX = "checkpoints"
CHECKPOINT_DAYS = 7
# The code of executions, likewise.
CODE_PREFIX = "code"
# What models were found to do on the radiographs of sites, by version, likewise.
SITE_EVALUATIONS = "site-evaluations"
# The decoded radiographs of sites, likewise.
SITE_IMAGES = "site-images"
# Radiographs that lie in the data bucket as they are, for `cxr start --from`.
RADIOGRAPHS = "radiographs"
# The object with the key for hashes of patients, likewise.
PATIENT_KEY = "keys/patients"


class DataStack(Stack):
    """The keys, the buckets and the table of predictions."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(scope, construct_id, **deployable(settings, "Chest X-ray: key and buckets"))
        self.key = DataKey(self, "Key", settings=settings)
        access_logs = (
            AccessLogBucket(self, "AccessLogs", settings=settings).bucket if settings.buckets.access_logs else None
        )
        self.data = EncryptedBucket(
            self,
            "Data",
            key=self.key,
            retain=settings.retain,
            options=settings.buckets,
            access_logs=access_logs,
            lifecycle_rules=_data_rules(settings.buckets),
        )
        self.data.send_events()
        self.data.allow_form_posts(
            [
                # The API's own page. Its address is known when its stack is deployed, which waits for this one.
                f"https://*.execute-api.{self.region}.{self.url_suffix}",
                *settings.api.page_origins,
                *settings.api.allowed_origins,
            ]
        )
        # Readers' labels are ground truth that no training makes again.
        self.predictions = ExpiringTable(self, "Predictions", key=self.key, retain=settings.retain)
        self.data.write_once_by(f"{settings.name}-training-Trigger", "datasets/*", "evaluations/*")
        self.artifacts = EncryptedBucket(
            self,
            "Artifacts",
            key=self.key,
            retain=settings.retain,
            options=settings.buckets,
            access_logs=access_logs,
            lifecycle_rules=_artifact_rules(settings.buckets),
        )
        # What is run on radiographs is what a deployment brought.
        self.artifacts.write_once_by(f"{settings.name}-training-SourceCodePublish", f"{CODE_PREFIX}/*")
        # So that what is served is what was registered (docs/adr/0051).
        signer = f"{settings.name}-release-Sign"
        self.signing_key = SigningKey(self, "SigningKey", signer_name_prefix=signer, settings=settings)
        self.artifacts.write_once_by(signer, f"{PREFIX}/*", kind="Signatures")
        # Who has datasets and could read it would find out whose a hash is.
        self.artifacts.keep_secret(
            PATIENT_KEY,
            writer_name_prefix=f"{settings.name}-training-PatientKeyMaker",
            reader_name_prefix=f"{settings.name}-training-DecodeRole",
        )
        if settings.buckets.data_events:
            AuditTrail(self, "Trail", buckets=[self.data.bucket, self.artifacts.bucket], settings=settings)
        self._output(settings)

    def _output(self, settings: Settings) -> None:
        """Outputs that people and `cxr` read."""
        CfnOutput(
            self, "DataBucketName", value=self.data.name, description="Upload archives to incoming/ of this bucket"
        )
        CfnOutput(self, "ArtifactBucketName", value=self.artifacts.name, description="What executions produce")
        CfnOutput(
            self, "SigningKeyArn", value=self.signing_key.key_arn, description="Signs what is registered: `cxr verify`"
        )
        CfnOutput(self, "DataKeyArn", value=self.key.key_arn, description="Encrypts what `cxr batch` has answered")
        # What `cxr start --from` looks at before it lists anything.
        own = f"s3://{self.data.name}/{RADIOGRAPHS}/"
        CfnOutput(self, "ArchiveSources", value=" ".join([own, *(source.uri for source in settings.archive.sources)]))

    def grant_site_evaluations(self, grantee: iam.IGrantable) -> None:
        """Allow to list site evaluations and to read their figures, not which image got which score."""
        self.artifacts.grant_list(grantee, f"{SITE_EVALUATIONS}/*")
        self.artifacts.grant_read(grantee, f"{SITE_EVALUATIONS}/*/site_evaluation.json")


def _data_rules(options: Buckets) -> list[s3.LifecycleRule]:
    """Lifecycle rules of the data bucket."""
    return [
        # What is trained on is the copy below datasets/.
        s3.LifecycleRule(id="Uploads", prefix="incoming/", expiration=Duration.days(options.incoming_days)),
        # A model was evaluated on them: what was found is kept, the patients' images are not.
        s3.LifecycleRule(id="Evaluations", prefix="evaluations/", expiration=Duration.days(options.incoming_days)),
        # Single images on their way to the endpoint, which nobody needs once they are answered.
        s3.LifecycleRule(
            id="Images",
            prefix="uploads/",
            expiration=Duration.days(1),
            noncurrent_version_expiration=Duration.days(1),
        ),
        # Copies of images to be scored, and the scores.
        s3.LifecycleRule(id="Batches", prefix="batches/", expiration=Duration.days(options.incoming_days)),
    ]


def _artifact_rules(options: Buckets) -> list[s3.LifecycleRule]:
    """Lifecycle rules of the artifact bucket."""
    return [
        s3.LifecycleRule(
            id="Captured",
            prefix=f"{CAPTURE_PREFIX}/",
            expiration=Duration.days(options.capture_days),
            noncurrent_version_expiration=Duration.days(1),
        ),
        # What was decoded of a site's archive, which expires in the data bucket too.
        s3.LifecycleRule(
            id="SiteImages",
            prefix=f"{SITE_IMAGES}/",
            expiration=Duration.days(options.incoming_days),
            noncurrent_version_expiration=Duration.days(1),
        ),
        # Each replaces the one before, as often as once a minute, and a training that succeeded leaves an
        # empty one. One day is the least there is: NoncurrentDays must be a positive integer
        # (https://docs.aws.amazon.com/AmazonS3/latest/API/API_NoncurrentVersionExpiration.html, read 2026-11),
        # and of two rules for one object S3 follows the one that expires it sooner
        # (https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-conflicts.html, read 2026-11).
        # Executions that failed can be retried, and go on from their last one, for as long as the newest stays.
        s3.LifecycleRule(
            id="Checkpoints",
            prefix=f"{CHECKPOINT_PREFIX}/",
            expiration=Duration.days(CHECKPOINT_DAYS),
            noncurrent_version_expiration=Duration.days(1),
            abort_incomplete_multipart_upload_after=Duration.days(1),
        ),
    ]
