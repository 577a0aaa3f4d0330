"""Folders in and around those of classes mean what a person reads in them; what is no radiograph is left out."""

from __future__ import annotations

import io
import unicodedata
import zipfile

import pytest

from lambdas.trigger.archive import Limits, inspect
from lambdas.trigger.rejection import Rejection
from model_code.archive.entries import Kind, look_closely, patient_named
from model_code.archive.file_names import patient_of
from model_code.archive.layout import Layout
from model_code.contract.job import JobError
from model_code.data.candidates import list_candidates
from model_code.members.members import ZipMembers
from tests.model_code.support.zip_entries import Unmarked

BOTH = ("NORMAL/1.png", "PNEUMONIA/2.png")


@pytest.mark.parametrize(
    "folder",
    [
        *("PNEUMONIA/negative", "PNEUMONIA/no", "PNEUMONIA/Ruled out", "PNEUMONIA/suspected", "pneumonia/absent"),
        *("PNEUMONIA/false positives", "PNEUMONIA/neg/site a", "Neumonía/sospecha", "NORMAL/uncertain"),
        *("PNEUMONIA/0_no", "PNEUMONIA/without findings", "NORMAL/no"),
        *("NORMAL/abnormal", "NORMAL/Abnormal cases", "PNEUMONIA/healthy"),
        *("PNEUMONIA/excluded", "excluded/NORMAL", "train/rejected images/PNEUMONIA", "NORMAL/train/unusable"),
    ],
)
@pytest.mark.parametrize("file", ["3.png", "3.dcm", "IM3"])
def test_what_a_folder_takes_back_or_sets_aside_is_refused_and_never_trained_on(folder: str, file: str) -> None:
    """`PNEUMONIA/negative` was trained on as PNEUMONIA."""
    problem = Layout.of([*BOTH, f"{folder}/{file}"]).problem()
    assert problem is not None
    assert problem.reason == "ambiguous_layout"
    assert "says that its images are set aside, or may not be of the class around it" in problem.detail
    assert problem.advice.startswith("Leave it out, or move its images")


@pytest.mark.parametrize(
    "folder",
    [
        *(
            "PNEUMONIA/positive",
            "PNEUMONIA/confirmed",
            "NORMAL/negative",
            "PNEUMONIA/PCR negative",
            "PNEUMONIA/site no",
        ),
        *("PNEUMONIA/No_001", "PNEUMONIA/No. 12", "PNEUMONIA/SEM 1", "PNEUMONIA/PAS 3", "PNEUMONIA/Sin"),
        *("NORMAL/without findings", "NORMAL/no positive findings", "PNEUMONIA/Patient No 3"),
        *("NORMAL/no abnormalities", "PNEUMONIA/abnormal", "NORMAL/abnormal heart size", "NORMAL/healthy"),
        *("PNEUMONIA/NO KIM", "NORMAL/trash collectors", "no smokers/PNEUMONIA", "PNEUMONIA/viral", "PNEUMONIA/1"),
    ],
)
def test_other_words_in_a_class_leave_it_what_it_is(folder: str) -> None:
    layout = Layout.of([*BOTH, f"{folder}/3.png"])
    assert layout.problem() is None
    assert layout.total == 3


@pytest.mark.parametrize(
    "name",
    [
        *("NORMAL/thumbnails/1.png", "NORMAL/1_thumb.jpg", "PNEUMONIA/x/previews/1.png", "1Thumbnail.png"),
        *("NORMAL/CD1/IHE_PDI/logo.png", "NORMAL/CD 2/VIEWER/bin/splash.jpg"),
        *("NORMAL/annotations/1.png", "NORMAL/ground-truth/1.png", "NORMAL/contours/1.png"),
        *("NORMAL/augmented/1.png", "NORMAL/1_augmented.jpeg"),
        # A copy without bones is no near-duplicate either, and as DICOM it is refused.
        *("PNEUMONIA/bone_suppressed/1.png", "NORMAL/1_BoneSuppression.png", "NORMAL/x/soft-tissue image/1.png"),
    ],
)
def test_pictures_made_of_others_and_of_programs_are_left_out_and_counted(name: str) -> None:
    """They were trained on beside the radiographs; turned ones are no near-duplicates, and could be in two splits."""
    layout = Layout.of([*BOTH, name])
    assert layout.problem() is None
    assert (layout.total, layout.left.masks) == (2, 1)
    assert layout.unused() == "Not used: 1 mask, overlay or copy of another picture."


