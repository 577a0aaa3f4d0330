"""Checks of decoded images, for training and for a site's archive alike."""

from __future__ import annotations

import itertools
from collections import Counter

from model_code.contract.job import JobError
from model_code.data.manifest import Decoded
from model_code.data.pseudonyms import is_of_study

MAX_UNDECODABLE_SHARE = 0.05
MAX_SHARE_OF_ONE_PATIENT = 0.5


def refuse_unreadable(decoded: Decoded) -> None:
    """Few damaged files are reported in the card; many mean that something is wrong with the archive.

    Raises:
        JobError: naming some of them.
    """
    undecodable, candidates = decoded.undecodable, decoded.header.candidates
    if len(undecodable) > MAX_UNDECODABLE_SHARE * candidates:
        named = "; ".join(f"{path}: {why}" for path, why in itertools.islice(sorted(undecodable.items()), 3))
        raise JobError(
            f"{len(undecodable)} of {candidates} images cannot be read (at most "
            f"{MAX_UNDECODABLE_SHARE:.0%} may be): {named}."
        )


def refuse_one_patient(decoded: Decoded) -> None:
    """De-identification often gives all files the same Patient ID: then nothing is known of who is in two splits.

    Raises:
        JobError: most DICOM files are of one patient.
    """
    patients = Counter(
        radiograph.patient for radiograph in decoded.radiographs if decoded.facts[radiograph.sha256].format == "DICOM"
    )
    if not patients:
        return
    ((patient, most),) = patients.most_common(1)
    if most > MAX_SHARE_OF_ONE_PATIENT * patients.total():
        of_one = "one study, and name no patient" if is_of_study(patient) else "one patient"
        same = "Study Instance UID and no Patient ID" if is_of_study(patient) else "Patient ID"
        raise JobError(
            f"{most} of {patients.total()} DICOM images say that they are of {of_one}, as after a de-identification "
            f"that gives all the same {same}. Give each patient a number of its own, there or in a column patient "
            "of labels.csv."
        )
