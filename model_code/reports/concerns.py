"""Findings of an evaluation that speak against approving a model though its gates passed."""

from __future__ import annotations

import dataclasses
from typing import Any

from model_code.contract.labels import LABELS
from model_code.contract.metrics import figure
from model_code.statistics.indeterminate import PREDICTIVE_VALUES

# Above this a clue outside the lungs alone tells the labels about as well as useful tests do ("acceptable" in Hosmer,
# Lemeshow and Sturdivant, Applied Logistic Regression, 2013, chapter 5, begins at 0.7).
SERIOUS_SHORTCUT = 0.7
# Of the share that the border has of the image: as much as if the network looked there by preference.
_BORDER_FACTOR = 1.5
# Of the maps, within a tenth of the width of one place, which is 3 % of the image. Maps that find the opacities of
# drawn radiographs, many of them around the hila, have about half there (docs/adr/0038).
_SAME_PLACE_SHARE = 2 / 3


@dataclasses.dataclass(frozen=True)
class Concern:
    """One reason not to approve.

    Attributes:
        sentence: one sentence for the person who decides.
        section: section of the report that shows it.
    """

    sentence: str
    section: str


def concerns(evaluation: dict[str, Any], card: dict[str, Any]) -> list[Concern]:
    """The reasons, from the evaluation document and the dataset card; the gravest kind first."""
    return [*_shortcuts(card), *_guarantee(evaluation), *_calibration(evaluation), *saliency_concerns(evaluation)]


def _shortcuts(card: dict[str, Any]) -> list[Concern]:
    """Shortcuts: clues outside the lungs that predict the labels; a model that learns them fails elsewhere."""
    return [
        Concern(found["sentence"], "dataset")
        for found in card.get("shortcuts", [])
        if found["auroc"] >= SERIOUS_SHORTCUT and found["confidence_interval"][0] > 0.5
    ]


def _guarantee(evaluation: dict[str, Any]) -> list[Concern]:
    """Guaranteed predictive values that the test images speak against."""
    guarantee = evaluation["guarantee"]
    found = []
    for label, name in zip(LABELS, PREDICTIVE_VALUES, strict=True):
        shown = guarantee["test"].get(name) if guarantee else None
        if shown and shown["contradicted"]:
            low, high = shown["confidence_interval"]
            sentence = (
                f"At least {guarantee[name]:.1%} of the answers {label} are guaranteed to be right, and on the test "
                f"images {shown['value']:.1%} are at the same prevalence (95 % interval {low:.1%} to {high:.1%}): they "
                "differ from the validation images, on which the guarantee rests, and others may too."
            )
            found.append(Concern(sentence, "undecided"))
    return found


def _calibration(evaluation: dict[str, Any]) -> list[Concern]:
    name = "expected_calibration_error"
    if origin := evaluation["calibrated_from"]:
        return _calibrated_worse(evaluation, origin)
    served, raw = (where[name]["value"] for where in (evaluation["calibration"], evaluation["calibration"]["raw"]))
    if served <= raw:
        return []
    sentence = (
        f"The calibration makes the probabilities worse on these images: the calibration error is {served:.3f} with it "
        f"and {raw:.3f} without. It was fitted on validation data, which the test images differ from."
    )
    return [Concern(sentence, "calibration")]


def _calibrated_worse(evaluation: dict[str, Any], origin: dict[str, Any]) -> list[Concern]:
    """Figures that a site's own calibration did not mend, though it is what it is for."""
    now, before = figure(evaluation, "calibration_error") or {}, origin["before"]["calibration_error"]
    if now["value"] <= before["value"]:
        return []
    sentence = (
        f"The new calibration is worse than that of version {origin['version']} on the half that was held out: the "
        f"calibration error is {now['value']:.3f}, and was {before['value']:.3f}."
    )
    return [Concern(sentence, "site")]


def saliency_concerns(evaluation: dict[str, Any]) -> list[Concern]:
    """Maps that cannot be believed, or that show where nothing should decide."""
    return [*_same_place(evaluation["saliency"]), *_border(evaluation["saliency"])]


def _same_place(summary: dict[str, Any]) -> list[Concern]:
    same = summary["same_place"]
    if same["share"] is None or same["share"] <= _SAME_PLACE_SHARE:
        return []
    sentence = (
        f"The saliency map lights the same place, the {same['place']}, in {same['share']:.0%} of the {same['maps']} "
        "images predicted PNEUMONIA: it does not show what is in one of them, and the network may look at no lung at "
        "all."
    )
    return [Concern(sentence, "saliency")]


def _border(summary: dict[str, Any]) -> list[Concern]:
    limit = min(1.0, _BORDER_FACTOR * summary["border_area"])
    return [
        Concern(
            f"For {label} images {share:.0%} of the saliency lies in the border, which is {summary['border_area']:.0%} "
            "of the image: markers and edges may decide, not the lungs.",
            "saliency",
        )
        for label, share in summary["border_share"].items()
        if share is not None and share > limit
    ]
