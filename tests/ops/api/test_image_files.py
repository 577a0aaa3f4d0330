"""Radiographs of a folder: told by their bytes, and nothing is passed over in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.api import image_files

JPEG, PNG, DICOM = b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", bytes(128) + b"DICM"


def write(path: Path, content: bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(found: image_files.Found, above: Path) -> list[str]:
    return [path.relative_to(above).as_posix() for path in found.files]


def test_folders_are_searched_for_images_and_nothing_else(tmp_path: Path) -> None:
    for name in (
        "b/2.PNG",
        "b/c/1.jpeg",
        "b/c/y.dcm",
        "b/.hidden.jpeg",
        "b/.git/3.jpeg",
        "b/__MACOSX/3.jpeg",
        "b/n.txt",
    ):
        write(tmp_path / name)
    write(tmp_path / "x.dcm")
    found = image_files.find([tmp_path / "x.dcm", tmp_path / "b"])
    assert names(found, tmp_path) == ["x.dcm", "b/2.PNG", "b/c/1.jpeg", "b/c/y.dcm"]
    assert found.left_out() == "Left out: 1 files that are no JPEG, PNG or DICOM."


@pytest.mark.parametrize("content", [JPEG, PNG, DICOM])
@pytest.mark.parametrize("name", ["IM0001", "scan.img", "1.2.840.10008", "scan.txt"])
def test_a_file_is_what_its_first_bytes_say(tmp_path: Path, name: str, content: bytes) -> None:
    write(tmp_path / "deep" / name, content)
    found = image_files.find([tmp_path])
    assert names(found, tmp_path) == [f"deep/{name}"]
    assert found.left_out() is None


def test_the_index_of_a_medium_is_no_image(tmp_path: Path) -> None:
    write(tmp_path / "DICOMDIR", DICOM)
    assert image_files.find([tmp_path]).files == []


def test_a_file_that_is_named_is_tried_whatever_it_is(tmp_path: Path) -> None:
    """Its failure has a sentence; leaving it out would have none."""
    assert image_files.find([write(tmp_path / "notes.txt"), tmp_path / "absent"]).files == [
        tmp_path / "notes.txt",
        tmp_path / "absent",
    ]


def test_a_folder_that_cannot_be_listed_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def scandir(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("os.scandir", scandir)
    (closed,) = image_files.find([tmp_path]).closed
    assert closed == f"{tmp_path} cannot be listed: Permission denied."
