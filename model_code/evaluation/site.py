"""Assessment of a model on a site's radiographs: figures beside those of its own test split, and a verdict.

The figures are of the radiographs that the API would answer. One that the out-of-distribution detector refuses gets no
probability there, so it can mislead nobody; how many these are is a figure of its own. On the model's own test split
the detector refuses next to nothing, by construction, and the figures there count all images.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from model_code.contract import documents
from model_code.contract.documents import Figure, Population
from model_code.contract.job import JobError
from model_code.contract.labels import LABELS
from model_code.contract.metrics import METRICS, figure
from model_code.contract.population import UNSTATED, outside
from model_code.data.pseudonyms import is_named
from model_code.evaluation import assessment, site_verdict
from model_code.evaluation.scores import TestScores
from model_code.evaluation.site_verdict import Judgement
from model_code.statistics.indeterminate import PREDICTIVE_VALUES
from model_code.statistics.intervals import difference_of_independent, resample_patients

# What is set beside the model's own; by the names of `contract.metrics`.
COMPARED = ("auroc", "auprc", "sensitivity", "specificity", "calibration_error", "brier_score")


@dataclasses.dataclass(frozen=True)
class Assessed:
    """Assessment of a model's scores of a site's radiographs.

    Attributes:
        evaluation: `assessment.document` of the images that were answered.
        refused_share: figure of the others.
        scored: how many images there were in all.
        answered: how many of them the API would answer; with none of a label, figures are of all that were scored.
        of_unnamed_patients: how many of those that figures rest on name no patient, so that each, or each study, counts
            as one.
        outside_population: how many the API would refuse, or flag, by the age or view that their files state.
        own: the model's own figures, by name.
        differences: site minus own, by name, with 95 % intervals.
        judgements: each figure held against its limit.
        verdict: of `site_verdict.verdict`.
    """

    evaluation: dict[str, Any]
    refused_share: Figure
    scored: int
    answered: int
    of_unnamed_patients: int
    outside_population: int
    own: dict[str, Figure]
    differences: dict[str, Figure]
    judgements: list[Judgement]
    verdict: dict[str, Any]


class SiteCheck(NamedTuple):
    """A model's figures on a site's radiographs, held against limits.

    Attributes:
        basis: the scores that figures rest on.
        evaluation: `assessment.document` of these.
        refused_share: figure of the images that the detector refuses, of all that were scored.
        judgements: each figure held against its limit.
    """

    basis: TestScores
    evaluation: dict[str, Any]
    refused_share: dict[str, Any]
    judgements: list[Judgement]


def own_evaluation(path: Path) -> dict[str, Any]:
    """A model's own evaluation.json.

    Raises:
        JobError: it cannot be read.
    """
    try:
        return dict(documents.read_evaluation(json.loads(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError) as error:
        raise JobError(f"The model's own evaluation {path.name} cannot be read: {error}") from error


def check(scores: TestScores, metadata: dict[str, Any], limits: Mapping[str, float]) -> SiteCheck:
    """Hold a model against limits on a site's radiographs.

    Args:
        scores: of all of them.
        limits: see `site_verdict.check_limits`.
    """
    basis, described = measured(scores), metadata["out_of_distribution"]
    evaluation = assessment.document(basis, metadata, resample_patients(basis.patients, seed=assessment.BOOTSTRAP_SEED))
    weights = resample_patients(scores.patients, seed=assessment.BOOTSTRAP_SEED)
    refused_share = assessment.refusals(scores, described, weights)["false_refusal_rate"]
    judgements = site_verdict.check_limits(evaluation, refused_share, limits, detects=bool(described.get("active")))
    return SiteCheck(basis, evaluation, refused_share, judgements)


def assess(
    scores: TestScores, metadata: dict[str, Any], own: Mapping[str, Any], limits: Mapping[str, float]
) -> Assessed:
    """Assess a model on a site's radiographs, which are given as to `check`.

    Args:
        own: the model's evaluation on its own test split.
    """
    basis, evaluation, refused_share, judgements = check(scores, metadata, limits)
    refused, figures = scores.refused, {name: _figure(own, name) for name in COMPARED}
    return Assessed(
        evaluation=evaluation,
        refused_share=short(refused_share),
        scored=len(refused),
        answered=int((~refused).sum()),
        of_unnamed_patients=sum(
            not is_named(patient, path) for path, patient in zip(basis.paths, basis.patients, strict=True)
        ),
        outside_population=sum(_is_outside(metadata.get("population"), groups) for groups in scores.groups),
        own=figures,
        differences={
            name: short(difference_of_independent(_figure(evaluation, name), figures[name])) for name in COMPARED
        },
        judgements=judgements,
        verdict=site_verdict.verdict(judgements, evaluation, answered=len(basis.labels), scored=len(refused)),
    )


def measured(scores: TestScores) -> TestScores:
    """Scores that a site's figures rest on: of the images that the detector accepts, or of all."""
    answered = scores.where(~scores.refused)
    # Without a label there are no figures. Then so many are refused that the verdict does not hang on them.
    return answered if len(np.unique(answered.labels)) == len(LABELS) else scores


def doubts(assessed: Assessed) -> Iterator[str]:
    """Doubts about relying on the model here though no limit may be missed."""
    guarantee, target = assessed.evaluation["guarantee"], assessed.evaluation["target_prevalence"]
    if target is not None:
        yield (
            f"{assessed.evaluation['test']['prevalence']:.1%} of these radiographs show pneumonia, and the version's "
            f"probabilities are for {target:.1%}, to which the figures are weighted. If the archive is as patients "
            "come, its share is the prevalence to name."
        )
    if assessed.outside_population:
        yield (
            f"{assessed.outside_population:,} of {assessed.scored:,} radiographs are stated to be of an age or view "
            "that the model is not meant for: the API refuses or flags these, which the figures do not reflect."
        )
    for label, name in zip(LABELS, PREDICTIVE_VALUES, strict=True):
        shown = guarantee["test"].get(name) if guarantee else None
        if shown and shown["contradicted"]:
            low, high = shown["confidence_interval"]
            yield (
                f"The model's guarantee does not hold here: at least {guarantee[name]:.1%} of the answers {label} are "
                f"to be right, and {shown['value']:.1%} are (95 % interval {low:.1%} to {high:.1%}, at the prevalence "
                "of the guarantee)."
            )


def _is_outside(population: Population | None, groups: Mapping[str, str]) -> bool:
    age, view = (groups.get(kind, UNSTATED) for kind in ("age", "view"))
    return bool(outside(population, age=age, view=view))


def _figure(evaluation: Mapping[str, Any], name: str) -> Figure:
    found = figure(evaluation, name)
    if found is None:
        section, key = METRICS[name]
        raise JobError(f"The model's own evaluation has no {section}.{key}: it is not one of this pipeline's.")
    return short(found)


def short(found: Mapping[str, Any]) -> Figure:
    """A figure of an evaluation without what only its report shows."""
    return {"value": found["value"], "confidence_interval": list(found["confidence_interval"])}
