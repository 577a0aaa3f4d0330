"""Verification of a release: the endpoint's configuration, and one answer of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.aws import served_package
from lambdas.aws.errors import is_throttled

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.client import SageMakerClient
    from mypy_boto3_sagemaker_runtime.client import SageMakerRuntimeClient

# A chest radiograph of nobody: drawn by local/samples/sample_archive.py.
PROBE = Path(__file__).parent / "probe.jpeg"
# A serverless container may have to start first, and an endpoint that has just changed may be busy for a moment.
ATTEMPTS = 6
SECONDS_BETWEEN_ATTEMPTS = 10.0

# What the container says when it has looked at the drawing well enough to tell that it is one.
_NOT_A_RADIOGRAPH = "not_a_radiograph"


@dataclass(frozen=True)
class Evidence:
    """Evidence that a package serves."""

    answered: bool
    """Whether an answer named the package; a model may also refuse the drawing, and answers nothing then."""


class NotServingError(Exception):
    """The endpoint does not serve the package. `str()` says what it does instead."""


@dataclass(frozen=True)
class ServingEndpoint:
    """The endpoint, by name."""

    sagemaker: SageMakerClient
    runtime: SageMakerRuntimeClient
    name: str
    sleep: Callable[[float], None] = time.sleep

    def verify(self, package_arn: str, served_digest: str | None) -> Evidence:
        """Ask the endpoint whether a package is what it serves.

        Args:
            served_digest: digest of its files as it was signed; None where none was.

        Raises:
            NotServingError: it is not, it has loaded other files, or it does not answer.
            botocore.exceptions.ClientError: asking is not allowed, or the endpoint is at its limit of requests, which
                says nothing about what it serves.
        """
        configured = self.package()
        if configured != package_arn:
            raise NotServingError(f"The endpoint {self.name} is configured to serve {configured or 'no package'}.")
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._ask(package_arn, served_digest)
            except _NotYetError as problem:
                if attempt == ATTEMPTS:
                    if problem.__cause__ is not None and is_throttled(problem.__cause__):
                        raise problem.__cause__ from None
                    raise NotServingError(str(problem)) from problem
            self.sleep(SECONDS_BETWEEN_ATTEMPTS)
        raise AssertionError  # unreachable: the last attempt returns or raises

    def package(self) -> str | None:
        """The package that the endpoint is configured to serve; None when it serves nothing."""
        return served_package.find(self.sagemaker, self.name, sleep=self.sleep).package_arn

    def _ask(self, package_arn: str, served_digest: str | None) -> Evidence:
        try:
            answer = self.runtime.invoke_endpoint(
                EndpointName=self.name, ContentType="image/jpeg", Accept="application/json", Body=self._probe
            )
            document: Any = json.loads(answer["Body"].read())
            named, loaded = document["model"]["package_arn"], document["model"].get("served_sha256")
        except ClientError as error:
            return self._refusal(error)
        except BotoCoreError as error:
            raise _NotYetError(f"The endpoint {self.name} gave no answer in time.") from error
        except (ValueError, KeyError, TypeError) as error:
            raise _NotYetError(f"The answer of the endpoint {self.name} names no package.") from error
        if named != package_arn:
            raise _NotYetError(f"The endpoint {self.name} answers with {named}.")
        # An older model reports none. Asking again cannot help: a container reports the files that it started with.
        if loaded and served_digest and loaded != served_digest:
            raise NotServingError(
                f"The endpoint {self.name} answers as {named} with files of the digest {loaded}, and {served_digest} "
                "was signed when it was registered."
            )
        return Evidence(answered=True)

    def _refusal(self, error: ClientError) -> Evidence:
        code = error.response["Error"]["Code"]
        if code in {"AccessDenied", "AccessDeniedException"}:
            raise error
        if code == "ModelError" and _NOT_A_RADIOGRAPH in str(error.response.get("OriginalMessage", error)):
            return Evidence(answered=False)
        # A container quotes nothing of a radiograph that nobody has: its sentence may be passed on.
        said = str(error.response.get("OriginalMessage") or error.response["Error"].get("Message", ""))[:300]
        raise _NotYetError(f"The endpoint {self.name} answered a drawn radiograph with {code}: {said}") from error

    @cached_property
    def _probe(self) -> bytes:
        return PROBE.read_bytes()


class _NotYetError(Exception):
    """The endpoint does not answer as expected yet; a later look may find that it does."""
