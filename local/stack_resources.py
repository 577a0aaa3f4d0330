"""Handlers (create, update, delete) of the resource types that the emulator's CloudFormation lacks.

`Ref` and `Fn::GetAtt` answer what the resource types' reference pages say; a property that reference marks
"Update requires: Replacement" gives a new resource, whose predecessor goes when the update has succeeded.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from local.core import emulator
from local.core.api import ApiError
from local.core.registry import service_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.model import Shape

    from local.core.api import Cloud
    from local.hosting.endpoints import Endpoints

# SageMaker's names have at most 63 characters; a pipeline's, 256.
_NAME_LENGTH = 63


def register(cloud: Cloud, endpoints: Endpoints) -> None:
    """Make CloudFormation know the SageMaker resource types of this application."""
    stored = {
        "Pipeline": _Stored(cloud, "Pipeline", replacing=("PipelineName",), reference="name", updatable=True),
        "ModelPackageGroup": _Stored(
            cloud, "ModelPackageGroup", replacing=("ModelPackageGroupName", "ModelPackageGroupDescription")
        ),
        "Model": _Stored(
            cloud,
            "Model",
            replacing=(
                *("ModelName", "ExecutionRoleArn", "PrimaryContainer", "Containers"),
                *("VpcConfig", "EnableNetworkIsolation", "InferenceExecutionConfig"),
            ),
        ),
        "EndpointConfig": _Stored(
            cloud,
            "EndpointConfig",
            replacing=(
                *("EndpointConfigName", "ProductionVariants", "ShadowProductionVariants", "DataCaptureConfig"),
                *("KmsKeyId", "AsyncInferenceConfig", "ExplainerConfig", "ExecutionRoleArn", "VpcConfig"),
                "EnableNetworkIsolation",
                "MetricsConfig",
            ),
        ),
    }
    for kind, resource in stored.items():
        emulator.register_resource_type(f"AWS::SageMaker::{kind}", resource.resource_type())
    emulator.register_resource_type("AWS::SageMaker::Endpoint", _Served(endpoints).resource_type())
    scaling = "AWS::ApplicationAutoScaling"
    emulator.register_resource_type(f"{scaling}::ScalableTarget", _ScalableTarget(endpoints).resource_type())
    emulator.register_resource_type(f"{scaling}::ScalingPolicy", _ScalingPolicy(cloud).resource_type())
    emulator.register_resource_type("Custom::S3AutoDeleteObjects", _EmptiedBucket(cloud).resource_type())


class _Resource:
    """A type of resource. What a subclass does not say: an update changes nothing, and a delete has nothing to do."""

    replacing: tuple[str, ...]
    blocking = False

    def resource_type(self) -> emulator.ResourceType:
        return emulator.ResourceType(self.create, self.update, self.delete, self.replacing, blocking=self.blocking)

    def create(self, logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, dict[str, Any]]:
        raise NotImplementedError

    def update(
        self, physical_id: str, _old: dict[str, Any], new: dict[str, Any], _stack: str
    ) -> tuple[str, dict[str, Any]]:
        del new
        return physical_id, self._attributes(physical_id)

    def delete(self, physical_id: str, properties: dict[str, Any]) -> None:
        """There is nothing but the record in the stack."""

    def _attributes(self, physical_id: str) -> dict[str, Any]:
        """Values that Fn::GetAtt gives after an update."""
        del physical_id
        return {}


class _Stored(_Resource):
    """A resource that is only a record in the control plane."""

    def __init__(
        self, cloud: Cloud, kind: str, *, replacing: tuple[str, ...], reference: str = "arn", updatable: bool = False
    ) -> None:
        self._cloud = cloud
        self._kind = kind
        self._name_key = f"{kind}Name"
        self._arn_key = f"{kind}Arn"
        self.replacing = replacing
        self._reference = reference
        self._updatable = updatable

    def create(self, logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, dict[str, Any]]:
        name = properties.get(self._name_key) or emulator.physical_name(stack, logical_id, _NAME_LENGTH)
        operation = f"Create{self._kind}"
        arn = self._call(operation, {**properties, self._name_key: name})[self._arn_key]
        return (name if self._reference == "name" else arn), {self._name_key: name, self._arn_key: arn}

    def update(
        self, physical_id: str, _old: dict[str, Any], new: dict[str, Any], _stack: str
    ) -> tuple[str, dict[str, Any]]:
        name = physical_id.rpartition("/")[2]
        if self._updatable:
            self._call(f"Update{self._kind}", {**new, self._name_key: name})
        # What is left for the others are tags, which nothing on the laptop reads.
        described = self._cloud.registry(f"Describe{self._kind}", {self._name_key: name})
        return physical_id, {self._name_key: name, self._arn_key: described[self._arn_key]}

    def delete(self, physical_id: str, _properties: dict[str, Any]) -> None:
        name = physical_id.rpartition("/")[2]
        try:
            self._cloud.registry(f"Describe{self._kind}", {self._name_key: name})
        except ApiError:
            return
        self._call(f"Delete{self._kind}", {self._name_key: name})

    def _call(self, operation: str, properties: Mapping[str, Any]) -> dict[str, Any]:
        shape = service_model().operation_model(operation).input_shape
        members = getattr(shape, "members", {})
        request = {name: _typed(members[name], value) for name, value in properties.items() if name in members}
        if "ClientRequestToken" in members:
            request["ClientRequestToken"] = "cloudformation-" + operation.lower().ljust(32, "0")
        if isinstance(definition := properties.get("PipelineDefinition"), dict):
            body = definition.get("PipelineDefinitionBody", definition)
            request["PipelineDefinition"] = body if isinstance(body, str) else json.dumps(body)
        return self._cloud.registry(operation, request)


class _EmptiedBucket(_Resource):
    """A bucket that is emptied before it goes: the CDK's custom resource for `auto_delete_objects`.

    Its own provider is a Node.js function that expects the AWS SDK of Lambda's runtime, which the emulator has not.
    """

    replacing = ("BucketName",)
    blocking = True

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def create(self, logical_id: str, properties: dict[str, Any], _stack: str) -> tuple[str, dict[str, Any]]:
        return f"{properties['BucketName']}-{logical_id}", {}

    def delete(self, _physical_id: str, properties: dict[str, Any]) -> None:
        s3, bucket = self._cloud.client("s3"), properties["BucketName"]
        try:
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
                for item in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                    s3.delete_object(Bucket=bucket, Key=item["Key"], VersionId=item["VersionId"])
        except s3.exceptions.NoSuchBucket:
            return


class _Served(_Resource):
    """An endpoint: a create or update ends when its processes answer, or failed to."""

    replacing = ("EndpointName",)
    blocking = True

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    def create(self, logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, dict[str, Any]]:
        name = properties.get("EndpointName") or emulator.physical_name(stack, logical_id, _NAME_LENGTH)
        request = {"EndpointName": name, "EndpointConfigName": _config_name(properties), **_deployment(properties)}
        arn = self._endpoints.handle("CreateEndpoint", {**request, "Tags": properties.get("Tags", [])})["EndpointArn"]
        self._settled(name, "create")
        return arn, {"EndpointName": name, "EndpointArn": arn}

    def update(
        self, physical_id: str, _old: dict[str, Any], new: dict[str, Any], _stack: str
    ) -> tuple[str, dict[str, Any]]:
        name = physical_id.rpartition("/")[2]
        request = {"EndpointName": name, "EndpointConfigName": _config_name(new), **_deployment(new)}
        current = self._endpoints.handle("DescribeEndpoint", request)
        if current["EndpointConfigName"] != request["EndpointConfigName"] or current["EndpointStatus"] != "InService":
            self._endpoints.handle("UpdateEndpoint", request)
            self._settled(name, "update")
        return physical_id, {"EndpointName": current["EndpointName"], "EndpointArn": physical_id}

    def delete(self, physical_id: str, _properties: dict[str, Any]) -> None:
        name = physical_id.rpartition("/")[2]
        try:
            self._endpoints.settle(name)
        except ApiError:
            return
        self._endpoints.handle("DeleteEndpoint", {"EndpointName": name})

    def _settled(self, name: str, verb: str) -> None:
        described = self._endpoints.settle(name)
        if reason := described.get("FailureReason"):
            raise RuntimeError(f"Failed to {verb} endpoint {name}: {reason}")


class _ScalableTarget(_Resource):
    """An endpoint's variant that may be scaled. Here it never is: a variant is one process, whatever its load.

    What AWS checks is checked: that the endpoint and the variant are there.
    """

    replacing = ("ResourceId", "ScalableDimension", "ServiceNamespace")

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    def create(self, _logical_id: str, properties: dict[str, Any], _stack: str) -> tuple[str, dict[str, Any]]:
        _, endpoint, _, variant = str(properties["ResourceId"]).split("/")
        described = self._endpoints.handle("DescribeEndpoint", {"EndpointName": endpoint})
        if variant not in {item["VariantName"] for item in described.get("ProductionVariants", [])}:
            raise RuntimeError(f"{properties['ResourceId']}: the endpoint has no variant of this name.")
        identifier = "|".join(str(properties[member]) for member in self.replacing)
        return identifier, self._attributes(identifier)

    def _attributes(self, physical_id: str) -> dict[str, Any]:
        return {"Id": physical_id}


class _ScalingPolicy(_Resource):
    """Scaling policy of a scalable target: a name and an ARN that alarms can refer to."""

    replacing = ("PolicyName", "ScalingTargetId")

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def create(self, logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, dict[str, Any]]:
        name = properties.get("PolicyName") or emulator.physical_name(stack, logical_id, _NAME_LENGTH)
        owner = f"{self._cloud.region}:{self._cloud.account}"
        arn = f"arn:aws:autoscaling:{owner}:scalingPolicy:{logical_id}:policyName/{name}"
        return arn, self._attributes(arn)

    def _attributes(self, physical_id: str) -> dict[str, Any]:
        return {"Arn": physical_id, "PolicyName": physical_id.rpartition("/")[2]}


def _deployment(properties: Mapping[str, Any]) -> dict[str, Any]:
    if "DeploymentConfig" not in properties:
        return {}
    shape = service_model().shape_for("DeploymentConfig")
    return {"DeploymentConfig": _typed(shape, properties["DeploymentConfig"])}


def _config_name(properties: Mapping[str, Any]) -> str:
    # The property takes the name; GetAtt gives it and Ref gives the ARN.
    return str(properties["EndpointConfigName"]).rpartition("/")[2]


def _typed(shape: Shape, value: Any) -> Any:
    """A property with the types of the API: CloudFormation hands every scalar over as text."""
    if shape.type_name == "structure":
        members = shape.members  # type: ignore[attr-defined]
        return {name: _typed(members[name], member) for name, member in value.items() if name in members}
    if shape.type_name == "list":
        return [_typed(shape.member, member) for member in value]  # type: ignore[attr-defined]
    if shape.type_name == "map":
        return {str(name): str(member) for name, member in value.items()}
    if shape.type_name == "boolean":
        return str(value).lower() == "true"
    if shape.type_name in ("integer", "long"):
        return int(value)
    return float(value) if shape.type_name in ("float", "double") else str(value)
