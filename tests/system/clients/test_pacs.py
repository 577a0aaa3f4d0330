"""docs/pacs.md, run: from Orthanc's auto-routing to a result beside the radiograph, with the deployed model."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image

from tests.dicom_results.radiographs import radiograph
from tests.ops.pacs.orthanc import Orthanc, skip_without_orthanc
from tests.system.clients.clients_page import Example, fenced
from tests.system.deployed import Stack, eventually

pytestmark = [pytest.mark.system, pytest.mark.slow]

PAGE = Path(__file__).resolve().parents[3] / "docs" / "pacs.md"
SPOOL, ARCHIVE = "/var/spool/cxr", "https://pacs.example.org/dicom-web"
BLOCKS = {f"{one.heading}: {one.language}": one for one in fenced(PAGE)}


def test_the_page_has_these_blocks_and_no_other() -> None:
    """A block that is added has to be run here."""
    assert set(BLOCKS) == {
        "One file: console",
        "Orthanc, automatically: lua",
        "Orthanc, automatically: bash",
        "Orthanc, automatically: console",
        "From the API, without `cxr`: console",
    }


class Site:
    """A hospital's machine: a folder, and an archive that routes radiographs into it by the page's script."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack, self.folder = stack, folder
        for name in ("incoming", "predicted", "failed", "results"):
            (folder / name).mkdir()
        script = folder / "cxr.lua"
        script.write_text(self.here(BLOCKS["Orthanc, automatically: lua"].text))
        self.orthanc = Orthanc(folder / "orthanc", {"LuaScripts": [str(script)]})

    def here(self, text: str) -> str:
        return text.replace(SPOOL, str(self.folder))

    def shell(self, script: str, **variables: str) -> str:
        """Output of a script, both streams in order."""
        environment = {**self.stack.laptop.command_environment(), "PACS": self.orthanc.dicomweb, **variables}
        done = subprocess.run(
            ["bash", "-c", self.here(script)],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout.replace(self.orthanc.dicomweb, ARCHIVE)

    def transcript(self, block: Example, **variables: str) -> str:
        """The block again, with what its commands say here."""
        said = []
        for command in re.findall(r"^\$ (.+\n(?:(?:import|for| ).*\n)*)", block.text, re.MULTILINE):
            said.append(f"$ {command}{self.shell(command, **variables)}")
        return "".join(said)


@pytest.fixture
def site(stack: Stack, released: str, tmp_path: Path) -> Iterator[Site]:
    skip_without_orthanc()
    made = Site(stack, tmp_path)
    yield made
    made.orthanc.stop()


@pytest.fixture
def levels(examples: dict[str, Path]) -> np.ndarray:
    """Stored values of 12 bits of a drawn radiograph with pneumonia."""
    with Image.open(examples["PNEUMONIA"]) as image:
        return np.rint(np.asarray(image.convert("L"), np.float64) / 255 * 4095)


def masked(text: str) -> str:
    """Without what differs between two models: figures, and so the label, and its number."""
    label = re.compile(r"(NORMAL|PNEUMONIA|INDETERMINATE) *")
    figures = re.sub(r"\d\.\d{3}|(?<=version )\d+", "#", text)
    return label.sub("LABEL ", figures)


def test_one_file(site: Site, levels: np.ndarray) -> None:
    (site.folder / "study.dcm").write_bytes(
        radiograph(levels, StudyInstanceUID="2.25.1001", SOPInstanceUID="2.25.1003")
    )
    block = BLOCKS["One file: console"]
    assert masked(site.transcript(block)) == masked(block.text)


def test_from_the_api_into_the_archive_without_a_command_of_ours(site: Site, levels: np.ndarray) -> None:
    study = "2.25.3001"
    (site.folder / "study.dcm").write_bytes(radiograph(levels, StudyInstanceUID=study, SOPInstanceUID="2.25.3003"))
    block = BLOCKS["From the API, without `cxr`: console"]
    said = site.transcript(block, API_URL=site.stack.url.rstrip("/"), API_KEY=site.stack.key)
    assert said == block.text
    found = requests.get(f"{site.orthanc.dicomweb}/studies/{study}/instances", timeout=30).json()
    assert sorted(one["00080060"]["Value"][0] for one in found) == ["OT", "SR"]


def test_from_the_archive_into_the_archive(site: Site, levels: np.ndarray) -> None:
    study = "2.25.2001"
    image = radiograph(levels, StudyInstanceUID=study, SOPInstanceUID="2.25.2003")
    requests.post(f"{site.orthanc.url}/instances", data=image, timeout=30).raise_for_status()
    eventually(lambda: list((site.folder / "incoming").glob("*.dcm")), within=10, what="Orthanc's routing")

    said = site.shell(BLOCKS["Orthanc, automatically: bash"].text)
    assert f"{ARCHIVE}: 2 stored." in said
    assert not list((site.folder / "incoming").glob("*.dcm")), "no result was routed as a radiograph"
    assert not list((site.folder / "results").iterdir())
    assert [path.read_bytes() for path in (site.folder / "predicted").iterdir()] == [image]

    block = BLOCKS["Orthanc, automatically: console"]
    assert site.transcript(block, STUDY=study) == block.text
