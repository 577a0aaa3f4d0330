"""cdk-nag's pack AwsSolutions and cfn-lint find nothing that nobody has explained."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from policy.contexts import with_setting
from policy.wildcards import reason_for_finding
from tests.infra.conftest import ENVIRONMENTS, Assembly, environment_context

Reports = Callable[[str], dict[str, Any]]

# cfn-lint's informational findings are about style, and this warning about what the CDK writes for safety's sake.
UNREMARKABLE = {
    "W3010": "zones are settings: asking for those there are would take credentials, and give others another day",
    "W3005": "the CDK makes every function wait for its role's policy, and names the role too",
}


# What settings may choose and no environment of cdk.json does.
SPECIAL = ("network.vpc", "buckets.data_events")
EVERY = (*ENVIRONMENTS, *SPECIAL)


@pytest.fixture(scope="module")
def reports(assembly: Assembly) -> Reports:
    """Findings of cdk-nag in an environment, and the folder of its templates: `reports("dev")["nag"]`."""

    @cache
    def report(environment: str) -> dict[str, Any]:
        special = environment in SPECIAL
        context = environment_context("prod" if special else environment)
        output = assembly(environment, with_setting(context, environment) if special else context)
        content = json.loads((output / "validation-report.json").read_text(encoding="utf-8"))
        (nag,) = (item for item in content["pluginReports"] if item["pluginName"] == "AwsSolutions")
        return {"nag": nag, "output": output}

    return report


def findings(report: dict[str, Any], kind: str) -> set[tuple[str, str]]:
    return {
        (violation["ruleName"], construct["constructPath"])
        for violation in report["nag"].get(kind, [])
        for construct in violation["violatingConstructs"]
    }


def linted(folder: Path, region: str) -> list[str]:
    """Findings of cfn-lint in a folder's templates, but for the unremarkable ones.

    All templates at once: for each call cfn-lint loads its rules, which takes as long as to look at a template.
    """
    from cfnlint import lint_by_config
    from cfnlint.config import ManualArgs

    templates = [str(path) for path in sorted(folder.glob("*.template.json"))]
    assert templates
    return [
        f"{Path(match.filename).name}: {match.rule.id} {match.message}"
        for match in lint_by_config(ManualArgs(templates=templates, regions=[region]))
        if match.rule.id not in UNREMARKABLE
    ]


@pytest.mark.parametrize("environment", EVERY)
def test_every_finding_of_cdk_nag_has_a_reason(environment: str, reports: Reports) -> None:
    """Wildcards are judged by the table that also explains them to readers; all else is accepted at its construct."""
    unexplained = {
        (rule, path)
        for rule, path in findings(reports(environment), "violations")
        if not (rule.startswith("AwsSolutions-IAM5[") and reason_for_finding(rule))
    }
    assert not unexplained


def test_cdk_nag_looked_at_all(reports: Reports) -> None:
    """A pack that did not run would find nothing to explain."""
    assert any(rule.startswith("AwsSolutions-IAM5[") for rule, _ in findings(reports("dev"), "violations"))
    assert ("AwsSolutions-S1", "cxr-dev-data/Data/Resource/Resource") in findings(
        reports("dev"), "suppressedViolations"
    )


@pytest.mark.parametrize("environment", EVERY)
def test_every_accepted_finding_says_why(environment: str, reports: Reports) -> None:
    for violation in reports(environment)["nag"]["suppressedViolations"]:
        assert len(violation["reason"].split()) >= 6, violation["ruleName"]


@pytest.mark.parametrize("environment", EVERY)
def test_cfn_lint_finds_nothing_unexplained(environment: str, reports: Reports) -> None:
    assert not linted(reports(environment)["output"], "us-east-1")


def test_cfn_lint_would_find_a_mistake(tmp_path: Path) -> None:
    sound = {"Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}}}
    broken = {"Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BuketName": "x"}}}}
    for name, template in (("a", sound), ("broken", broken), ("c", sound)):
        (tmp_path / f"{name}.template.json").write_text(json.dumps(template), encoding="utf-8")

    (finding,) = linted(tmp_path, "us-east-1")

    assert finding.startswith("broken.template.json: E")
    assert "BuketName" in finding
