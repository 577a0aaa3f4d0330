"""A damaged archive is never taken for a whole one, wherever the damage is."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from model_code.export.unpacking import UnpackError, unpack

WEIGHTS = np.random.default_rng(3).bytes(200_000)


@pytest.fixture
def packed(tmp_path: Path) -> bytes:
    """An archive as training packs it: weights, which hardly compress."""
    path = tmp_path / "model.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        member = tarfile.TarInfo("1/variables")
        member.size = len(WEIGHTS)
        archive.addfile(member, io.BytesIO(WEIGHTS))
    return path.read_bytes()


def test_a_whole_archive_is_unpacked_from_a_path_and_from_an_open_file(packed: bytes, tmp_path: Path) -> None:
    unpack(tmp_path / "model.tar.gz", tmp_path / "a")
    unpack(io.BytesIO(packed), tmp_path / "b")
    for directory in ("a", "b"):
        assert (tmp_path / directory / "1" / "variables").read_bytes() == WEIGHTS


@pytest.mark.parametrize("place", [0, 5_000, 100_000, -4])
def test_one_flipped_bit_is_found(packed: bytes, tmp_path: Path, place: int) -> None:
    """`tarfile` itself unpacks three of these without a word: weights lie in stored blocks, which carry no code."""
    content = bytearray(packed)
    content[place] ^= 1
    with pytest.raises(UnpackError):
        unpack(io.BytesIO(content), tmp_path / "unpacked")


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.999])
def test_an_archive_that_was_cut_off_is_found(packed: bytes, tmp_path: Path, kept: float) -> None:
    length = int(kept * len(packed)) if kept < 1 else int(kept)
    with pytest.raises(UnpackError):
        unpack(io.BytesIO(packed[:length]), tmp_path / "unpacked")


def test_no_name_leads_outside(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../outside"), io.BytesIO())
    buffer.seek(0)
    with pytest.raises(UnpackError):
        unpack(buffer, tmp_path / "unpacked")
    assert not (tmp_path / "outside").exists()
