"""Files besides radiographs of a class are counted, pointed out, or refused; nothing goes in silence."""

from __future__ import annotations

import pytest

from model_code.archive.entries import may_be_dicom, patient_named
from model_code.archive.layout import Layout

BOTH = ("xray/NORMAL/1.png", "xray/PNEUMONIA/2.png")


def test_pictures_in_other_formats_are_counted_and_never_taken_for_dicom() -> None:
    layout = Layout.of([*BOTH, "xray/NORMAL/3.tif", "xray/NORMAL/4.HEIC", "xray/PNEUMONIA/5.tif"])
    assert layout.problem() is None
    assert layout.unused() == "Not used: 3 pictures in other formats (.heic, .tif)."
    assert not layout.holds_dicom
    problem = Layout.of(["NORMAL/1.bmp", "PNEUMONIA/2.bmp"]).problem()
    assert problem is not None
    assert "2 pictures in other formats (.bmp), which have to be saved as PNG" in problem.detail


def test_netpbm_and_codestreams_are_pictures_and_no_dicom() -> None:
    """They were announced as images, and a job ended hours later: "files whose names do not say what they are"."""
    problem = Layout.of(["NORMAL/1.pgm", "PNEUMONIA/2.PGM", "PNEUMONIA/3.j2c"]).problem()
    assert problem is not None
    assert "3 pictures in other formats (.j2c, .pgm), which have to be saved as PNG" in problem.detail


@pytest.mark.parametrize(
    ("names", "there", "advice"),
    [
        (["chest_xray.7z"], "another archive inside, chest_xray.7z", "Unpack the inner archive and use that"),
        (["README.txt", "a.zip"], "another archive inside, a.zip", "Unpack the inner archive and use that"),
        (["NORMAL.zip", "PNEUMONIA.zip"], "2 other archives inside, for example NORMAL.zip", "each into a folder"),
        (["images_001.tar.gz", "images_002.tar.gz"], "2 other archives inside", "each into a folder where it lies"),
        (["NORMAL/1.dcm.gz", "PNEUMONIA/2.dcm.gz"], "2 files inside that are compressed one by one", "gunzip -r"),
        (["NORMAL/1.nii.gz", "PNEUMONIA/2.dcm.gz"], "2 files inside that are compressed one by one", "gunzip -r"),
        (["NORMAL/1.nii.gz", "PNEUMONIA/2.NII.GZ "], "there are NIfTI files (2, for example", "Unpacked, they are ref"),
        (
            ["scan.nii.gz"],
            "there are NIfTI files (1, for example scan.nii.gz)",
            "export the radiographs as DICOM, JPEG",
        ),
        (["labels.csv", "a.nii.gz"], "no image beside it; there are NIfTI files (1", "export the radiographs as DICOM"),
        (["1.nii.gz", "2.zip"], "2 other archives inside", "each into a folder"),
        (["labels.csv", "images_01.tar.gz", "images_02.tar.gz"], "no image beside it; there are 2 other arch", "each"),
        (
            ["labels.csv", "images.zip"],
            "no image beside it; there is another archive inside",
            "inner archive beside the table, and make",
        ),
    ],
)
def test_archives_in_an_archive_are_to_be_unpacked_where_they_lie(names: list[str], there: str, advice: str) -> None:
    """The folders around several say their classes, which "use the inner archive" would lose."""
    problem = Layout.of(names).problem()
    assert problem is not None
    assert there in problem.detail
    assert advice in problem.advice


def test_an_archive_beside_radiographs_is_said_to_be_left_out() -> None:
    layout = Layout.of([*BOTH, "more.zip", "xray/notes.csv.gz"])
    assert layout.problem() is None
    assert layout.unused() == "Not used: 1 archive inside, of which nothing is unpacked."


@pytest.mark.parametrize("table", ["Data_Entry_2017.csv", "chexpert.csv.gz", "labels.xlsx", "a/train.TSV"])
def test_a_table_under_another_name_is_pointed_out_where_labels_are_missing(table: str) -> None:
    problem = Layout.of(["images/1.png", "images/2.png", table]).problem()
    assert problem is not None
    assert f"the table {table} is not read, since it is not called labels.csv" in problem.detail
    assert "a table labels.csv with the columns file and label" in problem.advice
    # Who has images of DICOM is not told what may be a patient's name.
    withheld = Layout.of(["images/1.dcm", table]).problem()
    assert withheld is not None
    assert table not in withheld.detail
    assert withheld.entry in withheld.advice


