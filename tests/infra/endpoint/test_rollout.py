"""Blue/green rollout: canary or linear traffic as settings say, and auto-rollback alarms in the metrics' units."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.infra.conftest import REPOSITORY, of_type
from tests.infra.endpoint.endpoint_template import api_endpoint, changed, rollback_alarms


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global Template
    from aws_cdk.assertions import Template


Templates = Callable[[str], dict[str, dict[str, Any]]]
Synthesise = Callable[[dict[str, Any]], dict[str, dict[str, Any]]]


def deployment(template: dict[str, Any]) -> dict[str, Any]:
    configured: dict[str, Any] = api_endpoint(template)["DeploymentConfig"]
    return configured


def test_prod_tries_a_model_on_half_of_its_instances_first(templates: Templates, context: dict[str, Any]) -> None:
    template = templates("prod")["endpoint"]
    configured = deployment(template)
    routing = configured["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
    assert routing["Type"] == "CANARY"
    assert routing["CanarySize"] == {"Type": "CAPACITY_PERCENT", "Value": 50}
    alarms = [alarm["AlarmName"] for alarm in configured["AutoRollbackConfiguration"]["Alarms"]]
    assert alarms == [alarm["AlarmName"] for alarm in rollback_alarms(template).values()]
    assert len(alarms) == 3


def test_a_model_that_fails_can_be_replaced(templates: Templates) -> None:
    """SageMaker ends a deployment when the instances that serve already set an alarm off: the alarms are of the new
    configuration alone, and others with each, so that none begins with what an earlier one was like."""
    template = templates("prod")["endpoint"]
    configuration = api_endpoint(template)["EndpointConfigName"]
    found = rollback_alarms(template)
    for alarm in found.values():
        assert {"Name": "EndpointConfigName", "Value": configuration} in alarm["Dimensions"]
        assert alarm["AlarmName"]["Fn::Join"][1][-1] == configuration
    (endpoint,) = (
        one
        for one in of_type(template, "AWS::SageMaker::Endpoint").values()
        if one["Properties"]["EndpointName"] == "cxr-prod"
    )
    assert set(found) <= set(endpoint["DependsOn"]), "SageMaker refuses to name an alarm that is not there"
    assert of_type(templates("prod")["release"], "AWS::CloudWatch::Alarm") == {}


def test_the_documented_way_out_of_a_failed_rollback_names_the_endpoint(templates: Templates) -> None:
    """CloudFormation skips resources by their logical ids, and refuses others."""
    text = (REPOSITORY / "docs" / "releases.md").read_text(encoding="utf-8")
    (named,) = re.findall(r"--resources-to-skip (\S+)", text)
    resource = templates("prod")["endpoint"]["Resources"][named]
    assert resource["Type"] == "AWS::SageMaker::Endpoint"
    assert resource["Properties"]["EndpointName"] == "cxr-prod"


def test_the_model_s_role_may_look_at_the_alarms(templates: Templates) -> None:
    looks = [
        statement
        for policy in of_type(templates("prod")["release"], "AWS::IAM::Policy").values()
        if any(role["Ref"].startswith("EndpointRole") for role in policy["Properties"]["Roles"])
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Action"] == "cloudwatch:DescribeAlarms"
    ]
    assert [statement["Resource"]["Fn::Join"][1][-1] for statement in looks] == [":alarm:cxr-prod-rollback-*"]
    for alarm in rollback_alarms(templates("prod")["endpoint"]).values():
        assert alarm["AlarmName"]["Fn::Join"][1][0].startswith("cxr-prod-rollback-")


def test_traffic_moves_in_equal_steps_where_settings_say_so(context: dict[str, Any], synthesise: Synthesise) -> None:
    rollout = context["environments"]["prod"]["endpoint"]["rollout"]
    linear = {**rollout, "traffic": "linear", "percent": 25, "wait_seconds": 300}
    policy = deployment(synthesise(changed(context, "prod", rollout=linear))["endpoint"])["BlueGreenUpdatePolicy"]
    assert policy["TrafficRoutingConfiguration"] == {
        "Type": "LINEAR",
        "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 25},
        "WaitIntervalInSeconds": 300,
    }
    assert policy["MaximumExecutionTimeoutInSeconds"] == 3 * 300 + 300 + 3600, "three waits between four steps"


def test_latencies_are_alarmed_in_microseconds(templates: Templates, context: dict[str, Any]) -> None:
    """SageMaker's latencies are in microseconds: a limit in milliseconds would roll every release back."""
    limits = context["environments"]["prod"]["endpoint"]["rollout"]
    template = Template.from_json(templates("prod")["endpoint"])
    dimensions = [{"Name": "EndpointName", "Value": "cxr-prod"}, {"Name": "VariantName", "Value": "AllTraffic"}]
    dimensions.append(
        {"Name": "EndpointConfigName", "Value": api_endpoint(templates("prod")["endpoint"])["EndpointConfigName"]}
    )
    for metric, limit_ms in (
        ("ModelLatency", limits["max_latency_ms"]),
        ("OverheadLatency", limits["max_overhead_ms"]),
    ):
        template.has_resource_properties(
            "AWS::CloudWatch::Alarm",
            {"MetricName": metric, "Threshold": limit_ms * 1000, "Dimensions": dimensions, "ExtendedStatistic": "p90"},
        )


def test_errors_are_alarmed_as_a_share_of_the_requests(templates: Templates, context: dict[str, Any]) -> None:
    """An image that cannot be decoded is an error of the container too: one client must not roll a release back."""
    percent = context["environments"]["prod"]["endpoint"]["rollout"]["max_error_percent"]
    Template.from_json(templates("prod")["endpoint"]).has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {"MetricName": "Invocation5XXErrors", "Statistic": "Average", "Threshold": percent / 100},
    )


def test_an_endpoint_nobody_asks_is_not_alarming(templates: Templates) -> None:
    for alarm in rollback_alarms(templates("prod")["endpoint"]).values():
        assert alarm["TreatMissingData"] == "notBreaching"
