"""Operations and models put together as an OpenAPI 3.1 document."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from lambdas.api.documents import ProblemDocument
from lambdas.http.answers import NOTICE
from lambdas.http.problems import KINDS
from openapi import examples
from openapi.operations import OPERATIONS, Operation

_REFERENCE = "#/components/schemas/{model}"
# Statuses that the gateway answers by itself, by whether a path needs leave.
_GATEWAY = {"none": ("429", "500"), "leave": ("401", "403", "429", "500")}
_WHY = {
    "401": "No valid token (`unauthorized`).",
    "403": "No valid key, or no leave for this path (`api_key_required`, `forbidden`).",
    "429": "Too many requests (`throttled`, `quota_exceeded`).",
    "500": "The service failed (`internal_error`).",
}
_GATEWAY_CODES = {"401": "unauthorized", "403": "api_key_required", "429": "throttled", "500": "internal_error"}
TAGS = {
    "predictions": "Radiographs in, probabilities out, and what readers say to them.",
    "model": "What answers.",
    "description": "This API for programs and for people.",
}
SECURITY_SCHEMES = {
    "api_key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "jwt": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token of the deployment's issuer, with the scopes predict, upload or feedback.",
    },
    "iam": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "AWS Signature Version 4, service execute-api.",
        "x-amazon-apigateway-authtype": "awsSigv4",
    },
}


def document() -> dict[str, Any]:
    """The document with every way to authenticate; the API serves it with the one that its deployment chose."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Chest X-ray predictions",
            "version": "1",
            "description": f"A chest radiograph in, a calibrated probability of pneumonia out.\n\n{NOTICE}",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        # Relative to where this document is.
        "servers": [{"url": "."}],
        "security": [{name: []} for name in SECURITY_SCHEMES],
        "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "examples": {code: {"value": examples.problem(code)} for code in [*examples.DETAILS, *examples.GATEWAY]},
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def text() -> str:
    """The document as it is committed."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
    }
    if operation.security == "none":
        described["security"] = []
    if operation.parameters:
        described["parameters"] = list(operation.parameters)
    if operation.requests:
        described["requestBody"] = _body(operation)
    described["responses"] = _responses(operation)
    return described


def _body(operation: Operation) -> dict[str, Any]:
    schemas = [_reference(model) for model in operation.requests]
    content: dict[str, Any] = {
        media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in operation.media_types
    }
    shown = {model.__name__: examples.REQUESTS[model] for model in operation.requests}
    content["application/json"] = {
        "schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas},
        "examples": {name: {"summary": summary, "value": value} for name, (summary, value) in shown.items()},
    }
    return {"required": True, "content": content}


def _responses(operation: Operation) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if operation.answer:
        example = examples.ANSWERS[operation.answer]
        content["application/json"] = {"schema": _reference(operation.answer), "example": example}
    content |= operation.other
    identified = {"x-request-id": {"description": "The request's id.", "schema": {"type": "string"}}}
    success = {"description": "The answer.", "headers": {**identified, **operation.headers}, "content": content}
    responses: dict[str, Any] = {str(operation.status): success}
    codes: dict[str, list[str]] = {}
    for code in operation.codes:
        codes.setdefault(str(KINDS[code].status), []).append(code)
    reasons = {
        status: "; ".join(f"{KINDS[code].title} (`{code}`)" for code in found) + "." for status, found in codes.items()
    }
    for status in _GATEWAY["none" if operation.security == "none" else "leave"]:
        reasons[status] = " ".join(filter(None, [reasons.get(status), _WHY[status]]))
        if status in _GATEWAY_CODES:
            codes.setdefault(status, []).append(_GATEWAY_CODES[status])
    for status, reason in sorted(reasons.items()):
        responses[status] = {
            "description": reason,
            "headers": identified,
            "content": {"application/problem+json": _problems(codes[status])},
        }
    responses["default"] = {
        "description": "Another error, of the gateway.",
        "content": {"application/problem+json": _problems(["internal_error"])},
    }
    return responses


def _problems(codes: list[str]) -> dict[str, Any]:
    """Content of an error, with an example of each code."""
    shown = {code: {"$ref": f"#/components/examples/{code}"} for code in dict.fromkeys(codes)}
    return {"schema": _reference(ProblemDocument), "examples": shown}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(model=model.__name__)}


def _schemas() -> dict[str, Any]:
    answers = _unique(operation.answer for operation in OPERATIONS)
    requests = _unique(model for operation in OPERATIONS for model in operation.requests)
    models = [(model, "serialization") for model in [*answers, ProblemDocument]]
    asked = [(model, "validation") for model in requests]
    _, found = models_json_schema([*models, *asked], ref_template=_REFERENCE)  # type: ignore[list-item]
    schemas: dict[str, Any] = found["$defs"]
    return dict(sorted(schemas.items()))


def _unique(models: Iterable[type[BaseModel] | None]) -> list[type[BaseModel]]:
    return list(dict.fromkeys(model for model in models if model is not None))
