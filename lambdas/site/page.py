"""The OpenAPI document as a page, which its script lets people try: one style sheet inside, nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from lambdas.site import curl, forms

_STATIC = Path(__file__).parent / "static"
# The colours of the readers' page, light and dark: its style sheet begins with them.
_TOKENS = (_STATIC / "page.css").read_text(encoding="utf-8").partition("}")[0] + "}"
_STYLE = """
* { box-sizing: border-box; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; color: var(--text);
  background: var(--ground); overflow-wrap: anywhere; }
a { color: var(--accent); }
h2 { border-top: 1px solid var(--line); padding-top: 1rem; }
h2 code { font-size: 1.1rem; }
code, pre, textarea { font-family: ui-monospace, monospace; font-size: .9rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .5rem .25rem 0; text-align: left; vertical-align: top; }
.notice { border-left: .25rem solid var(--danger); padding-left: .75rem; }
pre { white-space: pre-wrap; padding: .5rem .75rem; margin: .5rem 0; background: var(--panel);
  border: 1px solid var(--line); border-radius: .35rem; user-select: all; }
summary { cursor: pointer; padding: .25rem 0; }
small, dt { color: var(--quiet); }
[hidden] { display: none !important; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
#access { background: var(--ground); padding: .5rem 0; }
@media (min-height: 30rem) { #access { position: sticky; top: 0; } html { scroll-padding-top: 6rem; } }
.try { border: 1px solid var(--line); border-radius: .5rem; padding: .25rem .75rem; margin: .75rem 0;
  background: var(--panel); }
.try > summary, label, [role=status] { font-weight: 600; }
.try label, .try input, .try select, .try textarea { display: block; width: 100%; }
.try p, figure { margin: .5rem 0; }
.try .drawn { margin-top: .35rem; }
button, input, select, textarea { font: inherit; font-size: .9rem; min-height: 2.5rem; max-width: 100%;
  border: 1px solid var(--line); border-radius: .35rem; background: var(--panel); color: var(--text);
  padding: .3rem .7rem; }
.try textarea { font-family: ui-monospace, monospace; }
button { cursor: pointer; }
button:hover { border-color: var(--accent); color: var(--accent); }
.try button:not([type]) { background: var(--accent); border-color: var(--accent); color: var(--ground); }
[data-failed] { color: var(--danger); }
.answer pre { max-height: 24rem; overflow: auto; user-select: auto; }
canvas { display: block; width: 100%; max-width: 20rem; background: #444; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .2rem 1rem; }
dd { margin: 0; }
@media (max-width: 40rem) {
  tr, th, td { display: block; }
  th, td:not(:last-child) { border-bottom: 0; }
  dl { grid-template-columns: minmax(0, 1fr); }
}
"""
_SHEET = _TOKENS + _STYLE
_DIGEST = base64.b64encode(hashlib.sha256(_SHEET.encode()).digest()).decode()


def policy(token_origin: str = "") -> str:
    """The page's Content-Security-Policy: its own style sheet, scripts of this API, requests to it and for tokens.

    Args:
        token_origin: of the issuer's token endpoint, where people sign in.
    """
    connect = " ".join(filter(None, ["'self'", token_origin]))
    return (
        f"default-src 'none'; style-src 'sha256-{_DIGEST}'; script-src 'self'; connect-src {connect}; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )


def render(document: Mapping[str, Any], *, max_image_bytes: int = 0, sign_in: str = "") -> str:
    """The page of an OpenAPI document as this API has it.

    Args:
        document: with one way to authenticate.
        max_image_bytes: largest image in a request, above which nothing is sent; 0 for no limit.
        sign_in: JSON of how a person gets a token, see `handler.Site`; empty where nobody does.
    """
    information, schemas = document["info"], document["components"]["schemas"]
    (authentication,) = document["components"]["securitySchemes"]
    paragraphs = "".join(
        f"<p{' class=notice' if number else ''}>{_text(paragraph)}</p>"
        for number, paragraph in enumerate(information["description"].split("\n\n"))
    )
    found = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    operations = [
        f"<h1>{escape(tag['name'].capitalize())}</h1><p>{_text(tag['description'])}</p>"
        + "".join(
            _operation(path, method, operation, document)
            for path, method, operation in found
            if tag["name"] in operation["tags"]
        )
        for tag in document["tags"]
    ]
    contents = "".join(
        f'<li><a href="#{escape(operation["operationId"])}"><code>{method.upper()} {escape(path)}</code></a> '
        f"{_text(operation['summary'])}</li>"
        for path, method, operation in found
    )
    described = [_schema(name, schema) for name, schema in schemas.items()]
    title = escape(information["title"])
    return (
        f'<!doctype html><html lang="en" data-authentication="{authentication}" '
        f'data-max-image-bytes="{max_image_bytes}" data-sign-in="{escape(sign_in)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title}</title><style>{_SHEET}</style><script type="module" src="try.js"></script></head>'
        f"<body><main><h1>{title}</h1>{paragraphs}"
        f'<p>For programs: <a href="openapi.json">openapi.json</a>. {_security(document)}</p>'
        f"<p>The variables of the lines for a shell: {_variables(authentication)} A click on a line marks it.</p>"
        f"{forms.access(authentication)}"
        f"<ul>{contents}</ul>{''.join(operations)}<h1>Documents</h1>{''.join(described)}</main></body></html>"
    )


def _security(document: Mapping[str, Any]) -> str:
    schemes = document["components"]["securitySchemes"]
    named = [f"{_text(scheme.get('description') or 'A key.')} <code>{_where(scheme)}</code>" for scheme in
             schemes.values()]  # fmt: skip
    return f"Authentication: {' or '.join(named)}"


def _variables(authentication: str) -> str:
    """Shell variables that the lines use; the script writes the address into them and takes this sentence away."""
    address = '<span id="address"><code>API_URL</code> is the address of this page without <code>/docs</code>.</span>'
    signed = "Those that begin with <code>AWS_</code> are the AWS command line's."
    asked = signed if authentication == "iam" else "<code>API_KEY</code> is what this API asks for."
    return f"{address} {asked}"


def _where(scheme: Mapping[str, Any]) -> str:
    return escape(scheme.get("name") or "Authorization: Bearer …")


def _operation(path: str, method: str, operation: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    open_to_all = " Needs no authentication." if operation.get("security") == [] else ""
    rows = [
        (
            f"<code>{escape(parameter['name'])}</code> ({parameter['in']})",
            _type(parameter["schema"]),
            _text(parameter["description"]),
        )
        for parameter in operation.get("parameters", [])
    ]
    body = operation.get("requestBody", {}).get("content", {})
    rows += [(f"body <code>{escape(kind)}</code>", _type(content["schema"]), "") for kind, content in body.items()]
    rows += [
        (f"answer {escape(status)}", ", ".join(_type(content["schema"]) for content in answer["content"].values()),
         _text(answer["description"]))
        for status, answer in operation["responses"].items()
    ]  # fmt: skip
    return (
        f'<section id="{escape(operation["operationId"])}"><h2><code>{method.upper()} {escape(path)}</code></h2>'
        f"<p>{_text(operation['summary'])} {_text(operation['description'])}{open_to_all}</p>"
        f"{_line(path, method, operation, document)}"
        f"{forms.form(path, method, operation, next(iter(document['components']['securitySchemes'])))}{_table(rows)}"
        f"{_examples(operation, document['components']['examples'])}</section>"
    )


def _line(path: str, method: str, operation: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """The request for a shell, with the words that the script repeats after a change, and its button to copy."""
    return (
        f'<div class="line"><pre data-credentials="{escape(curl.credentials(operation, document))}">'
        f"{escape(curl.line(path, method, operation, document))}</pre>"
        f'<button type="button" aria-label="Copy the line of {method.upper()} {escape(path)}" hidden>Copy</button> '
        '<span role="status"></span></div>'
    )


def _examples(operation: Mapping[str, Any], problems: Mapping[str, Any]) -> str:
    """Each body and each answer as it may look, closed until somebody opens it."""
    asked = [body for body in curl.bodies(operation) if body[2] is not None]
    answered = []
    for status, answer in operation["responses"].items():
        for media_type, content in answer["content"].items():
            answered += [(status, media_type, content["example"])] if "example" in content else []
            for reference in content.get("examples", {}).values():
                code = reference["$ref"].rpartition("/")[2]
                answered.append((status, code, problems[code]["value"]))
    headed = {"Examples of requests": asked, "Examples of answers": answered}
    return "".join(f"<h3>{title}</h3>{''.join(map(_example, shown))}" for title, shown in headed.items() if shown)


def _example(named: tuple[str, str, Any]) -> str:
    of, name, value = named
    shown = value if isinstance(value, str) else json.dumps(value, indent=1)
    return f"<details><summary>{escape(of)} <code>{escape(name)}</code></summary><pre>{escape(shown)}</pre></details>"


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
            return " or ".join(_type(option) for option in schema[several])
    if "enum" in schema:
        return " or ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if "const" in schema:
        return f"<code>{escape(str(schema['const']))}</code>"
    return escape(" ".join(filter(None, [schema.get("type", "anything"), schema.get("format", "")])))


def _table(rows: list[tuple[str, str, str]]) -> str:
    cells = "".join(
        f"<tr><th scope=row>{name}</th><td>{kind}</td><td>{meaning}</td></tr>" for name, kind, meaning in rows
    )
    return f"<table>{cells}</table>"


def _text(markdown: str) -> str:
    """A sentence with `code` in it; nothing else of Markdown is used."""
    parts = escape(markdown).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))