def test_lateral_pictures_are_counted_and_said() -> None:
    """They were trained on as frontal ones: a JPEG has nothing but its name to say so."""
    layout = Layout.of([*BOTH, "xray/NORMAL/3_lateral.png", "xray/NORMAL/lat/4.png", "xray/NORMAL/5_mask.png"])
    assert layout.problem() is None
    assert (
        layout.unused()
        == "Not used: 1 mask, overlay or copy of another picture and 2 pictures named as a lateral or oblique view."
    )
    problem = Layout.of(["NORMAL/1_lateral.png", "PNEUMONIA/2_lateral.png"]).problem()
    assert problem is not None
    assert "only 2 pictures named as a lateral or oblique view" in problem.detail


@pytest.mark.parametrize("table", ["labels.xlsx", "study.xls", "a/labels.ods"])
def test_a_workbook_is_not_to_be_renamed_but_saved_as_text(table: str) -> None:
    """Renamed to labels.csv, it was refused again."""
    problem = Layout.of(["images/1.png", "images/2.png", table]).problem()
    assert problem is not None
    assert "is not called labels.csv, and is a workbook: save it as “CSV UTF-8”." in problem.detail


@pytest.mark.parametrize("folder", ["OCT", "CT", "chest_CT_images", "Ultrasound", "oct data"])
def test_a_folder_of_another_kind_of_image_is_refused(folder: str) -> None:
    """Mendeley's ZhangLabData.zip has retinas in `OCT/train/NORMAL` beside the radiographs of children."""
    problem = Layout.of([*BOTH, f"{folder}/NORMAL/1.png"]).problem()
    assert problem is not None
    assert problem.reason == "ambiguous_layout"
    assert f"The folder {folder} is called after another kind of image" in problem.detail


@pytest.mark.parametrize("name", ["2019-Oct/NORMAL/1.png", "OCT/CNV/1.png", "CT/NORMAL/1.dcm", "October/NORMAL/1.png"])
def test_a_month_and_what_is_not_used_or_says_itself_what_it_is_are_no_doubt(name: str) -> None:
    assert Layout.of([*BOTH, name]).problem() is None


def test_no_finding_is_a_folder_of_normal_ones() -> None:
    layout = Layout.of(["No_Finding/1.png", "no findings images/2.png", "Pneumonia/3.png"])
    assert layout.problem() is None
    assert layout.images == {(None, "NORMAL"): 2, (None, "PNEUMONIA"): 1}
    assert Layout.of([*BOTH, "No finding of pneumonia/1.png"]).problem() is not None


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("NORMAL/Patient_017/a.png", "Patient_017"),
        ("x/patient00001/study1/view1.jpg", "patient00001"),
        ("a\\pat 3\\1.png", "pat 3"),
        ("sub-S03044/ses-E1/1.png", "sub-S03044"),
        ("sub-images/1.png", ""),
        ("NORMAL/sub-a/1.png", ""),
        ("patients/1.png", ""),
        ("pt1/NORMAL/1.png", ""),
        ("p10/p10000032/1.png", ""),
        ("NORMAL/patient_017.png", ""),
        # Paths of data sets as one name, as copying tools write them.
        ("NORMAL/patient00001_study1_view1_frontal.jpg", "patient00001"),
        ("NORMAL/Patient 17-2.png", "Patient 17"),
        ("NORMAL/sub-S03044_ses-E1_run-1_cr.png", "sub-S03044"),
        ("Patient_3/patient_4_b.png", "patient_4"),
        ("NORMAL/patient_1.2.png", ""),
        ("NORMAL/outpatient_17_2.png", ""),
    ],
)
def test_a_folder_or_a_name_s_beginning_may_be_a_patients_own(name: str, patient: str) -> None:
    assert patient_named(name) == patient


@pytest.mark.parametrize("name", ["viewer/qt.dll", "AUTORUN.INF", "a.ico"])
def test_programs_on_a_cd_are_no_dicom(name: str) -> None:
    assert not may_be_dicom(name)


@pytest.mark.parametrize(("folder", "taken"), [("2023/OCT", True), ("x/2023/Oct", True), ("OCT2017/OCT", False)])
def test_october_in_a_years_folder_is_a_month(folder: str, taken: bool) -> None:
    assert (Layout.of([*BOTH, f"{folder}/NORMAL/3.png"]).problem() is None) is taken
