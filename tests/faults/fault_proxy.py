"""A proxy between clients of AWS and what answers for AWS, at which chosen operations fail as they do there."""

from __future__ import annotations

import http.client
import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from tests.http_server import serving


class Fault(NamedTuple):
    """Outcome of a request.

    Attributes:
        kind: `refused` with an error, or without one that can be read (`bare`), the connection `reset` before anything
            is done, or after it was (`lost`), or the answer `cut` in the middle of its body.
        status: of the answer.
        code: of the service's error.
    """

    kind: str
    status: int = 0
    code: str = ""


# As the services write them: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html and the pages
# "Common errors" of the API references of SageMaker, DynamoDB, KMS, SNS and CloudFormation (read 2026-11).
SLOW_DOWN = Fault("refused", 503, "SlowDown")
THROTTLING_EXCEPTION = Fault("refused", 400, "ThrottlingException")
THROTTLING = Fault("refused", 400, "Throttling")
THROUGHPUT_EXCEEDED = Fault("refused", 400, "ProvisionedThroughputExceededException")
# S3 begins the answer to a long copy before it knows how it ends.
FAILED_LATE = Fault("refused", 200, "SlowDown")
UNAVAILABLE = Fault("refused", 503, "ServiceUnavailable")
# What stands before a service, a load balancer for one, answers in HTML.
TOO_MANY = Fault("bare", 429)
OVERLOADED = Fault("bare", 503)
RESET = Fault("reset")
LOST = Fault("lost")
CUT = Fault("cut")

_S3 = {"HEAD": "HeadObject", "GET": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
_HOP = frozenset({"connection", "transfer-encoding", "keep-alive", "content-length"})


class Request(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def operation(self) -> str:
        """Name of the operation, as botocore has it; of S3's those on objects, and its lists."""
        if target := self.headers.get("x-amz-target"):
            return target.rpartition(".")[2]
        if action := parse_qs(self.body.decode("latin-1")).get("Action"):
            return action[0]
        parts = urlsplit(self.path)
        if parts.path.endswith("/invocations"):
            return "Invoke" if "/functions/" in parts.path else "InvokeEndpoint"
        if "list-type" in parse_qs(parts.query):
            return "ListObjectsV2"
        return "CopyObject" if "x-amz-copy-source" in self.headers else _S3[self.method]

    @property
    def service(self) -> str:
        """Name that it was signed for."""
        return re.search(r"/([^/]+)/aws4_request", self.headers["authorization"])[1]  # type: ignore[index]


@dataclass
class FaultProxy:
    """The proxy, and its rules.

    Attributes:
        behind: host and port of what answers for AWS.
        url: of the proxy.
        asked: operations in the order in which they came, repetitions too.
        done: those that got through.
    """

    behind: tuple[str, int]
    url: str = ""
    asked: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    _faults: dict[str, list[Fault]] = field(default_factory=dict)
    _always: dict[str, Fault] = field(default_factory=dict)
    _stand_ins: dict[str, Callable[[bytes], dict[str, Any]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fail(self, operation: str, fault: Fault, times: int | None = None) -> None:
        """Have the next `times` calls of an operation fail; all of them where it is None."""
        if times is None:
            self._always[operation] = fault
        else:
            self._faults[operation] = [fault] * times

    def mend(self) -> None:
        """Let everything through again, and forget what came."""
        for rules in (self._faults, self._always, self.asked, self.done):
            rules.clear()

    def stand_in(self, operation: str, answer: Callable[[bytes], dict[str, Any]]) -> None:
        """Answer an operation here, of a request's body, where what is behind does so otherwise than AWS."""
        self._stand_ins[operation] = answer

    def decide(self, operation: str) -> Fault | None:
        """Fault of the call that has just come; None where it passes."""
        with self._lock:
            self.asked.append(operation)
            waiting = self._faults.get(operation)
            fault = waiting.pop(0) if waiting else self._always.get(operation)
            if fault is None or fault.kind in {"lost", "cut"}:
                self.done.append(operation)
            return fault

    def answer(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        """The answer from behind."""
        if stand_in := self._stand_ins.get(request.operation):
            return 200, {"Content-Type": "application/json"}, json.dumps(stand_in(request.body)).encode()
        connection = http.client.HTTPConnection(*self.behind, timeout=30)
        try:
            headers = {**request.headers, "content-length": str(len(request.body)), "connection": "close"}
            connection.request(request.method, request.path, request.body, headers)
            found = connection.getresponse()
            kept = {name: value for name, value in found.getheaders() if name.lower() not in _HOP}
            if request.method == "HEAD":
                kept["Content-Length"] = found.headers.get("Content-Length", "0")
            return found.status, kept, found.read()
        finally:
            connection.close()


def _refusal(request: Request, fault: Fault) -> tuple[dict[str, str], bytes]:
    """Headers and body of a service's error, in the form of its protocol."""
    error = f"<Error><Code>{fault.code}</Code><Message>Rate exceeded</Message></Error>"
    if request.service == "s3":
        return {"Content-Type": "application/xml"}, error.encode()
    if request.service in {"sns", "cloudformation"}:
        return {"Content-Type": "text/xml"}, f"<ErrorResponse>{error}</ErrorResponse>".encode()
    body = json.dumps({"__type": fault.code, "message": "Rate exceeded"}).encode()
    return {"Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": fault.code}, body


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: FaultProxy

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        names = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, names, body)
        fault = self.proxy.decide(request.operation)
        if fault is None:
            self._write(*self.proxy.answer(request))
        elif fault.kind == "bare":
            self._write(fault.status, {"Content-Type": "text/html"}, b"<html>Try later.</html>")
        elif fault.kind == "refused":
            self._write(fault.status, *_refusal(request, fault))
        elif fault.kind == "reset":
            self._reset()
        else:
            status, *answer = self.proxy.answer(request)
            if fault.kind == "cut":
                self._write(status, *answer, cut=status < HTTPStatus.MULTIPLE_CHOICES)
            if fault.kind == "lost" or status < HTTPStatus.MULTIPLE_CHOICES:
                self._reset()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815 - http.server's names

    def _write(self, status: int, headers: dict[str, str], body: bytes, *, cut: bool = False) -> None:
        self.send_response_only(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        self.wfile.flush()

    def _reset(self) -> None:
        """End the connection without a word: with no time to linger, closing sends RST."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def finish(self) -> None:
        try:
            super().finish()
        except (OSError, ValueError):
            self.close_connection = True  # it was reset

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def fault_proxy(behind: tuple[str, int]) -> Iterator[FaultProxy]:
    """A proxy in front of a server, as long as the block runs."""
    proxy = FaultProxy(behind)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": proxy}))
    server.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    with serving(server):
        yield proxy
