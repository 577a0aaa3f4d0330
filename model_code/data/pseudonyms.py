"""Patients as keyed hashes, and names of files that name nobody: what leaves a job in their place.

Who has the dataset and not the key cannot find out whose a hash is by hashing every number a hospital gives: that takes
the key. It is made once by the deployment, lies in the artifact bucket, and comes as an input of PreprocessImages
(docs/adr/0036). The same key gives the same hash, so that the same archive is split in the same way again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from model_code.contract import job
from model_code.contract.job import JobError

INPUT = "patient-key"
KEY_BYTES = 32
# Shorter ones are found in any path: a patient `12` in `scan_12`.
_MIN_ID_IN_A_NAME = 4
# In UTF-8: two letters, or one ideograph. Two bytes count as a word of their own only, one is an initial.
_MIN_NAME = 2
_MIN_NAME_INSIDE = 3
_LETTERS = re.compile(r"[^\W\d]+")
_LEADING_ZEROS = re.compile(r"^0+(?=\d+$)")
_BETWEEN = re.compile(r"[\W_]+")
_KEYED = re.compile(r"H[0-9a-f]{32}")
_SUFFIX = re.compile(r"\.[A-Za-z]{1,5}$")


@dataclasses.dataclass(frozen=True)
class Pseudonyms:
    """What a deployment calls patients.

    Attributes:
        key: of its own, KEY_BYTES long.
    """

    key: bytes = dataclasses.field(repr=False)

    def patient(self, patient_id: str) -> str:
        """The key of a patient in datasets; the case of the id and spaces around it say nothing.

        Nor do zeros before a number, which spreadsheets drop: to take two patients for one costs nothing, but one
        patient for two can be in train and in test.
        """
        said = _LEADING_ZEROS.sub("", patient_id.strip().upper()).encode("utf-8", "surrogateescape")
        return "H" + hmac.new(self.key, said, hashlib.sha256).hexdigest()[:32]


def is_keyed(patient: str) -> bool:
    """Whether a patient's key is a hash of `Pseudonyms.patient`, and no name that a file brought."""
    return _KEYED.fullmatch(patient) is not None


def of_deployment() -> Pseudonyms | None:
    """With the deployment's key; None where the job was started without it.

    Raises:
        JobError: the input holds no such key.
    """
    directory = job.base_directory() / "processing" / "input" / INPUT
    files = sorted(path for path in directory.glob("*") if path.is_file()) if directory.is_dir() else []
    if not files:
        return None
    key = Path(files[0]).read_bytes()
    if len(files) > 1 or len(key) != KEY_BYTES:
        raise JobError(f"The processing input {INPUT} does not hold one key of {KEY_BYTES} bytes: deploy again.")
    return Pseudonyms(key)


def named(path: str, number: int, patient_id: str, name: Iterable[str] = ()) -> str:
    """What a file of a known patient is called in outputs: its path, unless that says who it is.

    Args:
        path: in the archive.
        number: of its entry in the archive's directory, from 1.
        patient_id: which the path must not hold; "" for none.
        name: words which it must not have.
    """
    said = _spelled(path)
    words = {word for part in _BETWEEN.split(said) for word in (part, *_LETTERS.findall(part))}
    identifier = _BETWEEN.sub("", _spelled(patient_id))
    digits = identifier.lstrip("0")
    if len(digits) >= _MIN_ID_IN_A_NAME:
        held = digits in _BETWEEN.sub("", said)
    else:
        held = bool(digits) and bool({identifier, digits} & words)
    parts = {word: len(word.encode()) for word in map(_spelled, name)}
    called = any(size >= _MIN_NAME_INSIDE and word in said for word, size in parts.items())
    short = {word for word, size in parts.items() if size >= _MIN_NAME}
    return unnamed(path, number) if held or called or short & words else path


def _spelled(text: str) -> str:
    """A text in capitals and without accents, which files and file names write in more than one way."""
    apart = unicodedata.normalize("NFKD", text.upper().strip())
    return "".join(one for one in apart if not unicodedata.combining(one))


def unnamed(path: str, number: int) -> str:
    """What a file is called whose path may say who it is of: `entry-17.dcm`, the 17th of the archive's directory."""
    suffix = _SUFFIX.search(path)
    return f"entry-{number}{suffix[0].lower() if suffix else ''}"
