"""Predictions through a real HTTP server: what is sent, what is shown, and that one bad file stops no other."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from ops import predictions
from ops.errors import ExitCode
from ops.predictions import PredictionApi, connect
from tests.ops.conftest import GROUP_ARN, Cloud

JPEG = b"\xff\xd8\xff\xe0"
PNG = b"\x89PNG\r\n\x1a\n"


class Api:
    """Answers POST /v1/predictions: queued answers first, then by the last byte of the image."""

    def __init__(self) -> None:
        self.queued: list[tuple[int, dict[str, str], dict[str, Any]]] = []
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.lock = threading.Lock()
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with api.lock:
                    api.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                    status, headers, document = api.queued.pop(0) if api.queued else api.answer(body)
                content = json.dumps(document).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_arguments: object) -> None:
                """Silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/api/"

    @staticmethod
    def answer(body: bytes) -> tuple[int, dict[str, str], dict[str, Any]]:
        if body.endswith(b"!"):
            detail = "The image cannot be decoded."
            return 400, {}, {"title": "Bad", "status": 400, "detail": detail, "code": "undecodable_image"}
        probability = body[-1] / 100
        return (
            200,
            {},
            {
                "probability": probability,
                "label": "PNEUMONIA" if probability >= 0.4 else "NORMAL",
                "threshold": 0.4,
                "model": {"package_arn": f"{GROUP_ARN}/3", "version": 3},
                "notice": "For research use only.",
            },
        )


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture
def client(api: Api) -> Iterator[PredictionApi]:
    pool = connect(api.url, connections=2)
    yield PredictionApi(pool, api.url, "secret", sleep=waits.append)
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
def test_what_waiting_would_not_mend_is_told_at_once(
    api: Api, client: PredictionApi, tmp_path: Path, answer: tuple[int, dict[str, str], dict[str, Any]]
) -> None:
    api.queued = [answer]
    prediction = client.predict(_image(tmp_path / "a.jpeg", 50))
    assert prediction.error is not None
    assert answer[2]["detail"].rstrip(".") in prediction.error
    assert waits == []


def test_a_gateways_own_refusal_of_the_key_is_put_in_words(api: Api, client: PredictionApi, tmp_path: Path) -> None:
    api.queued = [(403, {}, {"message": "Forbidden"})]
    assert "does not accept the key" in str(client.predict(_image(tmp_path / "a.jpeg", 50)).error)


def test_an_answer_that_is_no_prediction_is_an_error(api: Api, client: PredictionApi, tmp_path: Path) -> None:
    api.queued = [(200, {}, {"hello": "proxy"})]
    assert "HTTP 200" in str(client.predict(_image(tmp_path / "a.jpeg", 50)).error)


def test_an_api_that_is_not_there_is_an_error_of_the_file(tmp_path: Path) -> None:
    pool = connect("http://127.0.0.1:1/", connections=1)
    prediction = PredictionApi(pool, "http://127.0.0.1:1/", "k").predict(_image(tmp_path / "a.jpeg", 50))
    pool.clear()
    assert prediction.code == "unreachable"


def test_folders_are_searched_for_images_and_nothing_else(tmp_path: Path) -> None:
    for name in ("b/2.PNG", "b/c/1.jpeg", "b/.hidden.jpeg", "b/__MACOSX/3.jpeg", "b/notes.txt"):
        _image(tmp_path / name, 1)
    _image(tmp_path / "x.dcm", 1)
    files = predictions.files_to_predict([tmp_path / "x.dcm", tmp_path / "b"])
    assert [str(path.relative_to(tmp_path)) for path in files] == ["x.dcm", "b/2.PNG", "b/c/1.jpeg"]


@pytest.fixture
def deployed(cloud: Cloud, api: Api, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    monkeypatch.setattr("ops.deployment.Deployment.api_url", property(lambda _deployment: api.url))
    cloud.has_stack("api")
    expected = {"apiKey": "key-1", "includeValue": True}
    cloud.answers("apigateway", "get_api_key", {"id": "key-1", "value": "secret"}, expected)
    return cloud


@pytest.mark.usefixtures("deployed")
def test_predict_prints_one_line_a_file_in_the_order_given(cxr: Callable[..., Result], tmp_path: Path) -> None:
    images = [str(_image(tmp_path / f"{number:02d}.jpeg", number)) for number in (93, 7, 41, 39, 88, 1)]
    result = cxr("predict", *images)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[:2] == [f"0.930  PNEUMONIA  {images[0]}", f"0.070  NORMAL     {images[1]}"]
    assert [line.split()[2] for line in result.stdout.splitlines()] == images
    assert "3 NORMAL, 3 PNEUMONIA; model version 3, threshold 0.400" in result.stderr
    assert "For research use only." in result.stderr


@pytest.mark.usefixtures("deployed")
def test_a_file_that_fails_is_named_and_the_others_go_on(cxr: Callable[..., Result], tmp_path: Path) -> None:
    good = _image(tmp_path / "good.jpeg", 93)
    broken = _image(tmp_path / "broken.jpeg", ord("!"))
    text = tmp_path / "text.jpeg"
    text.write_text("not an image")
    absent = tmp_path / "absent.jpeg"
    result = cxr("predict", "--json", str(broken), str(absent), str(text), str(good))
    assert result.exit_code == ExitCode.FAILED
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["path"] for line in lines] == [str(path) for path in (broken, absent, text, good)]
    assert lines[0] == {
        "path": str(broken),
        "error": f"{broken}: The image cannot be decoded (HTTP 400).",
        "code": "undecodable_image",
    }
    assert lines[1]["error"] == f"{absent} cannot be read: No such file or directory."
    assert lines[2]["error"] == f"{text} is neither a JPEG nor a PNG image."
    assert lines[3] == {
        "path": str(good),
        "probability": 0.93,
        "label": "PNEUMONIA",
        "threshold": 0.4,
        "model_version": 3,
        "model_package_arn": f"{GROUP_ARN}/3",
    }


def test_a_folder_without_images_is_an_error(cxr: Callable[..., Result], tmp_path: Path) -> None:
    result = cxr("predict", str(tmp_path))
    assert result.exit_code == ExitCode.FAILED
    assert "There is no JPEG or PNG file in" in result.stderr
