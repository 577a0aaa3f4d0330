"""Images pass as bytes, a key is needed, limits hold, and every error is a problem document."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk.assertions import Match, Template

from infra.problem_responses import FALLBACKS, PROBLEMS
from lambdas.predict.problems import KINDS

from .conftest import ENVIRONMENTS, of_type

Templates = Callable[[str], dict[str, dict[str, Any]]]


def test_images_reach_the_function_as_bytes(templates: Templates) -> None:
    Template.from_json(templates("dev")["api"]).has_resource_properties(
        "AWS::ApiGateway::RestApi", {"BinaryMediaTypes": ["image/jpeg", "image/png"]}
    )


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_prediction_needs_a_key_and_health_does_not(environment: str, templates: Templates) -> None:
    template = templates(environment)["api"]
    paths = {
        name: item["Properties"]["PathPart"] for name, item in of_type(template, "AWS::ApiGateway::Resource").items()
    }
    methods = {
        (method["Properties"]["HttpMethod"], paths[method["Properties"]["ResourceId"]["Ref"]]): method[
            "Properties"
        ].get("ApiKeyRequired", False)
        for method in of_type(template, "AWS::ApiGateway::Method").values()
    }
    assert methods == {("POST", "predictions"): True, ("GET", "health"): False}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_limits_are_those_of_the_settings(environment: str, templates: Templates, context: dict[str, Any]) -> None:
    api = context["shared"]["api"] | context["environments"][environment].get("api", {})
    template = Template.from_json(templates(environment)["api"])
    template.has_resource_properties(
        "AWS::ApiGateway::UsagePlan",
        {
            "Throttle": {"RateLimit": api["requests_per_second"], "BurstLimit": api["burst"]},
            "Quota": {"Limit": api["requests_per_day"], "Period": "DAY"},
        },
    )
    template.has_resource_properties(
        "AWS::Lambda::Function",
        {
            "Environment": {
                "Variables": Match.object_like(
                    {"ENDPOINT_NAME": f"cxr-{environment}", "MAX_IMAGE_BYTES": str(api["max_image_bytes"])}
                )
            }
        },
    )


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_no_log_holds_an_image_or_an_answer(environment: str, templates: Templates) -> None:
    (stage,) = of_type(templates(environment)["api"], "AWS::ApiGateway::Stage").values()
    properties = stage["Properties"]
    assert properties["StageName"] == "api"
    (settings,) = properties["MethodSettings"]
    assert (settings["DataTraceEnabled"], settings["LoggingLevel"]) == (False, "OFF")
    line = json.loads(properties["AccessLogSetting"]["Format"])
    assert line["request_id"] == "$context.requestId"
    assert not [value for value in line.values() if "body" in value or "header" in value or "sourceIp" in value]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_gateway_answers_problems_as_the_function_does(environment: str, templates: Templates) -> None:
    responses = {
        item["Properties"]["ResponseType"]: item["Properties"]
        for item in of_type(templates(environment)["api"], "AWS::ApiGateway::GatewayResponse").values()
    }
    assert set(responses) == set(PROBLEMS) | set(FALLBACKS)
    for name, response in responses.items():
        document = json.loads(response["ResponseTemplates"]["application/json"])
        assert document["request_id"] == "$context.requestId", name
        assert document["type"] == f"urn:problem-type:{document['code']}", name
        assert response["ResponseParameters"]["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
        if "status" in document:
            assert response["StatusCode"] == str(document["status"]), name


def test_a_code_means_the_same_whoever_answers() -> None:
    for status, code, title, _ in PROBLEMS.values():
        if code in KINDS and code != "internal_error":  # the gateway's own failure is a 502
            assert (KINDS[code].status, KINDS[code].title) == (status, title)


def test_only_one_environment_of_an_account_owns_its_log_role(
    context: dict[str, Any], templates: Templates, synthesise: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    assert of_type(templates("dev")["api"], "AWS::ApiGateway::Account")
    context["environments"]["dev"]["api"] = {"owns_account_log_role": False}
    assert not of_type(synthesise(context)["api"], "AWS::ApiGateway::Account")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_outputs_are_what_clients_ask_for(environment: str, templates: Templates) -> None:
    expected = {
        "data": {"DataBucketName", "ArtifactBucketName"},
        "training": {"PipelineName", "ModelPackageGroupName", "NotificationTopicArn", "TriggerFunctionName"},
        "endpoint": {"EndpointName", "ReleaseFunctionName"},
        "api": {"ApiUrl", "ApiKeyId", "PredictFunctionName"},
    }
    for part, template in templates(environment).items():
        assert {name for name in template["Outputs"] if not name.startswith("ExportsOutput")} == expected[part]
    url = templates(environment)["api"]["Outputs"]["ApiUrl"]["Value"]["Fn::Join"][1]
    assert url[-1] == "/"
