"""Ways to calibrate on a validation split that is easier than the test's: chosen on validation, reported of test.

    python -m benchmarks.training.calibration_scores --radiographs FOLDER --seed 1 --output build/calibration/1
    python -m benchmarks.evaluation.calibration build/calibration/* [--test]

Each folder is one seed's training. The way is chosen by a shift of the known kind within validation: on the easier half
of the patients it is fitted, on the harder half it is judged, by either measure of hardness that knows no label. A way
is better than the pipeline's where cross-entropy and calibration error are both lower there, in the mean of seeds and
measures, and the AUROC on validation is not lower by more than 0.002; of those the one with the least calibration error
is taken. `--test` then shows what that would have done, and which calibration the test split itself would want: it
chooses nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy

from benchmarks.training.calibration_scores import AUGMENTED, FILE, NOISE
from model_code.statistics.calibration import Calibration, cross_entropy, fit_temperature, fit_temperature_and_bias
from model_code.statistics.chance import chance_calibration_error
from model_code.statistics.intervals import patient_numbers, resample_patients
from model_code.statistics.metrics import (
    CALIBRATION_BINS,
    Array,
    auroc,
    calibration_error_of,
    expected_calibration_error,
)

PIPELINE = "temperature (the pipeline)"
# Kermany et al. 2018: 390 of the 624 images of the official test split; known without looking at any of them.
TARGET = 0.625
MEASURES = ("distance", "doubt")
AUROC_MARGIN = 0.002
_RESAMPLES = 200
_DRAWS = 20
_UPPER = 0.95
_SEED = 20261129
_ROUNDING = 1e-6

Mask = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Sample:
    """Scored images of one training; all of length n.

    Attributes:
        logits: by view, see `calibration_scores`.
        labels: zeros and ones.
        patients: number of each image's patient.
        hardness: by measure; greater is harder. Of validation images only.
        prior_shift: to the prior at which each label is as frequent.
    """

    logits: Mapping[str, Array]
    labels: Array
    patients: npt.NDArray[np.int64]
    hardness: Mapping[str, Array]
    prior_shift: float

    def where(self, mask: Mask) -> Sample:
        """Those of a mask (n,)."""
        logits, hardness = (
            {name: array[mask] for name, array in all_.items()} for all_ in (self.logits, self.hardness)
        )
        return dataclasses.replace(
            self, logits=logits, hardness=hardness, labels=self.labels[mask], patients=self.patients[mask]
        )

    def score(self, views: Sequence[str]) -> Array:
        """The mean logits of some views, (n,)."""
        return np.mean([self.logits[view] for view in views], axis=0)


@dataclasses.dataclass(frozen=True)
class Way:
    """A way to score and to calibrate.

    Attributes:
        fit: from what calibrates and the score's views to the calibration.
        views: whose logits' mean is the score.
    """

    fit: Callable[[Sample, Sequence[str]], Calibration]
    views: Sequence[str] = ("kept",)


def ways() -> dict[str, Way]:
    """All that are compared."""
    moved = ("kept", "flip", "up", "down", "left", "right")
    noise = tuple(f"noise_{levels}" for levels in NOISE)
    return {
        PIPELINE: Way(temperature),
        "none": Way(lambda *_: Calibration(1.0)),
        "temperature and bias": Way(lambda sample, views: fit_temperature_and_bias(sample.score(views), sample.labels)),
        "upper limit of the temperature's 90 % interval over patients": Way(upper_temperature),
        "temperature of the half far from the training images": Way(on_the_harder_half("distance")),
        "temperature of the half in doubt": Way(on_the_harder_half("doubt")),
        "temperature, each label as frequent": Way(at_even_odds),
        "temperature, for the prevalence of the official test split": Way(for_the_target),
        "temperature of images changed as in training": Way(of_changed([f"augmented_{n}" for n in range(AUGMENTED)])),
        "temperature of images with noise": Way(of_changed(("kept", *noise))),
        "mean of the last 2 epochs, temperature": Way(temperature, ("last_1", "last_2")),
        "mean of the last 3 epochs, temperature": Way(temperature, ("last_1", "last_2", "last_3")),
        "mean weights of the last 2 epochs, temperature": Way(temperature, ("weights_2",)),
        "mean weights of the last 3 epochs, temperature": Way(temperature, ("weights_3",)),
        "mean of the image and its mirror image, temperature": Way(temperature, ("kept", "flip")),
        "mean of these and four moved ones, temperature": Way(temperature, moved),
    }


def temperature(sample: Sample, views: Sequence[str]) -> Calibration:
    """The pipeline's."""
    return fit_temperature(sample.score(views), sample.labels)


