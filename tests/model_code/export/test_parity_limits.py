"""A choice that is made on some images holds on others with the confidence it names, or is not made."""

from __future__ import annotations

import numpy as np
import pytest

from model_code.export import parity_limits

LIMIT = parity_limits.MAX_PROBABILITY_DIFFERENCE


def test_fewer_images_than_needed_carry_no_claim():
    """0.99^298 is 0.05004: with one image fewer, all may lie below the quantile in one of twenty draws."""
    assert parity_limits.FEWEST_IMAGES == 299
    assert parity_limits.upper_bound(np.zeros(298)) is None
    assert parity_limits.upper_bound(np.zeros(52)) is None
    assert parity_limits.upper_bound(np.zeros(0)) is None
    assert parity_limits.upper_bound(np.zeros(299)) == 0.0


@pytest.mark.parametrize(("images", "from_above"), [(299, 1), (472, 1), (473, 2), (600, 2), (1000, 5)])
def test_the_bound_is_an_order_statistic(images, from_above):
    """As tables of nonparametric tolerance limits have them (Hahn and Meeker 1991, table A.15)."""
    shuffled = np.random.default_rng(1).permutation(images).astype(np.float64)
    assert parity_limits.upper_bound(shuffled) == images - from_above


@pytest.mark.parametrize("images", [299, 400, 523])
def test_eight_bits_that_stray_are_taken_in_fewer_than_one_of_twenty_trainings(images):
    """Differences as rounding makes them: exponential, with the 99 % quantile a hair above the limit."""
    rng = np.random.default_rng(images)
    draws = rng.exponential(1.001 * LIMIT / -np.log(1 - parity_limits.SHARE), (2000, images))
    taken = np.mean([(parity_limits.upper_bound(one) or 1.0) <= LIMIT for one in draws])
    assert taken <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 2000)
    # What was compared before, the quantile of the images themselves, takes them nearly every second time.
    assert np.mean(np.quantile(draws, parity_limits.SHARE, axis=1) <= LIMIT) > 0.4


def test_eight_bits_that_are_near_enough_are_taken():
    rng = np.random.default_rng(1)
    draws = rng.exponential(0.5 * LIMIT / -np.log(1 - parity_limits.SHARE), (500, 523))
    assert np.mean([(parity_limits.upper_bound(one) or 1.0) <= LIMIT for one in draws]) > 0.9
