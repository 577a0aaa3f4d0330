"""From an approval to a model that answers."""

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from infra.base.deep_learning_images import DeepLearningImages
from infra.base.event_rule import EventRule
from infra.base.function import Function
from infra.base.stack import deployable
from infra.endpoint.async_endpoint import AsyncEndpoint
from infra.endpoint.batch_model import PREFIX, BatchModel
from infra.endpoint.endpoint import Endpoint, grant_describe
from infra.endpoint.released_package import ReleasedPackage
from infra.settings import RealtimeEndpoint, Settings
from infra.storage.data_stack import CAPTURE_PREFIX, DataStack
from infra.training.training_stack import TrainingStack


class EndpointStack(Stack):
    """The endpoints and the batch model, and the function that updates this stack when a model is approved.

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
        package = ReleasedPackage(self, "Package")
        self.endpoint = Endpoint(
            self,
            "Endpoint",
            name=settings.name,
            package=package,
            options=settings.endpoint,
            capture_to=f"s3://{data.artifacts.name}/{CAPTURE_PREFIX}",
            key=data.key,
        )
        queued = settings.asynchronous
        batch = BatchModel(
            self,
            "BatchModel",
            package=package,
            instance_type=queued.instance_type if queued else settings.batch.instance_type,
        )
        if queued:
            asynchronous = AsyncEndpoint(
                self,
                "AsyncEndpoint",
                name=f"{settings.name}-async",
                package=package,
                model=batch,
                bucket_name=data.data.name,
                prefix=PREFIX,
                key=data.key,
                options=queued,
            )
            CfnOutput(self, "AsyncEndpointName", value=asynchronous.name)
            for part, arn in asynchronous.topic_arns.items():
                CfnOutput(self, f"{part}TopicArn", value=arn)
        self.release = Function(
            self,
            "Release",
            name="release",
            memory_mb=256,
            timeout_seconds=900,  # waits for an update that is under way: the longest a function may run
            environment={
                "ENDPOINT_STACK_NAME": self.stack_name,
                "ENDPOINT_NAME": self.endpoint.name,
                "RELEASED_TYPES": ",".join(package.types),
                "MODEL_PACKAGE_GROUP_NAME": training.registry.name,
                "ARTIFACT_BUCKET_NAME": data.artifacts.name,
                "NOTIFICATION_TOPIC_ARN": training.notifications.topic_arn,
            },
            settings=settings,
        )
        self.decisions = EventRule(
            self,
            "Decisions",
            function=self.release,
            description="Somebody approved or rejected a model: release it, or say that it still serves",
            pattern=training.registry.decisions(),
        )
        self.decisions.also(
            "Registrations",
            description="A model was registered: somebody has to decide about it",
            pattern=training.registry.registrations(),
        )
        self.decisions.also(
            "Releases",
            description="A release has ended: ask what really serves, and say so",
            pattern=package.ended(),
        )

        for role in (self.endpoint.role, batch.role):
            data.artifacts.grant_read(role, "executions/*")
            images.grant_pull(role)
        if isinstance(settings.endpoint, RealtimeEndpoint) and settings.endpoint.capture:
            data.artifacts.grant_write(self.endpoint.role, f"{CAPTURE_PREFIX}/*")
        self.endpoint.role.write_logs(f"Endpoints/{self.endpoint.name}")
        batch.role.write_logs("TransformJobs", *([f"Endpoints/{settings.name}-async"] if queued else []))
        data.data.grant_read(batch.role, f"{PREFIX}/*")
        data.data.grant_write(batch.role, f"{PREFIX}/*")

        package.grant_release(self.release)
        grant_describe(self.release, name=self.endpoint.name)
        self.endpoint.grant_invoke(self.release)
        training.registry.grant_read(self.release)
        training.notifications.grant_publish(self.release)
        data.artifacts.grant_write(self.release, "releases/*")

        CfnOutput(self, "EndpointName", value=self.endpoint.name)
        CfnOutput(self, "ReleaseFunctionName", value=self.release.function_name)
        CfnOutput(self, "BatchInstanceType", value=settings.batch.instance_type)
        CfnOutput(self, "BatchInstanceCount", value=str(settings.batch.instance_count))
        CfnOutput(self, "BatchConcurrentRequests", value=str(settings.batch.concurrent_requests))