def upper_temperature(sample: Sample, views: Sequence[str]) -> Calibration:
    """The temperature that 95 % of the bootstrap over patients do not exceed: what the split cannot rule out."""
    logits = sample.score(views)
    found = [fit_temperature(logits[drawn], sample.labels[drawn]).temperature for drawn in _resampled(sample)]
    return Calibration(float(np.quantile(found, _UPPER)))


def _resampled(sample: Sample) -> Iterator[npt.NDArray[np.int64]]:
    """Numbers of the images of patients drawn with replacement."""
    rng = np.random.default_rng(_SEED)
    owned = [np.flatnonzero(sample.patients == patient) for patient in np.unique(sample.patients)]
    for _ in range(_RESAMPLES):
        drawn = np.concatenate([owned[patient] for patient in rng.integers(len(owned), size=len(owned))])
        if len(np.unique(sample.labels[drawn])) > 1:
            yield drawn


def on_the_harder_half(measure: str) -> Callable[[Sample, Sequence[str]], Calibration]:
    """The temperature of the images at or above the median hardness."""

    def fit(sample: Sample, views: Sequence[str]) -> Calibration:
        return temperature(sample.where(sample.hardness[measure] >= np.median(sample.hardness[measure])), views)

    return fit


def at_even_odds(sample: Sample, views: Sequence[str]) -> Calibration:
    """The temperature of the logits at even prior odds, each label counting the same in total."""
    logits = sample.score(views) + sample.prior_shift
    by_label = [logits[sample.labels == label] for label in (0, 1)]

    def loss(log_temperature: float) -> float:
        log_odds = [logits / np.exp(log_temperature) for logits in by_label]
        return sum(cross_entropy(scaled, np.full(len(scaled), float(label))) for label, scaled in enumerate(log_odds))

    found = float(np.exp(scipy.optimize.minimize_scalar(loss, bounds=(-2.3, 3.0), method="bounded").x))
    return Calibration(found, sample.prior_shift / found)


def for_the_target(sample: Sample, views: Sequence[str]) -> Calibration:
    """The pipeline's with `TargetPrevalence` 0.625."""
    return temperature(sample, views).at_prevalence(float(scipy.special.expit(-sample.prior_shift)), TARGET)


def of_changed(changed: Sequence[str]) -> Callable[[Sample, Sequence[str]], Calibration]:
    """The temperature of changed validation images (Tomani et al. 2021, "Post-hoc uncertainty calibration for domain
    drift scenarios", CVPR, arXiv:2012.10988, whose changes are noise)."""

    def fit(sample: Sample, _: Sequence[str]) -> Calibration:
        logits = np.concatenate([sample.logits[view] for view in changed])
        return fit_temperature(logits, np.tile(sample.labels, len(changed)))

    return fit


def read(folder: Path) -> dict[str, Sample]:
    """Validation and test of one training."""
    with np.load(folder / FILE) as file:
        arrays = {name: np.asarray(file[name]) for name in file.files}

    def of(split: str) -> Sample:
        own = {name.removeprefix(f"{split}/"): array for name, array in arrays.items() if name.startswith(f"{split}/")}
        labels, patients = own.pop("labels"), patient_numbers(own.pop("patients").tolist())
        hardness = {measure: own.pop(measure) for measure in MEASURES if measure in own}
        return Sample(own, labels, patients, hardness, float(arrays["prior_shift"]))

    return {split: of(split) for split in ("validation", "test")}


