"""Which radiographs train, validate and test: by patient, stratified, seeded, and decided in the open.

Every rule that applied is reported as a sentence with its counts, every dropped file with its reason. In the order in
which they apply:

1. Identical content is used once: the copy in test stays, else the one in validation, else the least nested one, which
   in a doubled tree is in the outer tree. Identical content under both labels is dropped altogether, since one of the
   labels is wrong.
2. A test split that the archive has is kept as it is. Without one, the validation fraction is taken for test too.
3. Outside test, radiographs of a patient who is in test are dropped. In the Kermany archive 170 person numbers of the
   official test occur in its train as well; whether they are the same children is unknown, so a test result that
   stays above doubt costs some per cent of the training images.
4. A validation split that the archive has is kept when it can carry a decision: at least 100 images, 2 % of train, and
   no patient shared with train. Otherwise (the Kermany archive's 16 images) it is pooled with train, and the
   validation fraction of each stratum's images is taken from the pool, patient by patient.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable

import numpy as np

from model_code.archive import LABELS
from model_code.job import JobError

SPLITS = ("train", "validation", "test")
# Below these a split cannot do its work: fit, choose a threshold, or carry a percentage.
MINIMUM_PER_LABEL = {"train": 20, "validation": 5, "test": 5}
MINIMUM_VALIDATION_IMAGES = 100
MINIMUM_VALIDATION_SHARE = 0.02

_KEEP_ORDER = {"test": 0, "validation": 1, "train": 2, None: 3}


@dataclasses.dataclass(frozen=True)
class Radiograph:
    """One decoded image of the archive.

    Attributes:
        path: name inside the archive.
        label: NORMAL or PNEUMONIA.
        folder: train, validation or test when the archive says so, else None.
        patient: key of the patient.
        subtype: bacteria, virus or "".
        sha256: hex digest of the file's bytes.
        position: where its pixels are kept until they are written.
    """

    path: str
    label: str
    folder: str | None
    patient: str
    subtype: str
    sha256: str
    position: int


@dataclasses.dataclass
class Assignment:
    """Radiographs per split, paths dropped per reason, and the decisions as sentences."""

    splits: dict[str, list[Radiograph]]
    dropped: dict[str, list[str]]
    decisions: list[str]


def assign(radiographs: Iterable[Radiograph], *, fraction: float, seed: int) -> Assignment:
    """Split radiographs by the rules at the top of this module; the order they come in does not matter.

    Args:
        radiographs: every decoded image, duplicates included.
        fraction: share of the images for validation, and for test where the archive has none; above 0, below 0.5.
        seed: of the choice of patients.

    Raises:
        JobError: when a split has too few images of a label.
    """
    ordered = sorted(radiographs, key=lambda one: (_KEEP_ORDER[one.folder], one.path.count("/"), one.path))
    dropped: dict[str, list[str]] = defaultdict(list)
    decisions: list[str] = []
    unique = _deduplicate(ordered, dropped)
    by_folder = {split: [one for one in unique if one.folder == split] for split in SPLITS}
    # An image outside any split folder can only be used where the split is made here.
    by_folder["train"] += [one for one in unique if one.folder is None]
    rng = np.random.default_rng(seed)

    test, validation = by_folder["test"], by_folder["validation"]
    if test:
        decisions.append(f"The archive's test split is kept: {len(test)} images.")
    else:
        pool, test = _take(by_folder["train"] + validation, fraction, rng)
        by_folder["train"], validation = pool, []
        decisions.append(f"The archive has no test split: {len(test)} images were taken for it by patient.")
    train = _without(by_folder["train"], test, dropped, decisions, "train")
    validation = _without(validation, test, dropped, decisions, "validation")
    reason = _why_replaced(validation, train)
    if reason:
        train, validation = _take(train + validation, fraction, rng)
        decisions.append(f"{reason}: {len(validation)} images were taken for validation by patient.")
    else:
        decisions.append(f"The archive's validation split is kept: {len(validation)} images, no patient of train.")
    splits = {"train": train, "validation": validation, "test": test}
    _audit(splits)
    return Assignment(splits, dict(dropped), decisions)


def _deduplicate(ordered: list[Radiograph], dropped: dict[str, list[str]]) -> list[Radiograph]:
    copies: dict[str, list[Radiograph]] = defaultdict(list)
    for one in ordered:
        copies[one.sha256].append(one)
    unique: list[Radiograph] = []
    for same in copies.values():
        if len({one.label for one in same}) > 1:
            dropped["conflicting_labels"] += [one.path for one in same]
        else:
            unique.append(same[0])
            dropped["duplicate"] += [one.path for one in same[1:]]
    return unique


def _without(
    images: list[Radiograph], test: list[Radiograph], dropped: dict[str, list[str]], decisions: list[str], split: str
) -> list[Radiograph]:
    patients = {one.patient for one in test}
    shared = [one for one in images if one.patient in patients]
    if shared:
        dropped["patient_in_test"] += [one.path for one in shared]
        count = len({one.patient for one in shared})
        decisions.append(f"{len(shared)} {split} images of {count} patients who are also in test are dropped.")
    return [one for one in images if one.patient not in patients]


def _why_replaced(validation: list[Radiograph], train: list[Radiograph]) -> str | None:
    """Why the archive's validation split cannot be used; None when it can."""
    if not validation:
        return "The archive has no validation split"
    share = len(validation) / max(1, len(train))
    if len(validation) < MINIMUM_VALIDATION_IMAGES or share < MINIMUM_VALIDATION_SHARE:
        return f"The archive's validation split of {len(validation)} images is too small and was pooled with train"
    shared = {one.patient for one in validation} & {one.patient for one in train}
    if shared:
        return f"The archive's validation split shares {len(shared)} patients with train and was pooled with it"
    few = [label for label in LABELS if _count(validation, label) < MINIMUM_PER_LABEL["validation"]]
    if few:
        return f"The archive's validation split has too few {' and '.join(few)} images and was pooled with train"
    return None


