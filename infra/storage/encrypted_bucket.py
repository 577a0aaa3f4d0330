"""Private S3 bucket: encrypted with a KMS key, TLS only, versioned."""

from collections.abc import Sequence

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.base.grants import allow
from infra.base.nag_findings import accept
from infra.base.removal import removal_policy
from infra.base.role_names import named
from infra.settings.platform import Buckets


class EncryptedBucket(Construct):
    """A bucket whose grants name the keys they are for.

    Args:
        retain: whether the bucket outlives its stack.
        access_logs: bucket that receives the server access logs.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.IKey,
        retain: bool,
        options: Buckets,
        access_logs: s3.IBucket | None = None,
        lifecycle_rules: list[s3.LifecycleRule] | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.key = key
        self.bucket = s3.Bucket(
            self,
            "Resource",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,  # one request to KMS for many objects instead of one each
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            server_access_logs_bucket=access_logs,
            server_access_logs_prefix=f"{construct_id}/" if access_logs else None,
            removal_policy=removal_policy(retain=retain),
            auto_delete_objects=not retain,  # CloudFormation deletes no bucket that holds something
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="Leftovers",
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                    noncurrent_version_expiration=Duration.days(options.noncurrent_days),
                    expired_object_delete_marker=True,
                ),
                *(lifecycle_rules or []),
            ],
        )
        self.name = self.bucket.bucket_name
        if access_logs is None:
            accept(
                self.bucket,
                "AwsSolutions-S1",
                reason="buckets.access_logs is false: for environments with public images, such as those of Kaggle",
            )

    def send_events(self) -> None:
        """Send S3 events of new objects to EventBridge's default event bus."""
        # `event_bridge_enabled=True` would add a Lambda function that does only this.
        bucket = self.bucket.node.default_child
        assert isinstance(bucket, s3.CfnBucket)  # noqa: S101
        bucket.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(event_bridge_enabled=True)
        )

    def allow_form_posts(self, origins: Sequence[str]) -> None:
        """CORS rule: pages of these origins may post presigned forms and read the answer.

        A browser keeps an answer of another origin from the page unless S3 says that the page may have it, and the page
        then takes the upload for failed (https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html, read
        2026-11). The rule gives nobody a right: what may be posted is in the form, which the API signs.

        Args:
            origins: such as `https://reader.example`; one `*` in each stands for any characters.
        """
        self.bucket.add_cors_rule(allowed_methods=[s3.HttpMethods.POST], allowed_origins=list(origins), max_age=3600)

    def write_once_by(self, role_name_prefix: str, *keys: str, kind: str = "") -> None:
        """Deny everybody else to write keys, whatever their own policies allow.

        Args:
            role_name_prefix: start of the writing role's name. The rest is generated in a stack that needs this
                bucket first.
            keys: patterns of the keys.
            kind: what lies there, where a bucket has several such rules.
        """
        self._deny_others(f"{kind}WrittenByOneRole", ["s3:PutObject"], role_name_prefix, *keys)

    def keep_secret(self, key: str, *, writer_name_prefix: str, reader_name_prefix: str) -> None:
        """Deny everybody but one role to write a key, and everybody but another to read it.

        Args:
            key: key of one object.
            writer_name_prefix: start of the writing role's name, as above.
            reader_name_prefix: start of the reading role's name.
        """
        self._deny_others("SecretWrittenByOneRole", ["s3:PutObject"], writer_name_prefix, key)
        self._deny_others("SecretReadByOneRole", ["s3:GetObject", "s3:GetObjectVersion"], reader_name_prefix, key)

    def _deny_others(self, sid: str, actions: list[str], role_name_prefix: str, *keys: str) -> None:
        self.bucket.add_to_resource_policy(
            iam.PolicyStatement(
                sid=sid,
                effect=iam.Effect.DENY,
                principals=[iam.AnyPrincipal()],
                actions=actions,
                resources=[self.bucket.arn_for_objects(key) for key in keys],
                conditions={"ArnNotLike": {"aws:PrincipalArn": named(Stack.of(self), role_name_prefix)}},
            )
        )

    def grant_read(self, grantee: iam.IGrantable, *keys: str) -> None:
        """Allow to read and list the keys that match a pattern such as `datasets/*`."""
        self._allow(grantee, ["s3:GetObject", "s3:GetObjectVersion"], keys)
        self.grant_list(grantee, *keys)
        self.key.grant_decrypt(grantee)

    def grant_read_versions(self, grantee: iam.IGrantable, *keys: str) -> None:
        """Allow to read the versions of keys that somebody else has listed."""
        self._allow(grantee, ["s3:GetObjectVersion"], keys)
        self.key.grant_decrypt(grantee)

    def grant_list(self, grantee: iam.IGrantable, *keys: str) -> None:
        """Allow to list the keys that match a pattern."""
        allow(grantee, ["s3:ListBucket"], self.bucket.bucket_arn, conditions={"StringLike": {"s3:prefix": list(keys)}})

    def grant_find(self, grantee: iam.IGrantable) -> None:
        """Allow to learn that an object does not exist, which S3 tells only who may list the bucket."""
        # Such a request names no prefix a condition could be about.
        allow(grantee, ["s3:ListBucket"], self.bucket.bucket_arn)

    def grant_write(self, grantee: iam.IGrantable, *keys: str) -> None:
        """Allow to write, not to read or delete, the keys that match a pattern."""
        self._allow(grantee, ["s3:PutObject", "s3:AbortMultipartUpload"], keys)
        # A multipart upload decrypts its own parts (https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuAndPermissions.html).
        self.key.grant_encrypt_decrypt(grantee)

    def grant_delete(self, grantee: iam.IGrantable, *keys: str) -> None:
        """Allow to delete the keys that match a pattern, not their versions: what is deleted can be put back."""
        self._allow(grantee, ["s3:DeleteObject"], keys)

    def _allow(self, grantee: iam.IGrantable, actions: list[str], keys: tuple[str, ...]) -> None:
        allow(grantee, actions, *[self.bucket.arn_for_objects(keys_) for keys_ in keys])
