"""Radiographs in the evaluation report: samples, and what the model looked at in its most certain predictions
and where a label is suspect.

Images are named by their number in the order of the test shards. No patients are shown, and file names, without their
folders, only of what somebody has to find: wrong predictions and suspect labels. The report is passed on.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np
import tensorflow as tf

from model_code.contract.labels import LABELS
from model_code.evaluation.saliency_summary import SaliencySummary, place_name
from model_code.evaluation.scores import Pixels, TestScores
from model_code.evaluation.scoring import ExportedModel, images_at
from model_code.evaluation.suspect_labels import SuspectLabels
from model_code.imaging.decoding import resize
from model_code.network.saliency_overlay import COLOURS, OPACITY
from model_code.reports.gallery import Case, Gallery, Picture
from model_code.statistics.metrics import Array

SAMPLES_PER_LABEL = 8
CASES_PER_GROUP = 3
SUSPECTS = 12
# Of a picture in the report; larger images are shrunk to it.
_SIZE = 224


def averages(summary: SaliencySummary) -> list[Picture]:
    """The average maps of the labels, on black, on one common scale."""
    means, images = summary.means
    peak = max(float(means.max()), 1e-12)
    return [
        Picture(
            _jpeg(_coloured(mean / peak)),
            f"Average saliency of {int(count)} {name} images: greatest at the {_place(mean)}.",
            f"{name}, average of {int(count)} images",
        )
        for name, mean, count in zip(LABELS, means, images, strict=True)
    ]


WRONG = " (wrong)"
"""How the titles of wrong predictions end."""


def choose_samples(scores: TestScores, *, seed: int) -> dict[str, list[int]]:
    """Positions of randomly drawn test images of each label, each of another patient."""
    order = np.random.default_rng(seed).permutation(len(scores.labels))
    return {
        name: _distinct([int(at) for at in order if scores.labels[at] == label], scores, SAMPLES_PER_LABEL)
        for label, name in enumerate(LABELS)
    }


def choose_cases(scores: TestScores, threshold: float) -> dict[str, list[int]]:
    """Positions of the most certain right and wrong predictions of each label, each group's of different patients."""
    predicted = scores.probabilities >= threshold
    ascending = [int(at) for at in np.argsort(scores.logits, kind="stable")]
    groups = {}
    for label, decision in ((1, 1), (0, 0), (1, 0), (0, 1)):
        order = ascending[::-1] if decision else ascending
        inside = [at for at in order if scores.labels[at] == label and predicted[at] == decision]
        title = f"{LABELS[label]} predicted as {LABELS[decision]}" + (" (right)" if label == decision else WRONG)
        groups[title] = _distinct(inside, scores, CASES_PER_GROUP)
    return groups


def sample(position: int, pixels: Pixels, scores: TestScores) -> Picture:
    """One test image with its label."""
    caption = f"image {position + 1}" + (f", {scores.subtypes[position]}" if scores.subtypes[position] else "")
    label = LABELS[int(scores.labels[position])]
    return Picture(_jpeg(_shrunk(pixels)), f"Chest radiograph, test {caption}, label {label}.", caption)


def case(position: int, pixels: Pixels, saliency: Array, scores: TestScores, *, is_wrong: bool = False) -> Case:
    """One test image with and without its saliency map (size, size); a wrong prediction has the file's name."""
    label, probability = LABELS[int(scores.labels[position])], scores.probabilities[position]
    name = scores.paths[position].rpartition("/")[2] if is_wrong else f"image {position + 1}"
    caption = f"{name}: {label}, probability {_probability(float(probability))}"
    return _explained(pixels, saliency, caption, split="test")


def _explained(pixels: Pixels, saliency: Array, caption: str, *, split: str) -> Case:
    seen = f"greatest at the {_place(saliency)}" if saliency.any() else "empty: nothing speaks for PNEUMONIA"
    shown = _shrunk(pixels)
    edge = shown.shape[0]
    grid = np.asarray(tf.image.resize(saliency[..., np.newaxis], (edge, edge), antialias=True))[..., 0]
    cover = OPACITY * grid[..., np.newaxis]
    blended = (1 - cover) * shown + cover * _coloured(grid)
    return Case(
        Picture(_jpeg(shown), f"Chest radiograph, {split} {caption}.", caption),
        Picture(
            _jpeg(blended.round().astype(np.uint8)), f"The same with its saliency map, {seen}.", f"saliency, {seen}"
        ),
    )


