"""Small files to put on the page's worklist."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tests.page_server import PageServer

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route


def grey(path: Path, level: int, size: tuple[int, int] = (120, 100)) -> Path:
    """A PNG file whose left half has this grey level and whose right half is 100 brighter."""
    levels = np.full((size[1], size[0]), level, np.uint8)
    levels[:, size[0] // 2 :] = level + 100
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
    return path


def answered(server: PageServer, path: Path, number: int, *answers: object) -> Path:
    """A file of its own bytes with the answers that the API gives, one after the other."""
    grey(path, number)
    server.answers[path.read_bytes()] = list(answers)  # type: ignore[arg-type]
    return path


def table(page: Page) -> list[dict[str, str]]:
    """The rows of the table that the page gives to be kept."""
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    return list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8-sig"))))


def hold(page: Page, pattern: str, held: list[Route], *, times: int | None = None) -> None:
    """Let no request to these addresses, or not the first ones, go on before the test does."""

    def keep(route: Route) -> None:
        held.append(route)

    page.route(pattern, keep, times=times)


def until_held(page: Page, held: list[Route], count: int) -> None:
    while len(held) < count:
        page.wait_for_timeout(20)
