"""Effect of an event: the registry and the stack decide, whatever order and number events arrive in."""

import pytest
from botocore.exceptions import ClientError

from lambdas.release.package import StateChange, state_change
from lambdas.release.release import StackBusyError
from lambdas.release.stack import Token
from tests.lambdas.release.world import GROUP, STACK, START, arn, refusal


class TestApproval:
    def test_update_changes_one_parameter_and_may_touch_three_types(self, world):
        world.registry.set(1, "Approved")
        assert world.deliver(1) == "requested"
        (update,) = world.cloudformation.updates
        token = Token.read(update.pop("ClientRequestToken"))
        assert (token.version, token.replaced, token.restoring) == (1, 0, False)
        assert update == {
            "StackName": STACK,
            "UsePreviousTemplate": True,
            "Parameters": [
                {"ParameterKey": "ModelPackageArn", "ParameterValue": arn(1)},
                {"ParameterKey": "BootstrapVersion", "UsePreviousValue": True},
                {"ParameterKey": "VariantWeight", "UsePreviousValue": True},
            ],
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

    def test_one_approval_is_one_release(self, world):
        """An event that comes again after the release was rolled back does not begin it anew."""
        world.serve(1)
        world.registry.set(2, "Approved")
        world.deliver(2)
        world.cloudformation.roll_back(arn(1), "alarms are in ALARM")
        assert world.deliver(2) == "already_requested"
        assert len(world.cloudformation.updates) == 2


class TestRegistration:
    def test_people_hear_of_a_model_that_waits_for_them(self, world):
        world.registry.set(1, "PendingManualApproval")
        assert world.deliver(1, "PendingManualApproval") == "approval_wanted"
        assert world.topic.events == ["approval_wanted"]
        assert "cxr approve 1" in world.topic.messages[0]["Message"]
        assert world.cloudformation.updates == []

    def test_a_version_set_back_to_be_approved_again_is_no_news(self, world):
        world.registry.set(1, "Approved")
        world.registry.changes += 10
        world.registry.set(1, "PendingManualApproval", created=START)
        assert world.deliver(1, "PendingManualApproval") == "set_back"
        assert world.topic.events == []

    def test_a_model_that_was_decided_about_meanwhile_waits_for_nobody(self, world):
        world.registry.set(1, "Approved")
        assert world.deliver(1, "PendingManualApproval") == "stale"
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
    def test_refused_update_is_reported_once_and_not_repeated(self, world):
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
