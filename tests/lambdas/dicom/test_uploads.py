"""A large file is read at the address that Predict signs, at most what a radiograph can need."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from lambdas.api.uploads import MAX_DICOM_BYTES
from lambdas.dicom import uploads
from lambdas.dicom.handler import handle
from model_code.dicom.refusal import Refusal
from tests.http_server import serving
from tests.model_code.support.dicom_files import dicom_file, phantom


class Store(BaseHTTPRequestHandler):
    """S3 with one file, signed addresses that have expired, and a bad day."""

    file = dicom_file(phantom())

    def do_GET(self) -> None:
        status = {"/file": 200, "/expired": 403, "/gone": 404}.get(self.path, 503)
        self.send_response(status)
        self.end_headers()
        if status == 200:
            self.wfile.write(self.file)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Store)
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}"


def test_a_file_is_read_and_converted(store: str) -> None:
    assert handle({"url": f"{store}/file"}, None)["told"]["modality"] == "DX"


@pytest.mark.parametrize("path", ["expired", "gone"])
def test_what_is_not_there_is_not_found(store: str, path: str) -> None:
    assert handle({"url": f"{store}/{path}"}, None)["code"] == "upload_not_found"


def test_a_failure_of_s3_is_not_the_caller_s(store: str) -> None:
    with pytest.raises(OSError, match="503"):
        handle({"url": f"{store}/else"}, None)


def test_what_is_larger_than_a_radiograph_is_not_read(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_BYTES", len(Store.file) - 1)
    with pytest.raises(Refusal) as refused:
        uploads.fetch(f"{store}/file")
    assert refused.value.code == "image_too_large"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/x", "x"])
def test_an_address_is_one_of_http(url: str) -> None:
    with pytest.raises(ValueError, match="HTTP"):
        uploads.fetch(url)


def test_the_form_lets_through_what_is_read() -> None:
    assert MAX_DICOM_BYTES == uploads.MAX_BYTES
