"""Plots of the monitoring report: drift, predictions by day, calibration by readers' labels, and trends over runs."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from model_code.monitoring.drift import Quantity
from model_code.monitoring.kept_predictions import Predictions
from model_code.reports.plots import FAINT, INK, NORMAL_COLOUR, PNEUMONIA_COLOUR, Plot, svg
from model_code.statistics.metrics import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_THEN, _NOW = NORMAL_COLOUR, PNEUMONIA_COLOUR
_DAY_SECONDS = 86_400


def distribution(quantity: Quantity, found: dict[str, Any]) -> Plot:
    """Histograms of a quantity in the reference and now, as shares of their images.

    Args:
        found: the quantity's row of the findings.
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


def trends(runs: Sequence[dict[str, Any]]) -> list[Plot]:
    """Figures over monitoring runs, each with its interval and its limit; a dotted line where another model came.

    Args:
        runs: points of `monitoring.trend.point` by time, at least two.
    """
    plots = [_psi_trend(runs), _count_trend(runs), _share_trend(runs), _performance_trend(runs)]
    return [plot for plot in plots if plot]


def _psi_trend(runs: Sequence[dict[str, Any]]) -> Plot | None:
    limits = [run["psi_limit"] for run in runs]

    def draw(axes: Axes) -> None:
        for name, colour, label in (
            ("score_psi", PNEUMONIA_COLOUR, "probability"),
            ("input_psi", NORMAL_COLOUR, "largest of the others"),
        ):
            shown = _those_with(runs, name)
            axes.plot(*_line(shown, name), marker="o", markersize=4, color=colour, label=label)
            chance = [run[name]["by_chance"] for run in shown]
            axes.plot(_times(shown), chance, marker="_", linestyle="", color=colour, alpha=0.6)
        axes.plot(_times(runs), limits, linestyle="--", linewidth=1, color=INK, label="limit")
        axes.set(ylim=(0, None), ylabel="PSI (dash: 95 % by chance)")

    return _trend(
        runs, "Population stability index", ("score_psi", "input_psi"), draw, ends=f"the limit {limits[-1]:g}"
    )


def _count_trend(runs: Sequence[dict[str, Any]]) -> Plot | None:
    counts, least = [run["predictions"] for run in runs], [run["min_predictions"] for run in runs]

    def draw(axes: Axes) -> None:
        axes.plot(_times(runs), counts, marker="o", markersize=4, color=NORMAL_COLOUR, label="predictions")
        axes.plot(_times(runs), least, linestyle="--", linewidth=1, color=INK, label="least to compare")
        axes.set(ylim=(0, None), ylabel="predictions of a window")
        axes.locator_params(axis="y", integer=True)

    said = "; ".join(f"{_day(run)}: {run['predictions']:,}" for run in runs)
    return Plot("Predictions", _axes_svg(runs, "Predictions", draw), f"Lines over {len(runs)} runs. {said}.")


def _share_trend(runs: Sequence[dict[str, Any]]) -> Plot | None:
    def draw(axes: Axes) -> None:
        for name, colour, label in (
            ("predicted_positive", PNEUMONIA_COLOUR, "predicted PNEUMONIA"),
            ("indeterminate", FAINT, "INDETERMINATE"),
        ):
            _with_intervals(axes, _those_with(runs, name), name, colour, label)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.set(ylim=(-0.01, 1.02), ylabel="share of the predictions")

    return _trend(runs, "Answers", ("predicted_positive", "indeterminate"), draw)


def _performance_trend(runs: Sequence[dict[str, Any]]) -> Plot | None:
    def draw(axes: Axes) -> None:
        for name, colour in (("sensitivity", PNEUMONIA_COLOUR), ("specificity", NORMAL_COLOUR)):
            shown = _those_with(runs, name)
            _with_intervals(axes, shown, name, colour, name)
            evaluated = [run[name]["evaluation"] for run in shown]
            axes.plot(_times(shown), evaluated, linestyle="--", linewidth=1, color=colour)
        axes.set(ylim=(-0.01, 1.02), ylabel="share (dashed: evaluation)")

    return _trend(runs, "Against readers' labels", ("sensitivity", "specificity"), draw)


def _trend(
    runs: Sequence[dict[str, Any]], title: str, names: Sequence[str], draw: Callable[[Axes], None], *, ends: str = ""
) -> Plot | None:
    """A plot of figures, or None where no run has one of them."""
    shown = [run for run in runs if any(run[name] for name in names)]
    if not shown:
        return None
    said = "; ".join(
        f"{_day(run)}: "
        + ", ".join(f"{name.replace('_', ' ')} {run[name]['value']:.3f}" for name in names if run[name])
        for run in shown
    )
    line = f" The dashed line is {ends}." if ends else ""
    return Plot(title, _axes_svg(runs, title, draw), f"Lines over {len(runs)} runs. {said}.{line}")


def _axes_svg(runs: Sequence[dict[str, Any]], title: str, draw: Callable[[Axes], None]) -> str:
    """SVG of axes whose horizontal one is the runs' time, with what is common to trends."""

    def whole(figure: Figure) -> None:
        from matplotlib import dates  # noqa: PLC0415 - only for those who draw

        axes = figure.subplots()
        draw(axes)
        for before, after in itertools.pairwise(runs):
            if after["package"] != before["package"]:
                axes.axvline(_times([after])[0], linestyle=":", linewidth=1, color=FAINT)
        locator = dates.AutoDateLocator(minticks=2, maxticks=6)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz=dt.UTC))
        axes.set(title=title)
        figure.legend(loc="outside lower center", ncols=3)

    return svg(whole, 4.2, 3.1)


def _with_intervals(axes: Axes, shown: Sequence[dict[str, Any]], name: str, colour: str, label: str) -> None:
    if not shown:
        return
    moments, values = _line(shown, name)
    axes.plot(moments, values, marker="o", markersize=4, color=colour, label=label)
    for moment, run in zip(moments, shown, strict=True):
        axes.plot([moment] * 2, run[name]["confidence_interval"], color=colour, linewidth=1, alpha=0.6)


def _those_with(runs: Sequence[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [run for run in runs if run[name]]


def _line(shown: Sequence[dict[str, Any]], name: str) -> tuple[list[Any], list[float]]:
    return _times(shown), [run[name]["value"] for run in shown]


def _times(runs: Sequence[dict[str, Any]]) -> list[Any]:
    """Times of runs, as matplotlib's axes take them."""
    return [dt.datetime.fromisoformat(run["at"]).astimezone(dt.UTC) for run in runs]


def _day(run: dict[str, Any]) -> str:
    return dt.datetime.fromisoformat(run["at"]).strftime("%d %b")


def _edges(quantity: Quantity) -> Array:
    if quantity.name == "probability":
        return np.linspace(0, 1, 21)
    # A few images far out would press all others into one bar; they are counted in the outermost.
    both = np.concatenate([quantity.reference, quantity.current])
    low, high = np.quantile(both, (0.005, 0.995))
    return np.linspace(low, high if high > low else low + 1, 25)
