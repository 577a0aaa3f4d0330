"""A folder of a bucket becomes a dataset: listed once with versions, judged, kept by the Trigger function."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from typer.testing import Result

from model_code.archive import inventory
from ops.base.errors import CommandError, ExitCode
from ops.pipelines import inventories
from ops.pipelines.inventories import Folder, Taken
from tests.ops.conftest import PIPELINE_ARN, Cloud, execution_arn
from tests.ops.pipelines.test_datasets import DEFINITION

SOURCES = ["s3://data-bucket/radiographs/", "s3://radiology/chest/"]
NAMED = Folder("radiology", "chest/2026/")


@pytest.fixture(scope="module")
def client() -> Any:
    """Made once: loading S3's API description takes most of a second."""
    from moto import mock_aws

    with mock_aws():
        return boto3.client("s3", region_name="us-east-1")


@pytest.fixture
def s3(client: Any) -> Iterator[Any]:
    from moto import mock_aws

    with mock_aws():
        for bucket in ("radiology", "data-bucket"):
            client.create_bucket(Bucket=bucket)
            client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        yield client


def put(s3: Any, files: dict[str, bytes], **more: Any) -> dict[str, str]:
    """Versions by name below the folder."""
    return {
        name: s3.put_object(Bucket=NAMED.bucket, Key=NAMED.prefix + name, Body=content, **more).get("VersionId", "null")
        for name, content in files.items()
    }


FILES = {
    "train/NORMAL/1.dcm": b"one",
    "train/PNEUMONIA/1.2.840.7": b"seven",
    "test/NORMAL/a.png": b"a",
    "test/PNEUMONIA/b.png": b"b",
}


def read(taken: Taken) -> inventory.Inventory:
    return inventory.read(io.BytesIO(taken.content), digest=taken.digest)


@pytest.mark.parametrize(
    ("uri", "prefix"),
    [
        ("s3://radiology/chest/2026/", "chest/2026/"),
        ("s3://radiology/chest/2026", "chest/2026/"),
        ("s3://radiology/chest", "chest/"),
    ],
)
def test_a_folder_is_named_with_or_without_its_last_slash(uri: str, prefix: str) -> None:
    assert inventories.folder(uri, SOURCES) == Folder("radiology", prefix)


@pytest.mark.parametrize("uri", ["s3://radiology/", "s3://radiology/chest-of-others/", "s3://data-bucket/datasets/"])
def test_a_folder_that_executions_may_not_read_is_refused_before_it_is_listed(uri: str) -> None:
    with pytest.raises(CommandError, match=r"they may read s3://data-bucket/radiographs/.*archive\.sources of cdk\.j"):
        inventories.folder(uri, SOURCES)


def test_what_is_no_folder_is_wrong_usage() -> None:
    with pytest.raises(CommandError) as refused:
        inventories.folder("chest_xray/", SOURCES)
    assert refused.value.exit_code == ExitCode.USAGE


def test_newest_versions_are_listed_and_what_was_deleted_is_not(s3: Any) -> None:
    put(s3, {"train/NORMAL/1.dcm": b"older", "train/NORMAL/gone.dcm": b"gone"})
    versions = put(s3, FILES)
    s3.delete_object(Bucket=NAMED.bucket, Key=NAMED.prefix + "train/NORMAL/gone.dcm")
    s3.put_object(Bucket=NAMED.bucket, Key="chest/2027/NORMAL/other.png", Body=b"")
    taken = inventories.take(s3, NAMED)
    found = read(taken)
    assert found.uri == "s3://radiology/chest/2026/"
    assert {one.key: one.version for one in found.objects} == versions
    assert {one.key: one.size for one in found.objects}["train/NORMAL/1.dcm"] == 3
    assert str(taken.contents).startswith("4 images (train 2, test 2)")


def test_the_same_objects_are_the_same_inventory(s3: Any) -> None:
    """So SageMaker's cache answers for the steps that saw them before."""
    put(s3, FILES)
    first, second = (inventories.take(s3, NAMED) for _ in range(2))
    assert (first.digest, first.content) == (second.digest, second.content)
    put(s3, {"train/NORMAL/1.dcm": b"one"})
    assert inventories.take(s3, NAMED).digest != first.digest


def test_a_table_is_read_in_the_version_that_is_listed(s3: Any) -> None:
    table = b"file,label\n" + b"".join(b"%d.png,%d\n" % (number, number % 2) for number in range(40))
    put(s3, {f"{number}.png": b"%d" % number for number in range(40)} | {"labels.csv": table})
    assert str(inventories.take(s3, NAMED).contents).startswith("40 images (without a split 40)")
    put(s3, {"labels.csv": table.replace(b",1", b",0")})
    with pytest.raises(CommandError, match="has no PNEUMONIA image to train on"):
        inventories.take(s3, NAMED)


def test_what_no_archive_may_hold_is_refused_with_the_same_sentence(s3: Any) -> None:
    put(s3, {"holiday/a.png": b"a"})
    with pytest.raises(CommandError, match=r"^s3://radiology/chest/2026/: No JPEG, PNG or DICOM image was found in a"):
        inventories.take(s3, NAMED)


def test_nothing_there_is_a_sentence(s3: Any) -> None:
    with pytest.raises(CommandError, match=r"There is no object below s3://radiology/chest/2026/\."):
        inventories.take(s3, NAMED)


