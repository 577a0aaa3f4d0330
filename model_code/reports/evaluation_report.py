"""report.html: one self-contained file for the person who approves a model.

What decides comes first: verdict, key figures with their intervals, the comparison with the model that is serving.
Below it is what a second look needs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from model_code.contract.labels import LABELS
from model_code.contract.metrics import CLASSIFICATION, of_prevalence
from model_code.contract.population import sentence
from model_code.evaluation.comparison import name as package_name
from model_code.evaluation.scores import TestScores
from model_code.reports import decision_sections, evaluation_plots, html_page, plots
from model_code.reports.concerns import concerns
from model_code.reports.dataset_report import dataset_section, labels_section
from model_code.reports.gallery import Gallery
from model_code.reports.html_page import Html, Section
from model_code.reports.model_card import INTENDED_USE, NOT_FOR
from model_code.statistics.indeterminate import PREDICTIVE_VALUES
from model_code.statistics.prevalence import at_prevalence

TITLE = "Chest radiograph classifier: evaluation on the test split"
SHOWN = {
    "auc": "AUROC",
    "auprc": "AUPRC",
    "true_positive_rate": "Sensitivity (recall)",
    "true_negative_rate": "Specificity",
    "precision": "Positive predictive value (precision)",
    "negative_predictive_value": "Negative predictive value",
    "f1": "F1",
    "balanced_accuracy": "Balanced accuracy",
    "accuracy": "Accuracy",
    "expected_calibration_error": "Expected calibration error",
    "brier_score": "Brier score",
}
# From a screened population to a ward for lungs.
_PREVALENCES = (0.01, 0.05, 0.1, 0.2, 0.5, 0.8)
_KEY_FIGURES = {
    "auc": "AUROC",
    "true_positive_rate": "Sensitivity",
    "true_negative_rate": "Specificity",
    "expected_calibration_error": "Calibration error",
}


def render(
    evaluation: dict[str, Any],
    metadata: dict[str, Any],
    card: dict[str, Any],
    *,
    scores: TestScores,
    gallery: Gallery,
    doubted: Section | None = None,
    identity: Identity,
) -> str:
    """The report as one HTML document that refers to nothing outside itself.

    Args:
        scores: scores of the test split, for the histogram.
        doubted: the section about suspect labels; None where none were ranked.
    """
    sections = [
        *decision_sections.of_a_site(evaluation),
        Section("figures", "Key figures", list(_figures(evaluation))),
        Section("comparison", "Against the serving model", list(_comparison(evaluation["comparison"]))),
        Section("gates", "Quality gates", [_gates(evaluation["gates"]), _engine(evaluation["engine"])]),
        labels_section(card),
        Section("training", "Training", list(_training(metadata))),
        Section("curves", "Discrimination and decisions", [_curves(evaluation)]),
        decision_sections.operating_points(evaluation),
        decision_sections.errors(evaluation, scores),
        decision_sections.calibration(evaluation),
        Section("undecided", "Undecided images", [_indeterminate(evaluation, scores)]),
        Section("out-of-distribution", "Refused images", [_refused(evaluation, metadata)]),
        Section("subgroups", "Subgroups", list(_subgroups(evaluation))),
        *([gallery.samples_section()] if gallery.samples else []),
        # Of labelled predictions no image is there to look at.
        *([gallery.saliency_section(evaluation["saliency"])] if gallery.averages else []),
        *([doubted] if doubted else []),
        dataset_section(card),
        Section(
            "settings",
            "Settings and versions",
            [html_page.table("Settings", ["Setting", "Value"], _settings(metadata))],
        ),
        Section(
            "use",
            "Intended use",
            [html_page.paragraph(said) for said in (INTENDED_USE, NOT_FOR, sentence(evaluation["population"]))],
        ),
    ]
    closing = html_page.paragraph(
        f"Dataset {card['sha256'][:12]}, source revision {metadata['source_revision']}, trained {metadata['created']}."
    )
    return html_page.document(TITLE, _opening(evaluation, metadata, card, identity), sections, closing)


@dataclasses.dataclass(frozen=True)
class Identity:
    """Execution that evaluated, and its time (ISO 8601, UTC). The version's number is given after that."""

    execution: str
    evaluated: str


