"""Unpacking of a model's archives, model.tar.gz and output.tar.gz, to the checksum at their end."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from pathlib import Path
from typing import IO

_CHUNK = 1024 * 1024


class UnpackError(Exception):
    """The archive is damaged, or its files cannot be written; `str()` says why, without a full stop."""


def unpack(archive: Path | IO[bytes], directory: Path) -> None:
    """Unpack a gzip-compressed tar archive.

    `tarfile` reads no further than the mark of the archive's end. The checksum over all content comes after that
    (RFC 1952, 2.3.1), and only who reads it knows of flipped bits in the weights.

    Args:
        archive: path of the file, or the file opened to be read.
        directory: folder that its files are written into; no name in it leads outside.

    Raises:
        UnpackError: it cannot be unpacked, or not to its end.
    """
    try:
        with gzip.open(archive) as content:
            with tarfile.open(fileobj=content, mode="r|") as packed:
                packed.extractall(directory, filter="data")
            while content.read(_CHUNK):
                continue
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise UnpackError(str(error).rstrip(".")) from error