def legend() -> str:
    """The colours of the saliency maps from 0 to 1, left to right, as a data URI."""
    return _jpeg(np.repeat(_coloured(np.linspace(0, 1, 256)[np.newaxis]), 16, axis=0))


def collect(model: ExportedModel, scores: TestScores, attention: SaliencySummary, test: Path, *, seed: int) -> Gallery:
    """Choose the images and read, explain and encode them.

    Args:
        model: the candidate.
        scores: its scores of the test split.
        attention: its saliency maps, summed up.
        test: directory with the test shards.
        seed: of the sample.
    """
    samples = choose_samples(scores, seed=seed)
    cases = choose_cases(scores, model.threshold)
    chosen = {at for groups in (samples, cases) for positions in groups.values() for at in positions}
    pixels = images_at(test, model.image_size, chosen)
    explained = [at for positions in cases.values() for at in positions]
    maps = dict(zip(explained, model.explain([pixels[at] for at in explained]), strict=True))
    return Gallery(
        samples={title: [sample(at, pixels[at], scores) for at in positions] for title, positions in samples.items()},
        cases={
            title: [case(at, pixels[at], maps[at], scores, is_wrong=title.endswith(WRONG)) for at in positions]
            for title, positions in cases.items()
        },
        averages=averages(attention),
        legend=legend(),
    )


def without_images(attention: SaliencySummary) -> Gallery:
    """Pictures for a report without any patient's image in it: averages of maps."""
    return Gallery(samples={}, cases={}, averages=averages(attention), legend=legend())


def suspects(model: ExportedModel, ranked: SuspectLabels | None, splits: Mapping[str, Path]) -> list[Case]:
    """The first images of the ranking of suspect labels.

    Args:
        model: the candidate, which explains them.
        ranked: the ranking.
        splits: directory with the shards of each split.
    """
    if ranked is None:
        return []
    images, first = ranked.images, [int(at) for at in ranked.order[:SUSPECTS]]
    found: dict[int, Pixels] = {}
    for split, directory in splits.items():
        chosen = {images.positions[at]: at for at in first if images.splits[at] == split}
        pixels = images_at(directory, model.image_size, chosen) if chosen else {}
        found |= {chosen[position]: shown for position, shown in pixels.items()}
    maps = model.explain([found[at] for at in first])
    cases = []
    for number, (at, saliency) in enumerate(zip(first, maps, strict=True), start=1):
        name, label = images.paths[at].rpartition("/")[2], LABELS[int(images.labels[at])]
        caption = f"{number}. {name}: {label} with probability {_probability(float(ranked.scores[at]))}"
        split = images.splits[at]
        cases.append(_explained(found[at], saliency, f"{caption}, {split}", split=split))
    return cases


def _distinct(positions: list[int], scores: TestScores, count: int) -> list[int]:
    """The first positions of different patients."""
    seen: set[str] = set()
    chosen: list[int] = []
    for position in positions:
        if scores.patients[position] not in seen and len(chosen) < count:
            seen.add(scores.patients[position])
            chosen.append(position)
    return chosen


def _probability(value: float) -> str:
    """Three decimals, never a certainty that the number does not have."""
    return "above 0.999" if value > 0.999 else "below 0.001" if value < 0.001 else f"{value:.3f}"


def _place(saliency: Array) -> str:
    """Place of the greatest saliency in a grid of three by three, as seen in the image."""
    rows = (np.array_split(band, 3, axis=1) for band in np.array_split(saliency, 3, axis=0))
    means = np.asarray([[float(part.mean()) for part in row] for row in rows])
    row, column = np.unravel_index(int(means.argmax()), means.shape)
    return place_name(int(row), int(column))


def _coloured(values: Array) -> Pixels:
    return np.asarray(mpl.colormaps[COLOURS](values)[..., :3] * 255, dtype=np.uint8)


def _shrunk(pixels: Pixels) -> Pixels:
    return np.asarray(resize(pixels, _SIZE)) if pixels.shape[0] > _SIZE else pixels


def _jpeg(pixels: Pixels) -> str:
    encoded = tf.io.encode_jpeg(pixels, quality=85, optimize_size=True).numpy()
    return "data:image/jpeg;base64," + base64.b64encode(encoded).decode("ascii")
