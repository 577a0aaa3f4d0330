"""What settings combine to is deployable in each region: cdk-nag, cfn-lint and the CDK find nothing unexplained.

A few combinations, in which every pair of choices appears, run with all tests; all of them with `make test-long`.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from infra.settings.environment import Settings
from policy.wildcards import reason_for_finding
from tests.infra.conftest import environment_context, synthesise_app


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global findings, is_available, lint_file, ManualArgs, UNREMARKABLE
    from cfnlint import lint_file
    from cfnlint.config import ManualArgs

    from infra.base.regions import is_available
    from tests.infra.base.test_nag_findings import UNREMARKABLE, findings


REGIONS = ("us-east-1", "eu-central-1", "il-central-1", "cn-north-1")
CPU, GPU = "ml.c6i.xlarge", "ml.g4dn.xlarge"


@dataclasses.dataclass(frozen=True)
class Choice:
    """An environment in a region, and what its settings choose."""

    region: str
    environment: str
    vpc: bool
    retain: bool
    gpu: bool

    def __str__(self) -> str:
        chosen = [name for name in ("vpc", "retain", "gpu") if getattr(self, name)]
        return "-".join([self.region, self.environment, *chosen])

    @property
    def is_possible(self) -> bool:
        """A serverless endpoint has neither network nor GPU, and prod retains."""
        if self.environment == "dev":
            return not (self.vpc or self.gpu)
        return self.retain or self.environment != "prod"

    def context(self) -> dict[str, Any]:
        context = copy.deepcopy(environment_context(self.environment))
        context["shared"]["region"] = self.region
        own = context["environments"][self.environment]
        own["retain"] = self.retain
        if self.vpc:
            own |= {"network": {"vpc": True}, "pipeline": {"weights_file": "weights.h5"}}
        if self.environment != "dev":
            kind = GPU if self.gpu else CPU
            for section in ("endpoint", "asynchronous", "batch"):
                own[section] = {**own.get(section, {}), "instance_type": kind}
            if self.gpu:
                own["pipeline"] = {**own.get("pipeline", {}), "serving_engine": "tensorflow"}
        return context


ALL = [
    choice
    for values in product(REGIONS, ("dev", "staging", "prod"), *[(False, True)] * 3)
    if (choice := Choice(*values)).is_possible  # type: ignore[arg-type]
]
SOME = [
    Choice("us-east-1", "staging", vpc=True, retain=True, gpu=True),
    Choice("eu-central-1", "prod", vpc=True, retain=True, gpu=False),
    Choice("il-central-1", "staging", vpc=True, retain=False, gpu=True),
    Choice("il-central-1", "dev", vpc=False, retain=True, gpu=False),
    Choice("cn-north-1", "staging", vpc=True, retain=False, gpu=False),
    Choice("cn-north-1", "prod", vpc=False, retain=True, gpu=True),
]


def test_the_few_are_among_all_and_show_each_choice_in_each_way() -> None:
    assert set(SOME) <= set(ALL)
    assert len(ALL) == 56
    for field in dataclasses.fields(Choice):
        assert {getattr(one, field.name) for one in SOME} == {getattr(one, field.name) for one in ALL}


@pytest.mark.parametrize(
    "choice",
    [pytest.param(one, id=str(one), marks=[] if one in SOME else pytest.mark.long) for one in ALL],
)
def test_nothing_unexplained_is_found(choice: Choice, tmp_path: Path) -> None:
    context = choice.context()
    assert Settings.load(context).region == choice.region

    synthesise_app(context, tmp_path, nag=True)

    content = json.loads((tmp_path / "validation-report.json").read_text(encoding="utf-8"))
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
    found = [
        f"{path.name}: {match.rule.id} {match.message}"
        for path in sorted(tmp_path.glob("*.template.json"))
        for match in lint_file(path, config=ManualArgs(regions=[choice.region]))
        if match.rule.id not in UNREMARKABLE
    ]
    assert not found


def test_the_cdk_would_find_a_type_that_a_region_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.monitoring.monitoring_stack.is_available", lambda _kind, _region: True)
    choice = Choice("il-central-1", "prod", vpc=False, retain=True, gpu=False)

    synthesise_app(choice.context(), tmp_path, nag=True)

    content = json.loads((tmp_path / "validation-report.json").read_text(encoding="utf-8"))
    others = [item for item in content["pluginReports"] if item["pluginName"] != "AwsSolutions"]
    assert "'AWS::Budgets::Budget' does not exist in 'il-central-1'" in json.dumps(others)
