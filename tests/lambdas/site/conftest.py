"""The reader's page in a browser, with an API whose answers a test chooses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lambdas.site.radiographs import answered
from tests.page_server import KEY, PageServer, prediction, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    from tests.browser import chromium

    yield from chromium()


@pytest.fixture
def authentication() -> str:
    """Kind of authentication of the API's clients; a module may have another."""
    return "api_key"


@pytest.fixture
def server(authentication: str) -> Iterator[PageServer]:
    with served(authentication) as state:
        yield state


@pytest.fixture
def complaints() -> list[str]:
    """Violations of the page's policy and errors of its scripts: a test takes out what it expects."""
    return []


@pytest.fixture
def page(browser: Browser, server: PageServer, authentication: str, complaints: list[str]) -> Iterator[Page]:
    """The page as it opens, with the key filled in; complaints fail."""
    from tests.browser import listen

    context = browser.new_context(color_scheme="light", viewport={"width": 1280, "height": 900}, has_touch=True)
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    listen(opened, complaints)
    opened.goto(server.url)
    if authentication == "api_key":
        opened.get_by_label("API key").fill(KEY)
    yield opened
    assert complaints == []
    context.close()


@pytest.fixture
def docs(browser: Browser, server: PageServer, complaints: list[str]) -> Iterator[Page]:
    """/docs at the width of a phone; complaints fail."""
    from tests.browser import listen

    context = browser.new_context(viewport={"width": 360, "height": 740})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    listen(opened, complaints)
    opened.goto(f"{server.url}docs")
    yield opened
    assert complaints == []
    context.close()


@pytest.fixture
def three(server: PageServer, tmp_path: Path) -> list[Path]:
    kinds = {"a.png": 0.045, "b.png": 0.93, "c.png": 0.5}
    return [answered(server, tmp_path / name, n, prediction(p)) for n, (name, p) in enumerate(kinds.items(), start=1)]
