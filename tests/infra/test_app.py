"""The app as `cdk` runs it: no network, twice the same, valid to CloudFormation, one line when settings are wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.infra.conftest import ENVIRONMENTS, PARTS, environment_context

REPOSITORY = Path(__file__).resolve().parents[2]

# A Python whose sockets do not work.
GUARD = """
import json, os, pathlib, runpy, socket, sys
def refuse(*_, **__):
    raise RuntimeError("the synthesis touched the network")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
sys.path.insert(0, ".")
"""
APP = 'runpy.run_path("app.py", run_name="__main__")'
# Every environment in one process, where the rules of the CDK's validation load once.
EVERY = """
from policy.synthesis import synthesised
context = json.loads(os.environ["CDK_CONTEXT_JSON"])
for name in context["environments"]:
    synthesised({**context, "env": name}, pathlib.Path(os.environ["CDK_OUTDIR"]) / name)
"""


def isolated() -> list[str]:
    """The prefix of a command that has no network at all, Node included; empty where the kernel does not allow it."""
    if shutil.which("unshare") is None:
        return []
    prefix = ["unshare", "--map-root-user", "--net"]
    tried = subprocess.run([*prefix, "true"], capture_output=True, check=False)
    return prefix if tried.returncode == 0 else []


def run(program: str, context: dict[str, Any], output: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_"))}
    environment = {
        **kept,
        "CDK_CONTEXT_JSON": json.dumps(context),
        "CDK_OUTDIR": str(output),
    }
    return subprocess.run(
        [*isolated(), sys.executable, "-c", GUARD + program],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_the_node_process_is_cut_off_too() -> None:
    if not isolated():
        pytest.skip("this kernel makes no network namespaces for users: only Python's own sockets are guarded")
    connect = "require('net').connect(53, '192.0.2.1').on('error', e => process.exit(e.code === 'ENETUNREACH' ? 7 : 8))"
    done = subprocess.run([*isolated(), "node", "-e", connect], capture_output=True, check=False, timeout=60)
    assert done.returncode == 7


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The templates of every environment, synthesised by a process of their own; the CDK's findings are errors."""
    output = tmp_path_factory.mktemp("apart")
    done = run(EVERY, environment_context("dev"), output)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    return output


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_synthesis_needs_nothing_gives_the_same_and_is_valid(
    environment: str, apart: Path, templates: Callable[[str], dict[str, dict[str, Any]]]
) -> None:
    """No network, no credentials, no account."""
    for part in PARTS:
        file = apart / environment / f"cxr-{environment}-{part}.template.json"
        assert json.loads(file.read_text(encoding="utf-8")) == templates(environment)[part], part


def test_the_app_of_cdk_json_writes_these_templates(context: dict[str, Any], apart: Path, tmp_path: Path) -> None:
    done = run(APP, {**context, "env": "prod"}, tmp_path)

    assert done.returncode == 0, done.stderr
    for file in sorted(tmp_path.glob("*.template.json")):
        assert file.read_bytes() == (apart / "prod" / file.name).read_bytes()
    assert len(list(tmp_path.glob("*.template.json"))) == len(PARTS)


def test_validation_is_part_of_it(context: dict[str, Any], tmp_path: Path) -> None:
    """A type that CloudFormation does not have in the region stops the synthesis, not the deployment."""
    program = "import infra.monitoring.monitoring_stack as stack\nstack.is_available = lambda kind, region: True\n"
    context["shared"]["region"] = "il-central-1"
    done = run(program + APP, {**context, "env": "prod"}, tmp_path)

    assert done.returncode != 0
    assert "'AWS::Budgets::Budget' does not exist in 'il-central-1'" in done.stdout + done.stderr


def test_a_wrong_setting_is_one_line(context: dict[str, Any], tmp_path: Path) -> None:
    del context["shared"]["pipeline"]["tuning"]

    done = run(APP, context, tmp_path)

    assert done.returncode == 1
    assert done.stderr == 'cdk.json, environment "dev": pipeline.tuning is missing.\n'
    assert not list(tmp_path.iterdir())


def test_cdk_json_runs_this_app_and_asks_for_no_news() -> None:
    """Usage reports and notices are network."""
    content = json.loads((REPOSITORY / "cdk.json").read_text(encoding="utf-8"))
    assert content["app"] == "python3 app.py"
    assert content["notices"] is False
    assert content["versionReporting"] is False
    assert content["context"]["cli-telemetry"] is False