def _opening(
    evaluation: dict[str, Any], metadata: dict[str, Any], card: dict[str, Any], identity: Identity
) -> Iterator[Html]:
    yield html_page.paragraph(
        f"Execution {identity.execution}, evaluated {identity.evaluated}; trained {metadata['created']} from source "
        f"revision {metadata['source_revision']} on dataset {card['sha256'][:12]}. A model that passes its gates is "
        "registered after this report is written: `cxr executions` and `cxr models` name the version.",
        "quiet",
    )
    gates, doubts = evaluation["gates"], concerns(evaluation, card)
    if not gates["passed"]:
        title, kind = "Not fit for registration.", "failed"
    elif doubts:
        title, kind = "All quality gates passed, and there are reasons not to approve.", "doubted"
    else:
        title, kind = "Fit for registration: all quality gates passed.", "passed"
    yield html_page.paragraph(Html(f"<strong>{title}</strong>{html_page.text(gates['message'])}"), f"verdict {kind}")
    if doubts:
        yield html_page.heading("Reasons not to approve")
        yield html_page.bullets(
            Html(f'{html_page.text(concern.sentence)} <a href="#{concern.section}">Details</a>') for concern in doubts
        )
    yield html_page.paragraph(Html(f"<strong>Intended use.</strong> {html_page.text(INTENDED_USE)}"))


def _figures(evaluation: dict[str, Any]) -> Iterator[Html]:
    test = evaluation["test"]
    found = {**evaluation[CLASSIFICATION], **evaluation["calibration"]}
    yield html_page.group(
        (
            Html(
                f"<div>{title}<b>{found[name]['value']:.3f}</b>"
                f"<span>{html_page.interval(found[name]['confidence_interval'])}</span></div>"
            )
            for name, title in _KEY_FIGURES.items()
        ),
        "key",
    )
    yield html_page.paragraph(
        f"{test['images']:,} test radiographs{decision_sections.of_patients(evaluation)}, {test['prevalence']:.1%} "
        f"with PNEUMONIA, scored by what serves. The decision threshold {evaluation['threshold']:.3f} and the "
        f"temperature {evaluation['calibration']['temperature']:.3f} come from "
        f"{decision_sections.chosen_on(evaluation)}. {decision_sections.weighted(evaluation)}"
    )
    yield html_page.table(
        "All figures",
        ["Metric", "Value", "95 % interval", "Another test split of this size"],
        (
            [
                title,
                f"{found[name]['value']:.3f}",
                html_page.interval(found[name]["confidence_interval"]),
                html_page.interval(found[name]["prediction_interval"]),
            ]
            for name, title in SHOWN.items()
        ),
    )
    yield html_page.paragraph(
        f"The 95 % interval is for the metric on endless data of this kind: Wilson's, with the variance of "
        f"{test['resamples']:,} bootstrap resamples of patients, and never narrower than the number of images allows. "
        "The last column is where the same metric lies with 95 % probability when it is measured once more, on as many "
        "other patients of the same kind.",
        "quiet",
    )


def _comparison(comparison: dict[str, Any]) -> Iterator[Html]:
    yield html_page.paragraph(comparison["sentence"])
    if comparison["worse"] and comparison["mode"] == "report":
        yield html_page.paragraph(
            "The pipeline was started with ServingComparison report, so this does not fail the model."
        )
    difference = comparison["auc_difference"]
    if difference is None:
        return
    candidate, serving = comparison["candidate"], comparison["serving"]
    names = {"auc": "AUROC", "true_positive_rate": "Sensitivity", "true_negative_rate": "Specificity"}
    yield html_page.table(
        f"The candidate and {package_name(comparison['serving_package'])} on the same {comparison['images']} images, "
        "each at its own threshold",
        ["Metric", "Candidate", "Serving", "Difference", "95 % interval"],
        (
            [
                title,
                f"{candidate[key]['value']:.3f}",
                f"{serving[key]['value']:.3f}",
                f"{comparison[f'{key}_difference']['value']:+.3f}",
                html_page.interval(comparison[f"{key}_difference"]["confidence_interval"], "+.3f"),
            ]
            for key, title in names.items()
        ),
    )
    yield html_page.paragraph(f"The two decide differently about {comparison['predicted_differently']} of the images.")
    if comparison["notes"]:
        yield html_page.bullets(comparison["notes"])


