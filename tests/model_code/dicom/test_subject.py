"""Statements of files about a person become a class of many, and what cannot be read says nothing."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from model_code.dicom import subject
from tests.model_code.support.dicom_files import BIG, DEFLATED, EXPLICIT, IMPLICIT, J2K_LOSSLESS, dicom_file, phantom

VALUES = phantom(32, 24)


def code(value):
    """Of CID 4010; its meaning may be in any language, or missing."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator = value, "SRT" if value.startswith("R") else "SCT"
    return item


def read(**attributes):
    return subject.read(dicom_file(VALUES, **attributes))


@pytest.mark.parametrize("transfer_syntax", [IMPLICIT, EXPLICIT, BIG, DEFLATED, J2K_LOSSLESS])
def test_patient_and_instance_are_read_from_every_form(transfer_syntax):
    found = read(transfer_syntax=transfer_syntax, PatientID=" p-12 ", SOPInstanceUID="1.2.3")
    assert (found.patient_id, found.sop_instance_uid) == ("P-12", "1.2.3")
    assert "P-12" not in repr(found)


@pytest.mark.parametrize(
    ("said", "band"),
    [
        ({"PatientAge": "017Y"}, "0-17"),
        ({"PatientAge": "018Y"}, "18-39"),
        ({"PatientAge": "006M"}, "0-17"),
        ({"PatientAge": "079Y"}, "60-79"),
        ({"PatientAge": "099Y"}, "80+"),
        ({"PatientAge": "45", "PatientBirthDate": ""}, "unstated"),
        ({"PatientAge": "45Y"}, "40-59"),
        ({"PatientAge": "045 yrs"}, "40-59"),
        # A child's was unstated, and the API answered with a model of adults.
        *(({"PatientAge": said, "PatientBirthDate": ""}, "0-17") for said in ("4 months", "3MO", "12 wks", "9 days")),
        *(({"PatientAge": said, "PatientBirthDate": ""}, "40-59") for said in ("045A", "45 anos", "45J", "45 Jahre")),
        # What stands for an age that nobody knew: the dates tell, where there are some.
        ({"PatientAge": "000Y", "PatientBirthDate": "19500101", "StudyDate": "20200101"}, "60-79"),
        ({"PatientAge": "999Y", "PatientBirthDate": "19500101", "StudyDate": "20200101"}, "60-79"),
        ({"PatientAge": "000D", "PatientBirthDate": "20200101", "StudyDate": "20200101"}, "0-17"),
        ({"PatientAge": "000Y", "PatientBirthDate": ""}, "0-17"),
        ({"PatientBirthDate": "19000101", "StudyDate": "20190101"}, "unstated"),
        ({"PatientAge": "000Y", "PatientBirthDate": "19000101", "StudyDate": "20190101"}, "unstated"),
        ({"PatientBirthDate": "19000102", "StudyDate": "20190101"}, "80+"),
        ({"PatientBirthDate": "1980-01-01", "StudyDate": "2020-01-02"}, "40-59"),
        ({"PatientBirthDate": "1980/01/01", "StudyDate": "2020-01-02"}, "40-59"),
        ({"PatientBirthDate": "19800101", "StudyDate": "", "SeriesDate": "20200102"}, "40-59"),
        ({"PatientBirthDate": "19800101", "StudyDate": "", "AcquisitionDateTime": "20200102093000"}, "40-59"),
        ({"PatientBirthDate": "19801301", "StudyDate": "20200102"}, "unstated"),
        ({"PatientBirthDate": "19800102", "StudyDate": "20200101"}, "18-39"),
        ({"PatientBirthDate": "19800101", "StudyDate": "20200102"}, "40-59"),
        ({"PatientBirthDate": "1980.01.01", "StudyDate": "2020.01.02"}, "40-59"),
        ({"PatientBirthDate": "20200101", "StudyDate": "19800101"}, "unstated"),
        # A year alone is enough where all of its days say the same.
        ({"PatientBirthDate": "2015", "StudyDate": "20200102"}, "0-17"),
        ({"PatientBirthDate": "20150000", "StudyDate": "2020"}, "0-17"),
        ({"PatientBirthDate": "2002", "StudyDate": "20200601"}, "unstated"),
        ({"PatientBirthDate": "1900", "StudyDate": "20200601"}, "unstated"),
    ],
)
def test_ages_are_bands(said, band):
    assert read(**said).groups["age"] == band


