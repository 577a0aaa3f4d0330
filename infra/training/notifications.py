"""SNS topic for notifications: rejected archives, releases, alarms and costs."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.base.grants import allow
from infra.base.stack import alarm_arn
from infra.storage.data_key import budgets, sent_by


class Notifications(Construct):
    """An encrypted SNS topic.

    Args:
        name: name of the environment, with which its alarms' names begin.
        key: encrypts messages.
        email: address that is asked to subscribe; nobody is, without it.
    """

    def __init__(self, scope: Construct, construct_id: str, *, name: str, key: kms.IKey, email: str | None) -> None:
        super().__init__(scope, construct_id)
        self._key = key
        self._topic = sns.Topic(self, "Resource", master_key=key, enforce_ssl=True)
        self.topic_arn = self._topic.topic_arn
        for service, sources in (
            ("cloudwatch", alarm_arn(Stack.of(self), f"{name}-*")),
            ("budgets", budgets(Stack.of(self), name)),
        ):
            self._topic.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=[iam.ServicePrincipal(f"{service}.amazonaws.com")],
                    actions=["sns:Publish"],
                    resources=[self.topic_arn],
                    conditions=sent_by(sources),
                )
            )
        if email is not None:
            self._topic.add_subscription(subscriptions.EmailSubscription(email))

    def grant_publish(self, grantee: iam.IGrantable) -> None:
        """Allow to publish messages."""
        allow(grantee, ["sns:Publish"], self.topic_arn)
        # SNS encrypts on behalf of who publishes (https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html).
        self._key.grant(grantee, "kms:Decrypt", "kms:GenerateDataKey*")
