"""Shortcut probes: how well one kind of metadata, or the border alone, predicts the label without the lungs.

A model that reads such a clue scores well on the test split of the same collection and fails elsewhere. In the Kermany
archive the two labels come from differently prepared files, so the probes find much there; what they find is no fault
of a model, but a reason to read its metrics with care (Geirhos et al. 2020, "Shortcut learning in deep neural
networks").

Each probe is a logistic regression on a few numbers and their products, fitted on train and scored on the patients of
validation and test together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from model_code.contract.labels import LABELS
from model_code.data.manifest import Facts
from model_code.data.patient_split import Radiograph
from model_code.statistics.intervals import estimate, resamples_in_parts
from model_code.statistics.metrics import Array, auroc

Features = Callable[[Sequence[Facts]], Array]


@dataclasses.dataclass(frozen=True)
class Probe:
    """Shortcut probe: one kind of metadata that may predict the label.

    Attributes:
        name: its key in the dataset card.
        subject: how a sentence names it.
        features: (images, numbers) from the facts of images.
        warning: what it means when the clue tells the label.
    """

    name: str
    subject: str
    features: Features
    warning: str


def probe(splits: Mapping[str, Sequence[Radiograph]], facts: Mapping[str, Facts], *, seed: int) -> list[dict[str, Any]]:
    """AUROC of the label by each clue alone: the card's `shortcuts`.

    Args:
        splits: the images that are used, by split; each split has both labels.
        facts: by SHA-256.
        seed: of the bootstrap by patient.
    """
    seen, unseen = list(splits["train"]), [*splits["validation"], *splits["test"]]
    labels, held_back = _labels(seen), _labels(unseen)
    patients = [image.patient for image in unseen]
    known = [[facts[image.sha256] for image in images] for images in (seen, unseen)]
    scores = [_scores(each.features(known[0]), each.features(known[1]), labels) for each in PROBES]
    guess = np.zeros(len(unseen))
    areas = [
        [auroc(held_back, guess if of_probe is None else of_probe, weights) for of_probe in scores]
        for weights in resamples_in_parts(patients, seed=seed)
    ]
    results = []
    for each, of_probe, resampled in zip(PROBES, scores, zip(*areas, strict=True), strict=True):
        constant = of_probe is None
        result = estimate(np.concatenate(resampled), images=len(unseen), patients=len(set(patients)))
        interval = [0.5, 0.5] if constant else [result.low, result.high]
        results.append(
            {
                "probe": each.name,
                "auroc": result.value,
                "confidence_interval": interval,
                "images": len(unseen),
                "sentence": _sentence(each, result.value, interval, constant=constant),
            }
        )
    return results


def _labels(images: Sequence[Radiograph]) -> Array:
    return np.asarray([LABELS.index(image.label) for image in images], dtype=np.float64)


def _scores(train: Array, unseen: Array, labels: Array) -> Array | None:
    """Scores of a probe fitted on train; None where train has no two different images to learn from."""
    if (train == train[0]).all():
        return None
    # scikit-learn takes longer to import than all else that reads a dataset card.
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler  # noqa: PLC0415

    model = make_pipeline(
        StandardScaler(),
        # A clue can lie in the middle of a range, as when one scanner always writes the same size.
        PolynomialFeatures(2, include_bias=False),
        StandardScaler(),
        LogisticRegression(max_iter=1000),
    )
    return np.asarray(model.fit(train, labels).decision_function(unseen), dtype=np.float64)


def _sentence(probe: Probe, area: float, interval: list[float], *, constant: bool) -> str:
    subject = probe.subject
    if constant:
        return f"The label cannot be predicted from {subject}, the same in all training images: AUROC 0.50."
    found = f"AUROC {area:.2f} ({interval[0]:.2f} to {interval[1]:.2f}, where 0.50 is guessing)"
    if interval[0] <= 0.5:
        return f"The label cannot be predicted from {subject}: {found}."
    return f"The label can be predicted from {subject} with {found}: {probe.warning}."


def _file_size(facts: Sequence[Facts]) -> Array:
    return np.log([[image.bytes] for image in facts])


def _resolution(facts: Sequence[Facts]) -> Array:
    return np.log([[image.width, image.height, image.width / image.height] for image in facts])


def _mode(facts: Sequence[Facts]) -> Array:
    return np.asarray([[image.mode == "L", image.mode == "RGB"] for image in facts], dtype=np.float64)


def _exif(facts: Sequence[Facts]) -> Array:
    return np.asarray([[image.exif] for image in facts], dtype=np.float64)


def _border_pixels(facts: Sequence[Facts]) -> Array:
    return np.asarray([image.border for image in facts], dtype=np.float64)


def _all_metadata(facts: Sequence[Facts]) -> Array:
    return np.hstack([features(facts) for features in (_file_size, _resolution, _mode, _exif)])


_PREPARED = "the files of the two labels were prepared differently"
PROBES = (
    Probe(
        "file_size", "the file size alone", _file_size, f"{_PREPARED}, and sharpness or compression may give them away"
    ),
    Probe(
        "resolution",
        "width, height and aspect ratio alone",
        _resolution,
        f"{_PREPARED}, and distortion to a square shows it",
    ),
    Probe("mode", "the colour mode alone", _mode, f"{_PREPARED}, and traces of a conversion may give them away"),
    Probe("exif", "the presence of EXIF data alone", _exif, f"{_PREPARED}, perhaps by another device"),
    Probe(
        "border_pixels",
        "the outermost pixels alone",
        _border_pixels,
        "a model can tell the labels by how the images are framed, without looking at the lungs",
    ),
    Probe("all_metadata", "file size, resolution, mode and EXIF together", _all_metadata, _PREPARED),
)
