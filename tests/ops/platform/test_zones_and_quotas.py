"""`cxr doctor` finds what an account may lack: zones for a VPC's interface endpoints, instances, calls at once."""

from __future__ import annotations

from typing import Any

import pytest

from ops.base.assembly import Assembly, Resource
from ops.base.session import Session
from ops.platform import doctor, quotas
from tests.ops.conftest import Cloud


def _templates(*resources: tuple[str, dict[str, Any]]) -> Assembly:
    return Assembly("dev", "us-east-1", tuple(Resource("network", f"R{n}", *one) for n, one in enumerate(resources)))


def _network(*services: str) -> Assembly:
    """A VPC in the zones a and b with interface endpoints of these services, and one gateway."""
    zones = [("AWS::EC2::Subnet", {"AvailabilityZone": f"us-east-1{letter}"}) for letter in "ab"]
    endpoints = [{"ServiceName": name, "VpcEndpointType": "Interface"} for name in services]
    gateway = {"ServiceName": {"Fn::Join": ["", ["com.amazonaws."]]}, "VpcEndpointType": "Gateway"}
    return _templates(*zones, *(("AWS::EC2::VPCEndpoint", one) for one in (*endpoints, gateway)))


@pytest.mark.parametrize(
    ("there", "state", "found", "advice"),
    [
        ({"sns": "abc", "kms": "ab"}, "fine", "us-east-1a, us-east-1b have all 2 services", ""),
        (
            {"sns": "acd", "kms": "abc"},
            "wrong",
            "sns is not in us-east-1b",
            "all services are in us-east-1a, us-east-1c.",
        ),
        (
            {"sns": "c", "kms": "d"},
            "wrong",
            "kms is not in us-east-1a, us-east-1b; sns is not in us-east-1a, ",
            "none.",
        ),
        ({"kms": "ab"}, "wrong", "sns is not in us-east-1a, us-east-1b", "none."),
    ],
)
def test_zones_that_a_service_is_not_in_are_reported_before_a_deployment_fails(
    cloud: Cloud, there: dict[str, str], state: str, found: str, advice: str
) -> None:
    details = [
        {"ServiceName": name, "AvailabilityZones": [f"us-east-1{letter}" for letter in letters]}
        for name, letters in there.items()
    ]
    filters = [{"Name": "service-type", "Values": ["Interface"]}, {"Name": "service-name", "Values": ["kms", "sns"]}]
    cloud.answers("ec2", "describe_vpc_endpoint_services", {"ServiceDetails": details}, {"Filters": filters})
    (finding,) = doctor.zones(Session(env="dev"), _network("sns", "kms"))
    assert (finding.check, finding.state) == ("zones", state)
    assert found in finding.found
    assert finding.advice.endswith(advice)
    assert bool(finding.advice) is (state == "wrong")


@pytest.mark.usefixtures("cloud")
def test_without_a_network_nobody_is_asked_for_zones() -> None:
    assert list(doctor.zones(Session(env="dev"), _templates(("AWS::Lambda::Function", {})))) == []


def test_serverless_endpoints_share_a_quota_of_their_own() -> None:
    """Ten in a new account, where the deployment of an endpoint with more fails."""
    variant = {"VariantName": "a", "ServerlessConfig": {"MemorySizeInMB": 3072, "MaxConcurrency": 8}}
    config = ("AWS::SageMaker::EndpointConfig", {"ProductionVariants": [variant]})
    assert quotas.needed_quotas(_templates(config)) == {quotas.SERVERLESS: 8}
    assert quotas.needed_quotas(_templates(config, config)) == {quotas.SERVERLESS: 16}


@pytest.mark.parametrize(
    ("memory", "needed"), [(3072, {}), (4096, {quotas.MEMORY: 4096}), (6144, {quotas.MEMORY: 6144})]
)
def test_more_memory_than_a_new_account_may_give_a_container_is_asked_about(
    memory: int, needed: dict[str, int]
) -> None:
    variant = {"VariantName": "a", "ServerlessConfig": {"MemorySizeInMB": memory, "MaxConcurrency": 1}}
    config = ("AWS::SageMaker::EndpointConfig", {"ProductionVariants": [variant]})
    assert quotas.needed_quotas(_templates(config)) == {quotas.SERVERLESS: 1, **needed}


@pytest.mark.parametrize("kind", ["AWS::SageMaker::ModelPackageGroup", "Custom::ModelPackageGroup"])
def test_an_account_that_may_have_no_group_of_models_is_reported(kind: str) -> None:
    """The training stack would be the second to fail."""
    assert quotas.needed_quotas(_templates((kind, {}))) == {quotas.GROUPS: 1}


def test_a_blue_green_switch_needs_twice_the_instances_that_scaling_may_reach() -> None:
    variant = {"VariantName": "a", "InstanceType": "ml.c6i.xlarge", "InitialInstanceCount": 2}
    config = ("AWS::SageMaker::EndpointConfig", {"ProductionVariants": [variant]})
    reference = {"EndpointName": "e", "EndpointConfigName": {"Fn::GetAtt": ["R0", "EndpointConfigName"]}}
    target = {"ResourceId": "endpoint/e/variant/a", "MinCapacity": 2, "MaxCapacity": 5}
    scaled = ("AWS::ApplicationAutoScaling::ScalableTarget", target)
    plain = ("AWS::SageMaker::Endpoint", reference)
    switched = ("AWS::SageMaker::Endpoint", {**reference, "DeploymentConfig": {}})
    name = "ml.c6i.xlarge for endpoint usage"
    assert quotas.needed_quotas(_templates(config, plain)) == {name: 2, quotas.ENDPOINTS: 2}
    assert quotas.needed_quotas(_templates(config, plain, scaled)) == {name: 5, quotas.ENDPOINTS: 5}
    assert quotas.needed_quotas(_templates(config, switched, scaled)) == {name: 10, quotas.ENDPOINTS: 10}
    shared = quotas.needed_quotas(_templates(config, switched, scaled, config))
    assert shared == {name: 12, quotas.ENDPOINTS: 12}, "endpoints share one quota"


