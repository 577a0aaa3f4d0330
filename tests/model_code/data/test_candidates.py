"""Archives are read as people have them; a folder names the label, a file name the patient."""

from __future__ import annotations

import csv
import dataclasses
import io
import unicodedata
import zipfile
from pathlib import Path

import pytest

from model_code.archive.file_names import patient_of
from model_code.contract.job import JobError
from model_code.data.candidates import list_candidates, share_of_host
from model_code.members.members import ZipMembers
from model_code.members.opening import opened
from tests.model_code.conftest import zip_of
from tests.model_code.support.dicom_files import dicom_file, phantom
from tests.model_code.support.zip_entries import Unmarked

# One image of each class to train on: without them nothing is listed.
OTHERS = {f"zzz/train/{label}/a.png": label.encode() for label in ("NORMAL", "PNEUMONIA")}


def members(files: dict[str, bytes]) -> ZipMembers:
    return ZipMembers(zipfile.ZipFile(io.BytesIO(zip_of(files))))


def listing(*names: str):
    """An archive of these files and two more, which are last in the list of candidates."""
    found = list_candidates(members(dict.fromkeys(names, b"x") | OTHERS))
    assert [one.path for one in found.candidates[-2:]] == list(OTHERS)
    return dataclasses.replace(found, candidates=found.candidates[:-2])


@pytest.mark.parametrize(
    ("path", "label", "folder"),
    [
        ("chest_xray/train/NORMAL/a.jpeg", "NORMAL", "train"),
        ("chest_xray/chest_xray/val/PNEUMONIA/a.jpeg", "PNEUMONIA", "validation"),
        ("Chest_XRay/TEST/pneumonia/A.JPG", "PNEUMONIA", "test"),
        ("my\\upload\\Valid\\Normal\\a.PNG", "NORMAL", "validation"),
        ("NORMAL/a.png", "NORMAL", None),
        # As Windows and older programs save JPEGs, and with what a renaming left behind.
        ("NORMAL/a.jfif", "NORMAL", None),
        ("NORMAL/a.JPE", "NORMAL", None),
        ("NORMAL/a.png ", "NORMAL", None),
        ("PNEUMONIA/site a/2019/a.png", "PNEUMONIA", None),
    ],
)
def test_place_of_a_file_tells_label_and_split(path, label, folder):
    of_test = [f"zzz/test/{other}/a.png" for other in ("NORMAL", "PNEUMONIA")]  # a test split has both classes
    (candidate, *_) = listing(path, *of_test).candidates
    assert candidate.path.endswith(path.rpartition("\\")[2])
    assert (candidate.label, candidate.folder) == (label, folder)


def test_metadata_files_is_counted_and_other_files_are_named():
    found = listing(
        "chest_xray/train/NORMAL/a.jpeg",
        "__MACOSX/chest_xray/train/NORMAL/._a.jpeg",
        "chest_xray/.DS_Store",
        "chest_xray/train/NORMAL/Thumbs.db",
        "chest_xray/train/NORMAL/._b.jpeg",
        "chest_xray/train/other/c.jpeg",
        "chest_xray/readme.txt",
    )
    assert [one.path for one in found.candidates] == ["chest_xray/train/NORMAL/a.jpeg"]
    assert found.metadata_files == 4
    assert found.unlabelled == ["chest_xray/train/other/c.jpeg"]
    assert found.not_images == ["chest_xray/readme.txt"]


def test_an_archive_without_the_layout_says_what_is_expected():
    with pytest.raises(JobError, match=r"No JPEG, PNG or DICOM image .* in holiday\. Arrange the images as .*NORMAL"):
        list_candidates(members({"holiday/a.jpeg": b"x", "holiday/b.jpeg": b"x"}))


def test_an_archive_that_the_trigger_would_refuse_is_not_decoded_either():
    """A start by hand can name any dataset: nothing is paid for before it is refused."""
    with pytest.raises(JobError, match="No PNEUMONIA image to train on"):
        list_candidates(members({"train/NORMAL/a.png": b"x"}))


def test_masks_are_counted_and_a_folder_tells_the_kind_of_pneumonia():
    found = listing("PNEUMONIA/VIRUS/images/a.png", "PNEUMONIA/VIRUS/masks/a.png")
    assert found.masks == 1
    assert [one.subtype for one in found.candidates] == ["virus"]


