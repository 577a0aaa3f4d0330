"""What an event leads to: the registry and the stack decide, whatever order and number events arrive in."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from lambdas.release.notification import Notifier
from lambdas.release.package import StateChange, state_change
from lambdas.release.release import Release, StackBusyError
from lambdas.release.stack import EndpointStack

GROUP = "cxr-dev"
STACK = "cxr-dev-endpoint"
START = datetime(2026, 1, 1, tzinfo=UTC)


def arn(version, group=GROUP):
    return f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{group}/{version}"


def refusal(operation, message, code="ValidationError"):
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@dataclass
class Registry:
    """DescribeModelPackage over packages whose status a test sets; every change has its own minute."""

    packages: dict = field(default_factory=dict)
    changes: int = 0

    def set(self, version, approval, group=GROUP, status="Completed"):
        self.changes += 1
        self.packages[arn(version, group)] = {
            "ModelPackageArn": arn(version, group),
            "ModelPackageGroupName": group,
            "ModelPackageVersion": version,
            "ModelApprovalStatus": approval,
            "ModelPackageStatus": status,
            "LastModifiedTime": START + timedelta(minutes=self.changes),
        }

    def describe_model_package(self, *, ModelPackageName):  # noqa: N803
        if ModelPackageName not in self.packages:
            raise refusal("DescribeModelPackage", f"Model package {ModelPackageName} does not exist.")
        return self.packages[ModelPackageName]


@dataclass
class CloudFormation:
    """One stack; an accepted update shows at once and stays in progress until `finish`."""

    status: str = "CREATE_COMPLETE"
    package: str = ""
    updates: list = field(default_factory=list)
    refuses: str = ""

    def describe_stacks(self, *, StackName):  # noqa: N803
        if StackName != STACK or not self.status:
            raise refusal("DescribeStacks", f"Stack with id {StackName} does not exist")
        parameters = [("BootstrapVersion", "/cdk/v"), ("ModelPackageArn", self.package), ("VariantWeight", "1")]
        return {
            "Stacks": [
                {
                    "StackStatus": self.status,
                    "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters],
                }
            ]
        }

    def update_stack(self, **request):
        if self.status.endswith("_IN_PROGRESS"):
            raise refusal("UpdateStack", f"Stack:{STACK} is in {self.status} state and can not be updated.")
        if self.refuses:
            raise refusal("UpdateStack", self.refuses)
        value = request["Parameters"][0]["ParameterValue"]
        if value == self.package:
            raise refusal("UpdateStack", "No updates are to be performed.")
        self.updates.append(request)
        self.package, self.status = value, "UPDATE_IN_PROGRESS"

    def finish(self):
        self.status = "UPDATE_COMPLETE"


@dataclass
class Topic:
    messages: list = field(default_factory=list)

    def publish(self, **message):
        assert len(message["Subject"]) <= 100
        self.messages.append(message)

    @property
    def events(self):
        return [message["MessageAttributes"]["event"]["StringValue"] for message in self.messages]


@dataclass
class World:
    registry: Registry = field(default_factory=Registry)
    cloudformation: CloudFormation = field(default_factory=CloudFormation)
    topic: Topic = field(default_factory=Topic)
    seconds: float = 0.0
    during_sleep: list = field(default_factory=list)

    def sleep(self, seconds):
        self.seconds += seconds
        if self.during_sleep:
            self.during_sleep.pop(0)()

    def deliver(self, version, approval="Approved", group=GROUP, timeout=900.0):
        release = Release(
            sagemaker=self.registry,
            stack=EndpointStack(self.cloudformation, STACK),
            notifier=Notifier(self.topic, "arn:aws:sns:us-east-1:123456789012:topic"),
            group=GROUP,
            sleep=self.sleep,
        )
        began = self.seconds
        change = StateChange(arn(version, group), group, approval)
        return release.follow(change, lambda: timeout - (self.seconds - began))


@pytest.fixture
def world():
    return World()


class TestApproval:
    def test_update_changes_one_parameter_and_may_touch_three_types(self, world):
        world.registry.set(1, "Approved")
        assert world.deliver(1) == "requested"
        (update,) = world.cloudformation.updates
        assert update == {
            "StackName": STACK,
            "UsePreviousTemplate": True,
            "Parameters": [
                {"ParameterKey": "ModelPackageArn", "ParameterValue": arn(1)},
                {"ParameterKey": "BootstrapVersion", "UsePreviousValue": True},
                {"ParameterKey": "VariantWeight", "UsePreviousValue": True},
            ],
            "Capabilities": ["CAPABILITY_IAM"],
            "ResourceTypes": [
                "AWS::SageMaker::Model",
                "AWS::SageMaker::EndpointConfig",
                "AWS::SageMaker::Endpoint",
            ],
        }
        assert world.topic.events == ["release_requested"]
        assert arn(1) in world.topic.messages[0]["Message"]

    def test_repeated_event_during_and_after_the_rollout_changes_nothing(self, world):
        world.registry.set(1, "Approved")
        world.deliver(1)
        assert world.deliver(1) == "already_requested"
        world.cloudformation.finish()
        assert world.deliver(1) == "already_serving"
        assert len(world.cloudformation.updates) == 1
        assert world.topic.events == ["release_requested"], "people hear of a release once"

    def test_stale_approval_is_not_released(self, world):
        """Approved, then withdrawn before the event came."""
        world.registry.set(1, "Approved")
        world.registry.set(1, "Rejected")
        assert world.deliver(1) == "stale"
        assert world.cloudformation.updates == []

    def test_deleted_or_unfinished_package_is_not_released(self, world):
        assert world.deliver(1) == "stale"
        world.registry.set(2, "Approved", status="InProgress")
        assert world.deliver(2) == "stale"
        assert world.cloudformation.updates == []

    def test_other_group_is_not_released(self, world):
        world.registry.set(1, "Approved", group="cxr-prod")
        assert world.deliver(1, group="cxr-prod") == "other_group"

    def test_group_claimed_by_the_event_is_checked_against_the_registry(self, world):
        world.registry.set(1, "Approved")
        world.registry.packages[arn(1)]["ModelPackageGroupName"] = "other"
        assert world.deliver(1) == "stale"
        assert world.cloudformation.updates == []

    def test_pending_package_is_nothing_to_do(self, world):
        world.registry.set(1, "PendingManualApproval")
        assert world.deliver(1, "PendingManualApproval") == "not_an_approval"
        assert world.topic.events == []


class TestOrder:
    def test_later_approval_wins_whatever_the_order_of_events(self, world):
        world.registry.set(1, "Approved")
        world.registry.set(2, "Approved")
        assert world.deliver(2) == "requested"
        world.cloudformation.finish()
        assert world.deliver(1) == "superseded"
        assert world.cloudformation.package == arn(2)
        assert world.topic.events == ["release_requested", "release_superseded"]

    def test_repeated_event_of_a_replaced_model_does_not_bring_it_back(self, world):
        for version in (1, 2):
            world.registry.set(version, "Approved")
            world.deliver(version)
            world.cloudformation.finish()
        assert world.deliver(1) == "superseded"
        assert world.cloudformation.package == arn(2)

    def test_earlier_version_approved_again_is_a_rollback(self, world):
        for version in (1, 2):
            world.registry.set(version, "Approved")
            world.deliver(version)
            world.cloudformation.finish()
        world.registry.set(1, "PendingManualApproval")
        world.registry.set(1, "Approved")
        assert world.deliver(1) == "requested"
        assert world.cloudformation.package == arn(1)

    def test_rejecting_what_serves_lets_an_older_approval_through(self, world):
        world.registry.set(1, "Approved")
        world.registry.set(2, "Approved")
        world.deliver(2)
        world.cloudformation.finish()
        world.registry.set(2, "Rejected")
        assert world.deliver(1) == "requested"


class TestBusyStack:
    def test_waits_and_then_releases(self, world):
        world.cloudformation.status = "UPDATE_IN_PROGRESS"
        world.registry.set(1, "Approved")
        world.during_sleep = [lambda: None, world.cloudformation.finish]
        assert world.deliver(1) == "requested"
        assert world.seconds == 30

    def test_approval_withdrawn_while_waiting(self, world):
        world.cloudformation.status = "UPDATE_IN_PROGRESS"
        world.registry.set(1, "Approved")

        def withdrawn():
            world.registry.set(1, "Rejected")
            world.cloudformation.finish()

        world.during_sleep = [withdrawn]
        assert world.deliver(1) == "stale"
        assert world.cloudformation.updates == []

    def test_raises_in_time_so_that_the_event_comes_again(self, world):
        world.cloudformation.status = "UPDATE_ROLLBACK_IN_PROGRESS"
        world.registry.set(1, "Approved")
        with pytest.raises(StackBusyError, match="UPDATE_ROLLBACK_IN_PROGRESS"):
            world.deliver(1, timeout=120)
        assert 60 <= world.seconds <= 105, "waits, and leaves time to ask"
        assert world.topic.events == [], "a retry is no failure to tell people about"

    def test_rollback_of_the_same_package_is_no_release_under_way(self, world):
        """While CloudFormation rolls back, its parameter may still name what failed."""
        world.cloudformation.status, world.cloudformation.package = "UPDATE_ROLLBACK_IN_PROGRESS", arn(1)
        world.registry.set(1, "Approved")
        with pytest.raises(StackBusyError):
            world.deliver(1, timeout=10)

    def test_update_that_began_between_looking_and_asking(self, world):
        world.registry.set(1, "Approved")
        honest = world.cloudformation.update_stack

        def raced(**request):
            world.cloudformation.update_stack = honest
            world.cloudformation.status = "UPDATE_IN_PROGRESS"
            world.during_sleep = [world.cloudformation.finish]
            return honest(**request)

        world.cloudformation.update_stack = raced
        assert world.deliver(1) == "requested"
        assert world.topic.events == ["release_requested"]


class TestFailure:
    def test_refused_update_is_told_once_and_not_repeated(self, world):
        world.registry.set(1, "Approved")
        world.cloudformation.refuses = "Stack is in UPDATE_ROLLBACK_FAILED state and can not be updated."
        assert world.deliver(1) == "failed"
        assert world.topic.events == ["release_failed"]
        assert "UPDATE_ROLLBACK_FAILED" in world.topic.messages[0]["Message"]

    @pytest.mark.parametrize("status", ["", "REVIEW_IN_PROGRESS"])
    def test_stack_that_was_never_deployed(self, world, status):
        world.registry.set(1, "Approved")
        world.cloudformation.status = status
        assert world.deliver(1) == "failed"
        assert world.seconds == 0, "nothing to wait for"

    def test_missing_permission_raises(self, world, monkeypatch):
        world.registry.set(1, "Approved")

        def denied(**_):
            raise refusal("UpdateStack", "not authorized to perform: cloudformation:UpdateStack", "AccessDenied")

        monkeypatch.setattr(world.cloudformation, "update_stack", denied)
        with pytest.raises(ClientError, match="not authorized"):
            world.deliver(1)
        assert world.topic.events == []

    def test_throttled_registry_raises(self, world, monkeypatch):
        def throttled(**_):
            raise refusal("DescribeModelPackage", "Rate exceeded", "ThrottlingException")

        monkeypatch.setattr(world.registry, "describe_model_package", throttled)
        with pytest.raises(ClientError, match="Rate exceeded"):
            world.deliver(1)


class TestRejection:
    def test_rejecting_what_serves_says_so_and_how_to_go_back(self, world):
        world.registry.set(1, "Approved")
        world.deliver(1)
        world.cloudformation.finish()
        world.registry.set(1, "Rejected")
        assert world.deliver(1, "Rejected") == "rejected_while_serving"
        assert world.topic.events == ["release_requested", "serving_model_rejected"]
        message = world.topic.messages[-1]["Message"]
        assert "still serves" in message
        assert "--model-approval-status Approved" in message
        assert len(world.cloudformation.updates) == 1, "a rejection never takes a model off the endpoint by itself"

    def test_rejecting_what_does_not_serve_is_quiet(self, world):
        world.registry.set(1, "Rejected")
        assert world.deliver(1, "Rejected") == "rejected"
        assert world.topic.events == []

    def test_stale_rejection(self, world):
        world.registry.set(1, "Approved")
        world.cloudformation.package = arn(1)
        assert world.deliver(1, "Rejected") == "stale"
        assert world.topic.events == []


def test_event_as_sagemaker_documents_it():
    """Shape from the SageMaker developer guide, "Model package state change"."""
    event = {
        "source": "aws.sagemaker",
        "detail-type": "SageMaker Model Package State Change",
        "resources": [arn(2)],
        "detail": {
            "ModelPackageGroupName": GROUP,
            "ModelPackageVersion": 2,
            "ModelPackageArn": arn(2),
            "ModelPackageStatus": "Completed",
            "ModelApprovalStatus": "Rejected",
        },
    }
    assert state_change(event) == StateChange(arn(2), GROUP, "Rejected")
    assert state_change({**event, "detail-type": "SageMaker Endpoint State Change"}) is None
    assert state_change({**event, "source": "someone.else"}) is None
    assert state_change({**event, "detail": {"ModelPackageName": "unversioned"}}) is None
