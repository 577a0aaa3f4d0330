"""Quality gates: limits that a model must meet to be registered, and which of them it failed."""

from __future__ import annotations

import dataclasses
from typing import Any

from model_code.contract.metrics import CLASSIFICATION, METRICS, SUBGROUPS
from model_code.contract.parameters import GATES, Gate
from model_code.export.parity_limits import MAX_PROBABILITY_DIFFERENCE


@dataclasses.dataclass(frozen=True, init=False)
class Limits:
    """A limit for each gate.

    Attributes:
        values: by the limit's name; see `contract.parameters.GATES`, in whose order they are given.
    """

    values: dict[str, float]

    def __init__(self, *limits: float) -> None:
        object.__setattr__(self, "values", dict(zip(GATES, limits, strict=True)))


def check(evaluation: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """Compare each gated metric with its limit, the engine with the float32 network, the model with what serves now.

    The pipeline's condition compares the same numbers of the same document.

    Args:
        evaluation: the document of `assessment.document`, with its "engine" and its "comparison".

    Returns:
        "passed", "message" (a sentence for each failed gate, or one that all passed) and "checks", one for each gate:
        its title, rule, value as a number and in words, and its sentence where it failed.
    """
    checks = [_limit(gate, evaluation, limits.values[name]) for name, gate in GATES.items()]
    if evaluation["engine"]["name"] != "tensorflow":
        checks += _against_float32(evaluation["engine"])
    comparison = evaluation["comparison"]
    if comparison["serving_package"]:
        checks.append(_against_serving(comparison))
    failures = [gate["failure"] for gate in checks if not gate["passed"]]
    summary = ", ".join(f"{gate['title']} {gate['shown']} ({gate['rule']})" for gate in checks)
    unjudged = [f" {gate['unjudged'][0].upper()}{gate['unjudged'][1:]}." for gate in checks if gate.get("unjudged")]
    message = " ".join(failures) if failures else "".join([f"All gates passed: {summary}.", *unjudged])
    return {"passed": not failures, "message": message, "checks": checks}


def _limit(gate: Gate, evaluation: dict[str, Any], limit: float) -> dict[str, Any]:
    value, judged = _value(evaluation, gate.metric), _value(evaluation, gate.judged or gate.metric)
    passed = judged >= limit if gate.at_least else judged <= limit
    unjudged = _figure(evaluation, gate.metric).get("unjudged", "")
    by_chance = " or no more than chance makes it" if gate.judged else ""
    verdict = f"is {'below' if gate.at_least else 'above'} the limit {limit:g}"
    meaning = _meaning(gate.metric, value, evaluation)
    return {
        "title": gate.title,
        "rule": f"at {'least' if gate.at_least else 'most'} {limit:g}{by_chance}",
        "value": None if unjudged else value,
        "shown": "not judged" if unjudged else f"{value:.3f}{_whose(gate.metric, evaluation)}",
        "unjudged": unjudged,
        "passed": passed,
        "failure": "" if passed else f"{gate.title} {_digits(value, limit)} {verdict}{meaning}.",
    }


def _figure(evaluation: dict[str, Any], metric: str) -> dict[str, Any]:
    section, key = METRICS[metric]
    found: dict[str, Any] = evaluation[section][key]
    return found


def _value(evaluation: dict[str, Any], metric: str) -> float:
    return float(_figure(evaluation, metric)["value"])


def _whose(metric: str, evaluation: dict[str, Any]) -> str:
    """The subgroup that a value is of; empty where it is of all images."""
    return f" ({evaluation[SUBGROUPS]['title']})" if METRICS[metric][0] == SUBGROUPS else ""


def _meaning(metric: str, value: float, evaluation: dict[str, Any]) -> str:
    """Meaning of a value that is not good enough, in counts where there are counts; empty where nothing says it."""
    counts = evaluation[CLASSIFICATION]["confusion_matrix"]
    normal, pneumonia = sum(counts["0"].values()), sum(counts["1"].values())
    worst = evaluation[SUBGROUPS]
    meanings = {
        "auroc": f"a PNEUMONIA image gets a higher score than a NORMAL one in {value:.1%} of all pairs",
        "sensitivity": f"{counts['1']['0']} of {pneumonia} PNEUMONIA images are predicted NORMAL",
        "specificity": f"{counts['0']['1']} of {normal} NORMAL images are predicted PNEUMONIA",
        "subgroup_sensitivity": f"lower end for {worst['title']}, {worst['pneumonia_images']} PNEUMONIA images",
        "calibration_error": f"on average its probabilities are {100 * value:.1f} percentage points off",
    }
    return f": {meanings[metric]}" if metric in meanings else ""


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
