"""Routes of the Predict function, and the one place where results and exceptions become HTTP answers.

Two paths need no framework: Powertools' APIGatewayRestResolver adds 170 ms to a cold start (see `handler`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lambdas.aws.errors import error_code
from lambdas.http import answers
from lambdas.http.answers import NOTICE, Answers
from lambdas.http.problems import Problem
from lambdas.predict import log
from lambdas.predict.dicom_result import Coded
from lambdas.predict.endpoint_status import Endpoint
from lambdas.predict.prediction import Exchange, Predictions, since
from model_code.contract import outcomes

_PREDICTIONS = "/v1/predictions"
_Operation = Callable[[Exchange], dict[str, Any] | Coded]


@dataclass(frozen=True)
class Api:
    """Answers REST API proxy events (payload 1.0)."""

    predictions: Predictions
    endpoint: Endpoint
    answers: Answers

    def answer(self, event: dict[str, Any]) -> dict[str, Any]:
        """Answer to a request; never raises, so the gateway never answers for this function."""
        started, reply = time.perf_counter(), self.answers.to(event)
        fields = {"request_id": reply.request_id, "method": event.get("httpMethod"), "path": answers.path(event)}
        exchange = Exchange(event, reply, started, fields, {})
        try:
            found, headers = self._route(event)(exchange), exchange.headers
            if isinstance(found, Coded):
                typed = {**headers, "Content-Type": found.media_type}
                answer = reply.of(200, found.body, typed, binary=found.binary)
            else:
                answer = reply.document(found, headers=headers)
        except Problem as problem:
            answer = _problem(exchange, problem)
            if problem.kind.status >= 500 and problem.__cause__ is not None:
                log.error("what this function asks failed", problem.__cause__, **fields)
        except Exception as exception:  # noqa: BLE001 - the caller gets an answer, the log the reason
            unforeseen = answers.unexpected(exception, reply.request_id)
            answer = _problem(exchange, unforeseen)
            if unforeseen.code == "throttled":
                log.write("WARNING", "a service is at its limit", error_code=error_code(exception), **fields)
            else:
                log.error("unexpected failure", exception, **fields)
        status = answer["statusCode"]
        log.write("INFO", "answered", status=status, ms=since(started), **fields, **self._counted(exchange))
        return answer

    def _counted(self, exchange: Exchange) -> dict[str, Any]:
        """Members of the log line by which CloudWatch counts a request for a prediction, by its outcome."""
        fields = exchange.log_fields
        if (fields["method"], fields["path"]) != ("POST", _PREDICTIONS):
            return {}
        if "code" in fields:
            outcome = outcomes.of_problem(fields["code"], dicom=fields.get("refused_by") == "dicom")
        else:
            outcome = outcomes.REPEATED if fields.get("replayed") else outcomes.PREDICTED
        named = {outcomes.ENDPOINT: self.endpoint.name, outcomes.OUTCOME: outcome}
        return log.count(outcomes.NAMESPACE, outcomes.METRIC, **named)

    def _route(self, event: dict[str, Any]) -> _Operation:
        routes: dict[str, dict[str, _Operation]] = {
            _PREDICTIONS: {"POST": self.predictions.make},
            "/v1/health": {"GET": self._health},
        }
        path = answers.path(event)
        methods = routes.get(path)
        if methods is None:
            raise Problem("not_found", f"There is nothing at {path}. Known paths: {', '.join(routes)}.")
        method = str(event.get("httpMethod", ""))
        if method not in methods:
            allowed = ", ".join(methods)
            raise Problem("method_not_allowed", f"{path} takes {allowed}, not {method}.", headers={"Allow": allowed})
        return methods[method]

    def _health(self, _exchange: Exchange) -> dict[str, Any]:
        """200 whatever the endpoint's state: the API itself is up, and before a first release that is not a fault."""
        return {"status": self.endpoint.health(), "endpoint_status": self.endpoint.status(), "notice": NOTICE}


def _problem(exchange: Exchange, problem: Problem) -> dict[str, Any]:
    exchange.log_fields["code"] = problem.code
    return exchange.reply.problem(problem)
