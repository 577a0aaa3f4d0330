"""model_card.json: the card that SageMaker keeps with a model package, in its schema.

The schema is the "model package model card schema" of SageMaker's developer guide ("View and update the details of a
model version"): unlike a free-standing model card's it has no `model_package_details`, and `model_overview` holds
creator and artifact only. The content travels as a string of at most 100,000 characters without a line break
(API reference, ModelPackageModelCard: pattern `.*`).
"""

from __future__ import annotations

import json
from typing import Any

from model_code.contract.metrics import CLASSIFICATION, of_prevalence, of_probabilities
from model_code.contract.population import sentence
from model_code.evaluation.recalibration import calibrated_on
from model_code.reports.concerns import saliency_concerns

INTENDED_USE = (
    "Research and decision support only. The model estimates the probability of pneumonia on a frontal chest "
    "radiograph that resembles its training data; it does not make a diagnosis, is not a medical device, and must not "
    "be the sole basis of a clinical decision."
)
NOT_FOR = (
    "Not for screening or triage of patients, any decision about care, other views or body parts, adults, or images of "
    "a screen or film."
)
# Lengths the schema allows.
_LONG, _MEDIUM, _SHORT = 2048, 1024, 63
_MAX_METRICS, _MAX_HYPERPARAMETERS = 50, 100
_CURVE_POINTS = 40

_FIGURES = {
    "Discrimination": {"auc": "AUROC", "auprc": "AUPRC"},
    "Decisions at the threshold": {
        "true_positive_rate": "Sensitivity",
        "true_negative_rate": "Specificity",
        "precision": "Positive predictive value",
        "negative_predictive_value": "Negative predictive value",
        "f1": "F1",
        "balanced_accuracy": "Balanced accuracy",
        "accuracy": "Accuracy",
    },
}
_CALIBRATION = {"expected_calibration_error": "Expected calibration error", "brier_score": "Brier score"}


def model_card(evaluation: dict[str, Any], metadata: dict[str, Any], card: dict[str, Any]) -> dict[str, str]:
    """The file's content: {"content": the card as one line of JSON}, which the pipeline hands to the registry.

    Args:
        evaluation: the evaluation document, gates and comparison included.
    """
    content = {
        "model_overview": {
            "model_creator": _cut(f"chest-xray-stack, source revision {metadata['source_revision']}", _MEDIUM)
        },
        "intended_uses": _intended_uses(card, metadata["calibrated_from"]),
        "training_details": _training(metadata, card),
        "evaluation_details": [_evaluation(evaluation, card)],
        "additional_information": _additional(evaluation, metadata, card),
    }
    return {"content": json.dumps(content, allow_nan=False)}


def _intended_uses(card: dict[str, Any], origin: dict[str, Any] | None) -> dict[str, str]:
    probes = " ".join(probe["sentence"] for probe in card["shortcuts"])
    return {
        "purpose_of_model": "Estimates the probability of pneumonia on one frontal chest radiograph of a child.",
        "intended_uses": f"{INTENDED_USE} {NOT_FOR}",
        "factors_affecting_model_efficiency": _cut(
            "Other hospitals, devices, age groups, diseases and prevalences than those of the training data. What can "
            f"be told about the label without looking at the lungs: {probes}",
            _LONG,
        ),
        "risk_rating": "High",
        "explanations_for_risk_rating": (
            "A wrong probability could mislead somebody who decides about a child's treatment. The model was not "
            f"validated outside {_validated_on(origin)}."
        ),
    }


def _labels(origin: dict[str, Any] | None) -> dict[str, Any] | None:
    """The readers' labels that calibrated a version, where these did."""
    return (origin or {}).get("labels")


def _validated_on(origin: dict[str, Any] | None) -> str:
    if _labels(origin):
        return "its dataset and the radiographs that readers chose to label"
    return "the site that calibrated it" if origin else "its dataset"


def _judged_on(origin: dict[str, Any] | None) -> str:
    if _labels(origin):
        return "Held-out half of readers' labels"
    return "Held-out half of a site" if origin else "Test split"


def _dataset(origin: dict[str, Any] | None, card: dict[str, Any]) -> str:
    """Data that the figures are of: an archive, or readers' labels."""
    if origin and (labelled := _labels(origin)):
        return f"readers' labels of {origin['package_arn']}, {labelled['first']} to {labelled['last']}"
    return str((origin or card)["archive_uri"])


