"""Plots of the monitoring report: drift, predictions by day, and calibration by readers' labels."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from model_code.monitoring.drift import Quantity
from model_code.monitoring.kept_predictions import Predictions
from model_code.reports.plots import FAINT, INK, NORMAL_COLOUR, PNEUMONIA_COLOUR, Plot, svg
from model_code.statistics.metrics import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_THEN, _NOW = NORMAL_COLOUR, PNEUMONIA_COLOUR
_DAY_SECONDS = 86_400


def distribution(quantity: Quantity, found: dict[str, Any]) -> Plot:
    """Histograms of a quantity in the reference and now, as shares of their images.

    Args:
        quantity: its values.
        found: its row of the findings.
    """
    edges = _edges(quantity).tolist()
    middles = found["median"]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for values, colour, label in (
            (quantity.reference, _THEN, f"reference ({len(quantity.reference):,})"),
            (quantity.current, _NOW, f"predictions ({len(quantity.current):,})"),
        ):
            inside = np.clip(values, edges[0], edges[-1])
            weights = np.full(len(values), 1 / len(values))
            axes.hist(inside, bins=edges, weights=weights, histtype="stepfilled", color=colour, alpha=0.15)
            axes.hist(inside, bins=edges, weights=weights, histtype="step", color=colour, linewidth=1.4, label=label)
        for name, colour in (("reference", _THEN), ("current", _NOW)):
            axes.axvline(np.clip(middles[name], edges[0], edges[-1]), linestyle="--", linewidth=1, color=colour)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        title = f"{quantity.title}: {'drifted' if found['drifted'] else 'no drift'}, PSI {found['psi']:.2f}"
        axes.set(title=title, xlabel=f"{_axis(quantity)} (dashed: medians)", ylabel="share of images")
        axes.legend(loc="best")

    return Plot(
        quantity.title,
        svg(draw, 4.2, 3),
        f"Two histograms of {quantity.title.lower()}: the median is {middles['reference']:.3f} in the reference and "
        f"{middles['current']:.3f} in the predictions, the population stability index {found['psi']:.2f}.",
    )


def _axis(quantity: Quantity) -> str:
    """The quantity with its unit, where it has one."""
    unit = ", standard deviations of training" if quantity.name.startswith("feature_") else ""
    return f"{quantity.title.lower()}{unit}"


def by_day(predictions: Predictions, threshold: float) -> Plot:
    """Number of predictions each day (UTC), and how many of them were predicted positive."""
    days = (predictions.created // _DAY_SECONDS).astype(int)
    shown = np.arange(days.min(), days.max() + 1)
    predicted = predictions.probabilities >= threshold
    parts = [
        np.asarray([int(np.sum((days == day) & (predicted == value))) for day in shown], dtype=np.float64)
        for value in (False, True)
    ]
    names = [dt.datetime.fromtimestamp(int(day) * _DAY_SECONDS, dt.UTC).strftime("%d %b") for day in shown]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.bar(shown, parts[0], color=NORMAL_COLOUR, label="predicted NORMAL")
        axes.bar(shown, parts[1], bottom=parts[0], color=PNEUMONIA_COLOUR, label="predicted PNEUMONIA")
        step = max(1, len(shown) // 10)
        axes.set_xticks(shown[::step], names[::step])
        axes.set_xlim(shown[0] - 1, shown[-1] + 1)
        axes.locator_params(axis="y", integer=True)
        axes.set(title="Predictions of each day", ylabel="predictions")
        figure.legend(loc="outside lower center", ncols=2)

    said = "; ".join(
        f"{name}: {int(normal)} NORMAL, {int(pneumonia)} PNEUMONIA"
        for name, normal, pneumonia in zip(names, *parts, strict=True)
        if normal + pneumonia
    )
    return Plot("Predictions of each day", svg(draw, 8, 2.8), f"Stacked bars. {said}.", wide=True)


def reliability(rows: Sequence[dict[str, Any]], error: float) -> Plot:
    """Observed shares of readers' labels against predicted probabilities."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], linestyle=":", color=FAINT)
        x, y = ([row[name] for row in rows] for name in ("mean_probability", "observed"))
        axes.plot(x, y, marker="o", markersize=4, color=NORMAL_COLOUR, label=f"ECE {error:.3f}")
        for row in rows:
            axes.plot([row["mean_probability"]] * 2, row["confidence_interval"], color=NORMAL_COLOUR, linewidth=1)
            point = (row["mean_probability"], row["observed"])
            axes.annotate(str(row["count"]), point, textcoords="offset points", xytext=(4, -9), fontsize=7, color=INK)
        axes.set(xlabel="mean probability", ylabel="share labelled PNEUMONIA", title="Reliability (number: images)")
        axes.set(xlim=(0, 1), ylim=(-0.01, 1.02))
        axes.legend(loc="upper left")

    said = "; ".join(f"{row['mean_probability']:.2f} to {row['observed']:.2f}" for row in rows)
    return Plot(
        "Reliability by readers' labels",
        svg(draw, 4.2, 4),
        f"Mean probability of each bin to the share that readers labelled PNEUMONIA: {said}. Expected calibration "
        f"error {error:.3f}.",
    )


def _edges(quantity: Quantity) -> Array:
    if quantity.name == "probability":
        return np.linspace(0, 1, 21)
    # A few images far out would press all others into one bar; they are counted in the outermost.
    both = np.concatenate([quantity.reference, quantity.current])
    low, high = np.quantile(both, (0.005, 0.995))
    return np.linspace(low, high if high > low else low + 1, 25)
