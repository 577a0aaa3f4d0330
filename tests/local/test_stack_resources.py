"""The laptop's SageMaker resources are replaced by what replaces them in AWS."""

from __future__ import annotations

from typing import Any

import pytest


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global emulator, replacing, stack_resources
    from local import stack_resources
    from local.core import emulator
    from policy.schemas import replacing


def test_what_replaces_a_resource_in_aws_replaces_it_on_the_laptop(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint whose configuration stayed would go on as it was, and a deployment would have shown nothing."""
    registered: dict[str, Any] = {}
    monkeypatch.setattr(emulator, "register_resource_type", registered.__setitem__)
    nothing: Any = None  # is asked when a stack is deployed
    stack_resources.register(nothing, nothing)
    ours = {kind: set(found.replacing) for kind, found in registered.items() if kind.startswith("AWS::SageMaker::")}
    assert ours == {kind: {path[0] for path in replacing(kind)} for kind in ours}
    assert "AWS::SageMaker::EndpointConfig" in ours
