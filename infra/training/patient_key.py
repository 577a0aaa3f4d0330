"""HMAC key for pseudonyms of patients, an object of the artifact bucket."""

from aws_cdk import CustomResource
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.base.function import Function
from infra.settings.environment import Settings
from infra.storage.data_stack import PATIENT_KEY
from infra.storage.encrypted_bucket import EncryptedBucket


class PatientKey(Construct):
    """An object of random bytes that is written once and that one role may read.

    SageMaker copies it to PreprocessImages as it copies the archive, so that the container needs no network
    (docs/adr/0036).

    Args:
        artifacts: the bucket it lies in.
    """

    def __init__(self, scope: Construct, construct_id: str, *, artifacts: EncryptedBucket, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        self._artifacts = artifacts
        self.uri = f"s3://{artifacts.name}/{PATIENT_KEY}"
        maker = Function(
            self, "Maker", name="patient_key", environment={}, memory_mb=256, timeout_seconds=60, settings=settings
        )
        artifacts.grant_write(maker, PATIENT_KEY)
        made = CustomResource(
            self,
            "Made",
            resource_type="Custom::PatientKey",
            service_token=maker.function_arn,
            properties={"BucketName": artifacts.name, "Key": PATIENT_KEY},
        )
        # Its policies come with the function: without them the write would be refused.
        made.node.add_dependency(maker)

    def grant_read(self, grantee: iam.IGrantable) -> None:
        """Allow to read the key."""
        self._artifacts.grant_read(grantee, PATIENT_KEY)
