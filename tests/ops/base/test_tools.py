"""`cxr deploy` runs the commands that a person would, and ends as they end."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import MissingDependencyException
from typer.testing import Result

from ops.base import tools
from ops.base.errors import CommandError, ExitCode
from ops.base.session import Session
from tests.ops.conftest import START, Cloud, execution_arn

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    commands: list[list[str]] = []
    monkeypatch.setattr("ops.base.tools.run", lambda command, _more=None: commands.append(list(command)))
    return commands


def test_deploy_makes_what_travels_along_and_then_deploys_all_stacks(
    ran: list[list[str]], cloud: Cloud, cxr: Callable[..., Result]
) -> None:
    for _ in range(2):
        cloud.fails("sagemaker", "describe_endpoint", "ValidationException", "Could not find endpoint.")
    assert cxr("--env", "prod", "deploy").exit_code == 0
    assert ran == [["make", "--silent", "libraries"], ["cdk", "deploy", "--all", "--context", "env=prod"]]


def _runs_on(cloud: Cloud, endpoint: str, instance_type: str) -> None:
    """Let an endpoint be there, on instances of a type, or serverless where that is empty."""
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{endpoint}"
    times = {"CreationTime": START, "LastModifiedTime": START}
    described = {"EndpointName": endpoint, "EndpointArn": arn, "EndpointStatus": "InService", **times}
    expected = {"EndpointName": endpoint}
    cloud.answers("sagemaker", "describe_endpoint", {**described, "EndpointConfigName": "config"}, expected)
    machine = (
        {"InstanceType": instance_type}
        if instance_type
        else {"ServerlessConfig": {"MemorySizeInMB": 3072, "MaxConcurrency": 5}}
    )
    variants = [{"VariantName": "AllTraffic", "ModelName": "model", **machine}]
    config = {"EndpointConfigName": "config", "EndpointConfigArn": arn, "CreationTime": START}
    cloud.answers("sagemaker", "describe_endpoint_config", {**config, "ProductionVariants": variants})


def _scales(cloud: Cloud, endpoint: str, *, scales: bool) -> None:
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{endpoint}/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        "MinCapacity": 2,
        "MaxCapacity": 6,
        "RoleARN": "arn:aws:iam::123456789012:role/r",
        "CreationTime": START,
    }
    answer = {"ScalableTargets": [target] if scales else []}
    cloud.answers("application-autoscaling", "describe_scalable_targets", answer)


def test_another_instance_type_of_a_scaled_endpoint_is_refused_with_the_steps(
    ran: list[list[str]], cloud: Cloud, cxr: Callable[..., Result]
) -> None:
    """CloudFormation would try, wait, and roll back."""
    _runs_on(cloud, "cxr-prod", "ml.m5.large")
    _scales(cloud, "cxr-prod", scales=True)
    result = cxr("--env", "prod", "deploy")
    assert result.exit_code == ExitCode.FAILED
    assert "cxr-prod runs on ml.m5.large and scales" in result.stderr
    assert "Deploy three times" in result.stderr
    assert not ran


def test_so_is_that_of_an_asynchronous_one(ran: list[list[str]], cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.fails("sagemaker", "describe_endpoint", "ValidationException", 'Could not find endpoint "cxr-prod".')
    _runs_on(cloud, "cxr-prod-async", "ml.m5.large")
    _scales(cloud, "cxr-prod-async", scales=True)
    result = cxr("--env", "prod", "deploy")
    assert "`asynchronous` null" in result.stderr
    assert "who subscribed to the topics has to subscribe again" in " ".join(result.stderr.split())
    assert not ran


def test_another_instance_type_is_deployed_where_nothing_scales(
    ran: list[list[str]], cloud: Cloud, cxr: Callable[..., Result]
) -> None:
    for endpoint in ("cxr-prod", "cxr-prod-async"):
        _runs_on(cloud, endpoint, "ml.m5.large")
        _scales(cloud, endpoint, scales=False)
    assert cxr("--env", "prod", "deploy").exit_code == 0
    assert ran


def test_who_may_not_look_at_endpoints_may_deploy(
    ran: list[list[str]], cloud: Cloud, cxr: Callable[..., Result]
) -> None:
    for _ in range(2):
        cloud.fails("sagemaker", "describe_endpoint", "AccessDeniedException", "no")
    result = cxr("--env", "prod", "deploy")
    assert result.exit_code == 0
    assert "could not be asked" in result.stderr
    assert ran


@pytest.fixture
def cdk_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("ops.platform.lifecycle.REPOSITORY", tmp_path)
    return tmp_path / "cdk.json"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ('{"context": {"environments": {"dev": {}}}}', 'There is no environment "nowhere" in cdk.json: name one of'),
        ('{"context": {"environments": {"nowhere": {}}}}', 'cdk.json, environment "nowhere": '),
        ('{"context": {"environments": {},}}', "cdk.json cannot be read: "),
    ],
)
def test_a_wrong_setting_is_no_defect_of_the_command(
    settings: str, says: str, cdk_json: Path, ran: list[list[str]], cxr: Callable[..., Result]
) -> None:
    """Whoever edits cdk.json hears of it here first, before the synthesis says it in one sentence too."""
    cdk_json.write_text(settings, encoding="utf-8")
    result = cxr("--env", "nowhere", "deploy")
    assert result.exit_code == ExitCode.USAGE
    assert says in " ".join(result.stderr.split())
    assert "defect" not in result.stderr
    assert not ran


def test_an_endpoint_without_a_configuration_stops_no_deployment(
    ran: list[list[str]], cloud: Cloud, cxr: Callable[..., Result]
) -> None:
    """SageMaker's answer need not name one, as of an endpoint that could not be made; its stack is what mends it."""
    times = {"CreationTime": START, "LastModifiedTime": START}
    arn = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/cxr-dev"
    failed = {"EndpointName": "cxr-dev", "EndpointArn": arn, "EndpointStatus": "Failed", **times}
    cloud.answers("sagemaker", "describe_endpoint", failed)
    cloud.lacks_stack("network")
    assert cxr("--env", "dev", "deploy").exit_code == 0
    assert ran


