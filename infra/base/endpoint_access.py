"""Grants to invoke or describe a SageMaker endpoint by its name, for stacks that do not hold it."""

from aws_cdk import Stack
from aws_cdk import aws_lambda as lambda_

from infra.base.grants import allow


def grant_invoke(grantee: lambda_.Function, *, name: str) -> None:
    """Allow to send images to an endpoint and to ask for its state."""
    arn = Stack.of(grantee).format_arn(service="sagemaker", resource="endpoint", resource_name=name)
    allow(grantee, ["sagemaker:InvokeEndpoint", "sagemaker:DescribeEndpoint"], arn)


def grant_describe(grantee: lambda_.Function, *, name: str) -> None:
    """Allow to follow an endpoint to its configuration and its model, from a stack that is deployed before this one.

    CloudFormation names a configuration and a model by their logical ids, and where it runs on a laptop the stack's
    name goes before (github.com/aws/aws-cli/issues/4021). Permissions see such names as they are or in lower case
    (github.com/awslabs/service-workbench-on-aws/pull/1177).

    Args:
        grantee: principal in the account and region of the endpoint.
    """
    stack = Stack.of(grantee)
    named = {
        "Endpoint": ("endpoint", [name]),
        "EndpointConfig": ("endpoint-config", ["*EndpointConfig*", "*endpointconfig*"]),
        "Model": ("model", ["*EndpointModel*", "*endpointmodel*"]),
    }
    for operation, (resource, names) in named.items():
        allow(
            grantee,
            [f"sagemaker:Describe{operation}"],
            *[
                stack.format_arn(service="sagemaker", resource=resource, resource_name=resource_name)
                for resource_name in names
            ],
        )
