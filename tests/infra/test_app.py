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

from tests.infra.conftest import ENVIRONMENTS, PARTS

REPOSITORY = Path(__file__).resolve().parents[2]

# The app in a Python whose sockets do not work.
GUARDED = """
import runpy, socket, sys
def refuse(*_, **__):
    raise RuntimeError("the synthesis touched the network")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
sys.path.insert(0, ".")
runpy.run_path("app.py", run_name="__main__")
"""


def isolated() -> list[str]:
    """The prefix of a command that has no network at all, Node included; empty where the kernel does not allow it."""
    if shutil.which("unshare") is None:
        return []
    prefix = ["unshare", "--map-root-user", "--net"]
    tried = subprocess.run([*prefix, "true"], capture_output=True, check=False)
    return prefix if tried.returncode == 0 else []


def run(context: dict[str, Any], output: Path, *, validate: bool) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_"))}
    environment = {
        **kept,
        "CDK_CONTEXT_JSON": json.dumps(context),
        "CDK_OUTDIR": str(output),
        **({} if validate else {"CDK_VALIDATION": "false"}),
    }
    return subprocess.run(
        [*isolated(), sys.executable, "-c", GUARDED],
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


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_synthesis_needs_nothing_gives_the_same_and_is_valid(
    environment: str,
    context: dict[str, Any],
    templates: Callable[[str], dict[str, dict[str, Any]]],
    tmp_path: Path,
) -> None:
    """No network, no credentials, no account; CDK's validation treats a finding as an error."""
    done = run({**context, "env": environment}, tmp_path, validate=True)

    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    for part in PARTS:
        second = json.loads((tmp_path / f"cxr-{environment}-{part}.template.json").read_text(encoding="utf-8"))
        assert second == templates(environment)[part], part


def test_a_wrong_setting_is_one_line(context: dict[str, Any], tmp_path: Path) -> None:
    del context["shared"]["pipeline"]["tuning"]

    done = run(context, tmp_path, validate=False)

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
