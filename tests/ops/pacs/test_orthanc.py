"""Results in a real archive: stored by STOW-RS, found by QIDO-RS below their study, given back by WADO-RS unchanged."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from dicom_results import source
from tests.dicom_results.radiographs import opened, picture, radiograph, result
from tests.ops.pacs.orthanc import Orthanc


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global Archive, capture, report
    from dicom_results import capture, report
    from ops.pacs.dicomweb import Archive


@pytest.fixture
def study(request: pytest.FixtureRequest) -> str:
    """A study of this test's own."""
    return f"1.2.826.0.1.3680043.8.498.{sum(map(ord, request.node.name)) * 7919}"


def files(folder: Path, study: str, **changed: Any) -> list[Path]:
    """A radiograph, its report and its saliency map."""
    image = folder / "image.dcm"
    image.write_bytes(radiograph(StudyInstanceUID=study, SOPInstanceUID=f"{study}.3", PatientName="Gemälde^Ö=王^小东"))
    reference = source.read(image)
    made = result(**changed)
    (folder / f"{made.prediction_id}.report.dcm").write_bytes(report.make(reference, made))
    (folder / f"{made.prediction_id}.saliency.dcm").write_bytes(capture.make(reference, made, picture()))
    return [image, *sorted(folder.glob(f"{made.prediction_id}.*"))]


def found(orthanc: Orthanc, study: str, **keys: str) -> list[tuple[str, str]]:
    """Series and instance UIDs that a query below the study finds."""
    answer = requests.get(f"{orthanc.dicomweb}/studies/{study}/instances", params=keys, timeout=30)
    answer.raise_for_status()
    return [(one["0020000E"]["Value"][0], one["00080018"]["Value"][0]) for one in answer.json()]


def fetched(orthanc: Orthanc, study: str, series: str, instance: str) -> bytes:
    url = f"{orthanc.dicomweb}/studies/{study}/series/{series}/instances/{instance}"
    answer = requests.get(url, headers={"Accept": 'multipart/related; type="application/dicom"'}, timeout=30)
    boundary = re.search(r"boundary=\"?([^\";]+)", answer.headers["Content-Type"])
    assert boundary is not None
    part = answer.content.split(f"--{boundary[1]}".encode())[1]
    return part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")


def test_everything_is_stored_found_and_given_back_byte_for_byte(orthanc: Orthanc, study: str, tmp_path: Path) -> None:
    image, *results = files(tmp_path, study)
    outcome = Archive(orthanc.dicomweb).store([image, *results])
    assert (outcome.stored, outcome.present, outcome.failed) == ([image, *results], [], {})

    by_modality = {opened(path.read_bytes()).Modality: path for path in (image, *results)}
    assert set(by_modality) == {"DX", "SR", "OT"}
    for modality, path in by_modality.items():
        instance = opened(path.read_bytes())
        place = (instance.SeriesInstanceUID, instance.SOPInstanceUID)
        assert found(orthanc, study, Modality=modality) == [place]
        assert fetched(orthanc, study, *place) == path.read_bytes()


def test_sent_again_nothing_is_sent(orthanc: Orthanc, study: str, tmp_path: Path) -> None:
    results = files(tmp_path, study)
    assert Archive(orthanc.dicomweb).store(results[:2]).stored == results[:2]
    again = Archive(orthanc.dicomweb).store(results)
    assert (again.stored, again.present) == (results[2:], results[:2])
    assert len(found(orthanc, study)) == 3


def test_what_is_sent_again_without_asking_changes_nothing(
    orthanc: Orthanc, study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As to an archive that answers no queries: the UIDs are those of the prediction."""
    _, *results = files(tmp_path, study)
    assert Archive(orthanc.dicomweb).store(results).stored == results
    places = found(orthanc, study)
    monkeypatch.setattr(Archive, "_has", lambda *_arguments: False)
    assert Archive(orthanc.dicomweb).store(results).stored == results
    assert found(orthanc, study) == places
    contents = [fetched(orthanc, study, *place) for place in places]
    assert sorted(contents) == sorted(path.read_bytes() for path in results)


def test_a_corrected_result_stands_beside_the_first(orthanc: Orthanc, study: str, tmp_path: Path) -> None:
    _, *first = files(tmp_path, study, prediction_id="first")
    _, *corrected = files(tmp_path, study, prediction_id="corrected", probability=0.2, label="NORMAL")
    assert Archive(orthanc.dicomweb).store([*first, *corrected]).stored == [*first, *corrected]
    assert len(set(found(orthanc, study))) == 4


def test_of_a_good_and_a_bad_instance_the_bad_one_is_reported_and_the_good_one_kept(
    orthanc: Orthanc, study: str, tmp_path: Path
) -> None:
    """In one request: Orthanc answers 400, keeps the good one all the same, and says which is which."""
    _, bad, good = files(tmp_path, study)
    refused = opened(bad.read_bytes())
    del refused.SeriesInstanceUID
    refused.save_as(bad)
    for stored, present in (([good], []), ([], [good])):
        outcome = Archive(orthanc.dicomweb).store([bad, good])
        assert (outcome.stored, outcome.present, list(outcome.failed)) == (stored, present, [bad])
        assert str(bad) in outcome.failed[bad]
        assert "failure reason" in outcome.failed[bad]
    assert len(found(orthanc, study)) == 1


def test_it_is_reached_from_this_machine_only(orthanc: Orthanc) -> None:
    """The archive of a test takes whatever is sent to it, without asking for a password."""
    process = Path(f"/proc/{orthanc.pid}")
    assert (process / "ns/net").readlink() != Path("/proc/self/ns/net").readlink()
    interfaces = [line.partition(":")[0].strip() for line in (process / "net/dev").read_text().splitlines()[2:]]
    assert interfaces == ["lo"]
    assert urlsplit(orthanc.url).hostname == "127.0.0.1"
