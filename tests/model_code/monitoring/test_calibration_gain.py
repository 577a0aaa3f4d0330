"""The estimate finds a known shift of calibration on labels that did not fit it, and says what it lacks."""

from __future__ import annotations

import numpy as np
import pytest
import scipy

from model_code.monitoring import calibration_gain
from model_code.statistics.calibration import Calibration


def drawn(images=4000, *, temperature=2.0, bias=-1.5):
    """Labels, and probabilities as kept, of a place where sigmoid(log odds / temperature + bias) is right."""
    rng = np.random.default_rng(3)
    known = rng.normal(0, 3, images)
    labels = (rng.random(images) < Calibration(temperature, bias).probability(known)).astype(np.float64)
    return labels, np.round(scipy.special.expit(known), 9)


@pytest.mark.parametrize("calibration", [Calibration(1.0), Calibration(2.5, -1.2)])
def test_log_odds_are_recovered_to_what_the_nine_decimals_of_a_kept_probability_hold(calibration):
    exact = np.linspace(-18, 18, 500)
    wanted = exact / calibration.temperature + calibration.bias
    true = calibration.probability(exact)
    found = calibration_gain.log_odds(np.asarray([float(f"{one:.9f}") for one in true]))
    allowed = calibration_gain.PRECISION / (true * (1 - true))
    inside = allowed < 1e-2
    assert inside.sum() > 300
    # The bound is of first order.
    assert np.all(np.abs(found - wanted)[inside] <= 1.02 * allowed[inside] + 1e-9)


def test_what_was_kept_as_0_or_1_has_finite_log_odds():
    assert calibration_gain.log_odds(np.asarray([0.0, 1.0])) == pytest.approx([-21.4, 21.4], abs=0.05)


def test_a_known_shift_is_found_and_the_error_of_the_held_out_half_falls():
    found = calibration_gain.estimate(*drawn())
    assert found["temperature"] == pytest.approx(2.0, rel=0.15)
    assert found["bias"] == pytest.approx(-1.5, abs=0.2)
    assert found["fitted"] + found["held_out"] == 4000
    assert found["calibration_error"]["served"] > 0.1
    assert found["calibration_error"]["calibrated"] < 0.04


def test_a_table_s_order_chooses_no_half():
    labels, probabilities = drawn(400)
    order = np.random.default_rng(8).permutation(400)
    assert calibration_gain.estimate(labels[order], probabilities[order]) == calibration_gain.estimate(
        labels, probabilities
    )


def test_too_few_labels_give_the_number_that_is_missing():
    labels = np.asarray([0.0] * 60 + [1.0] * 12)
    found = calibration_gain.estimate(labels, np.full(72, 0.5))
    assert found["missing"] == {"NORMAL": 0, "PNEUMONIA": 38}
    assert found["calibration_error"] is None
    assert "38 more labels PNEUMONIA are needed" in calibration_gain.sentence(found)
    assert "NORMAL" not in calibration_gain.sentence(found)


def test_labels_that_readers_chose_of_both_kinds_do_not_undo_a_target_prevalence():
    """Nothing is wrong: probabilities are for one in twenty, and of the labelled predictions half are ill."""
    rng = np.random.default_rng(4)
    labels = np.repeat([0.0, 1.0], 1000)
    right = Calibration(1.0).at_prevalence(0.5, 0.05).probability(3 * (3 * (labels - 0.5) + rng.normal(size=2000)))
    found = calibration_gain.estimate(labels, np.round(right, 9), target_prevalence=0.05)
    assert found["bias"] == pytest.approx(0, abs=0.3)
    assert found["calibration_error"]["served"] < 0.02
    assert calibration_gain.estimate(labels, np.round(right, 9))["calibration_error"]["served"] > 0.1
