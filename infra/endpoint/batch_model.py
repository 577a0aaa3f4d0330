"""SageMaker model for batch transform jobs and the asynchronous endpoint, of the released package."""

from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from infra.base.sagemaker_role import SageMakerRole
from infra.endpoint import serving_container
from infra.endpoint.released_package import ReleasedPackage

PREFIX = "batches"


class BatchModel(Construct):
    """A model whose role reads images and writes answers in S3, which that of the endpoint for single images may not.

    Args:
        instance_type: the container is set for.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        package: ReleasedPackage,
        role: SageMakerRole,
        instance_type: str,
    ) -> None:
        super().__init__(scope, construct_id)
        model = sagemaker.CfnModel(
            self,
            "Resource",
            execution_role_arn=role.role_arn,
            enable_network_isolation=True,  # SageMaker brings the images and takes the answers
            primary_container=sagemaker.CfnModel.ContainerDefinitionProperty(
                model_package_name=package.arn,
                environment={
                    "MODEL_PACKAGE_ARN": package.arn,
                    **serving_container.for_many_requests(instance_type),
                },
            ),
        )
        package.wait_for(model)
        self.name = model.attr_model_name
