"""Layouts are read as people meant them, the same by all who read them; what is not certain is refused."""

from __future__ import annotations

import io
import zipfile

import pytest

from lambdas.trigger.archive import Limits, inspect
from lambdas.trigger.rejection import Rejection
from model_code.archive.entries import Kind, by_number, look, may_be_dicom
from model_code.archive.layout import Layout
from model_code.contract.job import JobError
from model_code.data.candidates import list_candidates
from model_code.members.members import ZipMembers
from ops.base.errors import CommandError
from ops.pipelines import archive

LABELS = ("NORMAL", "PNEUMONIA")
LIMITS = Limits(max_archive_bytes=2**20, max_uncompressed_bytes=2**20, max_files=500)


def zipped(names: list[str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for number, name in enumerate(names):
            entry = zipfile.ZipInfo("x")
            entry.filename = name  # the constructor would tidy it up
            opened.writestr(entry, str(number))
    return buffer.getvalue()


def of_both(*patterns: str) -> list[str]:
    return [pattern.format(label) for pattern in patterns for label in LABELS]


ACCEPTED = {
    "Kaggle's tree, doubled": (
        of_both("chest_xray/train/{}/a.jpeg", "chest_xray/chest_xray/train/{}/a.jpeg"),
        {("train", label): 2 for label in LABELS},
    ),
    "another case": (["Train/Normal/1.JPG", "TRAIN/pneumonia/2.PnG"], {("train", label): 1 for label in LABELS}),
    "a dot and a slash before": (of_both("./x/train/{}/1.png"), {("train", label): 1 for label in LABELS}),
    "backslashes": (of_both(".\\x\\Train\\{}\\1.png"), {("train", label): 1 for label in LABELS}),
    "sites below the label": (of_both("train/{}/hospitalA/2019/1.jpg"), {("train", label): 1 for label in LABELS}),
    "sites below the split": (of_both("train/hospitalA/{}/1.jpg"), {("train", label): 1 for label in LABELS}),
    "splits below the label": (
        of_both("{}/train/1.jpg", "{}/test/2.jpg"),
        {(split, label): 1 for split in ("train", "test") for label in LABELS},
    ),
    "kinds of pneumonia below the label": (
        ["train/NORMAL/1.jpeg", "train/PNEUMONIA/BACTERIA/2.jpeg", "train/PNEUMONIA/VIRUS/3.jpeg"],
        {("train", "NORMAL"): 1, ("train", "PNEUMONIA"): 2},
    ),
    "kinds of pneumonia as labels": (
        ["Normal/1.jpg", "Pneumonia-Bacterial/2.jpg", "Viral Pneumonia/3.jpg", "BACTERIA/4.jpg"],
        {(None, "NORMAL"): 1, (None, "PNEUMONIA"): 3},
    ),
    "other words for splits": (
        of_both("training/{}/1.png", "Valid/{}/2.png", "Test set/{}/3.png", "testing/{}/4.png"),
        {(split, label): 1 + (split == "test") for split in ("train", "validation", "test") for label in LABELS},
    ),
    "split and label in one": (
        ["train_normal/1.png", "TrainPneumonia/2.png", "val-normal/3.png"],
        {("train", "NORMAL"): 1, ("train", "PNEUMONIA"): 1, ("validation", "NORMAL"): 1},
    ),
    "numbers, plurals and copies": (
        ["0_normals/1.png", "1_PNEUMONIA/2.png", "PNEUMONIA - Copy (2)/3.png"],
        {(None, "NORMAL"): 1, (None, "PNEUMONIA"): 2},
    ),
    "a data set's name around it": (
        [*of_both("Pneumonia/test_upload/chest-xray-pneumonia/train/{}/1.png"), "Pneumonia/preview.txt"],
        {("train", label): 1 for label in LABELS},
    ),
    "a folder with a split's word around everything": (
        of_both("my_test_upload/{}/1.png"),
        {(None, label): 1 for label in LABELS},
    ),
    "another class, and a preview of the data set": (
        [*of_both("chest-xray-pneumonia/{}/1.png"), "chest-xray-pneumonia/COVID/2.png", "chest-xray-pneumonia/3.png"],
        {(None, label): 1 for label in LABELS},
    ),
    "what operating systems leave": (
        [
            *of_both("train/{}/1.jpg"),
            "__MACOSX/train/NORMAL/._1.jpg",
            "__macosx/train/NORMAL/2.jpg",
            "train/NORMAL/.DS_Store",
            "train/NORMAL/Thumbs.db",
            "$RECYCLE.BIN/S-1-5/NORMAL/3.jpg",
            "train/.Trash-1000/NORMAL/4.jpg",
            "System Volume Information/NORMAL/5.jpg",
            "train/NORMAL/@eaDir/6.jpg",
        ],
        {("train", label): 1 for label in LABELS},
    ),
    "masks in folders": (
        of_both("{}/images/1.png", "{}/masks/1.png", "{}/lung masks/1.png", "train_masks/{}/1.png", "MASK/{}/1.png"),
        {(None, label): 1 for label in LABELS},
    ),
    "masks beside images": (
        of_both("{}/1.png", "{}/1_mask.png", "{}/lung_mask_1.png", "{}/1-Mask.PNG", "{}/lungMask2.png", "{}/1_seg.png"),
        {(None, label): 1 for label in LABELS},
    ),
    "what programs draw over them": (
        of_both("{}/1.png", "{}/1.png.overlay.png", "{}/1_heatmap.jpg", "{}/gradcam/1.png", "{}/heatmaps/2.png"),
        {(None, label): 1 for label in LABELS},
    ),
    "a well-known file without a suffix beside them": (
        [*of_both("{}/1.png"), "LICENSE", "NORMAL/readme"],
        {(None, label): 1 for label in LABELS},
    ),
    "DICOM beside the others": (
        of_both("train/{}/1.dcm", "train/{}/2.DICOM", "train/{}/3.png"),
        {("train", label): 3 for label in LABELS},
    ),
    "patients called as splits are": (
        of_both("{}/DEV NOBODY/1.dcm", "{}/VAL, Anna/1.dcm", "{}/TEST^PATIENT/1.dcm", "{}/Test Patient 3/1.png"),
        {(None, label): 4 for label in LABELS},
    ),
    "a patient called Dev beside a test split": (
        [*of_both("{}/x/1.dcm", "test/{}/2.dcm"), "NORMAL/DEV NOBODY/3.dcm"],
        {(None, "NORMAL"): 2, (None, "PNEUMONIA"): 1, ("test", "NORMAL"): 1, ("test", "PNEUMONIA"): 1},
    ),
    "splits among words that say nothing": (
        of_both("train_images/{}/1.png", "Test set 2/{}/2.png", "valdata/{}/3.png"),
        {(split, label): 1 for split in ("train", "test", "validation") for label in LABELS},
    ),
    "a pool for both": (
        of_both("train_val/{}/1.png", "test/{}/2.png"),
        {(split, label): 1 for split in (None, "test") for label in LABELS},
    ),
    "a pool for both in one word": (
        of_both("trainval/{}/1.png", "test/{}/2.png"),
        {(split, label): 1 for split in (None, "test") for label in LABELS},
    ),
    "splits in Spanish": (
        of_both("entrenamiento/{}/1.png", "validación/{}/2.png", "prueba/{}/3.png"),
        {(split, label): 1 for split in ("train", "validation", "test") for label in LABELS},
    ),
    "splits in French, with accents apart from their letters": (
        of_both("entrai\u0302nement/{}/1.png", "validation/{}/2.png", "tests/{}/3.png"),
        {(split, label): 1 for split in ("train", "validation", "test") for label in LABELS},
    ),
    "splits in German, Russian, Chinese, Japanese and Korean": (
        of_both("Validierung/{}/1.png", "тест/{}/2.png", "训练/{}/3.png", "検証/{}/4.png", "시험/{}/5.png"),
        {(split, label): 1 + (split != "train") for split in ("train", "validation", "test") for label in LABELS},
    ),
    "classes in Spanish": (
        ["Normales/1.png", "Neumonía/2.png", "neumoni\u0301a viral/3.png"],
        {(None, "NORMAL"): 1, (None, "PNEUMONIA"): 2},
    ),
    "classes in German, Russian and Chinese": (
        ["Lungenentzündung/1.png", "Норма/2.png", "肺炎/3.png", "正常/4.png", "Pneumonie/5.png"],
        {(None, "NORMAL"): 2, (None, "PNEUMONIA"): 3},
    ),
    "patients and sites below a split and a class": (
        of_both("train/{}/DOE JANE/1.png", "train/site/{}/2.png", "test/{}/external/3.png"),
        {("train", label): 2 for label in LABELS} | {("test", label): 1 for label in LABELS},
    ),
    "a class beside splits": (
        [*of_both("train/{}/1.png"), "PNEUMONIA/2.png", "BACTERIA/3.png"],
        {("train", "NORMAL"): 1, ("train", "PNEUMONIA"): 1, (None, "PNEUMONIA"): 2},
    ),
    "laterals by their names": (
        [
            *of_both(
                "{}/patient1_study1_view1_frontal.jpg", "{}/patient1_study1_view2_lateral.jpg", "{}/CHEST LAT 2.png"
            ),
            *of_both("{}/lateral/3.png", "{}/Lateral views/pa_3.png", "{}/bilateral_4.png", "{}/ThoraxSeitlich.jpg"),
            *of_both("{}/PA and lateral/5.png", "{}/LAT DECUB 6.png", "{}/To\u0301rax oblicua.jpeg", "{}/latino/7.jpg"),
            *of_both("{}/lateral/8.dcm"),
        ],
        {(None, label): 7 for label in LABELS},
    ),
    "years and parts beside splits": (
        of_both("train/{}/1.png", "2021/{}/2.png", "part_2/{}/3.png"),
        {("train", label): 1 for label in LABELS} | {(None, label): 2 for label in LABELS},
    ),
    "a segmentation data set's images": (
        of_both("Lung Segmentation Data/Train/{}/images/1.png", "Lung Segmentation Data/Train/{}/lung masks/1.png"),
        {("train", label): 1 for label in LABELS},
    ),
}
REFUSED = {
    "a label in the other": (["NORMAL/1.png", "NORMAL/PNEUMONIA/2.png", "PNEUMONIA/3.png"], "ambiguous_layout"),
    "both labels in one that has images": (
        ["PNEUMONIA/NORMAL/1.png", "PNEUMONIA/PNEUMONIA/2.png", "PNEUMONIA/3.png"],
        "ambiguous_layout",
    ),
    "no pneumonia": (["NORMAL/1.png", "PNEUMONIA/2.png", "NO_PNEUMONIA/3.png"], "ambiguous_layout"),
    "no pneumonia in pneumonia": (["NORMAL/1.png", "PNEUMONIA/2.png", "PNEUMONIA/none: no pneumonia/3.png"],
                                  "ambiguous_layout"),
    "another disease and pneumonia": (["NORMAL/1.png", "PNEUMONIA/2.png", "COVID_pneumonia/3.png"], "ambiguous_layout"),
    "splits of one hospital": (of_both("hospital_train/{}/1.png", "hospital_test/{}/2.png"), "ambiguous_layout"),
    "splits of one hospital below the class": (
        of_both("{}/hospital_train/1.png", "{}/hospital_test/2.png"), "ambiguous_layout",
    ),
    "splits of two hospitals": (of_both("pune_train/{}/1.png", "delhi_test/{}/2.png"), "ambiguous_layout"),
    "a hospital that is held back": (of_both("pune/{}/1.png", "pune_test/{}/2.png"), "ambiguous_layout"),
    "a test beside train": (of_both("train/{}/1.png", "external_test/{}/2.png"), "ambiguous_layout"),
    "validation or test": (of_both("train/{}/1.png", "eval/{}/2.png"), "ambiguous_layout"),
    "a set for development": (of_both("train/{}/1.png", "dev set/{}/2.png"), "ambiguous_layout"),
    "another word beside splits": (of_both("train/{}/1.png", "val/{}/2.png", "external/{}/3.png"), "ambiguous_layout"),
    "another language's word beside train": (of_both("train/{}/1.png", "próba/{}/2.png"), "ambiguous_layout"),
    "another word beside splits below the class": (of_both("{}/train/1.png", "{}/trial/2.png"), "ambiguous_layout"),
    "no pneumonia in another language": (["Normal/1.png", "Neumonía/2.png", "sin neumonía/3.png"], "ambiguous_layout"),
    "held back": (of_both("{}/1.png", "holdout-2021/{}/2.png"), "ambiguous_layout"),
    "held back, in two words": (of_both("{}/1.png", "{}/hold-out/2.dcm"), "ambiguous_layout"),
    "no train": (of_both("test/{}/1.png", "val/{}/2.png"), "split_missing"),
    "nothing of one class": (["train/NORMAL/1.png", "test/PNEUMONIA/2.png"], "class_missing"),
    "another word for a class": (["PNEUMONIA/1.png", "healthy/2.png"], "class_missing"),
    "a class of the test split by another word": (
        [*of_both("train/{}/1.png"), "test/NORMAL/2.png", "test/PNEUMNIA/3.png"],
        "class_missing",
    ),
    "only masks": (of_both("{}/masks/1.png"), "no_layout"),
    "only laterals": (of_both("{}/lateral/1.png", "{}/2_LAT.jpg"), "no_layout"),
    "only other folders": (["photos/1.jpeg"], "no_layout"),
    "an archive in the archive": (["chest_xray.zip"], "no_layout"),
    "another format": (["NORMAL/1.tif", "PNEUMONIA/2.nii"], "no_layout"),
    "DICOM in other folders": (["study/1.dcm", "study/IM0002"], "no_layout"),
    "only files that may be anything": (["a/scan.dat", "x/notes"], "no_layout"),
    "the index of a medium": (["NORMAL/DICOMDIR", "PNEUMONIA/DICOMDIR"], "no_layout"),
    "a table without images": (["labels.csv", "readme.txt"], "no_layout"),
    "a table that is not at the top": (["labels/labels.csv", "images/1.dcm"], "ambiguous_layout"),
    "a table below a file, and folders": (["README.txt", "c/labels.csv", "c/NORMAL/1.png", "c/PNEUMONIA/2.png"],
                                          "ambiguous_layout"),
    "only metadata files": (["__MACOSX/NORMAL/1.jpg", ".DS_Store"], "no_layout"),
}  # fmt: skip


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_announced_is_what_is_trained_on(name, tmp_path):
    names, images = ACCEPTED[name]
    data = zipped(names)
    assert Layout.of(names).images == images

    announced = inspect(io.BytesIO(data), len(data), LIMITS).images
    assert announced == {f"{split}/{label}" if split else label: count for (split, label), count in images.items()}

    candidates = list_candidates(ZipMembers(zipfile.ZipFile(io.BytesIO(data)))).candidates
    trained_on: dict[tuple[str | None, str], int] = {}
    for one in candidates:
        trained_on[one.folder, one.label] = trained_on.get((one.folder, one.label), 0) + 1
    assert trained_on == images

    (tmp_path / "a.zip").write_bytes(data)
    contents = archive.inspect(tmp_path / "a.zip")
    assert contents.total + contents.copies == sum(images.values())


@pytest.mark.parametrize("name", REFUSED)
def test_everybody_refuses_the_same_with_the_same_sentence(name, tmp_path):
    names, reason = REFUSED[name]
    data = zipped(names)
    with pytest.raises(Rejection) as refusal:
        inspect(io.BytesIO(data), len(data), LIMITS)
    assert refusal.value.reason == reason
    assert refusal.value.detail.endswith(".")
    assert refusal.value.advice.endswith(".")
    with pytest.raises(JobError) as job:
        list_candidates(ZipMembers(zipfile.ZipFile(io.BytesIO(data))))
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(CommandError) as command:
        archive.inspect(tmp_path / "a.zip")
    for error in (job, command):
        assert refusal.value.detail in str(error.value)
        assert refusal.value.advice in str(error.value)


@pytest.mark.parametrize(
    ("names", "sentence", "advice"),
    [
        (["NORMAL/1.png", "abnormal/2.png"], "there are images in abnormal", "Arrange the images"),
        (["inner/chest_xray.zip"], "another archive inside, inner/chest_xray.zip", "Unpack the inner archive"),
        (of_both("train/{}/1.png", "dev/{}/2.png"), "The folder dev may be meant", "Rename it to train, val or test"),
        (
            ["NORMAL/1.png", "no pneumonia/2.png"],
            "The folder no pneumonia has a class's name",
            "Rename it to NORMAL or",
        ),
    ],
)
def test_a_refusal_names_the_folder_and_what_to_do_about_it(names, sentence, advice):
    problem = Layout.of(names).problem()
    assert problem is not None
    assert sentence in problem.detail
    assert advice in problem.advice


def test_a_name_cannot_forge_a_line_of_a_log_or_a_mail():
    problem = Layout.of(["photos\nStatus: accepted/1.png"]).problem()
    assert problem is not None
    assert "\n" not in problem.detail


def test_a_folder_s_own_entry_is_nothing_whichever_separator_it_ends_with():
    assert look("train/NORMAL/").kind is look("train\\NORMAL\\").kind is Kind.FOLDER


def test_letters_with_marks_are_letters():
    """`Normaló` is another word, not `Normal` and something."""
    assert look("Normaló/1.png").kind is Kind.UNLABELLED


# What may name a patient, beside DICOM or what may be, in each refusal that names an entry or a folder.
OF_PATIENTS = [
    ["DOE^JOHN/1.dcm"],
    ["DOE^JOHN/IM1"],
    ["NORMAL/1.dcm", "DOE^JOHN/1.dcm"],
    ["DOE.zip", "DOE^JOHN/1.dcm"],
    ["DOE JOHN.pdf", "IM1"],
    ["masks/DOE_mask.png", "x/1.2.840.5"],
    ["NORMAL/1.dcm", "PNEUMONIA/2.dcm", "DOE^JOHN no pneumonia/3.jpg"],
    ["NORMAL/DOE JOHN/PNEUMONIA/1.jpg", "NORMAL/2.dcm", "PNEUMONIA/3.jpg"],
    [*of_both("train/{}/1.jpg", "JOHN DOE holdout/{}/2.jpg"), "train/NORMAL/scan"],
    [*of_both("{}/1.jpg"), "NORMAL/DOE unseen/2.jpg", "NORMAL/DICOMDIR"],
    ["README.txt", "JOHN DOE/labels.csv", "JOHN DOE/1.ima"],
    ["JOHN DOE/labels.csv", "JOHN DOE/DICOMDIR"],
]


@pytest.mark.parametrize("names", OF_PATIENTS)
def test_a_refusal_of_an_archive_with_dicom_repeats_no_name_at_any_door(names, tmp_path):
    data = zipped(names)
    with pytest.raises(Rejection) as refusal:
        inspect(io.BytesIO(data), len(data), LIMITS)
    with pytest.raises(JobError) as job:
        list_candidates(ZipMembers(zipfile.ZipFile(io.BytesIO(data))))
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(CommandError) as command:
        archive.inspect(tmp_path / "a.zip")
    assert refusal.value.detail in str(job.value)
    assert refusal.value.detail in str(command.value)
    said = f"{refusal.value.detail} {refusal.value.advice} {refusal.value.entry} {job.value} {command.value}"
    assert "DOE" not in said
    if refusal.value.entry is not None and refusal.value.entry.startswith("entry-"):
        assert f"`cxr entries ARCHIVE.zip {refusal.value.entry}`" in refusal.value.advice


def test_a_folder_on_this_machine_is_refused_by_its_name():
    """The reader has the folder, and there is no archive yet in which its files had numbers."""
    layout = Layout(local=True)
    for name in of_both("train/{}/1.dcm", "holdout DOE/{}/2.dcm"):
        layout.add(name)
    problem = layout.problem()
    assert problem is not None
    assert "The folder holdout DOE may be meant" in problem.detail


@pytest.mark.parametrize(
    ("name", "may_be"),
    [
        *((name, True) for name in ("x/1.dcm", "IM0001", "1.2.840.10008.5", "scan.dat", "a.DICOM", "DICOMDIR")),
        *((name, False) for name in ("x/1.jpeg", "1.PNG", "readme.txt", "LICENSE", "b/SHA256SUMS", "scores.csv.gz")),
    ],
)
def test_what_may_be_dicom_by_its_name(name, may_be):
    """The Trigger function sees names only; what it takes for DICOM, all who read the archive take for it."""
    assert may_be_dicom(name) is may_be
    layout = Layout.of(["NORMAL/a.png", name])
    assert layout.holds_dicom is may_be


def test_an_entry_keeps_a_suffix_that_is_none_of_a_name():
    assert by_number("x/DOE.DCM", 3) == "entry-3.dcm"
    assert by_number("x/mr.doe", 3) == by_number("x/doe", 3) == by_number("J.DOE/1", 3) == "entry-3"
