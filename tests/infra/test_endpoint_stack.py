"""The stack deploys without a model, a release touches three types of resources, and alarms take it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk.assertions import Match, Template

from lambdas.release.stack import PARAMETER, RESOURCE_TYPES

from .conftest import ENVIRONMENTS, of_type

RELEASED = {"AWS::SageMaker::Model", "AWS::SageMaker::EndpointConfig", "AWS::SageMaker::Endpoint"}
Templates = Callable[[str], dict[str, dict[str, Any]]]


def statements(template: dict[str, Any], role: str) -> list[dict[str, Any]]:
    return [
        statement
        for policy in of_type(template, "AWS::IAM::Policy").values()
        if any(attached["Ref"].startswith(role) for attached in policy["Properties"]["Roles"])
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_exactly_what_a_release_may_touch_waits_for_a_model(environment: str, templates: Templates) -> None:
    """A fourth conditional type would be created by a release, which may not create it: every release would fail."""
    template = templates(environment)["endpoint"]
    conditional = {resource["Type"] for resource in template["Resources"].values() if "Condition" in resource}

    assert conditional == RELEASED == set(RESOURCE_TYPES)
    assert template["Parameters"][PARAMETER]["Default"] == ""
    assert template["Conditions"]["HasModel"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": PARAMETER}, ""]}]}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_release_is_the_only_parameter(environment: str, templates: Templates) -> None:
    """A parameter that CloudFormation resolves itself, such as the bootstrap version, needs rights a release lacks."""
    for part, template in templates(environment).items():
        assert set(template.get("Parameters", {})) == ({PARAMETER} if part == "endpoint" else set()), part
        assert "Rules" not in template, part


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_outputs_do_not_depend_on_a_model(environment: str, templates: Templates) -> None:
    outputs = templates(environment)["endpoint"]["Outputs"]
    assert outputs["EndpointName"]["Value"] == f"cxr-{environment}"
    assert not any("Condition" in output for output in outputs.values())


def test_an_answer_names_the_package_that_gave_it(templates: Templates) -> None:
    Template.from_json(templates("dev")["endpoint"]).has_resource_properties(
        "AWS::SageMaker::Model",
        {
            "PrimaryContainer": {
                "ModelPackageName": {"Ref": PARAMETER},
                "Environment": {"MODEL_PACKAGE_ARN": {"Ref": PARAMETER}},
            }
        },
    )


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_only_the_endpoint_has_a_fixed_name(environment: str, templates: Templates) -> None:
    """A new model needs a new Model and EndpointConfig beside the old ones, which a fixed name would prevent."""
    template = templates(environment)["endpoint"]
    (model,) = of_type(template, "AWS::SageMaker::Model").values()
    (configuration,) = of_type(template, "AWS::SageMaker::EndpointConfig").values()
    assert "ModelName" not in model["Properties"]
    assert "EndpointConfigName" not in configuration["Properties"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_release_may_update_this_stack_and_these_types_only(environment: str, templates: Templates) -> None:
    template = templates(environment)["endpoint"]
    updates = [
        statement for statement in statements(template, "ReleaseRole") if "UpdateStack" in str(statement["Action"])
    ]
    assert len(updates) == 1
    update = updates[0]
    assert update["Action"] == "cloudformation:UpdateStack"
    assert update["Resource"]["Fn::Join"][1][-1] == f":stack/cxr-{environment}-endpoint/*"
    assert set(update["Condition"]["ForAllValues:StringEquals"]["cloudformation:ResourceTypes"]) == RELEASED
    # Without this, a request that names no types would satisfy "all of its types".
    assert update["Condition"]["Null"]["cloudformation:ResourceTypes"] == "false"
    allowed = {action for statement in statements(template, "ReleaseRole") for action in _listed(statement["Action"])}
    assert not {action for action in allowed if action.startswith(("iam:", "sagemaker:Create", "sagemaker:Update"))}


def test_both_decisions_reach_the_release_function(templates: Templates) -> None:
    Template.from_json(templates("dev")["endpoint"]).has_resource_properties(
        "AWS::Events::Rule",
        {
            "EventPattern": {
                "source": ["aws.sagemaker"],
                "detail-type": ["SageMaker Model Package State Change"],
                "detail": {"ModelPackageGroupName": ["cxr-dev"], "ModelApprovalStatus": ["Approved", "Rejected"]},
            }
        },
    )


def test_dev_pays_for_no_idle_instance(templates: Templates) -> None:
    template = Template.from_json(templates("dev")["endpoint"])
    template.has_resource_properties(
        "AWS::SageMaker::EndpointConfig",
        {
            "ProductionVariants": [
                Match.object_like({"ServerlessConfig": {"MemorySizeInMB": 3072, "MaxConcurrency": 5}})
            ]
        },
    )
    # A serverless endpoint takes no deployment policy, so nothing would look at the alarms.
    template.has_resource_properties("AWS::SageMaker::Endpoint", {"DeploymentConfig": Match.absent()})
    template.resource_count_is("AWS::CloudWatch::Alarm", 0)


def test_prod_tries_a_model_on_half_of_its_instances_first(templates: Templates, context: dict[str, Any]) -> None:
    template = templates("prod")["endpoint"]
    (endpoint,) = of_type(template, "AWS::SageMaker::Endpoint").values()
    deployment = endpoint["Properties"]["DeploymentConfig"]
    routing = deployment["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
    assert routing["Type"] == "CANARY"
    assert routing["CanarySize"] == {"Type": "CAPACITY_PERCENT", "Value": 50}
    alarms = {alarm["AlarmName"]["Ref"] for alarm in deployment["AutoRollbackConfiguration"]["Alarms"]}
    assert alarms == set(of_type(template, "AWS::CloudWatch::Alarm"))


def test_latency_is_alarmed_in_microseconds(templates: Templates, context: dict[str, Any]) -> None:
    """SageMaker's ModelLatency is in microseconds: a limit in milliseconds would take every release back."""
    limit_ms = context["environments"]["prod"]["endpoint"]["canary"]["max_latency_ms"]
    template = Template.from_json(templates("prod")["endpoint"])
    dimensions = [{"Name": "EndpointName", "Value": "cxr-prod"}, {"Name": "VariantName", "Value": "AllTraffic"}]
    template.has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {"MetricName": "ModelLatency", "Threshold": limit_ms * 1000, "Dimensions": dimensions},
    )
    template.has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {"MetricName": "Invocation5XXErrors", "Statistic": "Sum", "Dimensions": dimensions},
    )


def test_an_endpoint_nobody_asks_is_not_alarming(templates: Templates) -> None:
    for alarm in of_type(templates("prod")["endpoint"], "AWS::CloudWatch::Alarm").values():
        assert alarm["Properties"]["TreatMissingData"] == "notBreaching"


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