def _gates(gates: dict[str, Any]) -> Html:
    return html_page.table(
        "Limits of this execution",
        ["Gate", "Value", "Limit", "Result"],
        (
            [gate["title"], gate["shown"], gate["rule"], "passed" if gate["passed"] else "failed"]
            for gate in gates["checks"]
        ),
    )


def _engine(engine: dict[str, Any]) -> Html:
    """Sentences on the engine that serves, its weights, and what was judged before and not taken."""
    said = [f"The model is served by {engine['name']} with {engine['weights']} weights."]
    said += [
        f"Its {rejected['weights']} weights were judged first and are not served: {rejected['message']}"
        for rejected in engine["rejected"]
    ]
    return html_page.paragraph(" ".join(said))


def _training(metadata: dict[str, Any]) -> Iterator[Html]:
    training = metadata["training"]
    yield html_page.plots([plots.training(training["history"])])
    start = training["hyperparameters"].get("warm_start_from", "none")
    if start != "none":
        yield html_page.paragraph(
            f"Training began from the weights of {package_name(start)}. If that model was trained on another dataset, "
            "it may have seen some of these test images, and the figures of this report would be too good."
        )


def _curves(evaluation: dict[str, Any]) -> Html:
    drawn = (evaluation_plots.roc, evaluation_plots.precision_recall, evaluation_plots.confusion)
    return html_page.plots(plot(evaluation) for plot in drawn)


def _indeterminate(evaluation: dict[str, Any], scores: TestScores) -> Html:
    band, found = evaluation["indeterminate"], evaluation[CLASSIFICATION]
    names = {"true_positive_rate": "Sensitivity", "true_negative_rate": "Specificity"}
    return html_page.beside(
        evaluation_plots.histogram(scores.labels, scores.probabilities, evaluation),
        [
            html_page.paragraph(
                f"Probabilities from {band['low']:.3f} to {band['high']:.3f} around the threshold should be read as "
                f"undecided. The band comes from {decision_sections.chosen_on(evaluation)}."
            ),
            html_page.table(
                "Test images in the band",
                ["Images", f"Share at {of_prevalence(evaluation)}"],
                [[band["images"], html_page.measured(band["coverage"])]],
            ),
            html_page.table(
                "What is gained by leaving them open: value and 95 % interval",
                ["Metric", "All images", "Images outside the band"],
                (
                    [title, html_page.measured(found[key]), html_page.measured(band[key])]
                    for key, title in names.items()
                ),
            ),
            *_guarantee(evaluation["guarantee"]),
        ],
    )


def _guarantee(guarantee: dict[str, Any] | None) -> Iterator[Html]:
    yield html_page.heading("What is guaranteed of the other answers")
    if guarantee is None:
        yield html_page.paragraph("Nothing: the model was trained before there were guarantees.")
        return
    yield html_page.paragraph(guarantee["sentence"])
    guaranteed = {
        label: (name, guarantee[name]) for label, name in enumerate(PREDICTIVE_VALUES) if guarantee[name] is not None
    }
    if not guaranteed:
        return
    own = guarantee["prevalence"]
    yield html_page.table(
        f"The test images, weighted to the prevalence {own:.3f} of the guarantee: value and 95 % interval",
        ["Answer", "Guaranteed", "Right on the test images", "Result"],
        (
            [
                LABELS[label],
                f"at least {value:g}",
                html_page.measured(guarantee["test"][name]) if guarantee["test"][name]["images"] else "-",
                "contradicted" if guarantee["test"][name]["contradicted"] else "not contradicted",
            ]
            for label, (name, value) in guaranteed.items()
        ),
    )
    yield html_page.table(
        "The same guarantee at another prevalence, if pneumonia looks the same there",
        ["Prevalence", *(f"Answers {LABELS[label]} right, at least" for label in guaranteed)],
        (
            [
                f"{other:g}",
                *(f"{at_prevalence(value, own, other, label=label):.3f}" for label, (_, value) in guaranteed.items()),
            ]
            for other in _PREVALENCES
            if 0 < own < 1
        ),
    )


