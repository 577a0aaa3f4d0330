"""Each operation of the OpenAPI document as a line for a shell."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any


def line(path: str, method: str, operation: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """The request that the forms start with; `static/try.js` writes the same for what was changed in them.

    `API_URL` is the API's address, without a slash at the end.
    """
    words = ["curl", "--request", method.upper()] if method != "get" else ["curl"]
    if who := credentials(operation, document):
        words.append(who)
    kind, _, example = next(bodies(operation), ("", "", None))
    if kind:
        words.append(f"--header {shlex.quote(f'Content-Type: {kind}')}")
        sent = "--data-binary @radiograph.jpeg" if example is None else f"--data-raw {shlex.quote(written(example))}"
        words.append(sent)
    for parameter in operation.get("parameters", []):
        if parameter.get("required"):
            path = path.replace(f"{{{parameter['name']}}}", parameter["example"])
    return " ".join([*words, f'"$API_URL{path}"'])


def bodies(operation: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Media types that the operation takes, with summary and value of each example; None where it is a file."""
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        examples = [(example["summary"], example["value"]) for example in content.get("examples", {}).values()]
        yield from ((kind, *example) for example in examples or [("a file", None)])


def written(example: Any) -> str:
    """An example of a body as it is shown and sent."""
    return json.dumps(example, ensure_ascii=False)


def credentials(operation: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """The words that say who asks, with variables in place of secrets; empty where anybody may."""
    if operation.get("security") == []:
        return ""
    (scheme,) = document["components"]["securitySchemes"].values()
    if "x-amazon-apigateway-authtype" in scheme:
        return '--aws-sigv4 "aws:amz:$AWS_REGION:execute-api" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY"'
    return '--header "x-api-key: $API_KEY"' if "name" in scheme else '--header "Authorization: Bearer $API_KEY"'
