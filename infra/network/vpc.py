"""VPC without egress: private subnets, and a VPC endpoint for each service that is called from within."""

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct, IConstruct

from infra.base.function import Function
from infra.base.grants import allow
from infra.base.log_group import LogGroup
from infra.base.sagemaker_role import SageMakerRole
from infra.base.stack import objects_arn
from infra.settings.environment import Settings
from infra.settings.platform import MOST_ZONES, Source

# What functions call, and of containers that of the monitoring job. The others call nothing but S3, where
# PreprocessImages reads an inventory's objects: SageMaker copies their data, over the gateway to S3.
SERVICES = {
    "CloudFormation": ec2.InterfaceVpcEndpointAwsService.CLOUDFORMATION,  # Release, and what deletes models
    "Lambda": ec2.InterfaceVpcEndpointAwsService.LAMBDA_,  # one function that calls another
    "SageMaker": ec2.InterfaceVpcEndpointAwsService.SAGEMAKER_API,
    "SageMakerRuntime": ec2.InterfaceVpcEndpointAwsService.SAGEMAKER_RUNTIME,
    "Metrics": ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_MONITORING,  # MonitorModel
    "Notifications": ec2.InterfaceVpcEndpointAwsService.SNS,
    "Signatures": ec2.InterfaceVpcEndpointAwsService.KMS,  # Sign, Release, and Model, which verify
}