def test_what_is_no_zip_is_refused_by_name(tmp_path: Path):
    (tmp_path / "archive.zip").write_bytes(b"PK\x03\x04 cut short")
    archive = opened(tmp_path / "archive.zip", "s3://data/datasets/archive.zip")
    with pytest.raises(JobError, match=r"archive\.zip is not a readable zip"), archive:
        pass


def test_hosts_share_all_files_and_copies_go_to_one():
    contents = {f"train/NORMAL/{number}.png": bytes([number]) * 9 for number in range(7)}
    copies = {f"x/{name}": content for name, content in contents.items()}
    copies["test/NORMAL/last.png"] = contents["train/NORMAL/3.png"]
    contents |= {"train/PNEUMONIA/other.png": b"p", "test/PNEUMONIA/another.png": b"a"}
    candidates = list_candidates(members(contents | copies)).candidates
    shares = [share_of_host(candidates, position, 3) for position in range(3)]
    assert sorted(len(groups) for groups in shares) == [3, 3, 3]
    together = [one for groups in shares for group in groups for one in group]
    assert sorted(one.path for one in together) == [one.path for one in candidates]
    (group,) = (group for groups in shares for group in groups if len(group) == 3)
    # The one to use comes first: that in test, then the least nested.
    assert [one.path for one in group] == ["test/NORMAL/last.png", "train/NORMAL/3.png", "x/train/NORMAL/3.png"]


def test_one_host_takes_everything_in_order():
    candidates = listing("NORMAL/b.png", "NORMAL/a.png").candidates
    groups = share_of_host(candidates, 0, 1)
    assert [[one.path for one in group] for group in groups] == [["NORMAL/a.png", "NORMAL/b.png"]]


@pytest.mark.parametrize(
    ("name", "patient", "subtype"),
    [
        ("00000013_005.png", "NIH00000013", ""),
        ("20210101_123.png", "x/20210101_123.png", ""),
        ("00000013_05.png", "x/00000013_05.png", ""),
        ("person123_virus_4.jpeg", "P123", "virus"),
        ("person123_bacteria_5.jpeg", "P123", "bacteria"),
        ("PERSON7_Virus_4.JPG", "P7", "virus"),
        ("IM-0003-0001.jpeg", "N1_0003", ""),
        ("IM-0003-0001-0002.jpeg", "N1_0003", ""),
        ("NORMAL2-IM-0003-0001.jpeg", "N2_0003", ""),
        ("scan.png", "x/scan.png", ""),
        ("personal_photo.png", "x/personal_photo.png", ""),
    ],
)
def test_patient_and_subtype_come_from_the_file_name(name, patient, subtype):
    assert patient_of(name, fallback=f"x/{name}") == (patient, subtype)


def test_agrees_with_the_manifest_of_the_real_images(radiographs):
    manifest = radiographs / "manifest.csv"
    with manifest.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    for row in rows:
        patient, subtype = patient_of(Path(row["path"]).name, fallback="")
        # The manifest keeps person12_virus and person12_bacteria apart; one key for both is the stricter reading.
        assert (patient, subtype) == (row["patient"].split("_")[0] if subtype else row["patient"], row["subtype"])


DICOM = b"\0" * 128 + b"DICM"


