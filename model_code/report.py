"""report.html: one self-contained file for the person who approves a model, and the plots in it."""

from __future__ import annotations

import base64
import dataclasses
import html
import io
from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from model_code.metrics import Array, Estimate

INTENDED_USE = (
    "Research and decision support only. The model estimates the probability of pneumonia on a frontal chest "
    "radiograph that resembles its training data; it does not make a diagnosis, is not a medical device, and must not "
    "be the sole basis of a clinical decision."
)
SHOWN = {
    "auc": "AUROC",
    "auprc": "AUPRC",
    "true_positive_rate": "Sensitivity (recall)",
    "true_negative_rate": "Specificity",
    "precision": "Positive predictive value (precision)",
    "negative_predictive_value": "Negative predictive value",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "f1": "F1",
    "brier_score": "Brier score",
    "expected_calibration_error": "Expected calibration error",
}
_NORMAL_COLOUR, _PNEUMONIA_COLOUR, _INK = "#3b6ea5", "#c44e52", "#444444"


@dataclasses.dataclass(frozen=True)
class Scored:
    """Test labels (zeros and ones), calibrated probabilities and the decision threshold."""

    labels: Array
    probabilities: Array
    threshold: float


def learning_curves(history: Sequence[dict[str, Any]]) -> str:
    """Training and validation loss, and validation AUROC, by epoch, as an SVG document."""
    figure = Figure(figsize=(8, 3), layout="constrained")
    loss, area = figure.subplots(1, 2)
    epochs = [line["epoch"] for line in history]
    loss.plot(epochs, [line["loss"] for line in history], marker="o", label="training (augmented)")
    loss.plot(epochs, [line["val_loss"] for line in history], marker="o", label="validation")
    loss.set(xlabel="epoch", ylabel="cross-entropy", title="Loss")
    loss.legend()
    area.plot(epochs, [line["val_auc"] for line in history], marker="o", color=_PNEUMONIA_COLOUR)
    area.set(xlabel="epoch", ylabel="AUROC", title="Validation AUROC")
    return _svg(figure)


def plots(scored: Scored, evaluation: dict[str, Any]) -> dict[str, str]:
    """The evaluation's plots as SVG documents, by title."""
    metrics = evaluation["binary_classification_metrics"]
    return {
        "ROC curve": _roc(metrics),
        "Precision-recall curve": _precision_recall(metrics, float(scored.labels.mean())),
        "Reliability diagram": _reliability(evaluation["calibration"]),
        "Confusion matrix": _confusion(metrics["confusion_matrix"]),
        "Probabilities by label": _histogram(scored),
    }


def render(
    evaluation: dict[str, Any],
    metadata: dict[str, Any],
    card: dict[str, Any],
    estimates: dict[str, Estimate],
    figures: dict[str, str],
) -> str:
    """The report as one HTML document that refers to nothing outside itself."""
    gates = evaluation["gates"]
    history = metadata["training"]["history"]
    test = evaluation["test"]
    pictures = figures | ({"Learning curves": learning_curves(history)} if history else {})
    sections = [
        f'<p class="verdict {"passed" if gates["passed"] else "failed"}">{html.escape(gates["message"])}</p>',
        f"<p><strong>Intended use.</strong> {html.escape(INTENDED_USE)}</p>",
        "<h2>Test metrics</h2>",
        f"<p>{test['images']} test radiographs of {test['patients']} patients, "
        f"{test['prevalence']:.1%} with pneumonia; "
        f"decision threshold {evaluation['threshold']:.3f} and temperature "
        f"{evaluation['calibration']['temperature']:.3f} come from validation data. "
        "Intervals: 95 %, bootstrap by patient.</p>",
        _table(
            ["Metric", "Value", "95 % interval"],
            (
                [title, f"{estimates[name].value:.3f}", f"{estimates[name].low:.3f} to {estimates[name].high:.3f}"]
                for name, title in SHOWN.items()
            ),
        ),
        "<h2>Gates</h2>",
        _table(
            ["Gate", "Value", "Limit", "Result"],
            (
                [gate["title"], f"{gate['value']:.3f}", gate["rule"], "passed" if gate["passed"] else "failed"]
                for gate in gates["checks"]
            ),
        ),
        "<h2>Plots</h2>",
        '<div class="plots">' + "".join(_picture(title, svg) for title, svg in pictures.items()) + "</div>",
        "<h2>By subtype</h2>",
        _table(
            ["Subtype in the file name", "Images", "Sensitivity"],
            ([row["subtype"], row["images"], f"{row['true_positive_rate']:.3f}"] for row in evaluation["subgroups"]),
        ),
        "<h2>Dataset card</h2>",
        _dataset_card(card),
        "<h2>Model and settings</h2>",
        _table(["Setting", "Value"], _settings(metadata)),
    ]
    return _PAGE.replace("{{body}}", "\n".join(sections))


def _dataset_card(card: dict[str, Any]) -> str:
    splits = (
        [
            split,
            counts["images"],
            counts["patients"],
            *counts["labels"].values(),
            ", ".join(f"{name} {count}" for name, count in counts["subtypes"].items()) or "-",
        ]
        for split, counts in card["splits"].items()
    )
    dropped = ([entry["reason"].replace("_", " "), entry["count"], entry["files"][0]] for entry in card["dropped"])
    decisions = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in card["decisions"])
    return "".join(
        [
            _table(["Split", "Images", "Patients", *card["labels"], "Subtypes"], splits),
            f"<ul>{decisions}</ul>",
            _table(["Not used because", "Files", "For example"], dropped) if card["dropped"] else "",
            f"<p>Content SHA-256 <code>{card['sha256']}</code></p>",
        ]
    )


