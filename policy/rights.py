"""IAM actions that CloudFormation's handlers need for the resource types in the templates; exceptions have reasons."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

Resource = Mapping[str, Any]
# What the handlers of a resource type call, by `create`, `read`, `update` and `delete`.
Handlers = Callable[[str], Mapping[str, Any]]
# Whether IAM knows an action: the schemas also name operations that are called otherwise there.
Exists = Callable[[str], bool]


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """Actions that the handlers of a type are not allowed to call.

    Attributes:
        kind: the resource type.
        actions: patterns of actions.
        reason: why nobody misses them.
        unless: properties that need them, as `Name`, `Name.Inner` or `Name=value`; a template that has one is refused.
    """

    kind: str
    actions: tuple[str, ...]
    reason: str
    unless: tuple[str, ...] = ()


# Checked against the templates when the policies are generated, and by the tests.
LEFT_OUT = (
    LeftOut(
        "AWS::ApiGateway::RestApi",
        ("s3:GetObject",),
        "for one that reads an API's description in S3",
        ("BodyS3Location",),
    ),
    LeftOut(
        "AWS::ApplicationAutoScaling::ScalableTarget",
        ("lambda:*ProvisionedConcurrencyConfig",),
        "for one that scales functions",
        ("ServiceNamespace=lambda",),
    ),
    LeftOut(
        "AWS::ApplicationAutoScaling::ScalableTarget",
        ("application-autoscaling:*ScheduledAction",),
        "for one that scales by the clock",
        ("ScheduledActions",),
    ),
    LeftOut(
        "AWS::CloudTrail::Trail",
        ("organizations:*",),
        "for one that is of an organization",
        ("IsOrganizationTrail=true",),
    ),
    LeftOut(
        "AWS::CloudTrail::Trail",
        ("cloudtrail:PutInsightSelectors",),
        "for one that finds the unusual",
        ("InsightSelectors",),
    ),
    LeftOut(
        "AWS::DynamoDB::Table",
        ("dynamodb:*Item", "dynamodb:Query", "dynamodb:Scan", "dynamodb:*TableReplica"),
        "for replicas, which the type GlobalTable has; what tables hold is nobody's who deploys",
    ),
    LeftOut(
        "AWS::DynamoDB::Table",
        ("s3:*", "logs:*", "dynamodb:ImportTable"),
        "for one that imports a table",
        ("ImportSourceSpecification",),
    ),
    LeftOut(
        "AWS::DynamoDB::Table",
        ("kinesis:*", "dynamodb:*KinesisStreamingDestination"),
        "for one that streams changes",
        ("KinesisStreamSpecification",),
    ),
    LeftOut(
        "AWS::EC2::FlowLog", ("s3:PutBucketPolicy",), "for one that writes to a bucket", ("LogDestinationType=s3",)
    ),
    LeftOut(
        "AWS::EC2::VPCEndpoint",
        ("vpc-lattice:*",),
        "for one that is an endpoint of a service network",
        ("ServiceNetworkArn", "VpcEndpointType=ServiceNetwork"),
    ),
    LeftOut(
        "AWS::EC2::VPCEndpoint", ("vpce:AllowMultiRegion",), "for one that reaches another region", ("ServiceRegion",)
    ),
    LeftOut("AWS::IAM::Policy", ("iam:*GroupPolicy",), "for one that is a group's", ("Groups",)),
    LeftOut("AWS::IAM::Policy", ("iam:*UserPolicy",), "for one that is a person's", ("Users",)),
    LeftOut("AWS::IAM::Role", ("iam:DeleteRolePermissionsBoundary",), "taking a boundary away is for people"),
    LeftOut("AWS::Lambda::Alias", ("codedeploy:*",), "for one whose traffic CodeDeploy shifts (UpdatePolicy)"),
    LeftOut(
        "AWS::Lambda::Alias",
        ("lambda:*ProvisionedConcurrencyConfig",),
        "for one that keeps environments ready",
        ("ProvisionedConcurrencyConfig",),
    ),
    LeftOut(
        "AWS::Lambda::Version",
        ("lambda:*ProvisionedConcurrencyConfig",),
        "for one that keeps environments ready",
        ("ProvisionedConcurrencyConfig",),
    ),
    LeftOut(
        "AWS::Lambda::Version",
        ("lambda:*RuntimeManagementConfig",),
        "for one that pins its runtime",
        ("RuntimePolicy",),
    ),
    LeftOut(
        "AWS::Lambda::Version",
        ("lambda:*FunctionScalingConfig",),
        "for one on instances of one's own",
        ("FunctionScalingConfig",),
    ),
    LeftOut(
        "AWS::Lambda::Function",
        ("lambda:PassCapacityProvider",),
        "for one on instances of one's own",
        ("CapacityProviderConfig",),
    ),
    LeftOut("AWS::Lambda::Function", ("kms:*",), "for one that has variables under a key of one's own", ("KmsKeyArn",)),
    LeftOut(
        "AWS::Lambda::Function",
        ("s3:GetObject",),
        "for the code, which is in the CDK's bucket: the statement Assets allows that",
    ),
    LeftOut(
        "AWS::Lambda::Function", ("s3:GetObjectVersion",), "for one that names a version", ("Code.S3ObjectVersion",)
    ),
    LeftOut(
        "AWS::Lambda::Function",
        ("elasticfilesystem:*", "s3files:*"),
        "for one that has a file system",
        ("FileSystemConfigs",),
    ),
    LeftOut(
        "AWS::Logs::LogGroup",
        ("firehose:TagDeliveryStream", "logs:PutBearerTokenAuthentication"),
        "for one that is written to from outside: nothing here takes logs by HTTP",
        ("BearerTokenAuthenticationEnabled", "LogGroupClass=DELIVERY"),
    ),
    LeftOut("AWS::Logs::LogGroup", ("logs:*IndexPolicy",), "for one that indexes fields", ("FieldIndexPolicies",)),
    LeftOut("AWS::S3::Bucket", ("s3tables:*",), "for one that has tables of metadata", ("MetadataTableConfiguration",)),
    LeftOut(
        "AWS::S3::Bucket", ("s3:*BucketMetadata*",), "for one that has tables of metadata", ("MetadataConfiguration",)
    ),
    LeftOut("AWS::S3::Bucket", ("s3:DeleteObject", "s3:PutObjectAcl"), "for objects, which are nobody's who deploys"),
    LeftOut(
        "AWS::SageMaker::Pipeline",
        ("s3:GetObject",),
        "for one that reads a definition in S3",
        ("PipelineDefinition.PipelineDefinitionS3Location",),
    ),
    LeftOut(
        "AWS::WAFv2::WebACLAssociation",
        (
            *("amplify:*", "apprunner:*", "appsync:*", "bedrock-agentcore:*", "cognito-idp:*", "ec2:*"),
            "elasticloadbalancing:*",
        ),
        "for one that protects something else: ours protects a stage of API Gateway",
    ),
)

# Beyond the schemas. Scaling: "Application Auto Scaling identity-based policy examples", permissions for SageMaker
# (https://docs.aws.amazon.com/autoscaling/application/userguide/security_iam_id-based-policy-examples.html). A key of
# one's own: "Managing encrypted tables", the least that DynamoDB has to be allowed on it
# (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html). A name of a VPC
# endpoint that only the VPC resolves (`PrivateDnsEnabled`) is a hosted zone of Route 53: CreateVpcEndpoint depends on
# `route53:AssociateVPCWithHostedZone` (Service Authorization Reference, "Actions, resources, and condition keys for
# Amazon EC2", dependent actions). An endpoint whose volumes have a key of one's own: CreateEndpoint grants it to the
# service in the name of who calls it (developer guide, "Amazon SageMaker AI API Permissions"). Read 2026-11; nobody
# could try any of them in an account.
_SCALED = frozenset(
    {
        *("cloudwatch:DeleteAlarms", "cloudwatch:DescribeAlarms", "cloudwatch:PutMetricAlarm"),
        *("sagemaker:DescribeEndpoint", "sagemaker:DescribeEndpointConfig"),
        "sagemaker:UpdateEndpointWeightsAndCapacities",
    }
)
MORE: Mapping[str, frozenset[str]] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": _SCALED,
    "AWS::ApplicationAutoScaling::ScalingPolicy": _SCALED,
    "AWS::SageMaker::Endpoint": frozenset({"kms:CreateGrant"}),
    "AWS::EC2::VPCEndpoint": frozenset({"route53:AssociateVPCWithHostedZone"}),
    "AWS::DynamoDB::Table": frozenset(
        {
            *("kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*"),
            "kms:ReEncrypt*",
        }
    ),
}


class NeededRightError(Exception):
    """A template needs what handlers are not allowed; the message names the property and the actions."""


def called(kind: str, handlers: Handlers, exists: Exists) -> set[str]:
    """The actions of IAM that the handlers of a type call."""
    listed = {
        action
        for operation in ("create", "read", "update", "delete")
        for action in handlers(kind).get(operation, {}).get("permissions", [])
    }
    return {action for action in map(_lower, listed) if exists(action)} | MORE.get(kind, frozenset())


def left_out(kind: str, action: str) -> LeftOut | None:
    """Reason why an action of a type's handlers is not allowed, or None where it is."""
    found = (exception for exception in LEFT_OUT if exception.kind == kind)
    return next(
        (exception for exception in found if any(fnmatchcase(action, pattern) for pattern in exception.actions)), None
    )


