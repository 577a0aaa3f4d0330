"""Upgrade from the last release: nothing that holds something is replaced or dropped.

`tests/system/test_upgrade.py` does the same upgrade on the laptop.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.infra.conftest import ENVIRONMENTS, REPOSITORY, of_type
from tests.system.release import PARTS, released, stateful


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global identifying, refused, replacing
    from policy.schemas import identifying, replacing
    from tests.infra.updates import refused


Templates = Callable[[str], dict[str, dict[str, Any]]]
# CloudFormation takes 1 MB from S3, and 500 resources
# (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html). A pipeline's definition
# is part of its template.
MOST_BYTES, MOST_RESOURCES = 1_000_000, 500


def replaced(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """Reasons why CloudFormation would replace or remove stateful resources: one sentence each."""
    for name, old in stateful(before).items():
        new = after["Resources"].get(name)
        if new is None or new["Type"] != old["Type"]:
            yield f"{name} ({old['Type']}) is not there any more"
            continue
        for path in replacing(old["Type"]):
            if _at(old["Properties"], path) != _at(new["Properties"], path):
                yield f"{name} ({old['Type']}) has another {'.'.join(path)}"


def _at(properties: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        properties = properties.get(key) if isinstance(properties, dict) else None
    return properties


def test_an_upgrade_from_the_last_release_replaces_nothing_that_holds_something(templates: Templates) -> None:
    problems = [problem for part in PARTS for problem in replaced(released()[part], templates("laptop")[part])]
    assert not problems


def test_no_stack_of_the_upgrade_is_refused(templates: Templates) -> None:
    """An export that goes is one that the stacks of the last release import until their own turn."""
    assert not list(refused(released(), templates("laptop")))


def test_the_last_release_held_something() -> None:
    kinds = {item["Type"] for part in PARTS for item in stateful(released()[part]).values()}
    assert {"AWS::KMS::Key", "AWS::S3::Bucket", "AWS::SageMaker::ModelPackageGroup"} <= kinds


def _renamed_id(template: dict[str, Any]) -> None:
    template["Resources"]["Data00000000"] = template["Resources"].pop("Data2D4B752F")


def _renamed_bucket(template: dict[str, Any]) -> None:
    template["Resources"]["Data2D4B752F"]["Properties"]["BucketName"] = "another"


def _other_type(template: dict[str, Any]) -> None:
    template["Resources"]["Data2D4B752F"]["Type"] = "AWS::S3Express::DirectoryBucket"


@pytest.mark.parametrize("change", [_renamed_id, _renamed_bucket, _other_type])
def test_a_change_that_would_lose_the_data_is_noticed(change: Callable[[dict[str, Any]], None]) -> None:
    after = copy.deepcopy(released()["data"])
    change(after)

    problems = list(replaced(released()["data"], after))

    assert len(problems) == 1
    assert "Data2D4B752F" in problems[0]


def test_a_change_that_loses_nothing_is_none() -> None:
    after = copy.deepcopy(released()["data"])
    after["Resources"]["Data2D4B752F"]["Properties"]["Tags"] = [{"Key": "owner", "Value": "us"}]
    assert not list(replaced(released()["data"], after))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_templates_are_less_than_half_of_what_cloudformation_takes(environment: str, templates: Templates) -> None:
    for part, template in templates(environment).items():
        assert len(json.dumps(template, indent=1)) < MOST_BYTES / 2, part
        assert len(template["Resources"]) < MOST_RESOURCES / 2, part


def test_so_are_those_of_a_network(isolated: dict[str, Any]) -> None:
    for part, template in isolated.items():
        assert len(template["Resources"]) < MOST_RESOURCES / 2, part


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_bucket_key_and_table_says_what_becomes_of_it(environment: str, templates: Templates) -> None:
    """CloudFormation deletes by default."""
    for template in templates(environment).values():
        for kind in ("AWS::KMS::Key", "AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::SageMaker::ModelPackageGroup"):
            for name, resource in of_type(template, kind).items():
                policies = resource["DeletionPolicy"], resource["UpdateReplacePolicy"]
                assert policies in {("Delete", "Delete"), ("RetainExceptOnCreate", "Retain")} or (
                    # It holds deliveries of the first minutes, and its generated name stands in nobody's way.
                    policies == ("Retain", "Retain") and name.startswith(("AccessLogs", "Trail"))
                ), name


def test_what_a_removal_leaves_can_be_given_back_as_it_is_documented(templates: Templates) -> None:
    """`cdk import` takes a file of logical ids, each with what CloudFormation knows a resource of its type by."""
    text = (REPOSITORY / "docs" / "deployment.md").read_text(encoding="utf-8")
    files = [json.loads(found) for found in re.findall(r"^```json\n(.+?)\n```$", text, re.MULTILINE | re.DOTALL)]
    for part, file in zip(("data", "training"), files, strict=True):
        left = {
            name: [path[0] for path in identifying(resource["Type"])]
            for name, resource in templates("prod")[part]["Resources"].items()
            if resource.get("DeletionPolicy", "").startswith("Retain")
        }
        assert {name: list(known) for name, known in file.items()} == left, part