@pytest.mark.parametrize(
    "name",
    [
        *(
            "xray preview data/NORMAL/1.png",
            "Ground Truth/NORMAL/1.png",
            "thumbs/NORMAL/1.png",
            "annotated/NORMAL/1.png",
        ),
        *(
            "NORMAL/annotated_1.png",
            "NORMAL/contour_enhanced_1.png",
            "NORMAL/thumb_finger1.png",
            "PNEUMONIA/preview1.png",
        ),
        *("PNEUMONIA/resources/1.png", "PNEUMONIA/html images/1.png", "PNEUMONIA/radiant/1.png"),
        *("train/NORMAL/augmented/1.png", "augmented/train/NORMAL/1.png", "train/NORMAL/1_augmented.png"),
        *("x/1_augmented.png", "annotated/1.png"),
        *(
            "bone_suppressed/NORMAL/1.png",
            "NORMAL/no bone suppression/1.png",
            "NORMAL/1_bone.png",
            "x/bone_suppressed.png",
        ),
    ],
)
def test_names_that_data_sets_and_radiographs_have_too_leave_nothing_out(name: str) -> None:
    """Whole archives were left out as masks, or half of one in silence."""
    layout = Layout.of([name])
    assert layout.left.masks == 0
    assert layout.pictures == 1


def test_files_of_a_cd_s_viewer_are_not_announced_as_images() -> None:
    """In a class's folder `lang.dat` was counted as a file that may be DICOM; what has no suffix may be."""
    folder = "PNEUMONIA/CD1/VIEWER"
    layout = Layout.of([*BOTH, *(f"{folder}/{one}" for one in ("lang.dat", "lib.so", "plugins/a.properties"))])
    assert (layout.labelled.total(), layout.pictures) == (2, 2)
    assert Layout.of([*BOTH, f"{folder}/IM0001", f"{folder}/1.2.840.1", "PNEUMONIA/CD1/a.dat"]).labelled.total() == 5
    assert layout.add(f"{folder}/image.dat", dicom=True).kind is Kind.RADIOGRAPH


def test_images_that_a_cd_has_in_its_viewer_s_folder_are_not_refused_by_their_names() -> None:
    """Only their content says that they are DICOM, and the trigger sees names: refused, nobody would look."""
    names = [f"{label}/CD1/IHE_PDI/{one}" for label in ("NORMAL", "PNEUMONIA") for one in ("1.img", "2.acr", "IM3")]
    layout = Layout.of(names)
    assert layout.problem() is None
    assert layout.labelled.total() == 6


def test_a_table_beside_masks_alone_says_that_there_are_some() -> None:
    problem = Layout.of(["labels.csv", "masks/0.png"]).problem()
    assert problem is not None
    assert problem.detail.endswith("no image beside it, only 1 mask, overlay or copy of another picture.")


@pytest.mark.parametrize(
    "name", ["resources/NORMAL/1.png", "help/1.png", "viewer/NORMAL/1.png", "NORMAL/1/resources/DICOM/files/1.dcm"]
)
def test_around_classes_and_dicom_files_a_program_s_words_are_others_too(name: str) -> None:
    """XNAT has `resources` around DICOM files."""
    assert Layout.of([*BOTH, name]).left.masks == 0


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("sub-S03044_ses-E06119_run-1_bp-chest_vp-ll_dx.png", True),
        ("sub-S03044_ses-E06119_run-1_bp-chest_vp-pa_dx.png", False),
        ("torax_perfil_2.jpg", True),
        ("poumon-profil.png", True),
        ("perfil/3.png", True),
        # Of the left lung, or its lower lobe.
        *(("LL/3.png", False), ("chest_LL_3.png", False), ("cxr_LL_0.png", False)),
        ("Torax frente y perfil.png", False),
        ("ball_3.png", False),
        ("LL DOE 3.png", False),
        ("profile.png", False),
    ],
)
def test_a_picture_s_name_says_lateral_in_the_words_of_departments(name: str, other: bool) -> None:
    """They were trained on as frontal ones."""
    assert (look_closely(f"NORMAL/{name}")[0].kind == "other_view") is other


