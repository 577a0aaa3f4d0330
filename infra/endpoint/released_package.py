"""The model package that is released: the one parameter of the endpoint's stack, and what exists because of it."""

from aws_cdk import CfnCondition, CfnParameter, CfnResource, Fn, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from constructs import Construct

ARN_PATTERN = r"^(|arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:[0-9]{12}:model-package/.+)$"
# How a release marks its own updates among all others of the stack (lambdas/release/stack.py).
TOKEN_PREFIXES = ("release-", "restore-")
ENDED = ("UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED", "UPDATE_FAILED")


class ReleasedPackage(Construct):
    """A parameter with the ARN of a model package, empty before the first release.

    A release may update the types of resources that wait for it, and no other: everything else of the stack is there
    from the beginning.
    """

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
        self._types: dict[str, None] = {}

    @property
    def types(self) -> list[str]:
        """The types of all resources that wait for a package, in the order in which they were told."""
        return list(self._types)

    def wait_for(self, *resources: CfnResource, condition: CfnCondition | None = None) -> None:
        """Let resources exist while a package is released.

        Args:
            resources: of the stack.
            condition: a stricter one.
        """
        for resource in resources:
            resource.cfn_options.condition = condition or self._released
            self._types[resource.cfn_resource_type] = None

    def ended(self) -> events.EventPattern:
        """Events of an update of this stack that a release asked for and that has ended, one way or the other."""
        return events.EventPattern(
            source=["aws.cloudformation"],
            detail_type=["CloudFormation Stack Status Change"],
            detail={
                "stack-id": [{"prefix": self._stack_arn("")}],
                "status-details": {"status": list(ENDED)},
                "client-request-token": [{"prefix": prefix} for prefix in TOKEN_PREFIXES],
            },
        )

    def grant_release(self, grantee: iam.IGrantable) -> None:
        """Allow to update this stack with another model package, and nothing but that.

        CloudFormation acts with the stack's own service role, so who releases needs no rights to SageMaker or IAM.
        """
        arn = self._stack_arn("*")
        grantee.grant_principal.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["cloudformation:UpdateStack"],
                resources=[arn],
                conditions={
                    "ForAllValues:StringEquals": {"cloudformation:ResourceTypes": self.types},
                    # ForAllValues holds for a request that names no types, which would be one for all of them.
                    "Null": {"cloudformation:ResourceTypes": "false"},
                },
            )
        )
        grantee.grant_principal.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["cloudformation:DescribeStacks", "cloudformation:DescribeStackEvents"], resources=[arn]
            )
        )

    def _stack_arn(self, identifier: str) -> str:
        stack = Stack.of(self)
        return stack.format_arn(
            service="cloudformation", resource="stack", resource_name=f"{stack.stack_name}/{identifier}"
        )
