"""Drift of scores and inputs: population stability index and Kolmogorov-Smirnov test against the reference.

Two figures for each quantity, because either alone misleads. The population stability index (PSI: Siddiqi 2006, "Credit
Risk Scorecards") says how large a change is, but with few images chance alone makes it large. The two-sample
Kolmogorov-Smirnov test says whether a change is more than chance, but with many images it finds changes that matter to
nobody. A quantity has drifted when its PSI reaches the limit *and* the test is significant at `SIGNIFICANCE` after
Holm's correction (1979) for the number of quantities.

Under no drift the PSI of B bins is distributed as (1/n + 1/m) times chi-squared with B - 1 degrees of freedom (Yurdakul
and Naranjo 2020, "Statistical properties of the population stability index", Journal of Risk Model Validation 14(4)),
which is what `by_chance` tells.

Images of one patient are not independent: the reference counts as many as it has patients. Predictions name no patient,
so each counts; a patient who is radiographed every day makes the test a little too eager.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy

from model_code.statistics.metrics import Array

SIGNIFICANCE = 0.01
# Deciles of the reference, as is usual; fewer where a bin would be expected to hold less than ten images.
BINS = 10
_IMAGES_PER_BIN = 10
_FEWEST_BINS = 3
# Added to each bin's count: an empty one would make the index infinite.
_SMOOTHING = 0.5


@dataclasses.dataclass(frozen=True)
class Quantity:
    """One monitored number of every prediction, in the reference and now.

    Attributes:
        name: name in monitoring.json.
        title: name for people.
        reference: (m,), of images like those the model was made with.
        current: (n,), of the predictions.
    """

    name: str
    title: str
    reference: Array
    current: Array

    @property
    def varies(self) -> bool:
        """Whether the reference has a distribution: without an out-of-distribution detector every score is 0."""
        return bool(self.reference.min() < self.reference.max())


def compare(quantities: Sequence[Quantity], *, independent: int, limit: float) -> list[dict[str, Any]]:
    """Drift statistics of each quantity, in their order.

    Args:
        quantities: that vary, each with at least one value on either side.
        independent: number of independent images that the reference counts as.
        limit: the PSI at which a change is large enough.

    Returns:
        For each "name", "title", "psi", "psi_by_chance" ("mean" and "percentile_95"), "ks_statistic", "p_value",
        "p_adjusted" (Holm), "median" ("reference" and "current") and "drifted".
    """
    found: list[dict[str, Any]] = []
    for quantity in quantities:
        now, then = len(quantity.current), min(independent, len(quantity.reference))
        edges = bin_edges(quantity.reference, smaller=min(now, then))
        error = 1 / now + 1 / then
        freedom = len(edges)
        statistic = float(scipy.stats.ks_2samp(quantity.reference, quantity.current, method="asymp").statistic)
        found.append(
            {
                "name": quantity.name,
                "title": quantity.title,
                "psi": stability_index(quantity.reference, quantity.current, edges),
                "psi_by_chance": {
                    "mean": error * freedom,
                    "percentile_95": error * float(scipy.stats.chi2.ppf(0.95, freedom)),
                },
                "ks_statistic": statistic,
                # As ks_2samp computes it, but for how many images count.
                "p_value": float(scipy.stats.kstwo.sf(statistic, max(1, round(1 / error)))),
                "median": {
                    "reference": float(np.median(quantity.reference)),
                    "current": float(np.median(quantity.current)),
                },
            }
        )
    adjusted = holm([comparison["p_value"] for comparison in found])
    return [
        {**comparison, "p_adjusted": p, "drifted": comparison["psi"] >= limit and p < SIGNIFICANCE}
        for comparison, p in zip(found, adjusted, strict=True)
    ]


def bin_edges(reference: Array, *, smaller: int) -> Array:
    """Inner edges of bins that hold equal shares of the reference; where values repeat, there are fewer bins.

    Args:
        reference: (m,).
        smaller: images on the side that has fewer.

    Returns:
        (bins - 1,), ascending.
    """
    bins = max(_FEWEST_BINS, min(BINS, smaller // _IMAGES_PER_BIN))
    edges = np.unique(np.quantile(reference, np.arange(1, bins) / bins))
    # A bin whose lower edge is the greatest value, or whose upper edge is the least, holds nothing of the reference.
    return np.asarray(edges[(edges > reference.min()) & (edges <= reference.max())], dtype=np.float64)


def shares(values: Array, edges: Array) -> Array:
    """The smoothed share of values in each bin, (bins,), which sum to 1; a value on an edge is in the bin above."""
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    return np.asarray((counts + _SMOOTHING) / (len(values) + _SMOOTHING * len(counts)), dtype=np.float64)


def stability_index(reference: Array, current: Array, edges: Array) -> float:
    """The population stability index: the sum over bins of (current - reference) * ln(current / reference)."""
    then, now = shares(reference, edges), shares(current, edges)
    return float(np.sum((now - then) * np.log(now / then)))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for how many they are, in the same order (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    adjusted, greatest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(order):
        greatest = max(greatest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = greatest
    return adjusted
