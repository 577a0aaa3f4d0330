"""SageMaker's control plane: moto's backend, called in process, with what it gets wrong or lacks put right.

moto keeps pipelines, models, endpoint configurations and the Model Registry. Here are added: the deletes it lacks,
version numbers that are never given out twice, updates that keep what they do not mention, members it forgets, and
the instance types and service model of the botocore installed beside it.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import botocore.session
from moto.core.request import Request
from moto.sagemaker import models
from moto.sagemaker.responses import SageMakerResponse

from local.core.api import ApiError
from local.fidelity import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from botocore.model import ServiceModel

_KEPT = {"Model": "ModelName", "EndpointConfig": "EndpointConfigName", "Pipeline": "PipelineName"}
# These never change, so that what was asked for is what is.
_IMMUTABLE = frozenset({"Model", "EndpointConfig"})


def service_model() -> ServiceModel:
    """SageMaker's API as the installed botocore describes it."""
    return _SERVICE_MODEL


_ANSWERED = frozenset(row.name for row in rows.OPERATIONS)
_SERVICE_MODEL = botocore.session.Session().get_service_model("sagemaker")


class Registry:
    """SageMaker's stored resources in one account and region."""

    def __init__(self, account: str, region: str) -> None:
        self._account = account
        self._region = region
        # moto's stores are plain dictionaries.
        self._lock = threading.RLock()
        self._versions: dict[str, int] = {}
        self._forgotten: dict[str, dict[str, Any]] = {}
        self._own: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "CreateModelPackage": self._create_model_package,
            "UpdateModelPackage": self._update_model_package,
            "DeleteModelPackage": self._delete_model_package,
            "DeleteModelPackageGroup": self._delete_model_package_group,
        }
        _accept_current_instance_types()

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Perform one operation.

        Args:
            operation: such as `DescribeModelPackage`.
            request: parameters by the names of the service model.

        Raises:
            ApiError: what the API would answer; `UnknownOperationException` for an operation that `local.fidelity`
                has no row of.
        """
        if operation not in _ANSWERED:
            raise ApiError("UnknownOperationException", f"The operation {operation} does not exist on the laptop.")
        with self._lock:
            self._refuse_existing(operation, request)
            own = self._own.get(operation)
            answer = own(dict(request)) if own else self._moto(operation, request)
            self._remember(operation, request, answer)
            return answer

    @property
    def _backend(self) -> Any:
        return models.sagemaker_backends[self._account][self._region]

    def _moto(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        headers = {
            "Host": f"api.sagemaker.{self._region}.amazonaws.com",
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"SageMaker.{operation}",
            "Authorization": f"AWS4-HMAC-SHA256 Credential=test/20260101/{self._region}/sagemaker/aws4_request",
            "x-moto-account-id": self._account,
        }
        url = f"https://{headers['Host']}/"
        status, _, body = SageMakerResponse.dispatch(
            Request.from_primitives("POST", url, headers, json.dumps(request).encode())
        )
        document: dict[str, Any] = json.loads(body) if body else {}
        if int(status) >= 400:
            code = document.get("__type", "ValidationException").rpartition("#")[2]
            raise ApiError(code, _plain(document.get("message") or document.get("Message") or code), int(status))
        return document

    def _refuse_existing(self, operation: str, request: Mapping[str, Any]) -> None:
        # moto writes over a resource of the same name (findings/moto_sagemaker_same_name.sh).
        backend = self._backend
        for kind, name, stored, words in (
            ("Model", "ModelName", backend._models, "model"),
            ("EndpointConfig", "EndpointConfigName", backend.endpoint_configs, "endpoint configuration"),
            ("ModelPackageGroup", "ModelPackageGroupName", backend.model_package_groups, "model package group"),
        ):
            if operation == f"Create{kind}" and request[name] in stored:
                raise ApiError("ValidationException", f'Cannot create already existing {words} "{request[name]}".')

    def _remember(self, operation: str, request: Mapping[str, Any], answer: dict[str, Any]) -> None:
        """Keep the members of a request that moto drops, and give them back when the resource is described."""
        for kind, name in _KEPT.items():
            if operation in (f"Create{kind}", f"Update{kind}"):
                self._forgotten.setdefault(f"{kind}/{request[name]}", {}).update(request)
            elif operation == f"Delete{kind}":
                self._forgotten.pop(f"{kind}/{request[name]}", None)
            elif operation == f"Describe{kind}":
                self._complete(operation, f"{kind}/{answer.get(name)}", answer, certain=kind in _IMMUTABLE)
        if operation == "DescribeModelPackage":
            self._complete(operation, answer["ModelPackageArn"], answer, certain=False)
            # moto invents a Studio user (findings/moto_model_package_update.sh).
            answer.pop("CreatedBy", None)
            answer.pop("LastModifiedBy", None)

    def _complete(self, operation: str, key: str, answer: dict[str, Any], *, certain: bool) -> None:
        shape = _SERVICE_MODEL.operation_model(operation).output_shape
        for name, value in self._forgotten.get(key, {}).items():
            if shape is not None and name in shape.members and (certain or name not in answer):
                answer[name] = value

    def _create_model_package(self, request: dict[str, Any]) -> dict[str, Any]:
        group = request.get("ModelPackageGroupName")
        if not group:
            arn = self._moto("CreateModelPackage", request)["ModelPackageArn"]
        else:
            request["ModelPackageGroupName"] = group = group.rpartition("/")[2]
            arn = self._create_version(request, group)
        self._forgotten[arn] = request
        return {"ModelPackageArn": arn}

    def _create_version(self, request: dict[str, Any], group: str) -> str:
        # moto numbers by counting the packages that are left, and after a delete writes over one of them.
        backend = self._backend
        packages, names = dict(backend.model_packages), dict(backend.model_package_name_mapping)
        backend.model_packages.clear()
        try:
            package = backend.model_packages[self._moto("CreateModelPackage", request)["ModelPackageArn"]]
        finally:
            for store, kept in ((backend.model_packages, packages), (backend.model_package_name_mapping, names)):
                store.clear()
                store.update(kept)
        self._versions[group] = package.model_package_version = self._versions.get(group, 0) + 1
        package.arn = f"{package.arn.rpartition('/')[0]}/{package.model_package_version}"
        backend.model_packages[package.arn] = package
        backend.model_package_name_mapping[package.arn] = package.arn
        return str(package.arn)

    def _update_model_package(self, request: dict[str, Any]) -> dict[str, Any]:
        # moto replaces what an update does not mention with nothing.
        package = self._model_package(request["ModelPackageArn"])
        merged = {**(package.customer_metadata_properties or {}), **request.get("CustomerMetadataProperties", {})}
        for removed in request.get("CustomerMetadataPropertiesToRemove", []):
            merged.pop(removed, None)
        whole = {**request, "CustomerMetadataProperties": merged}
        for name, kept in (
            ("ApprovalDescription", package.approval_description),
            ("ModelApprovalStatus", package.model_approval_status),
        ):
            if name not in request and kept is not None:
                whole[name] = kept
        return self._moto("UpdateModelPackage", whole)

    def _model_package(self, name: str) -> Any:
        backend = self._backend
        package = backend.model_packages.get(backend.model_package_name_mapping.get(name, name))
        if package is None:
            raise ApiError("ValidationException", f"ModelPackage {name} does not exist.")
        return package

    def _delete_model_package(self, request: dict[str, Any]) -> dict[str, Any]:
        package = self._model_package(request["ModelPackageName"])
        backend = self._backend
        del backend.model_packages[package.arn]
        for alias in [alias for alias, arn in backend.model_package_name_mapping.items() if arn == package.arn]:
            del backend.model_package_name_mapping[alias]
        self._forgotten.pop(package.arn, None)
        return {}

    def _delete_model_package_group(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["ModelPackageGroupName"].rpartition("/")[2]
        backend = self._backend
        if name not in backend.model_package_groups:
            raise ApiError("ValidationException", f"ModelPackageGroup {name} does not exist.")
        if any(package.model_package_group_name == name for package in backend.model_packages.values()):
            raise ApiError(
                "ConflictException",
                f"Model Package Group cannot be deleted as it contains model packages. "
                f"Delete the model packages of {name} first.",
            )
        del backend.model_package_groups[name]
        self._versions.pop(name, None)
        return {}


def _plain(message: str) -> str:
    # moto writes some messages with the prefix boto3 adds itself.
    prefix, separator, rest = message.partition(" operation: ")
    return rest if separator and prefix.startswith("An error") else message


def _accept_current_instance_types() -> None:
    def listed(shape: str) -> frozenset[str]:
        return frozenset(_SERVICE_MODEL.shape_for(shape).metadata["enum"])

    variants, transforms = listed("ProductionVariantInstanceType"), listed("TransformInstanceType")

    def check(value: str, member: str, allowed: frozenset[str]) -> None:
        if value not in allowed:
            raise models.ValidationError(
                message=f"Value '{value}' at '{member}' failed to satisfy constraint: "
                f"Member must satisfy enum value set: {sorted(allowed)}"
            )

    def check_variant(_: Any, instance_type: str) -> None:
        check(instance_type, "instanceType", variants)

    def check_realtime(instance_types: list[str]) -> None:
        for instance_type in instance_types:
            check(instance_type, "supportedRealtimeInferenceInstanceTypes", variants)

    def check_transform(instance_types: list[str]) -> None:
        for instance_type in instance_types:
            check(instance_type, "supportedTransformInstanceTypes", transforms)

    models.FakeEndpointConfig.validate_instance_type = check_variant
    models.ModelPackage.validate_supported_realtime_inference_instance_types = staticmethod(check_realtime)
    models.ModelPackage.validate_supported_transform_instance_types = staticmethod(check_transform)
