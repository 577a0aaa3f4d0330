"""Releases under load: blue/green and canary traffic, rollback of a broken model by alarms, and notifications.

The app is deployed with a serverless endpoint, then with one on instances, a canary and an asynchronous endpoint beside
it, as in prod but with short waits. The models are handlers that answer by the contract and know nothing of
radiographs: what is tested is what becomes of them. The tests run in the order they stand in.
"""

from __future__ import annotations

import csv
import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.laptop import REPOSITORY, Laptop, deploy, synth
from local.samples.sample_archive import write_examples
from tests.local.hosted import IMAGE, unasked
from tests.system.deployed import Inbox, Stack, eventually, succeeded

pytestmark = [pytest.mark.system, pytest.mark.slow]

APP = ("app.py", "cdk.json", "docs", "infra", "lambdas", "model_code", "pipeline")
REALTIME = {
    "kind": "realtime",
    "instance_type": "ml.c6i.xlarge",
    "fallback_instance_types": [],
    "instance_count": 2,
    "scaling": {"max_instances": 4, "invocations_per_minute": 480},
    "shadow_percent": 0,
    "detailed_observability": False,
    "rollout": {
        "traffic": "canary",
        "percent": 50,
        "wait_seconds": 20,
        "termination_wait_seconds": 2,
        "max_error_percent": 5,
        # This machine has other things to do: only errors are to roll a release back here.
        "max_latency_ms": 60_000,
        "max_overhead_ms": 60_000,
        "alarm_period_seconds": 60,
    },
}
ASYNCHRONOUS = {
    "instance_type": "ml.c6i.xlarge",
    "fallback_instance_types": [],
    "max_instances": 2,
    "concurrent_requests": 2,
    "backlog_per_instance": 1000,
}
ANSWERS = """
import json, os

def handler(data, context):
    data.read()
    scores = {"probability": 0.25, "logit": -1.1, "label": "NORMAL", "indeterminate": False}
    scores["out_of_distribution_score"] = 0.1
    model = {"package_arn": os.environ["MODEL_PACKAGE_ARN"], "threshold": 0.5, "image_size": 64}
    model |= {"indeterminate": {"low": 0.4, "high": 0.6}, "dataset_sha256": "0" * 64, "engine": "tensorflow"}
    return json.dumps({"predictions": [scores], "model": model}), "application/json"
"""
BREAKS = """
def handler(data, context):
    raise ValueError("inference_failed: this model is broken")
"""
DOES_NOT_START = "raise RuntimeError('no such library')"


class Releases:
    """The deployed app, the models that are registered in it, and what its topic told."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._inbox = Inbox(stack, "told")
        self.told: list[tuple[str, str]] = []

    def register(self, inference: str) -> int:
        """A version of the group that waits for approval."""
        number = len(self.stack.packages()) + 1
        bucket, key = self.stack.outputs["ArtifactBucketName"], f"executions/handmade-{number}/model.tar.gz"
        s3, sagemaker = (self.stack.laptop.client(service) for service in ("s3", "sagemaker"))
        s3.put_object(Bucket=bucket, Key=key, Body=unasked(inference))
        arn = sagemaker.create_model_package(
            ModelPackageGroupName=self.stack.outputs["ModelPackageGroupName"],
            InferenceSpecification={
                "Containers": [{"Image": IMAGE, "ModelDataUrl": f"s3://{bucket}/{key}"}],
                "SupportedContentTypes": ["image/jpeg"],
                "SupportedResponseMIMETypes": ["application/json"],
            },
            ModelApprovalStatus="PendingManualApproval",
        )["ModelPackageArn"]
        assert str(arn).endswith(f"/{number}")
        return number

    def hears(self, wanted: str, version: int) -> str:
        """The topic's message of an event about a version, once it was told."""

        def found() -> str | None:
            for envelope in self._inbox.take():
                # The messages of alarms have no attributes.
                event = envelope.get("MessageAttributes", {}).get("event", {}).get("Value", "alarm")
                self.told.append((event, envelope["Message"]))
            return next((text for kind, text in self.told if kind == wanted and f"/{version} " in text), None) or next(
                (text for kind, text in self.told if kind == wanted and f"/{version}." in text), None
            )

        return str(eventually(found, within=90, what=f"{wanted} of version {version}, having heard {self.told}"))


