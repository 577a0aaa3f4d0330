"""Pages that are reckoned from measured figures say what their modules reckon, of figures that the benchmarks have."""

from __future__ import annotations

import re

import pytest

from ops.base.tools import REPOSITORY
from ops.cost import capacity, capacity_facts, scale, scale_facts
from ops.cost.generated import Page
from ops.cost.scale_facts import SPLIT, Measured

BENCHMARKS = "".join(
    page.read_text(encoding="utf-8") for page in sorted((REPOSITORY / "docs" / "benchmarks").glob("*.md"))
)
MEASURED = [
    *(one for facts in (scale_facts, capacity_facts) for one in vars(facts).values() if isinstance(one, Measured)),
    *(one for _, one, _ in SPLIT),
]


@pytest.mark.parametrize("page", [scale.PAGE, capacity.PAGE], ids=lambda one: one.name)
def test_the_page_says_what_the_module_reckons(page: Page) -> None:
    text = page.path.read_text(encoding="utf-8")
    assert page.filled(text) == text, f"run `{page.command}`"


@pytest.mark.parametrize("measured", MEASURED, ids=lambda one: f"{one.section}: {one.value:g}")
def test_each_figure_stands_in_the_benchmarks(measured: Measured) -> None:
    """A benchmark that is run again changes both, or this fails."""
    _, found, section = BENCHMARKS.partition(f"\n## {measured.section}\n")
    assert found
    assert measured.words in re.split(r"\n##? ", section)[0]
    assert measured.value in {float(one.replace(",", "")) for one in re.findall(r"\d[\d,]*(?:\.\d+)?", measured.words)}


@pytest.mark.parametrize(
    ("page", "refused"),
    [
        (scale.PAGE, r"docs/scale\.md has no place for a table between <!-- decoding"),
        (capacity.PAGE, r"docs/capacity\.md has no place for a table between <!-- rates"),
    ],
    ids=lambda one: getattr(one, "name", ""),
)
def test_a_page_without_a_place_for_a_table_is_refused(page: Page, refused: str) -> None:
    with pytest.raises(ValueError, match=refused):
        page.filled("# Nothing\n")
