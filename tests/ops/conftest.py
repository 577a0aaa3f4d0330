"""The `cxr` command without a cloud: its AWS clients replaced, its environment emptied."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber
from typer.testing import CliRunner, Result

from ops.base.session import Session
from ops.cli import app
from tests.ops import json_answers

REPOSITORY = Path(__file__).resolve().parents[2]
CONTEXT: dict[str, Any] = json.loads((REPOSITORY / "cdk.json").read_text(encoding="utf-8"))["context"]
ENVIRONMENTS = sorted(CONTEXT["environments"])
START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
PIPELINE_ARN = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/cxr-dev"
GROUP_ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-package/cxr-dev"

OUTPUTS = {
    "data": {
        "DataBucketName": "data-bucket",
        "ArtifactBucketName": "artifact-bucket",
        "DataKeyArn": "arn:aws:kms:us-east-1:123456789012:key/2c3d",
        "SigningKeyArn": "arn:aws:kms:us-east-1:123456789012:key/0a1b",
        "ArchiveSources": "s3://data-bucket/radiographs/ s3://radiology/chest/",
    },
    "training": {
        "PipelineName": "cxr-dev",
        "SiteEvaluationPipelineName": "cxr-dev-site-evaluation",
        "CalibrationPipelineName": "cxr-dev-calibration",
        "LabelCalibrationPipelineName": "cxr-dev-label-calibration",
        "ModelPackageGroupName": "cxr-dev",
    },
    "release": {"ReleaseFunctionName": "cxr-dev-release-Release"},
    "endpoint": {"EndpointName": "cxr-dev"},
    "api": {"ApiUrl": "https://abc123.execute-api.us-east-1.amazonaws.com/api/", "ApiKeyId": "key-1"},
    "monitoring": {"MonitoringPipelineName": "cxr-dev-monitoring"},
}


def execution_arn(identifier: str) -> str:
    return f"{PIPELINE_ARN}/execution/{identifier}"


def ran(job: str) -> dict[str, Any]:
    """The metadata of a step that ran a processing job."""
    return {"ProcessingJob": {"Arn": f"arn:aws:sagemaker:us-east-1:123456789012:processing-job/{job}"}}


def no_surroundings(patch: pytest.MonkeyPatch) -> None:
    """Neither the caller's AWS settings nor a terminal's size may change what a test sees."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_REGION", "CXR_ENV", "CXR_DEBUG", "FORCE_COLOR"):
        patch.delenv(name, raising=False)
    patch.setenv("AWS_ACCESS_KEY_ID", "test")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    patch.setenv("COLUMNS", "200")
    patch.setattr("ops.commands.workspace.Workspace.poll_seconds", 0.0)


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    no_surroundings(monkeypatch)


