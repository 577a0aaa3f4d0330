"""The indeterminate band, and what is guaranteed of the answers outside of it: least predictive values.

**The guarantee.** With `CONFIDENCE` over the draw of the validation patients, at least the stated share of the answers
NORMAL is right (the negative predictive value) and at least the stated share of the answers PNEUMONIA (the positive
one), both at once: each side is given half of the risk (Bonferroni). It is for one radiograph of each of further
patients from the same population, so for the prevalence of the validation patients: a predictive value holds for one
prevalence, see `prevalence.at_prevalence` for another.

**Why it holds.** Of the patients, one radiograph each, whose score lies below a cut-off fixed beforehand, or below the
m-th smallest score, the number with pneumonia is binomial, with the share that lies there in the population. So
"that share is above 1 - value" is rejected where P(Binomial(m, 1 - value) <= errors) is at most the risk, which is the
exact bound of Clopper and Pearson (1934). Cut-offs are tested in an order that only the number of patients decides, and
the first that is not rejected ends it: no correction for their number is needed (fixed-sequence testing, as in
Angelopoulos et al. 2021, "Learn then Test", section 2). Two sequences begin at different places, where there are
patients enough for both, and share the risk.

What is assumed: patients are independent and alike; the network is fixed before the validation patients are looked at;
and once the predictive value has fallen below the stated one as the cut-off moves towards the threshold, it stays there
(as with any score of which more means pneumonia more often). The second is not quite so, because the best epoch is the
one with the greatest AUROC on the same images. `python -m benchmarks.evaluation.guarantee` measures what becomes of
1,000 sites, with and without that choice, and docs/adr/0041 has the alternatives.

**For a target prevalence** a predictive value is asked for at the prevalence of the patients that is as much by Bayes.
That is known from the patients only, so the end of its exact one-sided interval is taken that asks for more, and half
of a side's risk goes there. Where both labels were drawn in fixed numbers, that is more than is needed.

**Without a guarantee**, for too few patients or too many errors, an end of the band is an order statistic: of the n
validation images of the other label a new one lies beyond the k-th with probability k / (n + 1), which k keeps at
`TAIL_SHARE` from 49 images on. Fewer have no image as far out as that, and the outermost is taken.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy

from model_code.contract.documents import Guarantee
from model_code.contract.labels import LABELS
from model_code.statistics.metrics import Array
from model_code.statistics.prevalence import at_prevalence

CONFIDENCE = 0.95
PREDICTIVE_VALUES: tuple[Literal["negative_predictive_value", "positive_predictive_value"], ...] = (
    "negative_predictive_value",
    "positive_predictive_value",
)
"""Names in a guarantee, by the label of the answers."""
_RISK = (1 - CONFIDENCE) / 2
"""Probability that one of the two predictive values is lower than stated."""
TAIL_SHARE = 0.02
"""Share of each label that may lie on the wrong side of a band without a guarantee."""

# Of the patients: what a second sequence begins with. A few wrong labels among the most certain patients end a sequence
# that begins with these, however large the split is.
_LATER_START = 1 / 8


@dataclasses.dataclass(frozen=True)
class Band:
    """Probabilities from `low` to below `high` are read as "cannot tell"; `guarantee` is of the answers outside."""

    low: float
    high: float
    guarantee: Guarantee


def decide(
    probabilities: Array,
    labels: Array,
    patients: npt.NDArray[np.int64],
    *,
    threshold: float,
    negative_value: float,
    positive_value: float,
    known: str = "the validation split",
    target_prevalence: float | None = None,
) -> Band:
    """The narrowest band around the threshold outside of which the predictive values are guaranteed.

    Where the threshold itself is that good on one side, the band does not reach to that side.

    Args:
        probabilities: (n,) of the validation images.
        labels: (n,) zeros and ones, both present.
        patients: number of each image's patient, (n,); the first image of each is tested.
        threshold: of `calibration.choose_threshold`.
        negative_value: the negative predictive value to guarantee, below 1.
        positive_value: the positive one.
        known: what these images are called in the guarantee.
        target_prevalence: of pneumonia, which the values are for; None for that of the patients.
    """
    first = np.unique(patients, return_index=True)[1]
    own, sides = float(labels[first].mean()), []
    for label, value in enumerate((negative_value, positive_value)):
        # Ascending from the most certain of this label: for PNEUMONIA the scale is turned round.
        scores, limit = (probabilities, threshold) if label == 0 else (-probabilities, -threshold)
        wrong = labels != label
        asked = _Asked.of(value, labels[first], label, target_prevalence)
        end = _guaranteed_end(scores[first], wrong[first], asked)
        reason = "" if end is not None else _reason(label, scores[first] < limit, wrong[first], asked)
        sides.append((value, reason, min(_cautious_end(scores[wrong]) if end is None else end, limit)))
    (_, _, low), (_, _, high) = sides
    guarantee: Guarantee = {
        "confidence": CONFIDENCE,
        "prevalence": own if target_prevalence is None else target_prevalence,
        "patients": len(first),
        "negative_predictive_value": None if sides[0][1] else negative_value,
        "positive_predictive_value": None if sides[1][1] else positive_value,
        "sentence": _sentence(
            [(value, reason) for value, reason, _ in sides],
            f"patients like the {len(first)} of {known}, of whom {own:.1%} have pneumonia"
            if target_prevalence is None
            else f"patients like the {len(first)} of {known}, but {target_prevalence:.1%} of them with pneumonia",
        ),
    }
    # An answer is PNEUMONIA from the upper end on, so the end lies just above the last image that is none.
    above = threshold if high == -threshold else float(np.nextafter(-high, 1.0))
    return Band(float(low), above, guarantee)


def carried(wrong: npt.NDArray[np.bool_], value: float, risk: float) -> int:
    """Number of leading answers that show, as long as the risk allows, that at least `value` of such are right.

    Args:
        wrong: (n,) whether each answer is wrong, the most certain first.
        value: least share that is to be right.
        risk: probability that more are said to show it than do.

    Returns:
        The number, 0 where none do.
    """
    errors = np.cumsum(wrong)
    starts = [0.0, _LATER_START * len(wrong)]
    if len(places := _places(len(wrong), value, risk)) == 0 or places[0] >= starts[1]:
        starts.pop()
    places = _places(len(wrong), value, risk / len(starts))
    found = 0
    for start in starts:
        for allowed, place in enumerate(places):
            if place < start:
                continue
            if errors[place - 1] > allowed:
                break
            found = max(found, int(place))
    return found


def fewest(value: float, risk: float = _RISK) -> int:
    """The fewest answers, all right, that show that at least `value` of such are right."""
    return math.ceil(math.log(risk) / math.log(value))


def _places(patients: int, value: float, risk: float) -> npt.NDArray[np.int64]:
    """The fewest answers that may have 0, 1, 2, ... errors, as far as there are patients.

    These are the trials up to the (errors + 1)-th error that are exceeded with at most the risk (negative binomial).
    """
    errors = np.arange(math.ceil((1 - value) * patients) + 1)
    places = errors + 1 + scipy.stats.nbinom.ppf(1 - risk, errors + 1, 1 - value).astype(np.int64)
    return np.asarray(places[places <= patients], dtype=np.int64)


@dataclasses.dataclass(frozen=True)
class _Asked:
    """A predictive value as it is asked of the validation patients.

    Attributes:
        named: as it is guaranteed.
        value: what that is at the prevalence of these patients.
        risk: that it is said to hold and does not.
        where: end of a phrase that names the prevalence, where it is not theirs.
    """

    named: float
    value: float
    risk: float
    where: str = ""

    @classmethod
    def of(cls, value: float, labels: Array, label: int, target_prevalence: float | None) -> _Asked:
        if target_prevalence is None:
            return cls(value, value, _RISK)
        risk, ill, normal = _RISK / 2, float(labels.sum()), float((1 - labels).sum())
        where = f" where {target_prevalence:.1%} have pneumonia"
        if not ill or not normal:
            return cls(value, 1.0, risk, where)
        # Rarer pneumonia than in the population makes more of a negative value, more frequent one of a positive value.
        ends = (scipy.stats.beta.ppf(risk, ill, normal + 1), scipy.stats.beta.ppf(1 - risk, ill + 1, normal))
        asked = at_prevalence(value, target_prevalence, float(ends[label]), label=label)
        return cls(value, asked, risk, where)


def _guaranteed_end(scores: Array, wrong: npt.NDArray[np.bool_], asked: _Asked) -> float | None:
    """Scores below this carry the value; None where none do."""
    # Of equal scores the wrong ones first: their order must not flatter.
    order = np.lexsort((~wrong, scores))
    if asked.value >= 1:
        return None
    place = carried(wrong[order], asked.value, asked.risk)
    if place == 0:
        return None
    return float(scores[order[place]]) if place < len(order) else math.inf


def _cautious_end(others: Array) -> float:
    """The order statistic of the other label's images beyond which `TAIL_SHARE` of new ones lie at most."""
    rank = max(1, math.floor(TAIL_SHARE * (len(others) + 1)))
    return float(np.sort(others)[rank - 1])


def _reason(label: int, predicted: npt.NDArray[np.bool_], wrong: npt.NDArray[np.bool_], asked: _Asked) -> str:
    if asked.value >= 1:
        return f"nothing is guaranteed of the answer {LABELS[label]}: no number of patients shows that{asked.where}"
    return (
        f"nothing is guaranteed of the answer {LABELS[label]}: {100 * asked.named:g} %{asked.where} take at "
        f"least {fewest(asked.value, asked.risk)} "
        f"patients without an error among the most certain, and on this side of the threshold there are "
        f"{int(predicted.sum())}, {int((predicted & wrong).sum())} of them wrong"
    )


def _sentence(sides: list[tuple[float, str]], population: str) -> str:
    said = [
        reason or f"at least {100 * value:g} % of the answers {label} are right"
        for (value, reason), label in zip(sides, LABELS, strict=True)
    ]
    text = "; ".join(said) if any(reason for _, reason in sides) else " and ".join(said)
    if all(reason for _, reason in sides):
        return f"{text[0].upper()}{text[1:]}."
    return f"For {population}, with {100 * CONFIDENCE:g} % confidence: {text}."
