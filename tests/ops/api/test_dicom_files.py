"""DICOM files are sent as they are, and what they say of the patient reaches a person."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import Result

from tests.ops.conftest import Cloud
from tests.ops.prediction_api import HEAT, Api, can_ask, png


@pytest.mark.usefixtures("deployed")
def test_a_dicom_file_is_drawn_on_the_picture_that_comes_with_its_answer(
    api: Api, cxr: Callable[..., Result], tmp_path: Path
) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(bytes(128) + b"DICM" + bytes([50]))
    status, headers, document = api.answer(path.read_bytes())
    seen = png(Image.new("L", (40, 20), 90))
    document["radiograph"] = {"media_type": "image/png", "data": base64.b64encode(seen).decode()}
    api.queued.append((status, headers, document))
    assert cxr("predict", "--overlay", str(tmp_path), str(path)).exit_code == 0
    assert api.requests[0][1]["content-type"] == "application/dicom"
    with Image.open(tmp_path / "a.dcm.overlay.png") as picture:
        assert picture.size == (40, 20)
        assert picture.getpixel((39, 10)) == (90, 90, 90), "nothing lies on the right half"


@pytest.mark.usefixtures("deployed")
def test_the_overlay_of_a_dicom_file_whose_answer_is_repeated_is_saved_by_itself(
    api: Api, cxr: Callable[..., Result], tmp_path: Path
) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(bytes(128) + b"DICM" + bytes([50]))
    assert cxr("predict", "--overlay", str(tmp_path), str(path)).exit_code == 0
    assert (tmp_path / "a.dcm.overlay.png").read_bytes() == HEAT


def _dicom(path: Path, probability: int) -> Path:
    path.write_bytes(bytes(128) + b"DICM" + bytes([probability]))
    return path


@pytest.mark.usefixtures("deployed")
@pytest.mark.parametrize(
    ("body_part", "beside_it", "at_the_end"),
    [("other", "not the chest", "not the chest"), ("unstated", "", "body part not stated"), ("chest", "", "")],
)
def test_what_a_dicom_file_says_of_its_body_part_reaches_a_person(
    request: pytest.FixtureRequest, tmp_path: Path, body_part: str, beside_it: str, at_the_end: str
) -> None:
    """An abdomen gets a probability like any image: nobody may read it without the file's own word."""
    cloud, api, cxr = (request.getfixturevalue(name) for name in ("cloud", "api", "cxr"))
    file = _dicom(tmp_path / "scan", 99)
    status, headers, document = api.answer(bytes([99]))
    document["dicom"] = {"modality": "DX", "photometric_interpretation": "MONOCHROME2", "body_part": body_part}
    api.queued += [(status, headers, document)] * 2

    result = cxr("predict", str(file))
    assert result.stdout.strip() == f"0.990  PNEUMONIA      {file}" + (f"  ({beside_it})" if beside_it else "")
    assert ("knows chest radiographs only" in result.stderr) is bool(at_the_end)
    assert at_the_end in result.stderr

    can_ask(cloud)
    row = next(csv.DictReader(io.StringIO(cxr("predict", "--csv", str(file)).stdout)))
    assert (row["modality"], row["body_part"]) == ("DX", body_part)


@pytest.mark.usefixtures("deployed")
def test_a_patient_that_the_model_is_not_meant_for_reaches_a_person(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    cloud, api, cxr = (request.getfixturevalue(name) for name in ("cloud", "api", "cxr"))
    file = _dicom(tmp_path / "scan", 99)
    status, headers, document = api.answer(bytes([99]))
    document["outside_intended_population"] = ["age"]
    api.queued += [(status, headers, document)] * 2

    assert cxr("predict", str(file)).stdout.strip().endswith("  (the model is not meant for this age)")
    can_ask(cloud)
    row = next(csv.DictReader(io.StringIO(cxr("predict", "--csv", str(file)).stdout)))
    assert row["outside_intended_population"] == "age"


@pytest.mark.usefixtures("deployed")
def test_a_folder_of_a_pacs_export_is_scored_whole(cxr: Callable[..., Result], tmp_path: Path) -> None:
    """DICOM files are called by numbers there; what is left out is said."""
    for name in ("IM000001", "1.2.840.113619.2", "DICOMDIR"):
        _dicom(tmp_path / name, 90)
    (tmp_path / "README.TXT").write_text("viewer")
    result = cxr("predict", str(tmp_path))
    assert result.exit_code == 0
    assert [Path(line.split()[2]).name for line in result.stdout.splitlines()] == ["1.2.840.113619.2", "IM000001"]
    assert "Left out: 1 files that are no JPEG, PNG or DICOM." in result.stderr


@pytest.mark.usefixtures("deployed")
def test_run_twice_it_scores_no_overlay_of_its_own(
    cloud: Cloud, api: Api, cxr: Callable[..., Result], tmp_path: Path
) -> None:
    """Neither below the folder, nor by a shell's wildcard, nor under another name."""
    (tmp_path / "a.png").write_bytes(png(Image.new("L", (40, 20), 100)))
    first = cxr("predict", "--overlay", str(tmp_path), str(tmp_path))
    (tmp_path / "a.png.overlay.png").rename(tmp_path / "renamed.png")
    for paths in ([tmp_path], sorted(tmp_path.glob("*.png"))):
        can_ask(cloud)
        again = cxr("predict", "--overlay", str(tmp_path), *map(str, paths))
        assert again.stdout == first.stdout
        assert "overlays that cxr drew itself" in again.stderr
    assert len(api.requests) == 3