def _take(
    images: list[Radiograph], fraction: float, rng: np.random.Generator
) -> tuple[list[Radiograph], list[Radiograph]]:
    """Move whole patients out until a fraction of each stratum's images is out; the rest, and what was taken."""
    patients: dict[str, list[Radiograph]] = defaultdict(list)
    for one in images:
        patients[one.patient].append(one)
    strata: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for patient in sorted(patients):
        strata[tuple(sorted({f"{one.label} {one.subtype}" for one in patients[patient]}))].append(patient)
    taken: set[str] = set()
    for stratum in sorted(strata):
        total = sum(len(patients[patient]) for patient in strata[stratum])
        missing = round(fraction * total)
        for index in rng.permutation(len(strata[stratum])):
            patient = strata[stratum][index]
            # A patient with more images than are missing is passed over, unless that comes closer to the fraction.
            if missing > 0 and len(patients[patient]) < 2 * missing:
                taken.add(patient)
                missing -= len(patients[patient])
    return [one for one in images if one.patient not in taken], [one for one in images if one.patient in taken]


def _audit(splits: dict[str, list[Radiograph]]) -> None:
    """Check what the rules promise, on their result."""
    owner: dict[str, str] = {}
    for split, images in splits.items():
        for patient in {one.patient for one in images}:
            if owner.setdefault(patient, split) != split:
                raise AssertionError(f"Patient {patient} is in {owner[patient]} and in {split}.")
    short = [
        f"{split} has {_count(images, label)} {label} images (at least {MINIMUM_PER_LABEL[split]})"
        for split, images in splits.items()
        for label in LABELS
        if _count(images, label) < MINIMUM_PER_LABEL[split]
    ]
    if short:
        raise JobError(f"The archive has too few usable radiographs: {'; '.join(short)}.")


def _count(images: list[Radiograph], label: str) -> int:
    return Counter(one.label for one in images)[label]
