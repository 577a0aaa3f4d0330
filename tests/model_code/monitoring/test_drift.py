"""The rule finds real changes and holds its false-alarm rate, in simulations whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
import scipy

from model_code.monitoring import drift
from model_code.monitoring.drift import Quantity

RNG_SEED = 4


def quantities(rng, images, *, shift=0.0, count=10):
    """Independent normal quantities; the first is shifted."""
    return [
        Quantity(f"q{number}", f"Q{number}", rng.normal(size=500), rng.normal(shift if not number else 0, 1, images))
        for number in range(count)
    ]


def found(rng, images, *, shift=0.0, count=10, limit=0.2):
    return drift.compare(quantities(rng, images, shift=shift, count=count), independent=500, limit=limit)


@pytest.mark.parametrize("images", [30, 100, 500])
def test_without_a_change_drift_is_found_in_at_most_one_of_a_hundred(images):
    rng = np.random.default_rng(RNG_SEED)
    alarms = sum(any(row["drifted"] for row in found(rng, images)) for _ in range(300))
    # Holm holds the rate of all ten together at 1 %: of 300 at most 3 are expected, and 8 or more have p < 0.02.
    assert alarms <= 7


def test_a_shift_of_a_standard_deviation_is_found_and_named():
    rng = np.random.default_rng(RNG_SEED)
    for _ in range(20):
        rows = found(rng, 100, shift=1.0)
        assert [row["name"] for row in rows if row["drifted"]] == ["q0"]


def test_a_change_too_small_to_matter_is_none_however_many_images_show_it():
    rng = np.random.default_rng(RNG_SEED)
    quantity = Quantity("q", "Q", rng.normal(size=1000), rng.normal(0.25, 1, 100_000))
    (row,) = drift.compare([quantity], independent=1000, limit=0.2)
    assert row["p_adjusted"] < drift.SIGNIFICANCE
    assert not row["drifted"]


def test_the_index_by_chance_is_what_simulation_gives():
    rng = np.random.default_rng(RNG_SEED)
    rows = [found(rng, 200, count=1)[0] for _ in range(400)]
    expected = rows[0]["psi_by_chance"]
    assert np.mean([row["psi"] for row in rows]) == pytest.approx(expected["mean"], rel=0.12)
    assert np.mean([row["psi"] < expected["percentile_95"] for row in rows]) == pytest.approx(0.95, abs=0.035)


def test_the_distance_is_scipy_s():
    rng = np.random.default_rng(RNG_SEED)
    for digits in (8, 1):
        then, now = rng.normal(size=300).round(digits), rng.normal(0.3, 1, 120).round(digits)
        theirs = scipy.stats.ks_2samp(then, now, method="asymp")
        (row,) = drift.compare([Quantity("q", "Q", then, now)], independent=300, limit=0.2)
        assert row["ks_statistic"] == pytest.approx(theirs.statistic)
        assert row["p_value"] == pytest.approx(theirs.pvalue)


def test_images_of_few_patients_count_as_few():
    rng = np.random.default_rng(RNG_SEED)
    quantity = quantities(rng, 200, shift=0.4, count=1)
    many, few = (drift.compare(quantity, independent=count, limit=0.2)[0]["p_value"] for count in (500, 50))
    assert few > many


def test_p_values_are_adjusted_as_holm_did():
    # Example: 0.01, 0.02, 0.03, 0.005 times 3, 2, 1 and 4, never falling along the order.
    assert drift.holm([0.01, 0.02, 0.03, 0.005]) == pytest.approx([0.03, 0.04, 0.04, 0.02])


def test_index_of_known_shares():
    edges = np.asarray([0.5])
    then, now = np.repeat([0.0, 1.0], 50_000), np.repeat([0.0, 1.0], [20_000, 80_000])
    assert drift.stability_index(then, now, edges) == pytest.approx(0.3 * np.log(0.8 / 0.5) - 0.3 * np.log(0.2 / 0.5),
                                                                    rel=1e-3)  # fmt: skip


def test_an_empty_bin_gives_a_large_index_and_no_infinity():
    assert 1 < drift.stability_index(np.arange(100.0), np.full(100, 200.0), np.asarray([25.0, 50.0, 75.0])) < 20


@pytest.mark.parametrize("reference", [np.r_[np.zeros(80), np.arange(1.0, 21.0)], np.r_[np.zeros(99), 1.0]])
def test_values_that_repeat_leave_fewer_bins_and_each_holds_something(reference):
    edges = drift.bin_edges(reference, smaller=100)
    counts = np.bincount(np.searchsorted(edges, reference, side="right"), minlength=len(edges) + 1)
    assert counts.all()


def test_a_quantity_that_never_varied_is_reported():
    assert not Quantity("q", "Q", np.zeros(5), np.ones(5)).varies
