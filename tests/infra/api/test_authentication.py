"""Right to call: a key, a signature or a token is needed, and the authorizer of tokens may do nothing but log."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from openapi.operations import OPERATIONS
from tests.infra.api.api_methods import methods
from tests.infra.conftest import ENVIRONMENTS, of_type
from tests.infra.test_policies import listed


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global Match, Template
    from aws_cdk.assertions import Match, Template


Templates = Callable[[str], dict[str, dict[str, Any]]]
Synthesise = Callable[[dict[str, Any]], dict[str, Any]]


def guarded(template: dict[str, Any], **wanted: Any) -> set[tuple[str, str]]:
    """Methods with these properties."""
    return {key for key, method in methods(template).items() if {name: method.get(name) for name in wanted} == wanted}


LEAVE = {(one.method.upper(), one.path) for one in OPERATIONS if one.security != "none"}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_by_default_what_takes_leave_needs_a_key(environment: str, templates: Templates) -> None:
    assert guarded(templates(environment)["api"], ApiKeyRequired=True) == LEAVE


def authenticated(context: dict[str, Any], synthesise: Synthesise, **authentication: Any) -> dict[str, Any]:
    context["environments"]["dev"]["api"] = {"authentication": authentication}
    return synthesise(context)["api"]


def test_iam_principals_sign_what_takes_leave(context: dict[str, Any], synthesise: Synthesise) -> None:
    template = authenticated(context, synthesise, kind="iam")
    assert guarded(template, AuthorizationType="AWS_IAM") == LEAVE
    assert not of_type(template, "AWS::ApiGateway::ApiKey")
    assert "ApiKeyId" not in template["Outputs"]
    # A request without a signature is no missing path.
    (response,) = (
        item["Properties"]
        for item in of_type(template, "AWS::ApiGateway::GatewayResponse").values()
        if item["Properties"]["ResponseType"] == "MISSING_AUTHENTICATION_TOKEN"
    )
    assert response["StatusCode"] == "403"


JWT = {"kind": "jwt", "issuer": "https://issuer.example/pool", "audience": "cxr", "scope_prefix": "cxr/"}


def test_holders_of_tokens_pass_the_authorizer(context: dict[str, Any], synthesise: Synthesise) -> None:
    template = authenticated(context, synthesise, **JWT)
    assert guarded(template, AuthorizationType="CUSTOM") == LEAVE
    ((name, authorizer),) = of_type(template, "AWS::ApiGateway::Authorizer").items()
    assert {method["AuthorizerId"]["Ref"] for method in methods(template).values() if "AuthorizerId" in method} == {
        name
    }
    properties = authorizer["Properties"]
    assert properties["Type"] == "TOKEN"
    assert properties["AuthorizerResultTtlInSeconds"] <= 300
    assert re.fullmatch(properties["IdentityValidationExpression"], "Bearer aa.bb-_.cc")
    assert not re.fullmatch(properties["IdentityValidationExpression"], "Bearer aa.bb")
    Template.from_json(template).has_resource_properties(
        "AWS::Lambda::Function",
        {
            "Handler": "lambdas.authorizer.handler.handle",
            "Environment": {
                "Variables": Match.object_like({"ISSUER": JWT["issuer"], "AUDIENCE": "cxr", "SCOPE_PREFIX": "cxr/"})
            },
        },
    )
    assert not of_type(template, "AWS::ApiGateway::ApiKey")


def test_the_authorizer_may_do_nothing_but_log(context: dict[str, Any], synthesise: Synthesise) -> None:
    template = authenticated(context, synthesise, **JWT)
    allowed = {
        action
        for name, policy in of_type(template, "AWS::IAM::Policy").items()
        if "Authentication" in name
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        for action in listed(statement["Action"])
    }
    assert {action.partition(":")[0] for action in allowed} == {"logs", "xray"}


def test_without_tokens_there_is_no_authorizer(templates: Templates) -> None:
    assert not of_type(templates("dev")["api"], "AWS::ApiGateway::Authorizer")


def test_people_sign_in_at_the_page_as_the_settings_say(context: dict[str, Any], synthesise: Synthesise) -> None:
    endpoints = {name: f"https://login.example/oauth2/{name}" for name in ("authorization_endpoint", "token_endpoint")}
    template = authenticated(context, synthesise, **JWT, sign_in={"client_id": "the-page", **endpoints})
    (front,) = (
        function["Properties"]["Environment"]["Variables"]
        for function in of_type(template, "AWS::Lambda::Function").values()
        if function["Properties"].get("Handler") == "lambdas.site.handler.handle"
    )
    expected = {"client_id": "the-page", **endpoints, "scope": "cxr/predict cxr/upload cxr/feedback"}
    assert json.loads(front["SIGN_IN"]) == expected
