"""The description is served as a document and as a page of its own; wrong paths and methods are told apart."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import pytest

from lambdas.http.answers import Answers, origins
from lambdas.site import handler, page
from lambdas.site.handler import Site
from openapi.document import SECURITY_SCHEMES
from tests.lambdas.rest_events import REQUEST_ID, event, problem

DOCUMENT = json.loads((Path(handler.__file__).parent / "openapi.json").read_text(encoding="utf-8"))
READER = "https://reader.example"


def site(authentication="api_key", allowed=READER):
    return Site(DOCUMENT, authentication=authentication, answers=Answers(origins(allowed)), max_image_bytes=1_234_567)


def ask(method="GET", path="/docs", resource=None, **headers):
    return site().answer(event(method, resource or path, headers=headers) | {"path": path})


@pytest.mark.parametrize("authentication", SECURITY_SCHEMES)
def test_the_document_says_how_this_deployment_authenticates(authentication):
    answer = site(authentication).answer(event("GET", "/openapi.json"))
    document = json.loads(answer["body"])
    assert answer["headers"]["Content-Type"] == "application/json"
    assert document["security"] == [{authentication: []}]
    assert list(document["components"]["securitySchemes"]) == [authentication]
    assert document["paths"] == DOCUMENT["paths"]


def test_a_way_to_authenticate_that_is_not_described_stops_the_function():
    with pytest.raises(KeyError):
        site("basic")


class Elements(HTMLParser):
    """Start tags with their attributes, and the text of style elements."""

    def __init__(self):
        super().__init__()
        self.tags, self.styles, self._in_style = [], [], False

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._in_style = tag == "style"

    def handle_data(self, data):
        if self._in_style:
            self.styles.append(data)

    def handle_endtag(self, tag):
        self._in_style = False


@pytest.fixture
def elements():
    parser = Elements()
    parser.feed(ask()["body"])
    return parser


def test_the_page_loads_its_script_and_nothing_else(elements):
    names = {tag for tag, _ in elements.tags}
    assert not names & {"link", "img", "iframe", "object", "embed", "base"}
    loaded = [(tag, attributes["src"]) for tag, attributes in elements.tags if "src" in attributes]
    assert loaded == [("script", "try.js")]
    assert sum(tag == "script" for tag, _ in elements.tags) == 1
    for tag, attributes in elements.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "action")], tag
        assert re.fullmatch(r"#\w+|openapi\.json", attributes.get("href", "#x")), tag


def test_without_its_script_no_form_and_no_button_is_seen(elements):
    """Forms lie in what is hidden; a button to copy is hidden itself."""
    (access,) = [attributes for _, attributes in elements.tags if attributes.get("id") == "access"]
    tried = [attributes for tag, attributes in elements.tags if attributes.get("class") == "try"]
    operations = [one for methods in DOCUMENT["paths"].values() for one in methods.values()]
    assert len(tried) == sum(tag == "form" for tag, _ in elements.tags) == len(operations)
    assert all("hidden" in attributes for attributes in [access, *tried])
    outside = re.sub(r"<details class=\"try\".*?</form>", "", ask()["body"], flags=re.DOTALL)
    assert all("hidden>" in button for button in re.findall(r"<button[^>]*>", outside))


def test_its_policy_allows_its_own_style_sheet_its_scripts_and_its_api(elements):
    headers = ask()["headers"]
    (style,) = elements.styles
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["style-src"] == f"'sha256-{digest}'"
    del policy["style-src"]
    assert policy == {
        **dict.fromkeys(("default-src", "base-uri", "form-action", "frame-ancestors"), "'none'"),
        **dict.fromkeys(("script-src", "connect-src"), "'self'"),
    }


def test_the_page_names_every_operation_document_and_the_notice(elements):
    body = ask()["body"]
    for path, methods in DOCUMENT["paths"].items():
        for method in methods:
            assert f"<code>{method.upper()} {path}</code>" in body
    identifiers = {attributes["id"] for _, attributes in elements.tags if "id" in attributes}
    assert set(DOCUMENT["components"]["schemas"]) <= identifiers
    targets = {attributes["href"][1:] for _, attributes in elements.tags if attributes.get("href", "").startswith("#")}
    assert targets <= identifiers, "no link leads nowhere"
    assert "Not a medical device" in body


def test_what_the_document_says_is_text_on_the_page():
    shown = page.render(
        {
            "info": {"title": "<script>alert(1)</script>", "description": "`<b>`"},
            "tags": [],
            "paths": {},
            "components": {"schemas": {}, "securitySchemes": {"api_key": {"name": "x-api-key"}}},
        }
    )
    assert "<script>" not in shown
    assert "&lt;script&gt;alert(1)" in shown
    assert "<code>&lt;b&gt;</code>" in shown


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
def test_what_has_not_changed_is_not_sent_again(path):
    first = ask(path=path)
    tag = first["headers"]["ETag"]
    assert first["headers"]["Cache-Control"] == "public, max-age=300"
    for sent in (tag, f'"other", W/{tag}'):
        again = ask(path=path, **{"If-None-Match": sent})
        assert (again["statusCode"], again["body"], again["headers"]["ETag"]) == (304, "", tag)
    assert ask(path=path, **{"If-None-Match": '"other"'})["statusCode"] == 200


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/page.js"])
def test_head_says_of_a_page_what_get_does_without_it(path):
    page = ask(path=path)
    assert page["body"]
    assert ask("HEAD", path, "/{proxy+}") == page | {"body": ""}
    assert ask("HEAD", path, **{"If-None-Match": page["headers"]["ETag"]})["statusCode"] == 304


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/predictions", "POST, OPTIONS"),
        ("DELETE", "/v1/predictions/6a0fda63-0000", "GET, OPTIONS"),
        ("GET", "/v1/predictions/6a0fda63-0000/feedback", "POST, OPTIONS"),
        ("PUT", "/v1/health", "GET, OPTIONS"),
        ("HEAD", "/v1/health", "GET, OPTIONS"),
        ("POST", "/docs", "GET, HEAD, OPTIONS"),
        ("DELETE", "/", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_method_that_a_path_does_not_take(method, path, allowed):
    answer = ask(method, path, "/{proxy+}")
    problem(answer, 405, "method_not_allowed")
    assert answer["headers"]["Allow"] == allowed


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("path", ["/v1", "/v2/predictions", "/v1/predictions/a/b/c", "/openapiXjson", "/docs/x"])
def test_a_path_that_is_not_there(method, path):
    problem(ask(method, path, "/{proxy+}"), 404, "not_found")


def test_a_browser_is_told_what_an_allowed_page_may_send():
    answer = ask("OPTIONS", "/v1/predictions", "/{proxy+}", Origin=READER)
    headers = answer["headers"]
    assert (answer["statusCode"], answer["body"]) == (204, "")
    assert headers["Access-Control-Allow-Origin"] == READER
    assert headers["Access-Control-Allow-Methods"] == "POST, OPTIONS"
    sent = {name.strip() for name in headers["Access-Control-Allow-Headers"].split(",")}
    assert {"x-api-key", "authorization", "content-type", "idempotency-key", "x-amz-date"} <= sent


@pytest.mark.parametrize("origin", ["https://evil.example", None])
def test_another_page_may_send_nothing(origin):
    headers = ask("OPTIONS", "/v1/predictions", "/{proxy+}", **({"Origin": origin} if origin else {}))["headers"]
    assert not [name for name in headers if name.startswith("Access-Control")]


def test_every_answer_names_its_request(capsys):
    assert ask()["headers"]["x-request-id"] == REQUEST_ID
    assert json.loads(capsys.readouterr().out)["request_id"] == REQUEST_ID


def test_the_function_as_lambda_calls_it(load_handler, context):
    _, handle = load_handler("lambdas.site.handler.handle", AUTHENTICATION="jwt", ALLOWED_ORIGINS="")
    assert json.loads(handle(event("GET", "/openapi.json"), context)["body"])["security"] == [{"jwt": []}]


def test_the_page_knows_the_largest_image_that_the_api_takes():
    """A limit of its own would send to the bucket what the API takes, or to the API what it refuses."""
    parser = Elements()
    parser.feed(ask(path="/")["body"])
    (html,) = [attributes for tag, attributes in parser.tags if tag == "html"]
    assert html["data-max-image-bytes"] == "1234567"
    script = ask(path="/api.js", resource="/{proxy+}")["body"]
    assert "SETTINGS.maxImageBytes" in script
    assert not re.search(r"\d_000_000", script)


@pytest.mark.parametrize("authentication", SECURITY_SCHEMES)
def test_the_page_knows_how_this_deployment_authenticates(authentication):
    parser = Elements()
    parser.feed(site(authentication).answer(event("GET", "/") | {"path": "/"})["body"])
    (html,) = [attributes for tag, attributes in parser.tags if tag == "html"]
    assert html["data-authentication"] == authentication


def test_every_part_of_the_page_is_served_small_and_names_nobody_else():
    """Scripts are read by people too; what is vendored is as its makers sent it."""
    static = Path(handler.__file__).parent / "static"
    for path in sorted(path for path in static.rglob("*") if path.is_file() and path.name != "index.html"):
        name = path.relative_to(static).as_posix()
        part = ask(path=f"/{name}", resource="/{proxy+}")
        assert part["statusCode"] == 200, name
        assert part["headers"]["X-Content-Type-Options"] == "nosniff"
        if path.parent == static:
            assert len(part["body"].splitlines()) <= 400, name
            # The name of a format's namespace is no address, and nobody asks there.
            named = part["body"].replace("http://schemas.openxmlformats.org/", "")
            assert "://" not in named, f"{name} asks somebody else"


def test_the_page_comes_in_parts_of_its_own_and_loads_nothing_else():
    answer = ask(path="/")
    assert answer["headers"]["Content-Type"] == "text/html; charset=utf-8"
    parser = Elements()
    parser.feed(answer["body"])
    named = [attributes.get("src") or attributes.get("href") for _, attributes in parser.tags]
    assert set(filter(None, named)) == {"data:,", "page.css", "page.js", "docs", "openapi.json"}
    assert not [
        name for _, attributes in parser.tags for name in attributes if name.startswith("on") or name == "style"
    ]
    assert "Not a medical device" in answer["body"]
    for path, content_type in (("/page.css", "text/css"), ("/page.js", "text/javascript")):
        part = ask(path=path, resource="/{proxy+}")
        assert (part["statusCode"], part["headers"]["Content-Type"]) == (200, f"{content_type}; charset=utf-8")


def test_the_pages_policy_allows_its_own_parts_and_the_upload_alone():
    policy = ask(path="/")["headers"]["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "connect-src 'self';" in policy
    bucket = "https://bucket.s3.eu-west-1.amazonaws.com"
    allowed = Site(DOCUMENT, authentication="api_key", answers=Answers(), max_image_bytes=1, upload_origin=bucket)
    answer = allowed.answer(event("GET", "/") | {"path": "/"})
    assert f"connect-src 'self' {bucket};" in answer["headers"]["Content-Security-Policy"]


def test_where_people_sign_in_the_policy_allows_the_issuer_that_gives_tokens():
    sign_in = json.dumps({"client_id": 'a"b', "token_endpoint": "https://login.example/oauth2/token"})
    answer = Site(DOCUMENT, authentication="jwt", answers=Answers(), max_image_bytes=1, sign_in=sign_in).answer(
        event("GET", "/") | {"path": "/"}
    )
    assert "connect-src 'self' https://login.example;" in answer["headers"]["Content-Security-Policy"]
    parser = Elements()
    parser.feed(answer["body"])
    (html,) = [attributes for tag, attributes in parser.tags if tag == "html"]
    assert html["data-sign-in"] == sign_in


def test_the_page_is_a_folder_to_its_parts():
    request = event("GET", "/") | {"path": "/"}
    request["requestContext"]["path"] = "/api"
    answer = site().answer(request)
    assert (answer["statusCode"], answer["headers"]["Location"]) == (308, "/api/")
    request["requestContext"]["path"] = "/api/"
    assert site().answer(request)["statusCode"] == 200


@pytest.mark.parametrize(("resource", "base"), [("/docs", "/api"), ("/docs", ""), ("/{proxy+}", "/api")])
def test_docs_with_a_slash_behind_it_is_the_page_without(resource, base):
    """Below /docs/ there is neither its script nor the API that it asks."""
    request = event("GET", resource) | {"path": "/docs/"}
    request["requestContext"]["path"] = f"{base}/docs/"
    answer = site().answer(request)
    place = urljoin(f"https://api.example{base}/docs/", answer["headers"]["Location"])
    assert (answer["statusCode"], place) == (308, f"https://api.example{base}/docs")
    request["requestContext"]["path"] = f"{base}/docs"
    assert site().answer(request)["statusCode"] == 200
