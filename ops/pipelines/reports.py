"""The report.html of an evaluation or of a monitoring run, and of a registered version."""

from __future__ import annotations

import enum
import html
from typing import TYPE_CHECKING, Any

from lambdas.aws.errors import error_code
from lambdas.aws.package_files import open_object
from ops.base.errors import CommandError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

    from ops.pipelines.executions import Execution

REPORT = "report.html"


class Reporting(enum.Enum):
    """The steps that write a report.

    A value is the step's name, that of its output, what an execution without the step did not do, and what to do then:
    `cxr executions` lists those of the training pipeline alone, which evaluate.
    """

    EVALUATION = (
        "EvaluateModel",
        "evaluation",
        "evaluated no model",
        " Name one that has: `cxr executions` lists them.",
    )
    SITE = ("EvaluateSite", "site", "evaluated no model", "")
    CALIBRATION = ("CalibrateModel", "evaluation", "calibrated no model", "")
    MONITORING = ("MonitorModel", "monitoring", "compared no predictions", "")


def of_execution(sagemaker: SageMakerClient, execution: Execution, what: Reporting) -> str:
    """The S3 URI of the report that a step of an execution wrote.

    The job says where, for a cached step it is the job of another execution.
    """
    name, wanted, missing, advice = what.value
    step = next((step for step in execution.steps if step.name == name and step.job), None)
    if step is None:
        reason = f": {execution.reason.rstrip('.')}" if execution.reason else ""
        raise CommandError(f"Execution {execution.id} ({execution.status}) has {missing}{reason}.{advice}")
    job = sagemaker.describe_processing_job(ProcessingJobName=step.job)
    for output in job["ProcessingOutputConfig"]["Outputs"]:
        if output["OutputName"] == wanted:
            return f"{output['S3Output']['S3Uri'].rstrip('/')}/{REPORT}"
    raise CommandError(f"The job {step.job} has no output {wanted}.")


def beside(uri: str, name: str = REPORT) -> str:
    """The S3 URI of a file in the same folder as another: the report beside a result, or a result beside its report."""
    return f"{uri.rpartition('/')[0]}/{name}"


def sentences(found: dict[str, Any]) -> str:
    """Sentences of a monitoring run's findings: of the comparison, the refused and failed requests, and the trend.

    Older results have the first only.
    """
    sentences = [found["sentence"]]
    sentences += [found[name]["sentence"] for name in ("requests", "trend") if name in found]
    return "\n".join(sentences)


def with_decision(report: bytes, decision: str) -> bytes:
    """A copy of an evaluation's report that says on top what was decided about the version since it was written."""
    note = (
        f"<p><strong>{html.escape(decision)}</strong> This line was added to this copy when it was fetched; the report "
        "in S3 is as it was signed.</p>"
    )
    return report.replace(b"</header>", note.encode() + b"</header>", 1)


def fetch(s3: S3Client, uri: str) -> bytes:
    """The report, or a file beside it; raises CommandError when it is not there."""
    try:
        return open_object(s3, uri).read()
    except Exception as error:
        if error_code(error) in {"NoSuchKey", "NoSuchBucket", "404"}:
            folder, _, name = uri.rpartition("/")
            raise CommandError(
                f"There is no {name} in {folder}: the step has not finished, or its files have expired."
            ) from error
        raise
