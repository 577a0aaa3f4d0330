"""An upload ends in the execution that works on it, or in the reason why there is none."""

from __future__ import annotations

import io
import json
import random
import re
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from typer.testing import Result

from lambdas.trigger import report
from lambdas.trigger.rejection import Reason, Rejection
from lambdas.trigger.upload import Upload as TriggerUpload
from ops.base.errors import CommandError, ExitCode
from ops.pipelines import uploads
from ops.pipelines.executions import ExecutionReader
from tests.ops.conftest import Cloud, client, execution_arn

SENT = uploads.Upload(bucket="data-bucket", key="incoming/a-1.zip", version_id="v7")


def _body(document: dict[str, Any]) -> dict[str, Any]:
    content = json.dumps(document).encode()
    return {"Body": StreamingBody(io.BytesIO(content), len(content))}


def _reader(cloud: Cloud) -> ExecutionReader:
    return ExecutionReader(cloud.client("sagemaker"), cloud.client("logs"), "cxr-dev")


def _works_on(cloud: Cloud, identifier: str, token: str) -> None:
    cloud.has_newest_execution(identifier)
    parameters = [{"Name": "InputArchiveUri", "Value": f"s3://data-bucket/datasets/{token}/archive.zip"}]
    # How many parameters a page holds is documented nowhere.
    first = {"PipelineParameters": [{"Name": "Epochs", "Value": "5"}], "NextToken": "more"}
    cloud.answers("sagemaker", "list_pipeline_parameters_for_execution", first)
    cloud.answers("sagemaker", "list_pipeline_parameters_for_execution", {"PipelineParameters": parameters})


def test_every_upload_has_its_own_key_under_incoming() -> None:
    """A refusal found beside it is then surely about this upload."""
    now = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)
    assert uploads.upload_key("chest xray (1).zip", now) == "incoming/chest-xray-1-20260301T120000000005Z.zip"
    assert uploads.upload_key("...", now) == "incoming/archive-20260301T120000000005Z.zip"


def test_the_token_is_the_one_the_trigger_names_its_copy_by() -> None:
    """Both sides compute it; were they to differ, the command would wait for ever."""
    theirs = TriggerUpload(bucket=SENT.bucket, key=SENT.key, version_id=SENT.version_id, size=1)
    assert SENT.token == theirs.token


PART = 16 * 1024 * 1024


@pytest.fixture
def s3() -> Iterator[Any]:
    """A versioned data bucket."""
    from moto import mock_aws

    with mock_aws():
        made = client("s3")
        made.create_bucket(Bucket="data-bucket")
        made.put_bucket_versioning(Bucket="data-bucket", VersioningConfiguration={"Status": "Enabled"})
        yield made


def _random(path: Path, size: int) -> Path:
    path.write_bytes(random.Random(size).randbytes(size))  # noqa: S311 - bytes that differ from file to file
    return path


def _send(s3: Any, path: Path, told: list[int]) -> uploads.Upload:
    return uploads.send(s3, path, bucket="data-bucket", name="a.zip", progress=told.append)


def test_large_files_go_up_in_parts_and_every_byte_is_reported(s3: Any, tmp_path: Path) -> None:
    path = _random(tmp_path / "a.zip", 2 * PART + 5)
    told: list[int] = []
    sent = _send(s3, path, told)
    found = s3.get_object(Bucket="data-bucket", Key=sent.key)
    assert sum(told) == path.stat().st_size
    assert found["Body"].read() == path.read_bytes(), "the parts are in order"
    assert found["ETag"].strip('"').endswith("-3"), "three parts of 16 MiB at most"
    assert sent.version_id == found["VersionId"]


def test_a_small_file_goes_up_in_one_request(s3: Any, tmp_path: Path) -> None:
    sent = _send(s3, _random(tmp_path / "a.zip", 1000), told := [])
    assert told == [1000]
    assert "-" not in s3.head_object(Bucket="data-bucket", Key=sent.key)["ETag"]
    assert re.fullmatch(r"incoming/a-\d{8}T\d{12}Z\.zip", sent.key)


