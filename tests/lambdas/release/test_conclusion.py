"""A release is concluded once the endpoint answers, else rolled back; rejected models that serve are reported."""

import hashlib
from datetime import timedelta

from lambdas.release.stack import Token
from model_code.contract import served_files
from tests.lambdas.release.world import STACK_ARN, arn


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

    def test_a_rollback_is_reported_with_what_failed_and_what_serves(self, world):
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

    def test_a_model_that_does_not_answer_is_rolled_back(self, world):
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

    def test_a_model_that_was_rolled_back_to_and_does_not_answer_is_not_rolled_back_again(self, world):
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

    def test_of_two_approvals_at_once_the_one_that_loses_is_reported(self, world):
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


class TestServedFiles:
    def test_the_endpoint_is_asked_for_the_files_that_were_signed(self, world):
        """And of a version of before that, or that nobody signed, for none."""
        world.serve(1)
        world.registry.set(2, "Approved", created=world.kms.made + timedelta(hours=1))
        world.sign(2, {"metadata.json": b"{}"})
        world.deliver(2)
        world.cloudformation.finish()
        assert world.conclude() == "released"
        digest = served_files.digest({"metadata.json": hashlib.sha256(b"{}").hexdigest()})
        assert world.endpoint.expected == [(arn(1), None), (arn(2), digest)]
