"""Sections of the evaluation report about decisions: operating points, errors, calibration, and a site's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from model_code.contract.labels import LABELS
from model_code.contract.metrics import figure, of_prevalence, of_probabilities
from model_code.evaluation.scores import TestScores
from model_code.monitoring import reader_labels
from model_code.reports import evaluation_plots, html_page
from model_code.reports.html_page import Html, Section
from model_code.statistics.calibration import Calibration

_ERRORS = {"expected_calibration_error": "Expected calibration error", "brier_score": "Brier score"}
_COMPARED = {
    "calibration_error": "Expected calibration error",
    "brier_score": "Brier score",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "auroc": "AUROC",
}


_POINTS = {
    "band_low": "lower end of the indeterminate band",
    "threshold": "decision threshold",
    "band_high": "upper end of the indeterminate band",
}
# The report is a page for people; all rows are in the table beside it.
_MOST_ERRORS = 200


def chosen_on(evaluation: dict[str, Any]) -> str:
    """Data that chose threshold, temperature and band, as sentences name it."""
    if by_readers(evaluation):
        return "the other half of the readers' labels"
    return "the other half of the site's archive" if evaluation["calibrated_from"] else "validation data"


def by_readers(evaluation: dict[str, Any]) -> bool:
    """Whether the test images are known by readers' labels of predictions only."""
    return "labels" in (evaluation["calibrated_from"] or {})


def of_patients(evaluation: dict[str, Any]) -> str:
    """End of a noun phrase about the test images: of how many patients, where that is known."""
    if by_readers(evaluation):
        return " of patients whom nobody named"
    return f" of {evaluation['test']['patients']:,} patients"


def weighted(evaluation: dict[str, Any]) -> str:
    """Sentence on the prevalence that figures are for, and whether the test images are weighted to it."""
    if evaluation["target_prevalence"] is None:
        return f"The predictive values, accuracy and F1 hold for this prevalence only; {of_probabilities(evaluation)}."
    return (
        f"Probabilities are for {of_prevalence(evaluation)}, which whoever started the pipeline named. "
        "In what depends on it (predictive values, accuracy, F1, AUPRC, calibration, net benefit, the share that is "
        "indeterminate) the test images are weighted to it, as if pneumonia looked the same there. Where few images "
        "carry much weight, the interval of the AUPRC is that of as few images of equal weight. The calibration error "
        "of few images is greater than the model's, and its interval with it: hold it against what chance makes of it."
    )


def operating_points(evaluation: dict[str, Any]) -> Section:
    """Section on the model's thresholds: sensitivity, specificity, predictive values by prevalence, net benefit."""
    found = evaluation["decisions"]
    points = found["operating_points"]
    where = [value["prevalence"] for value in points[0]["positive_predictive_values"]]
    rates = html_page.table(
        "Value and 95 % interval",
        ["PNEUMONIA from", "Probability", "Sensitivity", "Specificity"],
        (
            [
                _POINTS[point["name"]],
                f"{point['threshold']:.3f}",
                html_page.measured(point["true_positive_rate"]),
                html_page.measured(point["true_negative_rate"]),
            ]
            for point in points
        ),
    )
    predictive = html_page.table(
        "Positive predictive value where so many of those asked about have pneumonia",
        ["PNEUMONIA from", *(f"{prevalence:.0%}" for prevalence in where)],
        ([_POINTS[point["name"]], *map(_predictive, point["positive_predictive_values"])] for point in points),
    )
    why = html_page.paragraph(
        f"The decision threshold is where smoothed sensitivity plus specificity is greatest on {chosen_on(evaluation)} "
        "(Youden's J), which takes a missed pneumonia and a false alarm for equally bad; the band's ends come from the "
        "same images. No threshold is chosen on the test images. The predictive values follow by Bayes, if pneumonia "
        "looks the same there; their intervals go from both lower to both upper ends of sensitivity and specificity."
    )
    net = html_page.paragraph(
        "The decision curve says whether acting on the model is worth more than acting on everybody or on nobody, for "
        "whoever acts from that probability on: true positives less false positives weighed by its odds (Vickers and "
        f"Elkin 2006), for {of_prevalence(evaluation)}.",
    )
    plot = evaluation_plots.decision_curve(evaluation)
    return Section("operating-points", "Operating points", [why, rates, predictive, html_page.beside(plot, [net])])


def errors(evaluation: dict[str, Any], scores: TestScores) -> Section:
    """Every test image that is predicted wrongly, the most certain first, by its log odds.

    Args:
        evaluation: gives threshold and band.
    """
    threshold, band, calibration = evaluation["threshold"], evaluation["indeterminate"], evaluation["calibration"]
    wrong = np.flatnonzero((scores.probabilities >= threshold) != (scores.labels == 1))
    distance = scores.logits[wrong] - Calibration(calibration["temperature"], calibration["bias"]).logit(threshold)
    order = wrong[np.argsort(-np.abs(distance), kind="stable")]
    count = html_page.paragraph(
        f"{len(wrong):,} of {len(scores.labels):,} test images are on the wrong side of the decision threshold. A row "
        "is the image's in test_predictions.csv beside this report, its header not counted, which has all the others "
        f"too.{f' The {_MOST_ERRORS} furthest from the threshold are here.' if len(wrong) > _MOST_ERRORS else ''}"
    )
    if not len(wrong):
        return Section("errors", "Wrong predictions", [count])
    table = html_page.table(
        "The furthest from the decision threshold first",
        ["File", "Row", "Label", "Probability", "Answer", "Refused as unlike"],
        (
            [
                scores.paths[at].rpartition("/")[2],
                f"{at + 1:,}",
                LABELS[int(scores.labels[at])],
                f"{scores.probabilities[at]:.3f}",
                "indeterminate"
                if band["low"] <= scores.probabilities[at] < band["high"]
                else LABELS[int(scores.probabilities[at] >= threshold)],
                "yes" if scores.refused[at] else "no",
            ]
            for at in order[:_MOST_ERRORS]
        ),
    )
    return Section("errors", "Wrong predictions", [count, table])


