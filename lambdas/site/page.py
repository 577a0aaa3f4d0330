"""The OpenAPI document as a page: no script, one style sheet inside, nothing from anywhere else."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 25%, transparent); }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h2 { border-top: 1px solid var(--line); padding-top: 1rem; overflow-wrap: anywhere; }
h2 code { font-size: 1.1rem; }
code, pre { font-family: ui-monospace, monospace; font-size: .9rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .5rem .25rem 0; text-align: left; vertical-align: top; }
.notice { border-left: .25rem solid; padding-left: .75rem; }
body { overflow-wrap: anywhere; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: .5rem .75rem;
  background: color-mix(in srgb, currentColor 8%, transparent);
  user-select: all; }
summary { cursor: pointer; padding: .25rem 0; }
@media (max-width: 40rem) { tr, th, td { display: block; } th, td:not(:last-child) { border-bottom: 0; } }
"""
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page's Content-Security-Policy: its own style sheet and nothing else."""


def render(document: Mapping[str, Any]) -> str:
    """The page of an OpenAPI document as this API has it."""
    information, schemas = document["info"], document["components"]["schemas"]
    paragraphs = "".join(
        f"<p{' class=notice' if number else ''}>{_text(paragraph)}</p>"
        for number, paragraph in enumerate(information["description"].split("\n\n"))
    )
    found = [(path, method, one) for path, methods in document["paths"].items() for method, one in methods.items()]
    operations = [
        f"<h1>{escape(tag['name'].capitalize())}</h1><p>{_text(tag['description'])}</p>"
        + "".join(_operation(path, method, one, document) for path, method, one in found if tag["name"] in one["tags"])
        for tag in document["tags"]
    ]
    contents = "".join(
        f'<li><a href="#{escape(one["operationId"])}"><code>{method.upper()} {escape(path)}</code></a> '
        f"{_text(one['summary'])}</li>"
        for path, method, one in found
    )
    described = [_schema(name, schema) for name, schema in schemas.items()]
    title = escape(information["title"])
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><main><h1>{title}</h1>{paragraphs}"
        f'<p>For programs: <a href="openapi.json">openapi.json</a>. {_security(document)}</p>'
        "<p>To try a line in a shell: <code>API</code> is the address of this page without <code>/docs</code>, "
        "<code>KEY</code> what this API asks for. A click on a line marks it.</p>"
        f"<ul>{contents}</ul>{''.join(operations)}<h1>Documents</h1>{''.join(described)}</main></body></html>"
    )


def _security(document: Mapping[str, Any]) -> str:
    schemes = document["components"]["securitySchemes"]
    named = [f"{_text(scheme.get('description') or 'A key.')} <code>{_where(scheme)}</code>" for scheme in
             schemes.values()]  # fmt: skip
    return f"Authentication: {' or '.join(named)}"


def _where(scheme: Mapping[str, Any]) -> str:
    return escape(scheme.get("name") or "Authorization: Bearer …")


def _operation(path: str, method: str, operation: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    open_to_all = " Needs no authentication." if operation.get("security") == [] else ""
    rows = [
        (f"<code>{escape(one['name'])}</code> ({one['in']})", _type(one["schema"]), _text(one["description"]))
        for one in operation.get("parameters", [])
    ]
    body = operation.get("requestBody", {}).get("content", {})
    rows += [(f"body <code>{escape(kind)}</code>", _type(content["schema"]), "") for kind, content in body.items()]
    rows += [
        (f"answer {escape(status)}", ", ".join(_type(one["schema"]) for one in answer["content"].values()),
         _text(answer["description"]))
        for status, answer in operation["responses"].items()
    ]  # fmt: skip
    return (
        f'<section id="{escape(operation["operationId"])}"><h2><code>{method.upper()} {escape(path)}</code></h2>'
        f"<p>{_text(operation['summary'])} {_text(operation['description'])}{open_to_all}</p>"
        f"<pre>{escape(_curl(path, method, operation, document))}</pre>{_table(rows)}"
        f"{_examples(operation, document['components']['examples'])}</section>"
    )


def _curl(path: str, method: str, operation: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """A line for a shell in which API is this API's address, without a slash at the end, and KEY what it asks for."""
    words = ["curl", "--request", method.upper()] if method != "get" else ["curl"]
    if operation.get("security") != []:
        words += [_credentials(next(iter(document["components"]["securitySchemes"].values())))]
    body = operation.get("requestBody", {}).get("content", {})
    if "image/jpeg" in body:
        words += ["--header 'Content-Type: image/jpeg'", "--data-binary @radiograph.jpeg"]
    elif "application/json" in body:
        name = body["application/json"]["schema"]["$ref"].rpartition("/")[2]
        members = document["components"]["schemas"][name]["properties"]
        sent = {member: value["enum"][0] for member, value in members.items()}
        words += ["--header 'Content-Type: application/json'", f"--data '{json.dumps(sent)}'"]
    filled = re.sub(r"\{(\w+)\}", lambda found: f"${found[1].upper()}", path)
    return " ".join([*words, f'"$API{filled}"'])


def _credentials(scheme: Mapping[str, Any]) -> str:
    if "x-amazon-apigateway-authtype" in scheme:
        return '--aws-sigv4 "aws:amz:$AWS_REGION:execute-api" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY"'
    return '--header "x-api-key: $KEY"' if "name" in scheme else '--header "Authorization: Bearer $KEY"'


def _examples(operation: Mapping[str, Any], problems: Mapping[str, Any]) -> str:
    """Each answer as it may look, closed until somebody opens it."""
    shown = []
    for status, answer in operation["responses"].items():
        for media_type, content in answer["content"].items():
            named = [(media_type, content["example"])] if "example" in content else []
            for reference in content.get("examples", {}).values():
                code = reference["$ref"].rpartition("/")[2]
                named.append((code, problems[code]["value"]))
            shown += [
                f"<details><summary>{escape(status)} <code>{escape(name)}</code></summary>"
                f"<pre>{escape(one if isinstance(one, str) else json.dumps(one, indent=1))}</pre></details>"
                for name, one in named
            ]
    return f"<h3>Examples of answers</h3>{''.join(shown)}"


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    required = set(schema.get("required", []))
    rows = [
        (f"<code>{escape(member)}</code>{'' if member in required else ' (optional)'}", _type(value),
         _text(value.get("description", "")))
        for member, value in schema.get("properties", {}).items()
    ]  # fmt: skip
    about = _text(schema.get("description", ""))
    return f'<section id="{escape(name)}"><h2><code>{escape(name)}</code></h2><p>{about}</p>{_table(rows)}</section>'


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    for several in ("oneOf", "anyOf"):
        if several in schema:
            return " or ".join(_type(one) for one in schema[several])
    if "enum" in schema:
        return " or ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if "const" in schema:
        return f"<code>{escape(str(schema['const']))}</code>"
    return escape(" ".join(filter(None, [schema.get("type", "anything"), schema.get("format", "")])))


def _table(rows: list[tuple[str, str, str]]) -> str:
    cells = "".join(f"<tr><th scope=row>{one}</th><td>{two}</td><td>{three}</td></tr>" for one, two, three in rows)
    return f"<table>{cells}</table>"


def _text(markdown: str) -> str:
    """A sentence with `code` in it; nothing else of Markdown is used."""
    parts = escape(markdown).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))
