"""Coverage of the evaluation's intervals, on test splits of models that are known.

    python -m benchmarks.evaluation.intervals

Draws test splits of 207 patients and about 300 images, with as many images a patient as in half of the Kermany
archive's official test, from models whose AUROC, sensitivity and specificity are known. For each metric it prints in
what share of the splits the 95 % interval contained the true value: the percentiles of the bootstrap, and the interval
that `model_code.statistics.intervals` gives. "another split" is the share of splits whose prediction interval contained
the same metric of one more split. The last lines are for the difference of two models that are equally good. About two
minutes.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np
from scipy.stats import norm

from model_code.statistics import metrics
from model_code.statistics.intervals import RESAMPLES, estimate, estimate_difference, resample_patients
from model_code.statistics.metrics import Array

# Images a patient, and how many patients have so many, in the half of the official test that is at hand.
NORMAL_PATIENTS = {1: 109, 3: 2}
PNEUMONIA_PATIENTS = {1: 56, 2: 16, 3: 8, 4: 8, 5: 4, 6: 2, 8: 1, 9: 1}
# Share of a score's variance that the images of a patient have in common.
SHARED = 0.5
THRESHOLD = 0.35
LEVELS = (0.965, 0.99, 0.997)


def draw(rng: np.random.Generator, *, copies: int = 1) -> tuple[Array, Array, list[str]]:
    """Labels, noise and patients of a test split; the noise has variance 1."""
    labels, owners = [], []
    for label, patients in enumerate((NORMAL_PATIENTS, PNEUMONIA_PATIENTS)):
        sizes = rng.choice(np.repeat(list(patients), list(patients.values())), copies * sum(patients.values()))
        owners.append(np.repeat(np.arange(len(sizes)) + (owners[0][-1] + 1 if owners else 0), sizes))
        labels.append(np.full(len(owners[-1]), float(label)))
    owner = np.concatenate(owners)
    common = rng.normal(size=owner[-1] + 1)[owner]
    return np.concatenate(labels), _mixed(rng, common), [str(number) for number in owner]


def _mixed(rng: np.random.Generator, common: Array) -> Array:
    return np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * rng.normal(size=len(common))


def measure(labels: Array, noise: Array, weights: Array, area: float) -> dict[str, tuple[Array, Array]]:
    """The metrics of a model of this AUROC whose probabilities are calibrated (two normal distributions).

    Returns:
        For each metric its values, (resamples,), and the images that it rests on as a mask, (n,).
    """
    distance = np.sqrt(2) * norm.ppf(area)
    logits = distance * (labels * distance + noise - distance / 2)
    predicted = (logits >= np.log(THRESHOLD / (1 - THRESHOLD))).astype(np.float64)
    decisions = metrics.operating_point(labels, predicted, weights)
    return {
        "AUROC": (metrics.auroc(labels, logits, weights), np.ones(len(labels))),
        "sensitivity": (decisions["true_positive_rate"], labels),
        "specificity": (decisions["true_negative_rate"], 1 - labels),
        "PPV": (decisions["precision"], predicted),
    }


def coverage(area: float, splits: int) -> None:
    """Print the table of one model."""
    rng = np.random.default_rng(1)
    labels, noise, _ = draw(rng, copies=2000)
    truth = {name: values[0][0] for name, values in measure(labels, noise, np.ones((1, len(labels))), area).items()}
    held: dict[str, list[tuple[bool, bool, bool]]] = defaultdict(list)
    for number in range(splits):
        labels, noise, patients = draw(rng)
        found = measure(labels, noise, resample_patients(patients, seed=number), area)
        labels, noise, _ = draw(rng)
        again = measure(labels, noise, np.ones((1, len(labels))), area)
        for name, (values, rests_on) in found.items():
            low, high = np.quantile(values[1:], (0.025, 0.975))
            owners = np.asarray(patients)[rests_on == 1]
            whole = estimate(values, images=len(owners), patients=len(set(owners)))
            held[name].append(
                (
                    low <= truth[name] <= high,
                    whole.low <= truth[name] <= whole.high,
                    whole.next_low <= again[name][0][0] <= whole.next_high,
                )
            )
    print(f"{splits} test splits, {RESAMPLES} resamples each")
    print(f"{'metric':12} {'truth':8} {'percentiles':12} {'interval':9} another split")
    for name, results in held.items():
        percentiles, interval, another = np.mean(results, axis=0)
        print(f"{name:12} {truth[name]:<8.4f} {percentiles:<12.3f} {interval:<9.3f} {another:.3f}", flush=True)


def differences(area: float, splits: int) -> None:
    """Print how often two equally good models, whose errors are partly the same, are told apart."""
    rng = np.random.default_rng(2)
    distance = np.sqrt(2) * norm.ppf(area)
    below = above = 0
    for number in range(splits):
        labels, noise, patients = draw(rng)
        weights = resample_patients(patients, seed=number)
        first, other = (
            metrics.auroc(labels, labels * distance + np.sqrt(0.7) * noise + np.sqrt(0.3) * own, weights)
            for own in rng.normal(size=(2, len(labels)))
        )
        found = estimate_difference(first - other)
        below, above = below + (found.high < 0), above + (found.low > 0)
    print(
        f"two models of AUROC {area:.3f}: worse in {below / splits:.3f}, better in {above / splits:.3f} of the splits"
    )


def main() -> None:
    """Run all of it."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--splits", type=int, default=1000, help="test splits drawn for each model")
    splits = options.parse_args().splits
    for area in LEVELS:
        coverage(area, splits)
    for area in LEVELS:
        differences(area, splits)


if __name__ == "__main__":
    main()
