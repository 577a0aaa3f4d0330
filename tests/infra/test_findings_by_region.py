"""Combinations of settings are deployable in each region: cdk-nag, cfn-lint and the CDK find nothing unexplained.

A few combinations, in which every pair of choices appears, run with all tests; all of them with `make test-long`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.settings.environment import Settings
from policy.wildcards import reason_for_finding
from tests.infra.choices import ALL, SOME, Choice, pairs
from tests.infra.conftest import Assembly, synthesise_app


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global findings, is_available, linted
    from infra.base.regions import is_available
    from tests.infra.base.test_nag_findings import findings, linted


def test_the_few_are_among_all_and_show_every_pair_of_choices() -> None:
    assert set(SOME) <= set(ALL)
    assert len(ALL) == 56
    assert pairs(SOME) == pairs(ALL)


@pytest.mark.parametrize(
    "choice",
    [pytest.param(one, id=str(one), marks=[] if one in SOME else pytest.mark.long) for one in ALL],
)
def test_nothing_unexplained_is_found(choice: Choice, assembly: Assembly) -> None:
    context = choice.context()
    assert Settings.load(context).region == choice.region

    folder = assembly(str(choice), context)

    content = json.loads((folder / "validation-report.json").read_text(encoding="utf-8"))
    by_plugin = {item["pluginName"]: item for item in content["pluginReports"]}
    others = {
        rule
        for plugin, report in by_plugin.items()
        if plugin != "AwsSolutions"
        for rule, _ in findings({"nag": report}, "violations")
    }
    no_budget = choice.environment != "dev" and not is_available("AWS::Budgets::Budget", choice.region)
    assert others == ({"Annotation::cxr:budget"} if no_budget else set())
    unexplained = {
        (rule, path)
        for rule, path in findings({"nag": by_plugin["AwsSolutions"]}, "violations")
        if not (rule.startswith("AwsSolutions-IAM5[") and reason_for_finding(rule))
    }
    assert not unexplained
    assert not linted(folder, choice.region)


def test_the_cdk_would_find_a_type_that_a_region_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.monitoring.monitoring_stack.is_available", lambda _kind, _region: True)
    choice = Choice("il-central-1", "prod", vpc=False, retain=True, gpu=False)

    synthesise_app(choice.context(), tmp_path, nag=True)

    content = json.loads((tmp_path / "validation-report.json").read_text(encoding="utf-8"))
    others = [item for item in content["pluginReports"] if item["pluginName"] != "AwsSolutions"]
    assert "'AWS::Budgets::Budget' does not exist in 'il-central-1'" in json.dumps(others)
