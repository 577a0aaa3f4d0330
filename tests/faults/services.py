"""Functions whose clients find all of AWS behind a proxy that lets calls fail: moto's server, and what stands in."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

import boto3
import pytest
from botocore.retries.standard import ExponentialBackoff

from tests.faults.fault_proxy import FaultProxy

_ACCOUNT = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "POWERTOOLS_SERVICE_NAME": "test",
}


class Services:
    """The services, those that fail and those that do not.

    Attributes:
        proxy: with the rules, which every client of a function meets.
    """

    def __init__(self, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
        self.proxy, self._monkeypatch = proxy, monkeypatch
        for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        for name, value in _ACCOUNT.items():
            monkeypatch.setenv(name, value)
        # How often is the product's to say; a tenth of botocore's pauses keeps a test below five seconds.
        paused = ExponentialBackoff.delay_amount
        monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *given: paused(*given) / 10)

    def client(self, service: str) -> Any:
        """A client of the test's own, which no fault meets."""
        host, port = self.proxy.behind
        return boto3.client(service, endpoint_url=f"http://{host}:{port}", region_name="us-east-1")

    def function(self, module: str, **environment: str) -> ModuleType:
        """A function's module, imported anew in an environment whose clients go to the proxy."""
        for name, value in environment.items():
            self._monkeypatch.setenv(name, value)
        self._monkeypatch.setenv("AWS_ENDPOINT_URL", self.proxy.url)
        self._monkeypatch.delitem(sys.modules, module, raising=False)
        return importlib.import_module(module)
