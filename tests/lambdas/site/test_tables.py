"""Tables of the worklist: the one on the page, as it is heard, and those that are kept."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from lambdas.http.problems import Problem
from tests.lambdas.site.radiographs import answered, table
from tests.page_server import PageServer, prediction

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global drop, expect, objections
    from playwright.sync_api import expect

    from tests.browser import drop, objections


@pytest.fixture
def files(server: PageServer, tmp_path: Path) -> list[Path]:
    """Of an answer, under a name that spreadsheets have spoilt, and of a refusal."""
    refused = Problem("not_a_radiograph", 'Unlike a "chest" & <far>.')
    return [
        answered(server, tmp_path / "Müller, 1.png", 1, prediction(0.93)),
        answered(server, tmp_path / "=1+1.png", 2, refused),
    ]


def test_a_spreadsheet_has_numbers_and_letters_in_every_language(page: Page, files: list[Path]) -> None:
    """Of CSV, an Excel in German makes one column, and thousands of a number with a point."""
    drop(page, *files)
    expect(page.locator("#progress")).to_have_text("1 PNEUMONIA, 1 refused")
    with page.expect_download() as download:
        page.get_by_role("button", name="Excel").click()
    assert download.value.suggested_filename == "predictions.xlsx"
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        parts = {name: ET.fromstring(archive.read(name)) for name in archive.namelist()}  # noqa: S314 - ours
    rows = [[*row] for row in parts["xl/worksheets/sheet1.xml"].iter(f"{SHEET}row")]
    header = ["".join(cell.itertext()) for cell in rows[0]]
    cells = {header[ord(cell.get("r", "")[0]) - ord("A")]: cell for cell in rows[1]}
    assert header == list(table(page)[0])
    assert "".join(cells["path"].itertext()) == "Müller, 1.png"
    assert (cells["probability"].get("t"), "".join(cells["probability"].itertext())) == (None, "0.93")
    assert (cells["indeterminate"].get("t"), "".join(cells["indeterminate"].itertext())) == ("b", "0")
    texts = {"".join(cell.itertext()): cell.get("t") for cell in rows[2]}
    assert texts["=1+1.png"] == "inlineStr", "a text, and no formula"
    assert 'Unlike a "chest" & <far>.' in texts


def test_a_name_that_looks_like_a_spreadsheets_own_letter_is_a_name(page: Page) -> None:
    """`_x0041_` is an A in Excel (ECMA-376-1, 22.9.2.19)."""
    content = page.evaluate(
        """async () => {
            const { workbook } = await import("./xlsx.js");
            return [...new Uint8Array(await (await workbook([["scan_x0041_.png", "_x1_ _x00zz_"]])).arrayBuffer())];
        }"""
    )
    with zipfile.ZipFile(io.BytesIO(bytes(content))) as archive:
        sheet = ET.fromstring(archive.read("xl/worksheets/sheet1.xml"))  # noqa: S314 - ours
    assert ["".join(cell.itertext()) for cell in sheet.iter(f"{SHEET}c")] == ["scan_x005F_x0041_.png", "_x1_ _x00zz_"]


def test_comma_separated_values_say_that_they_are_utf_8(page: Page, files: list[Path]) -> None:
    """Excel reads umlauts by the mark only; pandas and other programs take it off, and would not a line `sep=`."""
    drop(page, files[0])
    expect(page.locator("#progress")).to_have_text("1 PNEUMONIA")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    content = Path(download.value.path()).read_bytes()
    assert content.startswith(b"\xef\xbb\xbfpath,probability,")
    assert next(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))["path"] == "Müller, 1.png"


def test_the_open_rows_answer_is_heard_with_what_speaks_against_it(
    page: Page, server: PageServer, tmp_path: Path
) -> None:
    """A person who listens heard how many there are of each answer, and not which this one has."""
    dicom = {"modality": "DX", "rendering": "window", "body_part": "other"}
    paths = [
        answered(server, tmp_path / "one.png", 1, prediction(0.93, dicom=dicom)),
        answered(server, tmp_path / "two.png", 2, prediction(0.05)),
    ]
    drop(page, *paths)
    heard = page.get_by_role("status").filter(has_text="one.png")
    expect(heard).to_contain_text("one.png: PNEUMONIA: probability of pneumonia 0.930. The file says")
    expect(page.locator("#ended")).to_have_text("1 PNEUMONIA, 1 NORMAL")
    page.locator("#stage").press("n")
    expect(page.locator("#heard")).to_have_text("two.png: NORMAL: probability of pneumonia 0.050.")


def test_nothing_is_heard_of_an_answer_that_is_hidden(page: Page, three: list[Path]) -> None:
    page.get_by_label("I read first").check()
    drop(page, *three)
    expect(page.locator("#ended")).to_have_text("3 not read yet")
    expect(page.locator("#heard")).to_have_text("a.png: Say what you read, and the answer is shown.")
    first = page.get_by_role("button", name="a.png", exact=True)
    expect(first).to_have_accessible_description("hidden")


def test_a_name_heads_its_row_and_has_the_answer_with_it(page: Page, files: list[Path]) -> None:
    drop(page, *files)
    expect(page.locator("#progress")).to_have_text("1 PNEUMONIA, 1 refused")
    listing = page.get_by_role("table", name="Worklist")
    expect(listing.get_by_role("rowheader")).to_have_count(2)
    first = page.get_by_role("button", name="Müller, 1.png", exact=True)
    expect(first).to_have_accessible_description("0.930 PNEUMONIA")
    expect(first).to_have_attribute("aria-current", "true")
    other = page.get_by_role("button", name="=1+1.png", exact=True)
    expect(other).to_have_accessible_description(re.compile('^REFUSED The image is not .*Unlike a "chest" & <far>.$'))
    assert objections(page) == []
    other.click()
    expect(first).not_to_have_attribute("aria-current", "true")
