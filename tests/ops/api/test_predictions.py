"""Predictions through a real HTTP server: what is sent, what is shown, and that one bad file stops no other."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from PIL import Image
from typer.testing import Result

from ops.api import predictions
from ops.api.access import ApiKey
from ops.api.predictions import PredictionApi, connect
from ops.base.errors import ExitCode
from tests.ops.conftest import GROUP_ARN, Cloud
from tests.ops.prediction_api import JPEG, PNG, Api, can_ask, png


@pytest.fixture
def client(api: Api) -> Iterator[PredictionApi]:
    pool = connect(api.url, connections=2)
    yield PredictionApi(pool, api.url, ApiKey("secret"), sleep=waits.append)
    pool.clear()
    waits.clear()


waits: list[float] = []


def _image(path: Path, probability: int, start: bytes = JPEG) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(start + bytes([probability]))
    return path


def test_the_bytes_go_up_as_they_are_with_their_type_and_the_key(
    api: Api, client: PredictionApi, tmp_path: Path
) -> None:
    """By its first bytes, not by its name: files called .jpeg that hold a PNG are common."""
    image = _image(tmp_path / "a.jpeg", 93, PNG)
    prediction = client.predict(image)
    assert (prediction.probability, prediction.label, prediction.threshold) == (0.93, "PNEUMONIA", 0.4)
    assert prediction.model_version == 3
    path, headers, body = api.requests[0]
    assert path == "/api/v1/predictions"
    assert (headers["content-type"], headers["x-api-key"]) == ("image/png", "secret")
    assert body == image.read_bytes()


def test_an_answer_that_says_when_to_come_back_is_asked_again_then(
    api: Api, client: PredictionApi, tmp_path: Path
) -> None:
    api.queued = [(429, {"Retry-After": "1"}, {}), (503, {"Retry-After": "10"}, {"code": "model_not_ready"})]
    assert client.predict(_image(tmp_path / "a.jpeg", 50)).label == "PNEUMONIA"
    assert waits == [1.0, 10.0]


def test_asking_again_ends(api: Api, client: PredictionApi, tmp_path: Path) -> None:
    problem = {"detail": "Too many requests.", "code": "throttled"}
    api.queued = [(429, {"Retry-After": "1"}, problem)] * 10
    prediction = client.predict(_image(tmp_path / "a.jpeg", 50))
    assert prediction.error == f"{tmp_path / 'a.jpeg'}: Too many requests (HTTP 429)."
    assert prediction.code == "throttled"
    assert len(api.requests) == 4


@pytest.mark.parametrize(
    "answer",
    [
        (503, {"Retry-After": "60"}, {"code": "no_model_released", "detail": "No model is released."}),
        (429, {"Retry-After": "3600"}, {"detail": "The quota is used up."}),
        (503, {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(hours=2))}, {"detail": "Later."}),
        (400, {}, {"detail": "No."}),
    ],
)
def test_what_waiting_would_not_mend_is_reported_at_once(
    api: Api, client: PredictionApi, tmp_path: Path, answer: tuple[int, dict[str, str], dict[str, Any]]
) -> None:
    api.queued = [answer]
    prediction = client.predict(_image(tmp_path / "a.jpeg", 50))
    assert prediction.error is not None
    assert answer[2]["detail"].rstrip(".") in prediction.error
    assert waits == []


def test_a_gateways_own_refusal_of_the_key_is_put_in_words(api: Api, client: PredictionApi, tmp_path: Path) -> None:
    api.queued = [(403, {}, {"message": "Forbidden"})]
    assert "does not accept who asks" in str(client.predict(_image(tmp_path / "a.jpeg", 50)).error)


def test_an_answer_that_is_no_prediction_is_an_error(api: Api, client: PredictionApi, tmp_path: Path) -> None:
    api.queued = [(200, {}, {"hello": "proxy"})]
    assert "HTTP 200" in str(client.predict(_image(tmp_path / "a.jpeg", 50)).error)


def test_an_api_that_is_not_there_is_an_error_of_the_file(tmp_path: Path) -> None:
    pool = connect("http://127.0.0.1:1/", connections=1)
    prediction = PredictionApi(pool, "http://127.0.0.1:1/", ApiKey("k")).predict(_image(tmp_path / "a.jpeg", 50))
    pool.clear()
    assert prediction.code == "unreachable"


@pytest.mark.usefixtures("deployed")
def test_predict_prints_one_line_a_file_in_the_order_given(cxr: Callable[..., Result], tmp_path: Path) -> None:
    images = [str(_image(tmp_path / f"{number:02d}.jpeg", number)) for number in (93, 7, 41, 39, 88, 1)]
    result = cxr("predict", *images)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[:3] == [
        f"0.930  PNEUMONIA      {images[0]}",
        f"0.070  NORMAL         {images[1]}",
        f"0.410  INDETERMINATE  {images[2]}",
    ]
    assert [line.split()[2] for line in result.stdout.splitlines()] == images
    assert "2 INDETERMINATE, 2 NORMAL, 2 PNEUMONIA; model version 3, threshold 0.400" in result.stderr
    assert "For research use only." in result.stderr


@pytest.mark.usefixtures("deployed")
def test_a_file_that_fails_is_named_and_the_others_go_on(cxr: Callable[..., Result], tmp_path: Path) -> None:
    good = _image(tmp_path / "good.jpeg", 93)
    broken = _image(tmp_path / "broken.jpeg", ord("!"))
    text = tmp_path / "text.jpeg"
    text.write_text("not an image")
    absent = tmp_path / "absent.jpeg"
    photo = tmp_path / "photo.jpeg"
    photo.write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    result = cxr("predict", "--json", str(broken), str(absent), str(text), str(good), str(photo))
    assert result.exit_code == ExitCode.FAILED
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["path"] for line in lines] == [str(path) for path in (broken, absent, text, good, photo)]
    assert lines[4]["error"] == f"{photo} is a HEIC: save it as PNG."
    assert lines[0] == {
        "path": str(broken),
        "error": f"{broken}: The image cannot be decoded (HTTP 400).",
        "code": "undecodable_image",
    }
    assert lines[1]["error"] == f"{absent} cannot be read: No such file or directory."
    assert lines[2]["error"] == f"{text} is no JPEG, PNG or DICOM image."
    assert lines[3] == {
        "path": str(good),
        "probability": 0.93,
        "label": "PNEUMONIA",
        "indeterminate": False,
        "guaranteed": 0.9,
        "threshold": 0.4,
        "model_version": 3,
        "model_package_arn": f"{GROUP_ARN}/3",
        "outside_intended_population": [],
        "modality": None,
        "body_part": None,
    }


def test_a_folder_without_images_is_an_error(cxr: Callable[..., Result], tmp_path: Path) -> None:
    result = cxr("predict", str(tmp_path))
    assert result.exit_code == ExitCode.FAILED
    assert "There is no JPEG, PNG or DICOM file in" in result.stderr


@pytest.mark.usefixtures("deployed")
def test_csv_has_a_header_and_a_row_for_each_file_failed_ones_too(cxr: Callable[..., Result], tmp_path: Path) -> None:
    good, broken = _image(tmp_path / "good, really.jpeg", 41), _image(tmp_path / "broken.jpeg", ord("!"))
    result = cxr("predict", "--csv", str(good), str(broken))
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert result.exit_code == ExitCode.FAILED
    assert (rows[0]["path"], rows[0]["probability"]) == (str(good), "0.41")
    assert rows[0]["label"] == "INDETERMINATE", "whoever counts this column counts neither label"
    assert (rows[0]["indeterminate"], rows[0]["model_version"], rows[0]["error"]) == ("true", "3", "")
    assert (rows[1]["probability"], rows[1]["code"]) == ("", "undecodable_image")


def test_one_answer_has_one_form(cxr: Callable[..., Result], tmp_path: Path) -> None:
    assert cxr("predict", "--csv", "--json", str(_image(tmp_path / "a.jpeg", 1))).exit_code == ExitCode.USAGE


@pytest.mark.usefixtures("deployed")
def test_indeterminate_is_an_answer_of_its_own(cxr: Callable[..., Result], tmp_path: Path) -> None:
    """An open answer must not look like a decided one, nor be counted as that."""
    images = [str(_image(tmp_path / f"{number}.jpeg", number)) for number in (35, 45, 90)]
    result = cxr("predict", *images)
    assert [line.split()[1] for line in result.stdout.splitlines()] == ["INDETERMINATE", "INDETERMINATE", "PNEUMONIA"]
    assert "2 INDETERMINATE, 1 PNEUMONIA;" in result.stderr
    assert "NORMAL" not in result.stdout + result.stderr


def test_overlays_are_drawn_over_the_radiographs(
    deployed: Cloud, api: Api, cxr: Callable[..., Result], tmp_path: Path
) -> None:
    radiograph = tmp_path / "in" / "a.png"
    radiograph.parent.mkdir()
    radiograph.write_bytes(png(Image.new("L", (40, 20), 100)))
    result = cxr("predict", "--overlay", str(tmp_path / "out" / "new"), str(radiograph.parent), "--json")
    document = json.loads(result.stdout)
    assert document["overlay"] == str(tmp_path / "out" / "new" / "a.png.overlay.png")
    assert ("saliency map is empty" in result.stderr) == (document["label"] == "NORMAL")
    assert api.requests[0][0] == "/api/v1/predictions?explain=true"
    with Image.open(document["overlay"]) as picture:
        assert picture.size == (40, 20), "the radiograph's size, not the overlay's"
        assert picture.getpixel((1, 10)) == (255, 0, 0)
        assert picture.getpixel((38, 10)) == (100, 100, 100), "where nothing is salient the radiograph is unchanged"


@pytest.mark.usefixtures("deployed")
def test_without_overlay_none_is_asked_for(api: Api, cxr: Callable[..., Result], tmp_path: Path) -> None:
    """It takes the endpoint several times as long."""
    cxr("predict", str(_image(tmp_path / "a.jpeg", 50)))
    assert api.requests[0][0] == "/api/v1/predictions"


@pytest.mark.usefixtures("deployed")
def test_an_answer_without_an_overlay_is_still_an_answer(
    api: Api, cxr: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.api.predictions._png", lambda _answered: None)
    result = cxr("predict", "--overlay", str(tmp_path / "out"), str(_image(tmp_path / "a.jpeg", 50)))
    assert result.exit_code == 0
    assert "draws no overlay" in result.stderr
    assert list((tmp_path / "out").iterdir()) == []


@pytest.fixture
def keyless(cloud: Cloud, api: Api, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """A deployment whose API knows no keys."""
    monkeypatch.setattr("ops.base.deployment.Deployment.api_url", property(lambda _deployment: api.url))
    cloud.has_stack("api", Outputs=[{"OutputKey": "ApiUrl", "OutputValue": api.url}])
    return cloud


@pytest.mark.usefixtures("keyless")
def test_without_keys_a_token_of_the_environment_is_sent(
    api: Api, cxr: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXR_API_TOKEN", "aa.bb.cc")
    assert cxr("predict", str(_image(tmp_path / "a.jpeg", 50))).exit_code == 0
    assert api.requests[0][1]["authorization"] == "Bearer aa.bb.cc"
    assert "x-api-key" not in api.requests[0][1]


@pytest.mark.usefixtures("keyless")
def test_without_keys_and_token_requests_are_signed(
    api: Api, cxr: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signature covers the query and the body: what was signed is what is sent."""
    monkeypatch.delenv("CXR_API_TOKEN", raising=False)
    image = _image(tmp_path / "a.jpeg", 50)
    cxr("predict", str(image), "--overlay", str(tmp_path / "out"), "--json")
    path, headers, body = api.requests[0]
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=test/")
    assert "/us-east-1/execute-api/aws4_request" in headers["authorization"]

    request = AWSRequest("POST", f"{api.url.removesuffix('/api/')}{path}", data=body)
    request.headers["Content-Type"], request.headers["Accept"] = headers["content-type"], headers["accept"]
    request.headers["X-Amz-Date"] = request.context["timestamp"] = headers["x-amz-date"]
    auth = SigV4Auth(Credentials("test", "test"), "execute-api", "us-east-1")
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    assert headers["authorization"].endswith(f"Signature={signature}")


