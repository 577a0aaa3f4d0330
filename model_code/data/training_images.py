"""What a model has seen, told without a picture: fingerprints of its dataset's images, beside the dataset card.

Somebody else's archive is compared with them before it counts as an evaluation on other patients. A line for each image
of any split: the SHA-256 of its file, its perceptual hash and thumbnail (`imaging.perceptual_hash`), and its patient
where that is a keyed hash, which means the same person in every archive of a deployment (docs/adr/0036). Names that
files are called by mean nothing in another archive, so they are not kept.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from model_code.contract.job import JobError
from model_code.data import pseudonyms
from model_code.data.leakage import near_duplicates
from model_code.data.manifest import Facts
from model_code.data.patient_split import Radiograph

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


def write(directory: Path, images: Iterable[Radiograph], facts: Mapping[str, Facts]) -> None:
    """Write the fingerprints, the same bytes for the same images.

    Args:
        directory: where the dataset card is.
        images: of all splits.
        facts: by SHA-256.
    """
    with (directory / FILE).open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
        for one in sorted(images, key=lambda one: one.sha256):
            known = facts[one.sha256]
            patient = one.patient if pseudonyms.is_keyed(one.patient) else ""
            line = {"sha256": one.sha256, "hash": known.hash, "thumbnail": known.thumbnail, "patient": patient}
            packed.write((json.dumps(line) + "\n").encode())


def overlap(images: list[Radiograph], facts: Mapping[str, Facts], directory: Path) -> Overlap | None:
    """Which of an archive's images a model has seen; None where its dataset left no fingerprints.

    Args:
        images: of different content.
        facts: by SHA-256.
        directory: where the dataset card of the model is.

    Raises:
        JobError: the file is damaged.
    """
    if not (directory / FILE).is_file():
        return None
    try:
        with gzip.open(directory / FILE, "rt", encoding="utf-8") as file:
            seen = {line["sha256"]: line for line in map(json.loads, file)}
        named = {line["patient"] for line in seen.values()} - {""}
        fingerprints = {sha256: (line["hash"], line["thumbnail"]) for sha256, line in seen.items()}
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"The fingerprints of the model's dataset, {FILE}, cannot be read: {error}.") from error
    contents = [one for one in images if one.sha256 in seen]
    copies = _copies([one for one in images if one.sha256 not in seen], facts, fingerprints)
    known = {one.sha256 for one in [*contents, *copies]}
    patients = [one for one in images if one.sha256 not in known and one.patient in named]
    return Overlap(contents, copies, patients)


def _copies(
    images: list[Radiograph], facts: Mapping[str, Facts], seen: Mapping[str, tuple[str, str]]
) -> list[Radiograph]:
    theirs = [Radiograph(sha256, "", None, "", "", sha256, -1) for sha256 in seen]
    nothing = Facts(0, 0, 0, "", "", False, (), "", "")
    known = {sha256: dataclasses.replace(nothing, hash=one, thumbnail=other) for sha256, (one, other) in seen.items()}
    pairs = near_duplicates([*images, *theirs], {**facts, **known})
    found = {pair.first.sha256 for pair in pairs if pair.second.sha256 in seen and pair.first.sha256 not in seen}
    return [one for one in images if one.sha256 in found]
