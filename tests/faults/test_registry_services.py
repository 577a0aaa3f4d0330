"""FindServingModel and Sign while services throttle them or break off: the truth, or an error; nothing in between."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.faults import fault_proxy
from tests.faults.conftest import CONTEXT
from tests.faults.fault_proxy import Fault
from tests.faults.registry import BUCKET, ENDPOINT, GROUP, Registry, changed
from tests.faults.services import Services

NOTHING = "s3://assets/0123.gz"


@pytest.fixture
def registry(aws: Services) -> Registry:
    return Registry(aws)


class TestFindServingModel:
    @pytest.fixture
    def find(self, aws: Services) -> ModuleType:
        return aws.function("lambdas.find_serving_model.handler", ENDPOINT_NAME=ENDPOINT, NOTHING_SERVED_URI=NOTHING)

    @pytest.mark.parametrize(
        "operation", ["DescribeEndpoint", "DescribeEndpointConfig", "DescribeModel", "DescribeModelPackage"]
    )
    @pytest.mark.parametrize("fault", [fault_proxy.THROTTLING_EXCEPTION, fault_proxy.RESET])
    def test_what_serves_is_found_at_the_third_time(
        self, registry: Registry, find: ModuleType, operation: str, fault: Fault
    ) -> None:
        served = registry.register()
        registry.serve(served)
        registry.aws.proxy.fail(operation, fault, times=2)
        assert find.handle({}, CONTEXT)["ServingPackageArn"] == served
        assert registry.aws.proxy.asked.count(operation) == 3

    @pytest.mark.parametrize(
        ("fault", "named"),
        [
            (fault_proxy.THROTTLING_EXCEPTION, "ThrottlingException"),
            (fault_proxy.OVERLOADED, "503"),
            (fault_proxy.RESET, "Connection was closed"),
        ],
    )
    def test_a_service_that_does_not_tell_is_not_taken_for_nothing_served(
        self, registry: Registry, find: ModuleType, fault: Fault, named: str
    ) -> None:
        """Else the new model would be compared with none. The message is the step's failure reason."""
        registry.aws.proxy.fail("DescribeEndpoint", fault)
        with pytest.raises((ClientError, BotoCoreError), match=named):
            find.handle({}, CONTEXT)


class TestSign:
    @pytest.fixture
    def sign(self, registry: Registry) -> ModuleType:
        return registry.aws.function(
            "lambdas.sign.handler",
            MODEL_PACKAGE_GROUP_NAME=GROUP,
            ARTIFACT_BUCKET_NAME=BUCKET,
            SIGNING_KEY_ARN=registry.key,
        )

    @pytest.fixture
    def registered(self, registry: Registry) -> dict[str, Any]:
        return changed(registry.register("PendingManualApproval"), "PendingManualApproval")

    @pytest.mark.parametrize(
        ("operation", "fault"),
        [
            ("Sign", fault_proxy.THROTTLING_EXCEPTION),
            ("Sign", fault_proxy.RESET),
            ("DescribeModelPackage", fault_proxy.THROTTLING_EXCEPTION),
            ("GetObject", fault_proxy.SLOW_DOWN),
            ("PutObject", fault_proxy.SLOW_DOWN),
        ],
    )
    def test_what_fails_twice_is_signed_once(
        self, *, registry: Registry, sign: ModuleType, registered: dict[str, Any], operation: str, fault: Fault
    ) -> None:
        registry.aws.proxy.fail(operation, fault, times=2)
        assert sign.handle(registered, CONTEXT)["status"] == "signed"
        assert sign.handle(registered, CONTEXT)["status"] == "signed_already"
        assert registry.aws.proxy.done.count("Sign") == 1
        assert len(registry.kept("signatures/")) == 1

    @pytest.mark.parametrize(
        ("operation", "fault"),
        [
            ("Sign", fault_proxy.THROTTLING_EXCEPTION),
            ("GetObject", fault_proxy.SLOW_DOWN),
            ("GetObject", fault_proxy.CUT),
        ],
    )
    def test_what_fails_for_good_is_signed_by_the_next_delivery(
        self, *, registry: Registry, sign: ModuleType, registered: dict[str, Any], operation: str, fault: Fault
    ) -> None:
        """A part of an artifact has a digest too: signed, it would hold back the model for good."""
        registry.aws.proxy.fail(operation, fault)
        with pytest.raises((ClientError, BotoCoreError)):
            sign.handle(registered, CONTEXT)
        assert registry.kept("signatures/") == []
        registry.aws.proxy.mend()
        assert sign.handle(registered, CONTEXT)["status"] == "signed"
