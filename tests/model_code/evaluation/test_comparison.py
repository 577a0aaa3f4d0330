"""The candidate is compared with the serving model, not the other way round, on the same images and resamples."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from model_code.evaluation import comparison
from model_code.evaluation.comparison import Side
from tests.model_code.support.evaluated import PACKAGE, made_scores, made_weights

GOOD, WEAK = made_scores(200), made_scores(200, separation=1.0)


def compared(candidate, serving, mode="gate", **changes):
    one, other = Side(candidate, 0.5, 32, "ab" * 32), Side(serving, 0.5, 32, "ab" * 32)
    other = dataclasses.replace(other, **changes)
    return comparison.compare(one, other, made_weights(candidate), package=PACKAGE, mode=mode)


def test_an_identical_model_differs_by_exactly_nothing():
    found = compared(GOOD, GOOD)
    for name in ("auc", "true_positive_rate", "true_negative_rate"):
        difference = found[f"{name}_difference"]
        assert (difference["value"], difference["confidence_interval"]) == (0.0, [0.0, 0.0])
    assert (found["worse"], found["significantly_worse"], found["predicted_differently"]) == (False, 0, 0)
    assert "does not differ significantly" in found["sentence"]


def test_a_clearly_worse_candidate_is_significantly_worse_in_a_sentence_with_all_figures():
    found = compared(WEAK, GOOD)
    assert (found["worse"], found["significantly_worse"]) == (True, 1)
    low, high = found["auc_difference"]["confidence_interval"]
    assert high < 0
    candidate, serving = found["candidate"]["auc"]["value"], found["serving"]["auc"]["value"]
    assert found["sentence"] == (
        f"AUROC {candidate:.3f} is significantly below the {serving:.3f} of the serving model chest-xray-dev/3 on the "
        f"same 200 test images: difference {candidate - serving:+.3f}, 95 % interval {low:+.3f} to {high:+.3f}."
    )


def test_swapping_the_models_turns_the_signs():
    one, other = compared(WEAK, GOOD), compared(GOOD, WEAK)
    for name in ("auc", "true_positive_rate", "true_negative_rate"):
        forth, back = one[f"{name}_difference"], other[f"{name}_difference"]
        assert forth["value"] == -back["value"] != 0
        assert forth["confidence_interval"] == pytest.approx([-end for end in reversed(back["confidence_interval"])])
    assert one["candidate"]["auc"] == other["serving"]["auc"]
    assert (other["worse"], other["significantly_worse"]) == (False, 0)
    assert "is significantly above" in other["sentence"]


def test_in_a_report_being_worse_is_said_but_does_not_count():
    found = compared(WEAK, GOOD, mode="report")
    assert (found["worse"], found["significantly_worse"]) == (True, 0)
    assert "is significantly below" in found["sentence"]


def test_each_model_decides_at_its_own_threshold():
    found = compared(GOOD, GOOD, threshold=1.0)
    assert found["serving"]["true_positive_rate"]["value"] == 0
    assert found["candidate"]["true_positive_rate"]["value"] > 0.5
    assert found["predicted_differently"] == int(np.sum(GOOD.probabilities >= 0.5))


def test_pairing_makes_the_interval_of_the_difference_narrow():
    """Two models that err on the same images are told apart by less than two independent ones."""
    rng = np.random.default_rng(4)
    similar = dataclasses.replace(GOOD, logits=GOOD.logits + rng.normal(0, 0.1, 200))
    unlike = made_scores(200, seed=9)

    def width(serving):
        low, high = compared(GOOD, serving)["auc_difference"]["confidence_interval"]
        return high - low

    assert width(similar) < width(unlike) / 3


def test_another_image_size_and_another_dataset_are_said():
    found = compared(GOOD, WEAK, image_size=64, dataset="cd" * 32)
    assert "compared on images resized from 32 to 64 px" in found["notes"][0]
    assert "it may have seen some of these test images" in found["notes"][1]
    assert not compared(GOOD, WEAK)["notes"]


def test_scores_of_other_images_are_refused():
    other = dataclasses.replace(GOOD, labels=1 - GOOD.labels)
    with pytest.raises(ValueError, match="same images in the same order"):
        compared(GOOD, other)


def test_without_a_serving_model_nothing_is_worse():
    found = comparison.nothing_serves()
    assert (found["serving_package"], found["auc_difference"], found["significantly_worse"]) == (None, None, 0)
    json.dumps(found, allow_nan=False)
