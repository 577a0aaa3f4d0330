"""What an event leads to: the registry and the stack decide, whatever order and number events arrive in."""

import pytest
from botocore.exceptions import ClientError

from lambdas.release.package import StateChange, state_change
from lambdas.release.release import StackBusyError
from lambdas.release.stack import Token
from tests.lambdas.release.world import GROUP, STACK, STACK_ARN, START, World, arn, refusal


@pytest.fixture
def world():
    return World()


class TestApproval:
    def test_update_changes_one_parameter_and_may_touch_three_types(self, world):
        world.registry.set(1, "Approved")
        assert world.deliver(1) == "requested"
        (update,) = world.cloudformation.updates
        token = Token.read(update.pop("ClientRequestToken"))
        assert (token.version, token.other, token.restoring) == (1, 0, False)
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


class TestConclusion:
    def test_a_release_is_one_when_the_endpoint_was_asked(self, world):
        world.registry.set(1, "Approved")
        world.deliver(1)
        world.cloudformation.finish()
        assert world.conclude() == "released"
        assert world.topic.events == ["release_requested", "released"]
        assert "an answer named it" in world.topic.messages[-1]["Message"]

    def test_a_model_that_refuses_the_drawing_is_said_to(self, world):
        world.endpoint.answered = False
        world.registry.set(1, "Approved")
        world.deliver(1)
        world.cloudformation.finish()
        assert world.conclude() == "released"
        assert "no answer named the package" in world.topic.messages[-1]["Message"]

    def test_a_rollback_is_told_with_what_failed_and_what_serves(self, world):
        world.serve(1)
        world.registry.set(2, "Approved")
        world.deliver(2)
        world.cloudformation.roll_back(arn(1), "One or more alarms are in ALARM")
        assert world.conclude() == "rolled_back"
        message = world.topic.messages[-1]["Message"]
        assert world.topic.events[-1] == "release_rolled_back"
        assert f"{arn(2)} is not served." in message
        assert f"{arn(1)} serves as before." in message
        assert "Endpoint: One or more alarms are in ALARM" in message
        assert "of an earlier update" not in message

    def test_a_model_that_does_not_answer_is_taken_back(self, world):
        """Nothing else would, where no alarm guards the traffic."""
        world.serve(1)
        world.registry.set(2, "Approved")
        world.deliver(2)
        world.cloudformation.finish()
        world.endpoint.wrong[arn(2)] = "It answered a drawn radiograph with ModelError: inference_failed"
        assert world.conclude() == "taken_back"
        assert world.cloudformation.package == arn(1)
        assert world.topic.events[-1] == "release_failed"
        assert "inference_failed" in world.topic.messages[-1]["Message"]

        world.cloudformation.finish()
        assert world.conclude() == "restored"
        assert world.topic.events[-1] == "release_rolled_back"
        assert f"{arn(1)} serves as before." in world.topic.messages[-1]["Message"]

    def test_what_is_put_back_and_does_not_answer_is_not_put_back_again(self, world):
        world.serve(1)
        world.registry.set(2, "Approved")
        world.deliver(2)
        world.cloudformation.finish()
        world.endpoint.wrong |= {arn(1): "no answer", arn(2): "no answer"}
        assert world.conclude() == "taken_back"
        world.cloudformation.finish()
        assert world.conclude() == "unverified"
        assert world.topic.events[-1] == "release_failed"
        assert len(world.cloudformation.updates) == 3

    def test_a_first_model_that_does_not_answer_has_nothing_to_go_back_to(self, world):
        world.registry.set(1, "Approved")
        world.deliver(1)
        world.cloudformation.finish()
        world.endpoint.wrong[arn(1)] = "no answer"
        assert world.conclude() == "unverified"
        assert world.cloudformation.package == arn(1)
        assert world.topic.events[-1] == "release_failed"

    def test_a_later_release_is_not_undone_by_the_end_of_an_earlier_one(self, world):
        world.serve(1)
        world.registry.set(2, "Approved")
        world.deliver(2)
        token = Token.read(world.cloudformation.updates[-1]["ClientRequestToken"])
        world.cloudformation.finish()
        world.registry.set(3, "Approved")
        world.deliver(3)
        world.endpoint.wrong[arn(2)] = "It is configured to serve version 3."
        assert world.release().conclude(token, "UPDATE_COMPLETE", STACK_ARN) == "overtaken"
        assert world.cloudformation.package == arn(3)

    def test_a_rollback_that_failed_needs_a_person(self, world):
        world.serve(1)
        world.registry.set(2, "Approved")
        world.deliver(2)
        world.cloudformation.failures.append("cannot be deleted")
        assert world.conclude("UPDATE_ROLLBACK_FAILED") == "stuck"
        assert world.topic.events[-1] == "release_failed"
        assert "continue-update-rollback" in world.topic.messages[-1]["Message"]


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