@pytest.mark.parametrize(
    ("beside", "withheld"),
    [
        ({}, False),
        ({"LICENSE": b"free", "notes.txt": b"", "scores.csv": b""}, False),
        ({"DOE/1.dcm": DICOM}, True),
        ({"NORMAL/DOE/2.png": DICOM}, True),  # by its content, whatever it is called
        ({"DICOMDIR": DICOM}, True),
        ({"scan.dat": b"something else"}, True),  # who sees names only has to decide alike
        ({"__MACOSX/._scan": b"", "x/.hidden": b""}, False),
    ],
)
def test_files_of_an_archive_with_dicom_are_called_by_their_numbers(beside, withheld):
    """Also those that are none: exports name folders after patients."""
    names = ["DOE JANE/NORMAL/a.png", "DOE JANE/NORMAL/IM-0003-0001.jpeg", "DOE JANE/PNEUMONIA/person1_virus_2.jpeg"]
    files = dict.fromkeys(names, b"x") | {"DOE.pdf": b"", "y/b.png": b"x", **beside}
    found = list_candidates(members(files))
    assert ("DOE" in str(found)) is not withheld
    if withheld:
        own = [one for one in found.candidates if not one.dicom]
        assert [one.path for one in own] == ["entry-1.png", "entry-2.jpeg", "entry-3.jpeg"]
        assert [one.patient for one in own] == ["entry-1.png", "N1_0003", "P1"]
        assert {"entry-4.pdf"} <= set(found.not_images)
        assert "entry-5.png" in found.unlabelled


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("M\u00fcller", "cp437"),
        ("M\u00fcller", "cp850"),
        ("M\u00fcller", "cp1252"),
        ("M\u00fcller", "utf-8"),
        ("Mu\u0308ller", "utf-8"),
        ("\u0141uczak", "cp852"),
        ("\u0141uczak", "cp1250"),
        ("\u0418\u0432\u0430\u043d\u043e\u0432", "cp866"),
        ("\u0418\u0432\u0430\u043d\u043e\u0432", "cp1251"),
        ("\u8868\u793a", "cp932"),
        ("\u60a3\u8005", "gbk"),
        ("\ud658\uc790", "cp949"),
    ],
)
def test_a_table_s_names_are_found_in_whatever_code_page_the_archiver_wrote_them(name: str, encoding: str):
    """macOS writes UTF-8 without the mark for it, Windows and others the machine's own code page."""
    labels = ("NORMAL", "PNEUMONIA")
    composed = unicodedata.normalize("NFC", name)
    table = "file,label\n" + "".join(f"{composed}/{label}.png,{label}\n" for label in labels)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("labels.csv", table)
        for label in labels:
            archive.writestr(Unmarked(f"{name}/{label}.png", encoding), label)
    found = list_candidates(ZipMembers(zipfile.ZipFile(buffer)))
    assert sorted(one.label for one in found.candidates) == list(labels)


def test_files_whose_table_names_patients_are_called_by_their_numbers_too():
    table = b"file,label,patient\nDOE/1.png,0,p1\nDOE/2.png,1,p2\n"
    files = {"DOE/1.png": b"1", "DOE/2.png": b"2", "DOE/notes.txt": b"", "labels.csv": table}
    found = list_candidates(members(files))
    assert [one.path for one in found.candidates] == ["entry-1.png", "entry-2.png"]
    assert found.not_images == ["entry-3.txt"]
    named = list_candidates(members({**files, "labels.csv": table.replace(b"patient", b"x")}))
    assert [one.path for one in named.candidates] == ["DOE/1.png", "DOE/2.png"]


def test_a_damaged_table_of_an_archive_with_dicom_is_not_called_after_its_folder():
    content = zip_of({"DOE/labels.csv": b"file,label\n", "DOE/1.dcm": DICOM})
    at = content.index(b"file,label")
    damaged = content[:at] + b"F" + content[at + 1 :]
    with pytest.raises(JobError) as refusal:
        list_candidates(ZipMembers(zipfile.ZipFile(io.BytesIO(damaged))))
    assert str(refusal.value) == "The archive's table labels.csv is damaged or unsupported."


def test_images_in_one_patients_folder_are_of_that_patient_in_every_class_and_split():
    """Two of one person must not be in train and in test. The folder's name is hashed, as what a table says."""
    found = listing("train/NORMAL/Patient_017/a.png", "train/PNEUMONIA/patient_018/b.jpeg", "train/NORMAL/0021/c.png")
    assert {one.path: one.stated_patient for one in found.candidates} == {
        "train/NORMAL/Patient_017/a.png": "Patient_017",
        "train/PNEUMONIA/patient_018/b.jpeg": "patient_018",
        "train/NORMAL/0021/c.png": "",
    }


def test_previews_beside_dicom_files_have_no_row_in_a_table_of_patients_and_are_counted():
    """As a hospital's CD has them: half of the images were without a row, which ended the run."""
    values = phantom(16, 16)
    files = {f"DICOM/IM{n}": dicom_file(values + n, PatientID=f"P{n}") for n in range(4)}
    previews = {f"JPEG/IM{n}.JPG": b"\xff\xd8\xff" + bytes([n]) for n in range(4)}
    table = b"patient_id,label\nP0,0\nP1,1\nP2,0\nP3,1\n"
    found = list_candidates(members({**files, **previews, "DICOMDIR": b"", "AUTORUN.INF": b"", "labels.csv": table}))
    assert [one.label for one in found.candidates] == ["NORMAL", "PNEUMONIA"] * 2
    assert found.mismatched == {"not_dicom": [f"entry-{n}.jpg" for n in range(5, 9)]}
    with pytest.raises(JobError, match="goes by patient_id, which DICOM files have, and there is none"):
        list_candidates(members({**previews, "labels.csv": table}))