def test_who_is_signed_in_as_only_the_cdk_can_read_may_deploy(
    ran: list[list[str]], cxr: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part that botocore lacks for a sign-in is said when a client is made, before anything is asked."""

    def client(_session: Session, _service: str) -> None:
        raise MissingDependencyException(msg='You will need to pip install "botocore[crt]" before proceeding.')

    monkeypatch.setattr(Session, "client", client)
    for environment in ("dev", "prod"):
        result = cxr("--env", environment, "deploy")
        assert result.exit_code == 0
        assert f"Whether cxr-{environment}-network is there could not be asked" in " ".join(result.stderr.split())
        assert ran.pop()[:3] == ["cdk", "deploy", "--all"]


def test_an_endpoint_on_instances_is_made_serverless_by_nobody(
    ran: list[list[str]], cloud: Cloud, cxr: Callable[..., Result]
) -> None:
    """SageMaker would refuse it, and CloudFormation roll back."""
    _runs_on(cloud, "cxr-dev", "ml.m5.large")
    result = cxr("--env", "dev", "deploy")
    assert result.exit_code == ExitCode.FAILED
    assert "SageMaker makes no endpoint on instances serverless" in result.stderr
    assert "--stack-name cxr-dev-endpoint" in result.stderr
    assert not ran


def test_a_serverless_endpoint_stays_one(ran: list[list[str]], cloud: Cloud, cxr: Callable[..., Result]) -> None:
    _runs_on(cloud, "cxr-dev", "")
    cloud.lacks_stack("network")
    assert cxr("--env", "dev", "deploy").exit_code == 0
    assert ran
    cloud.all_asked()


def test_destroying_stops_what_runs_and_waits_for_it(
    ran: list[list[str]], cloud: Cloud, cxr: Callable[..., Result]
) -> None:
    """SageMaker deletes no pipeline that has a running execution."""
    cloud.has_stack("training")
    cloud.lacks_stack("monitoring")
    for status in ("Executing", "Stopping", "Stopped"):
        cloud.has_newest_execution("run", status)
        if status == "Executing":
            cloud.answers("sagemaker", "stop_pipeline_execution", {"PipelineExecutionArn": execution_arn("run")})
    for other in ("site", "calibration", "labels"):  # of the other pipelines of the stack
        cloud.has_newest_execution(other, "Succeeded")
    cloud.lacks_stack("network")
    result = cxr("destroy", "--yes", "--json")
    assert json.loads(result.stdout) == {"stopped_executions": 1}
    assert ran == [["cdk", "destroy", "--all", "--force", "--context", "env=dev"]]
    cloud.all_asked()


def test_nothing_is_destroyed_without_being_asked(ran: list[list[str]], cxr: Callable[..., Result]) -> None:
    assert cxr("destroy").exit_code != 0
    assert not ran


def test_deploy_of_one_part_without_being_asked(ran: list[list[str]], cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.fails("sagemaker", "describe_endpoint", "ValidationException", "Could not find endpoint.")
    assert cxr("deploy", "api", "endpoint", "--yes").exit_code == 0
    assert ran[-1][2:] == ["cxr-dev-api", "cxr-dev-endpoint", "--context", "env=dev", "--require-approval=never"]


def test_deploy_ends_with_the_stacks_outputs_for_scripts(
    ran: list[list[str]], cloud: Cloud, cxr: Callable[..., Result]
) -> None:
    cloud.has_stack("api")
    document = json.loads(cxr("deploy", "api", "--yes", "--json").stdout)
    assert document["stacks"]["cxr-dev-api"]["status"] == "CREATE_COMPLETE"
    assert document["stacks"]["cxr-dev-api"]["outputs"]["ApiUrl"].endswith("/api/")
    assert ran[-1][:2] == ["cdk", "deploy"]


def test_what_deploy_asks_of_make_is_a_target() -> None:
    targets = re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for command in tools.deploy_commands("dev", [], yes=False):
        if command[0] == "make":
            assert command[-1] in targets


def test_a_command_that_fails_ends_cxr_with_1_and_its_exit_code() -> None:
    with pytest.raises(CommandError, match="ended with exit code 3") as ended:
        tools.run([sys.executable, "-c", "import sys; sys.exit(3)"])
    assert ended.value.exit_code is ExitCode.FAILED


def test_what_a_command_says_can_go_to_a_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    speak = [
        sys.executable,
        "-c",
        "import sys; print('out'); print('err', file=sys.stderr); sys.exit(len(sys.argv) - 1)",
    ]
    tools.run(speak, log=tmp_path / "log")
    with pytest.raises(CommandError, match=r"log says why"):
        tools.run([*speak, "fail"], log=tmp_path / "log")
    assert sorted((tmp_path / "log").read_text(encoding="utf-8").split()) == ["err", "err", "out", "out"]
    assert capfd.readouterr() == ("", "")
    tools.run(speak)
    captured = capfd.readouterr()
    assert captured.out == "", "standard output is for results"
    assert sorted(captured.err.split()) == ["err", "out"]


def test_a_command_that_is_not_installed_is_a_sentence() -> None:
    with pytest.raises(CommandError, match="no-such-tool is not installed") as ended:
        tools.run(["no-such-tool"])
    assert ended.value.exit_code is ExitCode.UNAVAILABLE
    assert tools.output_of(["no-such-tool"]) is None


def test_commands_find_this_environments_python_first() -> None:
    """cdk.json says `python3 app.py`: any other python3 has no CDK."""
    assert tools.environment()["PATH"].startswith(str(Path(sys.executable).parent))
    assert tools.output_of([sys.executable, "-c", "print(1)"]) == "1"
    assert tools.output_of([sys.executable, "-c", "import sys; sys.exit(1)"]) is None


def test_the_installed_cdk_is_read_without_starting_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As npm installs it: a link in `.bin` to a script of the package."""
    package = tmp_path / "node_modules" / "aws-cdk"
    (package / "bin").mkdir(parents=True)
    (package / "bin" / "cdk").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    (package / "bin" / "cdk").chmod(0o755)
    (package / "package.json").write_text('{"name": "aws-cdk", "version": "2.1.0"}', encoding="utf-8")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "cdk").symlink_to(package / "bin" / "cdk")
    monkeypatch.setattr(tools, "environment", lambda: {"PATH": str(tmp_path / "bin")})
    assert tools.installed_cdk() == "2.1.0"


def test_a_cdk_that_npm_did_not_install_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cdk = tmp_path / "cdk"
    cdk.write_text("#!/bin/sh\necho 2.3.4 '(build 1)'\n", encoding="utf-8")
    cdk.chmod(0o755)
    monkeypatch.setattr(tools, "environment", lambda: {"PATH": f"{tmp_path}:/bin"})
    assert tools.installed_cdk() == "2.3.4"
    cdk.unlink()
    assert tools.installed_cdk() is None


def test_the_pinned_cdk_is_what_the_lock_file_installs() -> None:
    assert f'"version": "{tools.pinned_cdk()}"' in (REPOSITORY / "package-lock.json").read_text(encoding="utf-8")
