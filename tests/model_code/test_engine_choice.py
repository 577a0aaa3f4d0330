"""Choice of weights by training, at the edge; networks are made of a few lines so that no processor has a say."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from model_code.export import parity_limits
from model_code.statistics.calibration import Calibration


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global conversion, litert
    from model_code.export import conversion, litert


LIMIT = parity_limits.MAX_PROBABILITY_DIFFERENCE


@pytest.fixture
def save(monkeypatch, tmp_path):
    """`save_models` for images of which eight bits move all probabilities by so much; sixteen bits by a hundredth."""

    def saved(images, moved, outliers=0):
        differences = np.full(images, moved)
        differences[:outliers] = 10 * LIMIT

        def off(directory, _):
            weights = (directory / "engine" / "body.tflite").read_text()
            moved = differences if weights == "int8" else np.full(images, LIMIT / 100)
            return np.log((0.5 + moved) / (0.5 - moved))

        monkeypatch.setattr(conversion, "body", lambda _, weights: weights.encode())
        monkeypatch.setattr(conversion, "head", lambda *_: b"head")
        monkeypatch.setattr(conversion, "saliency", lambda *_: b"saliency")
        monkeypatch.setattr(litert, "_save_decoder", lambda *_: None)
        monkeypatch.setattr(litert, "_runner", lambda *_: None)
        monkeypatch.setattr(litert, "_usual", lambda *_: (np.zeros(1), np.zeros(())))
        monkeypatch.setattr(litert, "_logits", lambda *_: np.zeros(images))
        monkeypatch.setattr(litert, "_engine_logits", off)
        pixels = [np.zeros((2, 2, 1))] * images
        answers = conversion.Answers(SimpleNamespace(size=2), None)
        return litert.save_models(
            answers, tmp_path, calibration=Calibration(1.0), training=pixels[:2], validation=pixels
        )

    return saved


def weights_in(directory, folder):
    path = directory / folder / "body.tflite"
    return path.read_text() if path.exists() else None


@pytest.mark.parametrize("images", [52, 298])
def test_too_few_validation_images_keep_sixteen_bits_however_near_eight_are(save, tmp_path, capsys, images):
    """52 images on which eight bits looked near enough chose what 128 test images refused."""
    described = save(images, 0.0)
    assert described["engine_weights"] == "float16"
    assert "engine_fallback" not in described
    assert described["engine_validation"]["upper_bound"] is None
    assert (weights_in(tmp_path, "engine"), weights_in(tmp_path, "fallback")) == ("float16", None)
    assert f"from {images} validation images; 299 are needed." in capsys.readouterr().out


def test_enough_images_choose_eight_bits_and_sixteen_travel_along(save, tmp_path):
    described = save(299, 0.999 * LIMIT)
    assert described["engine_weights"] == "int8"
    assert described["engine_validation"]["upper_bound"] == pytest.approx(0.999 * LIMIT)
    assert described["engine_fallback"]["engine_weights"] == "float16"
    assert described["engine_fallback"]["engine_validation"]["probability_difference_p99"] < LIMIT / 10
    assert (weights_in(tmp_path, "engine"), weights_in(tmp_path, "fallback")) == ("int8", "float16")
    for name in ("head.tflite", "saliency.tflite"):
        assert (tmp_path / "fallback" / name).is_file()


@pytest.mark.parametrize(("images", "moved", "outliers"), [(299, 1.01 * LIMIT, 0), (299, 0.0, 1), (473, 0.0, 2)])
def test_eight_bits_that_the_images_do_not_carry_leave_nothing_behind(save, tmp_path, images, moved, outliers):
    """One image of 299 beyond the limit is below 1 % of them, and not enough to be sure of the others."""
    described = save(images, moved, outliers)
    assert described["engine_weights"] == "float16"
    assert "engine_fallback" not in described
    assert (weights_in(tmp_path, "engine"), weights_in(tmp_path, "fallback")) == ("float16", None)


def test_one_image_of_473_may_lie_beyond_the_limit(save):
    assert save(473, 0.0, 1)["engine_weights"] == "int8"
