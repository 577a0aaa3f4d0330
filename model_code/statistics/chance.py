"""The calibration error that chance makes: what perfect probabilities show on a finite test split."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy

from model_code.statistics.metrics import Array, bin_members
from model_code.statistics.prevalence import log_odds_shift

# Draws at a time: all of them would take 8 KB an image.
_ROWS = 50


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
        prevalences: that of the images, between 0 and 1, and the one that the probabilities are for, to which the
            images are weighted; None where these are the same.

    Returns:
        (draws,).
    """
    chances, of_ill, of_normal = probabilities, 1.0, 1.0
    if prevalences:
        own, target = prevalences
        inside = np.clip(probabilities, 1e-12, 1 - 1e-12)
        chances = scipy.special.expit(scipy.special.logit(inside) + log_odds_shift(target, own))
        # The images' own factors. Those of each draw's labels would count an error of the probabilities as chance.
        of_ill, of_normal = target / own, (1 - target) / (1 - own)
    members, rng = bin_members(probabilities), np.random.default_rng(seed)
    found = []
    for begin in range(0, draws, _ROWS):
        drawn = rng.random((min(_ROWS, draws - begin), int(owner.max()) + 1))[:, owner] < chances
        weights = np.where(drawn, of_ill, of_normal)
        gaps = np.abs((weights * (drawn - probabilities)) @ members).sum(axis=1)
        found.append(gaps / weights.sum(axis=1))
    return np.concatenate(found)
