"""The endpoint that serves the released model, or nothing before the first release."""

from aws_cdk import CfnCondition, CfnParameter, Fn, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from infra.endpoint_alarms import EndpointAlarms
from infra.sagemaker_role import SageMakerRole
from infra.settings import RealtimeEndpoint, ServerlessEndpoint

VARIANT = "AllTraffic"


class Endpoint(Construct):
    """Model, endpoint configuration and endpoint, which exist while the parameter names a model package.

    Everything else of the stack exists always: a release may update these three types of resources only.

    Args:
        name: of the endpoint, fixed, so that clients need no other stack to know it.
        options: serverless or on instances.
    """

    RELEASED_TYPES = ("AWS::SageMaker::Model", "AWS::SageMaker::EndpointConfig", "AWS::SageMaker::Endpoint")

    def __init__(
        self, scope: Construct, construct_id: str, *, name: str, options: ServerlessEndpoint | RealtimeEndpoint
    ) -> None:
        super().__init__(scope, construct_id)
        self.name = name
        stack = Stack.of(self)
        self._arn = stack.format_arn(service="sagemaker", resource="endpoint", resource_name=name)
        package = CfnParameter(
            stack,
            "ModelPackageArn",
            type="String",
            default="",
            description="ARN of the approved model package to serve; empty before the first release",
            allowed_pattern=r"^(|arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:[0-9]{12}:model-package/.+)$",
        )
        has_model = CfnCondition(
            stack, "HasModel", expression=Fn.condition_not(Fn.condition_equals(package.value_as_string, ""))
        )

        self.role = SageMakerRole(self, "Role", description="Loads the model and answers requests")
        model = sagemaker.CfnModel(
            self,
            "Model",
            execution_role_arn=self.role.role_arn,
            primary_container=sagemaker.CfnModel.ContainerDefinitionProperty(
                model_package_name=package.value_as_string,
                # Every answer names the package it came from: what is really loaded, not what should be.
                environment={"MODEL_PACKAGE_ARN": package.value_as_string},
            ),
        )
        model.node.add_dependency(self.role)
        configuration = sagemaker.CfnEndpointConfig(
            self, "Config", production_variants=[_variant(model.attr_model_name, options)]
        )
        endpoint = sagemaker.CfnEndpoint(
            self,
            "Resource",
            endpoint_name=name,
            endpoint_config_name=configuration.attr_endpoint_config_name,
            # A serverless endpoint switches by itself; it takes no deployment policy.
            deployment_config=self._canary(options) if isinstance(options, RealtimeEndpoint) else None,
        )
        for resource in (model, configuration, endpoint):
            resource.cfn_options.condition = has_model

    def grant_invoke(self, grantee: iam.IGrantable) -> None:
        """Allow to send images and to ask for the endpoint's state."""
        grantee.grant_principal.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["sagemaker:InvokeEndpoint", "sagemaker:DescribeEndpoint"], resources=[self._arn]
            )
        )

    def grant_release(self, grantee: iam.IGrantable) -> None:
        """Allow to update this stack with another model package, and nothing but that.

        CloudFormation acts with the stack's own service role, so who releases needs no rights to SageMaker or IAM.
        """
        stack = Stack.of(self)
        arn = stack.format_arn(service="cloudformation", resource="stack", resource_name=f"{stack.stack_name}/*")
        grantee.grant_principal.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["cloudformation:UpdateStack"],
                resources=[arn],
                conditions={
                    "ForAllValues:StringEquals": {"cloudformation:ResourceTypes": list(self.RELEASED_TYPES)},
                    # ForAllValues holds for a request that names no types, which would be one for all of them.
                    "Null": {"cloudformation:ResourceTypes": "false"},
                },
            )
        )
        grantee.grant_principal.add_to_principal_policy(
            iam.PolicyStatement(actions=["cloudformation:DescribeStacks"], resources=[arn])
        )

    def _canary(self, options: RealtimeEndpoint) -> sagemaker.CfnEndpoint.DeploymentConfigProperty:
        canary = options.canary
        alarms = EndpointAlarms(self, "Alarms", endpoint_name=self.name, variant=VARIANT, canary=canary)
        return sagemaker.CfnEndpoint.DeploymentConfigProperty(
            blue_green_update_policy=sagemaker.CfnEndpoint.BlueGreenUpdatePolicyProperty(
                traffic_routing_configuration=sagemaker.CfnEndpoint.TrafficRoutingConfigProperty(
                    type="CANARY",
                    canary_size=sagemaker.CfnEndpoint.CapacitySizeProperty(
                        type="CAPACITY_PERCENT", value=canary.percent
                    ),
                    wait_interval_in_seconds=canary.wait_seconds,
                ),
                termination_wait_in_seconds=canary.termination_wait_seconds,
                maximum_execution_timeout_in_seconds=canary.wait_seconds + canary.termination_wait_seconds + 3600,
            ),
            auto_rollback_configuration=sagemaker.CfnEndpoint.AutoRollbackConfigProperty(
                alarms=[sagemaker.CfnEndpoint.AlarmProperty(alarm_name=name) for name in alarms.names]
            ),
        )


def grant_describe(grantee: lambda_.Function, *, name: str) -> None:
    """Allow to follow an endpoint to its configuration and its model, from a stack that is deployed before this one.

    CloudFormation names a configuration and a model by their logical ids, and where it runs on a laptop the stack's
    name goes before (github.com/aws/aws-cli/issues/4021). Permissions see such names as they are or in lower case
    (github.com/awslabs/service-workbench-on-aws/pull/1177).

    Args:
        grantee: of the account and region of the endpoint.
        name: of the endpoint.
    """
    stack = Stack.of(grantee)
    named = {
        "Endpoint": ("endpoint", [name]),
        "EndpointConfig": ("endpoint-config", ["*EndpointConfig*", "*endpointconfig*"]),
        "Model": ("model", ["*EndpointModel*", "*endpointmodel*"]),
    }
    for operation, (resource, names) in named.items():
        grantee.grant_principal.add_to_principal_policy(
            iam.PolicyStatement(
                actions=[f"sagemaker:Describe{operation}"],
                resources=[
                    stack.format_arn(service="sagemaker", resource=resource, resource_name=one) for one in names
                ],
            )
        )


def _variant(
    model_name: str, options: ServerlessEndpoint | RealtimeEndpoint
) -> sagemaker.CfnEndpointConfig.ProductionVariantProperty:
    if isinstance(options, ServerlessEndpoint):
        return sagemaker.CfnEndpointConfig.ProductionVariantProperty(
            model_name=model_name,
            variant_name=VARIANT,
            initial_variant_weight=1,
            serverless_config=sagemaker.CfnEndpointConfig.ServerlessConfigProperty(
                memory_size_in_mb=options.memory_mb, max_concurrency=options.max_concurrency
            ),
        )
    return sagemaker.CfnEndpointConfig.ProductionVariantProperty(
        model_name=model_name,
        variant_name=VARIANT,
        initial_variant_weight=1,
        instance_type=options.instance_type,
        initial_instance_count=options.instance_count,
    )
