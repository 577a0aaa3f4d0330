"""served.tar.gz: the model archive that is registered, with the weights that EvaluateModel lets serve and no others.

Training leaves model.tar.gz with a second set of weights where the first might not hold (`engine_export`). What is
judged is settled here in the archive itself, so that nothing between registration and an answer has to pass on which
set it is: an endpoint of any kind, a batch transform job, a promoted copy and the next comparison read the archive.
docs/adr/0023 has the alternatives.
"""

from __future__ import annotations

import io
import json
import posixpath
import shutil
import tarfile
from pathlib import Path
from typing import Any

from model_code.contract import job
from model_code.export.artifact import DIRECTORY, FALLBACK, FALLBACK_DIRECTORY

# Beside model.tar.gz and output.tar.gz of the training job, where a warm start and a promotion look for the latter.
FILE = "served.tar.gz"
_TRAINING_OUTPUT = "output.tar.gz"
_METADATA = "metadata.json"
# Weights hardly compress, and the libraries were not meant to be downloaded often.
_COMPRESSION = 6


def fallen_back(metadata: dict[str, Any]) -> dict[str, Any]:
    """The metadata.json of a model that serves with its fallback weights.

    Raises:
        KeyError: it has none.
    """
    return {**{name: value for name, value in metadata.items() if name != FALLBACK}, **metadata[FALLBACK]}


def fall_back(directory: Path) -> None:
    """Replace a model directory's engine by its fallback."""
    shutil.rmtree(directory / DIRECTORY)
    (directory / FALLBACK_DIRECTORY).rename(directory / DIRECTORY)


def write(archive: Path, target: Path, metadata: dict[str, Any]) -> None:
    """Write the archive of the model as it is served.

    Args:
        archive: model.tar.gz, as training left it.
        target: the file to write.
        metadata: metadata.json of the model as it is served: `fallen_back` where the other weights do.
    """
    with tarfile.open(archive, "r:gz") as packed:
        own = json.loads(_content(packed, _metadata_of(packed)))
        if FALLBACK not in own:
            shutil.copyfile(archive, target)
            return
        served = {name: value for name, value in metadata.items() if name != FALLBACK}
        taken, left = DIRECTORY, FALLBACK_DIRECTORY
        if served["engine_weights"] != own["engine_weights"]:
            taken, left = left, taken
        with tarfile.open(target, "w:gz", compresslevel=_COMPRESSION) as written:
            for member in packed:
                name = posixpath.normpath(member.name)
                folder, _, rest = name.partition("/")
                if folder == left:
                    continue
                member.name = "/".join(filter(None, (DIRECTORY, rest))) if folder == taken else name
                if name == _METADATA:
                    content = (json.dumps(served, indent=2) + "\n").encode()
                    member.size = len(content)
                    written.addfile(member, io.BytesIO(content))
                else:
                    written.addfile(member, packed.extractfile(member) if member.isfile() else None)


def keep_training_output() -> None:
    """Copy a training's output.tar.gz, a processing input, to where the model goes that has its weights.

    A warm start, a promotion and the next calibration look for it beside the model.
    """
    source = job.only_file(job.processing_input("training"), "*.tar.gz")
    shutil.copyfile(source, job.processing_output("served") / _TRAINING_OUTPUT)


def _metadata_of(packed: tarfile.TarFile) -> tarfile.TarInfo:
    return next(member for member in packed if posixpath.normpath(member.name) == _METADATA)


def _content(packed: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = packed.extractfile(member)
    return file.read() if file else b""
