"""Usable images of a site's archive: each radiograph once, of patients that the model has not seen.

Whatever split their folders say: a site's archive is not there to train on.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from model_code.contract.job import JobError
from model_code.data import training_images
from model_code.data.dataset_card import MAX_NAMED_FILES
from model_code.data.decoded_checks import refuse_one_patient, refuse_unreadable
from model_code.data.leakage import near_duplicates
from model_code.data.manifest import Decoded
from model_code.data.patient_split import NearDuplicate, Radiograph, connected, deduplicate
from model_code.data.tfrecords import copy, shard_count
from model_code.data.training_images import Overlap

MAX_KNOWN_SHARE = 0.05
"""Largest share of an archive's images that the model may have seen: above it, figures are not about other patients."""


@dataclasses.dataclass(frozen=True)
class SiteImages:
    """Usable images of a site's archive.

    Attributes:
        images: one of each radiograph, of patients whom the model has not seen.
        overlap: those that it has; None where its dataset left no fingerprints.
        dropped: what is left out, by reason: how many files, and the names of some.
    """

    images: list[Radiograph]
    overlap: Overlap | None
    dropped: list[dict[str, Any]]


def usable(decoded: Decoded, report: Path) -> SiteImages:
    """Leave out copies, and what the model has seen.

    Args:
        decoded: the archive.
        report: where the dataset card of the model is, and the fingerprints of its images where there are any.

    Raises:
        JobError: the archive is damaged, says that most of its images are of one patient, or is of images that the
            model has seen.
    """
    refuse_unreadable(decoded)
    refuse_one_patient(decoded)
    unique, dropped = deduplicate(decoded.radiographs)
    unique = _one_of_each(unique, near_duplicates(unique, decoded.fingerprints), dropped)
    overlap = training_images.overlap(unique, decoded.fingerprints, report)
    images = _other_patients(unique, overlap)
    reasons = dropped | {
        "undecodable": [f"{path}: {why}" for path, why in decoded.undecodable.items()],
        "not_a_frontal_chest_radiograph": [f"{path}: {why}" for path, why in decoded.unsuitable.items()],
        "seen_by_the_model": [image.path for image in overlap.images] if overlap else [],
    }
    named = [
        {"reason": reason, "count": len(files), "files": sorted(files)[:MAX_NAMED_FILES]}
        for reason, files in sorted(reasons.items())
        if files
    ]
    return SiteImages(images, overlap, named)


def write_shards(directory: Path, images: list[Radiograph], decoded: Decoded) -> Path:
    """Shards of some of an archive's images in a new folder, which they are named after."""
    directory.mkdir()
    records = [decoded.records[image.position] for image in images]
    copy(records, directory, directory.name, shard_count(len(images), decoded.header.image_size))
    return directory


def _one_of_each(
    images: list[Radiograph], pairs: list[NearDuplicate], dropped: dict[str, list[str]]
) -> list[Radiograph]:
    """Near-duplicates reduced to one image each, and to none where they have both labels.

    Counted as several patients, copies would make intervals narrower than they are.

    Args:
        images: of different content.
        pairs: near-duplicates among them.
        dropped: paths by reason, which is added to.
    """
    first = connected((image.path for image in images), ((pair.first.path, pair.second.path) for pair in pairs))
    labels: dict[str, set[str]] = {}
    for image in images:
        labels.setdefault(first[image.path], set()).add(image.label)
    kept = []
    for image in images:
        if len(labels[first[image.path]]) > 1:
            dropped.setdefault("conflicting_labels", []).append(image.path)
        elif image.path != first[image.path]:
            dropped.setdefault("near_duplicate", []).append(image.path)
        else:
            kept.append(image)
    return kept


def _other_patients(unique: list[Radiograph], overlap: Overlap | None) -> list[Radiograph]:
    """The images that the model has not seen.

    Raises:
        JobError: it has seen too many of them.
    """
    if overlap is None:
        print("The model's dataset left no fingerprints: whether it has seen these images is not known.", flush=True)
        return unique
    seen = {image.sha256 for image in overlap.images}
    if len(seen) > MAX_KNOWN_SHARE * len(unique):
        raise JobError(
            f"{len(seen)} of {len(unique)} images, or their patients, are in the dataset that the model was made with "
            f"({len(overlap.contents)} the same files, {len(overlap.copies)} copies in other bytes, "
            f"{len(overlap.patients)} of the same patients; for example {overlap.images[0].path}): figures on them say "
            "nothing about other patients. Make an archive of patients that the model has not seen."
        )
    if seen:
        print(f"Left out, because the model has seen them or their patients: {len(seen)} images.", flush=True)
    return [image for image in unique if image.sha256 not in seen]