class Load:
    """Clients that ask as long as the block lasts: status and version of each answer."""

    def __init__(self, stack: Stack, image: Path) -> None:
        self.answers: list[tuple[int, int | None]] = []
        self._stack, self._image, self._stop = stack, image, threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(2)]

    def _ask(self) -> None:
        while not self._stop.is_set():
            answer = self._stack.predict(self._image)
            self.answers.append((answer.status, answer.document.get("model", {}).get("version")))
            time.sleep(0.3)  # two clients stay below the usage plan's ten requests a second

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def deploy_with(laptop: Laptop, app: Path, *stacks: str, **settings: Any) -> None:
    """Deploy the app with other settings of the laptop; None takes one away."""
    shutil.rmtree(app, ignore_errors=True)
    app.mkdir()
    for name in APP:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, app / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, app / name)
    document = json.loads((app / "cdk.json").read_text(encoding="utf-8"))
    own = document["context"]["environments"]["laptop"]
    own.update(settings)
    (app / "cdk.json").write_text(json.dumps(document), encoding="utf-8")
    for command in (synth(app / "cdk.out"), deploy(app / "cdk.out", *stacks)):
        succeeded(laptop.run(command, cwd=app), laptop)


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Releases]:
    workspace = tmp_path_factory.mktemp("releases")
    with Laptop(workspace / "cloud", port=0) as laptop:
        deploy_with(laptop, workspace / "app")
        stack = Stack(laptop, workspace, laptop.outputs(), laptop.api_url(), laptop.page_url(), laptop.api_key())
        yield Releases(stack)


@pytest.fixture(scope="module")
def image(releases: Releases) -> Path:
    return next(iter(write_examples(releases.stack.workspace / "examples")))


@pytest.fixture(scope="module")
def first(releases: Releases) -> int:
    """The version that was released first."""
    version = releases.register(ANSWERS)
    assert "cxr approve 1" in releases.hears("approval_wanted", version)
    succeeded(releases.stack.cxr("approve", str(version)), releases.stack.laptop)
    return version


def test_a_release_is_reported_when_the_endpoint_was_asked(releases: Releases, first: int) -> None:
    assert "an answer named it" in releases.hears("released", first)
    # Alarms speak on the same topic: on a busy machine, about its latency.
    told = [kind for kind, _ in releases.told if kind != "alarm"]
    assert told == ["approval_wanted", "release_requested", "released"]


def test_where_no_alarm_guards_the_traffic_a_model_that_fails_is_rolled_back(
    releases: Releases, first: int, image: Path
) -> None:
    """A serverless endpoint switches at once; the question after the release is what finds the failure."""
    stack, broken = releases.stack, releases.register(BREAKS)

    stack.cxr("approve", str(broken), "--no-wait")

    assert "this model is broken" in releases.hears("release_failed", broken)
    assert f"/{first} serves as before." in releases.hears("release_rolled_back", broken)
    assert stack.predict(image).document["model"]["version"] == first


