"""Checkov's rules for CloudFormation find nothing in the templates that nobody has explained."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.choices import ALL, SOME, Choice
from tests.infra.conftest import PARTS, Assembly

REPOSITORY = Path(__file__).resolve().parents[2]
# Installed by the Makefile.
CHECKOV = REPOSITORY / ".venv" / "checkov"


@dataclasses.dataclass(frozen=True)
class Accepted:
    """Findings that are not acted on: of which rule, about which resources (a pattern), and why."""

    rule: str
    resources: str
    reason: str


ACCEPTED = (
    Accepted(
        "CKV_AWS_111",
        r"AWS::IAM::Policy\..*",
        "Traces and metrics name no resource to allow them on; tests/infra/test_policies.py holds every `*` against "
        "policy/wildcards.py, action by action.",
    ),
    Accepted(
        "CKV_AWS_115",
        r"AWS::Lambda::Function\..*",
        "A reserved concurrency is taken from what the account's other functions have; the usage plan bounds requests.",
    ),
    Accepted(
        "CKV_AWS_116",
        r"AWS::Lambda::Function\..*",
        "What runs on events has a failure destination (EventInvokeConfig, tests/infra/test_policies.py), which this "
        "rule does not know; the others are called by somebody who is told.",
    ),
    Accepted("CKV_AWS_117", r"AWS::Lambda::Function\..*", "network.vpc is a setting, and costs by the hour."),
    Accepted(
        "CKV_AWS_120",
        r"AWS::ApiGateway::Stage\..*",
        "Answers are about patients: nothing on their way may keep them.",
    ),
    Accepted(
        "CKV_AWS_158",
        r"AWS::Logs::LogGroup\..*",
        "CloudWatch encrypts log groups with a key of its own; no image, name or result is logged.",
    ),
    Accepted(
        "CKV_AWS_173",
        r"AWS::Lambda::Function\..*",
        "Variables hold names and limits, no secret; Lambda encrypts them with a key of its own.",
    ),
    Accepted(
        "CKV_AWS_18",
        r"AWS::S3::Bucket\.(Data|Artifacts|AccessLogs|Trail).*",
        "buckets.access_logs is a setting, and the bucket of the logs would log itself.",
    ),
    Accepted(
        "CKV_AWS_27",
        r"AWS::SQS::Queue\..*DeadLetters.*",
        "Encrypted with SQS's own key (SqsManagedSseEnabled), which this rule does not know.",
    ),
    Accepted(
        "CKV_AWS_28",
        r"AWS::DynamoDB::Table\.(Requests|Predictions).*",
        "Requests are remembered for a day; predictions have recovery where the environment retains what it has.",
    ),
    Accepted(
        "CKV_AWS_59",
        r"AWS::ApiGateway::Method\..*",
        "The page, its description and preflight requests need no leave (tests/infra/api/test_authentication.py).",
    ),
    Accepted(
        "CKV_AWS_73",
        r"AWS::ApiGateway::Stage\..*",
        "The setting tracing is for functions and API together, and functions have no X-Ray in China.",
    ),
    Accepted(
        "CKV_AWS_370",
        r"AWS::SageMaker::Model\..*",
        "Models run isolated where network.vpc chooses a network of their own.",
    ),
)


@pytest.fixture(scope="module")
def findings(assembly: Assembly, tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str, str]]:
    """(rule, resource, template) of what Checkov finds in the few combinations."""
    return found(SOME, assembly, tmp_path_factory.mktemp("checkov"))


def found(choices: list[Choice], assembly: Assembly, together: Path) -> set[tuple[str, str, str]]:
    """Findings of Checkov in the templates of combinations, which are called `<combination>-<stack>`."""
    assert (CHECKOV / "checkov").is_dir(), f"{CHECKOV} is missing: `make .venv/checkov/.installed`"
    for choice in choices:
        for template in assembly(str(choice), choice.context()).glob("*.template.json"):
            shutil.copyfile(template, together / f"{choice}-{template.name}")
    return run(together)


def run(folder: Path) -> set[tuple[str, str, str]]:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "checkov.main", "--directory", str(folder), "--framework", "cloudformation"),
            *("--output", "json", "--compact", "--quiet", "--skip-download"),  # offline
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(CHECKOV)},
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    assert done.returncode in (0, 1), done.stderr[-2000:]
    content = json.loads(done.stdout)
    assert content["summary"]["parsing_errors"] == 0
    assert content["summary"]["passed"] > 0
    return {
        (check["check_id"], check["resource"], Path(check["file_path"]).name)
        for check in content["results"]["failed_checks"]
    }


def accepted(rule: str, resource: str) -> bool:
    return any(one.rule == rule and re.fullmatch(one.resources, resource) for one in ACCEPTED)


@pytest.mark.long
def test_every_finding_of_every_combination_has_a_reason(assembly: Assembly, tmp_path: Path) -> None:
    assert not {one for one in found(ALL, assembly, tmp_path) if not accepted(one[0], one[1])}


def test_every_finding_has_a_reason(findings: set[tuple[str, str, str]]) -> None:
    assert not {one for one in findings if not accepted(one[0], one[1])}


@pytest.mark.parametrize("one", ACCEPTED, ids=lambda one: one.rule)
def test_every_reason_is_for_a_finding(one: Accepted, findings: set[tuple[str, str, str]]) -> None:
    assert any(rule == one.rule and re.fullmatch(one.resources, resource) for rule, resource, _ in findings)
    assert len(one.reason.split()) >= 6


def test_predictions_can_be_recovered_where_they_are_retained(findings: set[tuple[str, str, str]]) -> None:
    """An acceptance that depends on a setting."""
    tables = {(name, template) for rule, name, template in findings if rule == "CKV_AWS_28"}
    assert not [one for one in tables if "Predictions" in one[0] and "-retain-" in one[1]]


def test_the_api_is_traced_but_in_china(findings: set[tuple[str, str, str]]) -> None:
    untraced = {template for rule, _, template in findings if rule == "CKV_AWS_73"}
    assert all(template.startswith("cn-") for template in untraced)


def test_checkov_would_find_a_mistake(findings: set[tuple[str, str, str]], tmp_path: Path) -> None:
    assert findings
    template = {"Resources": {"Open": {"Type": "AWS::S3::Bucket", "Properties": {"AccessControl": "PublicReadWrite"}}}}
    (tmp_path / "open.template.json").write_text(json.dumps(template), encoding="utf-8")
    assert "CKV_AWS_57" in {rule for rule, _, _ in run(tmp_path)}


def test_all_parts_are_looked_at(findings: set[tuple[str, str, str]]) -> None:
    looked = {template.rpartition("-")[2].partition(".")[0] for _, _, template in findings}
    assert {"training", "api", "endpoint", "data"} <= looked <= {*PARTS, "network"}
