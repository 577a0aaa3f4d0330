"""Entries of archives as programs of other machines write them."""

from __future__ import annotations

import zipfile


class Unmarked(zipfile.ZipInfo):
    """An entry whose name is in a code page that nothing in the archive names."""

    def __init__(self, name: str, encoding: str) -> None:
        super().__init__(name)
        self.encoding = encoding

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - its name in `zipfile`
        return self.filename.encode(self.encoding), 0
