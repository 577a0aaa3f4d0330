"""The report of a site evaluation: a verdict, and what it rests on, in one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from model_code.contract.documents import SiteEvaluation
from model_code.contract.metrics import figure, of_prevalence
from model_code.evaluation.scores import TestScores
from model_code.evaluation.site import measured
from model_code.evaluation.site_verdict import NOT_USABLE, USABLE
from model_code.reports import decision_sections, evaluation_plots, html_page
from model_code.reports.evaluation_report import subgroup_table
from model_code.reports.html_page import Html, Section
from model_code.reports.model_card import INTENDED_USE, NOT_FOR

TITLE = "Chest radiograph classifier: evaluation on a site's radiographs"
_TITLES = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "calibration_error": "Expected calibration error",
    "brier_score": "Brier score",
}
_STATES = {"kept": "kept", "missed": "missed", "open": "open: the interval reaches over the limit"}
_DROPPED = {
    "conflicting_labels": "the same file under both labels",
    "duplicate": "the same file again",
    "near_duplicate": "the same radiograph again, in other bytes",
    "undecodable": "cannot be read",
    "not_a_frontal_chest_radiograph": "no frontal radiograph of a chest",
    "seen_by_the_model": "seen by the model, or of a patient whom it has seen",
}


def render(document: SiteEvaluation, scores: TestScores) -> str:
    """The report as one HTML document that refers to nothing outside itself.

    Args:
        document: the site evaluation, complete.
        scores: of all images that were scored, for the histogram.
    """
    # The plots of an evaluation, with the model's own test split where the model that serves is elsewhere.
    evaluation = {**document["evaluation"], "comparison": {"serving": None}}
    shown = measured(scores)
    curves = (evaluation_plots.roc, evaluation_plots.precision_recall, evaluation_plots.confusion)
    sections = [
        Section("limits", "Against the deployment's limits", list(_limits(document))),
        Section("figures", "Beside the model's own test split", list(_figures(document))),
        Section("curves", "Discrimination and decisions", [html_page.plots(plot(evaluation) for plot in curves)]),
        Section(
            "calibration",
            "Calibration",
            [
                html_page.plots(
                    [
                        evaluation_plots.reliability(evaluation),
                        evaluation_plots.histogram(shown.labels, shown.probabilities, evaluation),
                    ]
                )
            ],
        ),
        Section("subgroups", "Subgroups", list(_subgroups(evaluation))),
        Section("images", "What became of the archive", list(_images(document))),
        Section("use", "Intended use", [html_page.paragraph(INTENDED_USE), html_page.paragraph(NOT_FOR)]),
    ]
    closing = html_page.paragraph(
        f"Model version {document['model_version']}, trained on dataset {document['dataset_sha256'][:12]}; archive "
        f"{document['archive_uri']}; execution {document['execution']}, evaluated {document['created']}. Each image's "
        "score is in site_predictions.csv beside this file."
    )
    return html_page.document(TITLE, _opening(document), sections, closing)


def _opening(document: SiteEvaluation) -> Iterator[Html]:
    verdict, images = document["verdict"], document["images"]
    unseen = "that it was not trained on" if document["known"] is not None else "that it may have been trained on"
    yield html_page.paragraph(
        f"Version {document['model_version']}, evaluated {document['created']} on {images['measured']:,} radiographs "
        f"of {images['patients']:,} patients {unseen}.",
        "quiet",
    )
    if alone := images["of_unnamed_patients"]:
        yield html_page.paragraph(
            f"{alone:,} of these radiographs name no patient, so each, or each study, counts as a patient of its own: "
            "where people recur, the intervals are too narrow.",
            "quiet",
        )
    kind = {USABLE: "passed", NOT_USABLE: "failed"}.get(verdict["code"], "doubted")
    rest = verdict["sentence"].removeprefix(f"{verdict['title']}. ")
    yield html_page.paragraph(
        Html(f"<strong>{html_page.text(verdict['title'])}.</strong>{html_page.text(rest)}"), f"verdict {kind}"
    )
    yield from map(html_page.paragraph, document["doubts"])
    yield html_page.paragraph(
        f"It holds for patients like those of this archive, at {of_prevalence(document['evaluation'])}, and as long as "
        "neither the machines nor the patients change. The labels are taken for true."
    )


def _limits(document: SiteEvaluation) -> Iterator[Html]:
    yield html_page.table(
        "Each figure with its 95 % interval, against the limit that a model must keep to be registered here",
        ["Figure", "Value", "95 % interval", "Demanded", "Result"],
        (
            [
                judgement["title"],
                f"{judgement['value']:.3f}",
                html_page.interval([judgement["low"], judgement["high"]]),
                f"at {'least' if judgement['at_least'] else 'most'} {judgement['limit']:g}",
                _STATES[judgement["state"]],
            ]
            for judgement in document["judgements"]
        ),
    )
    chance = document["evaluation"]["calibration"]["by_chance"]
    yield html_page.paragraph(
        f"The calibration error counts as kept where perfect probabilities would show it too, which here is up to "
        f"{chance['percentile_95']:.3f}. Refused images get no answer, so the other figures are of those that are "
        "answered, or of all where none of a label is.",
        "quiet",
    )


def _figures(document: SiteEvaluation) -> Iterator[Html]:
    evaluation = document["evaluation"]
    yield html_page.table(
        "Value and 95 % interval",
        ["Metric", "This site", "Its own test split", "Difference"],
        (
            [
                title,
                html_page.measured(figure(evaluation, name)),
                html_page.measured(document["own"][name]),
                html_page.measured(document["differences"][name], "+.3f"),
            ]
            for name, title in _TITLES.items()
        ),
    )
    test = evaluation["test"]
    yield html_page.paragraph(
        f"{test['prevalence']:.1%} of this site's images show PNEUMONIA. The threshold {document['threshold']:.3f} and "
        f"the temperature {evaluation['calibration']['temperature']:.3f} are the model's own, chosen on its validation "
        f"data. {decision_sections.weighted(evaluation)} A difference is known where its interval does not reach over "
        "0."
    )


def _subgroups(evaluation: dict[str, Any]) -> Iterator[Html]:
    rows = evaluation["subgroups"]
    if not rows:
        yield html_page.paragraph("No group of both labels and of enough patients can be told apart.")
        return
    yield subgroup_table("Value and 95 % interval", rows)


def _images(document: SiteEvaluation) -> Iterator[Html]:
    images, refused, known = document["images"], document["refused_share"], document["known"]
    low, high = (f"{end:.1%}" for end in refused["confidence_interval"])
    yield html_page.paragraph(
        f"Of {images['archive']:,} labelled files {images['scored']:,} were scored. The out-of-distribution detector "
        f"refuses {images['scored'] - images['answered']:,} of them, {refused['value']:.1%} (95 % interval {low} to "
        f"{high})."
    )
    if known is None:
        yield html_page.paragraph(
            "Whether the model has seen these images is not known: the dataset of this version left no fingerprints. "
            "If it has, the figures are too good."
        )
    else:
        yield html_page.paragraph(
            "Compared with every image that the model was made with, by content, by perceptual hash and, where files "
            f"name patients, by patient: {known['contents']} the same files, {known['copies']} copies in other bytes, "
            f"{known['patients']} of the same patients; all of them are left out."
        )
    if document["dropped"]:
        yield html_page.table(
            "Left out",
            ["Why", "Files", "For example"],
            (
                [_DROPPED.get(row["reason"], row["reason"]), row["count"], row["files"][0]]
                for row in document["dropped"]
            ),
        )
