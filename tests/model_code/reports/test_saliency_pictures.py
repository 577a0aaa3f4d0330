"""The right images are chosen, of different patients, and shown without a word about who they are."""

from __future__ import annotations

import base64
import dataclasses

import numpy as np
import pytest

from model_code.evaluation.saliency_summary import SaliencySummary
from tests.model_code.support.evaluated import made_scores


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global saliency_pictures, tf
    import tensorflow as tf

    from model_code.reports import saliency_pictures


SCORES = made_scores()


def decoded(source):
    assert source.startswith("data:image/jpeg;base64,")
    return tf.io.decode_jpeg(base64.b64decode(source.partition(",")[2])).numpy()


def test_samples_are_of_each_label_seeded_and_of_different_patients():
    chosen = saliency_pictures.choose_samples(SCORES, seed=1)
    assert [len(positions) for positions in chosen.values()] == [8, 8]
    for label, positions in enumerate(chosen.values()):
        assert {SCORES.labels[at] for at in positions} == {label}
        assert len({SCORES.patients[at] for at in positions}) == 8
    assert saliency_pictures.choose_samples(SCORES, seed=1) == chosen
    assert saliency_pictures.choose_samples(SCORES, seed=2) != chosen


def test_the_most_certain_right_and_wrong_calls_come_first():
    chosen = saliency_pictures.choose_cases(SCORES, 0.5)
    predicted = SCORES.probabilities >= 0.5
    for title, label, decision, best in (
        ("PNEUMONIA predicted as PNEUMONIA (right)", 1, True, np.argmax),
        ("NORMAL predicted as NORMAL (right)", 0, False, np.argmin),
        ("PNEUMONIA predicted as NORMAL (wrong)", 1, False, np.argmin),
        ("NORMAL predicted as PNEUMONIA (wrong)", 0, True, np.argmax),
    ):
        inside = np.flatnonzero((SCORES.labels == label) & (predicted == decision))
        assert chosen[title][0] == inside[best(SCORES.logits[inside])]
        assert len({SCORES.patients[at] for at in chosen[title]}) == len(chosen[title]) <= 3


def test_a_model_without_errors_has_no_wrong_calls():
    perfect = dataclasses.replace(SCORES, logits=8 * SCORES.labels - 4, probabilities=SCORES.labels)
    chosen = saliency_pictures.choose_cases(perfect, 0.5)
    assert [len(positions) for positions in chosen.values()] == [3, 3, 0, 0]


def test_an_overlay_colours_where_the_saliency_is_and_says_where():
    pixels = np.full((48, 48, 1), 100, np.uint8)
    saliency = np.zeros((48, 48))
    saliency[:12, 36:] = 1.0
    case = saliency_pictures.case(41, pixels, saliency, SCORES)
    grey, overlay = decoded(case.plain.source), decoded(case.overlay.source).astype(int)
    assert grey.shape == (48, 48, 1)
    assert abs(overlay[40, 5] - 100).max() < 6
    assert abs(overlay[5, 44] - 100).max() > 60
    assert "greatest at the upper right" in case.overlay.alternative
    assert case.plain.caption.startswith("image 42: PNEUMONIA, probability ")


def test_an_image_in_which_nothing_speaks_for_pneumonia_says_so():
    case = saliency_pictures.case(0, np.zeros((8, 8, 1), np.uint8), np.zeros((8, 8)), SCORES)
    for said in (case.overlay.alternative, case.overlay.caption):
        assert "empty: nothing speaks for PNEUMONIA" in said


@pytest.mark.parametrize(("probability", "shown"), [(1.0, "above 0.999"), (0.0, "below 0.001"), (0.25, "0.250")])
def test_a_probability_is_never_shown_as_certain(probability, shown):
    scores = dataclasses.replace(SCORES, probabilities=np.full(80, probability))
    case = saliency_pictures.case(0, np.zeros((8, 8, 1), np.uint8), np.zeros((8, 8)), scores)
    assert case.plain.caption == f"image 1: NORMAL, probability {shown}"


def test_a_wrong_call_has_its_files_name():
    case = saliency_pictures.case(41, np.zeros((8, 8, 1), np.uint8), np.zeros((8, 8)), SCORES, is_wrong=True)
    assert case.plain.caption.startswith(f"{SCORES.paths[41].rpartition('/')[2]}: PNEUMONIA")


def test_large_images_are_shrunk():
    sample = saliency_pictures.sample(0, np.zeros((300, 300, 1), np.uint8), SCORES)
    assert decoded(sample.source).shape == (224, 224, 1)
    assert (sample.caption, saliency_pictures.sample(41, np.zeros((8, 8, 1), np.uint8), SCORES).caption) == (
        "image 1",
        "image 42, bacteria",
    )


def test_the_average_maps_share_one_scale():
    summary = SaliencySummary(20, 20)
    middle = np.zeros((20, 20))
    middle[8:12, 8:12] = 1.0
    summary.add(np.array([1.0, 0.0]), np.array([1.0, 0.0]), np.stack([middle, np.zeros((20, 20))]))
    normal, pneumonia = saliency_pictures.averages(summary)
    assert (normal.caption, pneumonia.caption) == ("NORMAL, average of 1 images", "PNEUMONIA, average of 1 images")
    assert decoded(normal.source).max() < 20
    assert decoded(pneumonia.source).max() > 200
