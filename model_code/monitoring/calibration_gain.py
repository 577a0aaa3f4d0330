"""Estimated gain of a calibration to this site: fitted on half of the readers' labels, measured on the other half.

Nothing is registered: the finding says whether `cxr calibrate` is worth its while, which parts readers' labels as here.
No image is read, as the log odds follow from the kept probability. Temperature and bias are fitted on these log odds
and not on the network's logit: the calibration that serves lies between both, is linear, and so changes no fit within
the temperature's bounds.

Predictions name no patient: several images of one count as independent. Readers choose what they label, and may have
seen the answer before: labels that lean to the answers make the calibration look better than it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from model_code.contract.labels import LABELS
from model_code.statistics.calibration import fit_temperature_and_bias
from model_code.statistics.metrics import Array, expected_calibration_error
from model_code.statistics.prevalence import weighted

FEWEST = 25
"""Least labels of each class in each half: ten for each of two parameters, and some for readers who err."""

# Half of the last of the nine decimals that lambdas/predict/results.py keeps.
PRECISION = 5e-10
# Which half a prediction is in follows from its own probability, nearly whatever the others are: who chose among
# periods until a model passes would not draw anew.
_DRAW = "20180222"


def log_odds(probabilities: Array) -> Array:
    """Log odds of kept probabilities.

    They are off by at most `PRECISION` / (p (1 - p)): 1e-5 at 0.00005 and at 0.99995. What was kept as 0 or 1 is taken
    for the probability that is just rounded there, at log odds of -21.4 or 21.4.

    Args:
        probabilities: (n,), with nine decimals.
    """
    return np.asarray(scipy.special.logit(np.clip(probabilities, PRECISION, 1 - PRECISION)), dtype=np.float64)


def estimate(labels: Array, probabilities: Array, *, target_prevalence: float | None = None) -> dict[str, Any]:
    """Calibration error of the held-out half as served and as it would be after a calibration.

    Args:
        labels: (n,) zeros and ones, of readers.
        probabilities: (n,), as served, in any order.
        target_prevalence: that these are for, to which the labels are weighted; None for that of the labels.

    Returns:
        "missing" (how many more labels of each kind are needed), and where none is, else None: "fitted" and "held_out"
        (numbers of images), "temperature" and "bias" (on top of those that serve), and "calibration_error" with
        "served" and "calibrated".
    """
    lacking = missing(labels)
    found: dict[str, Any] = dict.fromkeys(("fitted", "held_out", "temperature", "bias", "calibration_error"))
    if any(lacking.values()):
        return {"missing": lacking, **found}
    order = np.lexsort((probabilities, labels))
    labels, probabilities = labels[order], probabilities[order]
    known, fits = log_odds(probabilities), first_half(labels, probabilities)
    calibration = fit_temperature_and_bias(known[fits], labels[fits])
    rest = ~fits
    weights = np.ones((1, int(rest.sum())))
    if target_prevalence is not None:
        calibration = calibration.at_prevalence(float(labels[fits].mean()), target_prevalence)
        weights = weighted(weights, labels[rest], target_prevalence)
    errors = {
        name: float(expected_calibration_error(labels[rest], of_model, weights)[0])
        for name, of_model in (
            ("served", probabilities[rest]),
            ("calibrated", calibration.probability(known[rest])),
        )
    }
    return {
        "missing": lacking,
        "fitted": int(fits.sum()),
        "held_out": int(rest.sum()),
        "temperature": calibration.temperature,
        "bias": calibration.bias,
        "calibration_error": errors,
    }


def sentence(found: dict[str, Any]) -> str:
    """Sentence on the estimate, or on the labels that it lacks."""
    if found["calibration_error"] is None:
        return (
            f"What a calibration to this place could mend is estimated from {2 * FEWEST} labels of each kind; "
            f"{missing_phrase(found['missing'])} are needed."
        )
    errors = found["calibration_error"]
    return (
        f"Temperature and bias fitted on {found['fitted']} of the labelled predictions take the calibration error of "
        f"the other {found['held_out']} from {errors['served']:.3f} to {errors['calibrated']:.3f}. It is an estimate: "
        "predictions name no patient, readers choose what they label, and whether they had seen the answer is not "
        "known. `cxr calibrate` makes a version, of these labels with `--labels`, or of an archive of the site's "
        "radiographs."
    )


def missing(labels: Array) -> dict[str, int]:
    """Numbers of further labels of each kind, by its name, that a calibration takes.

    Args:
        labels: (n,) zeros and ones.
    """
    counts = (int(np.sum(labels == number)) for number in range(len(LABELS)))
    return {label: max(0, 2 * FEWEST - count) for label, count in zip(LABELS, counts, strict=True)}


def missing_phrase(lacking: Mapping[str, int]) -> str:
    """Noun phrase for what `missing` found."""
    return " and ".join(f"{count} more labels {label}" for label, count in lacking.items() if count)


def first_half(labels: Array, probabilities: Array) -> npt.NDArray[np.bool_]:
    """Mask (n,) of half of each label: those whose kept probabilities have the lower digests, whatever the order.

    Args:
        labels: (n,) zeros and ones.
        probabilities: (n,), as kept with nine decimals.
    """
    digests = np.asarray(
        [hashlib.sha256(f"{_DRAW} {probability:.9f}".encode()).hexdigest() for probability in probabilities]
    )
    chosen = np.zeros(len(labels), dtype=np.bool_)
    for number in range(len(LABELS)):
        places = np.flatnonzero(labels == number)
        chosen[places[np.argsort(digests[places], kind="stable")[: len(places) // 2]]] = True
    return chosen
