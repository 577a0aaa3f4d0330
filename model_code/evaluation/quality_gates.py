"""The quality gates: which limits a model must keep to be registered, and in words what it failed."""

from __future__ import annotations

import dataclasses
from typing import Any

from model_code.export.parity_limits import MAX_PROBABILITY_DIFFERENCE


@dataclasses.dataclass(frozen=True)
class _Gate:
    """Where the value of a gate is in the evaluation document, and which field of `Limits` it must keep.

    Attributes:
        judged: the metric of which that is asked, where it is not the one that is shown.
    """

    title: str
    section: str
    metric: str
    limit: str
    judged: str = ""


_GATES = (
    _Gate("AUROC", "binary_classification_metrics", "auc", "min_auroc"),
    _Gate("Sensitivity", "binary_classification_metrics", "true_positive_rate", "min_sensitivity"),
    _Gate("Specificity", "binary_classification_metrics", "true_negative_rate", "min_specificity"),
    _Gate(
        "Calibration error", "calibration", "expected_calibration_error", "max_calibration_error", "error_beyond_chance"
    ),
)


@dataclasses.dataclass(frozen=True)
class Limits:
    """Three least values and one greatest."""

    min_auroc: float
    min_sensitivity: float
    min_specificity: float
    max_calibration_error: float


def check(evaluation: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """Compare each gated metric with its limit, the engine with the float32 network, the model with what serves now.

    The pipeline's condition compares the same numbers of the same document.

    Args:
        evaluation: the document of `assessment.document`, with its "engine" and its "comparison".
        limits: of the pipeline's parameters.

    Returns:
        "passed", "message" (a sentence for each failed gate, or one that all passed) and "checks", one for each gate:
        its title, rule, value as a number and in words, and its sentence where it failed.
    """
    checks = [_limit(gate, evaluation, limits) for gate in _GATES]
    if evaluation["engine"]["name"] != "tensorflow":
        checks += _against_float32(evaluation["engine"])
    comparison = evaluation["comparison"]
    if comparison["serving_package"]:
        checks.append(_against_serving(comparison))
    failures = [one["failure"] for one in checks if not one["passed"]]
    summary = ", ".join(f"{one['title']} {one['shown']} ({one['rule']})" for one in checks)
    message = " ".join(failures) if failures else f"All gates passed: {summary}."
    return {"passed": not failures, "message": message, "checks": checks}


def _limit(gate: _Gate, evaluation: dict[str, Any], limits: Limits) -> dict[str, Any]:
    value, limit = float(evaluation[gate.section][gate.metric]["value"]), float(getattr(limits, gate.limit))
    judged = float(evaluation[gate.section][gate.judged or gate.metric]["value"])
    greatest = gate.limit.startswith("max")
    passed = judged <= limit if greatest else judged >= limit
    by_chance = " or no more than chance makes it" if gate.judged else ""
    verdict = f"is {'above' if greatest else 'below'} the limit {limit:g}"
    meaning = _meaning(gate.metric, value, evaluation)
    return {
        "title": gate.title,
        "rule": f"at {'most' if greatest else 'least'} {limit:g}{by_chance}",
        "value": value,
        "shown": f"{value:.3f}",
        "passed": passed,
        "failure": "" if passed else f"{gate.title} {_digits(value, limit)} {verdict}: {meaning}.",
    }


def _meaning(metric: str, value: float, evaluation: dict[str, Any]) -> str:
    """What a value that is not good enough means, in counts where there are counts."""
    counts = evaluation["binary_classification_metrics"]["confusion_matrix"]
    normal, pneumonia = sum(counts["0"].values()), sum(counts["1"].values())
    return {
        "auc": f"a PNEUMONIA image gets a higher score than a NORMAL one in {value:.1%} of all pairs",
        "true_positive_rate": f"{counts['1']['0']} of {pneumonia} PNEUMONIA images are called NORMAL",
        "true_negative_rate": f"{counts['0']['1']} of {normal} NORMAL images are called PNEUMONIA",
        "expected_calibration_error": f"on average its probabilities are {100 * value:.1f} percentage points off",
    }[metric]


def _against_float32(engine: dict[str, Any]) -> list[dict[str, Any]]:
    """The two gates of a model that another engine than TensorFlow Serving computes."""
    name, shift = str(engine["name"]), abs(engine["auc_difference"])
    spread = engine["probability_difference"]["percentile_99"]
    limit = engine["auc_limit"]
    ordered, near = shift <= limit, spread <= MAX_PROBABILITY_DIFFERENCE
    name += f" with {engine['weights']} weights"
    remedy = (
        f"Its {engine['fallback']} weights are judged next."
        if engine["fallback"]
        else "No other weights are left to try: train with ServingEngine tensorflow, the float32 network itself."
    )
    return [
        {
            "title": f"AUROC of {engine['name']} against float32",
            "rule": f"within {limit:.3g}",
            "value": engine["auc_difference"],
            "shown": f"{engine['auc_difference']:+.4f}",
            "passed": ordered,
            "failure": ""
            if ordered
            else f"The engine {name} has AUROC {engine['auc']:.4f} where the float32 network has "
            f"{engine['reference_auc']:.4f}, more than {limit:.3g} apart. {remedy}",
        },
        {
            "title": f"Probabilities of {engine['name']} against float32",
            "rule": f"99 % within {MAX_PROBABILITY_DIFFERENCE:g}",
            "value": spread,
            "shown": f"{spread:.4f}",
            "passed": near,
            "failure": ""
            if near
            else f"The probabilities of the engine {name} are up to {spread:.4f} from those of the float32 network in "
            f"99 % of the test images, where {MAX_PROBABILITY_DIFFERENCE:g} is accepted. {remedy}",
        },
    ]


def _against_serving(comparison: dict[str, Any]) -> dict[str, Any]:
    difference = comparison["auc_difference"]
    passed = not comparison["significantly_worse"]
    return {
        "title": "AUROC against the serving model",
        "rule": "not significantly worse" if comparison["mode"] == "gate" else "reported only",
        "value": difference["value"] if difference else None,
        "shown": f"{difference['value']:+.3f}" if difference else "not comparable",
        "passed": passed,
        "failure": "" if passed else comparison["sentence"],
    }


def _digits(value: float, limit: float) -> str:
    """Three decimals, or as many as it takes for the value not to read like the limit it missed."""
    return next(text for digits in range(3, 18) if float(text := f"{value:.{digits}f}") != limit)
