"""The gallery shows the images that were chosen, explained by the model itself."""

from __future__ import annotations

import numpy as np
import pytest

from model_code.evaluation.saliency_summary import SaliencySummary
from tests.model_code.support.shards import write_split


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global collect, ExportedModel, write_archive
    from model_code.evaluation.scoring import ExportedModel
    from model_code.reports.saliency_pictures import collect
    from tests.model_code.support.toy_model import write_archive


SIZE = 40


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    base = tmp_path_factory.mktemp("gallery")
    write_split(base / "test", "test", 24, SIZE)
    model = ExportedModel(write_archive(base / "model.tar.gz", size=SIZE), base / "unpacked")
    attention = SaliencySummary(SIZE, cells=20)
    scores = model.score(base / "test", SIZE, watch=attention.add)
    shown = collect(model, scores, attention, base / "test", seed=1)
    return shown, attention


def test_samples_cases_and_averages_are_collected(collected):
    shown, _ = collected
    assert {title: len(pictures) for title, pictures in shown.samples.items()} == {"NORMAL": 8, "PNEUMONIA": 8}
    assert [len(cases) for cases in shown.cases.values()] == [3, 3, 0, 0], "brightness tells these labels apart"
    assert len(shown.averages) == 2


def test_both_sections_show_them_with_their_captions(collected):
    shown, attention = collected
    samples = "".join(shown.samples_section().parts)
    assert samples.count("<img") == 16
    section = "".join(shown.saliency_section({"method": "Grad-CAM", **attention.as_json()}).parts)
    assert section.count("<img") == 1 + 2 * 6 + 2
    assert section.count("No such image.") == 2
    border = attention.as_json()["border_share"]["PNEUMONIA"]
    assert f"PNEUMONIA {border:.1%}" in section
    assert np.isclose(border, attention.as_json()["border_area"], atol=0.05), "the toy looks everywhere alike"
