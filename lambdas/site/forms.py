"""Forms that try an operation, hidden until `static/try.js` shows them: without it they would do nothing."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from lambdas.site import curl

_SIGNED = "iam"
# What is not asked of this API, and so not of this page, whose policy lets it ask no other origin but the issuer's.
_NOTES = {
    "create_upload": (
        "The answer is a form for the bucket, which is another origin: this page asks only its own. "
        "The command that posts the file is shown with the answer. Then name the upload in POST /v1/predictions."
    )
}
_KEY = {
    "api_key": ("API key", "Kept until this page is closed or loaded again."),
    "jwt": (
        "Access token",
        "Of the deployment's issuer. Kept until this page is closed or loaded again.",
    ),
}


def access(authentication: str) -> str:
    """Field for the key or the token, by the name of the way to authenticate; empty where nothing is pasted.

    For a token a button too, which the script shows where people sign in.
    """
    if authentication not in _KEY:
        return ""
    name, about = _KEY[authentication]
    button = '<span id="sign-in" hidden><button type="button">Sign in</button> <small role="status"></small></span>'
    return (
        f'<p id="access" hidden><label for="secret">{name}</label> '
        '<input id="secret" type="password" autocomplete="off" spellcheck="false" pattern="\\s*[!-~]+\\s*" '
        f'aria-describedby="secret-help"> <small id="secret-help">{about}</small> '
        f"{button if authentication == 'jwt' else ''}</p>"
    )


def form(path: str, method: str, operation: Mapping[str, Any], authentication: str) -> str:
    """Parameters, body and Accept of one operation, filled with its examples, and a place for the answer."""
    name = operation["operationId"]
    called = f"{method.upper()} {escape(path)}"
    is_open = operation.get("security") == []
    fields = [_parameter(name, parameter) for parameter in operation.get("parameters", [])]
    fields += [_body(name, operation), _accept(name, operation)]
    note = f"<p>{_NOTES[name]}</p>" if name in _NOTES else ""
    if authentication == _SIGNED and not is_open:
        sender = "<p>Requests are signed with AWS credentials, which belong in no page: copy the line.</p>"
    else:
        sender = f'<button aria-label="Send {called}">Send</button>'
    return (
        f'<details class="try" hidden><summary>Try it</summary><form aria-label="Try {called}" autocomplete="off" '
        f'data-method="{method.upper()}" data-path="{escape(path)}"{" data-open" if is_open else ""}>'
        f'{"".join(fields)}{note}{sender}<p role="status"></p></form><div class="answer"></div></details>'
    )


def _parameter(operation: str, parameter: Mapping[str, Any]) -> str:
    name, schema = parameter["name"], parameter["schema"]
    identifier = f"{operation}-{name}"
    attributes = f'id="{identifier}" name="{name}" data-in="{parameter["in"]}"'
    if "enum" in schema:
        options = "".join(f"<option>{escape(value)}</option>" for value in schema["enum"])
        field = f'<select {attributes}><option value="">not sent</option>{options}</select>'
    else:
        # What may be left out is: it would be sent with every request.
        filled = f' required value="{escape(parameter["example"])}"' if parameter.get("required") else ""
        # The browser refuses to send a header with other characters, and does not say why.
        pattern = f' pattern="{escape(schema["pattern"])}"' if "pattern" in schema else ""
        about = escape(parameter["description"].replace("`", ""))
        field = f'<input {attributes}{filled}{pattern} title="{about}" spellcheck="false">'
    return f'<p><label for="{identifier}">{name}</label> {field}</p>'


def _body(operation: str, described: Mapping[str, Any]) -> str:
    bodies = list(curl.bodies(described))
    if not bodies:
        return ""
    options, takes_file = "", any(example is None for _, _, example in bodies)
    for kind, summary, example in bodies:
        filled = "" if example is None else f' data-example="{escape(curl.written(example))}"'
        options += f'<option value="{kind}"{filled}>{kind}: {escape(summary)}</option>'
    chosen = (
        f'<p><label for="{operation}-body">body</label> '
        f'<select id="{operation}-body" name="body">{options}</select></p>'
    )
    file = (
        f'<p><label for="{operation}-file">file</label> '
        f'<input id="{operation}-file" name="file" type="file"> '
        '<button type="button" class="drawn">Take a drawn radiograph</button></p>'
    )
    text = (
        f'<p hidden><label for="{operation}-json">JSON</label> '
        f'<textarea id="{operation}-json" name="json" rows="4" spellcheck="false"></textarea></p>'
    )
    return chosen + (file if takes_file else "") + text


def _accept(operation: str, described: Mapping[str, Any]) -> str:
    kinds = next(iter(described["responses"].values()))["content"]
    if len(kinds) < 2:
        return ""
    # Of several parts each is of the type that RFC 2387 wants named.
    named = {"multipart/related": 'multipart/related; type="application/dicom"'}
    first, *others = [escape(named.get(kind, kind)) for kind in kinds]
    options = "".join(f"<option>{kind}</option>" for kind in others)
    return (
        f'<p><label for="{operation}-accept">Accept</label> <select id="{operation}-accept" name="accept">'
        f'<option value="">not sent: {first}</option>{options}</select></p>'
    )
