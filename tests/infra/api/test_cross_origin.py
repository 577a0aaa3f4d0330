"""Pages of other origins call the API only where settings name them; its own page may upload."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from policy.template import text
from tests.infra.conftest import ENVIRONMENTS, of_type

Templates = Callable[[str], dict[str, dict[str, Any]]]
Synthesise = Callable[[dict[str, Any]], dict[str, Any]]
READER = "https://reader.example"


def with_origins(context: dict[str, Any], synthesise: Synthesise, *origins: str) -> dict[str, dict[str, Any]]:
    context["environments"]["dev"]["api"] = {"allowed_origins": list(origins)}
    return synthesise(context)


def test_no_page_of_another_origin_calls_by_default(templates: Templates) -> None:
    assert "Access-Control" not in json.dumps(templates("prod")["api"])


def form_origins(template: dict[str, Any]) -> list[Any]:
    """Origins whose pages may read S3's answer to a form, by the only CORS rule there is."""
    (rule,) = [
        rule
        for bucket in of_type(template, "AWS::S3::Bucket").values()
        for rule in bucket["Properties"].get("CorsConfiguration", {}).get("CorsRules", [])
    ]
    assert rule["AllowedMethods"] == ["POST"]
    return [text(origin) for origin in rule["AllowedOrigins"]]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_apis_own_page_may_upload(environment: str, templates: Templates) -> None:
    """The page is of API Gateway's origin and its uploads go to S3's: without the rule every browser refuses those."""
    template = templates(environment)["data"]
    origins = form_origins(template)
    assert origins[0] == "https://*.execute-api.us-east-1.amazonaws.com"
    assert "*" not in origins
    buckets = of_type(template, "AWS::S3::Bucket")
    (taking,) = (name for name, bucket in buckets.items() if "CorsConfiguration" in bucket["Properties"])
    assert taking.startswith("Data"), "nothing is posted to the others"


def test_the_page_may_upload_from_a_domain_of_its_own(context: dict[str, Any], synthesise: Synthesise) -> None:
    domain = "https://cxr.hospital.example"
    context["environments"]["dev"]["api"] = {"page_origins": [domain]}
    parts = synthesise(context)
    assert form_origins(parts["data"]) == ["https://*.execute-api.us-east-1.amazonaws.com", domain]
    assert "Access-Control" not in json.dumps(parts["api"]), "its own API is of the same origin"


@pytest.mark.parametrize(
    ("origins", "echoed"),
    [((READER,), f"'{READER}'"), ((READER, "https://other.example"), "method.request.header.Origin")],
)
def test_pages_of_allowed_origins_may_call_upload_and_read_errors(
    origins: tuple[str, ...], echoed: str, context: dict[str, Any], synthesise: Synthesise
) -> None:
    parts = with_origins(context, synthesise, *origins)
    for response in of_type(parts["api"], "AWS::ApiGateway::GatewayResponse").values():
        headers = response["Properties"]["ResponseParameters"]
        assert headers["gatewayresponse.header.Access-Control-Allow-Origin"] == echoed
    told = [
        function["Properties"]["Environment"]["Variables"].get("ALLOWED_ORIGINS")
        for function in of_type(parts["api"], "AWS::Lambda::Function").values()
        if function["Properties"]["Handler"].startswith(("lambdas.api", "lambdas.predict", "lambdas.site"))
    ]
    assert told == [" ".join(origins)] * 6
    assert form_origins(parts["data"])[1:] == list(origins)
