"""No setting updates the endpoint to the configuration that it has already."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.infra.conftest import environment_context, of_type
from tests.infra.switches import SWITCHES, merged

Values = dict[str, Any]
OPTIONS: Values = environment_context("prod")["environments"]["prod"]["endpoint"]


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global App, Endpoint, Key, RealtimeEndpoint, ReleasedPackage, SageMakerRole, Stack
    from infra.base.sagemaker_role import SageMakerRole
    from infra.endpoint.endpoint import Endpoint
    from infra.endpoint.released_package import ReleasedPackage
    from infra.settings.endpoint import RealtimeEndpoint

    # After `infra`, which configures jsii before it starts.
    from aws_cdk import App, Stack  # isort: skip
    from aws_cdk.aws_kms import Key  # isort: skip


def changes() -> Iterator[tuple[str, Values]]:
    """Each setting of the endpoint with another value than prod's, by its path and that value."""
    yield "capture=None", {"capture": None}
    for values in (SWITCHES["least"][0], SWITCHES["most"][0]):
        for path, value in _leaves(values["endpoint"], ()):
            change: Any = value
            for key in reversed(path):
                change = {key: change}
            yield f"{'.'.join(path)}={value}", change


def _leaves(values: Values, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*above, name))
        elif value is not None:
            yield (*above, name), value


@pytest.fixture(scope="module")
def updates(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str, str]]:
    """For each change its name, the endpoint without its configuration's name, and the configuration."""
    app = App(outdir=str(tmp_path_factory.mktemp("updates")))
    paths: dict[str, str] = {}
    for number, (path, change) in enumerate([("", {}), *changes()]):
        stack = Stack(app, f"S{number}")
        paths[stack.stack_name] = path
        Endpoint(
            stack,
            "Endpoint",
            name="cxr-prod",
            package=ReleasedPackage(stack, "Package"),
            role=SageMakerRole(stack, "Role", description=""),
            options=RealtimeEndpoint.model_validate(merged(OPTIONS, change)),
            capture_to="s3://artifacts/capture",
            key=Key(stack, "Key"),
            volume_key=None,
        )
    return [(paths[found.stack_name], *_told(found.template)) for found in app.synth().stacks]


def _told(template: Values) -> tuple[str, str]:
    ((name, configuration),) = of_type(template, "AWS::SageMaker::EndpointConfig").items()
    (endpoint,) = of_type(template, "AWS::SageMaker::Endpoint").values()
    return json.dumps(endpoint["Properties"]).replace(name, ""), json.dumps([name, configuration])


def test_every_update_of_the_endpoint_has_a_new_configuration(updates: list[tuple[str, str, str]]) -> None:
    """SageMaker asks for one, and the alarms of a rollout know the new instances by it (docs/adr/0079)."""
    (_, before, configuration), *rest = updates
    updated = {change for change, endpoint, _ in rest if endpoint != before}
    rollout = {"traffic=linear", "percent=40", "wait_seconds=700", "termination_wait_seconds=200"}
    assert updated == {
        *(f"rollout.{change}" for change in rollout),
        *("rollout.alarm_period_seconds=10", "scaling.max_instances=2"),
    }
    assert not [change for change, _, other in rest if change in updated and other == configuration]


def test_a_limit_that_only_alarms_have_updates_no_endpoint(updates: list[tuple[str, str, str]]) -> None:
    (_, before, configuration), *rest = updates
    same = {change for change, endpoint, other in rest if (endpoint, other) == (before, configuration)}
    limits = {"max_error_percent=10", "max_latency_ms=3000", "max_overhead_ms=2000"}
    assert {f"rollout.{change}" for change in limits} <= same
    assert {"scaling.max_instances=7", "scaling.invocations_per_minute=100"} <= same
