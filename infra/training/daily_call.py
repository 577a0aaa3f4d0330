"""Daily call of a function that must not become inactive."""

from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct


class DailyCall(Construct):
    """Rule that calls a function once a day, so that Lambda keeps it ready.

    A function that nobody called for weeks becomes inactive: "When you try to invoke a function that is inactive, the
    invocation fails", and gets it ready again ("Lambda function states" of the developer guide; aws/aws-cdk#20123 and
    #22612, which had to wait and ask again; read 2026-11-29, not tried in an account). Who calls once and never again,
    as a pipeline's step does, would fail. Clients of the API can ask again: the first after weeks gets 502.

    Args:
        function: that is called with EventBridge's scheduled event.
    """

    def __init__(self, scope: Construct, construct_id: str, *, function: lambda_.Function) -> None:
        super().__init__(scope, construct_id)
        rule = events.CfnRule(
            self,
            "Resource",
            description="Nobody may have called this function for weeks when a pipeline does: keep it ready",
            schedule_expression="rate(1 day)",
            targets=[events.CfnRule.TargetProperty(id="Function", arn=function.function_arn)],
        )
        function.add_permission(
            f"{construct_id}Events", principal=iam.ServicePrincipal("events.amazonaws.com"), source_arn=rule.attr_arn
        )
