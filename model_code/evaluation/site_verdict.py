"""Verdict on whether a model is usable at a site: its figures there against the deployment's limits.

Each figure is held against its limit with its 95 % interval: it keeps the limit where the whole interval does, misses
it where none of the interval keeps it, and is open in between. The verdict follows from these three words alone:

- `usable`: everything is kept.
- `usable_after_calibration`: the radiographs are ranked as well as demanded, and on these images some threshold reaches
  both limits: one of the site's own, and a temperature, may mend the rest. That has to be seen on other images of it.
- `not_usable`: ranking or refusals miss their limit, or no threshold reaches both sensitivity and specificity. No
  calibration mends that.
- `too_few`: the images do not carry any of these; it is said how many more would, if the figures stay as they are.

A calibration error that perfect probabilities would show too, on so few images, counts as kept.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np

from model_code.contract.documents import SiteVerdict
from model_code.contract.metrics import CLASSIFICATION, METRICS
from model_code.contract.parameters import Gate
from model_code.contract.site_parameters import SITE_GATES, SITE_REFUSALS
from model_code.statistics.intervals import effective_images, wilson

USABLE, CALIBRATE, NOT_USABLE, TOO_FEW = get_args(SiteVerdict)
VERDICTS = {
    USABLE: "Usable as it is",
    CALIBRATE: "Usable after calibration on labels of this site",
    NOT_USABLE: "Not usable",
    TOO_FEW: "Too few images to say",
}
# Nobody collects more than this to learn on which side of a limit a figure lies that is all but the limit itself.
_MOST_TIMES_AS_MANY = 50
KEPT, MISSED, OPEN = "kept", "missed", "open"


@dataclasses.dataclass(frozen=True)
class Judgement:
    """A figure held against a limit.

    Attributes:
        name: of the limit's parameter.
        title: as reports say it.
        value: of the figure, with its 95 % interval.
        low: lower end.
        high: upper end.
        limit: of the deployment.
        at_least: False where the limit is the greatest value.
        state: `kept`, `missed` or `open`.
    """

    name: str
    title: str
    value: float
    low: float
    high: float
    limit: float
    at_least: bool
    state: str

    def as_json(self) -> dict[str, Any]:
        """Judgement as a member of the site evaluation document."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        rule = f"{'at least' if self.at_least else 'at most'} {self.limit:g}"
        return f"{self.title} {self.value:.3f} (95 % interval {self.low:.3f} to {self.high:.3f}; demanded: {rule})"


def check_limits(
    evaluation: Mapping[str, Any], refused: Mapping[str, Any], limits: Mapping[str, float], *, detects: bool = True
) -> list[Judgement]:
    """Hold a site's figures against the limits.

    Args:
        evaluation: `assessment.document` of the images that were answered.
        refused: the figure of the share that the out-of-distribution detector refuses.
        limits: by the names of `SITE_GATES` and `SITE_REFUSALS`.
        detects: whether the model has an out-of-distribution detector; one that has none refuses nothing.
    """
    share = "Refused share" if detects else "Refused share, of a version without an out-of-distribution detector,"
    return [
        _held(SITE_REFUSALS, share, refused, limits[SITE_REFUSALS], at_least=False),
        *(_gate(name, gate, evaluation, limits[name]) for name, gate in SITE_GATES.items()),
    ]


def _gate(name: str, gate: Gate, evaluation: Mapping[str, Any], limit: float) -> Judgement:
    section, key = METRICS[gate.metric]
    found = _held(name, gate.title, evaluation[section][key], limit, at_least=gate.at_least)
    if not gate.judged:
        return found
    section, key = METRICS[gate.judged]
    by_chance = not evaluation[section][key]["value"]
    return dataclasses.replace(found, state=KEPT) if by_chance else found


def _held(name: str, title: str, found: Mapping[str, Any], limit: float, *, at_least: bool) -> Judgement:
    value, (low, high) = float(found["value"]), found["confidence_interval"]
    kept, missed = (low >= limit, high < limit) if at_least else (high <= limit, low > limit)
    state = KEPT if kept else MISSED if missed else OPEN
    return Judgement(name, title, value, float(low), float(high), limit, at_least, state)


