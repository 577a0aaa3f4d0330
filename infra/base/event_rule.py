"""EventBridge rule with retries and a dead-letter queue, which calls a function."""

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.base.nag_findings import accept

SIX_HOURS = 6 * 3600


class EventRule(Construct):
    """A rule on the default event bus with retries and a dead-letter queue.

    Written with the plain resources: `aws_events_targets` imports half of the CDK, 1.5 s of every synthesis.

    Args:
        description: shown in the console.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        function: lambda_.Function,
        pattern: events.EventPattern,
        description: str,
    ) -> None:
        super().__init__(scope, construct_id)
        self._function = function
        self.dead_letters = sqs.Queue(
            self,
            "DeadLetters",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),  # the longest there is: someone has to look
        )
        accept(
            self.dead_letters, "AwsSolutions-SQS3", reason="it is the dead-letter queue, of a rule and not of a queue"
        )
        self._add("Resource", f"{construct_id}Events", pattern, description)
        # What the function failed on, which Lambda keeps for itself: once for all rules.
        lambda_.CfnEventInvokeConfig(
            self,
            "Failures",
            function_name=function.function_name,
            qualifier="$LATEST",
            maximum_retry_attempts=2,
            maximum_event_age_in_seconds=SIX_HOURS,
            destination_config=lambda_.CfnEventInvokeConfig.DestinationConfigProperty(
                on_failure=lambda_.CfnEventInvokeConfig.OnFailureProperty(destination=self.dead_letters.queue_arn)
            ),
        )
        self.dead_letters.grant_send_messages(function)

    def add_pattern(self, construct_id: str, *, pattern: events.EventPattern, description: str) -> None:
        """Call the function with other events too, which end in the same queue when it cannot handle them."""
        self._add(construct_id, f"{construct_id}Events", pattern, description)

    def _add(self, construct_id: str, permission_id: str, pattern: events.EventPattern, description: str) -> None:
        rule = events.Rule(self, construct_id, description=description, event_pattern=pattern)
        resource = rule.node.default_child
        assert isinstance(resource, events.CfnRule)  # noqa: S101
        resource.targets = [
            events.CfnRule.TargetProperty(
                id="Function",
                arn=self._function.function_arn,
                retry_policy=events.CfnRule.RetryPolicyProperty(
                    maximum_retry_attempts=24, maximum_event_age_in_seconds=SIX_HOURS
                ),
                dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=self.dead_letters.queue_arn),
            )
        ]
        self._function.add_permission(
            permission_id, principal=iam.ServicePrincipal("events.amazonaws.com"), source_arn=rule.rule_arn
        )
        # An event that never reached the function.
        self.dead_letters.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("events.amazonaws.com")],
                actions=["sqs:SendMessage"],
                resources=[self.dead_letters.queue_arn],
                conditions={
                    "ArnEquals": {"aws:SourceArn": rule.rule_arn},
                    "StringEquals": {"aws:SourceAccount": Stack.of(self).account},
                },
            )
        )
