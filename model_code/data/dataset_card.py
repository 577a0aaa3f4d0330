"""Dataset card: images, patients, exclusions, splits, leakage audit and shortcut probes of an archive."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from model_code.contract import documents
from model_code.contract.documents import DatasetCard, SplitCounts
from model_code.contract.job import JobError
from model_code.contract.labels import LABELS, SPLITS
from model_code.data import pseudonyms, subgroups
from model_code.data.manifest import Decoded, Facts
from model_code.data.patient_split import Assignment, Radiograph

# A reason that concerns thousands of files (the second copy of Kaggle's double tree) is counted in full, and so many
# of its files are named.
MAX_NAMED_FILES = 200


@dataclasses.dataclass(frozen=True)
class Choices:
    """The parameters of the split, as on the command line."""

    archive_uri: str
    image_size: int
    validation_fraction: float
    seed: int


def dataset_card(
    choices: Choices,
    decoded: Decoded,
    assignment: Assignment,
    *,
    audit: dict[str, Any],
    shortcuts: list[dict[str, Any]],
) -> DatasetCard:
    """Counts, decisions, dropped files with reasons, what kind of files they are, audits, and a hash of the content."""
    found = subgroups.count([image for split in SPLITS for image in assignment.splits[split]], decoded.facts)
    card: DatasetCard = {
        "schema": documents.DATASET_CARD,
        "sha256": content_sha256(assignment.splits),
        "labels": list(LABELS),
        "archive_uri": choices.archive_uri,
        "image_size": choices.image_size,
        "validation_fraction": choices.validation_fraction,
        "seed": choices.seed,
        "splits": {split: counts(assignment.splits[split]) for split in SPLITS},
        "decisions": [*about_files(decoded), *assignment.decisions],
        "dropped": _dropped(decoded, assignment),
        "metadata_files": decoded.header.metadata_files,
        "masks": decoded.header.masks,
        "sources": {label: _source(_facts_of(label, decoded, assignment)) for label in LABELS},
        "shortcuts": shortcuts,
        "audit": audit,
        "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }
    if found:
        card["subgroups"] = found
    return card


def about_files(decoded: Decoded) -> list[str]:
    """Sentences on what a table of labels, the images' sizes and the DICOM files themselves decided."""
    sentences = []
    if folder := decoded.header.folder:
        digest = decoded.header.archive_uri.split("/")[-2]
        sentences.append(f"Images are objects of {folder} by their versions, of the inventory with SHA-256 {digest}.")
    if table := decoded.header.table:
        left = {name.replace("_", " "): len(some) for name, some in decoded.header.mismatched.items()}
        counted = ", ".join(f"{name} {count:,}" for name, count in left.items()) or "nothing is left over"
        sentences.append(f"Labels are those of the table {table}: {counted}.")
    size = decoded.header.image_size
    found = [decoded.facts[radiograph.sha256] for radiograph in decoded.radiographs]
    if enlarged := sum(min(facts.width, facts.height) < size for facts in found):
        sentences.append(f"{enlarged:,} of {len(found):,} images have an edge below ImageSize {size}: it was enlarged.")
    if alone := sum(not pseudonyms.is_named(radiograph.patient, radiograph.path) for radiograph in decoded.radiographs):
        sentences.append(
            f"{alone:,} of {len(found):,} images name no patient, by the file, a folder or the table: each, or each "
            "study of DICOM files, counts as a patient of its own, so one person's may be in two splits."
        )
    # The sentences of a reader name no file, so files of one reason have one.
    for why, count in sorted(Counter(decoded.unsuitable.values()).items()):
        sentences.append(f"DICOM files that are dropped ({count:,}): {why}")
    return sentences


def read_card(directory: Path) -> dict[str, Any]:
    """The dataset card that preprocessing wrote.

    Raises:
        JobError: when the directory has no readable dataset.json.
    """
    path = directory / "dataset.json"
    try:
        return dict(documents.read_dataset_card(json.loads(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError) as error:
        raise JobError(f"The dataset report {path} cannot be read: {error}.") from error


def content_sha256(splits: Mapping[str, Iterable[Radiograph]]) -> str:
    """Hash of split, label and content of every radiograph that is used, in no order, 64 hex digits."""
    lines = [f"{split} {image.label} {image.sha256}\n" for split, images in splits.items() for image in images]
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def counts(images: Sequence[Radiograph]) -> SplitCounts:
    """Numbers of images of one split, by label and kind, and of patients."""
    return {
        "images": len(images),
        "patients": len({image.patient for image in images}),
        "labels": {label: sum(image.label == label for image in images) for label in LABELS},
        "subtypes": dict(sorted(Counter(image.subtype for image in images if image.subtype).items())),
    }


def _dropped(decoded: Decoded, assignment: Assignment) -> list[dict[str, Any]]:
    reasons = dict(sorted(assignment.dropped.items()))
    reasons |= {"outside_label_folders": decoded.header.unlabelled, "not_an_image": decoded.header.not_images}
    reasons |= decoded.header.mismatched
    reasons["undecodable"] = [f"{path}: {why}" for path, why in decoded.undecodable.items()]
    reasons["not_a_frontal_chest_radiograph"] = [f"{path}: {why}" for path, why in decoded.unsuitable.items()]
    return [
        {"reason": reason, "count": len(files), "files": sorted(files)[:MAX_NAMED_FILES]}
        for reason, files in reasons.items()
        if files
    ]


def _facts_of(label: str, decoded: Decoded, assignment: Assignment) -> list[Facts]:
    images = (image for split in SPLITS for image in assignment.splits[split] if image.label == label)
    return [decoded.facts[image.sha256] for image in images]


def _source(facts: Sequence[Facts]) -> dict[str, Any]:
    """Kinds of files of one label's images: differences between the labels are clues that no lung gives."""
    return {
        "images": len(facts),
        "formats": dict(sorted(Counter(image.format for image in facts).items())),
        "modes": dict(sorted(Counter(image.mode for image in facts).items())),
        "with_exif": sum(image.exif for image in facts),
        "width": _range(image.width for image in facts),
        "height": _range(image.height for image in facts),
        "aspect_ratio": _range(round(image.width / image.height, 4) for image in facts),
        "bytes": _range(image.bytes for image in facts),
    }


def _range(values: Iterable[float]) -> dict[str, float]:
    found = list(values)
    return {"min": min(found), "median": statistics.median(found), "max": max(found)}
