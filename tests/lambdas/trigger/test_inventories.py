"""Trigger function on the inventory of a bucket's folder: it is kept by its content, or refused."""

import gzip
import io
import json

import pytest

from lambdas.trigger.rejection import Reason, Rejection
from model_code.archive import inventory
from tests.lambdas.trigger.conftest import BUCKET, keys


def listed(*names):
    """An inventory of objects of these names, and its SHA-256."""
    packed = io.BytesIO()
    objects = [inventory.Object(name, "v1", 5, "0" * 32) for name in names]
    return packed, inventory.write(packed, "radiology", "study/", objects)


class TestInventory:
    """A folder of a bucket, which the command starts an execution on once its inventory is kept."""

    KEY = "incoming/study-20260101.inventory.jsonl.gz"

    def test_it_is_kept_under_its_content_and_starts_nothing(self, intake, put, s3, calls):
        packed, digest = listed("NORMAL/a.dcm", "PNEUMONIA/b.dcm")
        uri = f"s3://{BUCKET}/datasets/{digest}/inventory.jsonl.gz"
        for key in (self.KEY, self.KEY.replace("study", "again")):
            outcome = intake.receive(put(packed.getvalue(), key))
            assert (outcome["status"], outcome["archive_uri"]) == ("kept", uri)
        assert intake.sagemaker.requests == []
        kept = s3.get_object(Bucket=BUCKET, Key=uri.removeprefix(f"s3://{BUCKET}/"))["Body"].read()
        assert kept == packed.getvalue()
        assert [name for name, _ in calls].count("CopyObject") == 1, "what is there is not written again"

    @pytest.mark.parametrize(
        ("body", "sentence"),
        [
            (b"PK\x03\x04", "no gzip-compressed JSON lines"),
            (listed("NORMAL/a.dcm")[0].getvalue()[:-9], "no gzip-compressed JSON lines"),
            (gzip.compress(b'{"schema":9,"bucket":"b","prefix":""}\n'), "of schema 9"),
            (gzip.compress(b'{"schema":1,"bucket":"b"}\n'), "does not name a bucket and a prefix"),
            (gzip.compress(b'{"schema":1,"bucket":"b","prefix":""}\n{"key":"a"}\n'), "Line 2 of the inventory"),
        ],
        # Not the bytes: gzip writes the time into them.
        ids=["no gzip", "cut short", "later schema", "no prefix", "no version"],
    )
    def test_what_is_none_is_reported_beside_the_upload(self, intake, put, s3, *, body, sentence):
        assert intake.receive(put(body, self.KEY))["reason"] == "damaged_inventory"
        said = json.loads(s3.get_object(Bucket=BUCKET, Key=self.KEY + ".rejected.json")["Body"].read())
        assert sentence in said["detail"]
        assert "cxr start --from" in said["what_to_do"]
        assert keys(s3) == {self.KEY, self.KEY + ".rejected.json"}

    @pytest.mark.parametrize("purpose", ["evaluate", "calibrate"])
    def test_a_model_is_not_evaluated_or_calibrated_on_one(self, intake, put, purpose):
        packed, _ = listed("NORMAL/a.dcm")
        outcome = intake.receive(put(packed.getvalue(), f"incoming/{purpose}/3/study.inventory.jsonl.gz"))
        assert outcome["reason"] == "not_a_zip"


def test_what_is_too_large_for_a_zip_is_shown_the_way_without_one():
    for reason in (Reason.ARCHIVE_TOO_LARGE, Reason.TOO_MANY_FILES, Reason.ZIP_BOMB_SIZE):
        assert "cxr start --from s3://BUCKET/FOLDER/" in Rejection(reason, "Too large.").advice
