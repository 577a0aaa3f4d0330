"""Permissions that a SageMaker request needs: the action, the ARNs it acts on, and the roles it passes.

Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon SageMaker". An operation
that reference gives no resource type, such as a List, is checked on `*`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

# Parameter that names the resource -> resource type of its ARN, in the order in which they are looked for.
_NAMED_BY = {
    "Pipeline": (("PipelineName", "pipeline"),),
    "PipelineExecution": (("PipelineExecutionArn", "pipeline"), ("PipelineName", "pipeline")),
    "ModelPackage": (("ModelPackageArn", "model-package"), ("ModelPackageName", "model-package")),
    "ModelPackageGroup": (("ModelPackageGroupName", "model-package-group"),),
    "Model": (("ModelName", "model"),),
    "EndpointConfig": (("EndpointConfigName", "endpoint-config"),),
    "Endpoint": (("EndpointName", "endpoint"),),
    "ProcessingJob": (("ProcessingJobName", "processing-job"),),
    "TrainingJob": (("TrainingJobName", "training-job"),),
    "TransformJob": (("TransformJobName", "transform-job"),),
    "HyperParameterTuningJob": (("HyperParameterTuningJobName", "hyper-parameter-tuning-job"),),
    "Tags": (("ResourceArn", ""),),
}
_OPERATIONS = {
    **{
        f"{verb}{kind}": kind
        for kind in _NAMED_BY
        for verb in ("Create", "Describe", "Update", "Delete", "Start", "Stop", "Retry", "Invoke", "Add", "List")
        if kind == "Tags" or verb not in ("Add", "List")
    },
    "ListPipelineExecutions": "PipelineExecution",
    "ListPipelineExecutionSteps": "PipelineExecution",
    "ListPipelineParametersForExecution": "PipelineExecution",
    "DescribePipelineDefinitionForExecution": "PipelineExecution",
    "SendPipelineExecutionStepSuccess": "PipelineExecution",
    "SendPipelineExecutionStepFailure": "PipelineExecution",
    "ListTrainingJobsForHyperParameterTuningJob": "HyperParameterTuningJob",
    "UpdateEndpointWeightsAndCapacities": "Endpoint",
    "InvokeEndpointAsync": "Endpoint",
    "InvokeEndpointWithResponseStream": "Endpoint",
    "PutModelPackageGroupPolicy": "ModelPackageGroup",
    "GetModelPackageGroupPolicy": "ModelPackageGroup",
    "DeleteModelPackageGroupPolicy": "ModelPackageGroup",
}
_ROLE_PARAMETERS = ("RoleArn", "ExecutionRoleArn")


@dataclass(frozen=True)
class Permission:
    """One thing the caller must be allowed to do."""

    action: str
    resource: str
    context: dict[str, Any] = field(default_factory=dict)


def required_permissions(operation: str, request: Mapping[str, Any], account: str, region: str) -> list[Permission]:
    """Permissions that the caller of an operation must have.

    Args:
        operation: such as `StartPipelineExecution` or `InvokeEndpoint`.
        request: its parameters by the names of the service model.

    Returns:
        One permission for each resource the request names, then `iam:PassRole` for each role it hands to SageMaker.
    """
    action = f"sagemaker:{operation}"
    context = _request_context(operation, request)
    prefix = f"arn:aws:sagemaker:{region}:{account}"
    permissions = [Permission(action, resource, context) for resource in _resources(operation, request, prefix)]
    passed = {"iam:PassedToService": "sagemaker.amazonaws.com"}
    permissions += [Permission("iam:PassRole", role, passed) for role in passed_roles(request)]
    return permissions


def passed_roles(request: Mapping[str, Any]) -> list[str]:
    """ARNs of the roles that a request hands to SageMaker: its own, and that of a tuning job's training jobs."""
    return [
        part[name]
        for part in (request, request.get("TrainingJobDefinition", {}))
        for name in _ROLE_PARAMETERS
        if part.get(name)
    ]


def _resources(operation: str, request: Mapping[str, Any], prefix: str) -> Iterator[str]:
    if operation == "CreateModelPackage" and (group := request.get("ModelPackageGroupName")):
        # The version number is not known yet; the group is the operation's second resource.
        name = group.rpartition("/")[2].lower()
        yield f"{prefix}:model-package/{name}/*"
        yield f"{prefix}:model-package-group/{name}"
        return
    kind = _OPERATIONS.get(operation)
    for parameter, resource_type in _NAMED_BY.get(kind or "", ()):
        if value := request.get(parameter):
            # Names are case-insensitive in SageMaker and lower-case in its ARNs.
            yield value if value.startswith("arn:") else f"{prefix}:{resource_type}/{value.lower()}"
            return
    yield "*"


def _request_context(operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
    context: dict[str, Any] = {}
    if tags := request.get("Tags"):
        context["aws:TagKeys"] = [tag["Key"] for tag in tags]
        context.update({f"aws:RequestTag/{tag['Key']}": tag["Value"] for tag in tags})
    if operation == "UpdateModelPackage" and (status := request.get("ModelApprovalStatus")):
        context["sagemaker:ModelApprovalStatus"] = status
    return context
