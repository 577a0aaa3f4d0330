"""Images of one study stay in one split where their files name no patient."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
from PIL import Image

from tests.model_code.conftest import zip_of
from tests.model_code.support.data_steps import chest, decode, split
from tests.model_code.support.dicom_files import dicom_file


def dicom(number: int, **attributes: Any) -> bytes:
    """A radiograph of its own for each number, of nobody."""
    grey = np.asarray(Image.open(io.BytesIO(chest(number))).convert("L"))
    return dicom_file(grey, bits=8, BodyPartExamined="CHEST", PatientID="", **attributes)


def test_images_of_one_study_are_of_one_patient_where_the_id_was_taken_out(job_directory, place_archive):
    """De-identification leaves Patient ID empty and gives studies new UIDs: a repeated exposure was in two splits."""
    key = job_directory / "processing" / "input" / "patient-key"
    key.mkdir(parents=True)
    (key / "patients").write_bytes(bytes(range(32)))
    files = {}
    for first, label in ((0, "NORMAL"), (1000, "PNEUMONIA")):
        files |= {f"{label}/{n}.dcm": dicom(n) for n in range(first, first + 32)}
        studies = {n: f"1.2.840.{first}.{n // 2}" for n in range(first + 32, first + 40)}
        files |= {f"{label}/{n}.dcm": dicom(n, StudyInstanceUID=study) for n, study in studies.items()}
    place_archive(zip_of(files))
    decode(job_directory)
    card = split(job_directory)
    assert sum(one["images"] for one in card["splits"].values()) == 80
    assert sum(one["patients"] for one in card["splits"].values()) == 64 + 8
    assert "1.2.840" not in json.dumps(card)
    assert any("80 of 80 images name no patient" in said for said in card["decisions"]), (
        "one person's studies may differ"
    )


def test_pictures_of_one_study_by_the_table_are_of_one_patient(job_directory, place_archive):
    """Exports to JPEG name nobody; with the study in the table two images of one examination stay together."""
    key = job_directory / "processing" / "input" / "patient-key"
    key.mkdir(parents=True)
    (key / "patients").write_bytes(bytes(range(32)))
    numbers = [*range(40), *range(1000, 1040)]
    rows = "".join(f"{n}.jpeg,{int(n >= 1000)},STUDY-{n // 2}\n" for n in numbers)
    table = {"labels.csv": f"file,label,study_id\n{rows}".encode()}
    place_archive(zip_of({f"x/{n}.jpeg": chest(n) for n in numbers} | table))
    decode(job_directory)
    card = split(job_directory)
    assert sum(one["patients"] for one in card["splits"].values()) == 40
    assert "STUDY-" not in json.dumps(card)
