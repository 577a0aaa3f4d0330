"""The stack deploys without a model, and a release touches all of it and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from lambdas.release.stack import PARAMETER, Token
from tests.infra.conftest import ENVIRONMENTS, of_type
from tests.infra.endpoint.endpoint_template import api_endpoint, changed, named


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global Match, RELEASED_TYPES, Template
    from aws_cdk.assertions import Match, Template

    from infra.endpoint.released_package import RELEASED_TYPES


Templates = Callable[[str], dict[str, dict[str, Any]]]
Synthesise = Callable[[dict[str, Any]], dict[str, dict[str, Any]]]
CORE = {"AWS::SageMaker::Model", "AWS::SageMaker::EndpointConfig", "AWS::SageMaker::Endpoint"}
SCALED = CORE | {"AWS::ApplicationAutoScaling::ScalableTarget", "AWS::ApplicationAutoScaling::ScalingPolicy"}
QUEUED = SCALED | {"AWS::CloudWatch::Alarm"}


def statements(template: dict[str, Any], role: str) -> list[dict[str, Any]]:
    return [
        statement
        for policy in of_type(template, "AWS::IAM::Policy").values()
        if any(attached["Ref"].startswith(role) for attached in policy["Properties"]["Roles"])
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_stack_holds_nothing_but_what_a_release_may_touch(environment: str, templates: Templates) -> None:
    """Whether CloudFormation compares a release's types with what it changes or with the whole template is not
    documented: any other type could be the refusal of every release."""
    template = templates(environment)["endpoint"]
    function = named(templates(environment)["release"], "AWS::Lambda::Function", "Release")
    types = {resource["Type"] for resource in template["Resources"].values()}

    assert all("Condition" in resource for resource in template["Resources"].values())
    assert types == (CORE if environment in ("dev", "laptop") else QUEUED)
    assert types <= set(function["Environment"]["Variables"]["RELEASED_TYPES"].split(","))
    assert template["Parameters"][PARAMETER]["Default"] == ""
    assert template["Conditions"]["HasModel"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": PARAMETER}, ""]}]}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_settings_may_take_away_what_the_endpoints_refer_to(environment: str, templates: Templates) -> None:
    """CloudFormation removes no export that is imported: what depends on settings is named, and not imported."""
    imported = set(re.findall(r'"Fn::ImportValue": "(cxr-[^"]*)"', json.dumps(templates(environment)["endpoint"])))
    ours = {name for name in imported if "-release:" in name}
    assert {name.partition("GetAtt")[2][:12] for name in ours} == {"EndpointRole", "BatchModelRo"}


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
    for kind in ("Model", "EndpointConfig"):
        for name, resource in of_type(template, f"AWS::SageMaker::{kind}").items():
            assert f"{kind}Name" not in resource["Properties"], name


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_release_may_update_this_stack_and_these_types_only(environment: str, templates: Templates) -> None:
    template = templates(environment)["release"]
    updates = [
        statement for statement in statements(template, "ReleaseRole") if "UpdateStack" in str(statement["Action"])
    ]
    assert len(updates) == 1
    update = updates[0]
    assert update["Action"] == "cloudformation:UpdateStack"
    assert update["Resource"]["Fn::Join"][1][-1] == f":stack/cxr-{environment}-endpoint/*"
    touched = set(RELEASED_TYPES)
    assert set(update["Condition"]["ForAllValues:StringEquals"]["cloudformation:ResourceTypes"]) == touched
    # Without this, a request that names no types would satisfy "all of its types".
    assert update["Condition"]["Null"]["cloudformation:ResourceTypes"] == "false"
    allowed = {action for statement in statements(template, "ReleaseRole") for action in _listed(statement["Action"])}
    assert not {action for action in allowed if action.startswith(("iam:", "sagemaker:Create", "sagemaker:Update"))}


def test_both_decisions_reach_the_release_function(templates: Templates) -> None:
    Template.from_json(templates("dev")["release"]).has_resource_properties(
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


def test_prod_scales_between_its_settings_and_a_release_keeps_what_is_there(
    templates: Templates, context: dict[str, Any]
) -> None:
    options = context["environments"]["prod"]["endpoint"]
    template = templates("prod")["endpoint"]
    target = named(template, "AWS::ApplicationAutoScaling::ScalableTarget", "EndpointScaling")
    assert target["ResourceId"] == "endpoint/cxr-prod/variant/AllTraffic"
    assert (target["MinCapacity"], target["MaxCapacity"]) == (
        options["instance_count"],
        options["scaling"]["max_instances"],
    )
    policy = named(template, "AWS::ApplicationAutoScaling::ScalingPolicy", "EndpointScaling")
    tracking = policy["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["TargetValue"] == options["scaling"]["invocations_per_minute"]
    assert tracking["PredefinedMetricSpecification"] == {
        "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
    }
    assert api_endpoint(template)["RetainAllVariantProperties"] is True


def test_an_endpoint_without_room_to_scale_is_not_scaled(context: dict[str, Any], synthesise: Synthesise) -> None:
    """The way to another instance type, which SageMaker refuses a scaled endpoint."""
    endpoint = context["environments"]["prod"]["endpoint"]
    scaling = {**endpoint["scaling"], "max_instances": endpoint["instance_count"]}
    template = synthesise(changed(context, "prod", scaling=scaling))["endpoint"]
    targets = of_type(template, "AWS::ApplicationAutoScaling::ScalableTarget")
    assert [name for name in targets if not name.startswith("Async")] == []


@pytest.mark.parametrize("scales", [True, False])
def test_an_update_brings_what_settings_say_and_keeps_what_scaling_found(
    scales: bool, context: dict[str, Any], synthesise: Synthesise
) -> None:
    """SageMaker keeps whatever is not named: another shadow, or number of instances, would change nothing."""
    scaling = {"max_instances": 6 if scales else 2, "invocations_per_minute": 480}
    endpoint = api_endpoint(synthesise(changed(context, "prod", instance_count=2, scaling=scaling))["endpoint"])
    kinds = {item["VariantPropertyType"] for item in endpoint["ExcludeRetainedVariantProperties"]}
    assert kinds == {"DesiredWeight"} | (set() if scales else {"DesiredInstanceCount"})


def test_gpu_instances_get_the_driver_of_the_image(context: dict[str, Any], synthesise: Synthesise) -> None:
    context["environments"]["prod"]["asynchronous"]["instance_type"] = "ml.g5.xlarge"
    context["environments"]["prod"]["batch"] = {**context["shared"]["batch"], "instance_type": "ml.g5.xlarge"}
    context["environments"]["prod"]["pipeline"] = {"serving_engine": "tensorflow"}
    template = synthesise(changed(context, "prod", instance_type="ml.g4dn.xlarge", shadow_percent=20))["endpoint"]
    for start in ("EndpointConfig", "AsyncEndpoint"):
        config = named(template, "AWS::SageMaker::EndpointConfig", start)
        assert config["ProductionVariants"][0]["InferenceAmiVersion"] == "al2023-ami-sagemaker-inference-gpu-4-1"
    shadow = named(template, "AWS::SageMaker::EndpointConfig", "EndpointConfig")["ShadowProductionVariants"]["Fn::If"][
        1
    ]
    assert shadow[0]["InferenceAmiVersion"] == "al2023-ami-sagemaker-inference-gpu-4-1"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_processors_need_no_driver(environment: str, templates: Templates) -> None:
    for config in of_type(templates(environment)["endpoint"], "AWS::SageMaker::EndpointConfig").values():
        for variant in config["Properties"]["ProductionVariants"]:
            assert "InferenceAmiVersion" not in variant


def test_scaling_waits_for_its_endpoint(templates: Templates) -> None:
    """A scalable target of an endpoint that is not there yet cannot be registered."""
    for name, target in of_type(templates("prod")["endpoint"], "AWS::ApplicationAutoScaling::ScalableTarget").items():
        endpoint = "AsyncEndpoint" if name.startswith("Async") else "Endpoint"
        assert any(dependency.startswith(endpoint) for dependency in target["DependsOn"]), name


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_containers_reach_nothing_but_where_serverless_cannot_be_isolated(
    environment: str, templates: Templates
) -> None:
    for name, model in of_type(templates(environment)["endpoint"], "AWS::SageMaker::Model").items():
        serverless = environment in ("dev", "laptop") and name.startswith("EndpointModel")
        assert model["Properties"]["EnableNetworkIsolation"] is not serverless, name


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_images_in_numbers_are_scored_by_a_role_of_their_own(environment: str, templates: Templates) -> None:
    template = templates(environment)["release"]
    roles = {
        start: {
            (action, resource["Fn::Join"][1][-1])
            for statement in statements(template, start)
            if any(action.startswith("s3:") for action in _listed(statement["Action"]))
            for action in _listed(statement["Action"])
            for resource in _listed(statement["Resource"])
            if "Fn::Join" in resource
        }
        for start in ("EndpointRole", "BatchModelRole")
    }
    assert ("s3:PutObject", "/batches/*") in roles["BatchModelRole"]
    assert ("s3:GetObject", "/batches/*") in roles["BatchModelRole"]
    assert not any(key.startswith("/batches") for _, key in roles["EndpointRole"])
    written = {key for action, key in roles["EndpointRole"] if action == "s3:PutObject"}
    assert written == ({"/capture/*"} if environment in ("staging", "prod") else set())


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_instances_answered_is_kept_without_the_image(environment: str, templates: Templates) -> None:
    config = named(templates(environment)["endpoint"], "AWS::SageMaker::EndpointConfig", "EndpointConfig")
    if environment in ("dev", "laptop"):
        assert "DataCaptureConfig" not in config, "a serverless endpoint keeps nothing"
        return
    captured = config["DataCaptureConfig"]
    assert captured["EnableCapture"] is True
    assert captured["CaptureOptions"] == [{"CaptureMode": "Output"}]
    assert captured["DestinationS3Uri"]["Fn::Join"][1][-1] == "/capture"
    assert captured["KmsKeyId"]


def test_images_are_kept_only_where_settings_say_so(context: dict[str, Any], synthesise: Synthesise) -> None:
    template = synthesise(changed(context, "prod", capture={"percent": 10, "inputs": True}))["endpoint"]
    captured = named(template, "AWS::SageMaker::EndpointConfig", "EndpointConfig")["DataCaptureConfig"]
    assert captured["CaptureOptions"] == [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}]
    assert captured["InitialSamplingPercentage"] == 10


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_containers_may_make_their_log_group_and_write_to_its_streams(environment: str, templates: Templates) -> None:
    template = templates(environment)["release"]
    for role, group in (("EndpointRole", f"Endpoints/cxr-{environment}"), ("BatchModelRole", "TransformJobs")):
        (writes,) = [item for item in statements(template, role) if "logs:PutLogEvents" in item["Action"]]
        ends = {resource["Fn::Join"][1][-1] for resource in writes["Resource"]}
        assert {f":log-group:/aws/sagemaker/{group}", f":log-group:/aws/sagemaker/{group}:*"} <= ends


def test_a_shadow_is_asked_beside_the_released_model(context: dict[str, Any], synthesise: Synthesise) -> None:
    template = synthesise(changed(context, "prod", shadow_percent=20))["endpoint"]
    assert template["Parameters"]["ShadowModelPackageArn"]["Default"] == ""
    config = named(template, "AWS::SageMaker::EndpointConfig", "EndpointConfig")
    condition, (variant,), otherwise = config["ShadowProductionVariants"]["Fn::If"]
    assert condition == "HasShadow"
    assert otherwise == {"Ref": "AWS::NoValue"}
    assert (variant["VariantName"], variant["InitialVariantWeight"]) == ("Shadow", 0.2)
    (model,) = [name for name, item in template["Resources"].items() if item.get("Condition") == "HasShadow"]
    assert template["Resources"][model]["Type"] == "AWS::SageMaker::Model", "which a release may remove"
    assert variant["ModelName"] == {"Fn::GetAtt": [model, "ModelName"]}


def test_the_end_of_a_release_reaches_the_release_function(templates: Templates) -> None:
    """The events of other updates do not: a deployment is no release."""
    rules = of_type(templates("dev")["release"], "AWS::Events::Rule").values()
    (pattern,) = [
        rule["Properties"]["EventPattern"]
        for rule in rules
        if rule["Properties"]["EventPattern"]["source"] == ["aws.cloudformation"]
    ]
    prefixes = [item["prefix"] for item in pattern["detail"]["client-request-token"]]
    own = [Token.make("group/2", "group/1", occasion="now", restoring=restoring).text for restoring in (False, True)]
    assert all(any(token.startswith(prefix) for prefix in prefixes) for token in own)
    assert {"UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"} <= set(pattern["detail"]["status-details"]["status"])
    assert pattern["detail"]["stack-id"][0]["prefix"]["Fn::Join"][1][-1] == ":stack/cxr-dev-endpoint/"


def test_a_registered_model_reaches_the_release_function(templates: Templates) -> None:
    Template.from_json(templates("dev")["release"]).has_resource_properties(
        "AWS::Events::Rule",
        {"EventPattern": {"detail": {"ModelApprovalStatus": ["PendingManualApproval"]}}},
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
