"""A directory and its prefix: only what changed is uploaded, and a file that disappears is no error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from local.core import transfer
from local.core.transfer import TransferError
from local.jobs.sync import Sync


class Uploads:
    """Notes what is uploaded instead of uploading it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[tuple[str, str]] = []
        monkeypatch.setattr(transfer, "upload", self.upload)

    def upload(self, s3: Any, source: Path, uri: str) -> None:
        self.seen.append((uri, source.read_text()))


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> Uploads:
    return Uploads(monkeypatch)


def test_what_was_there_before_counts_as_uploaded(tmp_path: Path, uploads: Uploads) -> None:
    (tmp_path / "old").write_text("1")
    sync = Sync(tmp_path, "s3://data/c/", lambda: None)
    sync.look()
    assert uploads.seen == []
    (tmp_path / "old").write_text("22")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "new").write_text("3")
    sync.look()
    sync.look()
    assert uploads.seen == [("s3://data/c/deep/new", "3"), ("s3://data/c/old", "22")]


def test_a_file_replaced_by_one_of_the_same_size_is_uploaded(tmp_path: Path, uploads: Uploads) -> None:
    sync = Sync(tmp_path, "s3://data/c", lambda: None)
    for content in ("1", "2"):
        (tmp_path / "half").write_text(content)
        (tmp_path / "half").rename(tmp_path / "whole")
        sync.look()
    assert uploads.seen == [("s3://data/c/whole", "1"), ("s3://data/c/whole", "2")]


def test_a_file_that_disappears_meanwhile_is_no_error_and_one_that_stays_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = True

    def refuse(s3: Any, source: Path, uri: str) -> None:
        if not keep:
            source.unlink()
        raise TransferError("denied")

    monkeypatch.setattr(transfer, "upload", refuse)
    sync = Sync(tmp_path, "s3://data/c", lambda: None)
    (tmp_path / "a").write_text("a")
    with pytest.raises(TransferError, match="denied"):
        sync.look()
    keep = False
    sync.look()
