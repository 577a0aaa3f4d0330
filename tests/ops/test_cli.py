"""The command itself: where its environment comes from, what it documents, and that it starts at once."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer.main
from botocore.response import StreamingBody
from typer.testing import Result

from ops import cli
from ops.base.deployment import STACKS
from ops.base.errors import CommandError, ExitCode
from tests.ops.conftest import GROUP_ARN, START, Cloud
from tests.ops.pipelines.test_watching import step


def test_help_names_every_command_and_exit_code(cxr: Callable[..., Result]) -> None:
    text = " ".join(cxr("--help").stdout.split())
    commands = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    assert set(commands) >= {
        "upload",
        "watch",
        "executions",
        "models",
        "approve",
        "reject",
        "predict",
        "status",
        "logs",
    }
    for name in commands:
        assert name in text
    for code in ExitCode:
        assert f"{code.value} " in text


# The templates say for which region they are, and the laptop has one only.
WITHOUT_REGION = {"cost", "deploy", "destroy"}
WITHOUT_ENVIRONMENT = {"up", "down", "entries", "store"}


def test_every_command_takes_the_environment_and_is_documented() -> None:
    for name, command in cli.commands().items():
        options = {option for parameter in command.params for option in parameter.opts}
        assert command.help, name
        assert ("--env" in options) is (name not in WITHOUT_ENVIRONMENT), name
        assert ("--region" in options) is (name not in WITHOUT_REGION | WITHOUT_ENVIRONMENT), name


@pytest.mark.parametrize(
    ("arguments", "variable", "env"),
    [
        (["status"], None, "dev"),
        (["status"], "laptop", "laptop"),
        (["--env", "prod", "status"], "laptop", "prod"),
        (["--env", "prod", "status", "--env", "test"], "laptop", "test"),
    ],
)
def test_the_nearest_environment_wins(
    cxr: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    variable: str | None,
    env: str,
) -> None:
    asked: list[str] = []

    def workspace(*, env: str, region: str | None, profile: str | None) -> None:
        asked.append(env)
        raise CommandError("stop here")

    monkeypatch.setattr("ops.commands.options.Workspace", workspace)
    if variable:
        monkeypatch.setenv("CXR_ENV", variable)
    cxr(*arguments)
    assert asked == [env]


def _everything(cloud: Cloud) -> None:
    for part in STACKS:
        cloud.has_stack(part)
    cloud.has_newest_execution("abc", "Succeeded")
    cloud.has_execution("abc", "Succeeded")
    cloud.has_execution("abc", "Succeeded", [step("TrainModel", "Succeeded", 9)])
    cloud.has_models("Approved", "PendingManualApproval")
    newest = {
        "ModelPackageName": "cxr-dev/2",
        "ModelPackageArn": f"{GROUP_ARN}/2",
        "CreationTime": START,
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": []},
        "ApprovalDescription": "to be reviewed",
        "ModelMetrics": {
            "ModelQuality": {
                "Statistics": {"ContentType": "application/json", "S3Uri": "s3://artifacts/evaluation.json"}
            }
        },
    }
    cloud.answers("sagemaker", "describe_model_package", newest, {"ModelPackageName": f"{GROUP_ARN}/2"})
    content = json.dumps({"binary_classification_metrics": {"auc": {"value": 0.954}}}).encode()
    body = {"Body": StreamingBody(io.BytesIO(content), len(content))}
    cloud.answers("s3", "get_object", body, {"Bucket": "artifacts", "Key": "evaluation.json"})
    cloud.serves(1)


def test_status_shows_the_whole_deployment_and_what_comes_next(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    _everything(cloud)
    result = cxr("status")
    assert result.exit_code == 0
    for expected in (
        "cxr-dev-endpoint",
        "abc, 3 min 05 s",
        "version 2",
        "InService",
        "https://abc123.execute-api.us-east-1.amazonaws.com/api/v1/predictions",
    ):
        assert expected in result.stdout
    assert "Next: `cxr approve 2`." in result.stderr


def test_status_as_json_has_stable_names(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    _everything(cloud)
    document = json.loads(cxr("status", "--json").stdout)
    assert document["stacks"]["cxr-dev-api"] == "CREATE_COMPLETE"
    assert document["execution"]["status"] == "Succeeded"
    assert (document["endpoint_status"], document["serving_version"]) == ("InService", 1)
    newest = document["latest_model"]
    assert newest["approval"] == "PendingManualApproval"
    # An empty comment and no figures would be answers too, and wrong ones.
    assert (newest["comment"], newest["metrics"]) == ("to be reviewed", {"auroc": 0.954})
    assert newest["statistics_uri"] == "s3://artifacts/evaluation.json"
    assert document["api_url"].endswith("/api/")


def test_status_of_nothing_deployed_is_exit_code_3(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    for part in STACKS:
        cloud.lacks_stack(part)
    result = cxr("status")
    assert result.exit_code == ExitCode.UNAVAILABLE
    assert result.stdout.count("not deployed") == len(STACKS)
    assert "make deploy ENV=dev" in result.stderr


def test_expired_credentials_are_one_sentence(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.fails("cloudformation", "describe_stacks", "ExpiredToken", "The security token is expired")
    result = cxr("models")
    assert result.exit_code == ExitCode.UNAVAILABLE
    assert result.stderr.strip().splitlines() == [
        "error: The AWS session has expired: sign in again (`aws login` or `aws sso login`) and repeat the command."
    ]


def test_help_does_not_pay_for_the_aws_sdk() -> None:
    """Importing boto3 takes most of a second here; only a command that calls AWS needs it."""
    code = "import sys, ops.cli; print([m for m in ('boto3', 'botocore', 'urllib3') if m in sys.modules])"
    repository = Path(__file__).resolve().parents[2]
    ran = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_a_command_imports_no_other() -> None:
    """Each would add to the time that all of them take."""
    code = "import sys; from ops import cli; cli._Imported()['status']; print(*sys.modules)"
    repository = Path(__file__).resolve().parents[2]
    ran = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    imported = {name.removeprefix("ops.commands.") for name in ran.stdout.split() if name.startswith("ops.commands.")}
    assert imported == {"platform", "options", "overview", "workspace"}


@pytest.mark.parametrize(("typed", "completed"), [("cxr roll", "rollback"), ("cxr predict --over", "--overlay")])
def test_the_shell_completes_commands_and_options(typed: str, completed: str) -> None:
    """As the script does that `cxr --install-completion` installs for bash."""
    words = typed.split()
    asked = {"_CXR_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1)}
    code = "from ops.cli import app; app(prog_name='cxr')"
    repository = Path(__file__).resolve().parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=repository,
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.split() == [completed]


@pytest.mark.parametrize("command", ["", "labels", *sorted(cli.commands())])
def test_help_shows_no_type_where_no_value_is_taken(cxr: Callable[..., Result], command: str) -> None:
    shown = cxr(*command.split(), "--help")
    assert shown.exit_code == 0, shown.output
    assert "Usage: " in shown.stdout
    assert "<bool>" not in shown.stdout
