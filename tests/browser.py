"""Debian's Chromium, driven by Playwright, for tests of the page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

# Chromium as root has no sandbox, and without the rest it asks the network for things nobody needs here.
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> Iterator[Browser]:
    """The browser, ended afterwards; what asks for it is skipped where there is none."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("no chromium on this machine: install the Debian package of that name")
    with sync_playwright() as playwright:
        # What is expected takes milliseconds; a machine whose processors are all busy takes some times as long.
        expect.set_options(timeout=30_000)
        launched = playwright.chromium.launch(executable_path=executable, args=_FLAGS)
        yield launched
        launched.close()


def listen(page: Page, complaints: list[str]) -> None:
    """Collect what the page's policy forbids or a script breaks; a refused request is the API's answer."""
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda line: (
            complaints.append(line.text)
            if line.type == "error" and "Failed to load resource" not in line.text
            else None
        ),
    )


def drop(page: Page, *files: Path, onto: str = "#drop") -> None:
    """Drop files on an element, as a file manager would."""
    names, contents = [file.name for file in files], [list(file.read_bytes()) for file in files]
    transfer = page.evaluate_handle(
        """([names, contents]) => {
            const transfer = new DataTransfer();
            names.forEach((name, number) => transfer.items.add(new File([new Uint8Array(contents[number])], name)));
            return transfer;
        }""",
        [names, contents],
    )
    page.dispatch_event(onto, "drop", {"dataTransfer": transfer, "cancelable": True, "bubbles": True})


def serious(page: Page) -> list[str]:
    """Findings of the axe rules that keep people out."""
    return objections(page, "serious", "critical")


def objections(page: Page, *impacts: str) -> list[str]:
    """Findings of axe of these impacts; of any where none is named."""
    return [
        f"{finding['id']}: {finding['nodes'][0]['html']}"
        for finding in Axe().run(page).response["violations"]
        if not impacts or finding["impact"] in impacts
    ]
