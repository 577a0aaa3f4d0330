"""The report: what is in it, that validators accept it over all kinds of radiographs, and that it keeps TID 1500."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from pydicom import Dataset

from dicom_results import source
from tests.dicom_results.radiographs import IMAGE, STUDY, TYPE_2, opened, radiograph, result
from tests.dicom_results.tid1500 import faults
from tests.dicom_results.validators import dciodvfy, dsrdump
from tests.model_code.support.dicom_files import BIG, DEFLATED, IMPLICIT, RLE


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global codes, report, sr
    from highdicom import sr
    from pydicom.sr.codedict import codes

    from dicom_results import report


NAMES = {
    "none": "",
    "one component": "SMITH",
    "umlauts": "Zeichnung^Gemälde^^Dr.",
    "three groups": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "Cyrillic": "Иванова^Анна",
}


def made(tmp_path: Path, content: bytes | None = None, **changed: object) -> Path:
    image, path = tmp_path / "image.dcm", tmp_path / "report.dcm"
    image.write_bytes(content or radiograph())
    path.write_bytes(report.make(source.read(image), result(**changed)))
    return path


def group(path: Path) -> sr.MeasurementsAndQualitativeEvaluations:
    read = sr.Comprehensive3DSR.from_dataset(opened(path.read_bytes()))
    return read.content.get_image_measurement_groups()[0]  # type: ignore[attr-defined]


def test_the_radiographs_of_these_tests_are_valid_themselves(tmp_path: Path) -> None:
    """Else what a result inherits could hide a fault of its own."""
    for modality in ("CR", "DX"):
        (tmp_path / modality).write_bytes(radiograph(modality=modality))
        assert dciodvfy(tmp_path / modality) == []


def test_it_says_what_the_model_said_and_nothing_more(tmp_path: Path) -> None:
    path = made(tmp_path)
    found = group(path)
    assert found.get_measurements(codes.DCM.Probability)[0].value == 0.9501581788063049, "exact, not to 16 characters"
    assert found.get_qualitative_evaluations(report.PNEUMONIA)[0].value == report.PRESENT
    assert found.source_images[0].referenced_sop_instance_uid == IMAGE
    text, errors = dsrdump(path)
    assert errors == []
    for expected in (
        'Algorithm Name")="cxr chest X-ray pneumonia classifier"',
        'Algorithm Version")="7"',
        '"threshold=0.3672255576956385"',
        '"indeterminate_from=0.25"',
        '"indeterminate_below=0.5"',
        '"model_package=arn:aws:sagemaker:eu-central-1:123456789012:model-package/cxr-dev/7"',
        '"dataset_sha256=0f0f',
        '"served_sha256=5e5e',
        'Comment")="For research use only. Not a medical device."',
        "Verification Flag   : UNVERIFIED",
        "Preliminary Flag    : PRELIMINARY",
    ):
        assert expected in text


@pytest.mark.parametrize(
    ("label", "indeterminate", "expected"),
    [
        ("PNEUMONIA", False, "PRESENT"),
        ("NORMAL", False, "ABSENT"),
        ("PNEUMONIA", True, "INDETERMINATE"),
        ("NORMAL", True, "INDETERMINATE"),
    ],
)
def test_near_the_threshold_neither_label_is_reported(
    tmp_path: Path, label: str, indeterminate: bool, expected: str
) -> None:
    path = made(tmp_path, label=label, indeterminate=indeterminate)
    assert [one.value for one in group(path).get_qualitative_evaluations()] == [getattr(report, expected)]
    assert dciodvfy(path) == []


@pytest.mark.parametrize("probability", [0.0, 1.0, 1e-12, 0.1, 0.12345678901234567])
def test_every_probability_is_a_valid_decimal_and_exact_beside_it(tmp_path: Path, probability: float) -> None:
    path = made(tmp_path, probability=probability)
    assert group(path).get_measurements(codes.DCM.Probability)[0].value == probability
    assert dciodvfy(path) == []


class TestSources:
    """Whatever the radiograph's file lacks or is written in, the report is one that an archive takes."""

    @staticmethod
    def accepted(tmp_path: Path, content: bytes) -> Dataset:
        path = made(tmp_path, content)
        assert dciodvfy(path) == []
        assert dsrdump(path)[1] == []
        read = opened(path.read_bytes())
        assert faults(read) == []
        assert read.StudyInstanceUID == STUDY
        return read

    @pytest.mark.parametrize("signed", [False, True])
    @pytest.mark.parametrize("modality", ["CR", "DX"])
    @pytest.mark.parametrize("transfer_syntax", [IMPLICIT, DEFLATED, BIG])
    def test_modality_sign_and_syntax(self, tmp_path: Path, modality: str, signed: bool, transfer_syntax: str) -> None:
        content = radiograph(modality=modality, transfer_syntax=transfer_syntax, PixelRepresentation=int(signed))
        self.accepted(tmp_path, content)

    @pytest.mark.parametrize("absent", [*([name] for name in TYPE_2), list(TYPE_2)], ids="+".join)
    @pytest.mark.parametrize("modality", ["CR", "DX"])
    def test_attributes_of_type_2_that_a_sender_left_out_are_there_and_empty(
        self, tmp_path: Path, modality: str, absent: list[str]
    ) -> None:
        read = self.accepted(tmp_path, radiograph(modality=modality, without=tuple(absent)))
        assert all(name in read and not read[name].value for name in absent)

    def test_attributes_of_type_2_that_are_empty_stay_so(self, tmp_path: Path) -> None:
        read = self.accepted(tmp_path, radiograph(**dict.fromkeys(TYPE_2, "")))
        assert all(name in read and not read[name].value for name in TYPE_2)

    @pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
    def test_names_of_any_script(self, tmp_path: Path, name: str) -> None:
        assert self.accepted(tmp_path, radiograph(PatientName=name)).PatientName == name

    @pytest.mark.parametrize(
        ("name", "character_set"),
        [
            ("Gemälde^Ö", "ISO_IR 100"),
            ("Иванова^Анна", "ISO_IR 144"),
            ("Yamada^Tarou=山田^太郎", ["", "ISO 2022 IR 87"]),
            ("Wang^XiaoDong=王^小东", "GB18030"),
        ],
    )
    def test_other_character_sets_become_utf_8(self, tmp_path: Path, name: str, character_set: str) -> None:
        content = radiograph(PatientName=name, SpecificCharacterSet=character_set)
        read = self.accepted(tmp_path, content)
        assert (read.PatientName, read.SpecificCharacterSet) == (name, "ISO_IR 192")

    @pytest.mark.parametrize("character_set", ["ISO_IR 100", "ISO_IR 192"])
    def test_a_character_set_that_nobody_names_is_found(self, tmp_path: Path, character_set: str) -> None:
        """Files without (0008,0005) and with umlauts are common, in either of the two."""
        stated = radiograph(PatientName="Gemälde^Ö", SpecificCharacterSet=character_set)
        content = stated.replace(character_set.encode(), b"ISO_IR 6".ljust(len(character_set)))
        assert content != stated
        assert self.accepted(tmp_path, content).PatientName == "Gemälde^Ö"

    def test_what_no_instance_may_hold_is_left_out_or_mended(self, tmp_path: Path) -> None:
        stated = radiograph(PatientSex="F", PatientBirthDate="20200102", StudyTime="101500", StudyDate="20260103")
        content = (
            stated.replace(b"20200102", b"20209902")
            .replace(b"101500", b"10:15 ")
            .replace(b"CS\x02\x00F ", b"CS\x02\x00XX")
        )
        read = self.accepted(tmp_path, content)
        assert (read.PatientBirthDate, read.PatientSex) == ("", "")
        assert read.StudyTime == "1015"
        assert read.StudyDate == "20260103"

    def test_texts_that_are_too_long_are_left_out_where_nothing_is_joined_by_them(self, tmp_path: Path) -> None:
        read = self.accepted(tmp_path, radiograph(StudyID="S" * 16, StudyDescription="D" * 64))
        assert (read.StudyID, read.StudyDescription) == ("S" * 16, "D" * 64)
        content = radiograph(StudyID="S" * 16, StudyDescription="D" * 64)
        for of, letter, length in ((b"SH", b"S", 16), (b"LO", b"D", 64)):
            stated = of + length.to_bytes(2, "little") + letter * length
            assert stated in content
            content = content.replace(stated, of + (length + 2).to_bytes(2, "little") + letter * (length + 2))
        read = self.accepted(tmp_path, content)
        assert not read.StudyID
        assert "StudyDescription" not in read

    def test_a_number_of_the_patient_is_repeated_as_it_is(self, tmp_path: Path) -> None:
        """Too long by the standard, and still what the archive knows the patient by."""
        content = radiograph(PatientID="X" * 64).replace(b"LO\x40\0" + b"X" * 64, b"LO\x42\0" + b"X" * 66)
        assert b"LO\x42\0" + b"X" * 66 in made(tmp_path, content).read_bytes()

    def test_of_two_names_the_first_is_taken(self, tmp_path: Path) -> None:
        assert self.accepted(tmp_path, radiograph(PatientName=["A^B", "C^D"])).PatientName == "A^B"

    def test_dates_as_acr_nema_wrote_them(self, tmp_path: Path) -> None:
        content = radiograph().replace(b"DA\x08\x0020200102", b"DA\x0a\x002020.01.02")
        assert self.accepted(tmp_path, content).PatientBirthDate == "20200102"

    def test_the_issuer_of_the_patients_number_goes_along(self, tmp_path: Path) -> None:
        read = self.accepted(tmp_path, radiograph(IssuerOfPatientID="Hospital"))
        assert (read.PatientID, read.IssuerOfPatientID, read.StudyDescription) == ("P-1", "Hospital", "Thorax")

    def test_compressed_pixels_are_not_needed(self, tmp_path: Path) -> None:
        """All that is copied stands before them: a decoder for the syntax need not be here."""
        stated = radiograph()
        self.accepted(tmp_path, stated.replace(b"1.2.840.10008.1.2.1\0", RLE.encode() + b"\0"))


