"""The asynchronous endpoint has no instance while nothing waits, and its answers are encrypted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.infra.conftest import of_type
from tests.infra.endpoint.endpoint_template import named

Templates = Callable[[str], dict[str, dict[str, Any]]]


def test_an_asynchronous_endpoint_has_no_instance_while_nothing_waits(templates: Templates) -> None:
    template = templates("prod")["endpoint"]
    target = named(template, "AWS::ApplicationAutoScaling::ScalableTarget", "AsyncEndpoint")
    assert (target["ResourceId"], target["MinCapacity"]) == ("endpoint/cxr-prod-async/variant/AllTraffic", 0)
    policies = {
        policy["Properties"]["PolicyType"]: policy["Properties"]
        for name, policy in of_type(template, "AWS::ApplicationAutoScaling::ScalingPolicy").items()
        if name.startswith("AsyncEndpoint")
    }
    tracking = policies["TargetTrackingScaling"]["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["CustomizedMetricSpecification"]["MetricName"] == "ApproximateBacklogSizePerInstance"
    steps = policies["StepScaling"]["StepScalingPolicyConfiguration"]
    assert steps["AdjustmentType"] == "ChangeInCapacity"
    assert steps["StepAdjustments"] == [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}]
    waiting = named(template, "AWS::CloudWatch::Alarm", "AsyncEndpointScalingWaiting")
    assert (waiting["MetricName"], waiting["Threshold"]) == ("HasBacklogWithoutCapacity", 1)
    (action,) = waiting["AlarmActions"]
    assert action["Fn::GetAtt"][0].startswith("AsyncEndpointScalingFromZero")


def test_asynchronous_answers_are_encrypted_and_told_without_the_answer(templates: Templates) -> None:
    config = named(templates("prod")["endpoint"], "AWS::SageMaker::EndpointConfig", "AsyncEndpoint")
    output = config["AsyncInferenceConfig"]["OutputConfig"]
    assert output["S3OutputPath"]["Fn::Join"][1][-1] == "/batches/answers"
    assert output["S3FailurePath"]["Fn::Join"][1][-1] == "/batches/failures"
    assert output["KmsKeyId"]
    assert set(output["NotificationConfig"]) == {"SuccessTopic", "ErrorTopic"}, "no probability in a notification"
    topics = of_type(templates("prod")["release"], "AWS::SNS::Topic").values()
    names = {topic["Properties"]["TopicName"] for topic in topics}
    assert names == {arn["Fn::Join"][1][-1].lstrip(":") for arn in output["NotificationConfig"].values()}


def test_a_quiet_asynchronous_endpoint_can_be_released_to(templates: Templates) -> None:
    """An update that keeps an instance count of zero might be refused; a realtime endpoint never has none."""
    template = templates("prod")["endpoint"]
    assert "RetainAllVariantProperties" not in named(template, "AWS::SageMaker::Endpoint", "AsyncEndpoint")
    config = named(template, "AWS::SageMaker::EndpointConfig", "AsyncEndpoint")
    assert config["ProductionVariants"][0]["InitialInstanceCount"] == 1


@pytest.mark.parametrize("environment", ["dev", "laptop"])
def test_there_is_no_asynchronous_endpoint_where_settings_name_none(environment: str, templates: Templates) -> None:
    template = templates(environment)["endpoint"]
    assert len(of_type(template, "AWS::SageMaker::Endpoint")) == 1
    assert not of_type(templates(environment)["release"], "AWS::SNS::Topic")
