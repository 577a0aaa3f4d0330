"""The Model Registry keeps what it is told, which moto alone does not: releases and reports are built on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from local.core.api import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.core.registry import Registry

ROLE = "arn:aws:iam::210987654321:role/model"


@pytest.fixture
def registry() -> Iterator[Registry]:
    from local.core.registry import Registry

    # An account of its own: moto's stores are the process's.
    registry = Registry("210987654321", "us-east-1")
    registry._backend.reset()
    yield registry
    registry._backend.reset()


@pytest.fixture
def group(registry: Registry) -> str:
    registry.call("CreateModelPackageGroup", {"ModelPackageGroupName": "cxr-test"})
    return "cxr-test"


def described(registry: Registry, arn: str) -> dict[str, Any]:
    return registry.call("DescribeModelPackage", {"ModelPackageName": arn})


def created(registry: Registry, group: str, **more: Any) -> str:
    return str(registry.call("CreateModelPackage", {"ModelPackageGroupName": group, **more})["ModelPackageArn"])


def test_versions_count_up_and_are_never_given_out_twice(registry: Registry, group: str) -> None:
    first, second = created(registry, group), created(registry, group)
    assert [arn.rpartition("/")[2] for arn in (first, second)] == ["1", "2"]
    registry.call("DeleteModelPackage", {"ModelPackageName": first})
    third = created(registry, group)
    assert described(registry, third)["ModelPackageVersion"] == 3
    assert described(registry, second)["ModelPackageVersion"] == 2


def test_an_approval_keeps_what_it_does_not_mention(registry: Registry, group: str) -> None:
    metrics = {"ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": "s3://b/evaluation.json"}}}
    arn = created(
        registry,
        group,
        ModelApprovalStatus="PendingManualApproval",
        CustomerMetadataProperties={"dataset": "abc", "old": "1"},
        ModelMetrics=metrics,
    )
    registry.call(
        "UpdateModelPackage",
        {"ModelPackageArn": arn, "ModelApprovalStatus": "Approved", "ApprovalDescription": "read by two people"},
    )
    registry.call(
        "UpdateModelPackage",
        {
            "ModelPackageArn": arn,
            "CustomerMetadataProperties": {"reviewed": "yes"},
            "CustomerMetadataPropertiesToRemove": ["old"],
        },
    )
    package = described(registry, arn)
    assert not {"CreatedBy", "LastModifiedBy"} & package.keys(), "nobody's name is better than an invented one"
    assert package["ModelApprovalStatus"] == "Approved"
    assert package["ApprovalDescription"] == "read by two people"
    assert package["CustomerMetadataProperties"] == {"dataset": "abc", "reviewed": "yes"}
    assert package["ModelMetrics"] == metrics
    assert package["LastModifiedTime"] >= package["CreationTime"]


def test_what_moto_forgets_is_described_all_the_same(registry: Registry, group: str) -> None:
    arn = created(registry, group, SourceUri="s3://b/run", SkipModelValidation="All")
    assert described(registry, arn)["SourceUri"] == "s3://b/run"
    registry.call(
        "CreateModel",
        {
            "ModelName": "m",
            "ExecutionRoleArn": ROLE,
            "Containers": [{"ModelPackageName": arn}],
            "EnableNetworkIsolation": True,
        },
    )
    assert registry.call("DescribeModel", {"ModelName": "m"})["EnableNetworkIsolation"] is True


def test_a_group_with_packages_is_not_deleted(registry: Registry, group: str) -> None:
    arn = created(registry, group)
    with pytest.raises(ApiError, match="ConflictException"):
        registry.call("DeleteModelPackageGroup", {"ModelPackageGroupName": group})
    registry.call("DeleteModelPackage", {"ModelPackageName": arn})
    registry.call("DeleteModelPackageGroup", {"ModelPackageGroupName": group})
    with pytest.raises(ApiError):
        registry.call("DescribeModelPackageGroup", {"ModelPackageGroupName": group})


def test_instance_types_are_the_ones_of_the_installed_service_model(registry: Registry) -> None:
    registry.call("CreateModel", {"ModelName": "m", "ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": "i"}})

    def config(instance_type: str) -> dict[str, Any]:
        variant = {"VariantName": "v", "ModelName": "m", "InstanceType": instance_type, "InitialInstanceCount": 1}
        return {"EndpointConfigName": instance_type.replace(".", "-"), "ProductionVariants": [variant]}

    registry.call("CreateEndpointConfig", config("ml.c7i.xlarge"))
    with pytest.raises(ApiError, match=r"Value 'ml\.nothing' at 'instanceType'"):
        registry.call("CreateEndpointConfig", config("ml.nothing"))


@pytest.mark.parametrize("operation", ["CreateModelPackageGroup", "CreateModel"])
def test_a_name_is_used_once(registry: Registry, operation: str) -> None:
    request = {
        "CreateModelPackageGroup": {"ModelPackageGroupName": "twice"},
        "CreateModel": {"ModelName": "twice", "ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": "i"}},
    }[operation]
    registry.call(operation, request)
    with pytest.raises(ApiError, match="already existing"):
        registry.call(operation, request)


def test_messages_do_not_repeat_what_boto3_says_itself(registry: Registry) -> None:
    with pytest.raises(ApiError) as refused:
        registry.call("CreateModelPackage", {"ModelPackageGroupName": "nobody"})
    assert refused.value.message == "Model Package Group does not exist."


def test_what_moto_answers_and_nobody_has_compared_with_aws_is_refused(registry: Registry) -> None:
    """An answer that nobody holds to AWS's would be believed: `local.fidelity` lists those that are."""
    with pytest.raises(ApiError, match="CreateExperiment does not exist on the laptop"):
        registry.call("CreateExperiment", {"ExperimentName": "cxr"})
