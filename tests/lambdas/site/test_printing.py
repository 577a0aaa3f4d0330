"""A row of the page on paper: the open one, with all that its answer is worth, however printing was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.page_server import PageServer

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global drop, expect
    from playwright.sync_api import expect

    from tests.browser import drop


def printed_as_by_a_browser(page: Page) -> None:
    """Without the dialogue: what a browser does before it, by its own menu or asked by the page."""
    page.evaluate("window.print = () => window.dispatchEvent(new Event('beforeprint'))")


def test_a_row_on_paper(page: Page, server: PageServer, three: list[Path]) -> None:
    """Print of a row: file, answer, limits, both pictures and the notice, and nothing of the page around."""
    printed_as_by_a_browser(page)
    drop(page, three[1])
    expect(page.locator("#reliance")).to_contain_text("another site")
    page.get_by_role("button", name="NORMAL", exact=True).click()
    expect(page.locator("#feedback-status")).to_contain_text("is kept as NORMAL")
    page.get_by_role("button", name="Print").click()
    expect(page.locator("#sheet canvas")).to_have_count(2)
    page.emulate_media(media="print")
    text = page.locator("body").inner_text()

    assert text.startswith("Chest X-ray")
    for part in (
        "b.png",
        "0.930",
        "model version 3",
        "another site",
        "Read as NORMAL.",
        "16 x 16 cells",
        "For research use",
    ):
        assert part in text, part
    assert "Choose files" not in text
    assert "shaded" not in text, "no scale is drawn on paper"
    sizes = page.locator("#sheet canvas").evaluate_all("pictures => pictures.map((picture) => picture.width)")
    assert sizes == [120, 120]


def test_the_browsers_own_printing_is_of_the_open_row_only(page: Page, server: PageServer, three: list[Path]) -> None:
    """By Ctrl+P the row came out that had been printed before, or nothing; and it must not tell a hidden answer."""
    printed_as_by_a_browser(page)
    drop(page, *three[:2])
    expect(page.locator("#progress")).to_have_text("1 PNEUMONIA, 1 NORMAL")
    page.get_by_role("button", name="Print").click()
    expect(page.locator("#sheet h2")).to_contain_text("0.045")
    page.get_by_role("button", name="b.png", exact=True).click()
    page.evaluate("window.print()")
    expect(page.locator("#sheet h2")).to_contain_text("0.930")
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    expect(page.locator("#sheet")).to_be_empty()

    page.get_by_label("I read first").check()
    drop(page, three[2])
    expect(page.locator("#progress")).to_contain_text("1 not read yet")
    page.evaluate("window.print()")
    expect(page.locator("#sheet")).to_contain_text("say first what you read")
    assert "0.500" not in str(page.locator("#sheet").text_content())