class TestVerdict:
    """Whoever approved is told how it ended, whatever that is."""

    def test_a_release_that_was_verified(self, world):
        world.serve(1)
        assert world.bucket.of(1) == [("released", "The endpoint was asked, and serves it.")]

    def test_a_release_whose_model_does_not_answer(self, world):
        """CloudFormation calls it done, and the endpoint is configured for it: neither says that it answers."""
        world.serve(1)
        world.registry.set(2, "Approved")
        world.deliver(2)
        world.cloudformation.finish()
        world.endpoint.wrong[arn(2)] = "It answered 502."
        assert world.conclude() == "taken_back"
        ((outcome, sentence),) = world.bucket.of(2)
        assert (outcome, sentence) == ("taken_back", f"It answered 502. {arn(1)} is being put back.")
        world.cloudformation.finish()
        assert world.conclude() == "restored"
        assert len(world.bucket.of(2)) == 1
        assert world.bucket.of(1)[0][0] == "released"

    def test_a_release_that_cloudformation_took_back(self, world):
        world.serve(1)
        world.registry.set(2, "Approved")
        world.deliver(2)
        world.cloudformation.roll_back(arn(1), "The model did not load.")
        assert world.conclude() == "rolled_back"
        assert world.bucket.of(2) == [("rolled_back", "It was rolled back: Endpoint: The model did not load.")]

    def test_of_two_approvals_at_once_the_one_that_loses_is_told(self, world):
        world.registry.set(1, "Approved")
        world.registry.set(2, "Approved")
        assert world.deliver(2) == "requested"
        world.cloudformation.finish()
        assert world.deliver(1) == "superseded"
        assert world.bucket.of(1) == [("superseded", f"{arn(2)} was approved after it and is what is served.")]

    def test_an_approval_that_the_stack_refuses(self, world):
        world.cloudformation.refuses = "The stack is locked."
        world.registry.set(1, "Approved")
        assert world.deliver(1) == "failed"
        assert world.bucket.of(1) == [("failed", "The stack could not be updated: The stack is locked.")]

    def test_an_approval_that_was_withdrawn_before_it_was_followed(self, world):
        world.registry.set(1, "Rejected")
        assert world.deliver(1) == "stale"
        assert world.bucket.of(1)[0][0] == "withdrawn"

    def test_an_approval_of_what_is_released_already(self, world):
        world.serve(1)
        world.registry.set(1, "Approved")
        assert world.deliver(1) == "already_serving"
        assert [outcome for outcome, _ in world.bucket.of(1)] == ["released", "released"]
        world.endpoint.wrong[arn(1)] = "It answered 502."
        world.registry.set(1, "Approved")
        assert world.deliver(1) == "unverified"

    def test_a_repeated_event_leaves_one_verdict(self, world):
        world.serve(1)
        assert world.conclude() == "released"
        assert len(world.bucket.of(1)) == 1

    def test_what_is_rejected_while_it_is_rolled_out_does_not_stay(self, world):
        """Two seconds after an approval somebody sees the mistake: the last good model has to go on answering."""
        world.serve(1)
        world.registry.set(2, "Approved")
        world.deliver(2)
        world.registry.set(2, "Rejected")
        world.deliver(2, "Rejected")
        world.cloudformation.finish()
        assert world.conclude() == "taken_back"
        assert "rejected while it was rolled out" in world.bucket.of(2)[0][1]
        assert world.cloudformation.package == arn(1)

    def test_a_first_release_that_is_rejected_stays_for_want_of_another_and_is_said(self, world):
        world.registry.set(1, "Approved")
        world.deliver(1)
        world.registry.set(1, "Rejected")
        assert world.deliver(1, "Rejected") == "rejected_while_serving"
        world.cloudformation.finish()
        assert world.conclude() == "released"
