"""Tags of the settings are such as every resource and job takes."""

from __future__ import annotations

import copy
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from infra.settings.environment import Settings
from infra.settings.section import SettingsError

REPOSITORY = Path(__file__).resolve().parents[3]
CONTEXT: dict[str, Any] = json.loads((REPOSITORY / "cdk.json").read_text(encoding="utf-8"))["context"]


@pytest.mark.parametrize(("count", "accepted"), [(47, True), (48, False)])
def test_a_job_has_no_more_tags_than_sagemaker_takes(count: int, accepted: bool) -> None:
    """Stacks would take more, and every execution would fail at its first job."""
    context = copy.deepcopy(CONTEXT)
    context["shared"]["tags"] = {"project": "cxr", **{f"tag-{one}": "x" for one in range(count - 1)}}
    with nullcontext() if accepted else pytest.raises(SettingsError, match="tags"):
        Settings.load({**context, "env": "dev"})
