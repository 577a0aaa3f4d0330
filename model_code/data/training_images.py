"""Fingerprints of the images a model was trained on, without a picture, beside the dataset card.

Somebody else's archive is compared with them before it counts as an evaluation on other patients. A line for each image
of any split: the SHA-256 of its file, its perceptual hash and thumbnail (`imaging.perceptual_hash`), and its patient
where that is a keyed hash, which means the same person in every archive of a deployment (docs/adr/0036). Names that
files are called by mean nothing in another archive, so they are not kept.
"""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from model_code.contract.job import JobError
from model_code.data import pseudonyms
from model_code.data.leakage import near_duplicates_of
from model_code.data.patient_split import Radiograph
from model_code.imaging.perceptual_hash import Fingerprint, Fingerprints

FILE = "training_images.jsonl.gz"


@dataclasses.dataclass(frozen=True)
class Overlap:
    """Images of another archive that a model has seen, each in the first list that it belongs to.

    Attributes:
        contents: the very same files.
        copies: the same radiograph in other bytes.
        patients: another radiograph of a patient of the model's dataset.
    """

    contents: list[Radiograph]
    copies: list[Radiograph]
    patients: list[Radiograph]

    @property
    def images(self) -> list[Radiograph]:
        """All of them."""
        return [*self.contents, *self.copies, *self.patients]


@dataclasses.dataclass(frozen=True)
class _Seen:
    """The file's lines: (n,) digests and fingerprints, and the patients among them that are keyed hashes."""

    digests: list[str]
    fingerprints: Fingerprints
    patients: set[str]


def write(directory: Path, images: Iterable[Radiograph], fingerprints: Fingerprints) -> None:
    """Write the fingerprints, the same bytes for the same images.

    Args:
        directory: where the dataset card is.
        images: of all splits.
        fingerprints: by the images' position.
    """
    _write(directory, _lines(images, fingerprints))


def extend(known: Path, directory: Path, images: Iterable[Radiograph], fingerprints: Fingerprints) -> None:
    """Write the fingerprints of a model's dataset together with those of more images that shaped it.

    Args:
        known: where the fingerprints of its dataset are.
        directory: where all of them go.
        images: of other content.
        fingerprints: by these images' position.
    """
    with gzip.open(known / FILE, "rt", encoding="utf-8") as file:
        _write(directory, [*file, *_lines(images, fingerprints)])


def _lines(images: Iterable[Radiograph], fingerprints: Fingerprints) -> Iterator[str]:
    for image in sorted(images, key=lambda image: image.sha256):
        line = {
            "sha256": image.sha256,
            "hash": fingerprints.hashes[image.position].tobytes().hex(),
            "thumbnail": base64.b64encode(fingerprints.thumbnails[image.position].tobytes()).decode("ascii"),
            "patient": image.patient if pseudonyms.is_keyed(image.patient) else "",
        }
        yield json.dumps(line) + "\n"


def _write(directory: Path, lines: Iterable[str]) -> None:
    with (directory / FILE).open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
        packed.writelines(line.encode() for line in lines)


def overlap(images: list[Radiograph], fingerprints: Fingerprints, directory: Path) -> Overlap | None:
    """Images of an archive that a model has seen; None where its dataset left no fingerprints.

    Args:
        images: of different content.
        fingerprints: by the images' position.
        directory: where the dataset card of the model is.

    Raises:
        JobError: the file is damaged.
    """
    if not (directory / FILE).is_file():
        return None
    try:
        seen = _read(directory / FILE)
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"The fingerprints of the model's dataset, {FILE}, cannot be read: {error}.") from error
    digests = set(seen.digests)
    contents = [image for image in images if image.sha256 in digests]
    copies = _copies([image for image in images if image.sha256 not in digests], fingerprints, seen)
    known = {image.sha256 for image in [*contents, *copies]}
    # Whose radiograph comes back is a patient of the model's dataset, whatever the archives call him.
    people = seen.patients | {image.patient for image in [*contents, *copies]}
    patients = [image for image in images if image.sha256 not in known and image.patient in people]
    return Overlap(contents, copies, patients)


def _read(path: Path) -> _Seen:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        lines = list(map(json.loads, file))
    fingerprints = Fingerprints.room(len(lines))
    for index, line in enumerate(lines):
        fingerprints.put(index, Fingerprint(line["hash"], line["thumbnail"]))
    return _Seen([line["sha256"] for line in lines], fingerprints, {line["patient"] for line in lines} - {""})


def _copies(images: list[Radiograph], fingerprints: Fingerprints, seen: _Seen) -> list[Radiograph]:
    if not images or not seen.digests:
        return []
    begin = len(fingerprints)
    theirs = [Radiograph("", "", None, "", "", digest, begin + index) for index, digest in enumerate(seen.digests)]
    together = Fingerprints(
        np.concatenate([fingerprints.hashes, seen.fingerprints.hashes]),
        np.concatenate([fingerprints.thumbnails, seen.fingerprints.thumbnails]),
    )
    found = {pair.first.sha256 for pair in near_duplicates_of([images, theirs], together)}
    return [image for image in images if image.sha256 in found]
