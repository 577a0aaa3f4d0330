"""Options of an endpoint are off, are in the template where settings ask for them, and are CloudFormation's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.infra.conftest import ENVIRONMENTS, of_type
from tests.infra.endpoint.endpoint_template import changed, named, rollback_alarms


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global PROVIDER_SCHEMA_MANAGER
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER


Templates = Callable[[str], dict[str, dict[str, Any]]]
Synthesise = Callable[[dict[str, Any]], dict[str, dict[str, Any]]]
OPTIONAL = ("InstancePools", "ProvisionedConcurrency", "EnableEnhancedMetrics", "SnapStart", "AWS::Lambda::Version")


def config(templates: dict[str, dict[str, Any]], start: str = "EndpointConfig") -> dict[str, Any]:
    return named(templates["endpoint"], "AWS::SageMaker::EndpointConfig", start)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_costs_is_off_in_every_environment(environment: str, templates: Templates) -> None:
    text = json.dumps(templates(environment))
    assert [name for name in OPTIONAL if name in text] == []


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_detailed_observability_is_refused_explicitly(environment: str, templates: Templates) -> None:
    """An endpoint configuration that says nothing of it has it."""
    for start in ("EndpointConfig", "AsyncEndpoint"):
        assert config(templates(environment), start)["MetricsConfig"] == {"EnableDetailedObservability": False}


def test_a_serverless_endpoint_says_nothing_of_metrics_that_it_does_not_have(templates: Templates) -> None:
    assert "MetricsConfig" not in config(templates("dev"))


def test_an_instance_type_without_capacity_has_fallbacks(context: dict[str, Any], synthesise: Synthesise) -> None:
    context["environments"]["prod"]["asynchronous"]["fallback_instance_types"] = ["ml.m5.xlarge"]
    fallbacks = ["ml.c5.xlarge", "ml.m5.xlarge"]
    made = synthesise(changed(context, "prod", fallback_instance_types=fallbacks, detailed_observability=True))

    (variant,) = config(made)["ProductionVariants"]
    assert "InstanceType" not in variant, "which instance pools replace"
    assert variant["InstancePools"] == [
        {"InstanceType": "ml.c6i.xlarge", "Priority": 1},
        {"InstanceType": "ml.c5.xlarge", "Priority": 2},
        {"InstanceType": "ml.m5.xlarge", "Priority": 3},
    ]
    assert variant["InitialInstanceCount"] == 2
    (queued,) = config(made, "AsyncEndpoint")["ProductionVariants"]
    assert [pool["InstanceType"] for pool in queued["InstancePools"]] == ["ml.c6i.xlarge", "ml.m5.xlarge"]
    assert config(made)["MetricsConfig"] == {"EnableDetailedObservability": True}


def test_alarms_that_roll_back_may_look_every_ten_seconds(
    context: dict[str, Any], synthesise: Synthesise, templates: Templates
) -> None:
    """An alarm of ten seconds needs metrics of ten seconds, which invocations have with enhanced metrics only."""
    before = rollback_alarms(templates("prod")["endpoint"])
    rollout = {**context["environments"]["prod"]["endpoint"]["rollout"], "alarm_period_seconds": 10}
    made = synthesise(changed(context, "prod", rollout=rollout))

    assert config(made)["MetricsConfig"] == {
        "EnableDetailedObservability": False,
        "EnableEnhancedMetrics": True,
        "MetricPublishFrequencyInSeconds": 10,
    }
    found = list(rollback_alarms(made["endpoint"]).values())
    assert found[:3] == list(before.values()), "whether those of one configuration come so often is documented nowhere"
    assert len(found) == 6
    assert len({json.dumps(alarm["AlarmName"]) for alarm in found}) == 6
    for often, alarm in zip(before.values(), found[3:], strict=True):
        minutes = often["EvaluationPeriods"]
        assert (often["Period"], "DatapointsToAlarm" in often) == (60, False)
        assert (alarm["Period"], alarm["MetricName"]) == (10, often["MetricName"])
        assert alarm["EvaluationPeriods"] == 6 * minutes, "the same span"
        assert alarm["DatapointsToAlarm"] == 3 * minutes, "half of it"
        assert alarm["Threshold"] == often["Threshold"]


def test_a_serverless_endpoint_keeps_containers_ready_where_settings_pay_for_them(
    context: dict[str, Any], synthesise: Synthesise
) -> None:
    made = synthesise(changed(context, "dev", provisioned_concurrency=2))
    (variant,) = config(made)["ProductionVariants"]
    assert variant["ServerlessConfig"] == {"MemorySizeInMB": 3072, "MaxConcurrency": 5, "ProvisionedConcurrency": 2}


def test_a_snapshot_is_of_a_version_which_the_predict_function_asks(
    context: dict[str, Any], synthesise: Synthesise
) -> None:
    """There is none of $LATEST, which an invocation by the function's name runs."""
    context["environments"]["prod"]["api"]["dicom_snap_start"] = True
    api = synthesise({**context, "env": "prod"})["api"]

    snapped = {
        name: function["Properties"]["SnapStart"]
        for name, function in of_type(api, "AWS::Lambda::Function").items()
        if "SnapStart" in function["Properties"]
    }
    ((dicom, snapshot),) = snapped.items()
    assert dicom.startswith("Dicom")
    assert snapshot == {"ApplyOn": "PublishedVersions"}
    (version,) = of_type(api, "AWS::Lambda::Version")
    ((alias, properties),) = of_type(api, "AWS::Lambda::Alias").items()
    assert properties["Properties"]["FunctionVersion"] == {"Fn::GetAtt": [version, "Version"]}
    (name,) = [
        json.dumps(variables["DICOM_FUNCTION_NAME"])
        for function in of_type(api, "AWS::Lambda::Function").values()
        if "DICOM_FUNCTION_NAME" in (variables := function["Properties"]["Environment"]["Variables"])
    ]
    assert f'{{"Ref": "{alias}"}}' in name
    assert '":live"' in name
    policy = json.dumps(named(api, "AWS::IAM::Policy", "PredictRoleDefault"))
    assert f'"Resource": {{"Ref": "{alias}"}}' in policy
    assert f'"{dicom}"' not in policy, "no other version of it"


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "il-central-1", "cn-north-1"])
def test_cloudformation_knows_all_of_it_in_each_region(region: str) -> None:
    """By the schemas that the pinned cfn-lint carries."""
    configs = PROVIDER_SCHEMA_MANAGER.get_resource_schema(region, "AWS::SageMaker::EndpointConfig").schema
    members = {name: set(shape.get("properties", ())) for name, shape in configs["definitions"].items()}
    assert "InstancePools" in members["ProductionVariant"]
    assert {"InstanceType", "Priority"} <= members["InstancePool"]
    assert "ProvisionedConcurrency" in members["ServerlessConfig"]
    assert {"EnableDetailedObservability", "EnableEnhancedMetrics", "MetricPublishFrequencyInSeconds"} <= members[
        "MetricsConfig"
    ]
    function = PROVIDER_SCHEMA_MANAGER.get_resource_schema(region, "AWS::Lambda::Function").schema
    assert "PublishedVersions" in function["definitions"]["SnapStart"]["properties"]["ApplyOn"]["enum"]
