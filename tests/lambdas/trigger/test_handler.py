"""The function as Lambda calls it: which events it takes, and what it refuses to start without."""

import pytest
from pydantic import ValidationError

HANDLER = "lambdas.trigger.handler.handle"
ENVIRONMENT = {
    "PIPELINE_NAME": "cxr-dev",
    "SITE_PIPELINE_NAME": "cxr-dev-site-evaluation",
    "CALIBRATION_PIPELINE_NAME": "cxr-dev-calibration",
    "MODEL_PACKAGES_ARN": "arn:aws:sagemaker:us-east-1:123456789012:model-package/cxr-dev",
    "DATA_BUCKET_NAME": "data",
    "NOTIFICATION_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:topic",
    "MAX_ARCHIVE_BYTES": "1000",
    "MAX_UNCOMPRESSED_BYTES": "2000",
    "MAX_FILES": "10",
}


def created(key, **overrides):
    return {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": "data"}, "object": {"key": key, "version-id": "v1", "size": 5}},
        **overrides,
    }


class Recorder:
    def __init__(self, fails=None):
        self.seen = []
        self.fails = fails

    def receive(self, announced):
        self.seen.append(announced)
        if self.fails:
            raise self.fails
        return {"status": "started", "execution_arn": "arn"}


@pytest.fixture
def recorded(load_handler, monkeypatch):
    module, handle = load_handler(HANDLER, **ENVIRONMENT)
    recorder = Recorder()
    monkeypatch.setattr(module, "intake", lambda: recorder)
    return recorder, handle


@pytest.mark.parametrize(
    "key",
    [
        *("incoming/archive.zip", "incoming/2026/chest x-ray.ZIP", "incoming/a.inventory.jsonl.gz"),
        *("incoming/readme.txt", "incoming/a/", "incoming/rejected.json", "incoming/a.zip.rejected.json.txt"),
    ],
)
def test_every_upload_reaches_the_service(recorded, context, key):
    recorder, handle = recorded
    assert handle(created(key), context)["status"] == "started"
    assert (recorder.seen[0].bucket, recorder.seen[0].key, recorder.seen[0].version_id) == ("data", key, "v1")


@pytest.mark.parametrize(
    "event",
    [
        created("datasets/0/archive.zip"),
        created("incoming/archive.zip.rejected.json"),
        created("incoming/readme.txt.rejected.json"),
        created("x/incoming/archive.zip"),
        created("incoming/archive.zip", **{"detail-type": "Object Deleted"}),
        created("incoming/archive.zip", source="someone.else"),
        {},
    ],
)
def test_anything_else_is_ignored(recorded, context, event):
    """The copy and the report are written to the same bucket: taking them for uploads would never end."""
    recorder, handle = recorded
    assert handle(event, context) == {"status": "ignored"}
    assert recorder.seen == []


def test_an_alarm_that_went_off_reaches_retraining(load_handler, monkeypatch, context):
    module, handle = load_handler(HANDLER, **ENVIRONMENT)
    started = []

    class Retraining:
        def start(self, alarm):
            started.append(alarm.name)
            return {"status": "started"}

    monkeypatch.setattr(module, "retraining", Retraining)
    event = {
        "id": "1",
        "source": "aws.cloudwatch",
        "detail-type": "CloudWatch Alarm State Change",
        "detail": {"alarmName": "cxr-dev-drift", "state": {"value": "ALARM"}},
    }
    assert handle(event, context) == {"status": "started"}
    assert started == ["cxr-dev-drift"]


def test_failure_raises_for_the_retry_and_the_dead_letter_queue(recorded, context):
    recorder, handle = recorded
    recorder.fails = OSError("connection lost")
    with pytest.raises(OSError, match="connection lost"):
        handle(created("incoming/archive.zip"), context)


def test_service_is_made_from_the_environment(load_handler):
    module, _ = load_handler(HANDLER, **ENVIRONMENT)
    intake, retraining = module.intake(), module.retraining()
    assert (intake.pipeline_name, retraining.pipeline_name) == ("cxr-dev", "cxr-dev")
    assert (retraining.data_bucket, retraining.topic_arn) == ("data", ENVIRONMENT["NOTIFICATION_TOPIC_ARN"])
    assert (intake.limits.max_archive_bytes, intake.limits.max_uncompressed_bytes, intake.limits.max_files) == (
        1000,
        2000,
        10,
    )


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_missing_variable_is_named_and_credentials_are_not_shown(load_handler, monkeypatch, name):
    module, _ = load_handler(HANDLER, **ENVIRONMENT)
    monkeypatch.delenv(name)
    with pytest.raises(ValidationError, match=name) as caught:
        module.intake()
    assert "testing" not in str(caught.value)
