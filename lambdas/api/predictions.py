"""Predictions: `GET /v1/predictions/{id}` answers a prediction that was made before, as long as it is kept."""

from __future__ import annotations

import json
import time
from functools import cache
from typing import Any

from lambdas.api.documents import Feedback, KeptPrediction, Result
from lambdas.api.environment import PredictionsEnvironment
from lambdas.api.service import Service, resolver
from lambdas.api.tables import check_id, dynamodb, moment, not_kept
from lambdas.http.answers import Answers, origins

app = resolver()
environment = cache(PredictionsEnvironment.load)


@cache
def service() -> Service:
    """The service, made once per execution environment."""
    return Service(app, answers=Answers(origins(environment().allowed_origins)))


@app.get("/v1/predictions/<prediction_id>")
def read_prediction(prediction_id: str) -> Result:
    """A kept prediction."""
    check_id(prediction_id)
    item = (
        dynamodb()
        .get_item(TableName=environment().predictions_table, Key={"id": {"S": prediction_id}}, ConsistentRead=True)
        .get("Item")
    )
    # DynamoDB removes what has expired within days, not at once.
    if item is None or int(item["expires_at"]["N"]) <= time.time():
        raise not_kept()
    labelled = None
    if "reader_label" in item:
        labelled = Feedback.model_validate(
            {"id": prediction_id, "label": item["reader_label"]["S"], "received_at": moment(item["labelled_at"]["N"])}
        )
    return Result(
        prediction=KeptPrediction.model_validate(json.loads(item["answer"]["S"])),
        created_at=moment(item["created_at"]["N"]),
        expires_at=moment(item["expires_at"]["N"]),
        feedback=labelled,
    )


def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle one API Gateway REST proxy event."""
    return service().answer(event, context)
