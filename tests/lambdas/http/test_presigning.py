"""Presigned requests name the bucket's regional host, which the page's policy allows."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lambdas.http import presigning
from tests.lambdas.api.test_uploads import ENVIRONMENT as UPLOADS
from tests.lambdas.predict.test_handler import ENVIRONMENT, HANDLER
from tests.lambdas.rest_events import event

LAMBDAS = Path(__file__).resolve().parents[3] / "lambdas"
BUCKET = "cxr-dev-data-datab3f1a2"
# As the CDK makes UPLOAD_ORIGIN of the region and the partition's suffix. il-central-1 and ap-southeast-5 have to be
# enabled and answer the global host with an error; cn-north-1 is of another partition.
HOSTS = {
    "us-east-1": f"{BUCKET}.s3.us-east-1.amazonaws.com",
    "eu-central-1": f"{BUCKET}.s3.eu-central-1.amazonaws.com",
    "il-central-1": f"{BUCKET}.s3.il-central-1.amazonaws.com",
    "ap-southeast-5": f"{BUCKET}.s3.ap-southeast-5.amazonaws.com",
    "cn-north-1": f"{BUCKET}.s3.cn-north-1.amazonaws.com.cn",
}


@pytest.fixture(params=HOSTS)
def region(request, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", request.param)
    monkeypatch.setenv("AWS_REGION", request.param)
    return request.param


def form(load_handler):
    module, _ = load_handler("lambdas.api.uploads.handle", **UPLOADS)
    return module.s3().generate_presigned_post(BUCKET, "uploads/x")["url"]


def address(load_handler):
    module, _ = load_handler(HANDLER, **{**ENVIRONMENT, "UPLOAD_BUCKET": BUCKET})
    return module.api.predictions.uploads.address("x")


@pytest.mark.parametrize("signed", [form, address])
def test_the_regional_host_is_signed_for(signed, region, load_handler):
    parts = urlsplit(signed(load_handler))
    assert (parts.scheme, parts.netloc) == ("https", HOSTS[region])


def test_the_page_may_send_the_form_where_it_goes(region, load_handler):
    loaded, _ = load_handler("lambdas.site.handler.handle", UPLOAD_ORIGIN=f"https://{HOSTS[region]}")
    policy = loaded.site.answer(event("GET", "/"))["headers"]["Content-Security-Policy"]
    (allowed,) = re.findall(r"connect-src ([^;]*)", policy)
    parts = urlsplit(form(load_handler))
    assert f"{parts.scheme}://{parts.netloc}" in allowed.split()


def test_the_page_may_send_the_form_where_another_endpoint_takes_it(load_handler, monkeypatch):
    """On the laptop the SDK signs for its cloud, whatever the bucket would be called in AWS."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566/")
    loaded, _ = load_handler("lambdas.site.handler.handle", UPLOAD_ORIGIN=f"https://{HOSTS['us-east-1']}")
    policy = loaded.site.answer(event("GET", "/"))["headers"]["Content-Security-Policy"]
    assert "connect-src 'self' http://127.0.0.1:4566;" in policy


@pytest.mark.parametrize("signed", [form, address])
def test_the_laptop_keeps_its_own_endpoint(signed, load_handler, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    assert signed(load_handler).startswith(f"http://127.0.0.1:4566/{BUCKET}")


def test_whoever_signs_does_it_this_way():
    """A client that signs with the defaults works in us-east-1, where it is tried, and nowhere else."""
    clients = {"uploads.py": "api/uploads.py", "handler.py": "predict/handler.py"}
    signing = {
        str(path.relative_to(LAMBDAS)) for path in LAMBDAS.rglob("*.py") if "generate_presigned" in path.read_text()
    }
    # predict/uploads.py signs with the client that predict/handler.py makes.
    assert signing == {"api/uploads.py", "predict/uploads.py"}
    assert all("presigning.OPTIONS" in (LAMBDAS / path).read_text() for path in clients.values())
    assert presigning.OPTIONS["s3"]["addressing_style"] == "virtual"
