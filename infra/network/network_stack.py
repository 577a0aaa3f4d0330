"""Network stack: VPC without egress, of an environment with `network.vpc`."""

from aws_cdk import Stack
from constructs import Construct

from infra.base.stack import deployable
from infra.network.vpc import Network
from infra.settings.environment import Settings


class NetworkStack(Stack):
    """The VPC.

    Args:
        settings: settings of the environment.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(scope, construct_id, **deployable(settings, "Chest X-ray: network"))
        self.network = Network(self, "Network", settings=settings)
