"""One path of the API on Powertools' resolver, with the answers and the log that all paths have."""

from __future__ import annotations

import base64
import json
import time
import traceback
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from lambdas.aws.errors import error_code
from lambdas.http import answers
from lambdas.http.answers import Answers, Reply
from lambdas.http.content import refuse_coded
from lambdas.http.idempotency import Requests, fingerprint
from lambdas.http.problems import Problem

logger = Logger()
_JSON = {"Accept": "application/json"}
LARGEST_DOCUMENT = 8_192
"""Bytes of a request's JSON document; those of these paths have fewer than a hundred. The firewall's limit too."""


class Service:
    """Routes that raise `Problem` for errors that the caller gets.

    Args:
        requests: the records of its POST requests by their Idempotency-Key, where it takes any.
    """

    def __init__(self, app: APIGatewayRestResolver, *, answers: Answers, requests: Requests | None = None) -> None:
        self._app = app
        self._answers = answers
        self._requests = requests
        app.not_found(_not_found)
        app.exception_handler(Problem)(_pass_on)
        app.exception_handler(RequestValidationError)(_invalid)

    def answer(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Answer to a request; never raises, so the gateway never answers for this function."""
        started, reply = time.perf_counter(), self._answers.to(event)
        logger.append_keys(request_id=reply.request_id, method=event.get("httpMethod"), path=answers.path(event))
        try:
            answer = self._once(event, context, reply)
        except Problem as problem:
            answer = _problem(reply, problem)
        except Exception as exception:  # noqa: BLE001 - the caller gets an answer, the log the reason
            # Without its message, which can quote what the caller sent.
            frames = traceback.extract_tb(exception.__traceback__)
            places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
            unforeseen = answers.unexpected(exception, reply.request_id)
            if unforeseen.code == "throttled":
                logger.warning("a service is at its limit", error_code=error_code(exception))
            else:
                logger.error("unexpected failure", exception_name=type(exception).__name__, places=places)
            answer = _problem(reply, unforeseen)
        ms = round((time.perf_counter() - started) * 1000, 1)
        logger.info("answered", status=answer["statusCode"], ms=ms)
        logger.clear_state()
        return answer

    def _once(self, event: dict[str, Any], context: Any, reply: Reply) -> dict[str, Any]:
        if self._requests is None or event.get("httpMethod") != "POST":
            return self._resolved(event, context, reply)
        # Here, because what Powertools does about other types changed from version to version.
        if answers.header(event, "content-type").split(";", 1)[0].strip().lower() != "application/json":
            raise Problem("unsupported_media_type", "Send JSON, with Content-Type application/json.", headers=_JSON)
        refuse_coded(event)
        _check_document(event)
        path, body = str(event.get("path")), event.get("body") or ""
        claim, earlier = self._requests.claim(event, lambda: fingerprint(path, body))
        if earlier is not None:
            headers = {**earlier["headers"], "Idempotency-Replayed": "true"}
            return reply.of(earlier["status"], earlier["body"], headers)
        try:
            answer = self._resolved(event, context, reply)
        except BaseException:
            self._requests.release(claim)
            raise
        kept = {name: answer["headers"][name] for name in ("Content-Type", "Location") if name in answer["headers"]}
        self._requests.finish(claim, {"status": answer["statusCode"], "body": answer["body"], "headers": kept})
        return answer

    def _resolved(self, event: dict[str, Any], context: Any, reply: Reply) -> dict[str, Any]:
        found = self._app.resolve(event, context)
        headers = {name: values[0] for name, values in (found.get("multiValueHeaders") or {}).items()}
        return reply.of(found["statusCode"], found["body"], headers)


def resolver() -> APIGatewayRestResolver:
    """A resolver that validates what comes in and what goes out."""
    return APIGatewayRestResolver(enable_validation=True)


def _problem(reply: Reply, problem: Problem) -> dict[str, Any]:
    logger.append_keys(code=problem.code)
    return reply.problem(problem)


def _not_found(_error: Exception) -> Response[Any]:
    raise Problem("not_found", "There is nothing at this path.")


def _pass_on(problem: Problem) -> Response[Any]:
    raise problem


def _check_document(event: dict[str, Any]) -> None:
    """Look at the body before Powertools does, which takes an array for its first element and fails on deep JSON.

    Raises:
        Problem: invalid_request.
    """
    body = event.get("body") or ""
    if len(body) > LARGEST_DOCUMENT * (4 / 3 if event.get("isBase64Encoded") else 1):
        raise Problem(
            "invalid_request", f"The JSON document is too large: at most {LARGEST_DOCUMENT:,} bytes are read."
        )
    try:
        # As UTF-8, which JSON between systems is (RFC 8259, 8.1).
        text = base64.b64decode(body, validate=True).decode() if event.get("isBase64Encoded") else body
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise Problem("invalid_request", "The body is not JSON.") from None
    if not isinstance(document, dict):
        raise Problem("invalid_request", "The body is not a JSON object.")


def _invalid(error: RequestValidationError) -> Response[Any]:
    """Say what is wrong with a request, without repeating what it said: names of unknown members neither."""
    sentences = []
    unknown = 0
    for found in error.errors():
        if found["type"] == "extra_forbidden":
            unknown += 1
            continue
        if found["type"] == "json_invalid":
            raise Problem("invalid_request", "The body is not JSON.")
        where = ".".join(str(part) for part in found["loc"] if part not in ("body", "query", "path"))
        sentences.append(f"{where or 'the body'}: {found['msg']}")
    if unknown:
        sentences.append(f"{unknown} {'member is' if unknown == 1 else 'members are'} not known here")
    raise Problem("invalid_request", f"{'; '.join(sentences)}.")
