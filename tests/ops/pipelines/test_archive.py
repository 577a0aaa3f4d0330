"""Archives as people really have them are accepted, what training could not use is refused before the upload."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from local.samples.sample_archive import write_archive
from ops.base.errors import CommandError
from ops.pipelines import archive

IMAGE = b"\xff\xd8\xff\xe0 not decoded here"


def _zip(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as opened:
        for number, name in enumerate(names):
            opened.writestr(name, IMAGE + bytes([number]))
    return path


def _folder(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(IMAGE)
    return root


def test_the_double_tree_is_counted_once_and_metadata_files_not_at_all(tmp_path: Path) -> None:
    """Kaggle's archive holds 5,856 images twice; a person who reads 11,712 wonders what else is wrong."""
    written = write_archive(tmp_path / "a.zip", images_per_class=20, seed=1)
    contents = archive.inspect(tmp_path / "a.zip")
    folders = {"train": "train", "validation": "val", "test": "test"}
    assert contents.images == {split: written.images[folder] for split, folder in folders.items()}
    assert str(contents) == "40 images (train 16, validation 16, test 8), and 40 copies of them"


def test_classes_without_splits_are_a_layout_too(tmp_path: Path) -> None:
    """The Trigger function takes them; the split is then made by patient."""
    contents = archive.inspect(_zip(tmp_path / "a.zip", "x/normal/1.JPG", "x/Pneumonia/2.png"))
    assert contents.total == 2


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["readme.txt"], "No JPEG, PNG or DICOM image was found in a folder NORMAL or PNEUMONIA; .*readme.txt"),
        (["test/NORMAL/1.jpeg", "test/PNEUMONIA/1.jpeg"], "none in train"),
        (["train/NORMAL/1.jpeg", "test/PNEUMONIA/1.jpeg"], "No PNEUMONIA image to train on"),
        (["__MACOSX/train/NORMAL/1.jpeg", "train/PNEUMONIA/.x.jpeg"], "No JPEG, PNG or DICOM image"),
    ],
)
def test_an_archive_training_cannot_use_is_refused_with_what_is_missing(
    tmp_path: Path, names: list[str], words: str
) -> None:
    with pytest.raises(CommandError, match=words):
        archive.inspect(_zip(tmp_path / "a.zip", *names))


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    write_archive(path, images_per_class=20, seed=1)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CommandError, match="is not a complete zip file"):
        archive.inspect(path)


def test_what_is_left_out_is_said_before_the_upload(tmp_path: Path) -> None:
    """The COVID-19 Radiography Database has two more classes, and a mask beside each image."""
    classes = ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")
    names = [f"{folder}/{kind}/{folder}-1.png" for folder in classes for kind in ("images", "masks")]
    contents = str(archive.inspect(_zip(tmp_path / "a.zip", *names)))
    assert contents == (
        "2 images (without a split 2). Not used: 2 images in other folders (COVID, Lung_Opacity) and 4 masks, "
        "overlays or copies of another picture."
    )


