"""Model: `GET /v1/model` answers which model package serves, how it did on its test split and on sites' radiographs."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.api.documents import (
    Approval,
    Band,
    CalibratedFrom,
    Engine,
    Metric,
    Metrics,
    ModelGuarantee,
    Population,
    ServingModel,
    SiteEvaluation,
)
from lambdas.api.environment import ModelEnvironment
from lambdas.api.service import Service, logger, resolver
from lambdas.aws import package_files, site_evaluations, statement
from lambdas.aws.envelope import SigningKey
from lambdas.aws.provenance import Provenance, ProvenanceError
from lambdas.aws.statement import PackageInspector
from lambdas.find_serving_model.endpoint import Endpoint
from lambdas.http.answers import NOTICE, Answers, origins
from lambdas.http.problems import Problem
from model_code.contract import documents
from model_code.contract.documents import Evaluation, read_evaluation
from model_code.contract.metrics import figure

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

_CONFIG = Config(connect_timeout=1, read_timeout=4, retries={"mode": "standard", "total_max_attempts": 2})
_FRESH_SECONDS = 30.0
# Figures of evaluation.json that the answer has, by the names they have there.
_METRICS = ("auroc", "sensitivity", "specificity", "calibration_error")

app = resolver()
_seen: dict[str, tuple[float, ServingModel]] = {}
environment = cache(ModelEnvironment.load)


@cache
def sagemaker() -> SageMakerClient:
    """The client, made once per execution environment."""
    return boto3.client("sagemaker", config=_CONFIG)


@cache
def s3() -> S3Client:
    """The client, made once per execution environment."""
    return boto3.client("s3", config=_CONFIG)


@cache
def provenance() -> Provenance:
    """Signed statements of the registered models."""
    key = SigningKey(boto3.client("kms", config=_CONFIG), environment().signing_key_arn)
    return Provenance(s3(), environment().artifact_bucket, key, PackageInspector(sagemaker(), s3()))


@cache
def service() -> Service:
    """The service, made once per execution environment."""
    return Service(app, answers=Answers(origins(environment().allowed_origins)))


@app.get("/v1/model")
def read_model() -> ServingModel:
    """The model that serves."""
    # SageMaker's Describe operations are throttled for the whole account: polling must not disturb a release.
    found = _seen.get("serving")
    if found is None or time.monotonic() - found[0] >= _FRESH_SECONDS:
        found = _seen["serving"] = time.monotonic(), _look()
    return found[1]


def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle one API Gateway REST proxy event."""
    return service().answer(event, context)


def _look() -> ServingModel:
    endpoint = Endpoint(sagemaker(), environment().endpoint_name, sleep=lambda _seconds: time.sleep(1))
    served = endpoint.served_model()
    if served is None:
        raise Problem("no_model_released", "No model has been approved and released yet.")
    package = sagemaker().describe_model_package(ModelPackageName=served.package_arn)
    evaluation = _evaluation(package["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"])
    band, test = evaluation["indeterminate"], evaluation["test"]
    figures = {name: _metric(figure(evaluation, name)) for name in _METRICS}
    artifact, served_files = _signed_digests(package)
    approval = {
        "status": package.get("ModelApprovalStatus"),
        "changed_at": package.get("LastModifiedTime") or package["CreationTime"],
    }
    return ServingModel(
        package_arn=served.package_arn,
        group=package["ModelPackageGroupName"],
        version=package["ModelPackageVersion"],
        registered_at=package["CreationTime"],
        approval=Approval.model_validate(approval),
        threshold=evaluation["threshold"],
        indeterminate=Band(low=band["low"], high=band["high"]),
        guarantee=_guarantee(evaluation["guarantee"]),
        target_prevalence=evaluation["target_prevalence"],
        population=_population(evaluation["population"]),
        engine=Engine(name=evaluation["engine"]["name"], weights=evaluation["engine"]["weights"]),
        metrics=Metrics(**figures, images=test["images"], patients=test["patients"]),
        **_at_sites(package["ModelPackageVersion"]),
        dataset_sha256=evaluation["dataset_sha256"],
        artifact_sha256=artifact,
        served_sha256=served_files,
        calibrated_from=_calibrated_from(evaluation["calibrated_from"]),
        notice=NOTICE,
    )


def _signed_digests(package: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Digests of the artifact and of its files as they were signed; None where nothing was, or that was changed."""
    try:
        signed = provenance().signed(package)
    except (BotoCoreError, ClientError, ProvenanceError):
        logger.exception("what was signed could not be read", extra={"package_arn": package["ModelPackageArn"]})
        return None, None
    if signed is None:
        return None, None
    return statement.digests(signed)[package_files.MODEL], statement.served_digest(signed)


def _calibrated_from(found: documents.CalibratedFrom | None) -> CalibratedFrom | None:
    # Not the archive: its key may say which hospital it was.
    if found is None:
        return None
    return CalibratedFrom.model_validate(
        {
            "package_arn": found["package_arn"],
            "version": found["version"],
            "calibrated_at": found["calibrated"],
            "patients": found["fitted"]["patients"],
            "labels": found["fitted"]["images"] if "labels" in found else None,
        }
    )


def _at_sites(version: int) -> dict[str, Any]:
    """Site evaluations for the answer; None where they cannot be read, which does not keep back the rest."""
    try:
        said = site_evaluations.of_version(s3(), environment().artifact_bucket, version)
    except (BotoCoreError, ClientError):
        logger.exception("site evaluations could not be looked up", extra={"model_version": version})
        return {"site_evaluations": None, "unreadable_site_evaluations": 0}
    for lost in said.unreadable:
        logger.error("a site evaluation cannot be read", extra={"uri": lost.uri, "reason": lost.reason})
    return {
        "site_evaluations": [_at_site(evaluation) for evaluation in said.found],
        "unreadable_site_evaluations": len(said.unreadable),
    }


def _at_site(found: site_evaluations.SiteEvaluation) -> SiteEvaluation:
    # Neither archive nor report: their keys may say which hospital it was.
    figures = {
        name: Metric(**dataclasses.asdict(getattr(found, name)))
        for name in ("refused_share", "auroc", "sensitivity", "specificity")
    }
    return SiteEvaluation(
        evaluated_at=found.created, verdict=found.verdict, images=found.images, patients=found.patients, **figures
    )


def _guarantee(found: dict[str, Any] | None) -> ModelGuarantee | None:
    # The evaluation also has what the test split said to it.
    if found is None:
        return None
    return ModelGuarantee.model_validate({name: found[name] for name in ModelGuarantee.model_fields})


def _population(found: documents.Population | None) -> Population | None:
    return None if found is None else Population.model_validate(found)


def _evaluation(uri: str) -> Evaluation:
    return read_evaluation(json.loads(package_files.open_object(s3(), uri).read()))


def _metric(found: Mapping[str, Any] | None) -> Metric:
    if found is None:
        raise KeyError("the evaluation lacks a figure that every model is judged by")
    low, high = found["confidence_interval"]
    return Metric(value=found["value"], low=low, high=high)
