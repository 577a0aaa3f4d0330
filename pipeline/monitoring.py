"""The monitoring pipeline, compiled to `FILE`: drift of the serving model's scores and inputs.

    FindServingModel          which package answers, and where its reference is
        |
    MonitorModel              kept predictions against the reference: report, findings, metrics of CloudWatch

A schedule starts it, or `cxr monitor`. What it finds is no failure: an execution fails only when it could not look. The
alarms read the metrics. Nothing is cached: the predictions change behind the same arguments.
"""

from __future__ import annotations

import os
from pathlib import Path

# The SDK resolves a region while it is imported; nothing is called there.
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.mlops.workflow.pipeline import Pipeline

from model_code.contract.parameters import MONITORING
from pipeline.compiling import assembled, declare, joined
from pipeline.processing import connect, processing_request
from pipeline.steps import find_serving_model, processing_step

FILE = Path(__file__).with_name("definition-monitoring.json")
REPORTS = "s3://${ArtifactBucketName}/monitoring"


def build() -> Pipeline:
    """The pipeline as the SDK's objects."""
    parameters = declare([], MONITORING.values())
    serving = find_serving_model(after=[], file="ReferenceUri")
    request = processing_request(
        "monitor",
        parameters,
        arguments={
            "table": "${PredictionsTableName}",
            "package": serving.output("ServingPackageArn"),
            "endpoint": "${EndpointName}",
            "days": parameters["Days"].to_string(),
            "min-predictions": parameters["MinPredictions"].to_string(),
            "psi-limit": parameters["PsiLimit"].to_string(),
            "runbook": "${RunbookUrl}",
            # Earlier runs' results, which the job lists itself: an input has to name objects that exist, and before the
            # first run there are none.
            "reports": REPORTS,
        },
        inputs={"reference": serving.output("ReferenceUri")},
        output_uris={"monitoring": joined(REPORTS, ExecutionVariables.PIPELINE_EXECUTION_ID)},
        role="${MonitorRoleArn}",
    )
    # It reads predictions and earlier results, reads and writes metrics: neither images nor patient data.
    monitor = processing_step("MonitorModel", connect(request))
    return assembled(parameters.values(), [serving, monitor])
