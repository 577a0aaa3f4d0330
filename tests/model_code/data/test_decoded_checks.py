"""Refusals of decoded images name the files or count them, whatever their number."""

from __future__ import annotations

import re

import pytest

from model_code.contract.job import JobError
from model_code.data.decoded_checks import refuse_one_patient, refuse_unreadable
from model_code.data.manifest import Decoded, Facts, Header
from model_code.data.patient_split import Radiograph
from model_code.imaging.perceptual_hash import Fingerprints

URI = "s3://data/datasets/" + "0f" * 32 + "/archive.zip"
FILES = 10_000


def decoded(patients: list[str], *, format_: str = "DICOM", unreadable: int = 0) -> Decoded:
    names = [str(number) for number in range(len(patients))]
    images = [
        Radiograph(f"entry-{name}.dcm", "NORMAL", None, patient, "", name, int(name))
        for name, patient in zip(names, patients, strict=True)
    ]
    facts = dict.fromkeys(names, Facts(9, 300, 300, format_, "MONOCHROME2", False, ()))
    files = len(names) + unreadable
    header = Header(URI, 32, 0, 1, files, files, 1, 0, 0, [], [])
    reasons = {f"entry-{number}.dcm": "it is cut short" for number in range(len(names), files)}
    return Decoded(header, images, facts, reasons, [], Fingerprints.room(0))


def test_ten_thousand_files_of_one_study_are_refused_as_one_patient() -> None:
    with pytest.raises(JobError, match=f"{FILES} of {FILES} DICOM images say that they are of one patient") as refused:
        refuse_one_patient(decoded(["H1"] * FILES))
    assert "a column patient of labels.csv" in str(refused.value)


def test_one_study_without_a_patient_is_called_that() -> None:
    """It was called the same Patient ID, and they had none."""
    with pytest.raises(
        JobError, match=r"of one study, and name no patient, .* the same Study Instance UID and no Patient"
    ):
        refuse_one_patient(decoded(["S" + "0f" * 16] * FILES))


@pytest.mark.parametrize(("of_one", "refused"), [(FILES // 2, False), (FILES // 2 + 1, True)])
def test_half_of_the_files_may_be_of_one_patient(of_one: int, refused: bool) -> None:
    found = decoded(["H1"] * of_one + [f"H{number}" for number in range(2, FILES - of_one + 2)])
    if refused:
        with pytest.raises(JobError, match=f"{of_one} of {FILES}"):
            refuse_one_patient(found)
    else:
        refuse_one_patient(found)


def test_names_of_jpegs_say_nothing_for_certain() -> None:
    refuse_one_patient(decoded(["N1"] * FILES, format_="JPEG"))


@pytest.mark.parametrize(("unreadable", "refused"), [(5, False), (6, True), (300, True)])
def test_one_in_twenty_files_may_be_unreadable_and_three_are_named(unreadable: int, refused: bool) -> None:
    found = decoded(
        [f"H{number}" for number in range(100 - unreadable if unreadable < 100 else 100)], unreadable=unreadable
    )
    if not refused:
        refuse_unreadable(found)
        return
    with pytest.raises(JobError) as told:
        refuse_unreadable(found)
    assert str(told.value).startswith(f"{unreadable} of {found.header.candidates} images cannot be read")
    assert len(re.findall(r"entry-\d+\.dcm: it is cut short", str(told.value))) == 3