@pytest.mark.parametrize(
    ("said", "kind", "group"),
    [
        ({"PatientSex": "F"}, "sex", "female"),
        ({"PatientSex": "Female"}, "sex", "female"),
        ({"PatientSex": "MALE"}, "sex", "male"),
        ({"PatientSex": "X"}, "sex", "unstated"),
        ({"ViewPosition": "pa"}, "view", "PA"),
        ({"ViewPosition": "AP SUPINE"}, "view", "AP"),
        ({"ViewPosition": "AP/PA"}, "view", "unstated"),
        ({"ViewPosition": "P.A. erect"}, "view", "PA"),
        ({"ViewPosition": "A-P"}, "view", "AP"),
        ({"ViewPosition": "Posterior-Anterior"}, "view", "PA"),
        ({"ViewPosition": "ANT\u00c9RO-POST\u00c9RIEURE", "SpecificCharacterSet": "ISO_IR 100"}, "view", "AP"),
        ({"ViewPosition": "dorso-ventral"}, "view", "PA"),
        ({"ViewCodeSequence": [code("272479007")]}, "view", "PA"),
        ({"ViewCodeSequence": [code("R-10206")]}, "view", "AP"),
        ({"ViewCodeSequence": [code("399033003")]}, "view", "unstated"),
        ({"ViewCodeSequence": [code("272479007")], "ViewPosition": "AP"}, "view", "unstated"),
        # Where nothing else says it, what image or series are called does: one frontal view, and not the study's.
        ({"SeriesDescription": "Chest AP portable"}, "view", "AP"),
        ({"ViewPosition": "", "SeriesDescription": "Thorax p.a."}, "view", "PA"),
        ({"BodyPartExamined": "CHEST AP"}, "view", "AP"),
        ({"AcquisitionDeviceProcessingDescription": "CHEST,PA", "SeriesDescription": "AP"}, "view", "PA"),
        ({"SeriesDescription": "Chest PA and lateral"}, "view", "unstated"),
        ({"SeriesDescription": "Chest AP/PA"}, "view", "unstated"),
        ({"SeriesDescription": "Chest lateral"}, "view", "unstated"),
        ({"StudyDescription": "Chest AP", "ProtocolName": "Chest AP"}, "view", "unstated"),
        ({"ViewPosition": "PA", "SeriesDescription": "Chest AP"}, "view", "PA"),
        ({"ViewPosition": "AP/PA", "SeriesDescription": "Chest AP"}, "view", "unstated"),
        ({"Manufacturer": "GE Healthcare"}, "manufacturer", "GE"),
        ({"Manufacturer": "SECRET HOSPITAL"}, "manufacturer", "other"),
        ({"Manufacturer": ""}, "manufacturer", "unstated"),
    ],
)
def test_groups_are_words_of_ours(said, kind, group):
    assert read(**said).groups[kind] == group


def test_no_name_is_read():
    """Files are called by their numbers, so nothing has to be compared with anybody's name."""
    assert "DOE" not in str(vars(read(PatientName="DOE^JANE", OtherPatientNames="DOE", AccessionNumber="DOE-1")))


def test_the_beginning_of_a_file_is_enough():
    data = dicom_file(phantom(900, 800), PatientID="P-12")
    assert subject.read(data[: subject.BEGINNING_BYTES // 2]).patient_id == "P-12"


@pytest.mark.parametrize("cut", [132, 140, 200])
def test_what_cannot_be_read_says_nothing(cut):
    assert subject.read(dicom_file(VALUES)[:cut]).patient_id == ""


def test_a_study_is_read_for_files_that_name_nobody():
    found = read(PatientID="", StudyInstanceUID="1.2.3")
    assert (found.patient_id, found.study) == ("", "1.2.3")
    assert read(PatientID=" ").study == ""
    assert "1.2.3" not in repr(read(StudyInstanceUID="1.2.3"))
