"""Files of an engine by their use: what explains runs for who asks, and older models work without it."""

from __future__ import annotations

import numpy as np
import pytest

from model_code.serving import engine
from tests.model_code.conftest import drawn

SIZE = 32


class Runner:
    """Stands in for a LiteRT model: fixed outputs, and the names of what it was given."""

    def __init__(self, inputs, outputs):
        self.inputs, self.outputs, self.asked = inputs, outputs, []

    def get_input_details(self):
        return {name: {"shape": (1, SIZE, SIZE, 1)} for name in self.inputs}

    def __call__(self, **given):
        self.asked.append(sorted(given))
        return dict(self.outputs)


SCORES = {name: np.zeros(1, np.float32) for name in ("logit", "out_of_distribution_score")}
PICTURE = np.zeros((1, 8, 8, 4), np.uint8)
STAGES = {name: np.ones((1, 2, 2, 1), np.float32) for name in ("stage_0", "stage_1", "feature_maps")}


@pytest.fixture
def load(monkeypatch, tmp_path):
    """An engine of these files, and the runners behind them."""

    def made(files):
        (tmp_path / engine.DIRECTORY).mkdir()
        for name in files:
            (tmp_path / engine.DIRECTORY / name).touch()
        monkeypatch.setattr(engine, "runner", lambda path, _threads: files[path.name])
        return engine.Engine(tmp_path, 1)

    return made


def test_what_explains_runs_for_who_asks_with_what_it_takes(load):
    explains = Runner(["stage_0", "logit"], {"cells": np.zeros((1, 2, 2), np.float32), "overlay": PICTURE})
    running = load(
        {"body.tflite": Runner(["pixels"], STAGES), "head.tflite": Runner([], SCORES), "saliency.tflite": explains}
    )
    assert "overlay_bytes" not in running.answer(drawn(1), overlay=False)
    assert explains.asked == []
    assert running.answer(drawn(1), overlay=True)["overlay_empty"] is True
    assert explains.asked == [["logit", "stage_0"]]
    explains.outputs["cells"] = np.ones((1, 2, 2), np.float32)
    assert running.answer(drawn(1), overlay=True)["overlay_empty"] is False


def test_a_model_of_before_explains_in_its_head(load):
    head = Runner([], {**SCORES, "saliency": np.ones((1, SIZE, SIZE), np.float32), "overlay": PICTURE})
    running = load({"body.tflite": Runner(["pixels"], STAGES), "head.tflite": head})
    row = running.answer(drawn(1), overlay=True)
    assert row["overlay_empty"] is False
    assert row["overlay_bytes"]["b64"]
    assert running.outputs(np.zeros((SIZE, SIZE, 1), np.uint8))["saliency"].shape == (SIZE, SIZE)
