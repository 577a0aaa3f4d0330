"""The evaluation document (evaluation.json): metrics of a model's scores of the test split, with intervals."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from model_code.contract import documents
from model_code.contract.documents import Guarantee
from model_code.contract.metrics import CLASSIFICATION
from model_code.data.subgroups import KINDS, MIN_PATIENTS
from model_code.evaluation import worst_subgroup
from model_code.evaluation.scores import TestScores
from model_code.statistics import decisions, metrics, prevalence
from model_code.statistics.calibration import Calibration
from model_code.statistics.chance import chance_calibration_error
from model_code.statistics.indeterminate import PREDICTIVE_VALUES
from model_code.statistics.intervals import RESAMPLES, Estimate, estimate, estimate_share, patient_numbers
from model_code.statistics.metrics import Array

BOOTSTRAP_SEED = 20180222


def document(scores: TestScores, metadata: dict[str, Any], weights: Array) -> dict[str, Any]:
    """The document, in the form of SageMaker's model quality reports where that has a place for it.

    Where the model has a target prevalence, the images are weighted to it in every figure but the detector's refusals.
    What does not depend on the prevalence stays what it is.

    Args:
        weights: (1 + resamples, n), of `resample_patients`.
    """
    drawn, target = weights, metadata["target_prevalence"]
    if target is not None:
        weights = prevalence.weighted(weights, scores.labels, target)
    measure = _Measure(scores, float(metadata["threshold"]), weights, target)
    positive = measure.predicted_positive == 1
    confusion = {
        str(actual): {
            str(decided): int(np.sum((scores.labels == actual) & (positive == decided))) for decided in (0, 1)
        }
        for actual in (0, 1)
    }
    everything = np.ones(len(scores.labels), dtype=bool)
    subgroups = [*_subtypes(measure), *_sizes(measure), *_named(measure)]
    calibration, chance = _calibration(measure, scores.probabilities), _by_chance(scores, target)
    return {
        "schema": documents.EVALUATION,
        CLASSIFICATION: {
            "confusion_matrix": confusion,
            **measure.decisions(everything),
            "auc": measure.auroc(everything),
            "auprc": measure.average_precision(),
            "receiver_operating_characteristic_curve": metrics.roc_curve(scores.labels, scores.logits),
            "precision_recall_curve": metrics.precision_recall_curve(scores.labels, scores.logits, weights[:1]),
        },
        "curve_bands": _bands(scores, weights),
        "decisions": _decisions(scores, metadata, weights),
        "calibration": {
            **calibration,
            **dataclasses.asdict(Calibration.of(metadata)),
            "by_chance": chance,
            "error_beyond_chance": _beyond_chance(calibration, chance),
            # What the network says by itself.
            "raw": _calibration(measure, Calibration(1.0).probability(scores.logits)),
        },
        "threshold": metadata["threshold"],
        "target_prevalence": target,
        "indeterminate": _indeterminate(measure, metadata["indeterminate"]),
        "guarantee": _guarantee(measure, metadata["indeterminate"], metadata["guarantee"]),
        "population": metadata["population"],
        "out_of_distribution": refusals(scores, metadata["out_of_distribution"], drawn),
        "test": {
            "images": len(scores.labels),
            "patients": len(set(scores.patients)),
            "prevalence": float(scores.labels.mean()),
            "resamples": len(weights) - 1,
        },
        "subgroups": subgroups,
        "worst_subgroup": worst_subgroup.find(subgroups),
        "dataset_sha256": metadata["dataset"]["sha256"],
        "calibrated_from": metadata["calibrated_from"],
    }


def refusals(scores: TestScores, described: dict[str, Any], weights: Array) -> dict[str, Any]:
    """False refusals of the out-of-distribution detector, of all images that were scored.

    Args:
        scores: of images that are chest radiographs.
        described: `out_of_distribution` of the model's metadata.
        weights: of `resample_patients`, for these images.
    """
    return {
        "active": bool(described.get("active")),
        "refused": int(scores.refused.sum()),
        "false_refusal_rate": estimate_share(scores.refused, scores.patients, weights).as_json(),
    }


class _Measure:
    """Metrics of some of the test images, over the same resamples as those of all."""

    def __init__(self, scores: TestScores, threshold: float, weights: Array, target: float | None) -> None:
        self.scores, self.weights, self._target = scores, weights, target
        self.predicted_positive = (scores.probabilities >= threshold).astype(np.float64)
        self._owner = patient_numbers(scores.patients)

    def of(self, values: Array, images: Any) -> dict[str, Any]:
        """The estimate of a metric that rests on these images (a mask)."""
        return self.estimate(values, images).as_json()

    def estimate(self, values: Array, images: Any, limiting: Any = None) -> Estimate:
        """Estimate as by `of`; where only some images bear on the metric, the number of their patients counts."""
        patients = np.unique(self._owner[images if limiting is None else limiting])
        return estimate(values, images=max(1, int(np.sum(images))), patients=max(1, len(patients)))

    def auroc(self, images: Any) -> dict[str, Any]:
        labels = self.scores.labels[images]
        values = metrics.auroc(labels, self.scores.logits[images], self.weights[:, images])
        return self.estimate(values, images, self.fewer(images)).as_json()

    def average_precision(self) -> dict[str, Any]:
        """AUPRC of all images, of the logits: far from the threshold, probabilities run into ties at 0 and 1.

        It rests on its positives (the binomial interval of Boyd, Eng and Page 2013, "Area under the precision-recall
        curve: point estimates and confidence intervals", ECML PKDD), of images that are weighted to a target prevalence
        as `prevalence.rarer_images` counts them.
        """
        labels = self.scores.labels
        values = metrics.average_precision(labels, self.scores.logits, self.weights)
        if self._target is None:
            return self.of(values, labels == 1)
        rarer = self.fewer(np.ones(len(labels), dtype=bool))
        images = prevalence.rarer_images(labels, self.weights[0], self._target)
        patients = max(1, min(images, len(np.unique(self._owner[rarer]))))
        return estimate(values, images=images, patients=patients).as_json()

    def fewer(self, images: Any) -> Any:
        """Mask of the images that have the rarer label."""
        return min((images & (self.scores.labels == label) for label in (0, 1)), key=np.sum)

    def decisions(self, images: Any) -> dict[str, Any]:
        """Every metric of the decisions on these images, each resting on the images in its denominator."""
        labels, positive = self.scores.labels, self.predicted_positive
        values = metrics.operating_point(labels[images], positive[images], self.weights[:, images])
        rests_on = {
            "true_positive_rate": labels == 1,
            "recall": labels == 1,
            "false_negative_rate": labels == 1,
            "true_negative_rate": labels == 0,
            "false_positive_rate": labels == 0,
            "precision": positive == 1,
            "negative_predictive_value": positive == 0,
        }
        found = {name: self.of(value, images & rests_on.get(name, images)) for name, value in values.items()}
        return found if self._target is None else found | _by_rates(found, self._target)


# Metrics of a decision that depend on the prevalence; each grows with sensitivity and with specificity.
_BY_PREVALENCE = ("accuracy", "precision", "negative_predictive_value", "f0_5", "f1", "f2")


def _by_rates(found: dict[str, Any], target: float) -> dict[str, Any]:
    """Metrics at a target prevalence, with intervals from both lower to both upper ends of sensitivity and specificity.

    Images of the label that is rare there carry little weight and the others much, so resamples of weighted images say
    that nothing varies where few images show no error: of 200 images, 54 of them normal, at a target of 0.02, such an
    interval of the positive predictive value contained the true one in 45 of 100 simulated splits, and this in 95.
    """
    rates = [found[name] for name in ("true_positive_rate", "true_negative_rate")]
    changed = {name: dict(found[name]) for name in _BY_PREVALENCE}
    for interval in ("confidence_interval", "prediction_interval"):
        low, high = (metrics.at_rates(rates[0][interval][end], rates[1][interval][end], target) for end in (0, 1))
        for name, figure in changed.items():
            ends = (float(np.nan_to_num(low[name])), float(np.nan_to_num(high[name], nan=1.0)))
            figure[interval] = [min(figure["value"], ends[0]), max(figure["value"], ends[1])]
    return changed


def _calibration(measure: _Measure, probabilities: Array) -> dict[str, Any]:
    labels, weights = measure.scores.labels, measure.weights
    everything = np.ones(len(labels), dtype=bool)
    rows = []
    for row in metrics.reliability(labels, probabilities, weights):
        observed = measure.estimate(row["observed"], row["members"] == 1)
        rows.append(
            {
                "count": int(row["members"].sum()),
                "mean_probability": float(row["mean_probability"][0]),
                "observed": observed.value,
                "confidence_interval": [observed.low, observed.high],
            }
        )
    error = metrics.expected_calibration_error(labels, probabilities, weights)
    return {
        "brier_score": measure.of(metrics.brier_score(labels, probabilities, weights), everything),
        "expected_calibration_error": measure.of(error, everything),
        "reliability": rows,
    }


def _by_chance(scores: TestScores, target: float | None) -> dict[str, float]:
    errors = chance_calibration_error(
        scores.probabilities,
        patient_numbers(scores.patients),
        seed=BOOTSTRAP_SEED,
        draws=RESAMPLES,
        prevalences=None if target is None or len(set(scores.labels)) < 2 else (float(scores.labels.mean()), target),
    )
    return {"mean": float(errors.mean()), "percentile_95": float(np.quantile(errors, 0.95))}


def _beyond_chance(calibration: dict[str, Any], chance: dict[str, float]) -> dict[str, float]:
    """The calibration error that the gate judges: 0 where perfect probabilities would have it too.

    Every finite test split shows an error, the more the fewer images it has, and a limit that suits hundreds of images
    would refuse a perfect model on dozens by chance.
    """
    error = float(calibration["expected_calibration_error"]["value"])
    return {"value": error if error > chance["percentile_95"] else 0.0}


def _decisions(scores: TestScores, metadata: dict[str, Any], weights: Array) -> dict[str, Any]:
    """Operating points at the thresholds that the model has, and the decision curve."""
    band, threshold = metadata["indeterminate"], metadata["threshold"]
    thresholds = {"band_low": band["low"], "threshold": threshold, "band_high": band["high"]}
    labels, probabilities = scores.labels, scores.probabilities
    points = decisions.operating_points(labels, probabilities, scores.patients, weights, thresholds=thresholds)
    return {"operating_points": points, "curve": decisions.decision_curve(labels, probabilities, weights)}


def _bands(scores: TestScores, weights: Array) -> dict[str, dict[str, Any]]:
    """Pointwise 95 % bands of both curves."""
    values = metrics.curve_values(scores.labels, scores.logits, weights)

    def band(name: str) -> list[list[float]]:
        usable = values[name][1:][np.isfinite(values[name][1:]).all(axis=1)]
        return [row.round(4).tolist() for row in np.quantile(usable, (0.025, 0.975), axis=0)]

    grid = values["grid"].round(4).tolist()
    return {
        "receiver_operating_characteristic_curve": {
            "false_positive_rates": grid,
            "true_positive_rates": band("sensitivity"),
        },
        "precision_recall_curve": {"recalls": grid, "precisions": band("precision")},
    }


def _indeterminate(measure: _Measure, band: dict[str, float]) -> dict[str, Any]:
    """Coverage of the indeterminate band, and metrics of the decisions on the images outside."""
    scores = measure.scores
    inside = (scores.probabilities >= band["low"]) & (scores.probabilities < band["high"])
    everything = np.ones(len(inside), dtype=bool)
    coverage = measure.weights @ inside.astype(np.float64) / measure.weights.sum(axis=1)
    outside = measure.decisions(~inside)
    kept = {"true_positive_rate": 1, "true_negative_rate": 0}
    return {
        "low": band["low"],
        "high": band["high"],
        "images": int(inside.sum()),
        "coverage": measure.of(coverage, everything),
        # Undefined, not 0, where the band takes in all images of a label.
        **{name: outside[name] if np.any(~inside & (scores.labels == label)) else None for name, label in kept.items()},
    }


def _guarantee(measure: _Measure, band: dict[str, float], guarantee: Guarantee | None) -> dict[str, Any] | None:
    """The model's guarantee, and what the test split says to it.

    Returns:
        The guarantee with "test": for each predictive value that is guaranteed the share of right answers at the
        prevalence that the guarantee is for, and whether the interval of that share lies below it ("contradicted").
    """
    if guarantee is None:
        return None
    probabilities, labels = measure.scores.probabilities, measure.scores.labels
    predicted = (probabilities < band["low"], probabilities >= band["high"])
    found: dict[str, Any] = {}
    for label, (name, answered) in enumerate(zip(PREDICTIVE_VALUES, predicted, strict=True)):
        value = guarantee[name]
        if value is not None:
            shares = prevalence.predictive_values(
                labels, answered, measure.weights, prevalence=guarantee["prevalence"], label=label
            )
            figure = measure.of(shares, answered)
            found[name] = {
                **figure,
                "images": int(answered.sum()),
                "contradicted": bool(answered.any()) and figure["confidence_interval"][1] < value,
            }
    return {**guarantee, "test": found}


def _subtypes(measure: _Measure) -> list[dict[str, Any]]:
    """Metrics of each subtype of PNEUMONIA against all NORMAL images."""
    scores = measure.scores
    names = np.asarray(scores.subtypes)
    rows = []
    for subtype in sorted({name for name in scores.subtypes if name}):
        inside = (names == subtype) & (scores.labels == 1)
        if inside.any():
            rows.append(
                {
                    "title": subtype,
                    "by": "subtype",
                    **_counts(measure, inside),
                    "true_positive_rate": measure.decisions(inside)["true_positive_rate"],
                    "auc": measure.auroc(inside | (scores.labels == 0)),
                }
            )
    return rows


def _sizes(measure: _Measure) -> list[dict[str, Any]]:
    """Metrics of originals with fewer pixels than the median, and of the others."""
    scores = measure.scores
    median = float(np.median(scores.areas))
    halves = {
        f"original below {median / 1e6:.2f} megapixels": scores.areas < median,
        f"original of {median / 1e6:.2f} megapixels or more": scores.areas >= median,
    }
    return [
        _row(measure, title, "image size", inside)
        for title, inside in halves.items()
        if len(np.unique(scores.labels[inside])) == 2 and not inside.all()
    ]


def _named(measure: _Measure) -> list[dict[str, Any]]:
    """Metrics by view, age, sex and maker of DICOM files: groups with both labels and MIN_PATIENTS patients or more."""
    rows = []
    for kind in KINDS:
        names = np.asarray([group.get(kind, "") for group in measure.scores.groups])
        for name in sorted(set(names.tolist()) - {""}):
            inside = names == name
            both = len(np.unique(measure.scores.labels[inside])) == 2
            if both and not inside.all() and _counts(measure, inside)["patients"] >= MIN_PATIENTS:
                rows.append(_row(measure, f"{kind} {name}", kind, inside))
    return rows


def _row(measure: _Measure, title: str, by: str, inside: Any) -> dict[str, Any]:
    """Metrics of a subgroup with both labels."""
    decisions = measure.decisions(inside)
    return {
        "title": title,
        "by": by,
        **_counts(measure, inside),
        "true_positive_rate": decisions["true_positive_rate"],
        "true_negative_rate": decisions["true_negative_rate"],
        "auc": measure.auroc(inside),
    }


def _counts(measure: _Measure, inside: Any) -> dict[str, Any]:
    """Numbers of images and patients, and of those with PNEUMONIA."""

    def count(taken: Any) -> dict[str, int]:
        owners = {patient for patient, is_taken in zip(measure.scores.patients, taken, strict=True) if is_taken}
        return {"images": int(taken.sum()), "patients": len(owners)}

    return {**count(inside), "pneumonia": count(inside & (measure.scores.labels == 1))}
