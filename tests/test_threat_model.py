"""Each test that the threat model names is there: a promise without its test is only a sentence."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = (REPOSITORY / "docs" / "threat_model.md").read_text(encoding="utf-8")


def test_every_test_that_is_named_is_one() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    there = {
        name
        for path in (REPOSITORY / "tests").rglob("test_*.py")
        for name in re.findall(r"^ *(?:async )?def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert named
    assert named <= there, sorted(named - there)


def test_every_threat_has_a_test() -> None:
    rows = PAGE[PAGE.index("| who |") :].split("\n\n")[0].splitlines()[2:]
    assert len(rows) > 15
    assert [row for row in rows if "`test_" not in row] == []
