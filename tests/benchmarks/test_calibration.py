"""The benchmark of calibration reads a network's logits back from what an evaluation leaves."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from model_code.statistics.calibration import Calibration


def setup_module() -> None:
    global calibration
    from benchmarks.evaluation import calibration


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An evaluation's folder: a network twice as sure as it is right, served with another temperature and bias."""
    rng = np.random.default_rng(5)
    served = Calibration(1.5, -0.4)
    (tmp_path / "metadata.json").write_text(json.dumps({"temperature": 1.5, "bias": -0.4}))
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "metadata.json", "1/assets.extra/metadata.json")
    for split in ("validation", "test"):
        log_odds = rng.normal(0, 1.5, 4000)
        ill = rng.random(4000) < 1 / (1 + np.exp(-log_odds))
        rows = (
            f"{number}.png,{split},{('NORMAL', 'PNEUMONIA')[int(one)]},{score:.6f},NORMAL,false"
            for number, (one, score) in enumerate(zip(ill, served.probability(2 * log_odds), strict=True))
        )
        (tmp_path / f"{split}_predictions.csv").write_text(
            "\n".join(["file,split,label,score,prediction,refused", *rows])
        )
    return tmp_path


def test_what_serves_is_taken_back_before_anything_is_fitted(folder: Path) -> None:
    logits, labels = calibration.read(folder, "validation")
    found = calibration.ways(logits, labels)["temperature (the pipeline)"]
    assert found.temperature == pytest.approx(2.0, rel=0.1)


def test_the_table_shows_what_calibration_mends(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["calibration", str(folder)])
    calibration.main()
    rows = {row.split(" | ")[0].removeprefix("| "): row.split(" | ") for row in capsys.readouterr().out.splitlines()}
    none, temperature = (float(rows[name][4]) for name in ("none", "temperature (the pipeline)"))
    assert none > 0.05
    assert temperature < 0.03
