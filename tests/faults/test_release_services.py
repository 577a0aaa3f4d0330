"""The Release function while services throttle it or break off: one update, and no verdict that nobody can give."""

from __future__ import annotations

import json
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.release import endpoint
from lambdas.release.stack import Token
from tests.faults import fault_proxy
from tests.faults.conftest import CONTEXT
from tests.faults.fault_proxy import Fault
from tests.faults.registry import BUCKET, ENDPOINT, GROUP, Registry, changed
from tests.faults.services import Services

STACK = "cxr-dev-endpoint"
TEMPLATE = {
    "Parameters": {"ModelPackageArn": {"Type": "String", "Default": ""}},
    # Something that depends on the parameter.
    "Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Ref": "ModelPackageArn"}}}},
}


def setup_module() -> None:
    """Import what takes seconds: collecting does without, and so does the first test."""
    import moto.cloudformation.models  # noqa: F401


class Releases:
    """The function, and the endpoint's stack behind the faults."""

    def __init__(self, registry: Registry) -> None:
        self.registry, self.aws = registry, registry.aws
        self.cloudformation = self.aws.client("cloudformation")
        self.cloudformation.create_stack(StackName=STACK, TemplateBody=json.dumps(TEMPLATE))
        topic = self.aws.client("sns").create_topic(Name="topic")["TopicArn"]
        named = {"MODEL_PACKAGE_GROUP_NAME": GROUP, "ARTIFACT_BUCKET_NAME": BUCKET, "SIGNING_KEY_ARN": registry.key}
        self.sign = self.aws.function("lambdas.sign.handler", **named)
        self.function: ModuleType = self.aws.function(
            "lambdas.release.handler",
            **named,
            ENDPOINT_STACK_NAME=STACK,
            ENDPOINT_NAME=ENDPOINT,
            RELEASED_TYPES="AWS::SNS::Topic",
            NOTIFICATION_TOPIC_ARN=topic,
        )

    def approved(self) -> str:
        """A version that was signed when it was registered, and approved."""
        package = self.registry.register()
        self.sign.handle(changed(package, "Approved"), CONTEXT)
        self.aws.proxy.mend()
        return package

    def follow(self, package: str) -> str:
        context = SimpleNamespace(**vars(CONTEXT), get_remaining_time_in_millis=lambda: 1000)
        return str(self.function.handle(changed(package, "Approved"), context)["status"])

    def conclude(self, package: str, replaced: str) -> str:
        stack = self._stack()["StackId"]
        token = Token.make(package, replaced, occasion="now").text
        detail = {"stack-id": stack, "status-details": {"status": "UPDATE_COMPLETE"}, "client-request-token": token}
        event = {"source": "aws.cloudformation", "detail-type": "CloudFormation Stack Status Change", "detail": detail}
        return str(self.function.handle(event, CONTEXT)["status"])

    def released(self) -> str:
        """Package that the stack was updated to."""
        (parameter,) = self._stack()["Parameters"]
        return str(parameter["ParameterValue"])

    def _stack(self) -> Any:
        return self.cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]


@pytest.fixture
def releases(aws: Services) -> Releases:
    return Releases(Registry(aws))


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("DescribeModelPackage", fault_proxy.THROTTLING_EXCEPTION),
        ("DescribeStacks", fault_proxy.THROTTLING),
        ("UpdateStack", fault_proxy.THROTTLING),
        ("UpdateStack", fault_proxy.RESET),
        ("Verify", fault_proxy.THROTTLING_EXCEPTION),
        ("GetObject", fault_proxy.SLOW_DOWN),
        ("Publish", fault_proxy.THROTTLING),
    ],
)
def test_what_fails_twice_is_one_update(releases: Releases, operation: str, fault: Fault) -> None:
    package = releases.approved()
    releases.aws.proxy.fail(operation, fault, times=2)
    assert releases.follow(package) == "requested"
    assert releases.released() == package
    assert [name for name in releases.aws.proxy.done if name in {"UpdateStack", "Publish"}] == [
        *("UpdateStack", "Publish")
    ]


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("DescribeModelPackage", fault_proxy.THROTTLING_EXCEPTION),
        ("DescribeModelPackage", fault_proxy.RESET),
        ("DescribeStacks", fault_proxy.THROTTLING),
        ("UpdateStack", fault_proxy.THROTTLING),
        ("Verify", fault_proxy.THROTTLING_EXCEPTION),
        ("GetObject", fault_proxy.SLOW_DOWN),
        ("GetObject", fault_proxy.CUT),
    ],
)
def test_what_fails_for_good_is_delivered_again_and_no_refusal(
    releases: Releases, operation: str, fault: Fault
) -> None:
    """Nobody is told that a model was changed, or that a stack refuses, because a service did not answer."""
    package = releases.approved()
    releases.aws.proxy.fail(operation, fault)
    with pytest.raises((ClientError, BotoCoreError)):
        releases.follow(package)
    assert releases.released() == ""
    assert "Publish" not in releases.aws.proxy.asked
    assert releases.registry.kept("releases/") == []
    releases.aws.proxy.mend()
    assert releases.follow(package) == "requested"
    assert releases.released() == package


class TestConcluded:
    @pytest.fixture
    def packages(self, releases: Releases, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The version that was replaced, and the one that serves."""
        monkeypatch.setattr(endpoint, "SECONDS_BETWEEN_ATTEMPTS", 0.01)
        packages = [releases.approved(), releases.approved()]
        assert releases.follow(packages[1]) == "requested"
        releases.registry.serve(packages[1])
        releases.aws.proxy.stand_in("InvokeEndpoint", lambda _: {"model": {"package_arn": packages[1]}})
        releases.aws.proxy.mend()
        return packages

    @pytest.mark.parametrize("fault", [fault_proxy.THROTTLING_EXCEPTION, fault_proxy.OVERLOADED, fault_proxy.CUT])
    def test_an_endpoint_that_is_busy_is_asked_again(
        self, releases: Releases, packages: list[str], fault: Fault
    ) -> None:
        releases.aws.proxy.fail("InvokeEndpoint", fault, times=2)
        assert releases.conclude(packages[1], packages[0]) == "released"
        assert len(releases.registry.kept("releases/2/")) == 1

    def test_a_limit_of_requests_takes_no_release_back(self, releases: Releases, packages: list[str]) -> None:
        """A busy endpoint says nothing about its model: the event comes again, and what serves stays."""
        releases.aws.proxy.fail("InvokeEndpoint", fault_proxy.THROTTLING_EXCEPTION)
        with pytest.raises(ClientError, match="ThrottlingException"):
            releases.conclude(packages[1], packages[0])
        assert (releases.released(), releases.registry.kept("releases/")) == (packages[1], [])
        assert not {"UpdateStack", "Publish"} & set(releases.aws.proxy.asked)
        releases.aws.proxy.mend()
        assert releases.conclude(packages[1], packages[0]) == "released"

    def test_an_endpoint_that_stays_silent_is_rolled_back(self, releases: Releases, packages: list[str]) -> None:
        releases.aws.proxy.fail("InvokeEndpoint", fault_proxy.UNAVAILABLE)
        assert releases.conclude(packages[1], packages[0]) == "taken_back"
        assert releases.released() == packages[0]

    @pytest.mark.parametrize("operation", ["DescribeEndpoint", "DescribeModel"])
    def test_what_serves_is_found_at_the_third_time(
        self, releases: Releases, packages: list[str], operation: str
    ) -> None:
        releases.aws.proxy.fail(operation, fault_proxy.THROTTLING_EXCEPTION, times=2)
        assert releases.conclude(packages[1], packages[0]) == "released"