class Interrupted:
    """S3 of which the connection breaks off after so many parts."""

    def __init__(self, s3: Any, parts: int) -> None:
        self._s3 = s3
        self._left = parts
        self.sent: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)

    def upload_part(self, **arguments: Any) -> Any:
        if self._left == 0:
            raise ConnectionResetError("the connection broke off")
        self._left -= 1
        self.sent.append(arguments["PartNumber"])
        return self._s3.upload_part(**arguments)


def test_an_upload_that_broke_off_goes_on_with_the_parts_that_s3_does_not_have(s3: Any, tmp_path: Path) -> None:
    """Nothing is kept on this machine: another one could go on with it."""
    path = _random(tmp_path / "a.zip", 4 * PART)
    first = Interrupted(s3, parts=2)
    with pytest.raises(ConnectionResetError):
        _send(first, path, [])
    second = Interrupted(s3, parts=10)
    sent = _send(second, path, told := [])

    assert sorted(first.sent + second.sent) == [1, 2, 3, 4], "each part went up once"
    assert len(first.sent) == 2
    assert sum(told) == 4 * PART, "what had arrived counts as progress"
    assert s3.get_object(Bucket="data-bucket", Key=sent.key)["Body"].read() == path.read_bytes()
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="data-bucket")


def test_an_upload_that_another_command_ended_says_so_and_what_to_look_at(s3: Any, tmp_path: Path) -> None:
    """Two terminals that send one file find one upload; of the second S3 says no more than `NoSuchUpload`."""

    class Overtaken(Interrupted):
        def upload_part(self, **arguments: Any) -> Any:
            raise ClientError({"Error": {"Code": "NoSuchUpload"}}, "UploadPart")

    with pytest.raises(CommandError, match=r"another command that sent the same file.*cxr executions"):
        _send(Overtaken(s3, parts=1), _random(tmp_path / "a.zip", 2 * PART), [])


def test_another_file_of_the_same_name_and_size_is_not_mixed_into_it(s3: Any, tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError):
        _send(Interrupted(s3, parts=1), _random(tmp_path / "a.zip", 2 * PART), [])
    (tmp_path / "a.zip").write_bytes(bytes(2 * PART))
    sent = _send(s3, tmp_path / "a.zip", [])
    assert s3.get_object(Bucket="data-bucket", Key=sent.key)["Body"].read() == bytes(2 * PART)


def test_a_part_that_arrived_cut_off_is_sent_again(s3: Any, tmp_path: Path) -> None:
    path = _random(tmp_path / "a.zip", 2 * PART)
    with pytest.raises(ConnectionResetError):
        _send(Interrupted(s3, parts=0), path, [])
    [begun] = s3.list_multipart_uploads(Bucket="data-bucket")["Uploads"]
    s3.upload_part(Bucket="data-bucket", Key=begun["Key"], UploadId=begun["UploadId"], PartNumber=1, Body=b"half")
    sent = _send(s3, path, [])
    assert sent.key == begun["Key"]
    assert s3.get_object(Bucket="data-bucket", Key=sent.key)["Body"].read() == path.read_bytes()


def test_who_may_not_list_unfinished_uploads_can_still_upload(s3: Any, tmp_path: Path) -> None:
    class Blind(Interrupted):
        def get_paginator(self, name: str) -> Any:
            if name == "list_multipart_uploads":
                raise ClientError({"Error": {"Code": "AccessDenied"}}, "ListMultipartUploads")
            return self._s3.get_paginator(name)

    sent = _send(Blind(s3, parts=10), path := _random(tmp_path / "a.zip", 2 * PART), [])
    assert s3.head_object(Bucket="data-bucket", Key=sent.key)["ContentLength"] == path.stat().st_size


def test_the_execution_is_found_by_the_copy_it_works_on(cloud: Cloud) -> None:
    """Someone else's newer execution must not be taken for ours."""
    cloud.fails("s3", "get_object", "NoSuchKey", status=404)
    _works_on(cloud, "theirs", "0" * 64)
    cloud.fails("s3", "get_object", "NoSuchKey", status=404)
    _works_on(cloud, "ours", SENT.token)
    arn = uploads.await_start(cloud.client("s3"), _reader(cloud), SENT, timeout=5, poll=0)
    assert arn == execution_arn("ours")


