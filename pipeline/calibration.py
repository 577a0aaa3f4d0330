"""The calibration pipeline, compiled to `FILE`: a site's own temperature, bias, threshold and band, and no training.

    s3://.../evaluations/<token>/archive.zip
        |
    PreprocessImages          as in training
        |            \\
    FindServingModel  |
        |             |
    CalibrateModel <--+       one half of the site's patients fits, the other tests, once; leaves served.tar.gz
        |
    CheckQuality              the gates of training
      /        \\
    RegisterModel        QualityGateFailed

The trigger starts it for an upload below `incoming/calibrate/<version>/`, with what the registry says of that version.
What is registered waits for approval as any version does (docs/adr/0044). As in a site evaluation, what is decoded
expires, so nothing is cached.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# The SDK resolves a region while it is imported; nothing is called there.
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.functions import Join, JsonGet
from sagemaker.mlops.workflow.pipeline import Pipeline

from model_code.contract.parameters import EVALUATION, GATES, INPUT_ARCHIVE_URI
from model_code.contract.site_parameters import CALIBRATED, CALIBRATION, CALIBRATION_REQUIRED, SITE_REFUSALS
from pipeline.compiling import assembled, declare, joined
from pipeline.processing import processing_request
from pipeline.quality_gate import quality_gate
from pipeline.registration import register_request
from pipeline.site_evaluation import decode
from pipeline.steps import CARD, METRICS, FunctionStep, RequestStep, find_serving_model, processing_step, register_step

FILE = Path(__file__).with_name("definition-calibration.json")
ARTIFACTS = "s3://${ArtifactBucketName}/executions"
# Outputs by the folders that they have below an execution's, as a training's are.
_FOLDERS = {"evaluation": "evaluation", "served": "model", "report": "report"}


def build() -> Pipeline:
    """The pipeline as the SDK's objects."""
    parameters = declare(CALIBRATION_REQUIRED, CALIBRATION.values())
    preprocess = decode(parameters)
    serving = find_serving_model(after=[preprocess.name])
    calibrate = _calibrate(parameters, preprocess, serving)
    origin = {
        "CalibratedFrom": parameters["ModelPackageArn"],
        "CalibrationArchiveUri": parameters[INPUT_ARCHIVE_URI],
    }
    register = registration_step(parameters, serving, calibrate, origin)
    return assembled(
        parameters.values(), [preprocess, serving, calibrate, quality_gate(parameters, calibrate, register)]
    )


def _calibrate(parameters: dict[str, Any], preprocess: RequestStep, serving: FunctionStep) -> RequestStep:
    flags = (*GATES, SITE_REFUSALS, *CALIBRATED)
    request = processing_request(
        "calibrate",
        parameters,
        arguments={
            "archive-uri": parameters[INPUT_ARCHIVE_URI],
            "image-size": parameters["ImageSize"].to_string(),
            "model-package-arn": parameters["ModelPackageArn"],
            **{CALIBRATION[name].flag: parameters[name].to_string() for name in flags},
            "serving-package": serving.output("ServingPackageArn"),
            EVALUATION["ServingComparison"].flag: parameters["ServingComparison"],
        },
        inputs={
            "decoded": preprocess.output_uri("decoded"),
            "model": parameters["ModelUri"],
            "training": parameters["TrainingOutputUri"],
            "report": parameters["DatasetReportPrefix"],
            "serving": serving.output("ServingModelUri"),
        },
        output_uris=output_uris(),
        role="${CalibrationRoleArn}",
    )
    return calibrate_step(request)


def output_uris() -> dict[str, Join]:
    """S3 prefixes of CalibrateModel's outputs, by name."""
    return {
        name: joined(ARTIFACTS, ExecutionVariables.PIPELINE_EXECUTION_ID, folder) for name, folder in _FOLDERS.items()
    }


def calibrate_step(request: dict[str, Any]) -> RequestStep:
    """The step CalibrateModel, whose evaluation the gates and the registration read."""
    return processing_step("CalibrateModel", request, property_files=(METRICS, CARD))


def registration_step(
    parameters: dict[str, Any], serving: FunctionStep, calibrate: RequestStep, origin: Mapping[str, Any]
) -> RequestStep:
    """The step RegisterModel.

    Args:
        serving: the step that found the serving model.
        calibrate: of `calibrate_step`.
        origin: properties of the version about what it was calibrated from.
    """

    def file(output: str, name: str) -> Join:
        return joined(calibrate.output_uri(output), name)

    request = register_request(
        model_uri=file("served", "served.tar.gz"),
        statistics_uri=file("evaluation", METRICS.path),
        reference_uri=file("evaluation", "reference.json"),
        card=JsonGet(step_name=calibrate.name, property_file=CARD, json_path="content"),
        metadata={
            "PipelineExecutionArn": ExecutionVariables.PIPELINE_EXECUTION_ARN,
            **origin,
            "CalibrationDatasetSha256": _said(calibrate, "dataset_sha256"),
            "WeightsSha256": _said(calibrate, "weights_sha256"),
            "DatasetReportUri": file("report", "dataset.json"),
            "EvaluationReportUri": file("evaluation", "report.html"),
            "ImageSize": parameters["ImageSize"].to_string(),
            "ComparedWithPackage": serving.output("ServingPackageArn"),
        },
    )
    return register_step(request)


def _said(calibrate: RequestStep, member: str) -> JsonGet:
    """A member of the evaluation about the origin of the weights."""
    return JsonGet(step_name=calibrate.name, property_file=METRICS, json_path=f"calibrated_from.{member}")
