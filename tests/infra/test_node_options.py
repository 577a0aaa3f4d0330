"""Node's options for the CDK: what makes a synthesis cheaper, beside what a user has set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra import configure_node
from tests.infra.test_app import REPOSITORY

ONE_THREAD = "--v8-pool-size=1"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, ONE_THREAD),
        ("", ONE_THREAD),
        ("--max-old-space-size=900", f"--max-old-space-size=900 {ONE_THREAD}"),
        ("--v8-pool-size=3", "--v8-pool-size=3"),
        ("--v8_pool_size=0 --trace-warnings", "--v8_pool_size=0 --trace-warnings"),
    ],
)
def test_what_a_user_has_set_is_kept(given, wanted):
    variables = {} if given is None else {"NODE_OPTIONS": given}
    configure_node(variables)
    assert variables["NODE_OPTIONS"] == wanted


def test_a_banner_that_a_user_wants_stays():
    variables = {"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": ""}
    configure_node(variables)
    assert variables["JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION"] == ""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux's /proc")
def test_the_process_of_the_cdk_gets_them_beside_the_user_s():
    """Of its environment, as the kernel has it while it runs."""
    program = """
import json, os, pathlib, infra, aws_cdk
aws_cdk.App()
children = pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
found = [pathlib.Path(f"/proc/{one}/environ").read_bytes().split(b"\\0") for one in children]
print(json.dumps([one.decode() for some in found for one in some if one.startswith(b"NODE_OPTIONS=")]))
"""
    answer = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        env={**os.environ, "NODE_OPTIONS": "--max-old-space-size=900"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(answer.stdout) == [f"NODE_OPTIONS=--max-old-space-size=900 {ONE_THREAD}"]