def parted(sample: Sample, hardness: Array) -> tuple[Sample, Sample]:
    """The easier and the harder half of the images, no patient in both.

    Args:
        hardness: of each image, (n,).
    """
    images = np.bincount(sample.patients)
    order = np.argsort(np.bincount(sample.patients, hardness) / images, kind="stable")
    easier = order[np.cumsum(images[order]) <= len(sample.labels) / 2]
    mask = np.isin(sample.patients, easier)
    return sample.where(mask), sample.where(~mask)


@dataclasses.dataclass(frozen=True)
class Judged:
    """Figures of a way within validation.

    Attributes:
        error: calibration error on the harder half, mean of seeds and measures.
        cross_entropy: likewise, in nats.
        alike: calibration error on halves at random, mean of seeds.
        auroc: of the whole split, median of the seeds.
    """

    error: float
    cross_entropy: float
    alike: float
    auroc: float

    @classmethod
    def of(cls, way: Way, seeds: Sequence[Sample]) -> Judged:
        """That of a way.

        Args:
            seeds: validation of each training.
        """
        harder, alike = [], []
        for sample in seeds:
            rng = np.random.default_rng(_SEED)
            at_random = [rng.random(int(sample.patients.max()) + 1)[sample.patients] for _ in range(5)]
            for hardness in (*sample.hardness.values(), *at_random):
                fits, judges = parted(sample, hardness)
                calibration, logits = way.fit(fits, way.views), judges.score(way.views)
                figures = (
                    calibration_error_of(judges.labels, calibration.probability(logits)),
                    cross_entropy(logits / calibration.temperature + calibration.bias, judges.labels),
                )
                known = any(hardness is known_hardness for known_hardness in sample.hardness.values())
                (harder if known else alike).append(figures)
        error, loss = np.mean(harder, axis=0)
        areas = [_auroc(sample, way) for sample in seeds]
        return cls(float(error), float(loss), float(np.mean(alike, axis=0)[0]), float(np.median(areas)))


def choose(judged: Mapping[str, Judged]) -> str:
    """The way that the rule above takes."""
    now = judged[PIPELINE]
    better = {
        name: other.error
        for name, other in judged.items()
        if other.error < now.error - _ROUNDING
        and other.cross_entropy < now.cross_entropy - _ROUNDING
        and other.auroc >= now.auroc - AUROC_MARGIN
    }
    return min(better, key=better.__getitem__, default=PIPELINE)