def test_an_artifact_that_was_changed_never_gets_traffic(releases: Releases, first: int, image: Path) -> None:
    """By somebody who may write to the bucket, between registration and approval."""
    stack, version = releases.stack, releases.register(ANSWERS)
    releases.hears("approval_wanted", version)
    s3, bucket = stack.laptop.client("s3"), stack.outputs["ArtifactBucketName"]
    key = f"executions/handmade-{version}/model.tar.gz"
    eventually(
        lambda: s3.list_objects_v2(Bucket=bucket, Prefix=f"signatures/{version}/").get("Contents"),
        within=60,
        what="the signed statement",
    )
    succeeded(stack.cxr("verify", str(version)), stack.laptop)
    content = bytearray(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    content[len(content) // 2] ^= 1
    s3.put_object(Bucket=bucket, Key=key, Body=bytes(content))

    done, verified = stack.cxr("approve", str(version)), stack.cxr("verify", str(version))

    assert (done.returncode, verified.returncode) == (1, 1)
    assert "artifact changed" in " ".join(done.stderr.split())
    assert "model.tar.gz is " in " ".join(verified.stderr.split())
    assert f"/{first} serves as before." in releases.hears("release_held_back", version)
    assert stack.predict(image).document["model"]["version"] == first


@pytest.fixture(scope="module")
def on_instances(releases: Releases, first: int, image: Path) -> int:
    """The version that was released first, on instances now; failures of one that was put back do not count there."""
    stack = releases.stack
    deploy_with(
        stack.laptop,
        stack.workspace / "app",
        "cxr-laptop-release",
        "cxr-laptop-endpoint",
        endpoint=REALTIME,
        asynchronous=ASYNCHRONOUS,
    )
    assert stack.predict(image).document["model"]["version"] == first, "a deployment keeps what is released"
    return first


def test_the_containers_write_their_logs(releases: Releases, on_instances: int) -> None:
    logs = releases.stack.laptop.client("logs")
    groups = {group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]}
    assert {"/aws/sagemaker/Endpoints/cxr-laptop", "/aws/sagemaker/Endpoints/cxr-laptop-async"} <= groups


@pytest.fixture(scope="module")
def second(releases: Releases, on_instances: int, image: Path) -> tuple[int, list[tuple[int, int | None]]]:
    """The version that took over under load, and what the clients got meanwhile."""
    version = releases.register(ANSWERS)
    with Load(releases.stack, image) as load:
        done = releases.stack.cxr("approve", str(version))
        eventually(lambda: load.answers[-1][1] == version, within=20, what="an answer by the new model")
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return version, load.answers


def test_a_good_model_takes_over_without_a_failed_request(
    releases: Releases, first: int, second: tuple[int, list[tuple[int, int | None]]]
) -> None:
    version, answers = second
    assert {status for status, _ in answers} == {200}
    assert {model for _, model in answers} == {first, version}
    began = next(number for number, (_, model) in enumerate(answers) if model == version)
    assert first in [model for _, model in answers[began:]], "both answered while the canary was looked at"
    releases.hears("released", version)


def test_a_model_that_fails_its_requests_is_rolled_back_by_an_alarm(
    releases: Releases, second: tuple[int, list[tuple[int, int | None]]], image: Path
) -> None:
    good = second[0]
    broken = releases.register(BREAKS)
    with Load(releases.stack, image) as load:
        done = releases.stack.cxr("approve", str(broken))
        went_back = len(load.answers) + 2  # the two requests that are under way
        eventually(lambda: len(load.answers) > went_back + 10, within=20, what="answers after the rollback")
    assert done.returncode == 1
    assert "CloudWatch alarms are in ALARM" in " ".join((done.stdout + done.stderr).split())
    assert 502 in {status for status, _ in load.answers[:went_back]}, "the broken model had its share"
    assert set(load.answers[went_back:]) == {(200, good)}
    told = releases.hears("release_rolled_back", broken)
    assert f"/{good} serves as before." in told
    assert "in ALARM" in told


def test_a_model_that_does_not_start_is_never_asked(
    releases: Releases, second: tuple[int, list[tuple[int, int | None]]], image: Path
) -> None:
    good = second[0]
    broken = releases.register(DOES_NOT_START)
    with Load(releases.stack, image) as load:
        done = releases.stack.cxr("approve", str(broken))
    assert done.returncode == 1
    assert set(load.answers) == {(200, good)}
    assert "did not pass the ping health check" in releases.hears("release_rolled_back", broken)


@pytest.mark.parametrize("how", [[], ["--async"]], ids=["transform job", "asynchronous endpoint"])
def test_a_folder_is_scored_by_the_released_model(
    releases: Releases, second: tuple[int, list[tuple[int, int | None]]], image: Path, how: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(3):
        shutil.copy(image, folder / f"{number}.jpeg")
    summary = tmp_path / "summary.csv"

    done = releases.stack.cxr("batch", str(folder), "--output", str(summary), "--json", *how)

    succeeded(done, releases.stack.laptop)
    answer = json.loads(done.stdout)
    assert (answer["images"], answer["failed"]) == (3, 0)
    rows = list(csv.DictReader(summary.read_text(encoding="utf-8").splitlines()))
    assert [Path(row["path"]).name for row in rows] == ["0.jpeg", "1.jpeg", "2.jpeg"]
    assert {(row["probability"], row["label"], row["error"]) for row in rows} == {("0.25", "NORMAL", "")}
    assert {row["model_version"] for row in rows} == {str(second[0])}
