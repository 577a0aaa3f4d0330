"""Nothing is released but what was registered, byte for byte, and what serves stays."""

from datetime import UTC, datetime, timedelta

import pytest

from lambdas.release.release import StackBusyError
from tests.lambdas.release.world import START, World, arn

MODEL = "executions/3/model.tar.gz"


@pytest.fixture
def world():
    """A deployment that signs, in which version 2 serves and version 3 was signed and is approved."""
    made = World()
    made.serve(2)
    made.kms.made = START
    made.registry.set(3, "Approved")
    made.sign(3)
    made.topic.messages.clear()
    made.bucket.kept.clear()
    return made


def statement(world):
    (key,) = (key for key in world.artifacts.objects if key.startswith("signatures/3/"))
    return key


def refused(world, outcome):
    updates = len(world.cloudformation.updates)
    assert world.deliver(3) == outcome
    assert len(world.cloudformation.updates) == updates
    assert world.cloudformation.package == arn(2), "what serves is left alone"
    assert world.topic.events == ["release_held_back"]
    assert f"{arn(2)} serves as before." in world.topic.messages[0]["Message"]
    ((said, sentence),) = world.bucket.of(3)
    assert said == outcome
    return sentence


def test_what_was_signed_is_released(world):
    assert world.deliver(3) == "requested"
    assert world.topic.events == ["release_requested"]
    assert "signed" not in world.topic.messages[0]["Message"]


def test_a_model_that_was_changed_after_its_registration_is_refused(world):
    world.artifacts.flip(MODEL)
    sentence = refused(world, "artifact_changed")
    assert "What was registered as version 3 was changed: model.tar.gz is " in sentence
    assert "`cxr verify 3`" in sentence


def test_a_model_that_is_gone_is_refused(world):
    del world.artifacts.objects[MODEL]
    assert "model.tar.gz is gone" in refused(world, "artifact_changed")


def test_a_package_that_points_elsewhere_than_it_did_is_refused(world):
    world.artifacts.objects["executions/other/model.tar.gz"] = world.artifacts.objects[MODEL]
    (container,) = world.registry.packages[arn(3)]["InferenceSpecification"]["Containers"]
    container["ModelDataUrl"] = "s3://artifacts/executions/other/model.tar.gz"
    assert "place of model.tar.gz" in refused(world, "artifact_changed")


def test_a_statement_that_was_changed_with_the_model_is_refused(world):
    """Write access to the bucket is enough to change both, and not to sign."""
    world.artifacts.flip(statement(world))
    assert "The signed statement s3://artifacts/signatures/3/" in refused(world, "artifact_changed")


def test_the_statement_of_another_version_is_refused(world):
    world.registry.set(4, "PendingManualApproval")
    world.sign(4)
    (other,) = (key for key in world.artifacts.objects if key.startswith("signatures/4/"))
    world.artifacts.objects[statement(world)] = world.artifacts.objects[other]
    assert f"is that of {arn(4)}" in refused(world, "artifact_changed")


def test_a_version_without_its_statement_is_refused_once_it_should_have_one(world):
    del world.artifacts.objects[statement(world)]
    assert "There is no signed statement s3://artifacts/signatures/3/" in refused(world, "not_signed")


def test_one_that_was_just_registered_is_waited_for(world):
    world.registry.set(3, "Approved", created=datetime.now(UTC))
    world.during_sleep.append(lambda: world.sign(3))
    assert world.deliver(3) == "requested"
    assert world.seconds == 2.0


def test_it_is_not_waited_for_longer_than_the_invocation_may_take(world):
    world.registry.set(3, "Approved", created=datetime.now(UTC))
    with pytest.raises(StackBusyError, match="is not signed yet"):
        world.deliver(3, timeout=60.0)
    assert world.bucket.of(3) == [], "the event is delivered again"


def test_one_of_before_there_were_signatures_is_released_and_told(world):
    world.registry.set(3, "Approved", created=START - timedelta(days=1))
    assert world.deliver(3) == "requested"
    message = world.topic.messages[0]["Message"]
    assert "It was registered before this deployment signed models (2026-01-01T00:00:00Z)" in message
