"""Parts of the endpoint stack's template."""

from __future__ import annotations

from typing import Any

from tests.infra.conftest import of_type


def named(template: dict[str, Any], kind: str, start: str) -> dict[str, Any]:
    """The properties of the one resource of a type whose logical id begins so."""
    (found,) = [item for name, item in of_type(template, kind).items() if name.startswith(start)]
    properties: dict[str, Any] = found["Properties"]
    return properties


def changed(context: dict[str, Any], environment: str, **endpoint: Any) -> dict[str, Any]:
    """The context with other values of the environment's endpoint."""
    context["environments"][environment]["endpoint"] |= endpoint
    return {**context, "env": environment}


def rollback_alarms(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The alarms that take a release back, by their logical ids."""
    found = of_type(template, "AWS::CloudWatch::Alarm")
    return {name: alarm["Properties"] for name, alarm in found.items() if name.startswith("EndpointRollback")}


def api_endpoint(template: dict[str, Any]) -> dict[str, Any]:
    """The properties of the endpoint behind the API."""
    return named(template, "AWS::SageMaker::Endpoint", "Endpoint")