def needed(resources: Iterable[Resource], handlers: Handlers, exists: Exists) -> dict[str, set[str]]:
    """Actions that have to be allowed, by resource type.

    Args:
        resources: of the templates; custom resources are calls of functions and left alone.
        handlers: see `Handlers`.
        exists: see `Exists`.

    Raises:
        NeededRightError: see there.
    """
    ours = [resource for resource in resources if resource["Type"].startswith("AWS::")]
    for resource in ours:
        for exception in LEFT_OUT:
            used = [name for name in exception.unless if exception.kind == resource["Type"] and has(resource, name)]
            if used:
                raise NeededRightError(
                    f"{exception.kind}: with {', '.join(used)} its handlers call {', '.join(exception.actions)}, which "
                    "policy/rights.py leaves out."
                )
    kinds = {resource["Type"] for resource in ours}
    return {
        kind: {action for action in called(kind, handlers, exists) if left_out(kind, action) is None}
        for kind in sorted(kinds)
    }


def has(resource: Resource, name: str) -> bool:
    """Whether a resource has a property such as `Name`, `Name.Inner` or `Name=value`."""
    path, equals, wanted = name.partition("=")
    value: Any = resource.get("Properties", {})
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
    return not equals or str(value).lower() == wanted.lower()


def _lower(action: str) -> str:
    # One schema writes CloudTrail.
    service, _, name = action.partition(":")
    return f"{service.lower()}:{name}"
