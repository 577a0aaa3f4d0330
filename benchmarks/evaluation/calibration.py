"""Calibration error on the test split of ways to calibrate on validation: temperature, temperature and bias, none.

    python -m benchmarks.training.quality --radiographs FOLDER --output build/quality
    python -m benchmarks.evaluation.calibration build/quality

Reads the tables of predictions beside a model. Nothing is chosen by the test split: what it shows of each way is for
people who decide which way the pipeline takes.
"""

from __future__ import annotations

import argparse
import csv
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import scipy.special

from model_code.statistics.calibration import Calibration, cross_entropy, fit_temperature, fit_temperature_and_bias
from model_code.statistics.metrics import Array, calibration_error_of

# Tables have six decimals: beyond this a logit says nothing.
_NEAREST = 1e-6


def ways(logits: Array, labels: Array) -> Mapping[str, Calibration]:
    """Calibrations by each way.

    Args:
        logits: (n,) of the validation images.
        labels: (n,) zeros and ones.
    """
    return {
        "none": Calibration(1.0),
        "temperature (the pipeline)": fit_temperature(logits, labels),
        "temperature and bias": fit_temperature_and_bias(logits, labels),
    }


def read(folder: Path, split: str) -> tuple[Array, Array]:
    """The network's logits (n,) and the labels (n,), zeros and ones, of a split's table."""
    with tarfile.open(folder / "model.tar.gz") as archive:
        name = next(name for name in archive.getnames() if name.endswith("metadata.json"))
        found = archive.extractfile(name)
        if found is None:
            raise ValueError(f"{name} in {folder / 'model.tar.gz'} is no file.")
        metadata = json.load(found)
    with (folder / f"{split}_predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    scores = np.clip([float(row["score"]) for row in rows], _NEAREST, 1 - _NEAREST)
    served = Calibration.of(metadata)
    logits = served.temperature * (scipy.special.logit(scores) - served.bias)
    return logits, np.asarray([float(row["label"] == "PNEUMONIA") for row in rows])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluation.calibration")
    parser.add_argument("folder", type=Path, help="what benchmarks.training.quality left")
    folder = parser.parse_args().folder
    validation, test = read(folder, "validation"), read(folder, "test")
    print("| calibrated by | temperature | bias | error, validation | error, test | cross-entropy, test |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, one in ways(*validation).items():
        logits, labels = test
        figures = (
            *(calibration_error_of(known, one.probability(given)) for given, known in (validation, test)),
            cross_entropy(logits / one.temperature + one.bias, labels),
        )
        print(
            f"| {name} | {one.temperature:.2f} | {one.bias:.2f} | {' | '.join(f'{figure:.3f}' for figure in figures)} |"
        )


if __name__ == "__main__":
    main()