class TestLargeFiles:
    """Above what the gateway takes a file goes to the bucket, by a form of the API."""

    LARGE = JPEG + bytes(predictions.LARGEST_BODY) + bytes([93])

    @staticmethod
    def form(api: Api, max_bytes: int = 20_000_000) -> None:
        fields = {"key": "uploads/f00", "policy": "signed"}
        url = f"{api.url}bucket"
        form = {"upload": "f00", "url": url, "fields": fields, "max_bytes": max_bytes, "expires_at": "2026-11-01"}
        api.queued.append((201, {}, form))

    def test_it_is_uploaded_and_then_asked_about(self, api: Api, client: PredictionApi, tmp_path: Path) -> None:
        path = tmp_path / "Jane Doe.jpeg"
        path.write_bytes(self.LARGE)
        self.form(api)
        api.queued += [(204, {}, {}), api.answer(bytes([93]))]
        assert client.predict(path, explain=True).label == "PNEUMONIA"
        (form, _, asked), (bucket, headers, sent), (predicted, _, named) = api.requests
        assert (form, json.loads(asked)) == ("/api/v1/uploads", {"media_type": "image/jpeg"})
        assert bucket == "/api/bucket"
        assert sent.index(b"uploads/f00") < sent.index(b"Content-Type: image/jpeg") < sent.index(self.LARGE)
        assert b"Jane" not in sent, "names of files can be names of patients"
        assert "x-api-key" not in headers, "the bucket gets no key of the API"
        assert (predicted, json.loads(named)) == ("/api/v1/predictions?explain=true", {"upload": "f00"})

    def test_a_deployment_may_take_less_than_the_gateway(self, api: Api, client: PredictionApi, tmp_path: Path) -> None:
        api.queued.append((413, {}, {"code": "image_too_large", "detail": "Upload it."}))
        self.form(api)
        api.queued += [(204, {}, {}), api.answer(bytes([93]))]
        assert client.predict(_image(tmp_path / "a.jpeg", 93)).label == "PNEUMONIA"

    def test_what_no_upload_takes_is_said_with_the_limit(self, api: Api, client: PredictionApi, tmp_path: Path) -> None:
        path = tmp_path / "a.jpeg"
        path.write_bytes(self.LARGE)
        self.form(api, max_bytes=4_000_000)
        prediction = client.predict(path)
        assert prediction.code == "image_too_large"
        assert "at most 4,000,000" in str(prediction.error)
        assert len(api.requests) == 1

    def test_a_refusal_of_the_bucket_or_of_the_form_is_an_error_of_the_file(
        self, api: Api, client: PredictionApi, tmp_path: Path
    ) -> None:
        path = tmp_path / "a.jpeg"
        path.write_bytes(self.LARGE)
        api.queued.append((403, {}, {"message": "Forbidden"}))
        assert "does not accept who asks" in str(client.predict(path).error)
        self.form(api)
        api.queued.append((403, {}, {}))
        refused = client.predict(path)
        assert refused.code == "upload_failed"
        assert "HTTP 403" in str(refused.error)


@pytest.mark.usefixtures("deployed")
@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
def test_a_file_name_that_is_no_text_ends_nothing(
    cloud: Cloud, cxr: Callable[..., Result], tmp_path: Path, form: list[str]
) -> None:
    """File names are bytes, and old archives have them in Latin-1."""
    latin = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpeg"))
    _image(latin, 90)
    _image(tmp_path / "z.jpeg", 10)
    result = cxr("predict", *form, str(tmp_path))
    assert result.exit_code == 0
    assert "caf\\udce9.jpeg" in result.stdout
    assert "z.jpeg" in result.stdout
    if form == ["--json"]:
        first = json.loads(result.stdout.splitlines()[0])
        assert os.fsencode(first["path"]) == os.fsencode(latin), "the file can be found again by its answer"
    can_ask(cloud)
    absent = cxr("predict", os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jpeg"))
    assert "\\udcff.jpeg cannot be read" in absent.stderr
