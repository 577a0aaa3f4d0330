"""Endpoints' stack: what serves the released model, and the one stack that a release updates."""

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from infra.base.regions import check_endpoints
from infra.base.stack import deployable
from infra.endpoint.async_endpoint import AsyncEndpoint
from infra.endpoint.batch_model import BatchModel
from infra.endpoint.endpoint import Endpoint
from infra.endpoint.release_stack import ReleaseStack
from infra.endpoint.released_package import ReleasedPackage
from infra.settings.environment import Settings
from infra.storage.data_stack import CAPTURE_PREFIX, DataStack


class EndpointStack(Stack):
    """The endpoints and the batch model, all of which exist while a model package is released.

    Args:
        release: the stack with their roles, and with the function that updates this one.

    Raises:
        SettingsError: CloudFormation makes no endpoints in the region.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, data: DataStack, release: ReleaseStack, settings: Settings
    ) -> None:
        super().__init__(scope, construct_id, **deployable(settings, "Chest X-ray: endpoints of the released model"))
        check_endpoints(settings.region)
        package = ReleasedPackage(self, "Package")
        volume_key = data.key if settings.encryption.keys_volumes else None
        self.endpoint = Endpoint(
            self,
            "Endpoint",
            name=settings.name,
            package=package,
            role=release.endpoint_role,
            options=settings.endpoint,
            capture_to=f"s3://{data.artifacts.name}/{CAPTURE_PREFIX}",
            key=data.key,
            volume_key=volume_key,
        )
        queued = settings.asynchronous
        batch = BatchModel(
            self,
            "BatchModel",
            package=package,
            role=release.batch_role,
            instance_type=queued.instance_type if queued else settings.batch.instance_type,
        )
        if queued:
            asynchronous = AsyncEndpoint(
                self,
                "AsyncEndpoint",
                name=f"{settings.name}-async",
                package=package,
                model=batch,
                topics=release.topics,
                bucket_name=data.data.name,
                key=data.key,
                volume_key=volume_key,
                options=queued,
            )
            CfnOutput(self, "AsyncEndpointName", value=asynchronous.name)
            for part, arn in release.topics.items():
                CfnOutput(self, f"{part}TopicArn", value=arn)
        # Also where nothing refers to it: a release has to find the roles' policies in place.
        self.add_stack_dependency(release)

        if volume_key is not None:
            CfnOutput(self, "BatchVolumeKeyArn", value=volume_key.key_arn)
        CfnOutput(self, "EndpointName", value=self.endpoint.name)
        CfnOutput(self, "BatchInstanceType", value=settings.batch.instance_type)
        CfnOutput(self, "BatchInstanceCount", value=str(settings.batch.instance_count))
        CfnOutput(self, "BatchConcurrentRequests", value=str(settings.batch.concurrent_requests))
