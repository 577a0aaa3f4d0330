"""A deployed environment can be switched: no setting can be turned on and never off again.

CloudFormation removes no export that another stack imports, and makes nothing under a name that is taken. Both are seen
in an account only, in the second deployment.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import permutations
from typing import Any

import pytest

from infra.settings.environment import Settings
from tests.infra.switches import ENVIRONMENT, SWITCHES, context
from tests.system.release import STATEFUL


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global gone, lost, refused, rows, synthesised
    from infra.settings.reference import rows
    from policy.synthesis import synthesised
    from tests.infra.updates import gone, lost, refused


Templates = Callable[[str], dict[str, dict[str, Any]]]
# What another value of makes is another environment, or a network that has to go first (`cxr deploy` says so).
FIXED = {"like", "account", "region", "network.cidr"}
# A zone less is refused, as `cxr deploy` says.
ZONE_LESS = ("isolated, most", "isolated")
# Custom resources are asked to delete what they made when an update takes them away; these then delete nothing.
HARMLESS = {
    "Custom::ModelPackages": "keeps what it would delete, unless its stack is deleted (lambdas/purge)",
    "Custom::S3AutoDeleteObjects": "empties buckets that have a tag, which the same update takes away before",
}
HOLDING = STATEFUL | {"AWS::SQS::Queue", "AWS::Logs::LogGroup"}
# What settings take away along with what it holds, by type and the start of the logical id.
LOSSES = {
    ("AWS::SNS::Topic", "Answers"): "of the asynchronous endpoint: who subscribed has to again (docs/deployment.md)",
    ("AWS::SNS::Topic", "Failures"): "likewise",
    ("AWS::ApiGateway::ApiKey", "ApiKey"): "with another kind of authentication (docs/settings.md)",
    ("AWS::Logs::LogGroup", "ApiAuthenticationFunction"): "of a function that is there for tokens only",
    ("AWS::Logs::LogGroup", "DicomResult"): "of a function that is there for results in DICOM only",
    ("AWS::Logs::LogGroup", "RegistryPurge"): "of a function that is there where nothing is retained",
}


@pytest.fixture(scope="module")
def switched(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """The templates of an environment, by part, at one end of its settings."""

    @cache
    def templates(name: str) -> dict[str, dict[str, Any]]:
        return synthesised(context(*SWITCHES[name]), tmp_path_factory.mktemp("switched"))

    return templates


@pytest.mark.parametrize("before", SWITCHES)
def test_a_deployed_environment_can_be_switched(before: str, switched: Templates) -> None:
    for after in SWITCHES:
        if (before, after) != ZONE_LESS:
            assert not list(refused(switched(before), switched(after))), after


@pytest.mark.parametrize("before", SWITCHES)
def test_what_a_switch_takes_away_takes_nothing_along(before: str, switched: Templates) -> None:
    for after in SWITCHES:
        custom = {kind for kind in gone(switched(before), switched(after)) if not kind.startswith("AWS::")}
        assert custom <= set(HARMLESS), after
        left = set(switched(before)) - set(switched(after))
        assert left <= {"network"}, "the CDK removes no stack that the app does not name"


def test_nothing_that_holds_something_is_replaced_or_deleted_but_where_a_setting_says_so(switched: Templates) -> None:
    seen: set[tuple[str, str]] = set()
    for pair in permutations(SWITCHES, 2):
        if pair != ZONE_LESS:
            replaced, deleted = lost(*map(switched, pair), HOLDING)
            assert not replaced, pair
            assert not [found for found in deleted if not any(_is(found, loss) for loss in LOSSES)], pair
            seen |= deleted
    assert not [loss for loss in LOSSES if not any(_is(found, loss) for found in seen)], "no switch takes it away"


def _is(found: tuple[str, str], loss: tuple[str, str]) -> bool:
    return found[0] == loss[0] and found[1].startswith(loss[1])


def test_a_bucket_that_is_replaced_and_a_table_that_goes_are_noticed(switched: Templates) -> None:
    before, after = switched("least"), {**switched("least")}
    resources = dict(after["data"]["Resources"])
    bucket, table = "Data2D4B752F", "Predictions1544A278"
    resources[bucket] = {**resources[bucket], "Properties": {"BucketName": "another"}}
    del resources[table]
    after["data"] = {**after["data"], "Resources": resources}
    assert lost(before, after, HOLDING) == ({("AWS::S3::Bucket", bucket)}, {("AWS::DynamoDB::Table", table)})


def test_no_reason_is_left_for_a_custom_resource_that_no_switch_takes_away(switched: Templates) -> None:
    kinds = {kind for pair in permutations(SWITCHES, 2) for kind in gone(*map(switched, pair))}
    assert set(HARMLESS) <= kinds


def _values(dumped: Any, path: list[str]) -> Any:
    for key in path:
        dumped = dumped.get(key) if isinstance(dumped, dict) else None
    return dumped


def test_every_setting_is_switched() -> None:
    """A new one that is not would be tried by the first who turns it off."""
    ends = [Settings.load(context(*changes)).model_dump(mode="json") for changes in SWITCHES.values()]
    for path, _ in rows():
        values = [_values(end, path.split(".")) for end in ends]
        assert path in FIXED or any(value != values[0] for value in values), path


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"network": {"zones": ["a", "c"]}}, "PrivateSubnet2Subnet"),
        ({"network": {"cidr": "10.43.0.0/16"}}, "gets another value, and is imported by"),
    ],
)
def test_what_cannot_be_switched_is_noticed(
    changes: dict[str, Any], found: str, switched: Templates, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Tests of what the others find nothing with."""
    another = synthesised(context(*SWITCHES["isolated"], changes), tmp_path_factory.mktemp("another"))
    assert any(found in problem for problem in refused(switched("isolated"), another))


def test_a_zone_less_is_noticed(switched: Templates) -> None:
    problems = list(refused(*map(switched, ZONE_LESS)))
    assert problems
    assert all("is not exported any more" in problem and "Subnet3" in problem for problem in problems)


def test_a_name_that_is_taken_is_noticed(switched: Templates) -> None:
    """Under another logical id CloudFormation makes it anew, before it deletes the old one."""
    before, after = switched("as it is"), {**switched("as it is")}
    resources = after["monitoring"]["Resources"]
    renamed = {f"{name}0" if "AlarmsDrift" in name else name: value for name, value in resources.items()}
    after["monitoring"] = {**after["monitoring"], "Resources": renamed}
    (problem,) = refused(before, after)
    assert f"cxr-{ENVIRONMENT}-drift" in problem
