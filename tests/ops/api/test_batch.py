"""Many images are copied to a place of their own, scored by a job or a queue, and listed one a line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from typer.testing import Result

from ops.api import batch, transform_job
from ops.base.errors import CommandError, ExitCode
from ops.base.session import Session

ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-package/cxr-dev/2"
ANSWER = {
    "predictions": [{"probability": 0.9, "logit": 2.2, "label": "PNEUMONIA", "indeterminate": False}],
    "model": {"package_arn": ARN, "threshold": 0.5},
}
OUTPUTS = {
    "DataBucketName": "data",
    "DataKeyArn": "arn:aws:kms:us-east-1:123456789012:key/0a1b",
    "EndpointName": "cxr-dev",
    "BatchInstanceType": "ml.c6i.xlarge",
    "BatchInstanceCount": "1",
    "BatchConcurrentRequests": "4",
}


@pytest.fixture
def s3() -> Iterator[Any]:
    from moto import mock_aws

    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="data")
        yield client


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with two JPEGs, one of them capital, a PNG below, and what is no image."""
    folder = tmp_path / "images"
    (folder / "below").mkdir(parents=True)
    for name in ("b.JPG", "a.jpeg", "below/c.png", "notes.txt"):
        (folder / name).write_bytes(name.encode())
    return folder


