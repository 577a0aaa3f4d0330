"""The laptop's templates hold nothing that the laptop answers for without a row saying how far."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from local.fidelity.rows import RESOURCE_TYPES
from tests.infra.conftest import Template

# Of endpoints that settings scale, as those of the tests of releases under load.
SCALED = {"AWS::ApplicationAutoScaling::ScalableTarget", "AWS::ApplicationAutoScaling::ScalingPolicy"}


def test_every_resource_type_has_a_row_and_every_row_a_resource_type(
    templates: Callable[[str], dict[str, Template]],
) -> None:
    resources: list[dict[str, Any]] = [
        resource for template in templates("laptop").values() for resource in template["Resources"].values()
    ]
    assert {resource["Type"] for resource in resources} | SCALED == {row.name for row in RESOURCE_TYPES}
