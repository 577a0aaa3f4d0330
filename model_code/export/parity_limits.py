"""Parity limits of engine and graph, in AUROC and probabilities, and the confidence bound that a few images allow."""

from __future__ import annotations

import math

import numpy as np
import scipy

from model_code.statistics.metrics import Array

# Of AUROC, a fraction of its 95 % interval on a test split of hundreds; of a probability, less than the two digits that
# people read.
MAX_AUROC_DIFFERENCE = 0.003
MAX_PROBABILITY_DIFFERENCE = 0.02
# Of the probabilities, how many must be that near, and how sure a choice made on other images must be of it.
SHARE = 0.99
CONFIDENCE = 0.95
# With fewer, not even the greatest difference bounds the quantile: 1 - SHARE^n is the chance that one of n lies above.
FEWEST_IMAGES = math.ceil(math.log(1 - CONFIDENCE) / math.log(SHARE))


def auroc_limit(labels: Array) -> float:
    """Greatest difference of the two AUROCs: `MAX_AUROC_DIFFERENCE`, or one pair of images where that weighs more.

    AUROC is a share of the pairs of a NORMAL and a PNEUMONIA image. With fewer than 334 of them, two images that all
    but tie and change places would refuse any engine. In 1,000 drawn splits of 18 and 18 images (normal logits,
    deviation 2, means 2.5 apart), noise of 0.001 in the logits did so in 3.0 %, and of 0.005 in 16.8 %; with the pair,
    in 0 % and 0.7 %.

    Args:
        labels: (n,) zeros and ones, both present.
    """
    positives = float(labels.sum())
    # Both AUROCs are rounded sums: a pair weighs this up to the last digits.
    return max(MAX_AUROC_DIFFERENCE, (1 + 1e-9) / (positives * (len(labels) - positives)))


def upper_bound(differences: Array) -> float | None:
    """Upper confidence bound of the quantile `SHARE` of what the differences are drawn from, whatever that is.

    The k-th smallest of n lies at or above the quantile p with the probability that fewer than k of n lie below it,
    P(Binomial(n, p) <= k - 1); the bound is the first k for which this reaches `CONFIDENCE` (Wilks 1941,
    "Determination of sample sizes for setting tolerance limits", Annals of Mathematical Statistics 12(1), 91-96;
    Hahn and Meeker 1991, "Statistical Intervals", section 5.2). It is the greatest of 299 to 472 images and the second
    greatest from 473 on. Images of one patient count as independent, which they are not quite.

    Args:
        differences: (n,), absolute.

    Returns:
        One of the differences, or None for fewer than `FEWEST_IMAGES`.
    """
    count = len(differences)
    place = int(scipy.stats.binom.ppf(CONFIDENCE, count, SHARE))
    return float(np.sort(differences)[place]) if place < count else None
