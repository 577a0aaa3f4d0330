"""Storing instances in an archive by DICOMweb: STOW-RS (PS3.18, 10.5), after QIDO-RS has told what it has already.

Nothing is sent a second time in one call: who calls again sends what the archive still lacks, and the UIDs of a result
are those of its prediction, so that even an archive that answers no query gains nothing twice.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import warnings
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from dicomweb_client import DICOMwebClient
from pydicom import dcmread

from ops.base.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydicom.dataset import FileDataset

# Its messages quote what files say of patients. Importing it sets another level.
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)

TOKEN = "CXR_PACS_TOKEN"  # noqa: S105 - the name of the variable
CONNECT_SECONDS, READ_SECONDS = 10.0, 60.0
# The client sends what is larger in chunks, which not every server takes; a result has a few megabytes.
_CHUNK_BYTES = 2**28
# Answers that say of each instance whether it was stored (PS3.18, table 10.5.3-1). Orthanc 1.10.1 answers 400 where it
# refused one, and keeps the others.
_TELLING = frozenset({200, 202, 400, 409})
_LATER = frozenset({408, 429, 502, 503, 504})
# Failure Reason (PS3.18, table I.2-2; of the A7, A9 and C0 series the first two digits count).
_REASONS = {
    0x0110: "it failed to process it",
    0x0122: "it does not take its SOP class",
    0x0124: "it does not let you store it",
    0xA700: "it is out of resources",
    0xA900: "it finds that it does not match its SOP class",
    0xC000: "it cannot understand it",
}


@dataclasses.dataclass
class Outcome:
    """Outcome of storing files.

    Attributes:
        stored: by this call.
        present: in the archive before.
        failed: a sentence for each of the others.
    """

    stored: list[Path] = dataclasses.field(default_factory=list)
    present: list[Path] = dataclasses.field(default_factory=list)
    failed: dict[Path, str] = dataclasses.field(default_factory=dict)


class Archive:
    """A DICOMweb service, asked with the credentials of ~/.netrc or the token in CXR_PACS_TOKEN.

    Args:
        url: of the service, such as `https://pacs.hospital.example/dicom-web`.
        read_seconds: how long an answer may take.

    Raises:
        CommandError: the address is none of HTTP, or holds a password.
    """

    def __init__(self, url: str, *, read_seconds: float = READ_SECONDS) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise CommandError(f"{url} is no address of a DICOMweb service, such as https://host/dicom-web.", _USAGE)
        if parts.username or parts.password:
            sentence = "An address with a password is seen by others on this machine: put it into ~/.netrc instead."
            raise CommandError(sentence, _USAGE)
        self.url = url.rstrip("/")
        self._seconds = read_seconds
        self._answer: requests.Response | None = None
        self._session = session = requests.Session()
        session.hooks["response"].append(self._keep)
        # A redirected POST becomes a GET, whose answer looks like success.
        session.max_redirects = 0
        if token := os.environ.get(TOKEN):
            session.auth = _BearerToken(token)  # no mere header, which ~/.netrc would replace
        self._client = DICOMwebClient(
            self.url, session, chunk_size=_CHUNK_BYTES, permissive_uid=True, timeout=(CONNECT_SECONDS, read_seconds)
        )
        # After a gateway's timeout nobody knows whether the first request stored anything.
        self._client.set_http_retry_params(retry=False)

    @property
    def is_open_to_eavesdroppers(self) -> bool:
        """Whether what is sent goes over a network unencrypted."""
        parts = urlsplit(self.url)
        return parts.scheme == "http" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}

    def store(self, files: Iterable[Path]) -> Outcome:
        """Store those instances that the archive has not, in one request a study.

        Raises:
            CommandError: the archive is down, slow or not to be used by this caller. What was stored until then stays,
                and a later call does not send it again.
        """
        with self._session, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's quote values
            return self._store(files)

    def _store(self, files: Iterable[Path]) -> Outcome:
        outcome = Outcome()
        studies: dict[str, dict[Path, FileDataset]] = {}
        for path in files:
            try:
                instance = dcmread(path)  # read, not made: only then the client sends the header of a file
                studies.setdefault(str(instance.StudyInstanceUID), {})[path] = instance
            except Exception:  # noqa: BLE001 - pydicom's own errors, OSError and AttributeError alike
                outcome.failed[path] = f"{path} cannot be read as a DICOM file."
        for study, instances in studies.items():
            present = [path for path, instance in instances.items() if self._has(study, str(instance.SOPInstanceUID))]
            outcome.present += present
            lacking = {path: instance for path, instance in instances.items() if path not in present}
            if lacking:
                self._send(study, lacking, outcome)
        return outcome

    def _send(self, study: str, instances: dict[Path, FileDataset], outcome: Outcome) -> None:
        self._asked(lambda: self._client.store_instances(list(instances.values()), study), telling=_TELLING)
        stored, failed = _told(self._answer)
        for path, instance in instances.items():
            uid = str(instance.SOPInstanceUID)
            if uid in failed:
                outcome.failed[path] = f"{self.url} did not store {path}: {failed[uid]}."
            elif uid in stored or self._has(study, uid):
                outcome.stored.append(path)
            else:
                status = self._answer.status_code if self._answer is not None else 0
                outcome.failed[path] = f"{self.url} did not store {path}: it gave no reason (HTTP {status})."

    def _has(self, study: str, uid: str) -> bool:
        """Whether the archive has an instance; an archive that answers no queries is taken to have none."""
        ask = self._client.search_for_instances
        telling = frozenset({200, 204, 400, 404, 405, 406, 501})
        found = self._asked(lambda: ask(study, search_filters={"SOPInstanceUID": uid}), telling=telling)
        return any(_value(item, "00080018") == uid for item in found or [])

    def _asked(self, ask: Any, *, telling: frozenset[int]) -> Any:
        """The client's answer; None where it raised for a status that tells all the same.

        Raises:
            CommandError: for every other failure, one sentence.
        """
        self._answer = None
        try:
            return ask()
        except requests.HTTPError as error:
            status = error.response.status_code
            if status not in telling:
                raise self._refused(status) from None
        except requests.Timeout:
            sentence = f"The archive at {self.url} did not answer within {self._seconds:g} s. {_AGAIN}"
            raise CommandError(sentence, ExitCode.TIMED_OUT) from None
        except requests.exceptions.SSLError:
            raise self._unavailable("its certificate is not trusted (REQUESTS_CA_BUNDLE names others)") from None
        except requests.TooManyRedirects:
            raise self._unavailable("it redirects to another address: name that one") from None
        except requests.ConnectionError:
            raise self._unavailable("nothing answers there") from None
        except (ValueError, TypeError, KeyError, AttributeError):  # of the client, for what is no answer of an archive
            if self._answer is None or self._answer.status_code not in telling:
                raise self._unavailable("what answers there is no DICOMweb service") from None
        return None

    def _refused(self, status: int) -> CommandError:
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            where = f"put credentials into ~/.netrc, or a token into {TOKEN}"
            return self._unavailable(f"it does not accept who asks (HTTP {status}): {where}")
        if status == HTTPStatus.NOT_FOUND:
            return self._unavailable("there is no DICOMweb service (HTTP 404)")
        if status in _LATER:
            return self._unavailable(f"it is busy (HTTP {status})")
        return CommandError(f"The archive at {self.url} failed (HTTP {status}). {_AGAIN}")

    def _unavailable(self, why: str) -> CommandError:
        return CommandError(f"The archive at {self.url} cannot be used: {why}. {_AGAIN}", ExitCode.UNAVAILABLE)

    def _keep(self, answer: requests.Response, *_arguments: Any, **_options: Any) -> None:
        # The client drops an answer whose Content-Type has a parameter (findings/dicomweb_client_stow_failures.sh), and
        # raises for some that tell what was stored.
        self._answer = answer


class _BearerToken(requests.auth.AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


_USAGE = ExitCode.USAGE
_AGAIN = "Nothing is lost: `cxr store` sends what the archive lacks."


def _told(answer: requests.Response | None) -> tuple[set[str], dict[str, str]]:
    """UIDs that an answer says were stored, and of those that were not the reason (PS3.18, table I.1-1)."""
    try:
        document = answer.json() if answer is not None else {}
    except ValueError:
        document = {}
    stored = {_value(item, "00081155") for item in _items(document, "00081199")}
    failed = {_value(item, "00081155"): _reason(_value(item, "00081197")) for item in _items(document, "00081198")}
    return stored - {""}, failed


def _items(document: Any, tag: str) -> list[Any]:
    """Values of an attribute in the DICOM JSON model (PS3.18, F.2), or items of a sequence."""
    element = document.get(tag) if isinstance(document, dict) else None
    value = element.get("Value") if isinstance(element, dict) else None
    return value if isinstance(value, list) else []


def _value(item: Any, tag: str) -> str:
    return str(next(iter(_items(item, tag)), ""))


def _reason(stated: str) -> str:
    if not stated.isdigit():
        return "it gave no reason"
    code = int(stated)
    series = code & 0xFF00
    words = _REASONS.get(code) or _REASONS.get(series if series in {0xA700, 0xA900} else code & 0xF000)
    return f"{words or 'it gave a reason of its own'} (failure reason {code:04X}H)"
