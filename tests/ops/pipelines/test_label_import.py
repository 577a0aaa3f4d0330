"""Corrected labels go into a copy of the archive that S3 makes, and what readers cannot have meant is refused."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from lambdas.trigger.archive import Limits, inspect
from model_code.contract.label_review import CORRECTIONS_FILE, Correction, decode
from model_code.data.candidates import list_candidates
from model_code.members.members import ZipMembers
from ops.base.errors import CommandError
from ops.pipelines import label_import
from ops.pipelines.label_import import reviewed, send

URI = "s3://data-bucket/datasets/" + "0f" * 32 + "/archive.zip"
KEY = URI.removeprefix("s3://data-bucket/")
HEADER = "rank,file,split,label,suggested,score,reviewed_label,reviewer,comment\n"
ROWS = (
    "1,train/NORMAL/a.jpeg,train,NORMAL,PNEUMONIA,0.01,{},,\n",
    "2,test/PNEUMONIA/b.jpeg,test,PNEUMONIA,,0.3,{},,\n",
)
EXPORTED = (HEADER + "".join(ROWS).replace("{}", "")).encode()
TO_PNEUMONIA: dict[str, Correction] = {"train/NORMAL/0.jpeg": {"given": "NORMAL", "reviewed": "PNEUMONIA"}}


def table(*reviews: str) -> bytes:
    return (HEADER + "".join(row.format(review) for row, review in zip(ROWS, reviews, strict=True))).encode()


def test_only_rows_with_another_label_change_something() -> None:
    assert reviewed(table("PNEUMONIA", "PNEUMONIA"), EXPORTED, "review.csv") == {
        "train/NORMAL/a.jpeg": {"given": "NORMAL", "reviewed": "PNEUMONIA"}
    }


def test_what_a_spreadsheet_makes_of_the_table_is_read() -> None:
    saved = table("1", "normal").decode().replace(",", ";").encode("utf-16")
    assert {file: one["reviewed"] for file, one in reviewed(saved, EXPORTED, "review.csv").items()} == {
        "train/NORMAL/a.jpeg": "PNEUMONIA",
        "test/PNEUMONIA/b.jpeg": "NORMAL",
    }


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (table("", ""), "review.csv changes no label: 0 of its rows have something in the column reviewed_label"),
        (table("NORMAL", ""), "changes no label: 1 of its rows"),
        (table("covid", ""), "Line 2 of review.csv has covid in the column reviewed_label: write NORMAL or PNEUMONIA"),
        (table("PNEUMONIA?", ""), "Line 2 of review.csv has PNEUMONIA\\?"),
        (
            table("PNEUMONIA", "") + ROWS[0].format("NORMAL").encode(),
            "gives train/NORMAL/a.jpeg two labels, the second one in line 4",
        ),
        (
            table("1", "").replace(b"a.jpeg", b"c.jpeg"),
            "Line 2 of review.csv is about train/NORMAL/c.jpeg, which the dataset does not have",
        ),
        (
            table("1", "").replace(b"train,NORMAL", b"train,PNEUMONIA"),
            "Line 2 .* has the label PNEUMONIA, and in the dataset it has NORMAL: the table was exported of another",
        ),
        (b"file,label\na,NORMAL\n", "review.csv has no column reviewed_label"),
        (b"\xff\x00", "is not in UTF-8"),
    ],
    ids=["empty", "the same", "another word", "doubt", "two labels", "unknown file", "stale", "no table", "no text"],
)
def test_what_cannot_have_been_meant_is_refused_in_a_sentence(content: bytes, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        reviewed(content, EXPORTED, "review.csv")


@pytest.fixture
def s3() -> Iterator[Any]:
    from moto import mock_aws

    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="data-bucket")
        client.put_bucket_versioning(Bucket="data-bucket", VersioningConfiguration={"Status": "Enabled"})
        yield client


def archive(image_bytes: int) -> bytes:
    """Thirty images, in a folder that all entries share."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for number in range(30):
            label = ("NORMAL", "PNEUMONIA")[number % 2]
            file.writestr(f"train/{label}/{number}.jpeg", random.Random(number).randbytes(image_bytes))  # noqa: S311
    return buffer.getvalue()


def names(content: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return file.namelist()


def listed(content: bytes) -> dict[str, tuple[str, str]]:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert file.testzip() is None
        return {one.path: (one.label, one.reviewed) for one in list_candidates(ZipMembers(file)).candidates}


# One that goes through this machine, and one that S3 copies in two parts.
@pytest.mark.parametrize(("image_bytes", "parts"), [(100, 0), (400_000, 2)])
def test_the_new_archive_is_the_old_one_with_the_corrections_in_it(
    s3: Any, monkeypatch: pytest.MonkeyPatch, image_bytes: int, parts: int
) -> None:
    monkeypatch.setattr(label_import, "_MOST_PART", 6 * 2**20)
    content = archive(image_bytes)
    s3.put_object(Bucket="data-bucket", Key=KEY, Body=content)
    sizes = []
    s3.meta.events.register("before-call.s3.UploadPartCopy", lambda params, **_: sizes.append(params["headers"]))
    sent = send(s3, URI, TO_PNEUMONIA, b"the table", bucket="data-bucket")
    assert sent.key.startswith("incoming/reviewed-0f0f0f0f0f0f-")
    assert len(sizes) == parts
    got = s3.get_object(Bucket="data-bucket", Key=sent.key, VersionId=sent.version_id)["Body"].read()
    assert names(got) == [*names(content), CORRECTIONS_FILE]
    before, after = listed(content), listed(got)
    assert {path for path in after if after[path] != before[path]} == set(TO_PNEUMONIA)
    assert after["train/NORMAL/0.jpeg"] == ("NORMAL", "PNEUMONIA")
    summary = inspect(io.BytesIO(got), len(got), Limits(10**9, 10**9, 1000))
    assert sum(summary.images.values()) == 30, "the Trigger function takes it"
    assert s3.get_object(Bucket="data-bucket", Key=KEY)["Body"].read() == content


def test_a_second_review_takes_the_place_of_the_first_and_names_both(s3: Any) -> None:
    s3.put_object(Bucket="data-bucket", Key=KEY, Body=archive(100))
    first = send(s3, URI, TO_PNEUMONIA, b"one", bucket="data-bucket")
    change: dict[str, Correction] = {"train/PNEUMONIA/1.jpeg": {"given": "PNEUMONIA", "reviewed": "NORMAL"}}
    second = send(s3, f"s3://data-bucket/{first.key}", change, b"two", bucket="data-bucket")
    got = s3.get_object(Bucket="data-bucket", Key=second.key)["Body"].read()
    assert names(got).count(CORRECTIONS_FILE) == 1
    with zipfile.ZipFile(io.BytesIO(got)) as file:
        found = decode(file.read(CORRECTIONS_FILE))
    assert [one["archive_uri"] for one in found["revisions"]] == [URI, f"s3://data-bucket/{first.key}"]
    assert [one["changed"] for one in found["revisions"]] == [{"NORMAL to PNEUMONIA": 1}, {"PNEUMONIA to NORMAL": 1}]
    assert set(found["labels"]) == {*TO_PNEUMONIA, *change}
    assert len(listed(got)) == 30


def test_a_folder_of_a_bucket_takes_no_corrections() -> None:
    """Nothing is written to a bucket that may be somebody else's."""
    uri = URI.replace("archive.zip", "inventory.jsonl.gz")
    with pytest.raises(CommandError, match=r"is a folder of a bucket .* correct its table of labels"):
        label_import.send(None, uri, {}, b"", bucket="data-bucket")  # type: ignore[arg-type]
