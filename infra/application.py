"""The four stacks of one environment."""

from aws_cdk import App

from infra.api_stack import ApiStack
from infra.data_stack import DataStack
from infra.endpoint_stack import EndpointStack
from infra.settings import Settings
from infra.training_stack import TrainingStack


def add_stacks(app: App, settings: Settings) -> None:
    """Add the environment's stacks, in the order they are deployed."""
    data = DataStack(app, f"{settings.name}-data", settings=settings)
    training = TrainingStack(app, f"{settings.name}-training", data=data, settings=settings)
    endpoint = EndpointStack(app, f"{settings.name}-endpoint", data=data, training=training, settings=settings)
    ApiStack(app, f"{settings.name}-api", endpoint=endpoint, settings=settings)
