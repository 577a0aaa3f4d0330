"""Coverage of the intervals of AUPRC and calibration error on few images with pneumonia.

    python -m benchmarks.evaluation.few_positives

Draws test splits of independent patients from models whose AUROC is known and whose probabilities are too cautious
(slope 0.6), at their own prevalence or weighted to a target prevalence, and prints in what share of them the 95 %
interval of the evaluation contained the value that endless images have; of the calibration error, how often it lay
above. About ten minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.stats import norm

from model_code.contract.metrics import figure
from model_code.evaluation.assessment import document
from model_code.evaluation.scores import TestScores
from model_code.statistics import metrics
from model_code.statistics.calibration import Calibration
from model_code.statistics.intervals import resample_patients
from model_code.statistics.metrics import Array

SLOPE = 0.6
# Images, prevalence among them, target prevalence.
SPLITS = (
    *((images, share, None) for images in (50, 200) for share in (0.05, 0.1, 0.2)),
    (50, 0.5, 0.05), (200, 0.5, 0.05), (200, 0.5, 0.2), (200, 0.7, 0.1), (600, 0.5, 0.02),
)  # fmt: skip
METADATA = {
    "threshold": 0.5,
    "indeterminate": {"low": 0.5, "high": 0.5},
    "guarantee": None,
    "population": None,
    "out_of_distribution": {},
    "dataset": {"sha256": ""},
    "calibrated_from": None,
}


def drawn(rng: np.random.Generator, images: int, prevalence: float, area: float) -> tuple[Array, Array]:
    """Labels and log likelihood ratios of a model of this AUROC (two normal distributions)."""
    distance = np.sqrt(2) * norm.ppf(area)
    labels = (rng.random(images) < prevalence).astype(np.float64)
    return labels, distance * (labels * distance + rng.normal(size=images) - distance / 2)


def interval(evaluation: Mapping[str, Any], name: str) -> tuple[float, float]:
    """95 % interval of a metric."""
    low, high = (figure(evaluation, name) or {})["confidence_interval"]
    return low, high


def coverage(images: int, prevalence: float, target: float | None, area: float, splits: int) -> None:
    """Print one row."""
    asked, rng = target or prevalence, np.random.default_rng(1)
    calibration = Calibration(1 / SLOPE, float(np.log(asked / (1 - asked))))
    labels, logits = drawn(rng, 400_000, asked, area)
    unweighted = np.ones((1, len(labels)))
    area_truth = metrics.average_precision(labels, logits, unweighted)[0]
    error_truth = metrics.expected_calibration_error(labels, calibration.probability(logits), unweighted)[0]
    held = []
    while len(held) < splits:
        labels, logits = drawn(rng, images, prevalence, area)
        if labels.min() == labels.max():
            continue
        scores = TestScores(
            labels=labels, logits=logits, probabilities=calibration.probability(logits),
            patients=[str(number) for number in range(images)], subtypes=[""] * images, areas=np.ones(images),
            out_of_distribution_scores=np.zeros(images), features=np.zeros((images, 0)), paths=[""] * images,
        )  # fmt: skip
        metadata = METADATA | {"temperature": 1 / SLOPE, "bias": calibration.bias, "target_prevalence": target}
        found = document(scores, metadata, resample_patients(scores.patients, seed=len(held)))
        low, high = interval(found, "auprc")
        least, most = interval(found, "calibration_error")
        held.append((low <= area_truth <= high, high - low, least <= error_truth <= most, least > error_truth))
    covered, width, error, above = np.mean(held, axis=0)
    print(
        f"{images:6} {prevalence:5.2f} {target or '-':>6} {area_truth:6.3f} {covered:8.3f} {width:6.2f} "
        f"{error_truth:7.3f} {error:8.3f} {above:6.3f}",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--splits", type=int, default=300, help="test splits drawn for each row")
    options.add_argument("--area", type=float, default=0.9, help="AUROC of the model")
    given = options.parse_args()
    print("images share target  AUPRC  covered  width   error  covered  above")
    for images, prevalence, target in SPLITS:
        coverage(images, prevalence, target, given.area, given.splits)


if __name__ == "__main__":
    main()
