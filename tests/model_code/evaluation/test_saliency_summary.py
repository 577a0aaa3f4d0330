"""Common features of a test split's maps: measured where they can be, and not where a map's cells forbid it."""

from __future__ import annotations

import numpy as np
import pytest

from model_code.evaluation.saliency_summary import FEWEST_MAPS, SaliencySummary

SIZE = 40


def spot(row, column):
    """A map that lights four by four pixels from there."""
    one = np.zeros((SIZE, SIZE))
    one[row : row + 4, column : column + 4] = 1.0
    return one


def summary_of(maps, *, labels=None, predicted=None, cells=20):
    summary = SaliencySummary(SIZE, cells)
    ones = np.ones(len(maps))
    summary.add(ones if labels is None else labels, ones if predicted is None else predicted, np.stack(maps))
    return summary.as_json()


def test_saliency_in_the_border_is_measured_over_the_images_that_have_any():
    found = summary_of([spot(0, 18), spot(18, 18), spot(18, 18) * 0, spot(0, 0) * 0], labels=np.array([1.0, 1, 1, 0]))
    assert found["border_area"] == pytest.approx(1 - 32 * 32 / 1600)
    assert found["border_share"] == {"NORMAL": None, "PNEUMONIA": 0.5}
    assert (found["images"], found["empty"]) == ({"NORMAL": 1, "PNEUMONIA": 3}, {"NORMAL": 1, "PNEUMONIA": 1})


def test_cells_wider_than_the_border_say_nothing_about_it():
    """Interpolated from 2 x 2 cells any map has about as much of its saliency in the border as the border has area."""
    assert summary_of([spot(0, 18)], cells=9)["border_share"]["PNEUMONIA"] is None
    assert summary_of([spot(0, 18)], cells=10)["border_share"]["PNEUMONIA"] == 1.0


def test_maps_that_light_one_place_are_told_from_maps_that_differ():
    same = [spot(2 + number % 3, 30) for number in range(36)] + [spot(20, 5 + 2 * number) for number in range(4)]
    found = summary_of(same)["same_place"]
    assert found == {"maps": 40, "share": 0.9, "place": "upper right"}
    differing = [spot(9 * (number % 4), 9 * (number // 4 % 4)) for number in range(40)]
    assert summary_of(differing)["same_place"]["share"] < 0.2


def test_only_maps_of_calls_are_compared_and_only_enough_of_them():
    maps = [spot(2, 30)] * (FEWEST_MAPS + 1) + [spot(2, 30) * 0]
    predicted = np.ones(len(maps))
    predicted[0] = 0
    assert summary_of(maps, predicted=predicted)["same_place"] == {
        "maps": FEWEST_MAPS,
        "share": 1.0,
        "place": "upper right",
    }
    predicted[1] = 0
    few = {"maps": FEWEST_MAPS - 1, "share": None, "place": None}
    assert summary_of(maps, predicted=predicted)["same_place"] == few