@pytest.mark.parametrize(("status", "said"), [("Suspended", "suspended"), (None, "never enabled")])
def test_a_bucket_without_versions_is_refused_with_the_command_that_turns_them_on(
    s3: Any, status: str | None, said: str
) -> None:
    bucket = "without-versions"
    s3.create_bucket(Bucket=bucket)
    if status:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
    with pytest.raises(CommandError, match=rf"keeps no versions \({said}\).*put-bucket-versioning --bucket {bucket}"):
        inventories.take(s3, Folder(bucket, ""))


def test_objects_of_before_the_versioning_have_a_version_too(s3: Any) -> None:
    s3.put_bucket_versioning(Bucket=NAMED.bucket, VersioningConfiguration={"Status": "Suspended"})
    put(s3, FILES)
    s3.put_bucket_versioning(Bucket=NAMED.bucket, VersioningConfiguration={"Status": "Enabled"})
    assert {one.version for one in read(inventories.take(s3, NAMED)).objects} == {"null"}


def test_an_object_in_an_archive_class_is_named(s3: Any) -> None:
    put(s3, FILES, StorageClass="DEEP_ARCHIVE")
    with pytest.raises(CommandError, match=r"'chest/2026/test/NORMAL/a\.png' lies in the storage class DEEP_ARCHIVE"):
        inventories.take(s3, NAMED)


class Kept:
    """The Trigger function, as a client that does at the next look what the function does with what was sent."""

    def __init__(self, s3: Any, refusal: str | None = None) -> None:
        self._s3 = s3
        self._refusal = refusal
        self.sent: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)

    def put_object(self, **request: Any) -> Any:
        answer = self._s3.put_object(**request)
        self.sent.append(request["Key"])
        body = self._s3.get_object(Bucket=request["Bucket"], Key=request["Key"])["Body"].read()
        if self._refusal:
            report = json.dumps({"detail": self._refusal, "what_to_do": "Take it again."})
            self._s3.put_object(Bucket=request["Bucket"], Key=request["Key"] + ".rejected.json", Body=report)
        else:
            key = f"datasets/{inventory.check(io.BytesIO(body))}/inventory.jsonl.gz"
            self._s3.put_object(Bucket=request["Bucket"], Key=key, Body=body)
        return answer


def keep(s3: Any, taken: Taken, timeout: float = 60) -> Any:
    return inventories.keep(s3, taken, bucket="data-bucket", name="2026", timeout=timeout, poll=0)


def test_an_inventory_is_sent_once_and_is_a_dataset_then(s3: Any) -> None:
    put(s3, FILES)
    trigger = Kept(s3)
    for _ in range(2):
        taken = inventories.take(s3, NAMED)
        dataset = keep(trigger, taken)
        assert (dataset.token, dataset.uri) == (
            taken.digest,
            f"s3://data-bucket/datasets/{taken.digest}/inventory.jsonl.gz",
        )
    (sent,) = trigger.sent
    assert sent.startswith("incoming/2026-")
    assert sent.endswith("Z.inventory.jsonl.gz")


def test_a_refusal_is_what_the_function_says(s3: Any) -> None:
    put(s3, FILES)
    with pytest.raises(CommandError, match=r"The inventory was refused: It is damaged\. Take it again\."):
        keep(Kept(s3, refusal="It is damaged."), inventories.take(s3, NAMED))


def test_waiting_ends(s3: Any) -> None:
    put(s3, FILES)
    with pytest.raises(CommandError) as waited:
        keep(s3, inventories.take(s3, NAMED), timeout=0)
    assert waited.value.exit_code == ExitCode.TIMED_OUT


def test_the_command_starts_on_it_without_network_isolation(
    s3: Any, cloud: Cloud, cxr: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(s3, FILES)
    monkeypatch.setattr("ops.commands.workspace.Workspace.s3", Kept(s3))
    cloud.has_stack("training")
    cloud.answers(
        "sagemaker", "describe_pipeline", {"PipelineArn": PIPELINE_ARN, "PipelineDefinition": json.dumps(DEFINITION)}
    )
    cloud.has_stack("data")
    started: list[dict[str, str]] = []

    def start(_reader: Any, given: dict[str, str], *, name: str) -> str:
        started.append(given)
        assert name.startswith("cxr-start-")
        return execution_arn("abc")

    monkeypatch.setattr("ops.pipelines.executions.ExecutionReader.start", start)
    done = cxr("start", "--from", "s3://radiology/chest/2026/", "--set", "Epochs=3", "--json")
    assert done.exit_code == 0, done.stderr
    assert "s3://radiology/chest/2026/: 4 images (train 2, test 2)" in done.stderr
    document = json.loads(done.stdout)
    assert started == [{"InputArchiveUri": document["dataset"], "NetworkIsolation": "false", "Epochs": "3"}]
    assert document["dataset"].endswith("/inventory.jsonl.gz")


def test_a_folder_and_a_dataset_are_not_named_together(cxr: Callable[..., Result]) -> None:
    assert cxr("start", "0a", "--from", "s3://radiology/chest/").exit_code == ExitCode.USAGE


def test_entries_of_a_copied_inventory_are_reported(tmp_path: Path, cxr: Callable[..., Result]) -> None:
    """The job calls them by number, since names may say of whom images are."""
    path = tmp_path / "inventory.jsonl.gz"
    with path.open("wb") as file:
        objects = [inventory.Object(name, "v", 1, "e") for name in ("NORMAL/DOE^JANE.dcm", "labels.csv")]
        inventory.write(file, "radiology", "chest/", objects)
    assert cxr("entries", str(path), "entry-1.dcm").stdout == "entry-1.dcm NORMAL/DOE^JANE.dcm\n"
    path.write_bytes(b"nothing")
    assert "no gzip-compressed JSON lines" in cxr("entries", str(path)).stderr
