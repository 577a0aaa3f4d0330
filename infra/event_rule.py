"""Events that call a function, and a queue for those it could not handle."""

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_sqs as sqs
from constructs import Construct


class EventRule(Construct):
    """A rule on the default event bus with retries and a dead-letter queue.

    Args:
        function: called with each event, at least once.
        pattern: which events.
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
        self.dead_letters = sqs.Queue(
            self,
            "DeadLetters",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),  # the longest there is: someone has to look
        )
        # The rule's queue takes events that never reached the function; the function's takes those it failed on.
        function.configure_async_invoke(
            on_failure=destinations.SqsDestination(self.dead_letters),
            retry_attempts=2,
            max_event_age=Duration.hours(6),
        )
        self.rule = events.Rule(self, "Resource", description=description, event_pattern=pattern)
        self.rule.add_target(
            targets.LambdaFunction(
                function, dead_letter_queue=self.dead_letters, retry_attempts=24, max_event_age=Duration.hours(6)
            )
        )