@pytest.mark.parametrize("column", ["StudyInstanceUID", "Study Instance UID", "AccessionNumber", "series_instance_uid"])
def test_a_row_may_be_about_all_images_of_a_study(column: str):
    """Labels come from reports, and a report is about a study."""
    keyword = {"series_instance_uid": "SeriesInstanceUID"}.get(column, column.replace(" ", ""))
    files = {
        f"DICOM/{study}/IM{n}": dicom_file(phantom(16, 16) + n, PatientID=f"P{study}", **{keyword: f"1.2.{study}"})
        for study in range(4)
        for n in range(2)
    }
    table = f"{column},label\n" + "".join(f"1.2.{study},{study % 2}\n" for study in range(4))
    found = list_candidates(members({**files, "labels.csv": table.encode()}))
    assert [one.label for one in found.candidates] == ["NORMAL"] * 2 + ["PNEUMONIA"] * 2 + ["NORMAL"] * 2 + [
        "PNEUMONIA"
    ] * 2
    assert "1.2." not in str(found)


def test_a_picture_of_nobody_s_belongs_to_its_row_s_study():
    """Two images of one examination could be in train and in test; what names a patient goes before it."""
    names = ["a.png", "b.png", "Patient_3/c.png", "00000013_005.png", "d.dcm"]
    files = {name: b"\xff\xd8\xff" + name.encode() for name in names[:4]} | {"d.dcm": dicom_file(phantom(16, 16))}
    rows = "".join(f"{name},{n % 2},{'S1' if n < 2 else f'S{n}'}\n" for n, name in enumerate(names))
    found = list_candidates(members({**files, "labels.csv": f"file,label,study_id\n{rows}".encode()})).candidates
    studies = {one.number: (one.stated_study, one.stated_patient) for one in found}
    assert studies == {1: ("S1", ""), 2: ("S1", ""), 3: ("", "Patient_3"), 4: ("", ""), 5: ("", "")}
    assert "S1" not in str(found)


def test_an_accession_number_goes_before_a_patient_s_and_keeps_the_patient():
    files = {
        f"IM{study}": dicom_file(phantom(16, 16) + study, PatientID="P7", AccessionNumber=f"A{study}")
        for study in range(2)
    }
    table = b"patient_id,accession_number,label\nP7,A0,0\nP7,A1,1\n"
    found = list_candidates(members({**files, "labels.csv": table}))
    assert [(one.label, one.stated_patient) for one in found.candidates] == [("NORMAL", "P7"), ("PNEUMONIA", "P7")]


def test_a_folder_beside_train_that_a_table_gives_no_split_is_a_doubt():
    """It may be another language's test split, and would be trained on."""
    names = [f"{folder}/{n}.png" for folder in ("train", "pr\u00f3ba") for n in range(2)]
    table = "file,label\n" + "".join(f"{name},{name[-5]}\n" for name in names)
    with pytest.raises(
        JobError, match="The folder pr\u00f3ba may be meant as a split, and the table gives its images none"
    ):
        list_candidates(members({**dict.fromkeys(names, b"x"), "labels.csv": table.encode()}))


def test_lateral_pictures_beside_a_table_are_left_out_with_or_without_a_row():
    names = [f"{n}_{view}.jpg" for n in range(4) for view in ("frontal", "lateral")]
    table = "file,label\n" + "".join(f"{name},{int(name[0]) % 2}\n" for name in names[:6]) + "3_frontal.jpg,1\n"
    found = list_candidates(members({**dict.fromkeys(names, b"x"), "labels.csv": table.encode()}))
    assert [one.path for one in found.candidates] == [f"{n}_frontal.jpg" for n in range(4)]
    assert found.mismatched == {"other_view": [f"{n}_lateral.jpg" for n in range(4)]}
    by_folders = list_candidates(members(dict.fromkeys([*OTHERS, "NORMAL/lateral/DOE.png"], b"x")))
    assert by_folders.mismatched == {"other_view": ["NORMAL/lateral/DOE.png"]}
