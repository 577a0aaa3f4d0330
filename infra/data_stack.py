"""What must not be lost: uploads, datasets, and everything that executions produce."""

from aws_cdk import CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.access_log_bucket import AccessLogBucket
from infra.encrypted_bucket import EncryptedBucket
from infra.settings import Settings
from infra.stack import deployable


class DataStack(Stack):
    """The key and the buckets.

    Args:
        settings: of the environment.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(scope, construct_id, **deployable(settings, "Chest X-ray: key and buckets"))
        self.key = kms.Key(
            self,
            "Key",
            description=f"{settings.name}: datasets, models and notifications",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.RETAIN if settings.retain else RemovalPolicy.DESTROY,
            pending_window=None if settings.retain else Duration.days(7),
        )
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
            lifecycle_rules=[
                # What is trained on is the copy below datasets/.
                s3.LifecycleRule(
                    id="Uploads", prefix="incoming/", expiration=Duration.days(settings.buckets.incoming_days)
                )
            ],
        )
        self.data.send_events()
        self.data.write_once_by(f"{settings.name}-training-Trigger", "datasets/*")
        self.artifacts = EncryptedBucket(
            self,
            "Artifacts",
            key=self.key,
            retain=settings.retain,
            options=settings.buckets,
            access_logs=access_logs,
        )

        CfnOutput(
            self, "DataBucketName", value=self.data.name, description="Upload archives to incoming/ of this bucket"
        )
        CfnOutput(self, "ArtifactBucketName", value=self.artifacts.name, description="What executions produce")
