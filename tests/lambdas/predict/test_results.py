"""A kept prediction is written once: clients can set the gateway's id of a request, which is its key."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from lambdas.predict.endpoint_invocation import Prediction
from lambdas.predict.results import Results
from tests.lambdas.tables import PREDICTIONS, items

MADE = cast(
    "Prediction",
    SimpleNamespace(
        model={"package_arn": "arn"}, image={"probability": 0.25}, out_of_distribution_score=0.5, features=[1.0]
    ),
)


def test_another_prediction_of_the_same_id_is_not_written_over_it(dynamodb: Any) -> None:
    results = Results(dynamodb, PREDICTIONS, 600)
    results.keep({"id": "of-a-client", "label": "NORMAL"}, MADE)
    before = items(dynamodb, PREDICTIONS)
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        results.keep({"id": "of-a-client", "label": "PNEUMONIA"}, MADE)
    results.keep({"id": "of-a-client", "label": "NORMAL"}, MADE)  # as the SDK repeats a write whose answer got lost
    assert items(dynamodb, PREDICTIONS) == before
