"""Model packages, by a state change event and by the registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.aws.errors import is_absent

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_sagemaker.client import SageMakerClient


# How long after its creation a package may still be changed by its own registration.
_REGISTRATION = timedelta(minutes=2)


@dataclass(frozen=True)
class StateChange:
    """A "SageMaker Model Package State Change" event. It can be late, repeated or overtaken by another."""

    package_arn: str
    group: str
    approval: str


@dataclass(frozen=True)
class ModelPackage:
    """A model package as the registry describes it now."""

    arn: str
    group: str
    version: int | None
    approval: str
    status: str
    modified: datetime | None
    """When it was last changed, which for a package that is Approved is when it was approved: nothing else of a
    package but its approval and free-form metadata can change."""
    created: datetime | None = None
    described: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """The registry's whole answer."""

    @property
    def just_registered(self) -> bool:
        """Whether nobody has decided about it yet: one that was set back to be approved again is older than that."""
        if self.created is None or self.modified is None:
            return True
        return self.modified - self.created < _REGISTRATION


def state_change(event: dict[str, Any]) -> StateChange | None:
    """Read an EventBridge event; None for anything but a state change of a versioned model package."""
    if event.get("source") != "aws.sagemaker" or event.get("detail-type") != "SageMaker Model Package State Change":
        return None
    detail = event.get("detail") or {}
    arn, group = detail.get("ModelPackageArn"), detail.get("ModelPackageGroupName")
    if not arn or not group:
        return None
    return StateChange(package_arn=arn, group=group, approval=detail.get("ModelApprovalStatus") or "")


def describe(sagemaker: SageMakerClient, arn: str) -> ModelPackage | None:
    """Read the package from the registry; None when it was deleted."""
    try:
        answer = sagemaker.describe_model_package(ModelPackageName=arn)
    except ClientError as error:
        if is_absent(error):
            return None
        raise
    return ModelPackage(
        arn=answer["ModelPackageArn"],
        group=answer.get("ModelPackageGroupName", ""),
        version=answer.get("ModelPackageVersion"),
        approval=answer.get("ModelApprovalStatus", ""),
        status=answer["ModelPackageStatus"],
        modified=answer.get("LastModifiedTime") or answer.get("CreationTime"),
        created=answer.get("CreationTime"),
        described=dict(answer),
    )
