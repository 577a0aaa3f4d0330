"""Instance types are told apart by what SageMaker has, and no setting names one that the images cannot start on."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from infra.settings.environment import Settings
from infra.settings.instance_types import has_local_disks, is_arm, is_gpu
from infra.settings.section import SettingsError

REPOSITORY = Path(__file__).resolve().parents[3]
CONTEXT: dict[str, Any] = json.loads((REPOSITORY / "cdk.json").read_text(encoding="utf-8"))["context"]

# Of those that SageMaker's service model knows, the families with an Arm processor, or a GPU of NVIDIA's
# (https://aws.amazon.com/sagemaker/pricing and EC2's list of instance types, read 2026-11).
ARM = {"c6g", "c6gd", "c6gn", "c7g", "c8g", "m6g", "m6gd", "m7g", "m8g", "p6e-gb200", "r6g", "r6gd", "r7gd", "r8g"}
GPU = {"g4dn", "g5", "g6", "g6e", "g7", "g7e", "gr6", "p2", "p3", "p3dn", "p4d", "p4de", "p5", "p5e", "p5en",
       "p6-b200", "p6-b300", "p6e-gb200"}  # fmt: skip


def types() -> set[str]:
    """Every instance type that an operation of SageMaker takes."""
    model = botocore.session.get_session().get_service_model("sagemaker")
    shapes = [model.shape_for(name) for name in model.shape_names if name.endswith("InstanceType")]
    found = {value for shape in shapes for value in getattr(shape, "enum", []) if value.startswith("ml.")}
    assert len(found) > 200
    return found


def families(chosen: set[str]) -> set[str]:
    return {name.split(".")[1] for name in chosen}


def test_arm_processors_are_known_among_all_types() -> None:
    assert families({name for name in types() if is_arm(name)}) == ARM


def test_gpus_are_known_among_all_types() -> None:
    assert families({name for name in types() if is_gpu(name)}) == GPU


@pytest.mark.parametrize("name", ["ml.t4g.medium", "ml.g5g.xlarge", "ml.x2gd.xlarge", "ml.is4gen.xlarge"])
def test_arm_processors_of_ec2_are_known_before_sagemaker_has_them(name: str) -> None:
    assert is_arm(name)


def test_no_type_that_sagemaker_trains_or_serves_on_with_x86_is_refused() -> None:
    usual = {"ml.m5.xlarge", "ml.c6i.xlarge", "ml.g4dn.xlarge", "ml.g6e.2xlarge", "ml.p4d.24xlarge", "ml.c7i.large"}
    assert usual <= types()
    assert not [name for name in usual if is_arm(name)]


def settings_with_a_type() -> set[tuple[str, ...]]:
    """Paths of prod's settings that name an instance type, found by the values."""

    def within(section: dict[str, Any], path: tuple[str, ...]) -> set[tuple[str, ...]]:
        found: set[tuple[str, ...]] = set()
        for key, value in section.items():
            if isinstance(value, dict):
                found |= within(value, (*path, key))
            elif isinstance(value, str) and re.match(r"ml\.", value):
                found.add((*path, key))
        return found

    return within(Settings.load({**CONTEXT, "env": "prod"}).model_dump(), ())


NAMED = sorted(settings_with_a_type())


def test_every_kind_of_instance_is_looked_at() -> None:
    assert {path[0] for path in NAMED} == {"pipeline", "endpoint", "asynchronous", "batch", "monitoring"}
    assert len(NAMED) == 6


@pytest.mark.parametrize("chosen", ["ml.c7g.xlarge", "ml.r6gd.2xlarge", "ml.p6e-gb200.36xlarge"])
@pytest.mark.parametrize("path", NAMED, ids=".".join)
def test_an_arm_processor_stops_the_synthesis_with_one_sentence(path: tuple[str, ...], chosen: str) -> None:
    context = copy.deepcopy(CONTEXT)
    section = context["environments"]["prod"]
    for part in path[:-1]:
        section = section.setdefault(part, {})
    section[path[-1]] = chosen

    with pytest.raises(SettingsError) as error:
        Settings.load({**context, "env": "prod"})

    text = str(error.value)
    assert f"{'.'.join(path)} is '{chosen}', which has an Arm processor" in text
    assert "\n" not in text


@pytest.mark.filterwarnings("ignore")  # the SDK's own, at import
def test_types_with_local_disks_are_those_that_the_sdk_gives_no_key() -> None:
    """SageMaker refuses a job that names a key for them, after minutes."""
    from sagemaker.core.common_utils import instance_supports_kms

    others = {name for name in types() if has_local_disks(name) is instance_supports_kms(name)}
    # GPUs of this project's images whose disks the SDK does not know, and accelerators that these do not start on.
    assert families(others) <= {"g7", "gr6", "p6-b300", "p6e-gb200", "trn1", "trn1n", "trn2"}


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("pipeline", "processing_instance_type", "ml.m5d.xlarge"),
        ("pipeline", "processing_instance_type", "ml.g4dn.xlarge"),
        ("monitoring", "instance_type", "ml.c5d.xlarge"),
    ],
)
def test_processing_jobs_get_no_type_that_takes_no_key(section: str, name: str, value: str) -> None:
    context = copy.deepcopy(CONTEXT)
    context["environments"]["dev"].setdefault(section, {})[name] = value
    with pytest.raises(SettingsError, match=rf"{section}\.{name} is '{value}', which has local disks"):
        Settings.load({**context, "env": "dev"})
