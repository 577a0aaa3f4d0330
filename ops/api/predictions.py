"""Predictions over the HTTPS API: sending files, and what comes back."""

from __future__ import annotations

import base64
import dataclasses
import email.utils
import json
import os
import re
import time
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from model_code.contract.images import instead, other_format
from ops.api.image_files import START_BYTES, media_type

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from urllib3 import BaseHTTPResponse, PoolManager

    from ops.api.access import Access

INDETERMINATE = "INDETERMINATE"
"""What the commands call an answer near the threshold: a third beside the labels, counted as neither of them."""

COLUMNS = (
    "path",
    "probability",
    "label",
    "indeterminate",
    "guaranteed",
    "threshold",
    "model_version",
    "model_package_arn",
    "outside_intended_population",
    "modality",
    "body_part",
    "overlay",
    "dicom",
    "error",
    "code",
)
"""The table of predictions, whether the API was asked for them or a batch."""

# Above this many bytes the gateway takes no image: it goes to the bucket first. The page does the same.
LARGEST_BODY = 4_000_000
# Answers that the same request may do better after: throttled, starting, or too slow this time.
_RETRIED = frozenset({429, 502, 503, 504})
_NOTHING_RELEASED = "no_model_released"
_LONGEST_WAIT_SECONDS = 30.0
_JSON = "application/json"
_S3_CODE = re.compile(rb"<Code>(\w{1,40})</Code>")


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The API's answer for one file; either `error` is a sentence or the figures are there.

    `id` is the prediction's, `time` when the answer came, `indeterminate_band` where the model's begins and ends, and
    `dataset_sha256` what the model was trained on, and `served_sha256` the digest of the files that its container has.
    `overlay` is the PNG with the saliency, where it was asked for, `overlay_empty` whether it marks nothing, and
    `radiograph` the PNG of a DICOM file below it.
    `guaranteed` is the least share of such answers that is right, None where nothing is guaranteed of this one.
    `outside_intended_population` names what the model is not meant for, `age` or `view`, where a deployment answers it.
    `modality` and `body_part` (chest, other or unstated) are what a DICOM file says about itself.
    """

    path: str
    id: str | None = None
    time: datetime | None = None
    probability: float | None = None
    label: str | None = None
    indeterminate: bool | None = None
    guaranteed: float | None = None
    indeterminate_band: tuple[float, float] | None = None
    threshold: float | None = None
    model_version: int | str | None = None
    model_package_arn: str | None = None
    outside_intended_population: tuple[str, ...] = ()
    dataset_sha256: str | None = None
    served_sha256: str | None = None
    modality: str | None = None
    body_part: str | None = None
    notice: str | None = None
    error: str | None = None
    code: str | None = None
    overlay: bytes | None = dataclasses.field(default=None, repr=False)
    overlay_empty: bool | None = None
    radiograph: bytes | None = dataclasses.field(default=None, repr=False)

    @property
    def answer(self) -> str | None:
        """NORMAL, PNEUMONIA or INDETERMINATE; None where there is an error."""
        return answer(self.label, indeterminate=bool(self.indeterminate))

    def as_json(self) -> dict[str, Any]:
        """A document for one line: the figures, or the error with its code."""
        if self.error is not None:
            return {"path": self.path, "error": self.error, "code": self.code}
        return {
            "path": self.path,
            "probability": self.probability,
            "label": self.answer,
            "indeterminate": self.indeterminate,
            "guaranteed": self.guaranteed,
            "threshold": self.threshold,
            "model_version": self.model_version,
            "model_package_arn": self.model_package_arn,
            "outside_intended_population": list(self.outside_intended_population),
            "modality": self.modality,
            "body_part": self.body_part,
        }


def answer(label: str | None, *, indeterminate: bool) -> str | None:
    """The model's answer in one word: its label, unless it is indeterminate."""
    return INDETERMINATE if indeterminate else label


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
        self._url = f"{url.rstrip('/')}/v1"
        self._access = access
        self._attempts = attempts
        self._sleep = sleep

    def predict(self, path: Path, *, explain: bool = False) -> Prediction:
        """Ask for one file's prediction, with `explain` for its overlay too.

        What goes wrong is in the result, so that other files can go on.
        """
        try:
            with path.open("rb") as file:
                start = file.read(START_BYTES)
                content_type = media_type(start)
                content = start + file.read() if content_type else b""
        except OSError as error:
            return _failed(path, f"{path} cannot be read: {error.strerror or error}.", "unreadable_file")
        if content_type is None:
            other = other_format(start)
            sentence = f"{path} is {other}: {instead(other)}." if other else f"{path} is no JPEG, PNG or DICOM image."
            return _failed(path, sentence, "unsupported_media_type")
        url = f"{self._url}/predictions{'?explain=true' if explain else ''}"
        try:
            if len(content) <= LARGEST_BODY:
                answer = self._post(url, content, content_type)
                # A deployment may take less than the gateway does.
                if answer.status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                    return _prediction(path, answer)
            upload = self._upload(path, content, content_type)
            if isinstance(upload, Prediction):
                return upload
            return _prediction(path, self._post(url, json.dumps({"upload": upload}).encode(), _JSON))
        except _UnreachableError as error:
            return _failed(path, f"{path}: {error}", "unreachable")

    def _upload(self, path: Path, content: bytes, content_type: str) -> str | Prediction:
        """Send a file to the bucket by a form of the API; what to call it by, or the failure."""
        answer = self._post(f"{self._url}/uploads", json.dumps({"media_type": content_type}).encode(), _JSON)
        form = _document(answer)
        if answer.status != HTTPStatus.CREATED or "upload" not in form:
            return _refused(path, answer)
        if len(content) > form["max_bytes"]:
            sentence = f"{path} has {len(content):,} bytes; the API takes at most {form['max_bytes']:,}."
            return _failed(path, sentence, "image_too_large")
        # Without the file's own name, which can be a patient's.
        fields = {**form["fields"], "file": ("image", content, content_type)}
        stored = self._asked("POST", form["url"], fields=fields)
        if stored.status >= HTTPStatus.MULTIPLE_CHOICES:
            code = _S3_CODE.search(stored.data)
            reason = f", {code[1].decode()}" if code else ""
            sentence = f"{path}: the bucket for uploads did not take the file (HTTP {stored.status}{reason})."
            return _failed(path, sentence, "upload_failed")
        return str(form["upload"])

    def _post(self, url: str, body: bytes, content_type: str) -> BaseHTTPResponse:
        """Ask the API, again where that can help."""
        given = {"Content-Type": content_type, "Accept": "application/json"}
        return self._asked("POST", url, body=body, headers=lambda: self._access.headers("POST", url, body, given))

    def _asked(
        self, method: str, url: str, *, headers: Callable[[], dict[str, str]] = dict, **content: Any
    ) -> BaseHTTPResponse:
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        attempt = 1
        while True:
            try:
                answer = self._pool.request(method, url, headers=headers(), **content)
            except HTTPError as error:
                raise _UnreachableError(f"{urlsplit(url).netloc} cannot be reached: {error}.") from error
            wait = _wait(answer, attempt)
            if wait is None or attempt >= self._attempts:
                return answer
            self._sleep(wait)
            attempt += 1