def test_a_folder_becomes_an_archive_in_the_layout_without_its_metadata_files(tmp_path: Path) -> None:
    """Same names in different folders stay different files: nothing is lost on the way."""
    names = [
        "siteA/train/NORMAL/1.jpeg",
        "siteB/train/NORMAL/1.jpeg",
        "siteA/train/PNEUMONIA/person1_virus_2.PNG",
        "siteA/test/NORMAL/3.jpg",
        "siteA/test/PNEUMONIA/person4_bacteria_5.jpeg",
    ]
    metadata = [".DS_Store", "siteA/train/NORMAL/._1.jpeg", "siteA/train/NORMAL/notes.txt", "other/scan.jpeg"]
    contents = archive.pack(_folder(tmp_path / "in", *names, *metadata), tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as opened:
        assert sorted(opened.namelist()) == sorted(f"chest_xray/{name}" for name in names)
        assert opened.testzip() is None
    assert contents.images["train"]["PNEUMONIA"] == 1
    archive.inspect(tmp_path / "out.zip")


def test_a_folder_without_the_layout_makes_no_archive(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No JPEG, PNG or DICOM image"):
        archive.pack(_folder(tmp_path / "in", "scans/1.jpeg"), tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()


def test_a_name_that_is_not_utf_8_is_packed_with_its_bytes_in_hexadecimal(tmp_path: Path) -> None:
    """Zip has names in UTF-8 only, and a folder of another time has not."""
    for label in ("NORMAL", "PNEUMONIA"):
        folder = tmp_path / "data" / label
        folder.mkdir(parents=True)
        Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9-1.jpeg")).write_bytes(label.encode())
    assert archive.pack(tmp_path / "data", tmp_path / "a.zip").total == 2
    with zipfile.ZipFile(tmp_path / "a.zip") as packed:
        assert sorted(packed.namelist()) == ["chest_xray/NORMAL/caf%E9-1.jpeg", "chest_xray/PNEUMONIA/caf%E9-1.jpeg"]


DICOM = b"\0" * 128 + b"DICM" + b"not decoded here"


def _files(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def _zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return path


def test_dicom_is_counted_whatever_its_name_and_packed_with_its_table(tmp_path: Path) -> None:
    files = {"scans/IM0001": DICOM, "scans/b.dcm": DICOM, "scans/c.png": IMAGE, "scans/LICENSE": b"free"}
    files["labels.csv"] = b"file;label;split\r\nIM0001;NORMAL;train\r\nb.dcm;PNEUMONIA;train\r\nc.png;1;test\r\n"
    expected = {"train": {"NORMAL": 1, "PNEUMONIA": 1}, "test": {"NORMAL": 0, "PNEUMONIA": 1}}
    assert archive.inspect(_zipped(tmp_path / "a.zip", files)).images == expected
    assert archive.pack(_files(tmp_path / "in", files), tmp_path / "out.zip").images == expected
    with zipfile.ZipFile(tmp_path / "out.zip") as packed:
        assert sorted(packed.namelist()) == sorted(f"chest_xray/{name}" for name in files if name != "scans/LICENSE")
    assert archive.inspect(tmp_path / "out.zip").images == expected


def test_what_only_the_files_say_is_left_to_the_job(tmp_path: Path) -> None:
    files = {"1.dcm": DICOM, "2.dcm": DICOM, "labels.csv": b"patient_id,label\n1,0\n2,1\n"}
    assert str(archive.inspect(_zipped(tmp_path / "a.zip", files))) == "2 images (labelled by a table)"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"file,label\n1.dcm,0\n2.dcm,1\n3.dcm,1\n", "1 of 3 rows are about no file .*line 4"),
        (b"file,label\n1.dcm,0\n", "1 of 2 images have no row .*2.dcm"),
        (b"file,label\n1.dcm,1\n2.dcm,1\n", "no NORMAL image to train on"),
        ("file,label\n1.dcm,\xfc\n".encode("latin-1"), "is not in UTF-8: line 2"),
        (b"name,diagnosis\n1.dcm,1\n", "has to name its columns"),
    ],
)
def test_a_table_training_cannot_use_is_refused_before_the_upload(tmp_path: Path, content: bytes, words: str) -> None:
    path = _zipped(tmp_path / "a.zip", {"1.dcm": DICOM, "2.dcm": DICOM, "labels.csv": content})
    with pytest.raises(CommandError, match=words):
        archive.inspect(path)


def test_an_entry_of_an_archive_is_found_by_what_reports_call_it(tmp_path: Path, cxr: Callable[..., Result]) -> None:
    """Nothing is asked of AWS: whoever has the archive looks it up in it."""
    path = str(_zipped(tmp_path / "a.zip", {"NORMAL/DEV NOBODY/1.DCM": DICOM, "PNEUMONIA/IM2": DICOM, "x\ny": b""}))
    assert cxr("entries", path, "entry-2").stdout == "entry-2 PNEUMONIA/IM2\n"
    assert cxr("entries", path, "1").stdout == "entry-1.dcm NORMAL/DEV NOBODY/1.DCM\n"
    assert cxr("entries", path).stdout.splitlines()[2:] == ["entry-3 x\\ny"]
    (first, _) = json.loads(cxr("entries", path, "entry-1.dcm", "entry-2", "--json").stdout)
    assert first == {"number": 1, "called": "entry-1.dcm", "name": "NORMAL/DEV NOBODY/1.DCM"}
    for missing in ("entry-4", "0", "a.dcm"):
        failed = cxr("entries", path, missing)
        assert failed.exit_code == 1
        assert f"has no '{missing}': it has 3 entries" in failed.stderr


def test_a_folder_has_the_entries_that_it_is_packed_into(tmp_path: Path) -> None:
    """The archive that `cxr upload` makes of a folder is gone when a report names its entries."""
    files = {"NORMAL/b b.dcm": DICOM, "NORMAL/notes.txt": b"", "PNEUMONIA/IM2": DICOM, "x/left out.png": IMAGE}
    folder = _files(tmp_path / "in", files)
    archive.pack(folder, tmp_path / "out.zip")
    assert archive.entries(folder) == archive.entries(tmp_path / "out.zip")
    assert [one.called for one in archive.entries(folder)] == ["entry-1.dcm", "entry-2"]


def test_a_refusal_repeats_names_of_a_folder_and_not_of_an_archive_with_dicom(tmp_path: Path) -> None:
    files = {f"{place}{label}/1.dcm": DICOM for place in ("", "held out DOE/") for label in ("NORMAL", "PNEUMONIA")}
    with pytest.raises(CommandError, match="The folder held out DOE may be meant as a split"):
        archive.pack(_files(tmp_path / "in", files), tmp_path / "out.zip")
    with pytest.raises(CommandError, match=r"A folder around entry-3\.dcm may be meant as a split") as refusal:
        archive.inspect(_zipped(tmp_path / "a.zip", files))
    assert "DOE" not in str(refusal.value)


def test_what_a_table_says_of_splits_is_held_against_the_folders(tmp_path: Path) -> None:
    names = [f"{folder}/{number}.png" for number, folder in enumerate(("a", "a", "dev", "dev"))]
    rows = [f"{name},{number % 2}" for number, name in enumerate(names)]
    files = dict.fromkeys(names, IMAGE)
    with pytest.raises(
        CommandError, match="The folder dev may be meant as a split, and the table gives its images none"
    ):
        archive.inspect(_zipped(tmp_path / "a.zip", {**files, "labels.csv": "\n".join(["file,label", *rows]).encode()}))
    table = "\n".join(["file,label,split", *(f"{row},train" for row in rows)]).encode()
    assert archive.inspect(_zipped(tmp_path / "b.zip", {**files, "labels.csv": table})).total == 4
    contradicting = {name.replace("dev", "test"): IMAGE for name in names} | {
        "labels.csv": table.replace(b"dev", b"test")
    }
    with pytest.raises(CommandError, match="2 of 4 images have two splits, that of their folder counted"):
        archive.inspect(_zipped(tmp_path / "c.zip", contradicting))
