"""Digest of a model's files as they are served, whichever archive they were packed into.

A container sees the files that were unpacked, never the archive, so it cannot tell the archive's SHA-256. What it can
tell is a digest of the files' names and contents: in-toto's `dirHash`, which is the SHA-256 of lines
`<SHA-256 of a file>  <path>`, sorted by path (https://github.com/in-toto/attestation/blob/main/spec/v1/digest_set.md
and Hash1 of https://pkg.go.dev/golang.org/x/mod/sumdb/dirhash, read 2026-11).
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

# Python writes byte-code beside the modules that it imports, once they are unpacked.
_BYTE_CODE = "__pycache__"


def path_of(name: str) -> str | None:
    """Path of a regular file as the digest has it; None for byte-code, which no digest covers.

    Args:
        name: relative path in the archive, perhaps with `./` before it, or in the directory.
    """
    path = posixpath.normpath(name)
    return None if _BYTE_CODE in PurePosixPath(path).parts else path


def digest(files: Mapping[str, str]) -> str:
    """The `dirHash` of files, 64 hex digits.

    Args:
        files: SHA-256 of each file as hex digits, by its path (`path_of`).

    Raises:
        ValueError: a path has a line break, which would make two sets of files look the same.
    """
    if broken := next((path for path in files if "\n" in path), None):
        raise ValueError(f"The file name {broken!r} has a line break.")
    # Go compares strings by their bytes in UTF-8; code points have the same order.
    lines = "".join(f"{files[path]}  {path}\n" for path in sorted(files))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def digest_of_directory(directory: Path) -> str:
    """The `dirHash` of all regular files below a directory, 64 hex digits. Links are not followed.

    Raises:
        ValueError: as `digest`.
        OSError: a file cannot be read.
    """
    files = {}
    for found in directory.rglob("*"):
        if found.is_symlink() or not found.is_file():
            continue
        path = path_of(found.relative_to(directory).as_posix())
        if path is not None:
            with found.open("rb") as stream:
                files[path] = hashlib.file_digest(stream, "sha256").hexdigest()
    return digest(files)
