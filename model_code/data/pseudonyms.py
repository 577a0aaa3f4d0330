"""Patients as keyed hashes: what leaves a job in place of who they are.

Who has the dataset and not the key cannot find out whose a hash is by hashing every number a hospital gives: that takes
the key. It is made once by the deployment, lies in the artifact bucket, and comes as an input of PreprocessImages
(docs/adr/0036). The same key gives the same hash, so that the same archive is split in the same way again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import re
from pathlib import Path

from model_code.contract import job
from model_code.contract.job import JobError

INPUT = "patient-key"
KEY_BYTES = 32
_LEADING_ZEROS = re.compile(r"^0+(?=\d+$)")
_KEYED = re.compile(r"[HS][0-9a-f]{32}")


@dataclasses.dataclass(frozen=True)
class Pseudonyms:
    """Pseudonyms of a deployment's patients.

    Attributes:
        key: of its own, KEY_BYTES long.
    """

    key: bytes = dataclasses.field(repr=False)

    def patient(self, patient_id: str) -> str:
        """The key of a patient in datasets; the case of the id and spaces around it say nothing.

        Nor do zeros before a number, which spreadsheets drop: to take two patients for one costs nothing, but one
        patient for two can be in train and in test.
        """
        return "H" + self._hash(_LEADING_ZEROS.sub("", patient_id.strip().upper()))

    def study(self, uid: str) -> str:
        """Pseudonym of the patient of a study, where nothing names the patient."""
        return "S" + self._hash(uid)

    def _hash(self, said: str) -> str:
        return hmac.new(self.key, said.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()[:32]


def is_keyed(patient: str) -> bool:
    """Whether a patient's key is a hash of `Pseudonyms`, and no name that a file brought."""
    return _KEYED.fullmatch(patient) is not None


def is_of_study(patient: str) -> bool:
    """Whether a patient's key is a hash of a study, whose files name no patient."""
    return patient.startswith("S") and is_keyed(patient)


def is_named(patient: str, path: str) -> bool:
    """Whether a radiograph of a path names its patient; else it, or its study, counts as one of its own."""
    return patient != path and not is_of_study(patient)


def of_deployment() -> Pseudonyms | None:
    """Pseudonyms by the deployment's key; None where the job was started without it.

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


def patient(names: Pseudonyms | None, patient_id: str, study: str = "") -> str:
    """The key in datasets of a patient whom a file or the table names, or of the study in place of one.

    Args:
        names: with the deployment's key.
        patient_id: of the patient; "" where nothing names one.
        study: UID of the study, whose images are of one person.

    Raises:
        JobError: there is no key.
    """
    if names is None:
        raise JobError("The archive names patients, and the job has no key to make hashes of them: deploy again.")
    return names.patient(patient_id) if patient_id else names.study(study)
