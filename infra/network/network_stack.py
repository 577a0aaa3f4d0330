"""Network stack: VPC without egress, of an environment with `network.vpc`."""

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from infra.base.stack import deployable
from infra.network.vpc import Network
from infra.settings.environment import Settings


class NetworkStack(Stack):
    """The VPC."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(scope, construct_id, **deployable(settings, "Chest X-ray: network"))
        self.network = Network(self, "Network", settings=settings)
        # By which `cxr deploy` knows settings that CloudFormation would refuse.
        CfnOutput(self, "Cidr", value=settings.network.cidr)
        CfnOutput(self, "Zones", value=" ".join(settings.network.zones))