def _predictive(found: dict[str, Any]) -> Html:
    return html_page.measured(found if found["value"] is not None else None)


def calibration(evaluation: dict[str, Any]) -> Section:
    """Section about the error of the probabilities."""
    found = evaluation["calibration"]
    raw, chance = found["raw"], found["by_chance"]
    figures = html_page.table(
        "With and without the calibration: value and 95 % interval",
        ["Metric", "As served", "Raw"],
        ([title, html_page.measured(found[key]), html_page.measured(raw[key])] for key, title in _ERRORS.items()),
    )
    chance_note = html_page.paragraph(
        f"The calibration error is never 0 on a finite test split: with perfect probabilities it would be "
        f"{chance['mean']:.3f} on average on these images, and above {chance['percentile_95']:.3f} in one of twenty "
        "test splits."
    )
    parts = html_page.beside(evaluation_plots.reliability(evaluation), [figures, chance_note])
    return Section("calibration", "Calibration", [parts])


def of_a_site(evaluation: dict[str, Any]) -> Iterator[Section]:
    """The version whose weights these are, on the same images; nothing of a version that was trained."""
    if origin := evaluation["calibrated_from"]:
        what = "readers' labels" if "labels" in origin else "a site's radiographs"
        yield Section("site", f"Version {origin['version']}, calibrated on {what}", list(_site(evaluation)))


def _site(evaluation: dict[str, Any]) -> Iterator[Html]:
    origin = evaluation["calibrated_from"]
    yield html_page.paragraph(origin["sentence"])
    yield html_page.table(
        "The same weights on the same images that were held out: value and 95 % interval",
        ["Metric", f"Version {origin['version']}", "This version"],
        (
            [title, html_page.measured(origin["before"][name]), html_page.measured(figure(evaluation, name))]
            for name, title in _COMPARED.items()
        ),
    )
    yield html_page.paragraph(_halves(evaluation))
    yield html_page.bullets(
        [
            "Not changed: which radiograph ranks above which, which are refused as unlike, and the saliency maps, "
            "whose least marked score is still that of the training's own band.",
            f"The weights have the digest {origin['weights_sha256'][:12]}, as in version {origin['version']}. The "
            "sections on training and data set are about what these weights were trained on.",
            *(_about_labels(origin["labels"]) if "labels" in origin else [_ABOUT_ARCHIVE]),
        ]
    )


_ABOUT_ARCHIVE = (
    "The labels of the archive are taken for true. It holds for patients like these, as long as neither the machines "
    "nor the patients change."
)


def _halves(evaluation: dict[str, Any]) -> str:
    """Sentences on what chose the calibration and what judged it."""
    origin, chosen = evaluation["calibrated_from"], evaluation["calibration"]
    fitted, held_out, labelled = origin["fitted"], origin["held_out"], origin.get("labels")
    chose = f"temperature {chosen['temperature']:.3f}, bias {chosen['bias']:+.3f}, threshold and band"
    target = evaluation["target_prevalence"]
    held = "holds for this one" if target is None else f"is for the target prevalence of {target:.1%}"
    bias = (
        f"{evaluation['test']['prevalence']:.1%} with PNEUMONIA among those held out: the bias is what another "
        f"prevalence or exposure asks for, and {held}"
    )
    if labelled:
        return (
            f"Of labels that were asked for from {labelled['since']} to {labelled['until']}, {fitted['images']:,} "
            f"chose {chose}; {held_out['images']:,} others, by a fixed draw, were held out and looked at once, {bias}."
        )
    return (
        f"Of {origin['archive_uri']}, {fitted['images']:,} radiographs of {fitted['patients']:,} patients chose "
        f"{chose}; {held_out['images']:,} of {held_out['patients']:,} other patients were held out and looked at once, "
        f"{bias}. Images that the version has learned from, and their patients, are in neither half."
    )


def _about_labels(labelled: dict[str, Any]) -> list[str]:
    """Sentences on what readers' labels are, and what they cannot tell."""
    left = reader_labels.listed(labelled["left_out"])
    return [
        f"{labelled['given']:,} labels were given in that time. Left out are labels {left}."
        if left
        else f"{labelled['given']:,} labels were given in that time, and none is left out.",
        "The readers' labels are taken for true. Readers choose what they label and may have seen the answer before, "
        "so these need not be like all radiographs that are sent, and labels that lean to the answers make the "
        "calibration look better than it is.",
        "Predictions name no patient and keep no image. Each radiograph counts as a patient of its own, so intervals "
        "are too narrow where one patient has several; whether the version was trained on one of them, subgroups, and "
        "which images are refused cannot be told.",
        "How the engine agrees with the float32 network is told of the images that version was evaluated on, in the "
        "new probabilities.",
    ]
