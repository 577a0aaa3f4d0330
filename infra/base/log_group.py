"""Log group with retention."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from constructs import Construct


class LogGroup(logs.LogGroup):
    """A log group with the environment's retention, deleted with its stack.

    Args:
        retention_days: days until a line is deleted; one of the numbers CloudWatch Logs accepts.
    """

    def __init__(self, scope: Construct, construct_id: str, *, retention_days: int) -> None:
        super().__init__(scope, construct_id, removal_policy=RemovalPolicy.DESTROY)
        group = self.node.default_child
        assert isinstance(group, logs.CfnLogGroup)  # noqa: S101
        group.retention_in_days = retention_days  # the L2 takes an enum of words
