"""With the site gate, nothing is released that no site's radiographs speak for, or any speak against."""

import pytest
from botocore.exceptions import ClientError

from lambdas.release.site_gate import SiteGate
from tests.lambdas.release.world import World, arn, refusal
from tests.lambdas.site_bucket import SiteBucket, document


@pytest.fixture
def sites():
    return SiteBucket()


@pytest.fixture
def world(sites):
    """A deployment with the gate, in which version 2 serves; what was said of its release is forgotten."""
    made = World()
    made.serve(2)
    made.site_gate = SiteGate(sites, "artifacts")
    made.topic.messages.clear()
    return made


def approve(world):
    world.registry.set(3, "Approved")
    return world.deliver(3)


def held_back(world):
    """Version 3 is approved and held back; the reason, as whoever approved it is told."""
    updates = len(world.cloudformation.updates)
    assert approve(world) == "held_back"
    assert len(world.cloudformation.updates) == updates
    assert world.cloudformation.package == arn(2), "what serves is left alone"
    assert world.topic.events == ["release_held_back"]
    message = world.topic.messages[0]["Message"]
    assert f"{arn(2)} serves as before." in message
    ((outcome, sentence),) = world.bucket.of(3)
    assert outcome == "held_back"
    why, todo = (line.partition(": ")[2] for line in message.splitlines()[2:])
    assert sentence == f"{why} {todo}"
    return sentence


def test_a_version_that_a_site_calls_usable_is_released(world, sites):
    sites.add("abc", document("usable"))
    assert approve(world) == "requested"
    assert world.topic.events == ["release_requested"]


def test_without_an_evaluation_nothing_is_released_and_it_is_said_how_to_make_one(world, sites):
    sites.add("other", document("usable"), version=2)
    sentence = held_back(world)
    assert "There is no site evaluation of version 3." in sentence
    assert "Run `cxr evaluate ARCHIVE --model 3` on a site's radiographs, then `cxr approve 3`." in sentence


def test_an_evaluation_that_cannot_tell_is_none_for_and_none_against(world, sites):
    sites.add("few", document("too_few"), minutes=1)
    assert "No site evaluation calls version 3 usable. The newest says: What is too_few." in held_back(world)
    sites.add("enough", document("usable"), minutes=0)
    assert approve(world) == "requested"


def test_a_certain_miss_holds_back_whatever_the_verdict_is_called(world, sites):
    """Too few images for a verdict can be enough to know that one limit is missed."""
    sites.add("good", document("usable"), minutes=1)
    sites.add("few", document("too_few", judgements=[{"name": "MinSensitivity", "state": "missed"}]), minutes=2)
    assert "The site evaluation few speaks against version 3" in held_back(world)


def test_one_that_may_be_about_the_training_images_releases_nothing(world, sites):
    sites.add("unknown", document("usable", known=None), minutes=1)
    sentence = held_back(world)
    assert "left no fingerprints of the images that it was trained on" in sentence
    sites.add("compared", document("usable"), minutes=2)
    assert approve(world) == "requested"


@pytest.mark.parametrize("code", ["not_usable", "usable_after_calibration"])
@pytest.mark.parametrize("minutes", [0, 2])
def test_one_site_that_speaks_against_it_is_outvoted_by_none(world, sites, code, minutes):
    """One endpoint answers all sites, so neither a newer nor an older `usable` of another hides it."""
    sites.add("good", document("usable"), minutes=1)
    sites.add("bad", document(code), minutes=minutes)
    sentence = held_back(world)
    assert f"The site evaluation bad speaks against version 3: What is {code}." in sentence
    assert "remove s3://artifacts/site-evaluations/3/bad/ and approve the version again" in sentence


def test_no_number_of_later_evaluations_pushes_one_out_of_sight(world, sites):
    sites.add("bad", document("not_usable"), minutes=0)
    for number in range(1, 30):
        sites.add(f"good-{number}", document("usable"), minutes=number)
    assert "speaks against version 3" in held_back(world)


def test_one_that_cannot_be_read_may_say_anything_so_nothing_is_released_over_it(world, sites):
    sites.add("good", document("usable"))
    sites.add("late", document("usable", schema=99))
    sentence = held_back(world)
    assert "The site evaluation late of version 3 cannot be read." in sentence
    assert "is of schema 99, where 2 is the latest understood: deploy again." in sentence


def test_once_evaluated_the_same_version_is_approved_again(world, sites):
    held_back(world)
    sites.add("abc", document("usable"))
    assert approve(world) == "requested"
    world.cloudformation.finish()
    assert world.conclude() == "released"
    assert [outcome for outcome, _ in world.bucket.of(3)] == ["held_back", "released"]


def test_where_s3_does_not_tell_nothing_is_decided_and_the_event_comes_again(world, sites, monkeypatch):
    def denied(**_):
        raise refusal("GetObject", "not authorized to perform: s3:GetObject", "AccessDenied")

    sites.add("abc", document("usable"))
    monkeypatch.setattr(sites, "get_object", denied)
    world.registry.set(3, "Approved")
    with pytest.raises(ClientError, match="not authorized"):
        world.deliver(3)
    assert world.bucket.of(3) == []
    assert world.topic.events == []


def test_what_serves_stays_approved_whatever_a_site_says_later(world, sites):
    """Its approval repeated releases nothing: only `cxr rollback` or another approval takes a model off."""
    sites.add("late", document("not_usable"), version=2)
    world.registry.set(2, "Approved")
    assert world.deliver(2) == "already_serving"


def test_a_rollback_after_a_failed_release_passes_no_gate(world, sites):
    """Version 2 has no site evaluation: it served before the gate was there, and has to go on serving."""
    sites.add("abc", document("usable"))
    assert approve(world) == "requested"
    world.cloudformation.finish()
    world.endpoint.wrong[arn(3)] = "It answered 502."
    assert world.conclude() == "taken_back"
    assert world.cloudformation.package == arn(2)


def test_a_first_release_is_held_back_too(sites):
    world = World(site_gate=SiteGate(sites, "artifacts"))
    world.registry.set(3, "Approved")
    assert world.deliver(3) == "held_back"
    assert "No model serves, as before." in world.topic.messages[0]["Message"]


def test_who_is_asked_to_approve_hears_of_the_evaluation_first(world):
    world.registry.set(3, "PendingManualApproval")
    world.deliver(3, "PendingManualApproval")
    message = world.topic.messages[0]["Message"]
    assert message.index("cxr evaluate ARCHIVE --model 3") < message.index("cxr approve 3")


def test_without_the_setting_nobody_is_asked_for_an_evaluation():
    world = World()
    world.registry.set(3, "PendingManualApproval")
    world.deliver(3, "PendingManualApproval")
    assert "cxr evaluate" not in world.topic.messages[0]["Message"]
    assert approve(world) == "requested"
