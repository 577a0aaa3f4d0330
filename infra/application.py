"""The stacks of one environment: six, and one more where it has a network of its own."""

from aws_cdk import App

from infra.api.api_stack import ApiStack
from infra.endpoint.endpoint_stack import EndpointStack
from infra.endpoint.release_stack import ReleaseStack
from infra.monitoring.monitoring_stack import MonitoringStack
from infra.network.network_stack import NetworkStack
from infra.settings.environment import Settings
from infra.storage.data_stack import DataStack
from infra.training.training_stack import TrainingStack


def add_stacks(app: App, settings: Settings) -> None:
    """Add the environment's stacks, in the order they are deployed."""
    data = DataStack(app, f"{settings.name}-data", settings=settings)
    network = NetworkStack(app, f"{settings.name}-network", settings=settings).network if settings.network.vpc else None
    training = TrainingStack(app, f"{settings.name}-training", data=data, network=network, settings=settings)
    release = ReleaseStack(app, f"{settings.name}-release", data=data, training=training, settings=settings)
    endpoint = EndpointStack(app, f"{settings.name}-endpoint", data=data, release=release, settings=settings)
    api = ApiStack(app, f"{settings.name}-api", data=data, training=training, endpoint=endpoint, settings=settings)
    MonitoringStack(
        app,
        f"{settings.name}-monitoring",
        data=data,
        training=training,
        release=release,
        endpoint=endpoint,
        api=api,
        network=network,
        settings=settings,
    )
    if network is not None:
        for stack in (training, release, endpoint, api):
            network.attach(stack)
        for role in (release.endpoint_role, release.batch_role):
            network.grant_attach(role)