def debiased_error(labels: Array, probabilities: Array) -> float:
    """Calibration error less the bias of its absolute values, by a normal distribution of each bin's share.

    Kumar, Liang and Ma 2019, "Verified uncertainty calibration" (NeurIPS), section 5, of the first power. It can be
    below 0.
    """
    rng, plain, drawn = np.random.default_rng(_SEED), 0.0, np.zeros(_RESAMPLES * 5)
    bins = np.minimum((probabilities * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    for number in np.unique(bins):
        own = bins == number
        share, mean = labels[own].mean(), probabilities[own].mean()
        weight = own.mean()
        plain += weight * abs(share - mean)
        spread = np.sqrt(share * (1 - share) / own.sum())
        drawn += weight * np.abs(rng.normal(share, spread, len(drawn)) - mean)
    return float(2 * plain - drawn.mean())


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluation.calibration")
    parser.add_argument("folders", type=Path, nargs="+", help="what benchmarks.training.calibration_scores left")
    parser.add_argument("--test", action="store_true", help="also report the test split")
    options = parser.parse_args()
    seeds = [read(folder) for folder in options.folders]
    judged = {name: Judged.of(way, [seed["validation"] for seed in seeds]) for name, way in ways().items()}
    print("| way | error, harder half | cross-entropy, harder half | error, random halves | AUROC, validation |")
    print("| --- | --- | --- | --- | --- |")
    for name, way in judged.items():
        print(f"| {name} | {way.error:.3f} | {way.cross_entropy:.3f} | {way.alike:.3f} | {way.auroc:.3f} |")
    print(f"\nChosen: {choose(judged)}\n")
    if options.test:
        _report(seeds)


def _report(seeds: Sequence[Mapping[str, Sample]]) -> None:
    print(
        "| way | temperature | error, test | by seed, with 95 % interval | debiased | perfect | cross-entropy | AUROC |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, way in ways().items():
        rows = [_tested(way, seed["validation"], seed["test"]) for seed in seeds]
        temperatures, errors, told, *others = zip(*rows, strict=True)
        middle = " | ".join(f"{float(np.median(values)):.3f}" for values in others)
        fitted = ", ".join(f"{value:.2f}" for value in temperatures)
        print(f"| {name} | {fitted} | {float(np.median(errors)):.3f} | {', '.join(told)} | {middle} |")

    print("\n| epoch | split | temperature and bias that fit it best, 95 % interval | error of its best temperature |")
    print("| --- | --- | --- | --- |")
    epochs = sorted(view for view in seeds[0]["test"].logits if view.startswith("last_"))
    for number, seed in enumerate(seeds, start=1):
        for view in ("kept", *epochs):
            for split, sample in seed.items():
                ends = [f"{low:.2f} to {high:.2f}" for low, high in wanted(sample, view)]
                best = fit_temperature_and_bias(sample.logits[view], sample.labels)
                error = calibration_error_of(
                    sample.labels, temperature(sample, (view,)).probability(sample.logits[view])
                )
                told = f"{best.temperature:.2f} ({ends[0]}), {best.bias:+.2f} ({ends[1]})"
                print(f"| {number}, {view} | {split} | {told} | {error:.3f} |")
    sites = [float(np.mean([site_error(seed["test"], draw) for draw in range(_DRAWS)])) for seed in seeds]
    print(f"\nFitted on half of the test patients, seen on the other: {', '.join(f'{error:.3f}' for error in sites)}")


def wanted(sample: Sample, view: str) -> Array:
    """95 % interval over patients of the temperature and the bias that fit a split best, (2, 2)."""
    found = []
    for drawn in _resampled(sample):
        fit = fit_temperature_and_bias(sample.logits[view][drawn], sample.labels[drawn])
        found.append((fit.temperature, fit.bias))
    return np.quantile(found, (0.025, 0.975), axis=0).T


def site_error(sample: Sample, draw: int) -> float:
    """Calibration error where each half of the patients gets the temperature and bias of the other, as of a site."""
    hardness = np.random.default_rng(draw).random(int(sample.patients.max()) + 1)[sample.patients]
    first, second = parted(sample, hardness)
    halves = [
        (judges.labels, fit_temperature_and_bias(fits.logits["kept"], fits.labels).probability(judges.logits["kept"]))
        for fits, judges in ((first, second), (second, first))
    ]
    labels, probabilities = (np.concatenate(parts) for parts in zip(*halves, strict=True))
    return calibration_error_of(labels, probabilities)


def _tested(way: Way, validation: Sample, test: Sample) -> tuple[float, float, str, float, float, float, float, float]:
    calibration, logits = way.fit(validation, way.views), test.score(way.views)
    probabilities = calibration.probability(logits)
    weights = resample_patients([str(patient) for patient in test.patients], seed=_SEED)
    errors = expected_calibration_error(test.labels, probabilities, weights)
    low, high = np.quantile(errors[1:], (0.025, 0.975))
    chance = chance_calibration_error(probabilities, test.patients, seed=_SEED, draws=1000)
    return (
        calibration.temperature,
        float(errors[0]),
        f"{errors[0]:.3f} ({low:.3f} to {high:.3f})",
        debiased_error(test.labels, probabilities),
        float(chance.mean()),
        float(np.quantile(chance, 0.95)),
        cross_entropy(logits / calibration.temperature + calibration.bias, test.labels),
        _auroc(test, way),
    )


def _auroc(sample: Sample, way: Way) -> float:
    return float(auroc(sample.labels, sample.score(way.views), np.ones((1, len(sample.labels))))[0])


if __name__ == "__main__":
    main()
