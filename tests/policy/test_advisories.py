"""An audit that could not ask is no clean one, and what was accepted is asked for again."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from policy import advisories
from policy.advisories import Accepted, AdvisoriesError, accepted, audit

TODAY = date(2026, 11, 28)
CLEAN = subprocess.CompletedProcess[str]((), 0, "No known vulnerabilities found", "")


class Programs:
    """pip-audit and npm: clean, but for what a lock file's name is given for."""

    def __init__(self, **said: str) -> None:
        self.asked: list[Sequence[str]] = []
        self._said = {name.replace("_", "-"): text for name, text in said.items()}

    def __call__(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        self.asked.append(command)
        for name, text in self._said.items():
            if any(f"/{name}.txt" in part or part == name for part in command):
                return subprocess.CompletedProcess(command, 1, "", text)
        return CLEAN


def test_every_lock_file_is_asked_about() -> None:
    """A new one that nobody asks about would be taken for clean."""
    programs = Programs()
    assert audit(programs, [], TODAY) == []
    asked = {Path(part).name for command in programs.asked for part in command if part.endswith(".txt")}
    assert asked == {path.name for path in advisories.LOCKS.glob("*.txt")}
    assert ["npm", "audit", "--package-lock-only"] in programs.asked
    assert all("--strict" in command for command in programs.asked if "pip_audit" in command)


@pytest.mark.parametrize(
    "said",
    [
        "ERROR:pip_audit._cli:urllib3: Dependency not found on PyPI and could not be audited: urllib3 (1.24.1)",
        "requests.exceptions.ConnectionError: Max retries exceeded with url: /v1/query",
        "npm error audit endpoint returned an error",
    ],
)
def test_what_could_not_be_asked_is_said_and_fails(said: str) -> None:
    (problem,) = audit(Programs(laptop=said), [], TODAY)
    assert problem == "requirements/laptop.txt was not audited: the advisory service could not be asked from here"


def test_a_vulnerability_is_reported_with_its_lock_file() -> None:
    (problem,) = audit(Programs(dicom="Found 1 known vulnerability pillow 9.0 PYSEC-2022-10 9.0.1"), [], TODAY)
    assert problem.startswith("requirements/dicom.txt: Found 1 known vulnerability pillow")


def test_an_accepted_one_is_left_out_until_its_day_and_asked_for_again_after_it() -> None:
    known = [Accepted("GHSA-1", "not started", date(2027, 1, 1)), Accepted("GHSA-2", "waits", date(2026, 11, 27))]
    programs = Programs()
    (problem,) = audit(programs, known, TODAY)
    assert problem == "GHSA-2 was accepted until 2026-11-27: look at it again (waits)"
    assert all(("GHSA-1" in command, "GHSA-2" in command) == (True, False) for command in programs.asked[:-1])


def test_an_entry_without_a_reason_or_a_day_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "accepted.toml"
    path.write_text('[[advisory]]\nid = "GHSA-1"\nuntil = 2027-01-31\n', encoding="utf-8")
    with pytest.raises(AdvisoriesError, match="entry 1: it needs an id, a reason and a date"):
        accepted(path)


def test_what_is_accepted_now_can_be_read() -> None:
    assert all(one.id for one in accepted())
