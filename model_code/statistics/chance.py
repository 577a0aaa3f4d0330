"""The calibration error that chance makes: what perfect probabilities show on a finite test split."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy

from model_code.statistics.metrics import Array, expected_calibration_error
from model_code.statistics.prevalence import log_odds_shift, weighted


def chance_calibration_error(
    probabilities: Array,
    owner: npt.NDArray[np.int64],
    *,
    seed: int,
    draws: int,
    prevalences: tuple[float, float] | None = None,
) -> Array:
    """The calibration errors that a perfectly calibrated model would show on so many images.

    The error is a sum of absolute values and never 0 on a finite test split, however good the probabilities are. Labels
    are drawn from the probabilities; images of one patient share the draw, as they share the child.

    Args:
        probabilities: (n,).
        owner: (n,) number of each image's patient, from 0.
        seed: of the draws.
        draws: number of draws.
        prevalences: that of the images and the one that the probabilities are for, to which the images are weighted;
            None where these are the same.

    Returns:
        (draws,).
    """
    chances = probabilities
    if prevalences:
        own, target = prevalences
        inside = np.clip(probabilities, 1e-12, 1 - 1e-12)
        chances = scipy.special.expit(scipy.special.logit(inside) + log_odds_shift(target, own))
    drawn = np.random.default_rng(seed).random((draws, int(owner.max()) + 1))[:, owner] < chances
    labels, weights = drawn.astype(np.float64), np.ones(drawn.shape)
    if prevalences:
        weights = weighted(weights, labels, prevalences[1])
    return expected_calibration_error(labels, probabilities, weights)