def _settings(metadata: dict[str, Any]) -> Iterable[list[Any]]:
    yield ["backbone", metadata["backbone"]]
    yield from ([name.replace("_", " "), value] for name, value in metadata["training"]["hyperparameters"].items())
    yield ["arithmetic of training", metadata["training"]["policy"]]
    yield ["training time", f"{metadata['training']['seconds']} s"]
    yield from ([f"{name} version", value] for name, value in metadata["versions"].items())
    yield ["source revision", metadata["source_revision"]]
    yield ["trained", metadata["created"]]


def _roc(metrics: dict[str, Any]) -> str:
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.subplots()
    curve = metrics["receiver_operating_characteristic_curve"]
    low, high = metrics["auc"]["confidence_interval"]
    label = f"AUROC {metrics['auc']['value']:.3f} ({low:.3f} to {high:.3f})"
    axes.plot(curve["false_positive_rates"], curve["true_positive_rates"], color=_PNEUMONIA_COLOUR, label=label)
    axes.plot([0, 1], [0, 1], linestyle=":", color=_INK)
    operating = (metrics["false_positive_rate"]["value"], metrics["true_positive_rate"]["value"])
    axes.plot(*operating, marker="o", linestyle="", color=_INK, label="decision threshold")
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", title="ROC")
    axes.legend(loc="lower right")
    return _svg(figure)


def _precision_recall(metrics: dict[str, Any], prevalence: float) -> str:
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.subplots()
    curve = metrics["precision_recall_curve"]
    label = f"AUPRC {metrics['auprc']['value']:.3f}"
    axes.step(curve["recalls"], curve["precisions"], where="post", color=_PNEUMONIA_COLOUR, label=label)
    axes.axhline(prevalence, linestyle=":", color=_INK, label="prevalence")
    axes.set(xlabel="recall (sensitivity)", ylabel="precision (PPV)", title="Precision and recall", ylim=(0, 1.03))
    axes.legend(loc="lower left")
    return _svg(figure)


def _reliability(calibration: dict[str, Any]) -> str:
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.subplots()
    rows = calibration["reliability"]
    axes.plot([0, 1], [0, 1], linestyle=":", color=_INK)
    axes.plot(
        [row["mean_probability"] for row in rows],
        [row["observed"] for row in rows],
        marker="o",
        color=_NORMAL_COLOUR,
        label=f"ECE {calibration['expected_calibration_error']['value']:.3f}",
    )
    for row in rows:
        point = (row["mean_probability"], row["observed"])
        axes.annotate(f"n={row['count']}", point, textcoords="offset points", xytext=(4, 5), fontsize=7)
    axes.set(xlabel="mean probability", ylabel="share with pneumonia", title="Reliability", xlim=(0, 1), ylim=(0, 1.06))
    axes.legend(loc="upper left")
    return _svg(figure)


def _confusion(matrix: dict[str, dict[str, int]]) -> str:
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.subplots()
    rows = [[matrix[actual][called] for called in ("0", "1")] for actual in ("0", "1")]
    shares = [[count / max(1, sum(row)) for count in row] for row in rows]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for y, row in enumerate(rows):
        for x, count in enumerate(row):
            colour = "white" if shares[y][x] > 0.5 else "black"
            axes.text(x, y, f"{count}\n{shares[y][x]:.1%}", ha="center", va="center", color=colour)
    axes.set_xticks([0, 1], ["NORMAL", "PNEUMONIA"])
    axes.set_yticks([0, 1], ["NORMAL", "PNEUMONIA"], rotation=90, va="center")
    axes.set(xlabel="called", ylabel="label", title="Confusion matrix")
    return _svg(figure)


def _histogram(scored: Scored) -> str:
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.subplots()
    sides = [scored.probabilities[scored.labels == value] for value in (0, 1)]
    axes.hist(
        sides, bins=20, range=(0, 1), color=[_NORMAL_COLOUR, _PNEUMONIA_COLOUR], label=["NORMAL", "PNEUMONIA"], log=True
    )
    axes.axvline(scored.threshold, linestyle="--", color=_INK, label="decision threshold")
    axes.set(xlabel="probability of pneumonia", ylabel="radiographs (log)", title="Probabilities by label")
    axes.set_ylim(bottom=0.5)  # on a log axis that begins at 1, a bar of one radiograph has no height
    axes.legend(loc="upper center")
    return _svg(figure)


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    # Without a fixed salt and with a date, the same numbers would give another file each time.
    with mpl.rc_context({"svg.hashsalt": "chest-xray", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _picture(title: str, svg: str) -> str:
    encoded = base64.b64encode(svg.encode()).decode("ascii")
    return f'<img alt="{html.escape(title)}" src="data:image/svg+xml;base64,{encoded}">'


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    def cells(tag: str, values: Sequence[Any]) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(str(value))}</{tag}>" for value in values) + "</tr>"

    body = "".join(cells("td", row) for row in rows)
    return f"<table><thead>{cells('th', head)}</thead><tbody>{body}</tbody></table>"


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Chest radiograph classifier: evaluation</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; margin: .5rem 0; display: block; overflow-x: auto; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #ddd; vertical-align: top; }
.verdict { padding: .7rem 1rem; border-left: .4rem solid; font-weight: 600; }
.passed { border-color: #2e7d32; background: #edf7ed; } .failed { border-color: #c62828; background: #fdecea; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; } .plots img { max-width: 100%; height: auto; }
code { overflow-wrap: anywhere; }
</style>
</head>
<body>
<h1>Chest radiograph classifier: evaluation on the test split</h1>
{{body}}
</body>
</html>
"""