@pytest.fixture(scope="session")
def assemblies(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder with an environment's templates."""

    @cache
    def synthesised(environment: str) -> Path:
        output = tmp_path_factory.mktemp(environment)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CDK_VALIDATION", "false")
            from policy.synthesis import synthesised as synthesise

            synthesise({**CONTEXT, "env": environment}, output)
        return output

    return synthesised


def client(service: str, region: str = "us-east-1") -> Any:
    """A client that a Stubber can answer for."""
    return boto3.client(service, region_name=region, aws_access_key_id="test", aws_secret_access_key="test")


class Cloud:
    """AWS as far as one test needs it: a stubbed client per service, shared by everything in a command."""

    def __init__(self) -> None:
        self._clients: dict[str, Any] = {}
        self._stubs: dict[str, Stubber] = {}

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = client(service)
            self._stubs[service] = Stubber(self._clients[service])
            self._stubs[service].activate()
        return self._clients[service]

    def answers(self, service: str, operation: str, answer: dict[str, Any], expected: Any = None) -> None:
        """The service's next answer; with `expected`, only to that request."""
        self.client(service)
        self._stubs[service].add_response(operation, answer, expected)

    def fails(self, service: str, operation: str, code: str, message: str = "", status: int = 400) -> None:
        self.client(service)
        self._stubs[service].add_client_error(operation, code, message, status)

    def has_stack(self, part: str, status: str = "CREATE_COMPLETE", **more: Any) -> None:
        """The next description of cxr-dev-<part>."""
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in OUTPUTS[part].items()]
        stack = {
            "StackName": f"cxr-dev-{part}",
            "StackStatus": status,
            "CreationTime": START,
            "Outputs": outputs,
            **more,
        }
        self.answers("cloudformation", "describe_stacks", {"Stacks": [stack]}, {"StackName": f"cxr-dev-{part}"})

    def lacks_stack(self, part: str) -> None:
        message = f"Stack with id cxr-dev-{part} does not exist"
        self.fails("cloudformation", "describe_stacks", "ValidationError", message)

    def has_execution(
        self, identifier: str, status: str, steps: list[dict[str, Any]] | None = None, **more: Any
    ) -> None:
        """The next description of an execution and, unless `steps` is None, the next listing of its steps."""
        details = {
            "PipelineExecutionArn": execution_arn(identifier),
            "PipelineExecutionStatus": status,
            "CreationTime": START,
            "LastModifiedTime": START.replace(minute=3, second=5),
            **more,
        }
        self.answers("sagemaker", "describe_pipeline_execution", details)
        if steps is not None:
            self.answers("sagemaker", "list_pipeline_execution_steps", {"PipelineExecutionSteps": steps})

    def takes_a_start(self, pipeline: str, identifier: str, parameters: Mapping[str, str], *, name: Any = ANY) -> None:
        """The next start of an execution, which has to be one of this pipeline with these parameters."""
        expected = {
            "PipelineName": pipeline,
            "PipelineExecutionDisplayName": name,
            "PipelineParameters": [{"Name": key, "Value": value} for key, value in parameters.items()],
            "ClientRequestToken": ANY,
        }
        answer = {"PipelineExecutionArn": execution_arn(identifier)}
        self.answers("sagemaker", "start_pipeline_execution", answer, expected)

    def has_newest_execution(self, identifier: str, status: str = "Executing") -> None:
        summary = {"PipelineExecutionArn": execution_arn(identifier), "PipelineExecutionStatus": status}
        self.answers("sagemaker", "list_pipeline_executions", {"PipelineExecutionSummaries": [summary]})

    def has_models(self, *approvals: str) -> None:
        """The next listing of the group: versions 1, 2, ... with these approval states."""
        summaries = [
            {
                "ModelPackageGroupName": "cxr-dev",
                "ModelPackageVersion": number,
                "ModelPackageArn": f"{GROUP_ARN}/{number}",
                "CreationTime": START,
                "ModelPackageStatus": "Completed",
                "ModelApprovalStatus": approval,
            }
            for number, approval in enumerate(approvals, start=1)
        ]
        self.answers("sagemaker", "list_model_packages", {"ModelPackageSummaryList": summaries})

    def has_site_evaluations(self, version: int, *documents: dict[str, Any]) -> None:
        """The next look at a version's site evaluations, newest first."""
        keys = [f"site-evaluations/{version}/s{number}/site_evaluation.json" for number, _ in enumerate(documents)]
        times = [START.replace(minute=59 - number) for number, _ in enumerate(documents)]
        listed = [{"Key": key, "LastModified": time} for key, time in zip(keys, times, strict=True)]
        request = {"Bucket": "artifact-bucket", "Prefix": f"site-evaluations/{version}/"}
        self.answers("s3", "list_objects_v2", {"Contents": listed}, request)
        for key, document in zip(keys, documents, strict=True):
            content = json.dumps(document).encode()
            answer = {"Body": StreamingBody(io.BytesIO(content), len(content))}
            self.answers("s3", "get_object", answer, {"Bucket": "artifact-bucket", "Key": key})

    def has_processing_job(self, name: str, output: str, uri: str) -> None:
        """The next description of a processing job with one output."""
        place = {"S3Uri": uri, "LocalPath": f"/opt/ml/processing/output/{output}", "S3UploadMode": "EndOfJob"}
        described = {
            "ProcessingJobName": name,
            "ProcessingJobArn": ran(name)["ProcessingJob"]["Arn"],
            "ProcessingJobStatus": "Completed",
            "ProcessingResources": {"ClusterConfig": {"InstanceCount": 1, "InstanceType": "x", "VolumeSizeInGB": 1}},
            "AppSpecification": {"ImageUri": "image"},
            "CreationTime": 0,
            "ProcessingOutputConfig": {"Outputs": [{"OutputName": output, "S3Output": place}]},
        }
        self.answers("sagemaker", "describe_processing_job", described, {"ProcessingJobName": name})

    def serves(self, version: int | None, status: str = "InService") -> None:
        """The next look at the endpoint; None: there is none."""
        if version is None:
            message = 'Could not find endpoint "arn:aws:sagemaker:us-east-1:123456789012:endpoint/cxr-dev".'
            self.fails("sagemaker", "describe_endpoint", "ValidationException", message)
            return
        arn = "arn:aws:sagemaker:us-east-1:123456789012"
        endpoint = {"EndpointName": "cxr-dev", "EndpointArn": f"{arn}:endpoint/cxr-dev", "EndpointStatus": status}
        times = {"CreationTime": START, "LastModifiedTime": START}
        self.answers("sagemaker", "describe_endpoint", {**endpoint, **times, "EndpointConfigName": "config"})
        config = {"EndpointConfigName": "config", "EndpointConfigArn": f"{arn}:endpoint-config/config"}
        variants = [{"VariantName": "main", "ModelName": "model"}]
        self.answers(
            "sagemaker", "describe_endpoint_config", {**config, "CreationTime": START, "ProductionVariants": variants}
        )
        model = {"ModelName": "model", "ModelArn": f"{arn}:model/model", "CreationTime": START}
        container = {"ModelPackageName": f"{GROUP_ARN}/{version}"}
        self.answers("sagemaker", "describe_model", {**model, "PrimaryContainer": container})

    def all_asked(self) -> None:
        """Fails when an answer was never asked for: the command did less than the test says."""
        for stub in self._stubs.values():
            stub.assert_no_pending_responses()


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    made = Cloud()
    monkeypatch.setattr(Session, "client", lambda _session, service: made.client(service))
    return made


def run(*arguments: str) -> Result:
    """The command's result; an exception that reaches the top is a test failure.

    So is an answer to `--json` that is not what docs/schemas says of the command.
    """
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    json_answers.check(arguments, result.stdout)
    return result


@pytest.fixture
def cxr() -> Callable[..., Result]:
    """Runs the command as a person would."""
    return run
