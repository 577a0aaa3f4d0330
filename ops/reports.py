"""The evaluation's report.html: of an execution or of a registered version."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ops.errors import CommandError, error_code

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

    from ops.executions import Execution

_STEP = "EvaluateModel"
_OUTPUT = "evaluation"
_NAME = "report.html"


def of_execution(sagemaker: SageMakerClient, execution: Execution) -> str:
    """The S3 URI of the report that an execution's evaluation wrote.

    The job says where, for a cached step it is the job of another execution.
    """
    step = next((step for step in execution.steps if step.name == _STEP and step.job), None)
    if step is None:
        reason = f": {execution.reason}" if execution.reason else ""
        raise CommandError(f"Execution {execution.id} ({execution.status}) has evaluated no model{reason}.")
    job = sagemaker.describe_processing_job(ProcessingJobName=step.job)
    for output in job["ProcessingOutputConfig"]["Outputs"]:
        if output["OutputName"] == _OUTPUT:
            return f"{output['S3Output']['S3Uri'].rstrip('/')}/{_NAME}"
    raise CommandError(f"The job {step.job} has no output {_OUTPUT}.")


def beside(statistics_uri: str) -> str:
    """The S3 URI of the report that lies beside an evaluation.json."""
    return f"{statistics_uri.rpartition('/')[0]}/{_NAME}"


def fetch(s3: S3Client, uri: str) -> bytes:
    """The report; raises CommandError when it is not there."""
    parts = urlsplit(uri)
    try:
        return s3.get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))["Body"].read()
    except Exception as error:
        if error_code(error) in {"NoSuchKey", "NoSuchBucket", "404"}:
            raise CommandError(
                f"There is no report at {uri}: the evaluation has not finished, or its files have expired."
            ) from error
        raise
