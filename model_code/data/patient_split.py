"""Split into train, validation and test: by patient, without duplicates, stratified, seeded, with reasons.

Every rule that applied is reported as a sentence with its counts, every dropped file with its reason. In the order in
which they apply:

1. Identical content is used once: the copy in test stays, else the one in validation, else the least nested one, which
   in a doubled tree is in the outer tree. Identical content under both labels is dropped altogether, since one of the
   labels is wrong.
2. A test split that the archive has is kept as it is. Without one, the validation fraction is taken for test too.
3. Outside test, radiographs of a patient who is in test are dropped. In the Kermany archive 170 person numbers of the
   official test occur in its train as well; whether they are the same children is unknown, so a test result that
   stays above doubt costs some per cent of the training images.
4. Outside test, near-duplicates (see `leakage`) of images of the archive's own test split are dropped too, whatever the
   patients are called: test stays as the archive has it, and what is trained on has not been seen there. Where more
   than 1 % of the test split is concerned, the step ends: then the archive was not split by patient.
5. A validation split that the archive has is kept when it can carry a decision: at least 100 images, 2 % of train, and
   neither a patient nor a near-duplicate shared with train. Otherwise (the Kermany archive's 16 images) it is pooled
   with train, and the validation fraction of each stratum's images is taken from the pool, patient by patient.
   Patients who share a near-duplicate stay on one side, as if they were one.
6. All of this goes by the labels that the archive gives. Those that readers gave instead (`contract.label_review`) are
   put in their place afterwards, so that no review moves a patient to another split.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from model_code.contract.job import JobError
from model_code.contract.label_review import changes
from model_code.contract.labels import LABELS, SPLITS
from model_code.data.candidates import preference

# Below these a split cannot do its work: fit, choose a threshold, or carry a percentage.
MINIMUM_PER_LABEL = {"train": 20, "validation": 5, "test": 5}
MINIMUM_VALIDATION_IMAGES = 100
MINIMUM_VALIDATION_SHARE = 0.02
MAXIMUM_SHARED_TEST_SHARE = 0.01
# A sentence names so many pairs of files; the log names them all.
NAMED_PAIRS = 3
_OF_ONE_NAME = (
    "Where they are other people of the same number or folder, call each person by another one, or add a column "
    "patient to the table of labels."
)
# Of every reason that this module drops images for.
_LEFT_OUT = {
    "duplicate": "copies of other images",
    "conflicting_labels": "images with the same content under both labels",
    "patient_in_test": "images of patients who are in test",
    "near_duplicate_in_test": "images that are nearly the same as one in test",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Radiograph:
    """One decoded image of the archive. What is not named here is as in `candidates.Candidate`.

    Attributes:
        sha256: hex digest of the file's bytes.
        position: which of the decoded records holds its pixels.
        width: of the file, in pixels.
        height: of the file, in pixels.
        groups: subgroups that a DICOM file names, as JSON, or ""; only what writes shards needs them.
    """

    path: str
    label: str
    folder: str | None
    patient: str
    subtype: str
    sha256: str
    position: int
    width: int = 0
    height: int = 0
    groups: str = ""
    reviewed: str = ""

    def after_review(self) -> Radiograph:
        """Copy with the label that readers gave; the subtype belonged to the earlier label and is dropped."""
        if not self.reviewed:
            return self
        return dataclasses.replace(self, label=self.reviewed, subtype="")


@dataclasses.dataclass(frozen=True, slots=True)
class NearDuplicate:
    """Two files that show the same radiograph, and the correlation of their thumbnails."""

    first: Radiograph
    second: Radiograph
    correlation: float

    def __str__(self) -> str:
        return f"{self.first.path} and {self.second.path} (correlation {self.correlation:.4f})"


@dataclasses.dataclass
class Assignment:
    """Radiographs per split, paths dropped per reason, and the decisions as sentences."""

    splits: dict[str, list[Radiograph]]
    dropped: dict[str, list[str]]
    decisions: list[str]


def assign(
    radiographs: Iterable[Radiograph], *, fraction: float, seed: int, near_duplicates: Sequence[NearDuplicate] = ()
) -> Assignment:
    """Split radiographs by the rules at the top of this module; the order they come in does not matter.

    Args:
        radiographs: every decoded image, duplicates included.
        fraction: share of the images for validation, and for test where the archive has none; above 0, below 0.5.
        seed: of the choice of patients.
        near_duplicates: pairs of different content that show the same radiograph.

    Raises:
        JobError: when a split has too few images of a label, or near-duplicates connect more than
            MAXIMUM_SHARED_TEST_SHARE of the archive's test split with images outside.
    """
    decisions: list[str] = []
    unique, dropped = deduplicate(radiographs)
    pairs = _pairs_of(unique, near_duplicates)
    by_folder = {split: [image for image in unique if image.folder == split] for split in SPLITS}
    # An image outside any split folder can only be used where the split is made here.
    by_folder["train"] += [image for image in unique if image.folder is None]
    rng = np.random.default_rng(seed)

    test, validation = by_folder["test"], by_folder["validation"]
    if test:
        decisions.append(f"The archive's test split is kept: {len(test)} images.")
    else:
        pool, test = take_patients(by_folder["train"] + validation, fraction, rng, pairs)
        by_folder["train"], validation = pool, []
        decisions.append(f"The archive has no test split: {len(test)} images were taken for it by patient.")
    train = _without(by_folder["train"], test, dropped, decisions, "train")
    validation = _without(validation, test, dropped, decisions, "validation")
    shared = _between(pairs, test, train + validation)
    _refuse_shared(shared, test)
    train = _without_copies(train, shared, dropped, decisions, "train")
    validation = _without_copies(validation, shared, dropped, decisions, "validation")
    reason = _why_replaced(validation, train, pairs)
    if reason:
        train, validation = take_patients(train + validation, fraction, rng, pairs)
        advice = f" {_OF_ONE_NAME}" if "patients with train" in reason else ""
        decisions.append(f"{reason}: {len(validation)} images were taken for validation by patient.{advice}")
    else:
        decisions.append(f"The archive's validation split is kept: {len(validation)} images, no patient of train.")
    splits = {"train": train, "validation": validation, "test": test}
    _check_enough(splits, dropped)
    return Assignment(splits, dropped, [*decisions, *_about_pairs(pairs, splits)])


def after_review(assignment: Assignment) -> Assignment:
    """Apply readers' reviewed labels to an assignment: same patients, same splits, and a sentence on the changes.

    Raises:
        JobError: when a split then has too few images of a label.
    """
    splits = {split: [image.after_review() for image in images] for split, images in assignment.splits.items()}
    changed = {split: reviewed_labels(images) for split, images in assignment.splits.items()}
    if not any(changed.values()):
        return assignment
    _check_enough(splits, assignment.dropped)
    counted = "; ".join(
        f"{split}: {', '.join(f'{count} {way}' for way, count in ways.items()) or 'none'}"
        for split, ways in changed.items()
    )
    sentence = f"Labels that readers changed ({counted}). Patients stay in the splits that the labels before gave them."
    return Assignment(splits, assignment.dropped, [*assignment.decisions, sentence])


def reviewed_labels(images: Iterable[Radiograph]) -> dict[str, int]:
    """Numbers of images with another label after the review than in the archive, each way."""
    return changes((image.label, image.reviewed) for image in images if image.reviewed)


def deduplicate(radiographs: Iterable[Radiograph]) -> tuple[list[Radiograph], dict[str, list[str]]]:
    """Rule 1.

    Args:
        radiographs: every decoded image.

    Returns:
        One radiograph for each content, preferred ones first, and the paths of the others by reason.
    """
    copies: dict[str, list[Radiograph]] = defaultdict(list)
    for image in sorted(radiographs, key=lambda image: preference(image.folder, image.path)):
        copies[image.sha256].append(image)
    unique: list[Radiograph] = []
    dropped: dict[str, list[str]] = defaultdict(list)
    for same in copies.values():
        if len({image.label for image in same}) > 1:
            dropped["conflicting_labels"] += [image.path for image in same]
        else:
            unique.append(same[0])
            dropped["duplicate"] += [image.path for image in same[1:]]
    return unique, dropped


def connected(names: Iterable[str], pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Connected components: for each name the first, in order, of all that pairs connect it with, itself included.

    Args:
        names: each at least once.
        pairs: of names; one with a name that is not among them is passed over.
    """
    parent = {name: name for name in names}

    def head(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for name, other in pairs:
        if name in parent and other in parent:
            first, second = sorted((head(name), head(other)))
            parent[second] = first
    return {name: head(name) for name in parent}


def _pairs_of(images: list[Radiograph], pairs: Iterable[NearDuplicate]) -> list[NearDuplicate]:
    """The pairs whose two sides are both among the images, in an order of their own."""
    used = {image.path for image in images}
    both = [pair for pair in pairs if pair.first.path in used and pair.second.path in used]
    return sorted(both, key=lambda pair: (pair.first.path, pair.second.path))


def _about_pairs(pairs: list[NearDuplicate], splits: dict[str, list[Radiograph]]) -> list[str]:
    sentences = []
    used = [image for images in splits.values() for image in images]
    strangers = [pair for pair in _pairs_of(used, pairs) if pair.first.patient != pair.second.patient]
    if strangers:
        sentences.append(
            f"Near-duplicates with names of different patients, kept in one split (pairs: {len(strangers)}): "
            f"{_named(strangers)}."
        )
    opposed = [pair for pair in pairs if pair.first.after_review().label != pair.second.after_review().label]
    if opposed:
        sentences.append(
            f"Near-duplicates with different labels, of which one must be wrong (pairs: {len(opposed)}): "
            f"{_named(opposed)}."
        )
    return sentences


def _between(pairs: list[NearDuplicate], first: list[Radiograph], second: list[Radiograph]) -> list[NearDuplicate]:
    side = {image.path: 1 for image in first} | {image.path: 2 for image in second}
    return [pair for pair in pairs if {side.get(pair.first.path), side.get(pair.second.path)} == {1, 2}]


def _refuse_shared(pairs: list[NearDuplicate], test: list[Radiograph]) -> None:
    """End the step where more of the test split is concerned than single files can explain."""
    for pair in pairs:
        print(f"near-duplicate inside and outside the test split: {pair}", flush=True)
    paths = {image.path for image in test}
    concerned = {image.path for pair in pairs for image in (pair.first, pair.second)} & paths
    if len(concerned) > MAXIMUM_SHARED_TEST_SHARE * len(test):
        raise JobError(
            f"{len(concerned)} of the {len(test)} images of the archive's test split, more than "
            f"{MAXIMUM_SHARED_TEST_SHARE:.0%}, have near-duplicates outside it under names of different patients. "
            "Split the archive by patient, or remove one file of each pair, or give both the same patient's name, and "
            f"upload it again. Pairs: {len(pairs)}. {_named(pairs)}."
        )


def _without_copies(
    images: list[Radiograph],
    pairs: list[NearDuplicate],
    dropped: dict[str, list[str]],
    decisions: list[str],
    split: str,
) -> list[Radiograph]:
    """Leave out what is in one of the pairs, which connect images with the test split."""
    copies = {image.path for pair in pairs for image in (pair.first, pair.second)}
    shared = [image for image in images if image.path in copies]
    if shared:
        dropped["near_duplicate_in_test"] += [image.path for image in shared]
        concerned = [pair for pair in pairs if {pair.first.path, pair.second.path} & {image.path for image in shared}]
        decisions.append(
            f"{len(shared)} {split} images that are near-duplicates of test images under names of different patients "
            f"are dropped (pairs: {len(concerned)}): {_named(concerned)}."
        )
    return [image for image in images if image.path not in copies]


def _named(pairs: list[NearDuplicate]) -> str:
    more = f"; and {len(pairs) - NAMED_PAIRS} more" if len(pairs) > NAMED_PAIRS else ""
    return "; ".join(str(pair) for pair in pairs[:NAMED_PAIRS]) + more


def _without(
    images: list[Radiograph], test: list[Radiograph], dropped: dict[str, list[str]], decisions: list[str], split: str
) -> list[Radiograph]:
    patients = {image.patient for image in test}
    shared = [image for image in images if image.patient in patients]
    if shared:
        dropped["patient_in_test"] += [image.path for image in shared]
        count = len({image.patient for image in shared})
        decisions.append(
            f"{len(shared)} {split} images of {count} patients who are also in test are dropped. {_OF_ONE_NAME}"
        )
    return [image for image in images if image.patient not in patients]


def _why_replaced(validation: list[Radiograph], train: list[Radiograph], pairs: list[NearDuplicate]) -> str | None:
    """Reason why the archive's validation split cannot be used; None when it can."""
    if not validation:
        return "The archive has no validation split"
    share = len(validation) / max(1, len(train))
    if len(validation) < MINIMUM_VALIDATION_IMAGES or share < MINIMUM_VALIDATION_SHARE:
        return f"The archive's validation split of {len(validation)} images is too small and was pooled with train"
    shared = {image.patient for image in validation} & {image.patient for image in train}
    if shared:
        return f"The archive's validation split shares {len(shared)} patients with train and was pooled with it"
    near = _between(pairs, validation, train)
    if near:
        return (
            "The archive's validation split shares near-duplicates with train and was pooled with it "
            f"({len(near)}: {_named(near)})"
        )
    few = [label for label in LABELS if _count(validation, label) < MINIMUM_PER_LABEL["validation"]]
    if few:
        return f"The archive's validation split has too few {' and '.join(few)} images and was pooled with train"
    return None


def take_patients(
    images: list[Radiograph], fraction: float, rng: np.random.Generator, pairs: list[NearDuplicate]
) -> tuple[list[Radiograph], list[Radiograph]]:
    """Move whole patients out until a fraction of each stratum's images is out; the rest, and what was taken.

    Args:
        images: of different content.
        fraction: of the images, between 0 and 1.
        pairs: near-duplicates among them.
    """
    # Patients whom near-duplicates connect stay on one side, as if they were one.
    family = connected(
        (image.patient for image in images), ((pair.first.patient, pair.second.patient) for pair in pairs)
    )
    patients: dict[str, list[Radiograph]] = defaultdict(list)
    for image in images:
        patients[family[image.patient]].append(image)
    strata: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for patient in sorted(patients):
        strata[tuple(sorted({f"{image.label} {image.subtype}" for image in patients[patient]}))].append(patient)
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
    rest = [image for image in images if family[image.patient] not in taken]
    return rest, [image for image in images if family[image.patient] in taken]


def _check_enough(splits: dict[str, list[Radiograph]], dropped: dict[str, list[str]]) -> None:
    short = [
        f"{split} has {_count(images, label)} {label} images (at least {MINIMUM_PER_LABEL[split]})"
        for split, images in splits.items()
        for label in LABELS
        if _count(images, label) < MINIMUM_PER_LABEL[split]
    ]
    if short:
        left = [f"{len(paths):,} {_LEFT_OUT[reason]}" for reason, paths in dropped.items() if paths]
        why = f" Left out were {', '.join(left)}." if left else ""
        why += f" {_OF_ONE_NAME}" if dropped.get("patient_in_test") else ""
        raise JobError(f"The archive has too few usable radiographs: {'; '.join(short)}.{why}")


def _count(images: list[Radiograph], label: str) -> int:
    return Counter(image.label for image in images)[label]
