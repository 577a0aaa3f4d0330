"""A batch transform job asks a model about every object of a prefix, and fails for those it got no answer about."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.local.fake_cloud import wait_for

if TYPE_CHECKING:
    from tests.local.hosted import Hosting

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def model(hosting: Hosting) -> str:
    return hosting.model("transformer")


def transform(hosting: Hosting, name: str, model: str, source: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A job when it has ended."""
    hosting.sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName=model,
        TransformInput={"DataSource": {"S3DataSource": source}, "ContentType": "text/plain"},
        TransformOutput={"S3OutputPath": f"s3://artifacts/{name}/output", "Accept": "application/json"},
        TransformResources={"InstanceType": "ml.c6i.xlarge", "InstanceCount": 1},
        **more,
    )

    def ended() -> Any:
        job = hosting.sagemaker.describe_transform_job(TransformJobName=name)
        return job if job["TransformJobStatus"] not in ("InProgress", "Stopping") else None

    job: dict[str, Any] = wait_for(ended, 60)
    return job


def put(hosting: Hosting, prefix: str, **objects: bytes) -> dict[str, Any]:
    for name, body in objects.items():
        hosting.s3.put_object(Bucket="artifacts", Key=f"{prefix}/{name}", Body=body)
    return {"S3DataType": "S3Prefix", "S3Uri": f"s3://artifacts/{prefix}/"}


def test_every_object_gets_an_answer_beside_its_name(hosting: Hosting, model: str) -> None:
    source = put(hosting, "whole/input", a=b"1", b=b"22", c=b"333")

    job = transform(hosting, "whole", model, source, MaxConcurrentTransforms=2)

    assert job["TransformJobStatus"] == "Completed"
    assert job["TransformEndTime"] >= job["TransformStartTime"]
    answers = [json.loads(hosting.read(f"s3://artifacts/whole/output/{name}.out") or b"") for name in "abc"]
    assert [answer["length"] for answer in answers] == [1, 2, 3]
    assert {(answer["name"], answer["type"], answer["batch"]) for answer in answers} == {
        ("transformer", "text/plain", "true")
    }
    listed = hosting.sagemaker.list_transform_jobs(NameContains="whole")["TransformJobSummaries"]
    assert [item["TransformJobStatus"] for item in listed] == ["Completed"]


def test_one_object_that_fails_fails_the_job_but_not_the_others(hosting: Hosting, model: str) -> None:
    job = transform(hosting, "part", model, put(hosting, "part/input", good=b"1", bad=b"\xff"))

    assert job["TransformJobStatus"] == "Failed"
    assert "1 of 2 objects failed" in job["FailureReason"]
    assert hosting.read("s3://artifacts/part/output/good.out")
    assert hosting.read("s3://artifacts/part/output/bad.out") is None


def test_a_manifest_names_some_of_the_objects(hosting: Hosting, model: str) -> None:
    put(hosting, "chosen/input", a=b"1", b=b"22")
    manifest = json.dumps([{"prefix": "s3://artifacts/chosen/input/"}, "b"])
    hosting.s3.put_object(Bucket="artifacts", Key="chosen/manifest", Body=manifest.encode())

    source = {"S3DataType": "ManifestFile", "S3Uri": "s3://artifacts/chosen/manifest"}
    assert transform(hosting, "chosen", model, source)["TransformJobStatus"] == "Completed"

    assert hosting.read("s3://artifacts/chosen/output/b.out")
    assert hosting.read("s3://artifacts/chosen/output/a.out") is None


def test_an_empty_prefix_fails_the_job(hosting: Hosting, model: str) -> None:
    job = transform(hosting, "empty", model, {"S3DataType": "S3Prefix", "S3Uri": "s3://artifacts/nothing/"})
    assert job["TransformJobStatus"] == "Failed"
    assert "No S3 objects found" in job["FailureReason"]


def test_what_the_laptop_cannot_do_is_refused(hosting: Hosting, model: str) -> None:
    with pytest.raises(ClientError, match="SplitType 'Line' is not supported on the laptop"):
        hosting.sagemaker.create_transform_job(
            TransformJobName="lines",
            ModelName=model,
            TransformInput={
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://artifacts/whole/input/"}},
                "SplitType": "Line",
            },
            TransformOutput={"S3OutputPath": "s3://artifacts/lines"},
            TransformResources={"InstanceType": "ml.c6i.xlarge", "InstanceCount": 1},
        )
