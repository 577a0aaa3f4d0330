"""The model package group: every model that passed the gates, and whether a person approved it."""

from aws_cdk import CustomResource, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from infra.base.function import Function
from infra.removal import removal_policy
from infra.settings import Settings


class ModelRegistry(Construct):
    """A model package group of a fixed name, so that others can name its packages without depending on its stack.

    Args:
        name: of the group.
        settings: of the environment.
    """

    def __init__(self, scope: Construct, construct_id: str, *, name: str, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        self.name = name
        group = sagemaker.CfnModelPackageGroup(
            self,
            "Resource",
            model_package_group_name=name,
            model_package_group_description="Pneumonia classifiers for chest radiographs that passed the quality gates",
        )
        stack = Stack.of(self)
        self._group = stack.format_arn(service="sagemaker", resource="model-package-group", resource_name=name)
        self._packages = stack.format_arn(service="sagemaker", resource="model-package", resource_name=f"{name}/*")
        group.apply_removal_policy(removal_policy(retain=settings.retain))
        if not settings.retain:
            self._purge_before(group, settings)

    def _purge_before(self, group: sagemaker.CfnModelPackageGroup, settings: Settings) -> None:
        """Delete the group's versions before the group itself, which could not be deleted with them."""
        purge = Function(
            self, "Purge", name="purge", environment={}, memory_mb=256, timeout_seconds=300, settings=settings
        )
        purge.add_to_role_policy(
            iam.PolicyStatement(
                # "*": the operation names no resource in the service authorization reference.
                actions=["sagemaker:ListModelPackages"],
                resources=["*"],
            )
        )
        purge.add_to_role_policy(
            iam.PolicyStatement(actions=["sagemaker:DeleteModelPackage"], resources=[self._packages])
        )
        emptied = CustomResource(
            self,
            "Emptied",
            resource_type="Custom::ModelPackages",
            service_token=purge.function_arn,
            properties={"ModelPackageGroupName": self.name},
        )
        emptied.node.add_dependency(group, purge)

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
        grantee.grant_principal.add_to_principal_policy(
            iam.PolicyStatement(
                # Whether the step describes what it made is not documented, and was not tried (2026-11).
                actions=["sagemaker:CreateModelPackage", "sagemaker:AddTags", "sagemaker:DescribeModelPackage"],
                resources=[self._group, self._packages],
            )
        )

    def grant_read(self, grantee: iam.IGrantable) -> None:
        """Allow to look at the group's versions."""
        grantee.grant_principal.add_to_principal_policy(
            iam.PolicyStatement(actions=["sagemaker:DescribeModelPackage"], resources=[self._packages])
        )
