"""DynamoDB table with a time to live."""

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.base.grants import allow
from infra.base.nag_findings import accept
from infra.base.removal import removal_policy


class ExpiringTable(Construct):
    """A DynamoDB table with the key `id`, encrypted with the given key, whose items expire at `expires_at`.

    Args:
        retain: whether the table outlives its stack, and can be put back to any second of the last 35 days.
    """

    def __init__(self, scope: Construct, construct_id: str, *, key: kms.IKey, retain: bool) -> None:
        super().__init__(scope, construct_id)
        self._key = key
        self.table = dynamodb.Table(
            self,
            "Resource",
            partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            time_to_live_attribute="expires_at",
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=retain
            ),
            deletion_protection=retain,
            removal_policy=removal_policy(retain=retain),
        )
        self.name = self.table.table_name
        if not retain:
            accept(
                self.table,
                "AwsSolutions-DDB3",
                reason="what it holds is not to outlive its stack, so there is nothing to put back",
            )

    def grant(self, grantee: iam.IGrantable, *actions: str, ids: Sequence[str] = ()) -> None:
        """Allow operations such as `PutItem`, where `ids` are given on items whose ids match one of these patterns."""
        conditions = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(ids)}} if ids else {}
        allow(grantee, [f"dynamodb:{action}" for action in actions], self.table.table_arn, conditions=conditions)
        stack = Stack.of(self)
        # DynamoDB uses the key on behalf of who reads or writes
        # (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html).
        reads = ["kms:Decrypt", "kms:DescribeKey"]
        writes = ["kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
        allow(
            grantee,
            reads if set(actions) <= {"GetItem", "Scan"} else [*reads, *writes],
            self._key.key_arn,
            conditions={"StringEquals": {"kms:ViaService": f"dynamodb.{stack.region}.{stack.url_suffix}"}},
        )
