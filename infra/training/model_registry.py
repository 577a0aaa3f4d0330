"""The model package group: every model that passed the gates, and whether a person approved it."""

from aws_cdk import Aws, CustomResource, RemovalPolicy, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from infra.base.function import Function
from infra.base.grants import allow
from infra.base.regions import is_available
from infra.base.removal import removal_policy
from infra.settings.environment import Settings

DESCRIPTION = "Pneumonia classifiers for chest radiographs that passed the quality gates"


class ModelRegistry(Construct):
    """A model package group of a fixed name, so that others can name its packages without depending on its stack."""

    def __init__(self, scope: Construct, construct_id: str, *, name: str, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        self.name = name
        stack = Stack.of(self)
        self._group = stack.format_arn(service="sagemaker", resource="model-package-group", resource_name=name)
        self.packages_arn = stack.format_arn(service="sagemaker", resource="model-package", resource_name=name)
        self._packages = f"{self.packages_arn}/*"
        removal = removal_policy(retain=settings.retain)
        if not is_available("AWS::SageMaker::ModelPackageGroup", settings.region):
            self._make_by_a_function(removal, settings)
            return
        group = sagemaker.CfnModelPackageGroup(
            self,
            "Resource",
            model_package_group_name=name,
            model_package_group_description=DESCRIPTION,
        )
        group.apply_removal_policy(removal)
        if not settings.retain:
            self._purge_before(group, settings)

    def _make_by_a_function(self, removal: RemovalPolicy, settings: Settings) -> None:
        """The group as a custom resource: in some regions SageMaker has model packages and CloudFormation no groups."""
        function = self._purge_function(settings)
        allow(
            function,
            ("sagemaker:AddTags", "sagemaker:CreateModelPackageGroup", "sagemaker:DeleteModelPackageGroup"),
            self._group,
        )
        tags = {**settings.tags, "environment": settings.environment}
        group = CustomResource(
            self,
            "Made",
            resource_type="Custom::ModelPackageGroup",
            service_token=function.function_arn,
            removal_policy=removal,
            properties={
                "ModelPackageGroupName": self.name,
                "ModelPackageGroupDescription": DESCRIPTION,
                # CloudFormation puts the stack's tags on no custom resource.
                "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
            },
        )
        group.node.add_dependency(function)

    def _purge_before(self, group: sagemaker.CfnModelPackageGroup, settings: Settings) -> None:
        """Delete the group's versions before the group itself, which could not be deleted with them."""
        purge = self._purge_function(settings)
        emptied = CustomResource(
            self,
            "Emptied",
            resource_type="Custom::ModelPackages",
            service_token=purge.function_arn,
            properties={"ModelPackageGroupName": self.name},
        )
        emptied.node.add_dependency(group, purge)

    def _purge_function(self, settings: Settings) -> Function:
        """The function behind the custom resources, which may delete the group's versions with the stack."""
        purge = Function(
            self, "Purge", name="purge", environment={}, memory_mb=256, timeout_seconds=300, settings=settings
        )
        # "*": the operation names no resource in the service authorization reference.
        allow(purge, ["sagemaker:ListModelPackages"], "*")
        allow(purge, ["sagemaker:DeleteModelPackage"], self._packages)
        # Whether its own stack is deleted, or only updated.
        allow(purge, ["cloudformation:DescribeStacks"], Aws.STACK_ID)
        return purge

    def decisions(self) -> events.EventPattern:
        """Events of a package of this group that a person approved or rejected."""
        return events.EventPattern(
            source=["aws.sagemaker"],
            detail_type=["SageMaker Model Package State Change"],
            detail={"ModelPackageGroupName": [self.name], "ModelApprovalStatus": ["Approved", "Rejected"]},
        )

    def registrations(self) -> events.EventPattern:
        """Events of a package of this group that waits for a person's decision."""
        return events.EventPattern(
            source=["aws.sagemaker"],
            detail_type=["SageMaker Model Package State Change"],
            detail={
                "ModelPackageGroupName": [self.name],
                "ModelApprovalStatus": ["PendingManualApproval"],
                "ModelPackageStatus": ["Completed"],
            },
        )

    def grant_register(self, grantee: iam.IGrantable) -> None:
        """Allow to add a version to the group."""
        # Whether the step describes what it made is not documented, and was not tried (2026-11).
        allow(
            grantee,
            ["sagemaker:CreateModelPackage", "sagemaker:AddTags", "sagemaker:DescribeModelPackage"],
            self._group,
            self._packages,
        )

    def grant_read(self, grantee: iam.IGrantable) -> None:
        """Allow to look at the group's versions."""
        allow(grantee, ["sagemaker:DescribeModelPackage"], self._packages)
