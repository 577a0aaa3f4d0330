"""Fixtures of the function tests: archives built in memory, a context, and credentials that lead nowhere."""

import hashlib
import importlib
import io
import json
import sys
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import ModuleType, SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from tests.http_server import serving
from tests.lambdas.tables import tables

REGION = "us-east-1"


@pytest.fixture(autouse=True)
def no_account(monkeypatch):
    """Clients can be made but find no account: a call that is not stubbed cannot succeed by accident."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def context():
    """A Lambda context with two seconds left."""
    return SimpleNamespace(
        function_name="function",
        memory_limit_in_mb=256,
        invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:function",
        aws_request_id="0f0f0f0f-0000-4000-8000-000000000000",
        get_remaining_time_in_millis=lambda: 2_000,
    )


@pytest.fixture
def load_handler(monkeypatch):
    """Import a function's module afresh under its environment, the way Lambda does: by the handler string."""

    def load(handler: str, **environment: str):
        for name, value in {"POWERTOOLS_SERVICE_NAME": "test", **environment}.items():
            monkeypatch.setenv(name, value)
        module_name, function = handler.rsplit(".", 1)
        monkeypatch.delitem(sys.modules, module_name, raising=False)
        module: ModuleType = importlib.import_module(module_name)
        return module, getattr(module, function)

    return load


@pytest.fixture
def waits(monkeypatch):
    """The seconds for which a custom resource waited, which pass at once."""
    from lambdas.custom_resource import answer

    seconds = []
    monkeypatch.setattr(answer.time, "sleep", seconds.append)
    return seconds


@pytest.fixture
def cloudformation(waits):
    """CloudFormation's end of a custom resource: the URL to answer at, and what was answered."""
    received = []

    class CloudFormation(BaseHTTPRequestHandler):
        def do_PUT(self):
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), CloudFormation)
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}/answer", received


@pytest.fixture
def custom_resource(load_handler, monkeypatch, context, cloudformation):
    """Call the function behind a custom resource; the stubber refuses every call to AWS that was not announced."""

    @contextmanager
    def resource(function: str, service: str, *, logical_id: str, properties: dict[str, Any], **members: str):
        url, received = cloudformation
        module, handle = load_handler(f"lambdas.{function}.handler.handle")
        client = boto3.client(service)
        monkeypatch.setattr(module, service, lambda: client)

        def call(request: str, **more: Any):
            event = {
                "RequestType": request,
                "ResponseURL": url,
                "StackId": "stack",
                "RequestId": "request",
                "LogicalResourceId": logical_id,
                "ResourceProperties": {"ServiceToken": "arn", **properties},
                **members,
                **more,
            }
            handle(event, context)
            return received[-1]

        with Stubber(client) as stubber:
            yield call, stubber
            stubber.assert_no_pending_responses()

    return resource


@pytest.fixture
def dynamodb():
    """The API's tables, empty."""
    with tables() as client:
        yield client


@pytest.fixture
def make_zip():
    """Build an archive from {name: content}; names ending in / are folders."""

    def make(files, *, compression=zipfile.ZIP_STORED, comment=b""):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", compression) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
            archive.comment = comment
        return buffer.getvalue()

    return make


@pytest.fixture
def noise():
    """Bytes that do not compress, as encoded images."""

    def noise(size, seed=0):
        return hashlib.shake_128(bytes([seed])).digest(size)

    return noise


@pytest.fixture
def kaggle_files(noise):
    """Kaggle's chest_xray archive in small: the doubled tree, mixed case, and what macOS left in it."""

    def files(images_per_folder=3, size=2_000):
        tree = {}
        for root in ("chest_xray/", "chest_xray/chest_xray/", "__MACOSX/chest_xray/"):
            for split in ("train", "val", "test"):
                for label in ("NORMAL", "PNEUMONIA"):
                    folder = f"{root}{split}/{label}/"
                    tree[folder + ".DS_Store"] = b"metadata"
                    for number in range(images_per_folder):
                        name = f"person{number}_bacteria_{number}.jpeg" if label == "PNEUMONIA" else f"IM-{number}.jpeg"
                        tree[folder + ("._" if "MACOSX" in root else "") + name] = noise(size, seed=number)
        return tree

    return files
