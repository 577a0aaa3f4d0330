"""Every path of the HTTPS API at work on the deployed stack, with a model behind it."""

from __future__ import annotations

import base64
import json
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
import requests

from lambdas.api.documents import Feedback, Prediction, Result, ServingModel, Upload
from tests.system.deployed import Answer, Stack

pytestmark = [pytest.mark.system, pytest.mark.slow]


def ask(stack: Stack, path: str, document: Any = None, **headers: str) -> Answer:
    """A request with a JSON document, or a GET without one."""
    body = None if document is None else json.dumps(document).encode()
    return stack.request(path, body=body, headers={"content-type": "application/json", **headers})


def test_a_prediction_is_explained_where_that_is_asked_for(
    stack: Stack, released: str, examples: dict[str, Path]
) -> None:
    image = examples["PNEUMONIA"].read_bytes()
    answer = stack.request("v1/predictions?explain=true", body=image, headers={"content-type": "image/jpeg"})

    assert answer.status == 200, answer.document
    found = Prediction.model_validate(answer.document)
    assert found.overlay is not None
    assert base64.b64decode(found.overlay.data).startswith(b"\x89PNG")
    assert found.model.group == released.split("/")[-2]
    assert found.model.indeterminate.low <= found.model.indeterminate.high


def test_a_document_and_an_upload_are_answered_like_the_file_itself(
    stack: Stack, released: str, examples: dict[str, Path]
) -> None:
    image = examples["NORMAL"].read_bytes()
    plain = stack.predict(examples["NORMAL"]).document

    inside = ask(stack, "v1/predictions", {"image": base64.b64encode(image).decode()})
    form = Upload.model_validate_json(json.dumps(ask(stack, "v1/uploads", {"media_type": "image/jpeg"}).document))
    posted = requests.post(form.url, data=form.fields, files={"file": image}, timeout=60)
    assert posted.status_code == 204, posted.text
    uploaded = ask(stack, "v1/predictions", {"upload": form.upload})

    for answer in (inside, uploaded):
        assert answer.status == 200, answer.document
        assert answer.document["probability"] == pytest.approx(plain["probability"], abs=1e-6)


def test_a_form_takes_no_other_key_type_or_size(stack: Stack) -> None:
    form = ask(stack, "v1/uploads", {"media_type": "image/png"}).document

    def posted(data: bytes, **changed: str) -> int:
        fields = {**form["fields"], **changed}
        return requests.post(form["url"], data=fields, files={"file": data}, timeout=60).status_code

    assert posted(b"x", key="datasets/x/archive.zip") == 403
    assert posted(b"x", **{"Content-Type": "text/html"}) == 403
    assert posted(b"x" * (form["max_bytes"] + 1)) == 400
    assert posted(b"x" * form["max_bytes"]) == 204


def test_a_prediction_is_kept_and_takes_a_reader_s_label(
    stack: Stack, released: str, examples: dict[str, Path]
) -> None:
    answer = stack.predict(examples["NORMAL"])
    path = f"v1/predictions/{answer.document['id']}"

    kept = Result.model_validate_json(json.dumps(ask(stack, path).document))
    assert kept.prediction.probability == answer.document["probability"]
    assert kept.feedback is None
    labelled = ask(stack, f"{path}/feedback", {"label": "NORMAL"})
    assert labelled.status == 200, labelled.document
    given = Feedback.model_validate_json(json.dumps(labelled.document))
    again = Result.model_validate_json(json.dumps(ask(stack, path).document))
    assert again.feedback == given
    assert again.expires_at > kept.expires_at
    assert ask(stack, "v1/predictions/unknown").status == 404


def test_a_repeated_request_is_answered_once(stack: Stack, released: str, examples: dict[str, Path]) -> None:
    image = examples["NORMAL"].read_bytes()
    headers = {"content-type": "image/jpeg", "idempotency-key": "system-test"}
    first, second = (stack.request("v1/predictions", body=image, headers=headers) for _ in range(2))

    assert first.document == second.document
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert second.headers["x-request-id"] != first.headers["x-request-id"]
    other = stack.request("v1/predictions", body=examples["PNEUMONIA"].read_bytes(), headers=headers)
    assert (other.status, other.document["code"]) == (422, "idempotency_key_reused")


def test_the_serving_model_is_reported_with_its_figures(stack: Stack, released: str, examples: dict[str, Path]) -> None:
    answer = ask(stack, "v1/model")

    assert answer.status == 200, answer.document
    model = ServingModel.model_validate_json(json.dumps(answer.document))
    assert model.package_arn == stack.predict(examples["NORMAL"]).document["model"]["package_arn"]
    assert model.approval.status == "Approved"
    assert model.metrics.auroc.low <= model.metrics.auroc.value <= model.metrics.auroc.high
    assert (model.engine.name, model.engine.weights) == ("litert", "float16"), "too few images to tell of eight bits"
    assert model.calibrated_from is None


def test_an_answer_was_computed_by_the_files_that_were_signed(
    stack: Stack, released: str, examples: dict[str, Path]
) -> None:
    """One side is computed by the Sign function from the archive, the other by the container from what it unpacked."""
    signed = ask(stack, "v1/model").document["served_sha256"]
    assert len(signed) == 64
    assert stack.predict(examples["PNEUMONIA"]).document["model"]["served_sha256"] == signed


def test_the_description_lists_the_paths_that_there_are(stack: Stack) -> None:
    document = stack.request("openapi.json", headers={"x-api-key": ""}).document
    for path, methods in document["paths"].items():
        concrete = path.replace("{prediction_id}", "unknown").lstrip("/")
        if "get" not in methods:
            answer = ask(stack, concrete)
            assert (answer.status, answer.document["code"]) == (405, "method_not_allowed"), path
            assert answer.headers["allow"].startswith("POST")
    assert ask(stack, urllib.parse.quote("v1/nowhere")).document["code"] == "not_found"
    page = requests.get(stack.url + "docs", timeout=60)
    head = requests.head(stack.url + "docs", timeout=60)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", page.headers["etag"])
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_no_log_holds_an_image_a_result_or_a_key(stack: Stack, released: str, examples: dict[str, Path]) -> None:
    answer = stack.predict(examples["PNEUMONIA"])
    image = base64.b64encode(examples["PNEUMONIA"].read_bytes()).decode()
    logs = stack.laptop.client("logs")
    names = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]
    groups = [name for name in names if "-api/" in name]
    lines = "\n".join(
        event["message"]
        for group in groups
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        for event in page["events"]
    )
    assert answer.document["id"] in lines, "the request is there"
    for secret in (str(answer.document["probability"]), image[:60], stack.key, "PNEUMONIA"):
        assert secret not in lines
