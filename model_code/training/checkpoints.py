"""Checkpoints of a training job, from which one that was interrupted resumes.

SageMaker copies `/opt/ml/checkpoints` to S3 while the job runs, and back before it runs again: after a spot
interruption, a failed machine or a retry of the execution.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from model_code.contract.job import JobError

# A checkpoint of a ResNet50V2 that trains as a whole is 375 MB: written after every epoch of a short training it would
# cost more than it saves. Spot capacity is lost with this much work, plus one epoch, at most.
INTERVAL_SECONDS = 60.0


@dataclasses.dataclass
class Progress:
    """State of a training that its rest depends on, besides its settings and its data.

    Attributes:
        phase: index of the phase under way.
        epoch: epochs of it that are done.
        waited: epochs since the best one of it.
        history: one entry per epoch done, in the form of `fit.Epoch`.
        best: validation AUROC and negative validation loss of the best epoch, or None before the first.
        arrays: named groups of arrays: weights, optimizer, seeds, best weights and the best epoch's validation.
    """

    phase: int = 0
    epoch: int = 0
    waited: int = 0
    history: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    best: tuple[float, float] | None = None
    arrays: dict[str, list[Any]] = dataclasses.field(default_factory=dict)


class Checkpoints:
    """Writes and reads the one checkpoint of a job.

    Args:
        fingerprint: settings and data the training depends on. The file is named by it: a checkpoint of another
            training is not read, nor overwritten where the trials of a tuning job share a prefix.
    """

    def __init__(self, directory: Path, fingerprint: dict[str, Any]) -> None:
        digest = hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()
        self._path = directory / f"progress-{digest[:16]}.npz"
        self._written = time.monotonic()

    @property
    def exists(self) -> bool:
        """Whether this training has left one to go on from."""
        return self._path.is_file() and self._path.stat().st_size > 0

    @property
    def due(self) -> bool:
        """Whether the last one is older than `INTERVAL_SECONDS`."""
        return time.monotonic() - self._written >= INTERVAL_SECONDS

    def write(self, progress: Progress) -> None:
        """Replace the checkpoint; whenever the process is killed, the old one or the new one is whole."""
        named = {
            f"{group}/{index}": array for group, arrays in progress.arrays.items() for index, array in enumerate(arrays)
        }
        state = {name: value for name, value in vars(progress).items() if name != "arrays"}
        state["groups"] = {group: len(arrays) for group, arrays in progress.arrays.items()}
        # The suffix keeps it out of the way of a reader, and of SageMaker's copy of a file that is not whole yet.
        partial = self._path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(file, state=np.frombuffer(json.dumps(state).encode(), np.uint8), **named)
        partial.replace(self._path)
        self._written = time.monotonic()

    def finish(self) -> None:
        """Empty the checkpoint: the model is made, and nothing will go on from here.

        Empty files replace the checkpoint, and what was copied of one not yet whole: SageMaker copies what changes. "If
        a checkpoint is deleted in the SageMaker container, it will also be deleted in the S3 folder" ("Checkpoints in
        Amazon SageMaker AI" of the developer guide, read 2026-11-30), but whether it still looks once the container
        has ended is not said there.
        """
        if self.exists:
            for path in (self._path, self._path.with_suffix(".partial")):
                path.write_bytes(b"")

    def read(self) -> Progress | None:
        """The checkpoint, or None where there is none of this training, or an empty one.

        Raises:
            JobError: when the file cannot be read.
        """
        if not self.exists:
            return None
        try:
            with np.load(self._path) as stored:
                state = json.loads(stored["state"].tobytes())
                groups = state.pop("groups")
                arrays = {group: [stored[f"{group}/{n}"] for n in range(count)] for group, count in groups.items()}
        except Exception as error:
            raise JobError(
                f"The checkpoint {self._path.name} cannot be read ({error}); remove it from the execution's "
                "checkpoints prefix to start anew."
            ) from error
        best = state.pop("best")
        return Progress(**state, best=tuple(best) if best else None, arrays=arrays)
