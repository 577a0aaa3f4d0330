"""Promotion of an approved model to another environment, by copies, where a person decides about it again.

Nothing is trained or measured again: what was approved is what is copied, and every copy is read back and compared by
its hash before anything is registered (docs/adr/0022).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import tempfile
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambdas.aws import package_files
from lambdas.aws.provenance import Provenance
from ops.base.definitions import all_steps
from ops.base.errors import CommandError
from ops.base.output import size
from ops.models import evidence, verification

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

# CustomerMetadataValue: at most 256 of these. ModelPackageDescription: at most 1,024 characters.
_NO_METADATA = re.compile(r"[^\w \t_.:/=+\-@]+", re.ASCII)
_LONGEST_VALUE = 256
_LONGEST_DESCRIPTION = 1024
_LONGEST_TOKEN = 36
# What describes a container when a package is made; the rest of a description is what SageMaker found out about it.
_CONTAINER = ("Environment", "Framework", "FrameworkVersion", "NearestModelName", "ContainerHostname")
_SUPPORTED = (
    *("SupportedContentTypes", "SupportedResponseMIMETypes"),
    *("SupportedRealtimeInferenceInstanceTypes", "SupportedTransformInstanceTypes"),
)

SOURCE = "PromotedFrom"
MODEL_SHA256 = "ModelSha256"


@dataclasses.dataclass(frozen=True)
class Side:
    """One environment, as the credentials for it see it."""

    env: str
    sagemaker: SageMakerClient
    s3: S3Client
    group: str
    provenance: Provenance

    def describe(self, arn: str) -> dict[str, Any]:
        """A model package of the environment."""
        return dict(self.sagemaker.describe_model_package(ModelPackageName=arn))

    def packages(self) -> Iterator[dict[str, Any]]:
        """All versions of the group as the registry describes them, newest first."""
        pages = self.sagemaker.get_paginator("list_model_packages").paginate(
            ModelPackageGroupName=self.group, SortBy="CreationTime", SortOrder="Descending"
        )
        for page in pages:
            for summary in page["ModelPackageSummaryList"]:
                yield self.describe(summary["ModelPackageArn"])


@dataclasses.dataclass(frozen=True)
class Promoted:
    """A version of the target's group that came from another environment.

    Attributes:
        arn: ARN of the package in the target.
        approval: SageMaker's word for what was decided there.
        source_arn: ARN of the package that it was promoted from.
        model_sha256: SHA-256 of model.tar.gz, in both places.
        known: whether it was there already.
    """

    arn: str
    approval: str
    source_arn: str
    model_sha256: str
    known: bool

    @property
    def version(self) -> int:
        """Its number in the target's group."""
        return int(self.arn.rpartition("/")[2])

    def as_json(self) -> dict[str, Any]:
        """Members of the answer with `--json`."""
        return {"version": self.version, **dataclasses.asdict(self)}


def promote(arn: str, source: Side, target: Side, *, bucket: str, image: str, tell: Callable[[str], None]) -> Promoted:
    """Copy a version and register it, pending approval; the same version again is registered once.

    Args:
        arn: ARN of an approved package of the source.
        source: is only read.
        target: is written to: files first, the package last, so that nothing is half registered.
        image: the target's serving container.
        tell: called with a sentence about what is being done.

    Raises:
        CommandError: the version is not approved, it is not what was signed, a file is missing, or a copy is not what
            was copied.
    """
    package = source.describe(arn)
    _check_approved(package, source.env)
    with tempfile.TemporaryDirectory(prefix="cxr-") as scratch:
        tell(f"reading version {_version(arn)} of {source.env}")
        files = evidence.fetch(source.s3, evidence.locations(package), Path(scratch))
        files |= verification.carried(package, files, source.provenance, Path(scratch), tell)
        dataset = evidence.dataset_sha256(files[package_files.EVALUATION])
        model = files[package_files.MODEL].sha256
        known = list(target.packages())
        for other in known:
            own = other.get("CustomerMetadataProperties", {})
            if own.get(SOURCE) == arn and own.get(MODEL_SHA256) == model:
                return Promoted(other["ModelPackageArn"], other.get("ModelApprovalStatus", ""), arn, model, known=True)
        if _tag(image) != _tag(_image(package)):
            tell(f"{source.env} served it with {_tag(_image(package))}, {target.env} will with {_tag(image)}")
        folder = _copy(files, target, bucket, tell)
    request = _request(package, files, folder=folder, image=image, group=target.group, dataset=dataset)
    # Of two that promote at once, seeing the same versions, SageMaker takes the first; a later one is another occasion.
    newest = known[0]["ModelPackageArn"] if known else ""
    token = hashlib.sha256(f"{arn} {model} {newest}".encode()).hexdigest()[:_LONGEST_TOKEN]
    made = target.sagemaker.create_model_package(**request, ClientToken=token)
    return Promoted(made["ModelPackageArn"], request["ModelApprovalStatus"], arn, model, known=False)


def serving_image(definition: Mapping[str, Any]) -> str:
    """The container that a deployed pipeline registers its models with: of its region and of its endpoint's machine.

    Raises:
        CommandError: the definition registers nothing.
    """
    for step in all_steps(definition):
        if step["Type"] == "RegisterModel":
            return str(step["Arguments"]["InferenceSpecification"]["Containers"][0]["Image"])
    raise CommandError(
        "The target's pipeline registers no model, so its serving container is unknown: deploy it again."
    )


