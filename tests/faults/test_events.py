"""Events come again, late, in any order and at once, and services fail in between. Each upload runs, once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from tests.faults.archives import good, zipped
from tests.faults.conftest import BUCKET, KEY, Bench


@pytest.fixture(scope="module")
def archive() -> bytes:
    return zipped(good())


def copy_of(bench: Bench, outcome: dict[str, Any]) -> bytes:
    key = outcome["archive_uri"].removeprefix(f"s3://{BUCKET}/")
    body: bytes = bench.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return body


def test_repeated_and_reordered_events_start_each_version_once(bench: Bench, archive: bytes) -> None:
    other = zipped({**good(), "chest/notes.txt": b"other"})
    events = [bench.put(archive), bench.put(other), bench.put(archive, "incoming/second.zip")]
    orders = itertools.islice(itertools.permutations([*events, *events]), 0, 720, 97)
    outcomes = [[bench.handle(event) for event in order] for order in orders]
    assert len(bench.pipeline.executions) == 3
    copies = {one["archive_uri"]: copy_of(bench, one) for order in outcomes for one in order}
    assert sorted(copies.values()) == sorted([archive, archive, other])
    assert bench.topic.messages == []


def test_fifty_archives_at_once_are_fifty_executions(bench: Bench, archive: bytes) -> None:
    events = [bench.put(archive, f"incoming/{number}.zip") for number in range(50)]
    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(bench.handle, [*events, *events[:10]]))
    assert {one["status"] for one in outcomes} == {"started"}
    assert len(bench.pipeline.executions) == 50
    assert len({one["archive_uri"] for one in outcomes}) == 50


def test_what_is_overwritten_or_deleted_during_a_run_changes_nothing_and_a_retry_gives_the_same(
    bench: Bench, archive: bytes
) -> None:
    event = bench.put(archive)
    outcome = bench.handle(event)
    first = bench.run(outcome["archive_uri"])
    bench.put(b"another")
    version = event["detail"]["object"]["version-id"]
    bench.s3.delete_object(Bucket=BUCKET, Key=KEY, VersionId=version)
    again = bench.run(outcome["archive_uri"], hosts=3)
    assert again["sha256"] == first["sha256"]
    assert {**again, "created": ""} == {**first, "created": ""}


def test_an_upload_that_is_deleted_before_it_is_read_leaves_nothing(bench: Bench, archive: bytes) -> None:
    event = bench.put(archive)
    bench.s3.delete_object(Bucket=BUCKET, Key=KEY, VersionId=event["detail"]["object"]["version-id"])
    assert bench.handle(event)["status"] == "gone"
    assert (bench.pipeline.executions, bench.report(), bench.topic.messages) == ({}, None, [])


def test_an_upload_that_is_deleted_while_it_is_read_is_gone_at_the_next_delivery(bench: Bench, archive: bytes) -> None:
    event = bench.put(archive)
    version = event["detail"]["object"]["version-id"]

    def delete(**_: Any) -> None:
        bench.s3.meta.events.unregister("before-call.s3.GetObject", delete)
        bench.s3.delete_object(Bucket=BUCKET, Key=KEY, VersionId=version)

    bench.s3.meta.events.register("before-call.s3.GetObject", delete)
    with pytest.raises(ClientError, match="NoSuchVersion"):
        bench.handle(event)
    assert bench.handle(event)["status"] == "gone"
    assert (bench.pipeline.executions, bench.report()) == ({}, None)


class Faults:
    """Has the calls of some operations fail, each once, before they reach the bucket or after they did their work."""

    def __init__(self, bench: Bench, *, after: bool) -> None:
        self._bench, self._name = bench, "after-call" if after else "before-call"
        self._failed: set[str] = set()
        self.made = 0

    def __enter__(self) -> Faults:
        self._bench.s3.meta.events.register(f"{self._name}.s3", self._fail)
        return self

    def __exit__(self, *_: object) -> None:
        self._bench.s3.meta.events.unregister(f"{self._name}.s3", self._fail)

    def _fail(self, model: Any, **_: Any) -> None:
        if model.name not in self._failed:
            self._failed.add(model.name)
            self.made += 1
            raise EndpointConnectionError(endpoint_url="https://s3")


def delivered(bench: Bench, event: dict[str, Any]) -> Iterator[BaseException | dict[str, Any]]:
    """Outcomes of an event, which Lambda delivers again while it fails (here as often as it takes)."""
    for _ in range(10):
        try:
            outcome = bench.handle(event)
        except (ClientError, EndpointConnectionError) as error:
            yield error
        else:
            yield outcome
            return


@pytest.mark.parametrize("after", [False, True], ids=["before it is done", "after it was done"])
@pytest.mark.parametrize("kind", ["accepted", "refused"])
def test_whichever_call_fails_once_the_next_delivery_ends_it(
    bench: Bench, archive: bytes, kind: str, *, after: bool
) -> None:
    """A call that failed may have been carried out: nothing is started, copied or told twice for that."""
    event = bench.put(archive if kind == "accepted" else b"no archive")
    with Faults(bench, after=after) as faults:
        *failed, last = delivered(bench, event)
    assert len(failed) == faults.made >= 2, "nothing is swallowed"
    assert isinstance(last, dict)
    if kind == "accepted":
        assert last["status"] == "started"
        assert len(bench.pipeline.executions) == 1
        assert copy_of(bench, last) == archive
        assert bench.report() is None
    else:
        assert last["status"] == "rejected"
        assert bench.pipeline.executions == {}
        assert (bench.report() or {})["reason"] == "not_a_zip"


def throttled(**_: Any) -> None:
    raise ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, "StartPipelineExecution")


def lost(bench: Bench) -> Callable[..., None]:
    """StartPipelineExecution does its work, and the answer gets lost."""
    start = bench.pipeline.start_pipeline_execution

    def start_and_lose(**request: Any) -> None:
        start(**request)
        raise EndpointConnectionError(endpoint_url="https://sagemaker")

    return start_and_lose


@pytest.mark.parametrize("answer", ["throttled", "lost"])
def test_a_start_whose_answer_fails_is_made_again_and_is_one(
    bench: Bench, archive: bytes, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    event = bench.put(archive)
    with monkeypatch.context() as broken:
        broken.setattr(bench.pipeline, "start_pipeline_execution", throttled if answer == "throttled" else lost(bench))
        with pytest.raises((ClientError, EndpointConnectionError)):
            bench.handle(event)
    assert bench.handle(event)["status"] == "started"
    assert len(bench.pipeline.executions) == 1