def test_each_type_that_may_stand_in_for_another_needs_a_quota_for_all_instances() -> None:
    pools = [{"InstanceType": "ml.m5.xlarge", "Priority": 2}, {"InstanceType": "ml.c6i.xlarge", "Priority": 1}]
    variant = {"VariantName": "a", "InstancePools": pools, "InitialInstanceCount": 2}
    config = ("AWS::SageMaker::EndpointConfig", {"ProductionVariants": [variant]})
    assert list(quotas.needed_quotas(_templates(config)).items()) == [
        (quotas.ENDPOINTS, 2),
        ("ml.c6i.xlarge for endpoint usage", 2),
        ("ml.m5.xlarge for endpoint usage", 2),
    ], "of all types together there are no more than of the one that it comes to be"


@pytest.mark.parametrize(
    ("adjustable", "advice"),
    [
        ({}, "--quota-code L-1 --desired-value 2 --region us-east-1`"),
        ({"Adjustable": True}, "request-service-quota-increase --service-code sagemaker"),
        ({"Adjustable": False}, "ask AWS Support"),
    ],
)
def test_a_quota_that_service_quotas_raises_for_nobody_is_a_matter_of_support(
    cloud: Cloud, adjustable: dict[str, bool], advice: str
) -> None:
    group = ("AWS::SageMaker::ModelPackageGroup", {})
    quota = {"QuotaName": quotas.GROUPS, "QuotaCode": "L-1", "Value": 0.0, **adjustable}
    cloud.answers("service-quotas", "list_aws_default_service_quotas", {"Quotas": []})
    cloud.answers("service-quotas", "list_service_quotas", {"Quotas": [quota]})
    (finding,) = quotas.quotas(Session(env="dev", region="us-east-1"), _templates(group, group))
    assert finding.state == "wrong"
    assert advice in finding.advice
    assert ("request-service-quota-increase" in finding.advice) is adjustable.get("Adjustable", True)


@pytest.mark.parametrize(("found", "state"), [(10, "wrong"), (51, "wrong"), (52, "fine"), (1000, "fine")])
def test_a_new_account_that_runs_too_few_functions_at_once_is_reported(cloud: Cloud, found: int, state: str) -> None:
    """The gateway would answer 500 as soon as several people ask."""
    stage = ("AWS::ApiGateway::Stage", {"MethodSettings": [{"HttpMethod": "*", "ThrottlingRateLimit": 50}]})
    function = ("AWS::Lambda::Function", {})
    least = quotas.needed_calls_at_once(_templates(stage, function, function))
    assert least == 52, "a second for each request at the full rate, and one of each function"
    cloud.answers("lambda", "get_account_settings", {"AccountLimit": {"ConcurrentExecutions": found}})
    finding = quotas.calls_at_once(Session(env="dev", region="us-east-1"), least)
    assert finding.state == state
    assert ("--quota-code L-B99A9384 --desired-value 1000 --region us-east-1" in finding.advice) is (state == "wrong")


def test_without_an_api_nobody_has_to_know_how_many_functions_may_run() -> None:
    assert quotas.needed_calls_at_once(_templates(("AWS::Lambda::Function", {}))) == 0


@pytest.mark.parametrize(
    ("code", "message", "state"),
    [
        ("", "", "fine"),
        ("ResourceNotFoundException", "", "wrong"),
        ("AccessDeniedException", "because no resource-based policy allows the lambda:GetLayerVersion action", "wrong"),
        (
            "AccessDeniedException",
            "because no identity-based policy allows the lambda:GetLayerVersion action",
            "unknown",
        ),
    ],
)
def test_a_layer_that_is_not_published_in_a_region_is_reported(
    cloud: Cloud, code: str, message: str, state: str
) -> None:
    """The first function of the second stack would fail."""
    arn = "arn:aws:lambda:ca-west-1:017000801446:layer:Powertools-arm64:27"
    if code:
        cloud.fails("lambda", "get_layer_version_by_arn", code, message)
    else:
        cloud.answers("lambda", "get_layer_version_by_arn", {"LayerVersionArn": arn}, {"Arn": arn})
    functions = (("AWS::Lambda::Function", {"Layers": [arn]}), ("AWS::Lambda::Function", {"Layers": [arn]}))
    asked = doctor._each("layers", lambda: doctor.layers(Session(env="dev"), _templates(*functions)))
    (finding,) = asked
    assert finding.state == state
    assert finding.check == ("layers" if state == "unknown" else "layer: Powertools-arm64:27")
    assert ("powertools_layer.version" in finding.advice) is (state == "wrong")


def test_the_layer_is_asked_for_where_templates_leave_the_partition_open(cloud: Cloud) -> None:
    """So they do in regions that the CDK does not know, which are the ones that lack a layer."""
    rest = ":lambda:me-west-1:017000801446:layer:Powertools-arm64:27"
    joined = {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, rest]]}
    cloud.answers("lambda", "get_layer_version_by_arn", {}, {"Arn": f"arn:aws{rest}"})
    (finding,) = doctor.layers(
        Session(env="dev", region="me-west-1"), _templates(("AWS::Lambda::Function", {"Layers": [joined]}))
    )
    assert (finding.check, finding.state) == ("layer: Powertools-arm64:27", "fine")
