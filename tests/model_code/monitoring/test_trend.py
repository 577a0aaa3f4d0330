"""The trend has the figures of the newest runs by time; a result that cannot be read is named and ends nothing."""

from __future__ import annotations

import datetime as dt
import json

import boto3
import pytest
from botocore.stub import Stubber

from model_code.monitoring import trend
from tests.model_code.support.monitored import made_findings

REPORTS = "s3://artifacts/monitoring"


@pytest.fixture
def s3(monkeypatch):
    from moto import mock_aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="artifacts")
        yield client


def leave(s3, run, body):
    text = body if isinstance(body, str) else json.dumps(body)
    s3.put_object(Bucket="artifacts", Key=f"monitoring/{run}/monitoring.json", Body=text)
    s3.put_object(Bucket="artifacts", Key=f"monitoring/{run}/report.html", Body="<html>")


def test_the_first_run_has_no_trend_yet(s3):
    found = trend.read(s3, REPORTS, made_findings(days_ago=0))
    assert len(found["runs"]) == 1
    assert found["sentence"] == "There is no earlier run to compare with: the trend begins with this one."


def test_runs_come_by_time_however_they_were_written(s3):
    leave(s3, "b", made_findings(days_ago=7, package="cxr-dev/2"))
    leave(s3, "a", made_findings(days_ago=14, package="cxr-dev/1"))
    found = trend.read(s3, REPORTS, made_findings(days_ago=0, package="cxr-dev/3"))
    assert [one["package"] for one in found["runs"]] == ["cxr-dev/1", "cxr-dev/2", "cxr-dev/3"]
    assert found["sentence"].startswith("3 runs, the first of them on ")


def test_a_point_has_the_figures_with_their_intervals_and_limits(s3):
    point = trend.point(made_findings(days_ago=0, drift=True, positive=0.4, sensitivity=0.9))
    assert (point["drift"], point["dropped"], point["psi_limit"]) == (True, False, 0.2)
    assert point["score_psi"] == {"value": 0.31, "by_chance": 0.05}
    assert point["input_psi"]["value"] == 0.12, "the largest of the others"
    assert point["predicted_positive"]["value"] == 0.4
    assert point["sensitivity"] == {"value": 0.9, "confidence_interval": [0.8, 0.95], "evaluation": 0.93}


def test_a_run_of_before_the_trend_is_in_it_with_what_it_has(s3):
    older = made_findings(days_ago=7)
    for name in ("answers", "requests", "trend"):
        older.pop(name, None)
    leave(s3, "older", older)
    run = trend.read(s3, REPORTS, made_findings(days_ago=0))["runs"][0]
    assert (run["predicted_positive"], run["indeterminate"]) == (None, None)
    assert run["score_psi"]["value"] == 0.31


def test_a_run_that_compared_nothing_has_its_number_of_predictions(s3):
    point = trend.point({**made_findings(days_ago=0), "drift": None, "performance": None, "answers": None})
    assert point["predictions"] == 250
    assert {point[name] for name in ("drift", "dropped")} == {None}


DAMAGED = {
    "no JSON": "{",
    "a list": [],
    "empty": {},
    "a time that is none": {**made_findings(days_ago=3), "window": {"from": "x", "to": "y"}},
    "a time without a zone": {
        **made_findings(days_ago=3), "window": {"from": "2026-11-01T00:00:00", "to": "2026-11-08T00:00:00"}
    },
    "no number": {**made_findings(days_ago=3), "predictions": "<script>"},
    "NaN": json.dumps({**made_findings(days_ago=3), "psi_limit": float("nan")}),
    "nested without end": "[" * 100_000,
    "no text": {**made_findings(days_ago=3), "window": None},
    "larger than any result": json.dumps({**made_findings(days_ago=3), "more": "x" * 1_000_001}),
}  # fmt: skip


@pytest.mark.parametrize("body", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_result_is_left_out_and_named(s3, body):
    leave(s3, "good", made_findings(days_ago=7))
    leave(s3, "broken-1", body)
    found = trend.read(s3, REPORTS, made_findings(days_ago=0))
    assert len(found["runs"]) == 2
    assert found["sentence"].endswith("Left out, because their results could not be read: broken-1.")


def test_no_more_runs_than_can_be_looked_at(s3):
    for number in range(trend.MOST_RUNS + 5):
        leave(s3, f"run-{number}", made_findings(days_ago=100 - number))
    assert len(trend.read(s3, REPORTS, made_findings(days_ago=0))["runs"]) == trend.MOST_RUNS


def test_results_that_cannot_be_listed_are_reported_and_end_nothing():
    client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")
    with Stubber(client) as stubber:
        stubber.add_client_error("list_objects_v2", "AccessDenied")
        found = trend.read(client, REPORTS, made_findings(days_ago=0))
    assert found["sentence"] == "The results of earlier runs could not be listed (AccessDenied)."
    assert len(found["runs"]) == 1


def test_the_time_of_a_point_is_that_of_its_windows_end():
    findings = made_findings(days_ago=7)
    assert trend.point(findings)["at"] == findings["window"]["to"]
    assert dt.datetime.fromisoformat(findings["window"]["to"]).tzinfo is not None
