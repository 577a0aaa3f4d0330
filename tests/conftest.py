"""Where the real radiographs are, for the tests that use them."""

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
