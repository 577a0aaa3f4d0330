"""The permissions of a SageMaker request are the ones AWS asks for: a policy that works here works there."""

from __future__ import annotations

from typing import Any

import pytest

from local.core.authorization import required_permissions

PREFIX = "arn:aws:sagemaker:eu-west-1:111122223333"
ROLE = "arn:aws:iam::111122223333:role/step"


def permissions(operation: str, request: dict[str, Any]) -> list[tuple[str, str]]:
    required = required_permissions(operation, request, "111122223333", "eu-west-1")
    return [(permission.action, permission.resource) for permission in required]


@pytest.mark.parametrize(
    ("operation", "request_", "resource"),
    [
        ("StartPipelineExecution", {"PipelineName": "cxr-dev"}, f"{PREFIX}:pipeline/cxr-dev"),
        ("StartPipelineExecution", {"PipelineName": f"{PREFIX}:pipeline/cxr-dev"}, f"{PREFIX}:pipeline/cxr-dev"),
        (
            "DescribePipelineExecution",
            {"PipelineExecutionArn": f"{PREFIX}:pipeline/cxr-dev/execution/abc"},
            f"{PREFIX}:pipeline/cxr-dev/execution/abc",
        ),
        ("ListPipelineExecutions", {"PipelineName": "cxr-dev"}, f"{PREFIX}:pipeline/cxr-dev"),
        (
            "UpdateModelPackage",
            {"ModelPackageArn": f"{PREFIX}:model-package/cxr-dev/3", "ModelApprovalStatus": "Approved"},
            f"{PREFIX}:model-package/cxr-dev/3",
        ),
        ("InvokeEndpoint", {"EndpointName": "CXR-Dev"}, f"{PREFIX}:endpoint/cxr-dev"),
        ("CreateProcessingJob", {"ProcessingJobName": "job-1"}, f"{PREFIX}:processing-job/job-1"),
        ("DescribeTrainingJob", {"TrainingJobName": "job-1"}, f"{PREFIX}:training-job/job-1"),
        (
            "StopHyperParameterTuningJob",
            {"HyperParameterTuningJobName": "job-1"},
            f"{PREFIX}:hyper-parameter-tuning-job/job-1",
        ),
        (
            "ListTrainingJobsForHyperParameterTuningJob",
            {"HyperParameterTuningJobName": "job-1"},
            f"{PREFIX}:hyper-parameter-tuning-job/job-1",
        ),
        ("ListHyperParameterTuningJobs", {}, "*"),
        ("ListTags", {"ResourceArn": f"{PREFIX}:endpoint/cxr-dev"}, f"{PREFIX}:endpoint/cxr-dev"),
        ("ListModelPackages", {"ModelPackageGroupName": "cxr-dev"}, "*"),
    ],
)
def test_an_operation_is_checked_on_the_arn_it_acts_on(operation: str, request_: dict[str, Any], resource: str) -> None:
    assert permissions(operation, request_) == [(f"sagemaker:{operation}", resource)]


def test_registering_a_version_is_checked_on_the_versions_and_on_their_group() -> None:
    assert permissions("CreateModelPackage", {"ModelPackageGroupName": "cxr-dev"}) == [
        ("sagemaker:CreateModelPackage", f"{PREFIX}:model-package/cxr-dev/*"),
        ("sagemaker:CreateModelPackage", f"{PREFIX}:model-package-group/cxr-dev"),
    ]


@pytest.mark.parametrize("parameter", ["RoleArn", "ExecutionRoleArn"])
def test_a_role_in_the_request_must_be_passable_to_sagemaker(parameter: str) -> None:
    required = required_permissions("CreateModel", {"ModelName": "m", parameter: ROLE}, "111122223333", "eu-west-1")
    assert (required[-1].action, required[-1].resource) == ("iam:PassRole", ROLE)
    assert required[-1].context == {"iam:PassedToService": "sagemaker.amazonaws.com"}


def test_a_tuning_job_passes_the_role_of_its_training_jobs() -> None:
    request = {"HyperParameterTuningJobName": "t", "TrainingJobDefinition": {"RoleArn": ROLE}}
    assert permissions("CreateHyperParameterTuningJob", request) == [
        ("sagemaker:CreateHyperParameterTuningJob", f"{PREFIX}:hyper-parameter-tuning-job/t"),
        ("iam:PassRole", ROLE),
    ]


def test_conditions_can_name_the_new_approval_and_the_tags() -> None:
    request = {
        "ModelPackageArn": f"{PREFIX}:model-package/g/1",
        "ModelApprovalStatus": "Approved",
        "Tags": [{"Key": "team", "Value": "ml"}],
    }
    (permission,) = required_permissions("UpdateModelPackage", request, "111122223333", "eu-west-1")
    assert permission.context == {
        "sagemaker:ModelApprovalStatus": "Approved",
        "aws:TagKeys": ["team"],
        "aws:RequestTag/team": "ml",
    }
