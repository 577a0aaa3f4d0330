"""The site evaluation pipeline, compiled to `FILE`: a registered model on another site's radiographs, no training.

    s3://.../evaluations/<token>/archive.zip
        |
    PreprocessImages          as in training: what is scored is what the API would see
        |
    EvaluateSite              figures beside the model's own, leak audit, verdict and report

The trigger starts it for an upload below `incoming/evaluate/<version>/`, with what the registry says of that version.
What it finds lies below `site-evaluations/<version>/` of the artifact bucket, where commands, the API and the release
look for it (docs/adr/0042). A bad verdict is a result: an execution fails only when it could not look. What is decoded
lies below `site-images/`, which the bucket's lifecycle rule empties: a site's patients are not to stay. So nothing is
cached, which could point at images that are gone.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

# The SDK resolves a region while it is imported; nothing is called there.
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.mlops.workflow.pipeline import Pipeline

from model_code.contract.parameters import INPUT_ARCHIVE_URI
from model_code.contract.site_parameters import SITE, SITE_GATES, SITE_REFUSALS, SITE_REQUIRED
from pipeline.compiling import assembled, declare, joined
from pipeline.processing import preprocess_request, processing_request
from pipeline.steps import RequestStep, processing_step

FILE = Path(__file__).with_name("definition-site-evaluation.json")
ARTIFACTS = "s3://${ArtifactBucketName}"


def build() -> Pipeline:
    """The pipeline as the SDK's objects."""
    parameters = declare(SITE_REQUIRED, SITE.values())
    preprocess = decode(parameters)
    limits = {SITE[name].flag: parameters[name].to_string() for name in (*SITE_GATES, SITE_REFUSALS)}
    request = processing_request(
        "evaluate_site",
        parameters,
        arguments={
            "archive-uri": parameters[INPUT_ARCHIVE_URI],
            "image-size": parameters["ImageSize"].to_string(),
            "model-version": parameters["ModelVersion"],
            "execution": ExecutionVariables.PIPELINE_EXECUTION_ID,
            **limits,
        },
        inputs={
            "decoded": preprocess.output_uri("decoded"),
            "model": parameters["ModelUri"],
            "evaluation": parameters["EvaluationUri"],
            "report": parameters["DatasetReportPrefix"],
        },
        output_uris={
            "site": joined(
                ARTIFACTS, "site-evaluations", parameters["ModelVersion"], ExecutionVariables.PIPELINE_EXECUTION_ID
            )
        },
        role="${SiteRoleArn}",
    )
    return assembled(parameters.values(), [preprocess, processing_step("EvaluateSite", request)])


def decode(parameters: dict[str, Any]) -> RequestStep:
    """PreprocessImages of a site's archive: training's request, with an output that expires.

    Args:
        parameters: the pipeline's, by name.
    """
    decoded_uri = joined(f"{ARTIFACTS}/site-images", ExecutionVariables.PIPELINE_EXECUTION_ID, "decoded")
    return processing_step("PreprocessImages", preprocess_request(parameters, decoded_uri))
