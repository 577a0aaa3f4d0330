"""Sections of the evaluation report about calibration: how far probabilities are off, and what a site's own changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from model_code.contract.metrics import figure
from model_code.reports import evaluation_plots, html_page
from model_code.reports.html_page import Html, Section

_ERRORS = {"expected_calibration_error": "Expected calibration error", "brier_score": "Brier score"}
_COMPARED = {
    "calibration_error": "Expected calibration error",
    "brier_score": "Brier score",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "auroc": "AUROC",
}


def chosen_on(evaluation: dict[str, Any]) -> str:
    """Data that chose threshold, temperature and band, as sentences name it."""
    return "the other half of the site's archive" if evaluation["calibrated_from"] else "validation data"


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
        yield Section(
            "site", f"Version {origin['version']}, calibrated on a site's radiographs", list(_site(evaluation))
        )


def _site(evaluation: dict[str, Any]) -> Iterator[Html]:
    origin, test = evaluation["calibrated_from"], evaluation["test"]
    yield html_page.paragraph(origin["sentence"])
    yield html_page.table(
        "The same weights on the same images that were held out: value and 95 % interval",
        ["Metric", f"Version {origin['version']}", "This version"],
        (
            [title, html_page.measured(origin["before"][name]), html_page.measured(figure(evaluation, name))]
            for name, title in _COMPARED.items()
        ),
    )
    fitted, held_out = origin["fitted"], origin["held_out"]
    yield html_page.paragraph(
        f"Of {origin['archive_uri']}, {fitted['images']:,} radiographs of {fitted['patients']:,} patients chose "
        f"temperature {evaluation['calibration']['temperature']:.3f}, bias {evaluation['calibration']['bias']:+.3f}, "
        f"threshold and band; {held_out['images']:,} of {held_out['patients']:,} other patients were held out and "
        "looked at once. The bias is what another prevalence or exposure asks for: it holds for this site's, "
        f"{test['prevalence']:.1%} with PNEUMONIA among those held out. Images that the version has learned from, and "
        "their patients, are in neither half."
    )
    yield html_page.bullets(
        [
            "Not changed: which radiograph ranks above which, which are refused as unlike, and the saliency maps, "
            "whose least marked score is still that of the training's own band.",
            f"The weights have the digest {origin['weights_sha256'][:12]}, as in version {origin['version']}. The "
            "sections on training and data set are about what these weights were trained on.",
            "The labels of the archive are taken for true. It holds for patients like these, as long as neither the "
            "machines nor the patients change.",
        ]
    )
