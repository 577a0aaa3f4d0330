"""What all tests share: where the real radiographs are, and which tests run side by side."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
# Real radiographs are never part of the repository (their licence asks for attribution, their size for patience).
RADIOGRAPHS = Path(os.environ.get("CXR_RADIOGRAPHS", REPOSITORY.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def radiographs() -> Path:
    """The folder with `chest_xray/`, `chest_xray_original/` and `manifest.csv`; skips where it is absent."""
    if not (RADIOGRAPHS / "manifest.csv").is_file():
        pytest.skip(f"no real radiographs at {RADIOGRAPHS}: name their folder in CXR_RADIOGRAPHS")
    return RADIOGRAPHS


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a folder's tests on one worker, in order: they share slow fixtures. The longest folder begins."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(item.path.relative_to(Path(__file__).parent).parts[0]))
    items.sort(key=lambda item: "system" not in item.path.parts)
