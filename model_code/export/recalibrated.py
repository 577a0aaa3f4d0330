"""A model's archive with another calibration: new metadata.json, the network byte for byte as it was."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

from model_code.export import litert, saved_model
from model_code.export.artifact import DIRECTORY
from model_code.export.saved_model import VERSION_DIRECTORY

# Weights hardly compress.
_COMPRESSION = 6


def write(directory: Path, target: Path, metadata: dict[str, Any]) -> None:
    """Write the archive of a model with another metadata.json, and with the present request handlers.

    An older model, whose calibration was a part of the graph, has handlers that know no bias. What computes stays byte
    for byte, with the libraries in the archive.

    Args:
        directory: the unpacked archive, whose metadata.json and handlers are replaced.
        target: the file to write.
        metadata: metadata.json as it is served from now on.
    """
    saved_model.save_handlers(directory)
    if metadata["engine"] == litert.NAME:
        litert.save_sources(directory / "code")
    (directory / "metadata.json").write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")
    with tarfile.open(target, "w:gz", compresslevel=_COMPRESSION) as packed:
        for path in sorted(directory.iterdir()):
            packed.add(path, path.name)


def weights_sha256(directory: Path) -> str:
    """Digest of a model directory's network, names and content of every file that computes logits, 64 hex digits."""
    digest = hashlib.sha256()
    for folder in (VERSION_DIRECTORY, DIRECTORY):
        for path in sorted(file for file in (directory / folder).rglob("*") if file.is_file()):
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{path.relative_to(directory).as_posix()} {content}\n".encode())
    return digest.hexdigest()
