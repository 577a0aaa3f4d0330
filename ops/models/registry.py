"""Registered models: their versions, figures and approval, and which of them the endpoint serves."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC
from typing import TYPE_CHECKING, Any

from lambdas.aws import served_package
from lambdas.aws.errors import error_code, is_absent
from lambdas.aws.package_files import open_object
from model_code.contract.documents import read_evaluation
from model_code.contract.metrics import figure
from model_code.contract.parameters import INPUT_ARCHIVE_URI
from ops.base.errors import CommandError
from ops.pipelines import reports

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

# What the listing shows of evaluation.json, in its own names.
_FIGURES = ("auroc", "sensitivity", "specificity", "calibration_error")
_SECONDS_BETWEEN_LOOKS = 1.0
_DECIDED = {"Approved": "approved", "Rejected": "rejected"}


@dataclasses.dataclass(frozen=True)
class ModelVersion:
    """One model package of the group.

    Attributes:
        approval: SageMaker's word for it.
        comment: comment of whoever approved or rejected it.
        decided: when it was last changed: of a package that is Approved, when it was approved.
        decided_by: who changed it last, as SageMaker tells it: an IAM principal's ARN or a Studio user; else empty.
        statistics_uri: S3 URI of its evaluation.json, or empty.
        metrics: on the test split, where the evaluation could be read.
        calibrated_from: number of the version whose weights it has, where it was not trained but calibrated.
        calibration: what that changed, in sentences.
    """

    version: int
    arn: str
    approval: str
    created: datetime
    comment: str = ""
    decided: datetime | None = None
    decided_by: str = ""
    statistics_uri: str = ""
    metrics: dict[str, float] = dataclasses.field(default_factory=dict)
    calibrated_from: int | None = None
    calibration: str = ""


@dataclasses.dataclass(frozen=True)
class Serving:
    """The endpoint as it is: `status` is None when it does not exist, `package_arn` when it serves no package."""

    status: str | None
    package_arn: str | None
    failure_reason: str = ""

    @property
    def version(self) -> int | None:
        """The version that answers requests now, as its ARN tells."""
        last = (self.package_arn or "").rpartition("/")[2]
        return int(last) if last.isdigit() else None


def state(version: ModelVersion, serving: Serving) -> str:
    """State of a version: its approval, and whether it serves, which a rejection does not end."""
    if version.arn != serving.package_arn:
        return version.approval
    return "serving" if version.approval == "Approved" else f"serving, {version.approval}"


class ModelRegistry:
    """The model package group of one environment and the endpoint it is released to."""

    def __init__(self, sagemaker: SageMakerClient, s3: S3Client, *, group: str, endpoint: str) -> None:
        self._sagemaker = sagemaker
        self._s3 = s3
        self._group = group
        self._endpoint = endpoint

    def versions(self) -> list[ModelVersion]:
        """All versions, newest first, without their figures."""
        pages = self._sagemaker.get_paginator("list_model_packages").paginate(
            ModelPackageGroupName=self._group, SortBy="CreationTime", SortOrder="Descending"
        )
        found = [
            ModelVersion(
                version=summary["ModelPackageVersion"],
                arn=summary["ModelPackageArn"],
                approval=summary.get("ModelApprovalStatus", ""),
                created=summary["CreationTime"],
            )
            for page in pages
            for summary in page["ModelPackageSummaryList"]
        ]
        return sorted(found, key=lambda version: version.version, reverse=True)

    def resolve(self, name: str) -> ModelVersion:
        """The version named by its number, its ARN or `latest`; raises CommandError when there is none."""
        versions = self.versions()
        if not versions:
            raise CommandError(f"{self._group} has no registered model yet: `cxr watch` shows how training is going.")
        if name == "latest":
            return versions[0]
        for version in versions:
            if name in {str(version.version), version.arn}:
                return version
        known = ", ".join(str(version.version) for version in versions[:10])
        raise CommandError(f"{self._group} has no version {name}: there are {known}; `cxr models` lists them.")

    def described(self, version: ModelVersion) -> ModelVersion:
        """The version with what a listing leaves out: its comment, when it was decided, where its evaluation is."""
        return _completed(version, self._sagemaker.describe_model_package(ModelPackageName=version.arn))

    def with_metrics(self, version: ModelVersion) -> ModelVersion:
        """The version as described, with the figures of its evaluation on the test split."""
        found = self.described(version)
        evaluation = self._evaluation(found.statistics_uri)
        origin = evaluation.get("calibrated_from") or {}
        return dataclasses.replace(
            found,
            metrics=self._figures(evaluation),
            calibrated_from=origin.get("version"),
            calibration=origin.get("sentence", ""),
        )

    def decision(self, arn: str) -> str:
        """Decision about a version in a sentence: what, when, by whom, and the comment."""
        name = arn.rpartition("/")[2]
        try:
            details: Any = self._sagemaker.describe_model_package(ModelPackageName=arn)
        except Exception as error:
            if not is_absent(error):
                raise
            return f"Version {name} was deleted from the registry, and with it what was decided."
        version = ModelVersion(int(name), arn, details.get("ModelApprovalStatus", ""), details["CreationTime"])
        found = _completed(version, details)
        if found.approval not in _DECIDED or found.decided is None:
            return f"Version {name}: nobody has approved or rejected it yet."
        when = found.decided.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
        by = f"by {found.decided_by}" if found.decided_by else "by whom SageMaker does not tell"
        comment = f"Comment: {found.comment}" if found.comment else "No comment was left."
        return f"Version {name} was {_DECIDED[found.approval]} {when}, {by}. {comment}"

    def evaluation(self, version: ModelVersion) -> dict[str, Any]:
        """The evaluation a version was registered with; raises CommandError when it cannot be read any more."""
        found = self._evaluation(self.described(version).statistics_uri)
        if not found:
            raise CommandError(f"The evaluation of version {version.version} is not there, or closed to this role.")
        return found

    def report_uri(self, version: ModelVersion) -> str:
        """S3 URI of the report of a version's evaluation."""
        uri = self.described(version).statistics_uri
        if not uri:
            raise CommandError(f"Version {version.version} was registered without an evaluation.")
        return reports.beside(uri)

    def archive_uri(self, version: ModelVersion) -> str:
        """S3 URI of the archive that a version was made of."""
        details = self._sagemaker.describe_model_package(ModelPackageName=version.arn)
        uri = details.get("CustomerMetadataProperties", {}).get(INPUT_ARCHIVE_URI)
        if not uri:
            raise CommandError(f"Version {version.version} was registered without its archive.")
        return uri

    def served_before(self, serving: Serving) -> ModelVersion:
        """The version that served before this one: the approved one whose approval was the last before its own.

        Raises CommandError when there is none, or when nothing serves.
        """
        versions = [self.described(version) for version in self.versions() if version.approval == "Approved"]
        now = next((version for version in versions if version.arn == serving.package_arn), None)
        if serving.package_arn is None:
            raise CommandError("No model is serving: approve one with `cxr approve VERSION`.")
        # What serves may have been rejected meanwhile: the newest of the approved is then the one before it.
        earlier = [
            version
            for version in versions
            if version.decided and (now is None or (now.decided and version.decided < now.decided))
        ]
        if not earlier:
            raise CommandError(
                f"No other version was approved before version {serving.version}: name the one to return to, "
                "`cxr models` lists them."
            )
        return max(earlier, key=lambda version: (version.decided or version.created, version.version))

    def decide(self, version: ModelVersion, approval: str, comment: str) -> None:
        """Record the approval or the rejection; an approval is the event that starts the release."""
        if not comment and version.approval == "Rejected":
            # The rejection's reason would stay with the version, and be read as the approval's comment.
            comment = "approved after a rejection, without a comment"
        decision: Any = {"ModelPackageArn": version.arn, "ModelApprovalStatus": approval}
        if comment:
            decision["ApprovalDescription"] = comment
        self._sagemaker.update_model_package(**decision)

    def serving(self) -> Serving:
        """Ask the endpoint which package it serves: its configuration's model names it."""
        served = served_package.find(self._sagemaker, self._endpoint, seconds=_SECONDS_BETWEEN_LOOKS)
        return Serving(status=served.status, package_arn=served.package_arn, failure_reason=served.failure_reason)

    def _evaluation(self, uri: str) -> dict[str, Any]:
        """evaluation.json; empty where there is none, or none to be read."""
        if not uri:
            return {}
        try:
            body = open_object(self._s3, uri).read()
        except Exception as error:
            # Artifacts may have expired, or be closed to this role; the versions are still worth listing.
            if error_code(error) in {"NoSuchKey", "NoSuchBucket", "AccessDenied", "403", "404"}:
                return {}
            raise
        return dict(read_evaluation(json.loads(body)))

    @staticmethod
    def _figures(evaluation: dict[str, Any]) -> dict[str, float]:
        values = {name: (figure(evaluation, name) or {}).get("value") for name in _FIGURES}
        return {name: float(value) for name, value in values.items() if isinstance(value, int | float)}


def _completed(version: ModelVersion, details: Mapping[str, Any]) -> ModelVersion:
    statistics = details.get("ModelMetrics", {}).get("ModelQuality", {}).get("Statistics", {})
    return dataclasses.replace(
        version,
        comment=details.get("ApprovalDescription", ""),
        decided=details.get("LastModifiedTime") or details.get("CreationTime"),
        decided_by=_who(details.get("LastModifiedBy", {})),
        statistics_uri=statistics.get("S3Uri", ""),
    )


def _who(context: Mapping[str, Any]) -> str:
    """The principal of a UserContext: members depend on how it signed in (SageMaker's API reference, read 2026-11)."""
    identity = context.get("IamIdentity", {})
    return str(identity.get("SourceIdentity") or identity.get("Arn") or context.get("UserProfileName") or "")
