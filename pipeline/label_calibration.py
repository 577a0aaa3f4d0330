"""The pipeline that calibrates on readers' labels, compiled to `FILE`: `calibration` without an archive or an image.

    FindServingModel
        |
    CalibrateModel            kept predictions of the version with their labels: one half fits, the other tests, once
        |
    CheckQuality              the gates of training
      /        \\
    RegisterModel        QualityGateFailed

`cxr calibrate N --labels` starts it, with what the registry says of that version (docs/adr/0063). CalibrateModel scans
the table of kept predictions itself, so it is not isolated, and has a role that reads no radiograph. Nothing is cached:
labels come in behind the same arguments.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

# The SDK resolves a region while it is imported; nothing is called there.
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from sagemaker.mlops.workflow.pipeline import Pipeline

from model_code.contract.parameters import EVALUATION, GATES
from model_code.contract.site_parameters import CALIBRATED, LABEL_CALIBRATION, LABEL_CALIBRATION_REQUIRED
from pipeline.calibration import calibrate_step, output_uris, registration_step
from pipeline.compiling import assembled, declare
from pipeline.processing import connect, processing_request
from pipeline.quality_gate import quality_gate
from pipeline.steps import FunctionStep, RequestStep, find_serving_model

FILE = Path(__file__).with_name("definition-label-calibration.json")


def build() -> Pipeline:
    """The pipeline as the SDK's objects."""
    parameters = declare(LABEL_CALIBRATION_REQUIRED, LABEL_CALIBRATION.values())
    serving = find_serving_model(after=[])
    calibrate = _calibrate(parameters, serving)
    origin = {
        "CalibratedFrom": parameters["LabelledPackageArn"],
        "CalibrationLabelsSince": parameters["Since"],
        "CalibrationLabelsUntil": parameters["Until"],
    }
    register = registration_step(parameters, serving, calibrate, origin)
    return assembled(parameters.values(), [serving, calibrate, quality_gate(parameters, calibrate, register)])


def _calibrate(parameters: dict[str, Any], serving: FunctionStep) -> RequestStep:
    flags = (*GATES, *CALIBRATED)
    request = processing_request(
        "calibrate_labels",
        parameters,
        arguments={
            "table": "${PredictionsTableName}",
            "since": parameters["Since"],
            "until": parameters["Until"],
            "image-size": parameters["ImageSize"].to_string(),
            "model-package-arn": parameters["LabelledPackageArn"],
            **{LABEL_CALIBRATION[name].flag: parameters[name].to_string() for name in flags},
            "serving-package": serving.output("ServingPackageArn"),
            EVALUATION["ServingComparison"].flag: parameters["ServingComparison"],
        },
        inputs={
            "model": parameters["ModelUri"],
            "evaluation": parameters["EvaluationUri"],
            "training": parameters["TrainingOutputUri"],
            "report": parameters["DatasetReportPrefix"],
            "serving": serving.output("ServingModelUri"),
        },
        output_uris=output_uris(),
        role="${LabelCalibrationRoleArn}",
    )
    return calibrate_step(connect(request))
