"""The plots of a model's scores of the test split, read from the evaluation document and the scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from model_code.contract.metrics import CLASSIFICATION, prevalence
from model_code.reports.plots import FAINT, INK, NORMAL_COLOUR, PNEUMONIA_COLOUR, Plot, svg
from model_code.statistics.metrics import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BAND_COLOUR = "#f0d58c"


def roc(evaluation: dict[str, Any]) -> Plot:
    """The ROC curve with its band, the operating point and, where there is one, the serving model's curve."""
    found = evaluation[CLASSIFICATION]
    band = evaluation["curve_bands"]["receiver_operating_characteristic_curve"]
    low, high = found["auc"]["confidence_interval"]
    serving = evaluation["comparison"]["serving"]
    label = f"AUROC {found['auc']['value']:.3f} ({low:.3f} to {high:.3f})"
    operating = (found["false_positive_rate"]["value"], found["true_positive_rate"]["value"])

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.fill_between(
            band["false_positive_rates"], *band["true_positive_rates"], color=PNEUMONIA_COLOUR, alpha=0.18, linewidth=0
        )
        _curve(axes, found["receiver_operating_characteristic_curve"], color=PNEUMONIA_COLOUR, label=label)
        if serving:
            old = serving["auc"]["value"]
            curve = serving["receiver_operating_characteristic_curve"]
            _curve(axes, curve, color=INK, linestyle="--", linewidth=1, label=f"serving model, AUROC {old:.3f}")
        axes.plot([0, 1], [0, 1], linestyle=":", color=FAINT)
        axes.plot(*operating, marker="o", linestyle="", color=INK, label="decision threshold")
        axes.set(xlabel="1 - specificity", ylabel="sensitivity", title="ROC", xlim=(-0.01, 1), ylim=(0, 1.01))
        axes.legend(loc="lower right")

    return Plot(
        "ROC curve",
        svg(draw, 4.2, 4),
        f"ROC curve with 95 % band, {label}; at the decision threshold the sensitivity is {operating[1]:.3f} and the "
        f"specificity {1 - operating[0]:.3f}."
        + (f" The serving model's AUROC is {serving['auc']['value']:.3f}." if serving else ""),
    )


def precision_recall(evaluation: dict[str, Any]) -> Plot:
    """The precision-recall curve with its band and the prevalence, which is what guessing gives."""
    found = evaluation[CLASSIFICATION]
    band = evaluation["curve_bands"]["precision_recall_curve"]
    curve, share = found["precision_recall_curve"], prevalence(evaluation)
    low, high = found["auprc"]["confidence_interval"]
    label = f"AUPRC {found['auprc']['value']:.3f} ({low:.3f} to {high:.3f})"

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.fill_between(band["recalls"], *band["precisions"], color=PNEUMONIA_COLOUR, alpha=0.18, linewidth=0)
        axes.step(curve["recalls"], curve["precisions"], where="post", color=PNEUMONIA_COLOUR, label=label)
        axes.axhline(share, linestyle=":", color=FAINT, label=f"prevalence {share:.2f}")
        operating = (found["recall"]["value"], found["precision"]["value"])
        axes.plot(*operating, marker="o", linestyle="", color=INK, label="decision threshold")
        axes.set(xlabel="recall (sensitivity)", ylabel="precision (PPV)", title="Precision and recall")
        axes.set(xlim=(0, 1.01), ylim=(0, 1.01))
        axes.legend(loc="lower left")

    sentence = f"Precision-recall curve with 95 % band, {label}; the prevalence is {share:.3f}."
    return Plot("Precision-recall curve", svg(draw, 4.2, 4), sentence)


def confusion(evaluation: dict[str, Any]) -> Plot:
    """Confusion matrix: labels against predictions at the decision threshold, as counts and as shares of each label."""
    matrix = evaluation[CLASSIFICATION]["confusion_matrix"]
    rows = [[matrix[actual][predicted] for predicted in ("0", "1")] for actual in ("0", "1")]
    shares = [[count / max(1, sum(row)) for count in row] for row in rows]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for y, row in enumerate(rows):
            for x, count in enumerate(row):
                colour = "white" if shares[y][x] > 0.65 else "black"
                axes.text(x, y, f"{count:,}\n{shares[y][x]:.1%}", ha="center", va="center", color=colour, fontsize=11)
        axes.set_xticks([0, 1], ["NORMAL", "PNEUMONIA"])
        axes.set_yticks([0, 1], ["NORMAL", "PNEUMONIA"], rotation=90, va="center")
        axes.grid(visible=False)
        axes.set(xlabel="predicted", ylabel="label", title="Confusion matrix")

    return Plot(
        "Confusion matrix",
        svg(draw, 4.2, 4),
        f"Of {sum(rows[0])} NORMAL images {rows[0][0]} are predicted NORMAL and {rows[0][1]} PNEUMONIA; of "
        f"{sum(rows[1])} PNEUMONIA images {rows[1][1]} are predicted PNEUMONIA and {rows[1][0]} NORMAL.",
    )


def decision_curve(evaluation: dict[str, Any]) -> Plot:
    """Net benefit by threshold probability: the model with its band, treating all, treating nobody."""
    found, share = evaluation["decisions"]["curve"], prevalence(evaluation)
    thresholds, own = found["thresholds"], evaluation["threshold"]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.fill_between(thresholds, *found["model_band"], color=PNEUMONIA_COLOUR, alpha=0.18, linewidth=0)
        axes.plot(thresholds, found["model"], color=PNEUMONIA_COLOUR, label="model")
        axes.plot(thresholds, found["treat_all"], color=NORMAL_COLOUR, linestyle="--", label="everybody")
        axes.axhline(0, color=INK, linewidth=1, label="nobody")
        axes.axvline(own, linestyle=":", color=FAINT, label="decision threshold")
        axes.set(xlabel="acts from this probability on", ylabel="net benefit", title="Decision curve")
        axes.set(xlim=(0, 1), ylim=(-0.1 * share, 1.05 * share))
        axes.legend(loc="lower left")

    at = [
        f"at {thresholds[place]:g} {found['model'][place]:.3f}, of acting on everybody {found['treat_all'][place]:.3f}"
        for place in (9, 49)
    ]
    sentence = f"Net benefit of the model by threshold probability, with its 95 % band: {'; '.join(at)}."
    return Plot("Decision curve", svg(draw, 4.2, 4), sentence)