class TestIdentity:
    def test_the_same_prediction_is_the_same_file_whenever_it_is_made(self, tmp_path: Path) -> None:
        assert made(tmp_path).read_bytes() == made(tmp_path).read_bytes()

    def test_a_corrected_result_is_another_instance_of_another_series(self, tmp_path: Path) -> None:
        first, corrected = (opened(made(tmp_path, prediction_id=one).read_bytes()) for one in ("a", "b"))
        for name in ("SOPInstanceUID", "SeriesInstanceUID"):
            assert first[name].value != corrected[name].value
        assert first.StudyInstanceUID == corrected.StudyInstanceUID

    def test_one_answer_for_two_images_is_two_instances(self, tmp_path: Path) -> None:
        """A repeated answer has its first one's id, whatever file it is asked with."""
        first = opened(made(tmp_path).read_bytes())
        other = opened(made(tmp_path, radiograph(SOPInstanceUID="1.2.3.4")).read_bytes())
        assert first.SOPInstanceUID != other.SOPInstanceUID

    def test_uids_are_such(self, tmp_path: Path) -> None:
        read = opened(made(tmp_path).read_bytes())
        assert all(uid.is_valid for uid in (read.SOPInstanceUID, read.SeriesInstanceUID))

    def test_times_are_in_the_zone_of_the_study(self, tmp_path: Path) -> None:
        """The offset that a file states holds for all its dates and times (PS3.3, C.12.1)."""
        with_offset = opened(made(tmp_path, radiograph(TimezoneOffsetFromUTC="+0930")).read_bytes())
        assert (with_offset.ContentDate, with_offset.ContentTime) == ("20261128", "190005.000250")
        assert with_offset.TimezoneOffsetFromUTC == "+0930"
        local = dt.datetime(2026, 11, 28, 23, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))
        without = opened(made(tmp_path, time=local).read_bytes())
        assert (without.ContentDate, without.ContentTime) == ("20261128", "233000")
        assert "TimezoneOffsetFromUTC" not in without