def _check_approved(package: Mapping[str, Any], env: str) -> None:
    version, approval = _version(package["ModelPackageArn"]), package.get("ModelApprovalStatus", "")
    comment = package.get("ApprovalDescription", "")
    if approval == "Rejected":
        because = f": {comment.rstrip('.')}" if comment else ""
        raise CommandError(f"Version {version} was rejected in {env}{because}; it goes nowhere else.")
    if approval != "Approved":
        raise CommandError(
            f"Version {version} is not approved in {env} ({approval or 'no decision'}), and nothing else is promoted: "
            f"`cxr --env {env} approve {version}`."
        )
    if package.get("ModelPackageStatus") != "Completed":
        raise CommandError(f"Version {version} is {package.get('ModelPackageStatus')} in {env}, not Completed.")


def _copy(files: Mapping[str, evidence.File], target: Side, bucket: str, tell: Callable[[str], None]) -> str:
    """Upload the files to a folder named by all their hashes, read them back, and return its S3 URI.

    Another content is another folder: no evidence of a version that is registered can be written over.
    """
    hashes = json.dumps({name: file.sha256 for name, file in files.items()}, sort_keys=True)
    folder = f"executions/promoted-{hashlib.sha256(hashes.encode()).hexdigest()}"
    for name, file in files.items():
        tell(f"copying {name} ({size(file.path.stat().st_size)}) to {target.env}")
        key = f"{folder}/{name}"
        target.s3.upload_file(str(file.path), bucket, key, ExtraArgs={"Metadata": {"sha256": file.sha256}})
        arrived = evidence.content_sha256(target.s3, f"s3://{bucket}/{key}")
        if arrived != file.sha256:
            raise CommandError(
                f"The copy of {name} has the SHA-256 {arrived}, not {file.sha256}: nothing was registered; try again."
            )
    return f"s3://{bucket}/{folder}"


def _request(
    package: Mapping[str, Any],
    files: Mapping[str, evidence.File],
    *,
    folder: str,
    image: str,
    group: str,
    dataset: str,
) -> Any:
    """CreateModelPackage in the target: as it was registered, with the copies, and with where it came from."""
    specification = package["InferenceSpecification"]
    container = {
        name: specification["Containers"][0][name] for name in _CONTAINER if name in specification["Containers"][0]
    }
    container |= {"Image": image, "ModelDataUrl": f"{folder}/{package_files.MODEL}"}
    request: dict[str, Any] = {
        "ModelPackageGroupName": group,
        "ModelPackageDescription": _description(package),
        "ModelApprovalStatus": "PendingManualApproval",
        "InferenceSpecification": {
            "Containers": [container],
            **{name: specification[name] for name in _SUPPORTED if specification.get(name)},
        },
        "ModelMetrics": {"ModelQuality": {"Statistics": _json(f"{folder}/{package_files.EVALUATION}")}},
        "CustomerMetadataProperties": _metadata(package, files, folder=folder, dataset=dataset),
    }
    if commit := package.get("MetadataProperties", {}).get("CommitId"):
        request["MetadataProperties"] = {"CommitId": commit}
    if package_files.REFERENCE in files:
        statistics = _json(f"{folder}/{package_files.REFERENCE}")
        request["DriftCheckBaselines"] = {"ModelDataQuality": {"Statistics": statistics}}
    if content := package.get("ModelCard", {}).get("ModelCardContent"):
        # The card waits for the same person as the version does.
        request["ModelCard"] = {"ModelCardContent": content, "ModelCardStatus": "PendingReview"}
    return request


def _json(uri: str) -> dict[str, str]:
    return {"ContentType": "application/json", "S3Uri": uri}


def _metadata(
    package: Mapping[str, Any], files: Mapping[str, evidence.File], *, folder: str, dataset: str
) -> dict[str, str]:
    """Metadata of the original, with the copies' addresses, and what promotion adds."""
    approved = package.get("LastModifiedTime") or package["CreationTime"]
    own = dict(package.get("CustomerMetadataProperties", {}))
    own |= {
        "EvaluationReportUri": f"{folder}/{package_files.REPORT}",
        SOURCE: package["ModelPackageArn"],
        "PromotedApprovedAt": approved.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "DatasetSha256": dataset,
        MODEL_SHA256: files[package_files.MODEL].sha256,
    }
    if comment := _value(package.get("ApprovalDescription", "")):
        own["PromotedApproval"] = comment
    # Of a file that stayed behind, the URI would lead nowhere from there.
    own.pop("DatasetReportUri", None)
    if package_files.DATASET_REPORT in files:
        own["DatasetReportUri"] = f"{folder}/{package_files.DATASET_REPORT}"
    return own


def _value(text: str) -> str:
    """A text in the characters that a metadata value may have; the description has it as it was written."""
    return " ".join(_NO_METADATA.sub(" ", text).split())[:_LONGEST_VALUE].strip()


def _description(package: Mapping[str, Any]) -> str:
    comment = " ".join(package.get("ApprovalDescription", "").split())
    said = f", approved there: {comment}" if comment else ", approved there without a comment."
    text = f"{package.get('ModelPackageDescription', '')} Promoted from {package['ModelPackageArn']}{said}"
    return text.strip()[:_LONGEST_DESCRIPTION]


def _image(package: Mapping[str, Any]) -> str:
    return str(package["InferenceSpecification"]["Containers"][0].get("Image", ""))


def _tag(image: str) -> str:
    """Repository and tag, without the registry, which differs by region."""
    return image.rpartition("/")[2]


def _version(arn: str) -> str:
    return arn.rpartition("/")[2]
