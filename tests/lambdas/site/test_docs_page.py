"""/docs in a browser: at the width of a phone nothing is wider than the screen, and every line can be tried."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lambdas.site import handler, page


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global Browser, Page, serious
    from playwright.sync_api import Browser, Page

    from tests.browser import serious


DOCUMENT = json.loads((Path(handler.__file__).parent / "openapi.json").read_text(encoding="utf-8"))


@pytest.fixture
def opened(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 360, "height": 740})
    shown = context.new_page()
    shown.set_content(page.render(handler.narrowed(DOCUMENT, "api_key")))
    yield shown
    context.close()


def test_nothing_is_wider_than_a_phone(opened: Page) -> None:
    opened.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert opened.evaluate("document.documentElement.scrollWidth") <= 360


def test_it_has_no_serious_fault_for_who_cannot_see_it(opened: Page) -> None:
    assert serious(opened) == []


@pytest.mark.parametrize("authentication", ["api_key", "jwt", "iam"])
def test_every_operation_has_a_line_to_copy_and_an_example_of_each_answer(authentication: str) -> None:
    shown = page.render(handler.narrowed(DOCUMENT, authentication))
    operations = [one for methods in DOCUMENT["paths"].values() for one in methods.values()]
    closed = sum(one.get("security") != [] for one in operations)
    asked = {"api_key": "x-api-key: $API_KEY", "jwt": "Authorization: Bearer $API_KEY", "iam": "--aws-sigv4"}
    lines = re.findall(r"<pre[^>]*>(curl .*?)</pre>", shown)
    assert len(lines) == len(operations)
    assert sum(asked[authentication] in line for line in lines) == closed
    for one in operations:
        section = shown.partition(f'<section id="{one["operationId"]}">')[2].partition("</section>")[0]
        for status in one["responses"]:
            assert f"<details><summary>{status} " in section, (one["operationId"], status)