def verdict(
    judgements: Sequence[Judgement], evaluation: Mapping[str, Any], *, answered: int, scored: int
) -> dict[str, Any]:
    """The verdict in a word and in a sentence.

    Args:
        judgements: of `check_limits`.
        evaluation: the same as there.
        answered: how many images the figures rest on.
        scored: how many the share of refusals does.

    Returns:
        "code", "title", "sentence", and "more_images": how many more would carry a verdict, if the figures stay as they
        are; None where that is not the question, or where no sensible number would.
    """
    by_name = {judgement.name: judgement for judgement in judgements}
    decisive = _decisive(judgements)
    mendable = [judgement for judgement in judgements if judgement not in decisive]
    if lost := beyond_calibration(judgements):
        return _said(NOT_USABLE, lost)
    if all(judgement.state == KEPT for judgement in judgements):
        return _said(USABLE, f"{_all(judgements)}.")
    wrong = [judgement for judgement in mendable if judgement.state == MISSED]
    if wrong and all(judgement.state == KEPT for judgement in decisive):
        wanted = by_name["MinSensitivity"].limit, by_name["MinSpecificity"].limit
        if not _reachable(evaluation, *wanted):
            return _said(
                NOT_USABLE,
                f"{_all(wrong)}, and no threshold has sensitivity {wanted[0]:g} and specificity {wanted[1]:g} on these "
                "images. No calibration mends that.",
            )
        return _said(
            CALIBRATE,
            f"{_all(wrong)}. The ranking is good enough ({by_name['MinAuroc']}), so a threshold and a temperature of "
            "this site's own may mend it: `cxr calibrate` fits them, and tries them on other images.",
        )
    return _open([judgement for judgement in judgements if judgement.state == OPEN], wrong, answered, scored)


def beyond_calibration(judgements: Sequence[Judgement]) -> str:
    """Figures that certainly miss their limits and that no calibration mends, in a sentence; empty without any."""
    lost = [judgement for judgement in _decisive(judgements) if judgement.state == MISSED]
    return f"{_all(lost)}. No calibration mends that." if lost else ""


def _decisive(judgements: Sequence[Judgement]) -> list[Judgement]:
    """Ranking and refusals, which are the network's and its detector's own."""
    return [judgement for judgement in judgements if judgement.name in {"MinAuroc", SITE_REFUSALS}]


def _open(still: Sequence[Judgement], wrong: Sequence[Judgement], answered: int, scored: int) -> dict[str, Any]:
    needed = [_more(judgement, scored if judgement.name == SITE_REFUSALS else answered) for judgement in still]
    more = None if None in needed else max((count for count in needed if count is not None), default=None)
    certain = f"As it is, it misses a limit: {_all(wrong)}. " if wrong else ""
    sentence = f"{certain}On {scored:,} images it is open whether the limits are kept: {_all(still)}."
    if more is None:
        sentence += " The value lies so near to the limit that no sensible number of images would tell."
    else:
        sentence += f" With about {more:,} more it would be known, if the figures stay as they are."
    return _said(TOO_FEW, sentence, more)


def _more(judgement: Judgement, images: int) -> int | None:
    """Number of further images until the figure's interval lies on one side of the limit; None where too many."""
    size = effective_images(judgement.value, judgement.low, judgement.high)
    few, many = 1.0, float(_MOST_TIMES_AS_MANY)
    if not _settled(judgement, size * many):
        return None
    while many - few > 1e-3:
        middle = (few + many) / 2
        few, many = (few, middle) if _settled(judgement, size * middle) else (middle, many)
    return _rounded(images * (many - 1))


def _settled(judgement: Judgement, size: float) -> bool:
    low, high = wilson(judgement.value, size)
    above, below = low >= judgement.limit, high < judgement.limit
    return above or below if judgement.at_least else high <= judgement.limit or low > judgement.limit


def _rounded(count: float) -> int:
    """Round up to two significant digits: more would promise too much precision."""
    unit = int(10 ** max(0, math.floor(math.log10(max(count, 1))) - 1))
    return math.ceil(count / unit) * unit


def _reachable(evaluation: Mapping[str, Any], sensitivity: float, specificity: float) -> bool:
    """Whether some threshold has both on these images."""
    curve = evaluation[CLASSIFICATION]["receiver_operating_characteristic_curve"]
    found, wrong = np.asarray(curve["true_positive_rates"]), np.asarray(curve["false_positive_rates"])
    return bool(np.any((found >= sensitivity) & (1 - wrong >= specificity)))


def _all(judgements: Sequence[Judgement]) -> str:
    return "; ".join(str(judgement) for judgement in judgements)


def _said(code: str, sentence: str, more: int | None = None) -> dict[str, Any]:
    return {"code": code, "title": VERDICTS[code], "sentence": f"{VERDICTS[code]}. {sentence}", "more_images": more}