def _training(metadata: dict[str, Any], card: dict[str, Any]) -> dict[str, Any]:
    training, origin = metadata["training"], metadata["calibrated_from"]
    chose = (
        f"chose the epoch. Not trained, but calibrated from version {origin['version']} on {calibrated_on(origin)}, "
        "which chose "
        f"the temperature {metadata['temperature']:.3f}, the bias {metadata['bias']:+.3f} "
        if origin
        else f"chose the epoch, the temperature {metadata['temperature']:.3f} "
    )
    counts = card["splits"]
    measured = [(f"validation:{name}", value) for name, value in training["validation"].items()]
    measured += [("train:epochs", len(training["history"])), ("train:seconds", training["seconds"])]
    chosen = [("backbone_weights", metadata["backbone_weights"]), *training["hyperparameters"].items()]
    return {
        "objective_function": {
            "function": {"function": "Minimize", "facet": "Loss", "condition": "training split"},
            "notes": "Binary cross-entropy. The epoch with the greatest validation AUROC is kept.",
        },
        "training_observations": _cut(
            f"{metadata['backbone']}, {training['precision']}, on {training['devices']} device(s). "
            f"{counts['train']['images']} images of {counts['train']['patients']} patients trained the network; "
            f"{counts['validation']['images']} images of {counts['validation']['patients']} others {chose}"
            f"and the decision threshold {metadata['threshold']:.3f}.",
            _MEDIUM,
        ),
        "training_job_details": {
            "training_datasets": [_cut(card["archive_uri"], _MEDIUM)],
            "user_provided_training_metrics": [
                {"name": name, "value": float(value)} for name, value in measured[:_MAX_METRICS]
            ],
            "user_provided_hyper_parameters": [
                {"name": name, "value": _cut(str(value), 255)} for name, value in dict(chosen).items()
            ][:_MAX_HYPERPARAMETERS],
        },
    }


def _evaluation(evaluation: dict[str, Any], card: dict[str, Any]) -> dict[str, Any]:
    test, gates, comparison = evaluation["test"], evaluation["gates"], evaluation["comparison"]
    origin = evaluation["calibrated_from"]
    said = [gates["message"], comparison["sentence"], *([origin["sentence"]] if origin else [])]
    found = evaluation[CLASSIFICATION]
    groups = [(title, [(name, found[key]) for key, name in keys.items()]) for title, keys in _FIGURES.items()]
    calibration = evaluation["calibration"]
    groups.append(
        (
            "Calibration",
            [(name, calibration[key]) for key, name in _CALIBRATION.items()]
            + [(f"{name}, raw", calibration["raw"][key]) for key, name in _CALIBRATION.items()],
        )
    )
    names = _FIGURES["Discrimination"] | _FIGURES["Decisions at the threshold"]
    for row in evaluation["subgroups"]:
        title = _cut(f"{row['title']} ({row['images']} images)", _SHORT)
        groups.append((title, [(name, row[key]) for key, name in names.items() if key in row]))
    metric_groups = [
        {"name": title, "metric_data": [_number(name, figure) for name, figure in figures]} for title, figures in groups
    ]
    metric_groups.append({"name": "Curves and counts", "metric_data": [_roc(found), _confusion(found)]})
    return {
        "name": f"{_judged_on(origin)}, scored once by the exported model",
        "evaluation_observation": _cut(" ".join(said), _LONG),
        "datasets": [_cut(_dataset(origin, card), _MEDIUM)],
        "metadata": {
            "test images": str(test["images"]),
            "test patients": "not named" if _labels(origin) else str(test["patients"]),
            "prevalence of PNEUMONIA": f"{test['prevalence']:.4f}",
            "target prevalence": "none" if (target := evaluation["target_prevalence"]) is None else f"{target:.4f}",
            "decision threshold": f"{evaluation['threshold']:.6f}",
            "temperature": f"{calibration['temperature']:.6f}",
            "bias": f"{calibration['bias']:.6f}",
            "serving model compared with": comparison["serving_package"] or "none",
            "intervals": f"95 %, from {test['resamples']} bootstrap resamples of patients",
        },
        "metric_groups": metric_groups,
    }


