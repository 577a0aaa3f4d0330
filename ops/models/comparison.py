"""Two registered versions side by side: what each reached on its test images, with the intervals."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from model_code.contract.metrics import figure
from ops.base.output import results, table

if TYPE_CHECKING:
    from ops.models.registry import ModelVersion

# Figures of evaluation.json, by what people call them.
SHOWN = {
    "AUROC": "auroc",
    "AUPRC": "auprc",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "accuracy": "accuracy",
    "calibration error": "calibration_error",
    "Brier score": "brier_score",
}


@dataclasses.dataclass(frozen=True)
class Evaluated:
    """A version and the evaluation it was registered with."""

    version: ModelVersion
    evaluation: dict[str, Any]

    def figure(self, name: str) -> tuple[float, tuple[float, float] | None] | None:
        """A metric of `contract.metrics` and its 95 % interval; None where the evaluation has no such number."""
        found = figure(self.evaluation, name) or {}
        value = found.get("value")
        if not isinstance(value, (int, float)):
            return None
        interval = found.get("confidence_interval")
        return float(value), (float(interval[0]), float(interval[1])) if interval else None

    def as_json(self) -> dict[str, Any]:
        """Members of the answer with `--json`."""
        metrics = {}
        for title, name in SHOWN.items():
            if found := self.figure(name):
                metrics[title] = {"value": found[0], "confidence_interval": found[1]}
        return {
            "version": self.version.version,
            "arn": self.version.arn,
            "approval": self.version.approval,
            "dataset_sha256": self.evaluation.get("dataset_sha256"),
            "calibrated_from": self.evaluation.get("calibrated_from"),
            "threshold": self.evaluation.get("threshold"),
            "target_prevalence": self.evaluation.get("target_prevalence"),
            "test_images": self.evaluation.get("test", {}).get("images"),
            "metrics": metrics,
        }


def caution(first: Evaluated, second: Evaluated) -> str:
    """Caution about the two columns: whether both versions were tested on the same images, and for one prevalence."""
    if len({side.evaluation.get("target_prevalence") for side in (first, second)}) == 1:
        return _about_images(first, second)
    return (
        f"{_about_images(first, second)} Their probabilities are for different prevalences, so accuracy, AUPRC, "
        "calibration error and Brier score do not compare."
    )


def _about_images(first: Evaluated, second: Evaluated) -> str:
    if related := [side for side, other in ((first, second), (second, first)) if _is_calibrated_from(side, other)]:
        calibrated = related[0]
        return (
            "They were tested on different images and have the same weights. Of both on the same images: "
            f"{calibrated.evaluation['calibrated_from']['sentence']}"
        )
    if _tested_on(first) != _tested_on(second):
        return (
            "They were tested on different images: what differs here may be the images. The evaluation of the newer "
            "version compares it with the one that served then, on the same images (`cxr report`)."
        )
    return (
        "They were tested on the same images. Intervals that overlap do not say that two models are equal: the "
        "evaluation's own comparison, image by image, is in `cxr report`."
    )


def _is_calibrated_from(calibrated: Evaluated, other: Evaluated) -> bool:
    origin = calibrated.evaluation.get("calibrated_from") or {}
    return origin.get("package_arn") == other.version.arn


def _tested_on(evaluated: Evaluated) -> Any:
    """Digest of the dataset of whose images some were held out: the site's, of a version that was calibrated there."""
    origin = evaluated.evaluation.get("calibrated_from")
    return origin["dataset_sha256"] if origin else evaluated.evaluation.get("dataset_sha256")


def print_comparison(first: Evaluated, second: Evaluated) -> None:
    """The two columns and their difference."""
    names = [f"version {side.version.version}" for side in (first, second)]
    listing = table("metric", *names, "difference")
    for title, name in SHOWN.items():
        figures = [first.figure(name), second.figure(name)]
        cells = [_cell(figure) for figure in figures]
        difference = f"{figures[1][0] - figures[0][0]:+.3f}" if figures[0] and figures[1] else ""
        listing.add_row(title, *cells, difference)
    for title, key in (("threshold", "threshold"), ("dataset", "dataset_sha256")):
        listing.add_row(title, *(escape(_short(side.evaluation.get(key))) for side in (first, second)), "")
    if any(side.evaluation.get("target_prevalence") for side in (first, second)):
        targets = [side.evaluation.get("target_prevalence") for side in (first, second)]
        listing.add_row("target prevalence", *("-" if target is None else f"{target:.1%}" for target in targets), "")
    if any(side.evaluation.get("calibrated_from") for side in (first, second)):
        listing.add_row("tested on", *(escape(_short(_tested_on(side))) for side in (first, second)), "")
        listing.add_row("calibrated from", *(_calibrated(side) for side in (first, second)), "")
    images = [side.evaluation.get("test", {}).get("images") for side in (first, second)]
    listing.add_row("test images", *(f"{count:,}" if count else "-" for count in images), "")
    results().print(listing)


def _calibrated(evaluated: Evaluated) -> str:
    origin = evaluated.evaluation.get("calibrated_from")
    return escape(origin["package_arn"].partition("model-package/")[2]) if origin else "-"


def _cell(figure: tuple[float, tuple[float, float] | None] | None) -> str:
    if figure is None:
        return "-"
    value, interval = figure
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})" if interval else f"{value:.3f}"


def _short(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value or "-")[:12]