class TestTemplate:
    """The check itself: each of these a validator accepts, and TID 1500 does not."""

    @staticmethod
    def contents(path: Path) -> tuple[Dataset, Dataset]:
        read = opened(path.read_bytes())
        return read, read.ContentSequence[-1].ContentSequence[0]

    def test_a_report_keeps_it(self, tmp_path: Path) -> None:
        assert faults(self.contents(made(tmp_path))[0]) == []

    @pytest.mark.parametrize(
        "concept", ["112039", "112040", "121071", "111001", "111003", "122157", "233604007", "121106"]
    )
    def test_each_row_of_the_group_is_missed(self, tmp_path: Path, concept: str) -> None:
        read, inside = self.contents(made(tmp_path))
        inside.ContentSequence = [
            one for one in inside.ContentSequence if one.ConceptNameCodeSequence[0].CodeValue != concept
        ]
        assert faults(read) == [f"group: 0 of {concept}"]

    def test_a_report_without_measurements_that_both_validators_accept_is_none(self, tmp_path: Path) -> None:
        path = made(tmp_path)
        read, inside = self.contents(path)
        inside.ContentSequence = [one for one in inside.ContentSequence if one.ValueType != "NUM"]
        read.save_as(path)
        assert (dciodvfy(path), dsrdump(path)[1]) == ([], [])
        assert faults(opened(path.read_bytes())) == ["group: 0 of 122157"]

    def test_no_group_a_foreign_image_and_an_unknown_item_are_faults(self, tmp_path: Path) -> None:
        read, inside = self.contents(made(tmp_path))
        inside.ContentSequence[-2].ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "1.2.3"
        inside.ContentSequence[-1].ConceptNameCodeSequence[0].CodeValue = "1"
        assert faults(read) == [
            "group: 0 of 121106",
            "group: ('1', 'DCM') is in no row",
            "the source image is no evidence of the same study",
        ]
        read.ContentSequence[-1].ContentSequence = []
        assert faults(read) == ["there is no measurement group"]