def _additional(evaluation: dict[str, Any], metadata: dict[str, Any], card: dict[str, Any]) -> dict[str, Any]:
    band, audit = evaluation["indeterminate"], card["audit"]
    caveats = [
        f"Predictive values hold for {of_prevalence(evaluation)} only; {of_probabilities(evaluation)}.",
        f"Probabilities from {band['low']:.3f} to {band['high']:.3f} should be read as undecided; they are "
        f"{band['coverage']['value']:.1%} of the images at {of_prevalence(evaluation)}.",
        *([evaluation["guarantee"]["sentence"]] if evaluation["guarantee"] else []),
        sentence(evaluation["population"]),
        _refusals(evaluation["out_of_distribution"]),
        *(concern.sentence for concern in saliency_concerns(evaluation)),
        *evaluation["comparison"]["notes"],
        *card["decisions"],
    ]
    return {
        "ethical_considerations": (
            "The images show children. Patients are kept apart between training and test data by the number in the "
            "file name. Nothing is known about differences between sexes, origins or ages, because the data does not "
            "name them."
        ),
        "caveats_and_recommendations": _cut(" ".join(caveats), _LONG),
        "custom_details": {
            "notice": INTENDED_USE,
            "dataset sha256": card["sha256"],
            "decision threshold": f"{evaluation['threshold']:.6f}",
            "prevalence in the test split": f"{evaluation['test']['prevalence']:.4f}",
            "patients, duplicates and near-duplicates shared by splits": ", ".join(
                str(audit[name]) for name in ("patients_shared", "duplicates_shared", "near_duplicates_shared")
            ),
            "image size": f"{metadata['image_size']} px",
            "serving engine": f"{evaluation['engine']['name']}, {evaluation['engine']['weights']} weights",
            "versions": ", ".join(f"{name} {version}" for name, version in metadata["versions"].items()),
            "trained": metadata["created"],
            **_calibrated(metadata["calibrated_from"]),
        },
    }


def _calibrated(origin: dict[str, Any] | None) -> dict[str, str]:
    """Custom details on the origin of the weights of a version that was not trained."""
    if origin is None:
        return {}
    return {
        "calibrated from": origin["package_arn"],
        "calibrated": origin["calibrated"],
        "calibrated on dataset sha256": origin["dataset_sha256"],
        "weights sha256": origin["weights_sha256"],
    }


def _refusals(detector: dict[str, Any]) -> str:
    if not detector["active"]:
        return (
            "There is no out-of-distribution detector: an image that is no chest radiograph gets a probability as well."
        )
    if detector["false_refusal_rate"] is None:
        return "Images unlike the training images are refused; which of this site's are is not known."
    share = detector["false_refusal_rate"]["value"]
    return f"Images unlike the training images are refused; {share:.1%} of the test radiographs are."


def _number(name: str, figure: dict[str, Any]) -> dict[str, Any]:
    (low, high), (next_low, next_high) = figure["confidence_interval"], figure["prediction_interval"]
    notes = (
        f"95 % interval {low:.3f} to {high:.3f}; for another test split of this size {next_low:.3f} to {next_high:.3f}"
    )
    return {"name": name, "type": "number", "value": round(figure["value"], 6), "notes": notes}


def _roc(found: dict[str, Any]) -> dict[str, Any]:
    curve = found["receiver_operating_characteristic_curve"]
    points = list(zip(curve["false_positive_rates"], curve["true_positive_rates"], strict=True))
    step = max(1, -(-len(points) // _CURVE_POINTS))
    thinned = [*points[:-1:step], points[-1]]
    return {
        "name": "ROC curve",
        "type": "linear_graph",
        "value": [[round(x, 4), round(y, 4)] for x, y in thinned],
        "x_axis_name": "1 - specificity",
        "y_axis_name": "sensitivity",
    }


def _confusion(found: dict[str, Any]) -> dict[str, Any]:
    matrix = found["confusion_matrix"]
    return {
        "name": "Confusion matrix",
        "type": "matrix",
        "value": [[matrix[actual][predicted] for predicted in ("0", "1")] for actual in ("0", "1")],
        "x_axis_name": ["predicted NORMAL", "predicted PNEUMONIA"],
        "y_axis_name": ["label NORMAL", "label PNEUMONIA"],
    }


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."