def reliability(evaluation: dict[str, Any]) -> Plot:
    """Observed shares against predicted probabilities, as served and without the calibration."""
    calibration = evaluation["calibration"]
    error, raw = (side["expected_calibration_error"]["value"] for side in (calibration, calibration["raw"]))

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], linestyle=":", color=FAINT)
        for rows, colour, style, label in (
            (calibration["raw"]["reliability"], FAINT, "--", f"raw, ECE {raw:.3f}"),
            (calibration["reliability"], NORMAL_COLOUR, "-", f"calibrated, ECE {error:.3f}"),
        ):
            x, y = ([row[name] for row in rows] for name in ("mean_probability", "observed"))
            axes.plot(x, y, marker="o", markersize=4, color=colour, linestyle=style, label=label)
        for row in calibration["reliability"]:
            axes.plot([row["mean_probability"]] * 2, row["confidence_interval"], color=NORMAL_COLOUR, linewidth=1)
            point = (row["mean_probability"], row["observed"])
            axes.annotate(str(row["count"]), point, textcoords="offset points", xytext=(4, -9), fontsize=7)
        axes.set(xlabel="mean probability", ylabel="share with PNEUMONIA", title="Reliability (number: images)")
        axes.set(xlim=(0, 1), ylim=(-0.01, 1.02))
        axes.legend(loc="upper left")

    rows = "; ".join(f"{row['mean_probability']:.2f} to {row['observed']:.2f}" for row in calibration["reliability"])
    return Plot(
        "Reliability diagram",
        svg(draw, 4.2, 4),
        f"Mean probability of each bin to observed share of PNEUMONIA: {rows}. Expected calibration error {error:.3f}, "
        f"without the calibration {raw:.3f}.",
    )


def histogram(labels: Array, probabilities: Array, evaluation: dict[str, Any]) -> Plot:
    """The calibrated probabilities of both labels, with the threshold and the indeterminate band.

    Args:
        labels: (n,) zeros and ones.
        probabilities: (n,), from 0 to 1.
        evaluation: gives threshold and band.
    """
    threshold, band = evaluation["threshold"], evaluation["indeterminate"]
    sides = [probabilities[labels == value] for value in (0, 1)]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axvspan(band["low"], band["high"], color=_BAND_COLOUR, alpha=0.6, linewidth=0, label="indeterminate")
        colours = [NORMAL_COLOUR, PNEUMONIA_COLOUR]
        axes.hist(sides, bins=20, range=(0, 1), color=colours, label=["NORMAL", "PNEUMONIA"], log=True)
        axes.axvline(threshold, linestyle="--", color=INK, label=f"threshold {threshold:.3f}")
        axes.set(xlabel="probability of PNEUMONIA", ylabel="radiographs (log)", title="Probabilities by label")
        # On a log axis that begins at 1, a bar of one radiograph has no height; above, room for the legend.
        axes.set(xlim=(0, 1), ylim=(0.5, axes.get_ylim()[1] * 8))
        axes.legend(loc="upper center", ncols=2)

    middles = [f"{name} {np.median(side):.3f}" for name, side in zip(("NORMAL", "PNEUMONIA"), sides, strict=True)]
    return Plot(
        "Probabilities by label",
        svg(draw, 4.2, 4),
        f"Histogram of probabilities, median of {' and of '.join(middles)}; threshold {threshold:.3f}, indeterminate "
        f"from {band['low']:.3f} to {band['high']:.3f}.",
    )


def subgroups(evaluation: dict[str, Any]) -> Plot:
    """Sensitivity, specificity and AUROC of the whole test split and of each subgroup, with their intervals."""
    found = evaluation[CLASSIFICATION]
    names = {"true_positive_rate": "sensitivity", "true_negative_rate": "specificity", "auc": "AUROC"}
    rows = [{"title": "all", **{name: found[name] for name in names}}, *evaluation["subgroups"]]

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, len(names), sharey=True)
        for axes, (name, title) in zip(panels, names.items(), strict=True):
            for place, row in enumerate(rows):
                if row.get(name):
                    colour = INK if place == 0 else NORMAL_COLOUR
                    axes.plot(row[name]["confidence_interval"], [place] * 2, color=colour, linewidth=1.5)
                    axes.plot(row[name]["value"], place, marker="o", markersize=4, color=colour)
            axes.axvline(found[name]["value"], linestyle=":", color=FAINT)
            axes.set(title=title, xlim=(None, 1.005))
        panels[0].set_yticks(range(len(rows)), [row["title"] for row in rows])
        panels[0].invert_yaxis()

    sentences = (
        f"{row['title']}: " + ", ".join(f"{names[name]} {row[name]['value']:.3f}" for name in names if row.get(name))
        for row in rows
    )
    drawn = svg(draw, 8, 0.9 + 0.35 * len(rows))
    return Plot("Subgroups", drawn, f"Points with intervals. {'; '.join(sentences)}.", wide=True)


def _curve(axes: Any, curve: dict[str, Any], **style: Any) -> None:
    axes.plot(curve["false_positive_rates"], curve["true_positive_rates"], **style)
