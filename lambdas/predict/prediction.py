"""Prediction of one radiograph: from a request for it to the answer, kept and remembered."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pybase64 import b64encode_as_string

from lambdas.http.answers import NOTICE, Reply, has_header
from lambdas.http.idempotency import Requests
from lambdas.http.problems import Problem
from lambdas.predict import accept, image, log, request
from lambdas.predict.accept import Form
from lambdas.predict.dicom import Converted, Dicom
from lambdas.predict.dicom_result import LATEST_SECONDS, Coded, DicomResult, NoResultError
from lambdas.predict.endpoint_invocation import PREPARATION_SECONDS, Model, Overlay, Prediction
from lambdas.predict.lambda_invocation import NoAnswerError
from lambdas.predict.request import Request
from lambdas.predict.results import Results
from lambdas.predict.uploads import Uploads
from model_code.contract.documents import Population
from model_code.contract.population import UNSTATED, age_band, describe, outside

_NOT_KEPT = frozenset({"radiograph", "outside_intended_population"})
# Remembered beside an answer, and no part of it: a result in DICOM that is made again is the same file.
_ANSWERED_AT = "answered_at"


@dataclass
class Exchange:
    """Request in progress: its event, its answer's headers, and what is logged about it.

    Attributes:
        reply: makes its answer; its request id is also the id of a prediction.
        started: `time.perf_counter` at its beginning.
        headers: headers of the answer, besides those that all have.
        kept: whether the prediction can be read again, once it is made.
    """

    event: dict[str, Any]
    reply: Reply
    started: float
    log_fields: dict[str, Any]
    headers: dict[str, str]
    kept: bool = True


@dataclass(frozen=True)
class Predictions:
    """Makes predictions, keeps them, and remembers which request each was the answer to."""

    model: Model
    hurried_model: Callable[[], Model]
    """The same model, asked with what time a slow preparation leaves."""
    max_image_bytes: int
    dicom: Dicom
    uploads: Uploads
    results: Results
    requests: Requests
    refuse_outside_population: bool = True
    dicom_result: DicomResult | None = None
    """None where the deployment answers with no results in DICOM."""

    def make(self, exchange: Exchange) -> dict[str, Any] | Coded:
        """The answer to a request for a prediction, in the form that it asks for.

        Raises:
            Problem: with a code of `lambdas.http.problems`.
        """
        asked = request.read(exchange.event, self.max_image_bytes)
        form = self._form(exchange)
        in_dicom = form != image.JSON
        claim, earlier = self.requests.claim(exchange.event, asked.fingerprint)
        if earlier is not None:
            exchange.log_fields.update(replayed=True)
            exchange.headers["Idempotency-Replayed"] = "true"
            answered_at = str(earlier.pop(_ANSWERED_AT, _now()))  # older records have none
            if not in_dicom:
                return earlier
            return self._coded(
                exchange, form, lambda: self._prepared(asked, exchange.log_fields, in_dicom=True), earlier, answered_at
            )
        try:
            prepared = self._prepared(asked, exchange.log_fields, in_dicom=in_dicom)
            answer, prediction = self._scored(asked, prepared, exchange)
        except BaseException:
            self._best_effort(exchange, lambda: self.requests.release(claim))
            raise
        # Nothing that shows the radiograph itself is kept, and nothing that says how old the patient is or is not.
        kept = {name: value for name, value in answer.items() if name not in _NOT_KEPT}
        kept["guarantee"] = prediction.guarantee
        answered_at = _now()
        exchange.kept = self._best_effort(exchange, lambda: self.results.keep(kept, prediction))
        if "outside_intended_population" in answer:
            # A repetition would lose the flag, so it is answered anew.
            self._best_effort(exchange, lambda: self.requests.release(claim))
        else:
            self._best_effort(exchange, lambda: self.requests.finish(claim, {**kept, _ANSWERED_AT: answered_at}))
        return self._coded(exchange, form, lambda: prepared, answer, answered_at) if in_dicom else answer

    def _form(self, exchange: Exchange) -> Form:
        """The form of the answer that is asked for, before anything is done for it.

        Raises:
            Problem: not_acceptable.
        """
        form = accept.read(exchange.event)
        if form != image.JSON:
            exchange.log_fields.update(form=form)
            if self.dicom_result is None:
                raise Problem(
                    "not_acceptable",
                    "This deployment answers predictions in JSON only: its setting api.dicom_results is off. Ask with "
                    "Accept: application/json, or make results in DICOM on your machine: cxr predict --dicom.",
                )
        return form

    def _coded(
        self, exchange: Exchange, form: Form, prepare: Callable[[], Converted], answer: dict[str, Any], answered_at: str
    ) -> Coded:
        """The coded result (DICOM or FHIR) of a prediction; where it cannot be made, the error names the prediction.

        Raises:
            Problem: no_dicom_result or dicom_result_not_made; the sentence says which prediction it was.
        """
        started = time.perf_counter()
        made = f"Prediction {answer['id']} was made, and could not be kept."
        if exchange.kept:
            made = f"Prediction {answer['id']} was made: GET /v1/predictions/{answer['id']} answers it in JSON."
        try:
            if self.dicom_result is None or started - exchange.started > LATEST_SECONDS:
                raise NoAnswerError("timed_out", "too little time was left to ask")
            return self.dicom_result.make(prepare(), answer, answered_at=answered_at, form=form)
        except NoResultError as error:
            sentence = f"{made} A result in DICOM cannot be made of this file: {error}."
            raise Problem("no_dicom_result", sentence) from None
        except Exception as error:
            again = "A repeated request is another prediction, unless it has the first one's Idempotency-Key."
            if "outside_intended_population" in answer:  # which is not remembered
                again = "A repeated request is another prediction."
            elif has_header(exchange.event, "idempotency-key"):
                again = "Repeat the request with its Idempotency-Key, and the result of the same prediction is made."
            raise Problem("dicom_result_not_made", f"{made} Its result in DICOM was not. {again}") from error
        finally:
            exchange.log_fields.update(result_ms=since(started))

    def _scored(self, asked: Request, prepared: Converted, exchange: Exchange) -> tuple[dict[str, Any], Prediction]:
        """The caller's answer, and the model's prediction in it."""
        late = time.perf_counter() - exchange.started > PREPARATION_SECONDS
        model = self.hurried_model() if late else self.model
        asked_at = time.perf_counter()
        prediction = model.predict(prepared.image, explain=asked.explain)
        exchange.log_fields.update(model_ms=since(asked_at), model_version=prediction.model["version"])
        stated = prepared.age if prepared.age != UNSTATED else age_band(asked.patient_age_years)
        flagged = self._outside(prediction.population, age=stated, view=prepared.view)
        pictures = {"overlay": _overlay(prediction.overlay)} if prediction.overlay else {}
        if prepared.told and asked.explain:
            # What a DICOM file looks like is decided by its conversion, and no browser shows one.
            pictures["radiograph"] = _png(b64encode_as_string(prepared.image.data))
        answer = {
            "id": exchange.reply.request_id,
            **prediction.image,
            # It is about patients like those of the validation data, of whom this is stated not to be one.
            "guarantee": None if flagged else prediction.guarantee,
            "threshold": prediction.threshold,
            "model": prediction.model,
            **({"dicom": prepared.told} if prepared.told else {}),
            **flagged,
            **pictures,
            "notice": NOTICE,
        }
        return answer, prediction

    def _outside(self, population: Population | None, *, age: str, view: str) -> dict[str, Any]:
        """Members of the answer that flag a patient or view outside the intended population; empty for others.

        Raises:
            Problem: outside_intended_population.
        """
        found = outside(population, age=age, view=view)
        if not population or not found:
            return {}
        if not self.refuse_outside_population:
            return {"outside_intended_population": found}
        meant = " and ".join(describe(population, kind) for kind in found)
        raise Problem(
            "outside_intended_population",
            f"The model was made for {meant}, and this radiograph is stated to be of others.",
        )

    def _prepared(self, asked: Request, log_fields: dict[str, Any], *, in_dicom: bool) -> Converted:
        """The image as the endpoint takes it, and what a DICOM file says about itself.

        Raises:
            Problem: not_acceptable where it is none and a result `in_dicom` is wanted; else what is wrong with it.
        """
        radiograph, started = asked.image, time.perf_counter()
        if radiograph is None:
            upload = str(asked.upload)
            if self.uploads.is_dicom(upload):
                log_fields.update(content_type=image.DICOM)
                address = self.uploads.address(upload)
                return self._converted(lambda: self.dicom.convert_upload(address, with_source=in_dicom), log_fields)
            radiograph = self.uploads.fetch(upload)
            log_fields.update(upload_ms=since(started))
        log_fields.update(image_bytes=len(radiograph.data), content_type=radiograph.content_type)
        if radiograph.content_type != image.DICOM:
            if in_dicom:
                raise Problem(
                    "not_acceptable",
                    f"A result in DICOM is made of a DICOM file, and this is {radiograph.content_type}: it belongs to "
                    "no study. Send the DICOM file, or ask with Accept: application/json.",
                )
            return Converted(radiograph, {})
        # The Dicom function is asked with the bytes, which are no smaller in its request than in the gateway's.
        if len(radiograph.data) > self.max_image_bytes:
            raise image.too_large(len(radiograph.data), self.max_image_bytes)
        return self._converted(lambda: self.dicom.convert(radiograph, with_source=in_dicom), log_fields)

    @staticmethod
    def _converted(convert: Callable[[], Converted], log_fields: dict[str, Any]) -> Converted:
        started = time.perf_counter()
        try:
            converted = convert()
        except Problem:
            log_fields.update(refused_by="dicom")
            raise
        log_fields.update(dicom_ms=since(started))
        return converted

    @staticmethod
    def _best_effort(exchange: Exchange, write: Callable[[], None]) -> bool:
        """Do a write whose failure must not cost the caller the answer; whether it succeeded."""
        try:
            write()
        except Exception as exception:  # noqa: BLE001 - the prediction was made, and the log says what was not kept
            log.error("not kept", exception, request_id=exchange.reply.request_id)
            return False
        return True


def _overlay(overlay: Overlay) -> dict[str, Any]:
    return {**_png(overlay.png), "cells": overlay.cells, "empty": overlay.empty}


def _png(data: str) -> dict[str, Any]:
    return {"media_type": "image/png", "data": data}


def _now() -> str:
    return datetime.now(UTC).isoformat()


def since(started: float) -> float:
    """Milliseconds since `time.perf_counter` was `started`."""
    return round((time.perf_counter() - started) * 1000, 1)
