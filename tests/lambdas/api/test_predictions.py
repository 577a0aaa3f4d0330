"""A kept prediction is answered until its time is over, and a reader's label keeps it longer."""

from __future__ import annotations

import json
import time

import pytest

from lambdas.api.documents import Feedback, Result
from lambdas.predict.endpoint_invocation import Prediction
from lambdas.predict.results import Results
from tests.lambdas.rest_events import captured, event, problem
from tests.lambdas.tables import PREDICTIONS, REQUESTS, items

ID = "6a0fda63-0000-4000-8000-000000000000"
ANSWER = {
    "id": ID,
    "probability": 0.93,
    "label": "PNEUMONIA",
    "indeterminate": False,
    "threshold": 0.42,
    "model": {
        "package_arn": "arn:aws:sagemaker:us-east-1:123456789012:model-package/cxr-dev/12",
        "group": "cxr-dev",
        "version": 12,
        "indeterminate": {"low": 0.3, "high": 0.6},
        "image_size": 220,
        "dataset_sha256": "ab" * 32,
        "served_sha256": "5e" * 32,
        "engine": "tensorflow",
    },
    "notice": "For research use only.",
}
PREDICTION = Prediction(
    {"probability": 0.93}, 0.42, ANSWER["model"], out_of_distribution_score=0.4, features=(0.5, -1.25)
)
DAY = 86_400


@pytest.fixture
def log(monkeypatch):
    return captured(monkeypatch)


@pytest.fixture
def keep(dynamodb):
    """Keep a prediction the way Predict does, some seconds ago."""

    def kept(answer=ANSWER, *, seconds=600, ago=0):
        Results(dynamodb, PREDICTIONS, seconds, clock=lambda: time.time() - ago).keep(answer, PREDICTION)

    return kept


@pytest.fixture
def read(load_handler, context, dynamodb, monkeypatch):
    module, handle = load_handler("lambdas.api.predictions.handle", PREDICTIONS_TABLE=PREDICTIONS)
    monkeypatch.setattr(module, "dynamodb", lambda: dynamodb)
    return lambda name=ID: handle(event("GET", "/v1/predictions/{prediction_id}", prediction_id=name), context)


@pytest.fixture
def label(load_handler, context, dynamodb, monkeypatch):
    module, handle = load_handler(
        "lambdas.api.feedback.handle",
        PREDICTIONS_TABLE=PREDICTIONS,
        REQUESTS_TABLE=REQUESTS,
        KEEP_LABELLED_DAYS="365",
    )
    monkeypatch.setattr(module, "dynamodb", lambda: dynamodb)

    def labelled(body, name=ID, **more):
        return handle(
            event("POST", "/v1/predictions/{prediction_id}/feedback", body, prediction_id=name, **more), context
        )

    return labelled


def test_a_prediction_is_answered_as_it_was_given(keep, read):
    keep()
    answer = read()
    assert answer["statusCode"] == 200
    document = json.loads(answer["body"])
    Result.model_validate_json(answer["body"])
    assert {name: value for name, value in document["prediction"].items() if value is not None} == ANSWER
    assert document["feedback"] is None
    assert document["created_at"] < document["expires_at"]


def test_what_a_dicom_file_said_of_itself_is_kept_too(keep, read):
    dicom = {"modality": "DX", "photometric_interpretation": "MONOCHROME2", "body_part": "chest", "rendering": "window"}
    keep({**ANSWER, "dicom": dicom})
    assert json.loads(read()["body"])["prediction"]["dicom"] == dicom


def test_what_was_kept_before_the_rendering_was_told_is_still_answered(keep, read):
    dicom = {"modality": "DX", "photometric_interpretation": "MONOCHROME2", "body_part": "chest"}
    keep({**ANSWER, "dicom": dicom})
    answer = read()
    assert answer["statusCode"] == 200
    Result.model_validate_json(answer["body"])


def test_nobody_between_here_and_the_caller_keeps_it(keep, read):
    keep()
    assert read()["headers"]["Cache-Control"] == "no-store"


@pytest.mark.parametrize("name", ["unknown", "x" * 65, "ü", "a.b"])
def test_another_id_is_not_found(keep, read, name):
    keep()
    problem(read(name), 404, "prediction_not_found")


def test_an_id_that_cannot_be_one_in_a_path_is_not_found(read):
    problem(read("a/b"), 404, "not_found")


def test_an_expired_prediction_is_not_found_though_dynamodb_still_has_it(keep, read, label, dynamodb):
    keep(seconds=600, ago=600)
    assert items(dynamodb, PREDICTIONS)
    problem(read(), 404, "prediction_not_found")
    problem(label({"label": "NORMAL"}), 404, "prediction_not_found")


def test_a_reader_s_label_is_recorded_and_keeps_the_prediction(keep, read, label):
    keep()
    answer = label({"label": "NORMAL"})
    assert answer["statusCode"] == 200
    given = Feedback.model_validate_json(answer["body"])
    assert (given.id, given.label) == (ID, "NORMAL")
    kept = Result.model_validate_json(read()["body"])
    assert kept.feedback == given
    assert 364 * DAY < kept.expires_at.timestamp() - time.time() <= 365 * DAY
    assert kept.prediction.label == "PNEUMONIA"


def test_the_last_label_counts(keep, read, label):
    keep()
    label({"label": "NORMAL"})
    label({"label": "PNEUMONIA"})
    assert json.loads(read()["body"])["feedback"]["label"] == "PNEUMONIA"


def test_a_reader_may_be_unsure(keep, read, label):
    keep()
    assert label({"label": "UNSURE"})["statusCode"] == 200
    assert Result.model_validate_json(read()["body"]).feedback.label == "UNSURE"


def test_a_label_for_no_prediction_makes_none(label, dynamodb):
    problem(label({"label": "NORMAL"}), 404, "prediction_not_found")
    assert items(dynamodb, PREDICTIONS) == []


@pytest.mark.parametrize(
    "body",
    [{"label": "HEALTHY"}, {}, {"label": "NORMAL", "comment": "Jane Doe, 4 years"}, [], "NORMAL", "{", None],
)
def test_anything_but_a_label_is_refused_and_not_repeated(keep, label, body, log):
    keep()
    found = problem(label(body), 400, "invalid_request")
    assert "Jane" not in found["detail"] + log.getvalue()


def test_a_repeated_label_is_answered_as_before(keep, label, dynamodb):
    keep()
    first, second = (label({"label": "NORMAL"}, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert first["body"] == second["body"]
    assert second["headers"]["Idempotency-Replayed"] == "true"
    (record,) = items(dynamodb, REQUESTS)
    assert record["id"].startswith("feedback#")


def test_a_key_for_one_prediction_is_none_for_another(keep, label):
    keep()
    label({"label": "NORMAL"}, headers={"Idempotency-Key": "k"})
    problem(label({"label": "NORMAL"}, "another", headers={"Idempotency-Key": "k"}), 422, "idempotency_key_reused")


def test_neither_label_nor_probability_is_logged(keep, read, label, log):
    keep()
    label({"label": "NORMAL"})
    read()
    logged = log.getvalue()
    assert len(logged.splitlines()) == 2
    for secret in ("NORMAL", "PNEUMONIA", "0.93"):
        assert secret not in logged
