"""Log lines of functions in the embedded metric format become metrics; other lines, and damaged ones, do not."""

from __future__ import annotations

import json

import pytest

from lambdas.predict import log
from local.core import embedded_metrics


def test_the_line_of_a_function_becomes_the_metric_that_it_names() -> None:
    line = {"message": "answered", **log.count("ChestXray/Api", "Requests", Endpoint="cxr-dev", Outcome="predicted")}
    (request,) = embedded_metrics._embedded(json.dumps(line))
    assert request["Namespace"] == "ChestXray/Api"
    (datum,) = request["MetricData"]
    assert (datum["MetricName"], datum["Value"], datum["Unit"]) == ("Requests", 1, "Count")
    assert {one["Name"]: one["Value"] for one in datum["Dimensions"]} == {"Endpoint": "cxr-dev", "Outcome": "predicted"}
    assert datum["Timestamp"] == line["_aws"]["Timestamp"] / 1000, "seconds"


@pytest.mark.parametrize(
    "line", ["", "START RequestId", '{"message": "answered"}', '{"_aws"', '{"_aws": 3}', '["_aws"]']
)
def test_other_lines_are_no_metrics(line: str) -> None:
    assert list(embedded_metrics._embedded(line)) == []