class SageMaker:
    """Answers about every image below a job's input, but for those a test names, and says what it was asked."""

    def __init__(self, s3: Any, unanswered: set[str] | None = None) -> None:
        self._s3, self._unanswered = s3, unanswered or set()
        self.jobs: list[dict[str, Any]] = []
        self.queued: list[dict[str, Any]] = []

    def create_transform_job(self, **job: Any) -> None:
        self.jobs.append(job)
        prefix = job["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"].removeprefix("s3://data/")
        output = job["TransformOutput"]["S3OutputPath"].removeprefix("s3://data/")
        for entry in self._s3.list_objects_v2(Bucket="data", Prefix=prefix)["Contents"]:
            name = entry["Key"].removeprefix(prefix)
            if name not in self._unanswered:
                self._s3.put_object(Bucket="data", Key=f"{output}/{name}.out", Body=json.dumps(ANSWER).encode())

    def describe_transform_job(self, *, TransformJobName: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        (job,) = (job for job in self.jobs if job["TransformJobName"] == TransformJobName)
        kind = job["TransformInput"]["ContentType"].rpartition("/")[2]
        failed = any(name.endswith(kind) for name in self._unanswered)
        if failed:
            return {"TransformJobStatus": "Failed", "FailureReason": "ClientError: See job logs."}
        return {"TransformJobStatus": "Completed"}

    def invoke_endpoint_async(self, **request: Any) -> dict[str, Any]:
        self.queued.append(request)
        location = request.get("InputLocation", f"{len(self.queued)}-inline")
        name = location.rpartition("/")[2]
        output, failure = f"batches/answers/{name}.out", f"batches/failures/{name}-error.out"
        if name in self._unanswered:
            said = b'{"error": "undecodable_image: The image cannot be read."}'
            self._s3.put_object(Bucket="data", Key=failure, Body=said)
        else:
            self._s3.put_object(Bucket="data", Key=output, Body=json.dumps(ANSWER).encode())
        return {"OutputLocation": f"s3://data/{output}", "FailureLocation": f"s3://data/{failure}"}


def patience(told: list[int] | None = None, timeout: float = 60) -> batch.Patience:
    return batch.Patience(poll=0, timeout=timeout, tell=(told if told is not None else []).append)


KEY = OUTPUTS["DataKeyArn"]
MACHINES = transform_job.Machines("ml.c6i.xlarge", 1, 4, KEY)


def test_a_folder_stands_for_the_images_in_it(s3: Any, images: Path) -> None:
    found = [Path(path).name for path in batch.sources(s3, [str(images)])]
    assert found == ["a.jpeg", "b.JPG", "c.png"]


def test_a_copy_has_nothing_of_its_original_but_the_image(s3: Any) -> None:
    """Tags would need rights that nobody was asked to have, and metadata may say who the patient is."""
    s3.put_object(Bucket="data", Key="study/a.jpg", Body=b"x", Tagging="scan=clean", Metadata={"patient": "somebody"})

    (item,) = batch.Store(s3, "data", "one").take(["s3://data/study/a.jpg"], lambda _: None)

    copy = s3.get_object(Bucket="data", Key=item.key)
    assert (copy["Body"].read(), copy["ContentType"], copy["Metadata"]) == (b"x", "image/jpeg", {})
    assert s3.get_object_tagging(Bucket="data", Key=item.key)["TagSet"] == []


def test_a_prefix_stands_for_the_images_below_it(s3: Any) -> None:
    for key in ("study/a.jpeg", "study/x/b.png", "study/readme.md", "other/c.png"):
        s3.put_object(Bucket="data", Key=key, Body=b"x")
    assert batch.sources(s3, ["s3://data/study/"]) == ["s3://data/study/a.jpeg", "s3://data/study/x/b.png"]


@pytest.mark.parametrize("address", ["s3://", "s3:///study/", "s3://My_Bucket/", "s3://b/", "s3://-bucket-/x"])
def test_an_address_without_a_bucket_is_said_to_be_none(s3: Any, address: str) -> None:
    """The SDK answered with its regular expressions."""
    with pytest.raises(CommandError, match=r"names no bucket: write s3://BUCKET/PREFIX\.") as wrong:
        batch.sources(s3, [address])
    assert wrong.value.exit_code == ExitCode.USAGE


def test_what_is_not_there_is_named(s3: Any, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="nowhere does not exist") as missing:
        batch.sources(s3, ["nowhere"])
    assert missing.value.exit_code == ExitCode.USAGE
    (tmp_path / "scan.dcm").touch()
    with pytest.raises(CommandError, match="DICOM files go through `cxr predict`"):
        batch.sources(s3, [str(tmp_path)])


def test_images_are_copied_under_numbers_apart_by_type(s3: Any, images: Path) -> None:
    """Names can repeat in two folders, and a transform job knows one media type."""
    s3.put_object(Bucket="data", Key="elsewhere/a.jpeg", Body=b"from S3")
    store, counted = batch.Store(s3, "data", "one"), []

    items = store.take([*batch.sources(s3, [str(images)]), "s3://data/elsewhere/a.jpeg"], counted.append)

    assert [item.key for item in items] == [
        "batches/one/input/jpeg/000001.jpeg",
        "batches/one/input/jpeg/000002.jpg",
        "batches/one/input/png/000003.png",
        "batches/one/input/jpeg/000004.jpeg",
    ]
    assert [store.read(item.key) for item in items] == [b"a.jpeg", b"b.JPG", b"below/c.png", b"from S3"]
    assert sum(counted) == 4


def test_a_transform_job_for_each_type_scores_the_batch(s3: Any, images: Path) -> None:
    store, told = batch.Store(s3, "data", "two"), []
    items = store.take(batch.sources(s3, [str(images)]), lambda _: None)
    sagemaker: Any = SageMaker(s3)

    scores = batch.transform(sagemaker, store, items, model="model-1", machines=MACHINES, wait=patience(told))

    assert [job["TransformJobName"] for job in sagemaker.jobs] == ["batches-two-jpeg", "batches-two-png"]
    assert {job["ModelName"] for job in sagemaker.jobs} == {"model-1"}
    for job in sagemaker.jobs:
        assert job["TransformOutput"]["KmsKeyId"] == KEY, "without one SageMaker takes another than the bucket's"
        assert "VolumeKmsKeyId" not in job["TransformResources"]
        assert "Tags" not in job
        assert job["MaxConcurrentTransforms"] * job["MaxPayloadInMB"] <= 100, "SageMaker takes no more"
    assert [score.answer for score in scores] == [ANSWER] * 3
    assert told[-1] == 3


@pytest.mark.parametrize(("instance_type", "key"), [("ml.c6i.xlarge", KEY), ("ml.g4dn.xlarge", None)])
def test_a_job_has_what_an_organisation_may_demand(instance_type: str, key: str | None) -> None:
    """A key on volumes where there are volumes, and the environment's tags."""
    tags = {"project": "chest-xray-stack", "environment": "dev"}
    machines = transform_job.Machines(instance_type, 1, 4, KEY, KEY, tags)
    asked: Any = transform_job.request(
        "job", model="m", content_type="image/png", source="s3://a/b/", output="s3://a/c", machines=machines
    )
    assert asked["TransformResources"].get("VolumeKmsKeyId") == key
    assert [tag["Key"] for tag in asked["Tags"]] == ["environment", "project"]
    assert asked["Tags"][1]["Value"] == "chest-xray-stack"


def test_an_image_without_an_answer_says_where_the_reason_is(s3: Any, images: Path) -> None:
    store = batch.Store(s3, "data", "three")
    items = store.take(batch.sources(s3, [str(images)]), lambda _: None)
    sagemaker: Any = SageMaker(s3, {"000001.jpeg"})

    scores = batch.transform(sagemaker, store, items, model="model-1", machines=MACHINES, wait=patience())

    assert scores[0].answer is None
    assert "/aws/sagemaker/TransformJobs of batches-three-jpeg" in scores[0].error
    assert [score.error for score in scores[1:]] == ["", ""], "the others were scored"


def test_a_queue_scores_each_image_and_says_why_not(s3: Any, images: Path) -> None:
    store = batch.Store(s3, "data", "four")
    items = store.take(batch.sources(s3, [str(images)]), lambda _: None)
    runtime: Any = SageMaker(s3, {"000002.jpg"})

    scores = batch.queue(runtime, store, items, endpoint="cxr-dev-async", wait=patience())

    by_input = {request["InputLocation"]: request["ContentType"] for request in runtime.queued}
    assert by_input["s3://data/batches/four/input/png/000003.png"] == "image/png"
    assert [score.error for score in scores] == ["", "undecodable_image: The image cannot be read.", ""]


def test_a_queue_takes_small_files_in_the_request_and_large_ones_and_objects_from_s3(s3: Any, images: Path) -> None:
    (images / "a.jpeg").write_bytes(bytes(batch.MAX_INLINE_BYTES))
    (images / "b.JPG").write_bytes(bytes(batch.MAX_INLINE_BYTES + 1))
    s3.put_object(Bucket="data", Key="elsewhere/a.png", Body=b"small")
    store, counted = batch.Store(s3, "data", "inline"), []
    chosen = [*batch.sources(s3, [str(images)]), "s3://data/elsewhere/a.png"]
    items = store.take(chosen, counted.append, inline_bytes=batch.MAX_INLINE_BYTES)
    runtime: Any = SageMaker(s3)

    scores = batch.queue(runtime, store, items, endpoint="cxr-dev-async", wait=patience())

    assert [score.answer for score in scores] == [ANSWER] * 4
    assert {len(request["Body"]) for request in runtime.queued if "Body" in request} == {128_000, len("below/c.png")}
    assert sorted(request["InputLocation"] for request in runtime.queued if "InputLocation" in request) == [
        "s3://data/batches/inline/input/jpeg/000002.jpg",
        "s3://data/batches/inline/input/png/000004.png",
    ]
    assert all(("Body" in request) is not ("InputLocation" in request) for request in runtime.queued)
    assert set(store.names("input")) == {"000002.jpg", "000004.png"}, "what travels in the request is not kept"
    assert sum(counted) == 4


def test_the_limit_of_inline_files_is_that_of_the_service_model() -> None:
    from botocore.loaders import Loader

    shapes = Loader().load_service_model("sagemaker-runtime", "service-2")["shapes"]
    said = shapes["InvokeEndpointAsyncInput"]["members"]["Body"]["documentation"]
    assert f"up to {batch.MAX_INLINE_BYTES:,} bytes" in said


def test_waiting_ends_with_a_word_about_what_goes_on(s3: Any, images: Path) -> None:
    store = batch.Store(s3, "data", "five")
    items = store.take(batch.sources(s3, [str(images)]), lambda _: None)
    sagemaker: Any = SageMaker(s3)
    sagemaker.describe_transform_job = lambda **_: {"TransformJobStatus": "InProgress"}
    with pytest.raises(CommandError, match="job batches-five-jpeg, batches-five-png goes on by itself") as gave_up:
        batch.transform(sagemaker, store, items, model="m", machines=MACHINES, wait=patience(timeout=0))
    assert gave_up.value.exit_code == ExitCode.TIMED_OUT


def test_the_summary_has_a_line_for_each_image_in_the_order_given() -> None:
    scores = [batch.Score("z.png", ANSWER), batch.Score("a, b.png", error="no answer")]
    rows = list(csv.DictReader(batch.table(scores).splitlines()))
    assert [row["path"] for row in rows] == ["z.png", "a, b.png"]
    assert (rows[0]["probability"], rows[0]["label"], rows[0]["model_package_arn"]) == ("0.9", "PNEUMONIA", ARN)
    assert (rows[1]["probability"], rows[1]["error"]) == ("", "no answer")


def test_an_answer_that_is_none_is_an_error(s3: Any) -> None:
    score = batch._score(batch.Item("a.png", "batches/x/input/png/000001.png"), b"<html>")
    assert score.error == "the model's answer could not be understood"


class TestCommand:
    @pytest.fixture
    def deployed(self, s3: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
        """The stacks as far as the command asks, with a released model."""
        sagemaker = SageMaker(s3)
        stacks = {part: self.stack(part) for part in ("data", "endpoint")}
        self.resources = [
            {
                "LogicalResourceId": "BatchModel1A2B",
                "ResourceType": "AWS::SageMaker::Model",
                "ResourceStatus": "CREATE_COMPLETE",
                "PhysicalResourceId": "arn:aws:sagemaker:us-east-1:123456789012:model/batchmodel-1",
            }
        ]

        class CloudFormation:
            describe_stacks = staticmethod(lambda *, StackName: {"Stacks": [stacks[StackName.rpartition("-")[2]]]})  # noqa: N803

            @staticmethod
            def get_paginator(_: str) -> Any:
                pages = [{"StackResourceSummaries": self.resources}]
                return type("Paginator", (), {"paginate": staticmethod(lambda **_: pages)})

        clients = {"s3": s3, "cloudformation": CloudFormation(), "sagemaker": sagemaker, "sagemaker-runtime": sagemaker}
        monkeypatch.setattr(Session, "client", lambda _session, service: clients[service])
        return sagemaker

    @staticmethod
    def stack(part: str) -> dict[str, Any]:
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in OUTPUTS.items()]
        tags = [{"Key": "environment", "Value": "dev"}]
        return {"StackName": f"cxr-dev-{part}", "StackStatus": "CREATE_COMPLETE", "Outputs": outputs, "Tags": tags}

    def test_a_folder_is_scored_and_summed_up(
        self, deployed: SageMaker, cxr: Callable[..., Result], images: Path, tmp_path: Path, s3: Any
    ) -> None:
        summary = tmp_path / "scores.csv"
        result = cxr("batch", str(images), "--output", str(summary), "--instance-count", "2")
        assert result.exit_code == 0, result.output
        assert "3 of 3 images scored" in result.output
        assert {job["ModelName"] for job in deployed.jobs} == {"batchmodel-1"}
        assert deployed.jobs[0]["TransformResources"] == {"InstanceType": "ml.c6i.xlarge", "InstanceCount": 2}
        assert deployed.jobs[0]["TransformOutput"]["KmsKeyId"] == KEY
        assert deployed.jobs[0]["Tags"] == [{"Key": "environment", "Value": "dev"}]
        assert len(summary.read_text(encoding="utf-8").splitlines()) == 4
        kept = [item["Key"] for item in s3.list_objects_v2(Bucket="data", Prefix="batches/")["Contents"]]
        assert any(key.endswith("/summary.csv") for key in kept)

    def test_a_script_is_told_where_the_summary_is(
        self, deployed: SageMaker, cxr: Callable[..., Result], images: Path, tmp_path: Path
    ) -> None:
        del deployed
        answered = json.loads(cxr("batch", str(images), "--output", str(tmp_path / "scores.csv"), "--json").stdout)
        assert (answered["images"], answered["failed"], answered["file"]) == (3, 0, str(tmp_path / "scores.csv"))
        assert answered["summary"] == f"{answered['batch']}/summary.csv"

    def test_without_a_model_nothing_is_copied(
        self, deployed: SageMaker, cxr: Callable[..., Result], images: Path, s3: Any
    ) -> None:
        self.resources.clear()
        result = cxr("batch", str(images))
        assert result.exit_code == 1
        assert "No model has been released yet" in result.output
        assert "Contents" not in s3.list_objects_v2(Bucket="data")

    def test_without_an_asynchronous_endpoint_the_setting_is_named(
        self, deployed: SageMaker, cxr: Callable[..., Result], images: Path
    ) -> None:
        result = cxr("batch", str(images), "--async")
        assert result.exit_code == 1
        assert "give it `asynchronous` in cdk.json" in " ".join(result.output.split())


def test_what_a_batch_cannot_take_is_said_and_what_has_no_suffix_is_taken(s3: Any, images: Path) -> None:
    (images / "IM0001").write_bytes(b"\xff\xd8\xff\xe0")
    (images / "scan").write_bytes(bytes(128) + b"DICM")
    (images / "a.jpeg.overlay.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    told: list[str] = []
    found = batch.sources(s3, [str(images)], told.append)
    assert [Path(path).name for path in found] == ["IM0001", "a.jpeg", "b.JPG", "c.png"]
    assert told == [
        "Left out: 1 overlays that cxr drew itself and 1 files that are no JPEG, PNG or DICOM.",
        "Left out: 1 DICOM files; DICOM files go through `cxr predict`.",
    ]
    for key in ("study/a.png", "study/a.png.overlay.png", "study/b.dcm", "study/readme.md"):
        s3.put_object(Bucket="data", Key=key, Body=b"x")
    assert batch.sources(s3, ["s3://data/study/"], told.append) == ["s3://data/study/a.png"]
    assert told[2:] == told[:2]
    items = batch.Store(s3, "data", "one").take(found, lambda _number: None)
    assert items[0].content_type == "image/jpeg"


def test_the_table_has_what_is_guaranteed_of_an_answer() -> None:
    guarantee = {"positive_predictive_value": 0.9, "confidence": 0.95, "prevalence": 0.4}
    answer = {**ANSWER, "model": {**ANSWER["model"], "guarantee": guarantee}}  # type: ignore[dict-item]
    (row,) = csv.DictReader(batch.table([batch.Score("a.jpeg", answer)]).splitlines())
    assert row["guaranteed"] == "0.9"


def test_an_indeterminate_answer_is_neither_label_in_the_table() -> None:
    prediction = {**ANSWER["predictions"][0], "indeterminate": True}  # type: ignore[dict-item]
    (row,) = csv.DictReader(batch.table([batch.Score("a.jpeg", {**ANSWER, "predictions": [prediction]})]).splitlines())
    assert (row["label"], row["indeterminate"], row["guaranteed"]) == ("INDETERMINATE", "true", "")
    assert "PNEUMONIA" not in row.values()
