"""`cxr predict --dicom` and `--store`: results beside the answers, which are there whatever happens to the results."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from typer.testing import Result

from ops.base.errors import ExitCode
from tests.dicom_results.radiographs import STUDY, opened, radiograph
from tests.dicom_results.tid1500 import faults
from tests.ops.conftest import GROUP_ARN, Cloud
from tests.ops.pacs.orthanc import Orthanc
from tests.ops.prediction_api import JPEG, Api, can_ask

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def study(tmp_path: Path, api: Api) -> Path:
    """A radiograph with a study; the API answers with the picture of it, by the last byte of the file."""
    api.shows_radiographs = True
    path = tmp_path / "IM0001"
    path.write_bytes(radiograph() + bytes([93]))
    return path


def written(folder: Path) -> dict[str, Any]:
    return {one.Modality: one for one in (opened(path.read_bytes()) for path in sorted(folder.iterdir()))}


@pytest.mark.usefixtures("deployed")
def test_a_report_and_a_saliency_map_are_written_beside_the_answer(
    api: Api, cxr: Callable[..., Result], study: Path, tmp_path: Path
) -> None:
    done = cxr("predict", str(study), "--dicom", str(tmp_path / "results"), "--json")
    assert done.exit_code == 0
    answer = json.loads(done.stdout)
    assert sorted(map(Path, answer["dicom"])) == sorted((tmp_path / "results").iterdir())
    made = written(tmp_path / "results")
    assert set(made) == {"SR", "OT"}
    assert faults(made["SR"]) == []
    content = made["SR"].to_json()
    for expected in (
        f"model_package={GROUP_ARN}/3",
        "threshold=0.4",
        "indeterminate_from=0.3",
        "For research use only. At least 90% of such answers are guaranteed to be right",
    ):
        assert expected in content
    assert {one.StudyInstanceUID for one in made.values()} == {STUDY}
    shown = made["OT"].pixel_array[:48]  # above the line of text, which is wider than this small picture
    assert shown[0, made["OT"].Columns // 2 - 32].tolist() == [255, 0, 0], "the map"
    assert shown[0, made["OT"].Columns // 2 + 31].tolist() == [90, 90, 90], "over the radiograph that the API showed"
    assert len(api.requests) == 1
    assert api.requests[0][2] == study.read_bytes(), "nothing goes to AWS but the file"


@pytest.mark.usefixtures("deployed")
def test_a_report_keeps_that_the_model_is_not_meant_for_the_patient(
    api: Api, cxr: Callable[..., Result], study: Path, tmp_path: Path
) -> None:
    """The terminal's words are gone tomorrow; the archive's are what others read."""
    status, headers, document = api.answer(study.read_bytes())
    document |= {"outside_intended_population": ["age", "view"], "guarantee": None}
    api.queued.append((status, headers, document))
    assert cxr("predict", str(study), "--dicom", str(tmp_path / "results")).exit_code == 0
    content = written(tmp_path / "results")["SR"].to_json()
    assert "The model is not meant for this patient's age and view." in content
    assert "Nothing is guaranteed about how many such answers are right." in content


@pytest.mark.usefixtures("deployed")
def test_a_csv_names_the_files(cxr: Callable[..., Result], study: Path, tmp_path: Path) -> None:
    done = cxr("predict", str(study), "--dicom", str(tmp_path / "results"), "--csv")
    row = next(csv.DictReader(io.StringIO(done.stdout)))
    assert sorted(map(Path, row["dicom"].split(";"))) == sorted((tmp_path / "results").iterdir())


@pytest.mark.usefixtures("deployed")
def test_a_model_without_a_map_gives_a_report(
    api: Api, cxr: Callable[..., Result], study: Path, tmp_path: Path
) -> None:
    api.shows_radiographs = False
    assert cxr("predict", str(study), "--dicom", str(tmp_path / "results")).exit_code == 0
    assert set(written(tmp_path / "results")) == {"SR"}


@pytest.mark.usefixtures("deployed")
def test_what_has_no_place_in_a_study_is_predicted_all_the_same(
    cxr: Callable[..., Result], study: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.jpeg").write_bytes(JPEG + bytes([93]))
    (tmp_path / "b.dcm").write_bytes(radiograph(without=("StudyInstanceUID",)) + bytes([7]))
    named = [str(tmp_path / "a.jpeg"), str(tmp_path / "b.dcm"), str(study)]
    done = cxr("predict", *named, "--dicom", str(tmp_path / "results"))
    assert done.exit_code == ExitCode.FAILED
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["PNEUMONIA", "NORMAL", "PNEUMONIA"]
    assert "a.jpeg: no result in DICOM is written: it is no DICOM file, and so belongs to no study." in done.stderr
    assert "b.dcm: no result in DICOM is written: it states no Study Instance UID." in done.stderr
    assert set(written(tmp_path / "results")) == {"SR", "OT"}


@pytest.mark.usefixtures("deployed")
def test_a_folder_that_cannot_be_written_to_loses_no_answer(
    cxr: Callable[..., Result], study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    done = cxr("predict", str(study), "--dicom", str(tmp_path / "results"))
    assert done.exit_code == ExitCode.FAILED
    assert "0.930  PNEUMONIA" in done.stdout
    assert "No space left on device" in done.stderr


@pytest.mark.usefixtures("deployed")
def test_a_library_that_refuses_what_a_file_states_loses_no_answer_and_tells_no_value(
    cxr: Callable[..., Result], study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_arguments: object) -> bytes:
        raise TypeError("SECRET^NAME is no name")

    monkeypatch.setattr("dicom_results.report.make", refuses)
    done = cxr("predict", str(study), "--dicom", str(tmp_path / "results"))
    assert done.exit_code == ExitCode.FAILED
    assert "0.930  PNEUMONIA" in done.stdout
    assert "no result in DICOM is written: what it states cannot be taken over (TypeError)." in done.stderr
    assert "SECRET" not in done.output


@pytest.mark.usefixtures("deployed")
def test_an_archive_that_is_down_loses_neither_answer_nor_result(
    cxr: Callable[..., Result], study: Path, tmp_path: Path
) -> None:
    down = "http://127.0.0.1:1/dicom-web"
    done = cxr("predict", str(study), "--dicom", str(tmp_path / "results"), "--store", down)
    assert done.exit_code == ExitCode.UNAVAILABLE
    assert "0.930  PNEUMONIA" in done.stdout
    assert "nothing answers there. Nothing is lost: `cxr store` sends what the archive lacks." in done.stderr
    assert set(written(tmp_path / "results")) == {"SR", "OT"}


@pytest.mark.usefixtures("deployed")
def test_a_wrong_address_and_a_missing_folder_are_reported_before_anything_is_asked(
    api: Api, cxr: Callable[..., Result], study: Path, tmp_path: Path
) -> None:
    for arguments in (["--store", "https://pacs"], ["--store", "pacs", "--dicom", str(tmp_path / "results")]):
        assert cxr("predict", str(study), *arguments).exit_code == ExitCode.USAGE
    assert api.requests == []
    assert not (tmp_path / "results").exists()


@pytest.mark.usefixtures("deployed")
def test_run_twice_on_one_folder_it_predicts_no_result_of_its_own(
    cloud: Cloud, api: Api, cxr: Callable[..., Result], study: Path
) -> None:
    """And the results of both predictions lie there: each is an answer of its own."""
    folder = str(study.parent)
    cxr("predict", folder, "--dicom", folder)
    can_ask(cloud)
    again = cxr("predict", folder, "--dicom", folder)
    assert again.exit_code == 0
    assert "Left out: 2 results that cxr wrote itself." in again.stderr
    assert len(api.requests) == 2
    assert len(list(study.parent.glob("*.report.dcm"))) == 2


@pytest.mark.usefixtures("deployed")
def test_it_is_in_the_archive_below_its_study(
    orthanc: Orthanc, cxr: Callable[..., Result], api: Api, tmp_path: Path
) -> None:
    api.shows_radiographs = True
    uid = "1.2.826.0.1.3680043.8.498.77001"
    (tmp_path / "IM0001").write_bytes(radiograph(StudyInstanceUID=uid, SOPInstanceUID=f"{uid}.1") + bytes([93]))
    named = [str(tmp_path / "IM0001"), "--dicom", str(tmp_path / "results"), "--store", orthanc.dicomweb]
    done = cxr("predict", *named)
    assert done.exit_code == 0
    assert f"{orthanc.dicomweb}: 2 stored." in done.stderr
    answer = requests.get(f"{orthanc.dicomweb}/studies/{uid}/instances", timeout=30)
    assert sorted(one["00080060"]["Value"][0] for one in answer.json()) == ["OT", "SR"]


def test_who_asks_for_no_result_does_not_pay_for_its_libraries() -> None:
    """They take seconds to import."""
    code = """
import sys
import ops.cli, ops.commands.workspace, ops.api.predictions, ops.api.image_files
print(sorted({"highdicom", "pydicom", "dicomweb_client", "numpy", "requests"} & set(sys.modules)))
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