class Network(Construct):
    """A VPC with one private subnet a zone, no gateway to the internet and no peer."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        options = settings.network
        self._stack = Stack.of(self)
        self._vpc = ec2.Vpc(
            self,
            "Resource",
            ip_addresses=ec2.IpAddresses.cidr(options.cidr),
            # Named, because looking them up would take credentials and a call for every synthesis.
            availability_zones=[f"{settings.region}{zone}" for zone in options.zones],
            # Two zones leave room for the third, which would give the other subnets new addresses, and so replace them:
            # EC2 makes no subnet whose addresses overlap with those of one that is there.
            reserved_azs=MOST_ZONES - len(options.zones) or None,
            subnet_configuration=[ec2.SubnetConfiguration(name="Private", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)],
            # A function of the CDK would empty the default security group, which nothing here is in.
            restrict_default_security_group=False,
        )
        self._vpc.add_flow_log(
            "Flows",
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(
                LogGroup(self, "FlowLogs", retention_days=settings.log_retention_days)
            ),
        )
        self._functions = self._security_group("Functions", "Functions: outwards to the endpoints only")
        self._jobs = self._security_group("Jobs", "Jobs and models: the instances of one job, and S3")
        # Encrypted traffic between the instances of a job is more than TCP (developer guide, "Protect Communications
        # Between ML Compute Instances"): UDP 500 and the protocol ESP.
        self._jobs.connections.allow_internally(ec2.Port.all_traffic(), "The instances of one job")
        self._add_endpoints(settings.archive.sources)

    def attach(self, stack: Stack) -> None:
        """Run every function and every model of a stack in this network, those that are added later too."""
        constructs: list[IConstruct] = stack.node.find_all()
        for construct in constructs:
            if isinstance(construct, Function):
                self._place(construct)
            elif isinstance(construct, sagemaker.CfnModel):
                construct.vpc_config = sagemaker.CfnModel.VpcConfigProperty(
                    security_group_ids=[self._jobs.security_group_id], subnets=self._subnets()
                )

    def for_jobs(self) -> dict[str, list[str]]:
        """The `VpcConfig` of SageMaker's requests."""
        return {"SecurityGroupIds": [self._jobs.security_group_id], "Subnets": self._subnets()}

    def grant_attach(self, role: SageMakerRole) -> None:
        """Allow SageMaker, acting as a role, to attach a job's instances to the subnets.

        https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
        """
        names = {
            "network-interface": ["*"],
            "security-group": [self._jobs.security_group_id],
            "subnet": self._subnets(),
        }
        allow(
            role,
            [
                *("ec2:CreateNetworkInterface", "ec2:CreateNetworkInterfacePermission"),
                *("ec2:DeleteNetworkInterface", "ec2:DeleteNetworkInterfacePermission"),
            ],
            *[
                self._stack.format_arn(service="ec2", resource=resource, resource_name=name)
                for resource, ones in names.items()
                for name in ones
            ],
        )
        allow(
            role,
            [
                *("ec2:DescribeDhcpOptions", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups"),
                *("ec2:DescribeSubnets", "ec2:DescribeVpcs"),
            ],
            "*",
        )

    def _place(self, function: Function) -> None:
        resource = function.node.default_child
        assert isinstance(resource, lambda_.CfnFunction)  # noqa: S101
        resource.vpc_config = lambda_.CfnFunction.VpcConfigProperty(
            security_group_ids=[self._functions.security_group_id], subnet_ids=self._subnets()
        )
        interfaces = [
            *("ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"),
            *("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses"),
        ]
        allow(function, interfaces, "*")
        # Lambda needs these rights to place the function, the function's own code does not
        # (https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html).
        function.add_to_role_policy(
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                actions=interfaces,
                resources=["*"],
                conditions={"ArnLike": {"lambda:SourceFunctionArn": self._any_function()}},
            )
        )

    def _any_function(self) -> str:
        # The function's own ARN would have to be known by the role that the function waits for.
        region, account = self._stack.region, self._stack.account
        return f"arn:{self._stack.partition}:lambda:{region}:{account}:function:*"

    def _subnets(self) -> list[str]:
        return [subnet.subnet_id for subnet in self._vpc.isolated_subnets]

    def _security_group(self, construct_id: str, description: str) -> ec2.SecurityGroup:
        group = ec2.SecurityGroup(self, construct_id, vpc=self._vpc, description=description, allow_all_outbound=False)
        # Where that can lead is decided by the routes: to the endpoints, and through the gateways to S3 and DynamoDB,
        # whose addresses are many and change.
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "Services, over TLS")
        return group

    def _add_endpoints(self, sources: Sequence[Source]) -> None:
        account = self._stack.account
        own = {"StringEquals": {"aws:PrincipalAccount": account, "aws:ResourceAccount": account}}
        gateways = {
            "Objects": ec2.GatewayVpcEndpointAwsService.S3,
            "Tables": ec2.GatewayVpcEndpointAwsService.DYNAMODB,
        }
        for construct_id, gateway in gateways.items():
            # Nothing can be carried to a bucket or a table of somebody else's account.
            endpoint = self._vpc.add_gateway_endpoint(construct_id, service=gateway)
            endpoint.add_to_policy(_anything_if(own))
            if construct_id == "Objects":
                endpoint.add_to_policy(self._answers_to_cloudformation())
                if sources:
                    endpoint.add_to_policy(self._reads_of(sources))
        group = ec2.SecurityGroup(
            self, "Endpoints", vpc=self._vpc, description="Endpoints: from functions", allow_all_outbound=False
        )
        group.connections.allow_from(self._functions, ec2.Port.tcp(443), "Functions")
        # Of the jobs MonitorModel has a network to reach them by, and PreprocessImages where it reads an inventory.
        group.connections.allow_from(self._jobs, ec2.Port.tcp(443), "Jobs")
        for construct_id, service in SERVICES.items():
            interface = self._vpc.add_interface_endpoint(
                construct_id, service=service, security_groups=[group], open=False
            )
            interface.add_to_policy(_anything_if({"StringEquals": {"aws:PrincipalAccount": account}}))

    def _answers_to_cloudformation(self) -> iam.PolicyStatement:
        """Custom resources answer with a form that CloudFormation signed, for a bucket of its own account.

        Without it a stack waits for an hour, and fails. The name has the region without dashes
        (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-vpce-bucketnames.html, read 2026-11).
        """
        bucket = f"cloudformation-custom-resource-response-{self._stack.region.replace('-', '')}"
        objects = objects_arn(self._stack, bucket)
        return iam.PolicyStatement(principals=[iam.AnyPrincipal()], actions=["s3:PutObject"], resources=[objects])

    def _reads_of(self, sources: Sequence[Source]) -> iam.PolicyStatement:
        """PreprocessImages reads radiographs where they lie, which may be a bucket of another account."""
        return iam.PolicyStatement(
            principals=[iam.AnyPrincipal()],
            actions=["s3:GetObjectVersion"],
            resources=[objects_arn(self._stack, source.bucket, source.prefix) for source in sources],
            conditions={"StringEquals": {"aws:PrincipalAccount": self._stack.account}},
        )


def _anything_if(condition: dict[str, dict[str, str]]) -> iam.PolicyStatement:
    """VPC endpoint policy that allows what the callers' own policies allow, under a condition."""
    return iam.PolicyStatement(
        principals=[iam.AnyPrincipal()], actions=["*"], resources=["*"], conditions=dict(condition)
    )
