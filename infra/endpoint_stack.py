"""From an approval to a model that answers."""

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from infra.data_stack import DataStack
from infra.deep_learning_images import DeepLearningImages
from infra.endpoint import Endpoint
from infra.event_rule import EventRule
from infra.function import Function
from infra.settings import Settings
from infra.stack import deployable
from infra.training_stack import TrainingStack


class EndpointStack(Stack):
    """The endpoint, and the function that updates this stack when a model is approved.

    Args:
        data: the stack with the buckets.
        training: the stack with the registry.
        settings: of the environment.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, data: DataStack, training: TrainingStack, settings: Settings
    ) -> None:
        super().__init__(scope, construct_id, **deployable(settings, "Chest X-ray: endpoint and its releases"))
        images = DeepLearningImages(self, "Images", region=settings.region, tags=settings.containers)
        self.endpoint = Endpoint(self, "Endpoint", name=settings.name, options=settings.endpoint)
        release = Function(
            self,
            "Release",
            name="release",
            memory_mb=256,
            timeout_seconds=900,  # waits for an update that is under way: the longest a function may run
            environment={
                "ENDPOINT_STACK_NAME": self.stack_name,
                "MODEL_PACKAGE_GROUP_NAME": training.registry.name,
                "NOTIFICATION_TOPIC_ARN": training.notifications.topic_arn,
            },
            settings=settings,
        )
        EventRule(
            self,
            "Decisions",
            function=release,
            description="Somebody approved or rejected a model: release it, or say that it still serves",
            pattern=training.registry.decisions(),
        )

        self.endpoint.role.write_logs(f"Endpoints/{self.endpoint.name}")
        data.artifacts.grant_read(self.endpoint.role, "executions/*")
        images.grant_pull(self.endpoint.role)

        self.endpoint.grant_release(release)
        training.registry.grant_read(release)
        training.notifications.grant_publish(release)

        CfnOutput(self, "EndpointName", value=self.endpoint.name)
        CfnOutput(self, "ReleaseFunctionName", value=release.function_name)