def test_a_refused_archive_ends_with_the_trigger_functions_own_words(cloud: Cloud) -> None:
    theirs = TriggerUpload(bucket=SENT.bucket, key=SENT.key, version_id=SENT.version_id, size=1)
    rejection = Rejection(Reason.CLASS_MISSING, "No image was found under train/NORMAL/.")
    cloud.answers("s3", "get_object", _body(report.content(theirs, rejection)))
    with pytest.raises(CommandError, match=r"refused: No image was found under train/NORMAL/\. Arrange the images"):
        uploads.await_start(cloud.client("s3"), _reader(cloud), SENT, timeout=5, poll=0)


def test_waiting_ends(cloud: Cloud) -> None:
    cloud.fails("s3", "get_object", "NoSuchKey", status=404)
    cloud.answers("sagemaker", "list_pipeline_executions", {"PipelineExecutionSummaries": []})
    with pytest.raises(CommandError, match="no execution started within 0 s") as ended:
        uploads.await_start(cloud.client("s3"), _reader(cloud), SENT, timeout=0, poll=0)
    assert ended.value.exit_code is ExitCode.TIMED_OUT


def _archive(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("train/NORMAL/1.jpeg", b"1")
        opened.writestr("train/PNEUMONIA/1.jpeg", b"2")
    return path


@pytest.fixture
def _sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.pipelines.uploads.send", lambda *_arguments, **_options: SENT)


@pytest.mark.usefixtures("_sent")
def test_an_interrupt_before_the_execution_is_there_says_that_it_comes(
    cloud: Cloud, cxr: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever does not know types the command again, and the archive is trained on twice."""

    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    cloud.has_stack("data")
    cloud.has_stack("training")
    cloud.fails("s3", "get_object", "NoSuchKey", status=404)
    cloud.answers("sagemaker", "list_pipeline_executions", {"PipelineExecutionSummaries": []})
    monkeypatch.setattr("time.sleep", interrupted)
    result = cxr("upload", str(_archive(tmp_path / "a.zip")))
    assert result.exit_code == ExitCode.INTERRUPTED
    assert "is uploaded, and its execution starts all the same" in result.stderr


@pytest.mark.usefixtures("_sent")
def test_upload_names_the_execution_that_started(cloud: Cloud, cxr: Callable[..., Result], tmp_path: Path) -> None:
    for _ in range(2):
        cloud.has_stack("data")
        cloud.has_stack("training")
        cloud.fails("s3", "get_object", "NoSuchKey", status=404)
        _works_on(cloud, "abc", SENT.token)
    result = cxr("upload", str(_archive(tmp_path / "a.zip")))
    assert result.exit_code == 0
    assert result.stdout == "execution abc started; follow it with `cxr watch`\n"
    assert "2 images (train 2)" in result.stderr
    as_json = cxr("upload", str(tmp_path / "a.zip"), "--json")
    assert json.loads(as_json.stdout)["execution"] == "abc"


@pytest.mark.usefixtures("_sent")
def test_upload_of_a_refused_archive_ends_with_1_and_the_reason(
    cloud: Cloud, cxr: Callable[..., Result], tmp_path: Path
) -> None:
    """--no-check, since this machine would have refused it first."""
    cloud.has_stack("data")
    cloud.has_stack("training")
    cloud.answers("s3", "get_object", _body({"detail": "The archive is cut off.", "what_to_do": "Upload it again."}))
    (tmp_path / "a.zip").write_bytes(b"PK")
    result = cxr("upload", str(tmp_path / "a.zip"), "--no-check")
    assert result.exit_code == ExitCode.FAILED
    assert "The archive was refused: The archive is cut off. Upload it again." in result.stderr


def test_upload_looks_at_the_archive_before_sending_it(
    cloud: Cloud, cxr: Callable[..., Result], tmp_path: Path
) -> None:
    cloud.has_stack("data")
    cloud.has_stack("training")
    (tmp_path / "a.zip").write_bytes(b"PK")
    result = cxr("upload", str(tmp_path / "a.zip"))
    assert result.exit_code == ExitCode.FAILED
    assert "is not a complete zip file" in result.stderr


def test_upload_of_a_path_that_is_not_there_is_wrong_usage(cxr: Callable[..., Result]) -> None:
    assert cxr("upload", "/nowhere.zip").exit_code == ExitCode.USAGE
