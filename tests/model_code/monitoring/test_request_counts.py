"""Refused and failed requests are what CloudWatch has; where it has nothing they are not known, and not 0."""

from __future__ import annotations

import datetime as dt
import time

import boto3
import pytest
from botocore.stub import Stubber

from model_code.monitoring import request_counts

HOUR = 3600


@pytest.fixture
def cloudwatch(monkeypatch):
    from moto import mock_aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield boto3.client("cloudwatch", region_name="us-east-1")


def count(cloudwatch, outcome, number, *, hours_ago=1.0, endpoint="cxr-dev"):
    dimensions = [{"Name": "Endpoint", "Value": endpoint}, {"Name": "Outcome", "Value": outcome}]
    put(cloudwatch, "ChestXray/Api", "Requests", dimensions, number, hours_ago)


def put(cloudwatch, namespace, name, dimensions, number, hours_ago=1.0):  # noqa: PLR0917
    datum = {"MetricName": name, "Dimensions": dimensions, "Value": number, "Unit": "Count"}
    datum["Timestamp"] = dt.datetime.fromtimestamp(time.time() - hours_ago * HOUR, dt.UTC)
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[datum])


def read(cloudwatch, days=7):
    now = int(time.time())
    return request_counts.read(cloudwatch, "cxr-dev", since=now - days * 24 * HOUR, until=now)


def test_requests_are_summed_by_what_became_of_them(cloudwatch):
    count(cloudwatch, "predicted", 90)
    count(cloudwatch, "predicted", 100, hours_ago=50)
    count(cloudwatch, "repeated", 2)
    count(cloudwatch, "not_a_radiograph", 3)
    count(cloudwatch, "dicom_undecodable_image", 4)
    count(cloudwatch, "model_timeout", 1)
    found = read(cloudwatch)
    counted = found["predictions"]
    assert (counted["total"], counted["predicted"], counted["repeated"]) == (200, 190, 2)
    assert counted["refused"] == {"not_a_radiograph": 3, "dicom_undecodable_image": 4}
    assert counted["failed"] == {"model_timeout": 1}
    assert found["sentence"] == "Of 200 requests for a prediction 7 were refused and 1 failed."
    begun = dt.datetime.fromisoformat(counted["first"])
    assert 50 * HOUR <= time.time() - begun.timestamp() <= 51 * HOUR


def test_other_weeks_and_other_endpoints_do_not_count(cloudwatch):
    count(cloudwatch, "predicted", 5)
    count(cloudwatch, "model_error", 7, hours_ago=8 * 24)
    count(cloudwatch, "model_error", 7, endpoint="cxr-prod")
    assert read(cloudwatch)["predictions"]["failed"] == {}


def test_where_everything_was_answered_nothing_was_refused(cloudwatch):
    count(cloudwatch, "predicted", 5)
    assert read(cloudwatch)["sentence"] == "Of 5 requests for a prediction 0 were refused and 0 failed."


def test_where_nothing_was_counted_the_figures_are_not_known(cloudwatch):
    found = read(cloudwatch)
    assert (found["predictions"], found["api"]) == (None, None)
    assert found["sentence"].endswith("is not known: none was counted in these days.")


def test_what_the_gateway_counts_is_known_by_itself(cloudwatch):
    api = [{"Name": "ApiName", "Value": "cxr-dev"}]
    put(cloudwatch, "AWS/ApiGateway", "Count", api, 40)
    put(cloudwatch, "AWS/ApiGateway", "4XXError", api, 6)
    found = read(cloudwatch)
    assert found["api"] == {"requests": 40, "client_errors": 6, "server_errors": 0}
    assert found["predictions"] is None


def test_a_year_is_within_what_one_request_may_ask(cloudwatch):
    count(cloudwatch, "predicted", 5)
    assert read(cloudwatch, days=365)["predictions"]["predicted"] == 5


def test_a_cloudwatch_that_refuses_is_reported_and_ends_nothing():
    client = boto3.client(
        "cloudwatch", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing"
    )
    with Stubber(client) as stubber:
        stubber.add_client_error("get_metric_data", "AccessDenied")
        found = read(client)
    assert found["predictions"] is None
    assert found["sentence"].endswith("is not known: CloudWatch could not be asked (AccessDenied).")
