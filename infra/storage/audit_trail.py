"""CloudTrail trail of S3 data events: who read and wrote which object."""

from aws_cdk import Stack
from aws_cdk import aws_cloudtrail as cloudtrail
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.base.nag_findings import accept
from infra.settings.environment import Settings
from infra.storage.access_log_bucket import AccessLogBucket


class AuditTrail(Construct):
    """A trail of the data events of buckets, in a bucket of its own.

    Access logs come late and some never do; these are complete, signed, and name the role's session. They cost per
    event, which is why settings choose them.
    """

    def __init__(self, scope: Construct, construct_id: str, *, buckets: list[s3.Bucket], settings: Settings) -> None:
        super().__init__(scope, construct_id)
        stack = Stack.of(self)
        name = f"{settings.name}-data"
        events = AccessLogBucket(self, "Events", settings=settings).bucket
        accept(events, "AwsSolutions-S1", reason="the digests of the trail tell whether one of its files was changed")
        # https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
        arn = stack.format_arn(service="cloudtrail", resource="trail", resource_name=name)
        writer = iam.ServicePrincipal("cloudtrail.amazonaws.com")
        events.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[writer],
                actions=["s3:GetBucketAcl"],
                resources=[events.bucket_arn],
                conditions={"StringEquals": {"aws:SourceArn": arn}},
            )
        )
        events.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[writer],
                actions=["s3:PutObject"],
                resources=[events.arn_for_objects(f"AWSLogs/{stack.account}/*")],
                conditions={"StringEquals": {"aws:SourceArn": arn, "s3:x-amz-acl": "bucket-owner-full-control"}},
            )
        )
        trail = cloudtrail.CfnTrail(
            self,
            "Resource",
            trail_name=name,  # the bucket's policy has to name it before it is there
            s3_bucket_name=events.bucket_name,
            is_logging=True,
            enable_log_file_validation=True,
            is_multi_region_trail=False,
            include_global_service_events=False,
            advanced_event_selectors=[
                cloudtrail.CfnTrail.AdvancedEventSelectorProperty(
                    name="Objects of the environment",
                    field_selectors=[
                        _field("eventCategory", equal_to=["Data"]),
                        _field("resources.type", equal_to=["AWS::S3::Object"]),
                        _field("resources.ARN", starts_with=[bucket.arn_for_objects("") for bucket in buckets]),
                    ],
                )
            ],
        )
        assert events.policy is not None  # noqa: S101
        trail.node.add_dependency(events.policy)


def _field(
    name: str, *, equal_to: list[str] | None = None, starts_with: list[str] | None = None
) -> cloudtrail.CfnTrail.AdvancedFieldSelectorProperty:
    return cloudtrail.CfnTrail.AdvancedFieldSelectorProperty(field=name, equal_to=equal_to, starts_with=starts_with)
