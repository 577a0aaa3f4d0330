"""`cxr doctor` finds what an account may lack: zones for a VPC's interface endpoints, serverless containers."""

from __future__ import annotations

from typing import Any

import pytest

from ops.base.assembly import Assembly, Resource
from ops.base.session import Session
from ops.platform import doctor
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
    assert doctor.needed_quotas(_templates(config)) == {doctor._SERVERLESS: 8}
    assert doctor.needed_quotas(_templates(config, config)) == {doctor._SERVERLESS: 16}
