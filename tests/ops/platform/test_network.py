"""A network that is in use is not changed by a deployment, and one that nothing uses any more is pointed out."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
from typer.testing import Result

from infra.settings.environment import Settings
from ops.base.errors import ExitCode
from policy.contexts import with_setting
from tests.ops.conftest import CONTEXT, START, Cloud

Settle = Callable[..., None]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    commands: list[list[str]] = []
    monkeypatch.setattr("ops.base.tools.run", lambda command, _more=None: commands.append(list(command)))
    return commands


@pytest.fixture
def settle(monkeypatch: pytest.MonkeyPatch, cloud: Cloud) -> Settle:
    """Let prod have a network by its settings, and no endpoint yet."""

    def network(**values: object) -> None:
        context = with_setting(copy.deepcopy(CONTEXT), "network.vpc")
        context["environments"]["prod"]["network"] |= values
        settings = Settings.load(context)
        monkeypatch.setattr("ops.platform.lifecycle.settings_of", lambda _env: settings)
        for _ in range(2):
            cloud.fails("sagemaker", "describe_endpoint", "ValidationException", "Could not find endpoint.")

    return network


def has_network(cloud: Cloud, *, env: str = "prod", cidr: str = "10.42.0.0/16", zones: str = "a b") -> None:
    outputs = [{"OutputKey": "Cidr", "OutputValue": cidr}, {"OutputKey": "Zones", "OutputValue": zones}]
    stack = {"StackName": f"cxr-{env}-network", "StackStatus": "CREATE_COMPLETE", "CreationTime": START}
    cloud.answers("cloudformation", "describe_stacks", {"Stacks": [{**stack, "Outputs": outputs}]})


@pytest.mark.parametrize(
    "values", [{"cidr": "10.43.0.0/16"}, {"zones": ["a", "c"]}, {"zones": ["b", "a"]}, {"zones": ["c", "a", "b"]}]
)
def test_another_network_is_refused_with_the_steps(
    values: dict[str, object], ran: list[list[str]], cloud: Cloud, settle: Settle, cxr: Callable[..., Result]
) -> None:
    """CloudFormation would try, and roll back: the other stacks import its subnets."""
    settle(**values)
    has_network(cloud)
    result = cxr("--env", "prod", "deploy")
    assert result.exit_code == ExitCode.FAILED
    assert "cxr-prod-network has 10.42.0.0/16 in the zones a, b" in result.stderr
    assert "delete-stack --stack-name cxr-prod-network" in result.stderr
    assert not ran


@pytest.mark.parametrize(("zones", "refused"), [(["a", "b"], True), (["a", "b", "c"], False)])
def test_a_network_of_before_room_for_a_third_zone_is_refused_unless_it_has_three(
    *,
    zones: list[str],
    refused: bool,
    ran: list[list[str]],
    cloud: Cloud,
    settle: Settle,
    cxr: Callable[..., Result],
) -> None:
    """Its two subnets have half of the addresses each, and would be replaced by others while they are imported."""
    settle(zones=zones)
    stack = {"StackName": "cxr-prod-network", "StackStatus": "CREATE_COMPLETE", "CreationTime": START}
    outputs = [{"OutputKey": "ExportsOutputRefVpc", "OutputValue": "vpc-1"}]
    cloud.answers("cloudformation", "describe_stacks", {"Stacks": [{**stack, "Outputs": outputs}]})
    result = cxr("--env", "prod", "deploy")
    assert (result.exit_code != 0, not ran) == (refused, refused)
    assert ("before addresses for a third zone" in result.stderr) == refused


def test_so_is_a_zone_less(ran: list[list[str]], cloud: Cloud, settle: Settle, cxr: Callable[..., Result]) -> None:
    settle()
    has_network(cloud, zones="a b c")
    assert "one zone more" in cxr("--env", "prod", "deploy").stderr
    assert not ran


@pytest.mark.parametrize("zones", [["a", "b"], ["a", "b", "c"]])
def test_the_same_network_and_a_zone_more_are_deployed(
    zones: list[str], ran: list[list[str]], cloud: Cloud, settle: Settle, cxr: Callable[..., Result]
) -> None:
    settle(zones=zones)
    has_network(cloud)
    assert cxr("--env", "prod", "deploy").exit_code == 0
    assert ran


def test_who_may_not_look_at_stacks_may_deploy(
    ran: list[list[str]], cloud: Cloud, settle: Settle, cxr: Callable[..., Result]
) -> None:
    settle()
    cloud.fails("cloudformation", "describe_stacks", "AccessDenied", "no")
    result = cxr("--env", "prod", "deploy")
    assert result.exit_code == 0
    assert "Whether cxr-prod-network is there could not be asked" in result.stderr
    assert ran


@pytest.mark.parametrize("command", [["deploy"], ["destroy", "--yes"]])
@pytest.mark.usefixtures("ran")
def test_a_network_that_settings_no_longer_have_is_pointed_out(
    command: list[str], cloud: Cloud, cxr: Callable[..., Result]
) -> None:
    """The CDK knows no stack that the app does not name: this one would stay, and cost by the hour."""
    if command[0] == "destroy":
        cloud.lacks_stack("training")
        cloud.lacks_stack("monitoring")
    else:
        cloud.fails("sagemaker", "describe_endpoint", "ValidationException", "Could not find endpoint.")
    has_network(cloud, env="dev")
    result = cxr("--env", "dev", *command)
    assert result.exit_code == 0
    assert "cxr-dev-network is still there" in result.stderr


@pytest.mark.usefixtures("ran")
def test_nothing_is_said_where_there_is_none(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    cloud.fails("sagemaker", "describe_endpoint", "ValidationException", "Could not find endpoint.")
    cloud.lacks_stack("network")
    assert "network" not in cxr("--env", "dev", "deploy").stderr


@pytest.mark.usefixtures("ran")
def test_destroying_looks_at_every_pipeline_there_is(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    """One that runs would keep its stack from being deleted, an hour later."""
    cloud.has_stack("training")
    cloud.has_stack("monitoring")
    for name in ("", "-site-evaluation", "-calibration", "-label-calibration", "-monitoring"):
        expected = {"PipelineName": f"cxr-dev{name}"}
        cloud.answers("sagemaker", "list_pipeline_executions", {"PipelineExecutionSummaries": []}, expected)
    cloud.lacks_stack("network")
    assert cxr("destroy", "--yes").exit_code == 0
    cloud.all_asked()
