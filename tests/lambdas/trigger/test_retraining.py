"""The drift alarm starts training on the newest dataset, once, and people hear of it."""

import boto3
import pytest

from lambdas.trigger.retraining import Alarm, Retraining, alarm
from tests.lambdas.recorders import Pipeline, Topic

BUCKET = "data"
OLD, NEW = ("a" * 64, "0" * 64)


def changed(state="ALARM", **overrides):
    """The event as the user guide gives it, in what is read of it:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
    """
    return {
        "id": "c4c1c1c9-6542-e61b-6ef0-8c4d36933a92",
        "source": "aws.cloudwatch",
        "detail-type": "CloudWatch Alarm State Change",
        "detail": {"alarmName": "cxr-dev-drift", "state": {"value": state}, "previousState": {"value": "OK"}},
        **overrides,
    }


@pytest.fixture
def retraining():
    from moto import mock_aws

    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket=BUCKET)
        yield Retraining(
            s3=s3,
            sagemaker=Pipeline(),
            sns=Topic(),
            pipeline_name="cxr-dev",
            topic_arn="arn:aws:sns:us-east-1:123456789012:topic",
            data_bucket=BUCKET,
        )


def keep(retraining, monkeypatch, *kept):
    """Objects of the bucket with the times at which they were written, which moto has to the second only."""
    for key, _ in kept:
        retraining.s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
    contents = [{"Key": key, "LastModified": moment} for key, moment in kept]

    class Paginator:
        def paginate(self, **request):
            assert request == {"Bucket": BUCKET, "Prefix": "datasets/"}
            yield {"Contents": contents[:1]}
            yield {"Contents": contents[1:]}

    monkeypatch.setattr(retraining.s3, "get_paginator", {"list_objects_v2": Paginator()}.__getitem__)
    for key, _ in kept:
        retraining.sagemaker.ended("Succeeded", f"s3://{BUCKET}/{key}")


def told(retraining):
    return [message["MessageAttributes"]["event"]["StringValue"] for message in retraining.sns.messages]


def test_an_alarm_that_went_off_is_read():
    assert alarm(changed()) == Alarm("cxr-dev-drift", "c4c1c1c9-6542-e61b-6ef0-8c4d36933a92")


@pytest.mark.parametrize(
    "event", [changed("OK"), changed("INSUFFICIENT_DATA"), changed(source="someone.else"), changed(detail={}), {}]
)
def test_everything_else_is_no_alarm(event):
    """The end of an alarm must not train a second time."""
    assert alarm(event) is None


def test_training_starts_on_the_newest_dataset(retraining, monkeypatch):
    keep(
        retraining,
        monkeypatch,
        (f"datasets/{OLD}/archive.zip", 1),
        (f"datasets/{NEW}/archive.zip", 2),
        (f"datasets/{NEW}/archive.zip.part", 3),
        ("datasets/notes/archive.zip", 4),
    )
    outcome = retraining.start(alarm(changed()))
    (request,) = retraining.sagemaker.requests
    assert outcome["status"] == "started"
    assert request["PipelineParameters"] == [{"Name": "InputArchiveUri", "Value": uri(NEW)}]
    assert told(retraining) == ["retraining_started"]
    assert uri(NEW) in retraining.sns.messages[0]["Message"]
    assert outcome["execution_arn"] in retraining.sns.messages[0]["Message"]


def uri(token):
    return f"s3://{BUCKET}/datasets/{token}/archive.zip"


def test_the_newest_dataset_may_be_an_inventory(retraining, monkeypatch):
    """The job fetches its objects itself, for which it needs a network."""
    key = f"datasets/{NEW}/inventory.jsonl.gz"
    keep(retraining, monkeypatch, (f"datasets/{OLD}/archive.zip", 1), (key, 2))
    retraining.start(alarm(changed()))
    (request,) = retraining.sagemaker.requests
    assert request["PipelineParameters"] == [
        {"Name": "InputArchiveUri", "Value": f"s3://{BUCKET}/{key}"},
        {"Name": "NetworkIsolation", "Value": "false"},
    ]


@pytest.mark.parametrize(
    ("ended", "chosen"),
    [
        ([("Failed", NEW, {"PreprocessImages": "Failed"})], OLD),
        ([("Failed", NEW, {"PreprocessImages": "Succeeded", "TrainModel": "Failed"})], OLD),
        ([("Failed", NEW, {"TrainModel": "Succeeded", "QualityGateFailed": "Failed"})], NEW),
        ([("Executing", NEW, {"TrainModel": "Executing"})], OLD),
        ([("Succeeded", NEW, {}), ("Failed", NEW, {"PreprocessImages": "Failed"})], NEW),
        ([], OLD),
    ],
)
def test_an_archive_that_no_model_was_trained_on_is_passed_over(retraining, monkeypatch, ended, chosen):
    """The newest may be the very one that a run has refused, and would be refused again."""
    keep(retraining, monkeypatch, (f"datasets/{OLD}/archive.zip", 1), (f"datasets/{NEW}/archive.zip", 2))
    retraining.sagemaker.past.clear()
    retraining.sagemaker.ended("Succeeded", uri(OLD))
    for status, token, steps in ended:
        retraining.sagemaker.ended(status, uri(token), steps)
    assert retraining.start(alarm(changed()))["archive_uri"] == uri(chosen)


def test_where_no_archive_has_trained_nothing_is_started(retraining, monkeypatch):
    keep(retraining, monkeypatch, (f"datasets/{NEW}/archive.zip", 2))
    retraining.sagemaker.past.clear()
    retraining.sagemaker.ended("Failed", uri(NEW), {"PreprocessImages": "Failed"})
    assert retraining.start(alarm(changed()))["status"] == "no_dataset"
    assert told(retraining) == ["retraining_impossible"]


def test_a_set_that_trained_and_is_not_kept_any_more_is_no_choice(retraining, monkeypatch):
    keep(retraining, monkeypatch, (f"datasets/{OLD}/archive.zip", 1))
    retraining.sagemaker.ended("Succeeded", uri(NEW))
    assert retraining.start(alarm(changed()))["archive_uri"] == uri(OLD)


def test_an_event_that_comes_again_starts_nothing_new_and_the_next_alarm_does(retraining, monkeypatch):
    keep(retraining, monkeypatch, (f"datasets/{NEW}/archive.zip", 2))
    first = retraining.start(alarm(changed()))
    assert retraining.start(alarm(changed()))["execution_arn"] == first["execution_arn"]
    assert retraining.start(alarm(changed(id="another")))["execution_arn"] != first["execution_arn"]


def test_without_a_dataset_people_are_told_what_to_do(retraining):
    assert retraining.start(alarm(changed()))["status"] == "no_dataset"
    assert retraining.sagemaker.requests == []
    assert told(retraining) == ["retraining_impossible"]
    assert "upload an archive" in retraining.sns.messages[0]["Message"]
