"""Whatever is uploaded that has not the name of an archive is answered beside it, without mail, and never silently."""

import json

import pytest

from lambdas.trigger import other_file
from lambdas.trigger.handler import announcement
from tests.lambdas.trigger.conftest import BUCKET, keys
from tests.lambdas.trigger.test_handler import created


def report(s3, key):
    return json.loads(s3.get_object(Bucket=BUCKET, Key=key + ".rejected.json")["Body"].read())


@pytest.mark.parametrize(
    ("name", "what", "advice"),
    [
        ("study.tar.gz", "an archive of another format", "zip -r archive.zip"),
        ("study.TAR", "an archive of another format", "zip -r archive.zip"),
        ("study.7z", "an archive of another format", "zip -r archive.zip"),
        ("study.z01", "a part of a zip archive", "zip -s 0"),
        ("study.zip.001", "a part of a zip archive", "zip -s 0"),
        ("thorax.JPEG", "a single radiograph", "cxr predict FILE"),
        ("folder.zip/thorax.dcm", "a single radiograph", "cxr predict FILE"),
        ("Labels.csv", "a table", "cxr labels import"),
        ("chest_xray", "something else", "a name that ends in .zip"),
        ("archive.zip.part", "something else", "a name that ends in .zip"),
        ("archive.zip ", "something else", "a name that ends in .zip"),
        (".DS_Store", "something else", "a name that ends in .zip"),
    ],
)
def test_advice_fits_what_the_name_says(name, what, advice):
    refusal = other_file.refusal(f"incoming/{name}")
    assert f"so it is taken for {what}" in refusal.detail
    assert advice in refusal.advice


@pytest.mark.parametrize("folder", ["incoming", "incoming/2026", "incoming/evaluate/3", "incoming/calibrate/3"])
def test_a_report_beside_it_and_no_mail(*, folder, intake, put, s3, calls):
    """An archive's right name in a wrong letter is no such file; nobody gets a mail for each file of a bucket."""
    key = f"{folder}/MUELLER^HANS.jpeg"
    announced = put(b"\xff\xd8\xff", key)
    calls.clear()
    outcomes = [intake.receive(announced) for _ in range(3)]
    assert [one["first_time"] for one in outcomes] == [True, False, False], "a repeated event writes nothing"
    assert [name for name, _ in calls][:3] == ["HeadObject", "HeadObject", "PutObject"], "it is not read"
    said = report(s3, key)
    assert (said["status"], said["reason"]) == ("rejected", "not_an_archive")
    assert said["archive"]["version_id"] == announced.version_id
    assert (intake.sns.messages, intake.sagemaker.requests) == ([], [])
    assert "MUELLER" not in json.dumps(outcomes), "logs do not say whose radiograph it is"


def test_one_that_is_deleted_before_it_is_looked_at_is_named_by_its_version_too(intake, put, s3):
    announced = put(b"\xff\xd8\xff", "incoming/MUELLER^HANS.jpeg")
    s3.delete_object(Bucket=BUCKET, Key=announced.key, VersionId=announced.version_id)
    assert intake.receive(announced) == {"status": "gone", "version_id": announced.version_id}


def test_an_archive_is_told_by_its_suffix_in_any_case(intake, put, make_zip, kaggle_files):
    for number, suffix in enumerate(("zip", "ZIP", "Zip", "zIp")):
        assert intake.receive(put(make_zip(kaggle_files()), f"incoming/{number}.{suffix}"))["status"] == "started"


def test_what_stands_for_a_folder_is_no_upload(intake, put, s3):
    for key in ("incoming/", "incoming/evaluate/3/"):
        assert intake.receive(put(b"", key))["status"] == "ignored"
    assert keys(s3) == {"incoming/", "incoming/evaluate/3/"}
    assert intake.receive(put(b"bytes", "incoming/a/"))["reason"] == "not_an_archive"
    assert intake.receive(put(b"", "incoming/a"))["reason"] == "not_an_archive"


def test_reports_on_reports_end_at_once(intake, put, s3):
    """Each object that the function writes below the prefix calls it again."""
    put(b"hello", "incoming/readme.txt")
    seen: set[str] = set()
    while new := keys(s3) - seen:
        seen |= new
        assert len(seen) <= 2
        for key in new:
            if announced := announcement(created(key, detail=event_detail(s3, key))):
                intake.receive(announced)
    assert seen == {"incoming/readme.txt", "incoming/readme.txt.rejected.json"}


def event_detail(s3, key):
    version = s3.head_object(Bucket=BUCKET, Key=key)["VersionId"]
    return {"bucket": {"name": BUCKET}, "object": {"key": key, "version-id": version}}
