"""DynamoDB table of predictions, kept for a while without the image and without the overlay."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdas.aws.errors import earlier_item

if TYPE_CHECKING:
    from lambdas.predict.endpoint_invocation import Prediction

CONNECT_TIMEOUT_SECONDS = 0.5
READ_TIMEOUT_SECONDS = 1.0
"""Timeout of one write, without a retry: a prediction is worth more than its record."""


@dataclass(frozen=True)
class Results:
    """The table of predictions, whose key is `id` and whose items expire at `expires_at`."""

    dynamodb: Any
    table: str
    keep_seconds: int
    clock: Callable[[], float] = time.time

    def keep(self, answer: Mapping[str, Any], prediction: Prediction) -> None:
        """Keep an answer under its id, and beside it what model_code/monitoring reads.

        Args:
            prediction: prediction of the model, which says more than the client gets.

        Raises:
            botocore.exceptions.BotoCoreError, ClientError: it could not be written.
        """
        now = int(self.clock())
        kept = {name: value for name, value in answer.items() if name != "overlay"}
        served = prediction.model.get("served_sha256")
        item = {
            "id": {"S": answer["id"]},
            "answer": {"S": json.dumps(kept, allow_nan=False)},
            "package_arn": {"S": prediction.model["package_arn"]},
            "probability": {"N": _number(prediction.image["probability"])},
            "out_of_distribution_score": {"N": _number(prediction.out_of_distribution_score)},
            "features": {"S": json.dumps(prediction.features)},
            # What computed it: a version's name may be given to another model once a registry is made anew.
            **({"served_sha256": {"S": served}} if served else {}),
            "created_at": {"N": str(now)},
            "expires_at": {"N": str(now + self.keep_seconds)},
        }
        try:
            # The id is the request's, and "Clients can override this request ID" (API Gateway's developer guide,
            # `$context.requestId`, read 2026-11-30): nobody may write over another's prediction.
            self.dynamodb.put_item(
                TableName=self.table,
                Item=item,
                ConditionExpression="attribute_not_exists(id)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except Exception as error:
            # The SDK writes again where the answer to the first time got lost: then the record is this one.
            if not (earlier := earlier_item(error)) or earlier["answer"] != item["answer"]:
                raise


def _number(value: float) -> str:
    # DynamoDB's numbers have 38 digits and no exponent below -130; a probability can be smaller.
    return f"{value:.9f}"
