"""A start is refused here where SageMaker would refuse one of its jobs, minutes or hours later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ops.base.errors import CommandError, ExitCode
from ops.pipelines.parameters import check

REPOSITORY = Path(__file__).resolve().parents[3]
DEFINITION: dict[str, Any] = json.loads((REPOSITORY / "pipeline" / "definition.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("value", ["ml.g4dn.xlarge", "ml.m5d.xlarge", "ml.g5.xlarge"])
def test_an_instance_whose_disks_take_no_key_is_refused_where_the_pipeline_names_one(value: str) -> None:
    with pytest.raises(CommandError, match=f"ProcessingInstanceType {value} has local disks") as refused:
        check({"ProcessingInstanceType": value}, DEFINITION)
    assert refused.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ProcessingInstanceType", "ml.c6i.xlarge"),
        ("TrainingInstanceType", "ml.g5.xlarge"),
        # What it means is SageMaker's to say.
        ("ProcessingInstanceType", "m5d"),
    ],
)
def test_others_pass(name: str, value: str) -> None:
    check({name: value}, DEFINITION)