@pytest.mark.parametrize(
    ("split", "pneumonia", "encoding"),
    [
        ("entrenamiento", "Neumonía", "utf-8"),
        ("entrenamiento", unicodedata.normalize("NFD", "Neumonía"), "utf-8"),
        ("train", "Neumonía", "cp850"),
        ("validación", "Neumonía", "cp1252"),
        ("Entraînement", "Pneumonie", "utf-8"),
        ("обучение", "Пневмония", "cp866"),
        ("训练", "肺炎", "gbk"),
        ("训练", "肺炎", "utf-8"),
        ("training", "Lungenentzündung", "cp1252"),
    ],
)
def test_folders_are_read_in_whatever_code_page_the_archiver_wrote_them(
    split: str, pneumonia: str, encoding: str
) -> None:
    """macOS writes UTF-8 without the mark for it, Windows and others the machine's own code page."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in (
            f"{split}/{pneumonia}/1.png",
            f"{split}/NORMAL/2.png",
            "train/NORMAL/3.png",
            "train/PNEUMONIA/4.png",
        ):
            archive.writestr(Unmarked(name, encoding), name)
    data = buffer.getvalue()
    announced = inspect(io.BytesIO(data), len(data), Limits(2**20, 2**20, 500)).images
    found = list_candidates(ZipMembers(zipfile.ZipFile(buffer))).candidates
    assert sum(announced.values()) == len(found) == 4
    meant = "validation" if split == "validación" else "train"
    assert [(one.folder, one.label) for one in found if "train/" not in one.path or split == "train"].count(
        (meant, "PNEUMONIA")
    ) >= 1
    assert announced[f"{meant}/PNEUMONIA"] == (1 if meant == "validation" else 2)


@pytest.mark.parametrize("folder", ["paciente_001", "Paziente 12", "患者003", "пациент-7", "Patientin 4"])
def test_a_patient_s_folder_may_be_called_so_in_other_languages(folder: str) -> None:
    """Each image was a patient of its own, and could be in another split than the next."""
    assert patient_named(f"NORMAL/{folder}/1.png") == folder


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        *(
            (f"NORMAL/{file}", "Patient 12")
            for file in ("Patient 12 1.png", "Patient 12 (2).png", "Patient 12 - b.png")
        ),
        *((f"NORMAL/{file}", "patient12") for file in ("patient12 (1).png", "patient12 left.jpeg", "patient12_1.png")),
        ("train/NORMAL/sub-S1 run-2.png", "sub-S1"),
        # No more than a name, numbers of a file manager's own, and no number.
        *((f"NORMAL/{file}", "") for file in ("patient12.png", "patient (1).png", "patient (2).png", "patient.png")),
        *(
            (f"NORMAL/{file}", "")
            for file in ("patients 12 1.png", "outpatient 12 1.png", "patient12a.png", "pt12 1.png")
        ),
    ],
)
def test_a_file_s_name_goes_on_behind_the_patient_with_any_sign(name: str, patient: str) -> None:
    """`Patient 12 1.png` and `Patient 12 2.png` were of two patients, and could be in two splits."""
    assert patient_named(name) == patient


@pytest.mark.parametrize("folder", ["pneumonia-", "Pneumonia (-)", "PNEUMONIA \u2013", "pneumonia=0", "Pneumonia = no"])
def test_a_sign_that_takes_a_class_back_names_no_class(folder: str) -> None:
    """Beside NORMAL and pneumonia+ the negative ones were trained on as pneumonia."""
    problem = Layout.of([*BOTH, f"{folder}/3.png"]).problem()
    assert problem is not None
    assert problem.reason == "ambiguous_layout"
    assert "has a class's name among other words or signs" in problem.detail


@pytest.mark.parametrize(
    "folder", ["pneumonia+", "Pneumonia (+)", "PNEUMONIA_0", "-pneumonia", "1 - Pneumonia", "normal-"]
)
def test_other_signs_leave_a_class_what_it_is(folder: str) -> None:
    assert Layout.of([*BOTH, f"{folder}/3.png"]).problem() is None


@pytest.mark.parametrize(
    "name", ["NORMAL/case1_pa.png", "Case 1/PNEUMONIA/2.png", "caso_12/1.png", "case_2020_0001.png"]
)
def test_cases_have_numbers_of_their_own_in_each_class_and_split(name: str) -> None:
    """Those of one number were one patient, and left out as of two classes or two splits."""
    assert patient_named(name) == ""


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("NORMAL/p10/p10000032/s50414267/02aa804e.jpg", "p10000032"),
        ("NORMAL/p10000032/s50414267/02aa804e.jpg", "p10000032"),
        ("NORMAL/p10/p10000032/1.png", ""),
        ("NORMAL/s50414267/1.png", ""),
    ],
)
def test_mimic_s_folders_name_the_patient(name: str, patient: str) -> None:
    assert patient_named(name) == patient


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        *((one, "I1") for one in ("CXR1_1_IM-0001-4001.png", "CXR1_1_IM-0001-3001.png", "1_IM-0001-4001.dcm.png")),
        *(
            ("CXR1000_IM-0003-1001.png", "I1000"),
            ("3999_IM-2054-1001.dcm.png", "I3999"),
            ("IM-0003-0001.jpeg", "N1_0003"),
        ),
        *(("12345_IM-0003-1001.dcm.png", "p"), ("1_IM-00031-1001.dcm.png", "p")),
        # Guangzhou's, numbered by somebody: most were one patient's.
        ("3_IM-0115-0001.jpeg", "p"),
    ],
)
def test_images_of_one_report_of_indiana_s_are_of_one_patient(name: str, patient: str) -> None:
    """Each was a patient of its own: both frontal images of one study could be in two splits."""
    assert patient_of(name, fallback="p") == (patient, "")


def test_every_door_says_the_same_of_what_is_set_aside() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in (*BOTH, "PNEUMONIA/negative/3.png"):
            archive.writestr(name, name)
    data = buffer.getvalue()
    with pytest.raises(Rejection) as refusal:
        inspect(io.BytesIO(data), len(data), Limits(2**20, 2**20, 500))
    with pytest.raises(JobError) as job:
        list_candidates(ZipMembers(zipfile.ZipFile(buffer)))
    assert refusal.value.detail in str(job.value)
