"""Temperature and decision threshold, both from validation data only."""

from __future__ import annotations

import numpy as np
from scipy import optimize

from model_code.statistics.metrics import Array

# Of each label, how much may lie on the wrong side of the indeterminate band on validation data.
TAIL_SHARE = 0.02

# Beyond these, the validation split says nothing that a temperature could express.
_LOG_TEMPERATURES = (float(np.log(0.1)), float(np.log(20.0)))


def probability(logits: Array, temperature: float) -> Array:
    """Calibrated probability of PNEUMONIA: sigmoid(logit / temperature)."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -logits / temperature)), dtype=np.float64)


def fit_temperature(logits: Array, labels: Array) -> float:
    """The temperature with the least cross-entropy (Guo et al. 2017).

    The targets are Platt's (1999), slightly inside 0 and 1: on a validation split the model separates without an error
    the plain cross-entropy has its least value at temperature 0, that is at certainty.

    Args:
        logits: (n,) of the validation images.
        labels: (n,) zeros and ones, both present.
    """
    positives = float(labels.sum())
    negatives = float(len(labels) - positives)
    targets = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return float(np.mean(np.logaddexp(0.0, scaled) - targets * scaled))

    found = optimize.minimize_scalar(loss, bounds=_LOG_TEMPERATURES, method="bounded")
    return float(np.exp(found.x))


def choose_threshold(logits: Array, labels: Array, temperature: float) -> float:
    """The probability threshold with the greatest sensitivity + specificity - 1 (Youden's J) on validation data.

    Thresholds lie halfway between neighbouring logits; among equally good ones the widest gap wins, since new images
    are least likely to fall into it.

    Args:
        logits: (n,) of the validation images.
        labels: (n,) zeros and ones, both present.
        temperature: of `fit_temperature`.

    Returns:
        A probability; PNEUMONIA is called at or above it.
    """
    distinct = np.unique(logits)
    if len(distinct) == 1:
        return float(probability(distinct, temperature)[0])
    middles = (distinct[:-1] + distinct[1:]) / 2
    positive, negative = np.sort(logits[labels == 1]), np.sort(logits[labels == 0])
    sensitivity = 1 - np.searchsorted(positive, middles) / len(positive)
    specificity = np.searchsorted(negative, middles) / len(negative)
    youden = sensitivity + specificity
    best = np.flatnonzero(np.isclose(youden, youden.max(), rtol=0, atol=1e-12))
    widest = best[np.argmax(np.diff(distinct)[best])]
    return float(probability(middles[widest : widest + 1], temperature)[0])


def indeterminate_band(logits: Array, labels: Array, temperature: float, threshold: float) -> tuple[float, float]:
    """Probabilities around the threshold that should be read as "cannot tell".

    Below the band lie at most `TAIL_SHARE` of the validation images with pneumonia, above it at most `TAIL_SHARE` of
    those without; where the threshold itself is that good on one side, the band does not reach to that side.

    Args:
        logits: (n,) of the validation images.
        labels: (n,) zeros and ones, both present.
        temperature: of `fit_temperature`.
        threshold: of `choose_threshold`.

    Returns:
        Its two ends, low <= threshold <= high; probabilities p with low <= p < high are indeterminate.
    """
    probabilities = probability(logits, temperature)
    positive, negative = np.sort(probabilities[labels == 1]), np.sort(probabilities[labels == 0])
    # The images that may lie outside are the lowest positives and the highest negatives.
    low = positive[int(TAIL_SHARE * len(positive))]
    above = negative[len(negative) - 1 - int(TAIL_SHARE * len(negative))]
    high = float(np.nextafter(above, 1.0))
    return min(float(low), threshold), max(high, threshold)
