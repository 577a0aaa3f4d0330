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


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("Epochs", "0", "from 1 to 1000, not 0"),
        ("Epochs", "-3", "from 1 to 1000, not -3"),
        ("MinAuroc", "95", "from 0 to 1, not 95"),
        ("LearningRate", "nan", "from 1e-08 to 1, not nan"),
        ("TargetPrevalence", "0.0001", "0, or from"),
    ],
)
def test_a_number_that_its_job_would_refuse_starts_nothing(name: str, value: str, accepted: str) -> None:
    # The job's sentence comes after the jobs before it were paid for, and in AWS after a GPU was.
    with pytest.raises(CommandError, match=f"{name} must be {accepted}") as refused:
        check({name: value}, DEFINITION)
    assert refused.value.exit_code == ExitCode.USAGE


def test_monitoring_has_ranges_of_its_own() -> None:
    monitoring = json.loads((REPOSITORY / "pipeline" / "definition-monitoring.json").read_text(encoding="utf-8"))
    with pytest.raises(CommandError, match="Days must be"):
        check({"Days": "0"}, monitoring)
    with pytest.raises(CommandError, match="MaxRuntimeSeconds must be from 600 to 86400"):
        check({"MaxRuntimeSeconds": "432000"}, monitoring)
    check({"Days": "30", "PsiLimit": "0.1"}, monitoring)
    check({"MaxRuntimeSeconds": "432000"}, DEFINITION)
