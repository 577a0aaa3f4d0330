"""Predictions over the HTTPS API: which files to send, sending them, and what comes back."""

from __future__ import annotations

import base64
import dataclasses
import email.utils
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from model_code.contract import images
from model_code.contract.layout import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from urllib3 import BaseHTTPResponse, PoolManager

    from ops.api.access import Access

# DICOM files begin with 128 bytes of anything (PS3.10, 7.1).
_DICOM, _DICOM_AT = b"DICM", 128
_SUFFIXES = IMAGE_SUFFIXES | {".dcm"}
# Answers that the same request may do better after: throttled, starting, or too slow this time.
_RETRIED = frozenset({429, 502, 503, 504})
_NOTHING_RELEASED = "no_model_released"
_LONGEST_WAIT_SECONDS = 30.0


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What the API answered for one file; either `error` is a sentence or the figures are there.

    `overlay` is the PNG with the saliency, where it was asked for, and `radiograph` that of a DICOM file below it.
    """

    path: str
    probability: float | None = None
    label: str | None = None
    indeterminate: bool | None = None
    threshold: float | None = None
    model_version: int | str | None = None
    model_package_arn: str | None = None
    notice: str | None = None
    error: str | None = None
    code: str | None = None
    overlay: bytes | None = dataclasses.field(default=None, repr=False)
    radiograph: bytes | None = dataclasses.field(default=None, repr=False)

    def as_json(self) -> dict[str, Any]:
        """A document for one line: the figures, or the error with its code."""
        if self.error is not None:
            return {"path": self.path, "error": self.error, "code": self.code}
        return {
            "path": self.path,
            "probability": self.probability,
            "label": self.label,
            "indeterminate": self.indeterminate,
            "threshold": self.threshold,
            "model_version": self.model_version,
            "model_package_arn": self.model_package_arn,
        }


def media_type(content: bytes) -> str | None:
    """What a file is by its first bytes, not by its name: a PNG called .jpeg is common."""
    if content[_DICOM_AT : _DICOM_AT + len(_DICOM)] == _DICOM:
        return "application/dicom"
    return images.media_type(content)


def files_to_predict(paths: Iterable[Path]) -> list[Path]:
    """The files named, and the images in the folders named, however deep, sorted within each folder."""
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        for entry in sorted(path.rglob("*")):
            hidden = any(part.startswith(".") or part == "__MACOSX" for part in entry.relative_to(path).parts)
            if entry.suffix.lower() in _SUFFIXES and not hidden and entry.is_file():
                found.append(entry)
    return found


def connect(url: str, *, connections: int) -> PoolManager:
    """A pool for the API at `url`: through the proxy of the environment, trusting AWS_CA_BUNDLE where it is set."""
    import urllib3  # noqa: PLC0415

    parts = urlsplit(url)
    options: dict[str, Any] = {
        "maxsize": connections,
        "retries": False,
        "timeout": urllib3.Timeout(connect=10, read=60),
        "ca_certs": os.environ.get("AWS_CA_BUNDLE") or None,
    }
    proxy = getproxies().get(parts.scheme)
    if proxy and not proxy_bypass(parts.netloc):
        return urllib3.ProxyManager(proxy, **options)
    return urllib3.PoolManager(**options)


class PredictionApi:
    """The API of one environment; safe to use from several threads."""

    def __init__(
        self,
        pool: PoolManager,
        url: str,
        access: Access,
        *,
        attempts: int = 4,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._pool = pool
        self._url = f"{url.rstrip('/')}/v1/predictions"
        self._access = access
        self._attempts = attempts
        self._sleep = sleep

    def predict(self, path: Path, *, explain: bool = False) -> Prediction:
        """Ask for one file's prediction, with `explain` for its overlay too.

        What goes wrong is in the result, so that other files can go on.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            return _failed(path, f"{path} cannot be read: {error.strerror or error}.", "unreadable_file")
        content_type = media_type(content)
        if content_type is None:
            return _failed(path, f"{path} is no JPEG, PNG or DICOM image.", "unsupported_media_type")
        return self._send(path, content, content_type, explain=explain)

    def _send(self, path: Path, content: bytes, content_type: str, *, explain: bool) -> Prediction:
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        given = {"Content-Type": content_type, "Accept": "application/json"}
        url = f"{self._url}?explain=true" if explain else self._url
        attempt = 1
        while True:
            headers = self._access.headers("POST", url, content, given)
            try:
                answer = self._pool.request("POST", url, body=content, headers=headers)
            except HTTPError as error:
                return _failed(path, f"{urlsplit(self._url).netloc} cannot be reached: {error}.", "unreachable")
            wait = _wait(answer, attempt)
            if wait is None or attempt >= self._attempts:
                return _prediction(path, answer)
            self._sleep(wait)
            attempt += 1


def _wait(answer: BaseHTTPResponse, attempt: int) -> float | None:
    """Seconds to wait before the same request again; None when that would be of no use or too long for a person."""
    if answer.status not in _RETRIED or _document(answer).get("code") == _NOTHING_RELEASED:
        return None
    seconds = _retry_after(answer.headers.get("Retry-After"))
    if seconds is None:
        seconds = 0.5 * 2.0**attempt
    return seconds if seconds <= _LONGEST_WAIT_SECONDS else None


def _retry_after(value: str | None) -> float | None:
    """Seconds that a Retry-After field asks for, in either of its forms (RFC 9110, 10.2.3)."""
    if not value:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _document(answer: BaseHTTPResponse) -> dict[str, Any]:
    try:
        document = json.loads(answer.data)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _prediction(path: Path, answer: BaseHTTPResponse) -> Prediction:
    document = _document(answer)
    if answer.status == 200 and "probability" in document:
        model = document.get("model") or {}
        return Prediction(
            path=str(path),
            probability=document["probability"],
            label=document.get("label"),
            indeterminate=document.get("indeterminate"),
            threshold=document.get("threshold"),
            model_version=model.get("version"),
            model_package_arn=model.get("package_arn"),
            notice=document.get("notice"),
            overlay=_png(document.get("overlay")),
            radiograph=_png(document.get("radiograph")),
        )
    sentence = document.get("detail") or document.get("message") or document.get("title") or "no reason was given"
    if answer.status in {401, 403} and "code" not in document:
        sentence = (
            "the API does not accept who asks: the deployment's own key, else a token in CXR_API_TOKEN, else your AWS "
            "credentials"
        )
    return _failed(path, f"{path}: {str(sentence).rstrip('.')} (HTTP {answer.status}).", document.get("code"))


def _png(answered: Any) -> bytes | None:
    if not isinstance(answered, dict) or answered.get("media_type") != "image/png":
        return None
    try:
        return base64.b64decode(answered["data"], validate=True)
    except (KeyError, ValueError):
        return None


def _failed(path: Path, sentence: str, code: str | None) -> Prediction:
    return Prediction(path=str(path), error=sentence, code=code)
