"""The secondary capture: whose picture it is, how it lies, and that validators accept it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from dicom_results import source
from tests.dicom_results.radiographs import IMAGE, TYPE_2, opened, picture, radiograph, result
from tests.dicom_results.validators import dciodvfy


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global capture
    from dicom_results import capture


def made(tmp_path: Path, content: bytes | None = None) -> Path:
    image, path = tmp_path / "image.dcm", tmp_path / "capture.dcm"
    image.write_bytes(content or radiograph())
    path.write_bytes(capture.make(source.read(image), result(), picture()))
    return path


def read(tmp_path: Path, content: bytes | None = None) -> Dataset:
    path = made(tmp_path, content)
    assert dciodvfy(path) == []
    return opened(path.read_bytes())


def test_it_is_the_picture_with_a_line_that_says_what_it_is(tmp_path: Path) -> None:
    found, shown = read(tmp_path), np.asarray(picture())
    left = (found.Columns - shown.shape[1]) // 2
    pixels = found.pixel_array
    assert (pixels[: shown.shape[0], left : left + shown.shape[1]] == shown).all(), "nothing of it is covered"
    assert pixels[shown.shape[0] :].max() > 200, "letters"
    assert found.SourceImageSequence[0].ReferencedSOPInstanceUID == IMAGE
    assert found.SeriesDescription == "Saliency map, research only"


def test_nobody_can_measure_in_it(tmp_path: Path) -> None:
    """It was scaled for the model: lengths in it would be wrong."""
    found = read(tmp_path, radiograph(PixelSpacing=[0.2, 0.2]))
    assert not {"PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"} & {one.keyword for one in found}


@pytest.mark.parametrize(
    ("stated", "shown"),
    [
        (["L", "F"], ["L", "F"]),
        (["R", "F"], ["L", "F"]),  # turned for the model
        (["H", "L"], ["L", "F"]),
        (["LA", "F"], []),
        (["A", "F"], []),
        ([], []),
    ],
)
def test_it_states_how_it_lies_where_that_is_known(tmp_path: Path, stated: list[str], shown: list[str]) -> None:
    found = read(tmp_path, radiograph(modality="CR", PatientOrientation=stated))
    assert list(found.PatientOrientation or []) == shown


def test_what_lost_detail_once_says_so_for_ever(tmp_path: Path) -> None:
    lossy = radiograph(
        LossyImageCompression="01", LossyImageCompressionRatio="12", LossyImageCompressionMethod="ISO_10918_1"
    )
    found = read(tmp_path, lossy)
    assert (found.LossyImageCompression, found.LossyImageCompressionRatio) == ("01", 12)
    assert "LossyImageCompression" not in read(tmp_path)


@pytest.mark.parametrize("modality", ["CR", "DX"])
@pytest.mark.parametrize("absent", [TYPE_2, ("BodyPartExamined", "BurnedInAnnotation", "PatientOrientation")])
def test_what_a_sender_left_out(tmp_path: Path, modality: str, absent: tuple[str, ...]) -> None:
    read(tmp_path, radiograph(modality=modality, without=absent))


@pytest.mark.parametrize("name", ["SMITH", "Yamada^Tarou=山田^太郎=やまだ^たろう"])
def test_names_of_any_script(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, radiograph(PatientName=name)).PatientName == name


def test_the_same_prediction_is_the_same_file(tmp_path: Path) -> None:
    assert made(tmp_path).read_bytes() == made(tmp_path).read_bytes()


@pytest.mark.parametrize(
    ("name", "stated", "other"),
    [
        ("BodyPartExamined", b"CHEST ", b"C.P.A."),
        ("BurnedInAnnotation", b"NO", b"??"),
        ("LossyImageCompressionRatio", b"12.5", b"a.bc"),
        ("LossyImageCompressionMethod", b"ISO_10918_1 ", b"iso/10918-1 "),
    ],
)
def test_what_no_instance_may_hold_is_left_out(tmp_path: Path, name: str, stated: bytes, other: bytes) -> None:
    lossy = {"LossyImageCompressionRatio": "12.5", "LossyImageCompressionMethod": "ISO_10918_1"}
    content = radiograph(LossyImageCompression="01", **lossy)
    assert name in read(tmp_path, content)
    assert name not in read(tmp_path, content.replace(stated, other))
