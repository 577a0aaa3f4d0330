"""Every example of docs/clients.md does what the page says, against the deployed stack."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.http_server import serving
from tests.model_code.support.dicom_files import dicom_file, phantom
from tests.system.clients.clients_page import Example, fenced
from tests.system.deployed import Stack

pytestmark = [pytest.mark.system, pytest.mark.slow]

EXAMPLES = [example for example in fenced() if example.language != "yaml"]
_COMMANDS = {"bash": ["bash", "-euo", "pipefail"], "python": [sys.executable], "javascript": ["node"]}
_SUFFIXES = {"bash": "sh", "python": "py", "javascript": "mjs"}
_CREDENTIALS = Credentials("AKIDEXAMPLE", "secret", "token")
_BUSY = (
    b'{"type": "urn:problem-type:model_not_ready", "title": "The model is starting", "status": 503, "detail": "Wait.", '
    b'"code": "model_not_ready", "request_id": "busy"}'
)


class Relay(ThreadingHTTPServer):
    """Stands before the API: breaks the connection and then is busy for each Idempotency-Key; takes signatures.

    The laptop takes keys. curl's `--retry` leaves out connections that break.
    """

    def __init__(self, stack: Stack) -> None:
        super().__init__(("127.0.0.1", 0), _Relayed)
        self.stack = stack
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.attempts: list[str] = []
        self.signed = 0


class _Relayed(BaseHTTPRequestHandler):
    server: Relay

    def do_GET(self) -> None:
        self._relay(b"")

    def do_POST(self) -> None:
        self._relay(self.rfile.read(int(self.headers["content-length"])))

    def log_message(self, *arguments: object) -> None:
        """Nothing is of interest."""

    def _relay(self, body: bytes) -> None:
        key = self.headers.get("idempotency-key")
        if key:
            self.server.attempts.append(key)
            attempt = self.server.attempts.count(key) + self.headers.get("user-agent", "").startswith("curl/")
            if attempt == 1:
                self.close_connection = True
                return
            if attempt == 2:
                self._answer(503, {"content-type": "application/problem+json", "retry-after": "1"}, _BUSY)
                return
        headers = {name.lower(): value for name, value in self.headers.items() if name.lower() != "host"}
        if headers.get("authorization", "").startswith("AWS4-HMAC-SHA256"):
            if not self._signature_fits(headers, body):
                self._answer(403, {"content-type": "application/problem+json"}, b"{}")
                return
            self.server.signed += 1
            headers = {name: value for name, value in headers.items() if name != "authorization"}
            headers["x-api-key"] = self.server.stack.key
        target = urlsplit(self.server.stack.url)
        connection = http.client.HTTPConnection(target.netloc, timeout=60)
        connection.request(self.command, target.path.rstrip("/") + self.path, body=body or None, headers=headers)
        answer = connection.getresponse()
        self._answer(answer.status, {"content-type": answer.headers["content-type"]}, answer.read())
        connection.close()

    def _signature_fits(self, headers: dict[str, str], body: bytes) -> bool:
        """Sign what came, with the secret that the client should have, and compare."""
        signed = re.search(r"SignedHeaders=([\w;-]+)", headers["authorization"])
        assert signed is not None
        names = [name for name in signed[1].split(";") if name != "host"]
        request = AWSRequest(self.command, f"{self.server.url}{self.path}", data=body)
        for name in names:
            request.headers[name] = headers[name]
        request.context["timestamp"] = headers["x-amz-date"]
        signer = SigV4Auth(_CREDENTIALS, "execute-api", "us-east-1")
        canonical = signer.canonical_request(request)
        expected = signer.signature(signer.string_to_sign(request, canonical), request)
        return headers["authorization"].endswith(f"Signature={expected}")

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def relay(stack: Stack) -> Iterator[Relay]:
    server = Relay(stack)
    with serving(server):
        yield server


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_an_example_works(
    relay: Relay, released: str, examples: dict[str, Path], tmp_path: Path, example: Example
) -> None:
    (tmp_path / "radiograph.jpeg").write_bytes(examples["PNEUMONIA"].read_bytes())
    (tmp_path / "radiograph.dcm").write_bytes(dicom_file(phantom(320, 256)))
    (tmp_path / "letter.txt").write_text("Dear colleague")
    (tmp_path / f"example.{_SUFFIXES[example.language]}").write_text(example.text)
    variables = {
        "PATH": os.environ["PATH"],
        "API_URL": relay.url,
        "API_KEY": relay.stack.key,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": str(_CREDENTIALS.access_key),
        "AWS_SECRET_ACCESS_KEY": str(_CREDENTIALS.secret_key),
        "AWS_SESSION_TOKEN": str(_CREDENTIALS.token),
    }
    attempts, signed = len(relay.attempts), relay.signed
    command = [*_COMMANDS[example.language], f"example.{_SUFFIXES[example.language]}"]
    done = subprocess.run(
        command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    if example.heading == "The saliency map":
        assert (tmp_path / "overlay.png").read_bytes().startswith(b"\x89PNG")
    elif example.heading == "Feedback: a reader's label":
        assert "NORMAL" in done.stdout
    else:
        assert re.search(r"0\.\d{3}|1\.000", done.stdout), done.stdout
    if example.heading.startswith("Errors"):
        assert len(relay.attempts) >= attempts + (2 if example.language == "bash" else 3), "it tried again"
        assert example.language == "bash" or "undecodable_image: " in done.stdout
    if "IAM" in example.heading:
        assert relay.signed == signed + 1


def test_each_task_is_shown_in_each_language() -> None:
    shown: dict[str, set[str]] = {}
    for example in EXAMPLES:
        shown.setdefault(example.heading, set()).add(example.language)

    for heading in ("A prediction", "Errors and retries", "Large files", "Feedback: a reader's label"):
        assert shown[heading] == set(_COMMANDS), heading
