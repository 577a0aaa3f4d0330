"""Feedback: `POST /v1/predictions/{id}/feedback` takes a reader's label, with which predictions can be judged later.

A label and nothing else: free text would sooner or later hold a name. The last label counts.
"""

from __future__ import annotations

import time
from functools import cache
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body

from lambdas.api.documents import Feedback, ReadersLabel
from lambdas.api.environment import FeedbackEnvironment
from lambdas.api.service import Service, resolver
from lambdas.api.tables import check_id, dynamodb, moment, not_kept
from lambdas.http.answers import Answers, origins
from lambdas.http.idempotency import DAY_SECONDS, Requests

app = resolver()
environment = cache(FeedbackEnvironment.load)


@cache
def service() -> Service:
    """The service, made once per execution environment."""
    requests = Requests(dynamodb(), environment().requests_table, operation="feedback")
    return Service(app, answers=Answers(origins(environment().allowed_origins)), requests=requests)


@app.post("/v1/predictions/<prediction_id>/feedback")
def label_prediction(prediction_id: str, given: Annotated[ReadersLabel, Body()]) -> Feedback:
    """Record what a reader says of a prediction's radiograph; the prediction is kept longer then."""
    check_id(prediction_id)
    now = int(time.time())
    try:
        dynamodb().update_item(
            TableName=environment().predictions_table,
            Key={"id": {"S": prediction_id}},
            UpdateExpression="SET reader_label = :label, labelled_at = :now, expires_at = :later",
            ConditionExpression="attribute_exists(id) AND expires_at > :now",
            ExpressionAttributeValues={
                ":label": {"S": given.label},
                ":now": {"N": str(now)},
                ":later": {"N": str(now + environment().keep_labelled_days * DAY_SECONDS)},
            },
        )
    except dynamodb().exceptions.ConditionalCheckFailedException:
        raise not_kept() from None
    return Feedback(id=prediction_id, label=given.label, received_at=moment(now))


def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle one API Gateway REST proxy event."""
    return service().answer(event, context)
