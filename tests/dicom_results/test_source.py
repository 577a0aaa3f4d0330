"""Reading of a radiograph's file: some allow no result, and nothing of a patient is told."""

from __future__ import annotations

import io
import logging
import warnings
from pathlib import Path
from typing import Any

import pytest

from dicom_results import source
from dicom_results.source import NoResultError
from model_code.dicom.file_format import end_of_meta
from tests.dicom_results.radiographs import CR, TYPE_2, picture, radiograph, result


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global capture, report
    from dicom_results import capture, report


def refused(tmp_path: Path, content: bytes) -> str:
    (tmp_path / "image.dcm").write_bytes(content)
    with pytest.raises(NoResultError) as caught:
        source.read(tmp_path / "image.dcm")
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("StudyInstanceUID", "it states no Study Instance UID"),
        ("SeriesInstanceUID", "it states no Series Instance UID"),
        ("SOPInstanceUID", "it states no SOP Instance UID"),
    ],
)
def test_what_is_in_no_study_has_no_place_in_an_archive(tmp_path: Path, name: str, sentence: str) -> None:
    assert refused(tmp_path, radiograph(without=(name,))) == sentence
    if name != "SOPInstanceUID":  # which no file can be written without
        assert refused(tmp_path, radiograph(**{name: ""})) == sentence


def test_a_uid_that_is_none_is_reported_without_its_value(tmp_path: Path) -> None:
    content = radiograph().replace(b"1.2.826.0.1.3680043.8.498.1", b"SMITH.JOHN.1980.01.02.A-777")
    assert refused(tmp_path, content) == "it has an unusable Study Instance UID"


def test_a_class_outside_the_standard_and_an_empty_file_are_reported(tmp_path: Path) -> None:
    stated = radiograph(modality="CR")
    private = stated.replace(CR.encode() + b"\0", b"1.2.840.10008.5.1.4.9.9.9\0")
    assert refused(tmp_path, private) == "its SOP Class UID is none of the standard"
    assert refused(tmp_path, b"") == "its header cannot be read"


def test_a_class_that_only_the_files_own_header_states_is_taken(tmp_path: Path) -> None:
    (tmp_path / "image.dcm").write_bytes(radiograph(without=("SOPClassUID",)))
    assert source.read(tmp_path / "image.dcm").SOPClassUID.name.startswith("Digital X-Ray Image Storage")


def test_no_value_of_a_patient_is_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """pydicom and highdicom both quote what they find odd, as warnings and in their logs."""
    content = radiograph(PatientName="SECRET").replace(b"20200102", b"SECRETXX")
    content = content.replace(b"A-77", b"\xff\xfeX\\").replace(b"ISO_IR 192", b"ISO_SECRET")
    (tmp_path / "image.dcm").write_bytes(content)
    with warnings.catch_warnings(record=True) as told, caplog.at_level(logging.DEBUG):
        warnings.simplefilter("always")
        reference = source.read(tmp_path / "image.dcm")
        report.make(reference, result())
        capture.make(reference, result(), picture())
    said = "".join([*capfd.readouterr(), caplog.text, *(str(one.message) for one in told)])
    assert "SECRET" not in said


@pytest.mark.parametrize(
    "stated",
    [
        {},
        {"without": TYPE_2},
        {"PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう", "StudyDescription": "Грудь"},
        {"PatientID": "A\\B", "IssuerOfPatientID": "Hospital", "TimezoneOffsetFromUTC": "+0930"},
        {"LossyImageCompression": "01", "LossyImageCompressionRatio": ["12.5", "3"]},
    ],
)
def test_what_is_handed_to_another_process_makes_the_same_files_there(stated: dict[str, Any]) -> None:
    reference = source.read(io.BytesIO(radiograph(**stated)))
    there = source.decode(source.encode(reference))
    assert there == reference
    assert report.make(there, result()) == report.make(reference, result())
    assert capture.make(there, result(), picture()) == capture.make(reference, result(), picture())


def test_a_number_of_the_patient_that_is_too_long_is_handed_over_as_it_is() -> None:
    content = radiograph(PatientID="X" * 64).replace(b"LO\x40\0" + b"X" * 64, b"LO\x42\0" + b"X" * 66)
    reference = source.read(io.BytesIO(content))
    assert source.decode(source.encode(reference)).PatientID == "X" * 66


def test_a_file_that_the_api_answers_has_a_result_whatever_its_file_lacks() -> None:
    """Without preamble or meta information, or with an element of no known representation, nothing could be made."""
    whole = radiograph(PatientID="P-17")
    start = end_of_meta(whole, 132)
    at = whole.index(b"\x10\x00\x10\x00", start)
    unknown = b"\x09\x00\x10\x10??\x04\x00abcd"
    for data in (whole[132:], whole[start:], whole[:at] + unknown + whole[at:]):
        reference = source.read(io.BytesIO(data))
        assert (reference.PatientID, reference.SOPInstanceUID) == (
            "P-17",
            source.read(io.BytesIO(whole)).SOPInstanceUID,
        )
