"""Near-duplicate images, and the audit that no image and no patient is in two splits.

Two files are near-duplicates when their perceptual hashes differ in at most 32 of 256 bits and their thumbnails (32 x
32 mean grey levels) correlate by at least 0.99. `python -m benchmarks.data.near_duplicates` measured the margins on the
5,237 radiographs of Kermany et al. 2018 that this project was developed with, and on copies of 580 of them:

| | bits that differ | correlation |
| --- | --- | --- |
| radiographs of two patients, the nearest pair | 14 | 0.9752 |
| copies: JPEG quality 30 to 95, PNG, a third to twice the size, gamma 0.8 | at most 22 | at least 0.9955 |
| copies without the outer 1 % of each side | at most 21 | at least 0.9712 |

The hash alone cannot tell copies from other children's radiographs, which all look alike: 25,212 of 13.7 million pairs
are that close. Copies cropped by 1 % or turned by 1 degree are found nine times
out of ten, copies cropped by 2 % hardly ever.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from model_code.contract.job import JobError
from model_code.data import similarity_join
from model_code.data.patient_split import NearDuplicate, Radiograph
from model_code.imaging import perceptual_hash
from model_code.imaging.perceptual_hash import Fingerprints

MAX_BITS = 32
MIN_CORRELATION = 0.99


def near_duplicates(images: Sequence[Radiograph], fingerprints: Fingerprints) -> list[NearDuplicate]:
    """Every pair of images that show the same radiograph, whoever the patient.

    Args:
        images: of different content.
        fingerprints: by the images' position.

    Returns:
        The pairs, in the order of the images.
    """
    return near_duplicates_of([images], fingerprints)


def near_duplicates_of(groups: Sequence[Sequence[Radiograph]], fingerprints: Fingerprints) -> list[NearDuplicate]:
    """The pairs within the one group, or across several, in the order of the images; see `near_duplicates`."""
    images = [image for group in groups for image in group]
    positions = [np.asarray([image.position for image in group], dtype=np.intp) for group in groups]
    found = list(similarity_join.join(fingerprints, positions, max_bits=MAX_BITS, min_correlation=MIN_CORRELATION))
    if not found:
        return []
    place = np.empty(len(fingerprints), np.intp)
    place[np.concatenate(positions)] = np.arange(len(images))
    sides = [np.concatenate([place[getattr(some, side)] for some in found]) for side in ("first", "second")]
    first, second = np.minimum(*sides), np.maximum(*sides)
    correlation = np.concatenate([some.correlation for some in found])
    return [
        NearDuplicate(images[first[index]], images[second[index]], float(correlation[index]))
        for index in np.lexsort((second, first))
    ]


def audit(splits: Mapping[str, Sequence[Radiograph]], fingerprints: Fingerprints) -> dict[str, Any]:
    """Look for anything that crosses the splits, whatever rules made them.

    Args:
        splits: the images that are used, by split.
        fingerprints: by the images' position.

    Returns:
        What was looked for and how often it was found, which is never: the card's `audit`.

    Raises:
        JobError: naming the files, when a patient, a content or a near-duplicate is in two splits.
    """
    split_of = {image.path: split for split, images in splits.items() for image in images}
    everything = [image for images in splits.values() for image in images]
    patients: dict[str, list[Radiograph]] = defaultdict(list)
    contents: dict[str, list[Radiograph]] = defaultdict(list)
    for image in everything:
        patients[image.patient].append(image)
        contents[image.sha256].append(image)

    def crossing(groups: Mapping[str, list[Radiograph]]) -> list[tuple[Radiograph, Radiograph]]:
        """One pair for each group that is in two splits."""
        found = []
        for first, *others in groups.values():
            other = next((image for image in others if split_of[image.path] != split_of[first.path]), None)
            if other is not None:
                found.append((first, other))
        return found

    distinct: dict[str, list[Radiograph]] = {split: [] for split in splits}
    for same in contents.values():
        distinct[split_of[same[0].path]].append(same[0])
    findings = {
        "patients": crossing(patients),
        "duplicates": crossing(contents),
        "near_duplicates": [
            (pair.first, pair.second) for pair in near_duplicates_of(list(distinct.values()), fingerprints)
        ],
    }
    problems = [
        f"{len(found)} {name.replace('_', '-')} in two splits, for example {first.path} in {split_of[first.path]} and "
        f"{other.path} in {split_of[other.path]}"
        for name, found in findings.items()
        for first, other in found[:1]
    ]
    if problems:
        raise JobError(f"The split leaks: {'; '.join(problems)}.")
    return {f"{name}_shared": len(found) for name, found in findings.items()} | {
        "hash": f"difference hash of {perceptual_hash.HASH_BITS} bits, at most {MAX_BITS} of them different, confirmed "
        f"by the correlation of {perceptual_hash.THUMBNAIL} x {perceptual_hash.THUMBNAIL} thumbnails",
        "threshold": MIN_CORRELATION,
    }
