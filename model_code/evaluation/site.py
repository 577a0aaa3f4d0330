"""A model's scores of a site's radiographs, assessed: figures beside those of its own test split, and a verdict.

The figures are of the radiographs that the API would answer. One that the out-of-distribution detector refuses gets no
probability there, so it can mislead nobody; how many these are is a figure of its own. On the model's own test split
the detector refuses next to nothing, by construction, and the figures there count all images.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from model_code.contract.documents import Figure
from model_code.contract.job import JobError
from model_code.contract.metrics import METRICS, figure
from model_code.evaluation import assessment, site_verdict
from model_code.evaluation.scores import TestScores
from model_code.evaluation.site_verdict import Judgement
from model_code.statistics.intervals import difference_of_independent, estimate, resample_patients

# What is set beside the model's own; by the names of `contract.metrics`.
COMPARED = ("auroc", "auprc", "sensitivity", "specificity", "calibration_error", "brier_score")


@dataclasses.dataclass(frozen=True)
class Assessed:
    """What a model's scores of a site's radiographs come to.

    Attributes:
        evaluation: `assessment.document` of the images that were answered.
        refused_share: figure of the others.
        scored: how many images there were in all.
        own: the model's own figures, by name.
        differences: site minus own, by name, with 95 % intervals.
        judgements: each figure held against its limit.
        verdict: of `site_verdict.verdict`.
    """

    evaluation: dict[str, Any]
    refused_share: Figure
    scored: int
    own: dict[str, Figure]
    differences: dict[str, Figure]
    judgements: list[Judgement]
    verdict: dict[str, Any]


def assess(
    scores: TestScores, metadata: dict[str, Any], own: Mapping[str, Any], limits: Mapping[str, float]
) -> Assessed:
    """Assess a model on a site's radiographs.

    Args:
        scores: of all of them.
        metadata: of the model.
        own: its evaluation on its own test split.
        limits: see `site_verdict.judge`.

    Raises:
        JobError: so many are refused that no image of a label is answered.
    """
    refused = scores.unfamiliarity > 1
    weights = resample_patients(scores.patients, seed=assessment.BOOTSTRAP_SEED)
    share = weights @ refused.astype(np.float64) / weights.sum(axis=1)
    refused_share = estimate(share, images=len(refused), patients=len(set(scores.patients))).as_json()
    answered = scores.where(~refused)
    if len(np.unique(answered.labels)) < 2:
        raise JobError(
            f"The out-of-distribution detector refuses {int(refused.sum())} of {len(refused)} radiographs, and of a "
            "label none is left: these images are unlike all that the model was trained on. It is not usable for them."
        )
    evaluation = assessment.document(
        answered, metadata, resample_patients(answered.patients, seed=assessment.BOOTSTRAP_SEED)
    )
    figures = {name: _figure(own, name) for name in COMPARED}
    judgements = site_verdict.judge(evaluation, refused_share, limits)
    return Assessed(
        evaluation=evaluation,
        refused_share=_short(refused_share),
        scored=len(refused),
        own=figures,
        differences={
            name: _short(difference_of_independent(_figure(evaluation, name), figures[name])) for name in COMPARED
        },
        judgements=judgements,
        verdict=site_verdict.verdict(judgements, evaluation, len(answered.labels)),
    )


def _figure(evaluation: Mapping[str, Any], name: str) -> Figure:
    found = figure(evaluation, name)
    if found is None:
        section, key = METRICS[name]
        raise JobError(f"The model's own evaluation has no {section}.{key}: it is not one of this pipeline's.")
    return _short(found)


def _short(found: Mapping[str, Any]) -> Figure:
    return {"value": found["value"], "confidence_interval": list(found["confidence_interval"])}
