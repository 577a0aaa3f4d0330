"""An upload from its event to its end: the real Trigger function and the real steps, over a bucket of moto's."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import boto3
import pytest

from lambdas.trigger import handler
from model_code.contract.job import JobError
from tests.faults.fault_proxy import fault_proxy
from tests.faults.services import Services
from tests.lambdas.recorders import Pipeline, Topic
from tests.model_code.support.data_steps import decode, split

BUCKET, KEY = "data", "incoming/archive.zip"
MIB = 1024 * 1024
ENVIRONMENT = {
    "PIPELINE_NAME": "cxr-dev",
    "SITE_PIPELINE_NAME": "cxr-dev-site-evaluation",
    "CALIBRATION_PIPELINE_NAME": "cxr-dev-calibration",
    "MODEL_PACKAGES_ARN": "arn:aws:sagemaker:us-east-1:123456789012:model-package/cxr-dev",
    "DATA_BUCKET_NAME": BUCKET,
    "NOTIFICATION_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:topic",
    "MAX_ARCHIVE_BYTES": str(100 * MIB),
    "MAX_UNCOMPRESSED_BYTES": str(200 * MIB),
    "MAX_FILES": "25000",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "POWERTOOLS_SERVICE_NAME": "test",
}
CONTEXT = SimpleNamespace(
    function_name="trigger",
    memory_limit_in_mb=256,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:trigger",
    aws_request_id="0f0f0f0f-0000-4000-8000-000000000000",
)


class End(NamedTuple):
    """Outcome of an upload.

    Attributes:
        kind: `card`, `failed` (an execution that says why) or `rejected`.
        card: the dataset card, where there is one.
        reason: the rejection's code, or the sentence that the execution failed with.
    """

    kind: str
    card: dict[str, Any]
    reason: str = ""


class Bench:
    """The data bucket, what the Trigger function started and told, and the steps that an execution begins with."""

    def __init__(self, s3: Any, base: Path) -> None:
        self.s3 = s3
        self.base = base
        self.pipeline, self.topic = Pipeline(), Topic()

    def put(self, body: bytes, key: str = KEY) -> dict[str, Any]:
        """Upload; the event that S3 sends."""
        version = self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)["VersionId"]
        created = {"key": key, "version-id": version, "size": len(body)}
        detail = {"bucket": {"name": BUCKET}, "object": created}
        return {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}

    def handle(self, event: dict[str, Any]) -> dict[str, Any]:
        """The function's outcome of an event."""
        return dict(handler.handle(event, CONTEXT))

    def report(self, key: str = KEY) -> dict[str, Any] | None:
        """The rejection report beside an upload."""
        with contextlib.suppress(self.s3.exceptions.NoSuchKey):
            return dict(json.loads(self.s3.get_object(Bucket=BUCKET, Key=f"{key}.rejected.json")["Body"].read()))
        return None

    def run(self, archive_uri: str, **changes: Any) -> dict[str, Any]:
        """PreprocessImages and SplitDataset on a copy, as an execution starts them; the dataset card."""
        folder = self.base / "processing" / "input" / "archive"
        folder.mkdir(parents=True, exist_ok=True)
        key = archive_uri.removeprefix(f"s3://{BUCKET}/")
        (folder / "archive.zip").write_bytes(self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        decode(self.base, archive_uri=archive_uri, **changes)
        return split(self.base, archive_uri=archive_uri)

    def end(self, body: bytes, key: str = KEY) -> End:
        """Upload an archive and follow it to its end, which is exactly one."""
        outcome = self.handle(self.put(body, key))
        report = self.report(key)
        assert len(self.pipeline.executions) + (report is not None) == 1, "one execution or one report"
        assert len(self.topic.messages) == (report is not None), "people are told of a refusal, once"
        if report is not None:
            assert outcome["status"] == "rejected"
            assert report["detail"].endswith(".")
            assert report["what_to_do"]
            return End("rejected", {}, report["reason"])
        assert outcome["status"] == "started"
        try:
            return End("card", self.run(outcome["archive_uri"]))
        except JobError as error:
            return End("failed", {}, str(error))


def accounted(card: dict[str, Any]) -> int:
    """Number of entries that a dataset card accounts for."""
    used = sum(counts["images"] for counts in card["splits"].values())
    dropped = sum(one["count"] for one in card["dropped"] if one["reason"] != "row_without_file")
    return int(used + dropped + card["metadata_files"] + card["masks"])


def files_in(body: bytes) -> int:
    """Number of an archive's entries that are files."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return sum(not name.endswith(("/", "\\")) for name in archive.namelist())


@pytest.fixture(scope="module")
def client() -> Any:
    """Made once: loading S3's API description takes most of a second."""
    from moto import mock_aws

    with mock_aws():
        return boto3.client("s3", region_name="us-east-1")


@pytest.fixture
def bench(client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    from moto import mock_aws

    base = tmp_path / "ml"
    base.mkdir()
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "SM_MODEL_DIR", "SM_OUTPUT_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**ENVIRONMENT, "SAGEMAKER_BASE_DIR": str(base)}.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        made = Bench(client, base)
        monkeypatch.setattr(handler, "clients", lambda: {"s3": client, "sagemaker": made.pipeline, "sns": made.topic})
        handler.intake.cache_clear()
        yield made
        handler.intake.cache_clear()


@pytest.fixture(scope="session")
def behind() -> Iterator[tuple[str, int]]:
    """Host and port of moto's server, whose state every mock of moto's in this process shares."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield server.get_host_and_port()
    server.stop()


@pytest.fixture
def aws(behind: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """All services, empty, behind a proxy without a fault."""
    from moto.moto_api._internal.models import moto_api_backend

    moto_api_backend.reset()
    with fault_proxy(behind) as proxy:
        yield Services(proxy, monkeypatch)
