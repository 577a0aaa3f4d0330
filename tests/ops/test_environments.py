"""Every read-only command answers from the templates of every environment, not only from the laptop's."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typer.testing import Result

from ops.base.assembly import Assembly
from ops.base.session import Session
from tests.ops.conftest import ENVIRONMENTS

NOW = datetime(2026, 11, 1, tzinfo=UTC)
EVALUATION = {
    "binary_classification_metrics": {
        name: {"value": 0.9, "confidence_interval": [0.8, 0.95]}
        for name in ("auc", "true_positive_rate", "true_negative_rate", "precision", "negative_predictive_value", "f1")
    },
    "calibration": {"expected_calibration_error": {"value": 0.05, "confidence_interval": [0.01, 0.1]}},
    "threshold": 0.4,
    "test": {"images": 100, "patients": 90, "prevalence": 0.5},
}


class Account:
    """An account in which an environment is deployed as its templates say, with one execution and two versions."""

    def __init__(self, assembly: Assembly) -> None:
        self.assembly = assembly
        self.arn = "arn:aws:sagemaker:us-east-1:123456789012"
        self.group = f"cxr-{assembly.env}"

    def client(self, service: str) -> Any:
        return Service(self, service)

    def package(self, version: int) -> str:
        return f"{self.arn}:model-package/{self.group}/{version}"

    def cloudformation_describe_stacks(self, *, StackName: str) -> Any:  # noqa: N803
        part = StackName.removeprefix(f"cxr-{self.assembly.env}-")
        if part not in self.assembly.outputs:
            raise missing("ValidationError", f"Stack with id {StackName} does not exist")
        outputs = [
            # What CloudFormation would put in place of a reference is not known here, and need only be a text.
            {"OutputKey": key, "OutputValue": value if isinstance(value, str) else f"{part}-{key}".lower()}
            for key, value in self.assembly.outputs[part].items()
        ]
        stack = {"StackName": StackName, "StackStatus": "UPDATE_COMPLETE", "CreationTime": NOW, "Outputs": outputs}
        return {"Stacks": [stack]}

    def sagemaker_list_pipeline_executions(self, **_request: Any) -> Any:
        summary = {
            "PipelineExecutionArn": f"{self.arn}:pipeline/p/execution/abc",
            "PipelineExecutionStatus": "Succeeded",
        }
        return {"PipelineExecutionSummaries": [{**summary, "StartTime": NOW}]}

    def sagemaker_describe_pipeline_execution(self, **_request: Any) -> Any:
        return {
            "PipelineExecutionArn": f"{self.arn}:pipeline/p/execution/abc",
            "PipelineExecutionStatus": "Succeeded",
            "CreationTime": NOW,
            "LastModifiedTime": NOW,
        }

    def sagemaker_list_pipeline_execution_steps(self, **_request: Any) -> Any:
        job = {"ProcessingJob": {"Arn": f"{self.arn}:processing-job/job"}}
        steps = [
            {"StepName": name, "StepStatus": "Succeeded", "StartTime": NOW, "EndTime": NOW, "Metadata": job}
            for name in ("EvaluateModel", "MonitorModel")
        ]
        return {"PipelineExecutionSteps": steps}

    def sagemaker_describe_processing_job(self, **_request: Any) -> Any:
        outputs = [
            {"OutputName": name, "S3Output": {"S3Uri": f"s3://artifacts/{name}"}}
            for name in ("evaluation", "monitoring")
        ]
        return {"ProcessingOutputConfig": {"Outputs": outputs}}

    def sagemaker_list_model_packages(self, **_request: Any) -> Any:
        return {
            "ModelPackageSummaryList": [
                {
                    "ModelPackageVersion": version,
                    "ModelPackageArn": self.package(version),
                    "ModelApprovalStatus": approval,
                    "CreationTime": NOW,
                }
                for version, approval in ((1, "Approved"), (2, "PendingManualApproval"))
            ]
        }

    def sagemaker_describe_model_package(self, **_request: Any) -> Any:
        statistics = {"S3Uri": "s3://artifacts/evaluation/evaluation.json"}
        return {"CreationTime": NOW, "ModelMetrics": {"ModelQuality": {"Statistics": statistics}}}

    def sagemaker_describe_endpoint(self, **_request: Any) -> Any:
        return {"EndpointStatus": "InService", "EndpointConfigName": "config"}

    def sagemaker_describe_endpoint_config(self, **_request: Any) -> Any:
        return {"ProductionVariants": [{"ModelName": "model"}]}

    def sagemaker_describe_model(self, **_request: Any) -> Any:
        return {"PrimaryContainer": {"ModelPackageName": self.package(1)}}

    def s3_list_objects_v2(self, **_request: Any) -> Any:
        return {"Contents": [{"Key": f"datasets/{'0' * 64}/archive.zip", "Size": 900, "LastModified": NOW}]}

    def s3_get_object(self, *, Key: str, **_request: Any) -> Any:  # noqa: N803
        body: Any = EVALUATION if Key.endswith("evaluation.json") else {"sentence": "Nothing moved."}
        return {"Body": io.BytesIO(b"<html>" if Key.endswith(".html") else json.dumps(body).encode())}

    def logs_describe_log_streams(self, **_request: Any) -> Any:
        return {"logStreams": [{"logStreamName": "job/algo-1"}]}

    def logs_get_log_events(self, **_request: Any) -> Any:
        return {"events": [{"message": "a line", "timestamp": 0}], "nextForwardToken": "end"}


class Service:
    """A client that asks the account."""

    def __init__(self, account: Account, name: str) -> None:
        self._account, self._name = account, name.replace("-", "_")

    def __getattr__(self, operation: str) -> Any:
        return getattr(self._account, f"{self._name}_{operation}")

    def get_paginator(self, operation: str) -> Any:
        service = self

        class Paginator:
            def paginate(self, **request: Any) -> Iterator[Any]:
                yield getattr(service, operation)(**request)

        return Paginator()


def missing(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


READ_ONLY = {
    "status": [],
    "datasets": [],
    "executions": [],
    "watch": [],
    "logs": [],
    "report": ["--save", "report.html"],
    "monitor": ["--newest", "--save", "report.html"],
    "models": [],
    "compare": ["1", "2"],
    "cost": [],
}


def _run(request: pytest.FixtureRequest, folder: Path, environment: str, command: str, *options: str) -> Result:
    assemblies: Callable[[str], Path] = request.getfixturevalue("assemblies")
    cxr: Callable[..., Result] = request.getfixturevalue("cxr")
    patch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    account = Account(Assembly.read(assemblies(environment), environment))
    patch.setattr(Session, "client", lambda _session, service: account.client(service))
    patch.chdir(folder)
    more = ["--assembly", str(assemblies(environment))] if command == "cost" else []
    return cxr("--env", environment, command, *READ_ONLY[command], *more, *options)


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("command", READ_ONLY)
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_it_answers_from_the_environments_own_templates(
    request: pytest.FixtureRequest, tmp_path: Path, environment: str, command: str, *, as_json: bool
) -> None:
    result = _run(request, tmp_path, environment, command, *(["--json"] if as_json else []))
    assert result.exit_code == 0, result.output
    assert result.stdout


# The words of a header that were folded, in a terminal of 80 columns.
HEADERS = {
    "models": ["version", "status", "registered", "AUROC", "sensitivity", "specificity", "calibration", "error"],
    "cost": ["resource", "how much; price", "USD", "at most"],
    "executions": ["id", "status", "started", "took", "reason"],
    "datasets": ["id", "taken", "size"],
    "compare": ["metric", "version 1", "version 2", "difference"],
}


@pytest.mark.parametrize("command", READ_ONLY)
@pytest.mark.parametrize("environment", ["laptop", "prod"])
def test_a_terminal_of_80_columns_shows_every_word_whole(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    environment: str,
    command: str,
) -> None:
    monkeypatch.setattr("typer.testing._NamedTextIOWrapper.isatty", lambda _stream: True)
    # Without colours, and without the table that is drawn anew.
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("CI", "1")
    result = _run(request, tmp_path, environment, command)
    assert result.exit_code == 0, result.output
    assert [line for line in result.stdout.splitlines() if len(line) > 80] == []
    for words in HEADERS.get(command, []):
        assert words in result.stdout
    if command == "cost":
        charged = json.loads(_run(request, tmp_path, environment, command, "--json").stdout)
        names = {re.sub("[0-9A-F]{8}$", "", line["resource"]) for line in charged["standing"]["lines"]}
        assert {name for name in names if name not in result.stdout} == set()


@pytest.mark.parametrize("command", HEADERS)
def test_in_a_pipe_a_row_is_a_line(request: pytest.FixtureRequest, tmp_path: Path, command: str) -> None:
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    monkeypatch.setenv("COLUMNS", "80")
    lines = _run(request, tmp_path, "prod", command).stdout.splitlines()
    rows = {
        "models": r"2 +PendingManualApproval +.* 0\.050 *",
        "cost": r"  AsyncEndpointScalingTracking +.*; 0\.1 / alarm-month +0\.20 *",
        "executions": r"abc +Succeeded +.* 0 s *",
        "datasets": r"000000000000 +.* 900 bytes *",
        "compare": r"calibration error +.* \+0\.000 *",
    }
    assert len([line for line in lines if re.fullmatch(rows[command], line)]) == 1