def _refused(evaluation: dict[str, Any], metadata: dict[str, Any]) -> Html:
    detector = evaluation["out_of_distribution"]
    if not detector["active"]:
        said = metadata.get("out_of_distribution", {}).get(
            "sentence", "There is no out-of-distribution detector, any image is answered."
        )
        return html_page.paragraph(f"{said} A photograph would get a probability like any radiograph.")
    refused, origin = detector["refused"], evaluation["calibrated_from"]
    if refused is None:
        return html_page.paragraph(
            "The endpoint refuses an image that is unlike the training images. Refused images are not kept, so "
            "which it refuses here is not known."
        )
    images = origin["held_out"]["images"] if origin else evaluation["test"]["images"]
    low, high = (f"{end:.1%}" for end in detector["false_refusal_rate"]["confidence_interval"])
    return html_page.paragraph(
        f"The endpoint refuses an image that is unlike the training images. Of the {images:,} test radiographs it "
        f"would refuse {refused}, {refused / images:.1%} (95 % interval {low} to {high}); the figures above "
        f"{'are of the others' if origin else 'count them all the same'}. The limit comes from validation data."
    )


def _subgroups(evaluation: dict[str, Any]) -> Iterator[Html]:
    rows = evaluation["subgroups"]
    if rows:
        yield html_page.plots([evaluation_plots.subgroups(evaluation)])
        yield subgroup_table("Value and 95 % interval; the AUROC of a subtype tells it from all NORMAL images", rows)
    yield html_page.paragraph(_worst(evaluation["worst_subgroup"]))
    if decision_sections.by_readers(evaluation):
        yield html_page.paragraph("Labelled predictions name no subgroup: no image is kept, and nothing of its file.")
    elif not any(row["by"] == "image size" for row in rows):
        yield html_page.paragraph("No subgroups by image size: below or above the median size, a label is missing.")


def subgroup_table(caption: str, rows: list[dict[str, Any]]) -> Html:
    """Sensitivity, specificity and AUROC of an evaluation's subgroups."""
    names = {"true_positive_rate": "Sensitivity", "true_negative_rate": "Specificity", "auc": "AUROC"}
    return html_page.table(
        caption,
        ["Subgroup", "Images", "Patients", *names.values()],
        (
            [row["title"], row["images"], row["patients"], *(html_page.measured(row.get(key)) for key in names)]
            for row in rows
        ),
    )


def _worst(worst: dict[str, Any]) -> str:
    bound = worst["sensitivity_bound"]
    if worst["title"] is None:
        return f"The gate about subgroups judged nothing: {bound['unjudged']}."
    return (
        f"Of {', '.join(worst['judged'])}, the worst is {worst['title']}: of its {worst['pneumonia_images']} PNEUMONIA "
        f"images {bound['sensitivity']:.1%} are predicted so, and the 95 % interval begins at {bound['value']:.3f}, "
        "which is what the gate about subgroups judges."
    )


def _settings(metadata: dict[str, Any]) -> Iterator[list[Any]]:
    training = metadata["training"]
    yield ["backbone", metadata["backbone"]]
    yield ["backbone weights", metadata["backbone_weights"]]
    shown = {"backbone", "backbone_weights"}
    yield from (
        [key.replace("_", " "), value] for key, value in training["hyperparameters"].items() if key not in shown
    )
    yield ["arithmetic of training", training["precision"]]
    yield ["devices", training["devices"]]
    yield ["training time", f"{training['seconds']} s"]
    yield from ([f"{key} version", value] for key, value in metadata["versions"].items())
    yield ["source revision", metadata["source_revision"]]
    yield ["trained", metadata["created"]]