class _UnreachableError(Exception):
    """No answer; `str()` says of whom."""


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
            id=document.get("id"),
            time=datetime.now().astimezone(),
            probability=document["probability"],
            label=document.get("label"),
            indeterminate=document.get("indeterminate"),
            guaranteed=(document.get("guarantee") or {}).get("predictive_value"),
            indeterminate_band=_band(model.get("indeterminate")),
            threshold=document.get("threshold"),
            model_version=model.get("version"),
            model_package_arn=model.get("package_arn"),
            outside_intended_population=tuple(document.get("outside_intended_population") or ()),
            dataset_sha256=model.get("dataset_sha256"),
            served_sha256=model.get("served_sha256"),
            modality=(document.get("dicom") or {}).get("modality"),
            body_part=(document.get("dicom") or {}).get("body_part"),
            notice=document.get("notice"),
            overlay=_png(document.get("overlay")),
            overlay_empty=(document.get("overlay") or {}).get("empty"),
            radiograph=_png(document.get("radiograph")),
        )
    return _refused(path, answer)


def _refused(path: Path, answer: BaseHTTPResponse) -> Prediction:
    document = _document(answer)
    sentence = document.get("detail") or document.get("message") or document.get("title") or "no reason was given"
    if answer.status in {401, 403} and "code" not in document:
        sentence = (
            "the API does not accept who asks: the deployment's own key, else a token in CXR_API_TOKEN, else your AWS "
            "credentials"
        )
    return _failed(path, f"{path}: {str(sentence).rstrip('.')} (HTTP {answer.status}).", document.get("code"))


def _band(answered: Any) -> tuple[float, float] | None:
    try:
        return float(answered["low"]), float(answered["high"])
    except (KeyError, TypeError, ValueError):
        return None


def _png(answered: Any) -> bytes | None:
    if not isinstance(answered, dict) or answered.get("media_type") != "image/png":
        return None
    try:
        return base64.b64decode(answered["data"], validate=True)
    except (KeyError, ValueError):
        return None


def _failed(path: Path, sentence: str, code: str | None) -> Prediction:
    return Prediction(path=str(path), error=sentence, code=code)
