"""The reference is of those who will be asked about: at a target prevalence, what arrives there is no drift."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from model_code.monitoring import drift, reference
from model_code.monitoring.drift import Quantity
from tests.model_code.support.evaluated import made_evaluation, made_scores


def setup_module() -> None:
    """Make what takes seconds: collecting does without."""
    global SCORES, EVALUATION
    SCORES = made_scores(1600, seed=3)
    EVALUATION = made_evaluation(made_scores(200, seed=2))


def drifted(document, *, ill: int) -> bool:
    """Whether 400 predictions of others, so many of them with pneumonia, are said to have drifted."""
    others = made_scores(1600, seed=4)
    chosen = np.r_[np.flatnonzero(others.labels == 0)[: 400 - ill], np.flatnonzero(others.labels == 1)[:ill]]
    known = document["validation"]
    quantity = Quantity("probability", "Probability", np.asarray(known["probability"]), others.probabilities[chosen])
    (found,) = drift.compare([quantity], independent=known["independent"], limit=0.2)
    return bool(found["drifted"])


def test_predictions_at_the_target_prevalence_have_not_drifted():
    """Half of the validation images are ill; of those asked about, one in twenty is, as was stated."""
    here = reference.document(SCORES, EVALUATION)
    there = reference.document(SCORES, EVALUATION | {"target_prevalence": 0.05})
    assert (drifted(here, ill=20), drifted(there, ill=20)) == (True, False)
    assert (drifted(here, ill=200), drifted(there, ill=200)) == (False, True)


def test_samples_of_one_weight_are_the_values_and_of_others_as_many_with_their_quantiles():
    here = reference.document(SCORES, EVALUATION)["validation"]
    usual = ~SCORES.refused
    assert (here["independent"], here["patients"]) == (here["patients"], len(set(np.asarray(SCORES.patients)[usual])))
    assert here["prevalence"] == pytest.approx(SCORES.labels[usual].mean())
    few = made_scores(40)
    values = reference.document(few, EVALUATION)["validation"]["probability"]
    assert values == pytest.approx(np.sort(few.probabilities[~few.refused]), abs=1e-6)
    there = reference.document(SCORES, EVALUATION | {"target_prevalence": 0.05})["validation"]
    assert there["prevalence"] == pytest.approx(0.05)
    assert there["independent"] < 0.6 * there["patients"], "weighted images tell less"
    assert len(there["probability"]) == len(here["probability"]) == reference.MOST_SAMPLES
    normal, ill = (SCORES.probabilities[usual & (SCORES.labels == label)] for label in (0, 1))
    assert np.mean(there["probability"]) == pytest.approx(0.95 * normal.mean() + 0.05 * ill.mean(), abs=0.01)


def test_few_images_of_much_weight_still_count_as_one():
    """Monitoring divides by it."""
    two = made_scores(40)
    ill = np.zeros(40)
    ill[3] = 1
    two = dataclasses.replace(two, labels=ill, patients=["P0"] * 20 + ["P1"] * 20)
    assert reference.document(two, EVALUATION | {"target_prevalence": 0.99})["validation"]["independent"] == 1


def test_what_was_kept_of_the_same_predictions_has_not_moved_where_nearly_all_are_certain():
    """Kept predictions have nine decimals: rounded samples would be ties between which they all lie."""
    sure = dataclasses.replace(SCORES, probabilities=1 - np.geomspace(1e-12, 1e-6, 1600))
    known = reference.document(sure, EVALUATION)["validation"]
    kept = np.round(1 - np.geomspace(1e-12, 1e-6, 777), 9)
    quantity = Quantity("probability", "Probability", np.asarray(known["probability"]), kept)
    (found,) = drift.compare([quantity], independent=known["independent"], limit=0.2)
    assert found["ks_statistic"] < 0.05
