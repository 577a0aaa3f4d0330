"""The methods of the API in a template."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.infra.conftest import of_type


def methods(template: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """The methods of the API by their name and path."""
    resources = {name: item["Properties"] for name, item in of_type(template, "AWS::ApiGateway::Resource").items()}

    def path(resource_id: dict[str, Any]) -> str:
        if "Ref" not in resource_id:
            return ""
        resource = resources[resource_id["Ref"]]
        return f"{path(resource['ParentId'])}/{resource['PathPart']}"

    found = [item["Properties"] for item in of_type(template, "AWS::ApiGateway::Method").values()]
    return {(method["HttpMethod"], path(method["ResourceId"]) or "/"): method for method in found}


def answering(template: dict[str, Any], method: dict[str, Any]) -> str:
    """The handler of the function behind a method."""
    (name,) = re.findall(r'"Fn::GetAtt": \["(\w+)", "Arn"\]', json.dumps(method["Integration"]["Uri"]))
    return str(template["Resources"][name]["Properties"]["Handler"])
