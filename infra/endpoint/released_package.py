"""Stack parameter with the released model package, the condition on it, and the grant to update it."""

from aws_cdk import CfnCondition, CfnParameter, CfnResource, Fn, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.base.grants import allow

ARN_PATTERN = r"^(|arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:[0-9]{12}:model-package/.+)$"
# How a release marks its own updates among all others of the stack (lambdas/release/stack.py).
TOKEN_PREFIXES = ("release-", "restore-")
# All that the endpoints' stack may hold. UpdateStack fails where its ResourceTypes lack "a resource that you're
# updating" (botocore 1.43's service model, read 2026-11); should that mean all of the template, here it is the same.
RELEASED_TYPES = (
    "AWS::SageMaker::Model",
    "AWS::SageMaker::EndpointConfig",
    "AWS::SageMaker::Endpoint",
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::CloudWatch::Alarm",
)
ENDED = ("UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED", "UPDATE_FAILED")


class ReleasedPackage(Construct):
    """A parameter with the ARN of a model package, empty before the first release."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        stack = Stack.of(self)
        parameter = CfnParameter(
            stack,
            "ModelPackageArn",
            type="String",
            default="",
            description="ARN of the approved model package to serve; empty before the first release",
            allowed_pattern=ARN_PATTERN,
        )
        self.arn = parameter.value_as_string
        self._released = CfnCondition(stack, "HasModel", expression=Fn.condition_not(Fn.condition_equals(self.arn, "")))

    def wait_for(self, *resources: CfnResource, condition: CfnCondition | None = None) -> None:
        """Let resources exist while a package is released.

        Args:
            condition: a stricter one.
        """
        for resource in resources:
            resource.cfn_options.condition = condition or self._released


def ended(scope: Stack, stack_name: str) -> events.EventPattern:
    """Events of an update of the endpoints' stack that a release asked for and that has ended, one way or the other."""
    return events.EventPattern(
        source=["aws.cloudformation"],
        detail_type=["CloudFormation Stack Status Change"],
        detail={
            "stack-id": [{"prefix": _stack_arn(scope, stack_name, "")}],
            "status-details": {"status": list(ENDED)},
            "client-request-token": [{"prefix": prefix} for prefix in TOKEN_PREFIXES],
        },
    )


def grant_release(grantee: lambda_.Function, *, stack_name: str) -> None:
    """Allow to update the endpoints' stack with another model package, and nothing but that.

    CloudFormation acts with the stack's own service role, so who releases needs no rights to SageMaker or IAM.
    """
    arn = _stack_arn(Stack.of(grantee), stack_name, "*")
    allow(
        grantee,
        ["cloudformation:UpdateStack"],
        arn,
        conditions={
            "ForAllValues:StringEquals": {"cloudformation:ResourceTypes": list(RELEASED_TYPES)},
            # ForAllValues holds for a request that names no types, which would be one for all of them.
            "Null": {"cloudformation:ResourceTypes": "false"},
        },
    )
    allow(grantee, ["cloudformation:DescribeStacks", "cloudformation:DescribeStackEvents"], arn)


def _stack_arn(scope: Stack, stack_name: str, identifier: str) -> str:
    return scope.format_arn(service="cloudformation", resource="stack", resource_name=f"{stack_name}/{identifier}")
