"""The benchmark of calibration chooses a way by validation alone, by the rule that it states."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


def setup_module() -> None:
    global calibration, calibration_scores, train
    from benchmarks.evaluation import calibration
    from benchmarks.training import calibration_scores
    from model_code import train


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Scores of a network that is as sure as it is right, up to four times where images are hard."""
    rng = np.random.default_rng(5)
    found = {"prior_shift": np.float64(-1.1)}
    for split in ("validation", "test"):
        log_odds, doubt = rng.normal(1, 1.5, 4000), rng.random(2000).repeat(2)
        logits = (1 + 3 * doubt) * log_odds
        views = {view for way in calibration.ways().values() for view in way.views}
        changed = [*(f"augmented_{number}" for number in range(4)), *(f"noise_{level}" for level in (2, 4, 8, 16, 32))]
        found |= {f"{split}/{view}": logits for view in (*views, *changed)}
        found[f"{split}/labels"] = (rng.random(4000) < 1 / (1 + np.exp(-log_odds))).astype(float)
        found[f"{split}/patients"] = np.asarray([f"patient {number // 2}" for number in range(4000)])
        found |= {f"{split}/doubt": doubt, f"{split}/distance": doubt} if split == "validation" else {}
    np.savez(tmp_path / "scores.npz", **found)
    return tmp_path


def test_halves_share_no_patient_and_the_harder_is_harder(folder: Path) -> None:
    validation = calibration.read(folder)["validation"]
    easier, harder = calibration.parted(validation, validation.hardness["doubt"])
    assert not set(easier.patients) & set(harder.patients)
    assert len(easier.labels) == len(harder.labels) == 2000
    assert easier.hardness["doubt"].mean() < harder.hardness["doubt"].mean()


def test_each_way_finds_how_sure_the_network_is_where_it_looks(folder: Path) -> None:
    validation = calibration.read(folder)["validation"]
    ways = calibration.ways()
    found = {name: way.fit(validation, way.views) for name, way in ways.items()}
    usual = found[calibration.PIPELINE].temperature
    assert usual == pytest.approx(2.5, rel=0.15)
    assert found["temperature of the half in doubt"].temperature == pytest.approx(3.25, rel=0.15)
    assert usual < found["upper limit of the temperature's 90 % interval over patients"].temperature < 1.2 * usual
    assert found["none"].temperature == 1
    even = found["temperature, each label as frequent"]
    assert even.bias == pytest.approx(-1.1 / even.temperature)


def test_another_bias_of_a_split_is_reported_and_a_site_of_its_kind_mends_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "_RESAMPLES", 40)
    test = calibration.read(folder)["test"]
    moved = calibration.dataclasses.replace(test, logits={"kept": test.logits["kept"] + 4})
    low, high = calibration.wanted(moved, "kept")[1]
    assert -4 < low < high < -1
    scaled = calibration.temperature(moved, ("kept",)).probability(moved.logits["kept"])
    assert calibration.calibration_error_of(moved.labels, scaled) > 0.08
    assert calibration.site_error(moved, 1) < 0.05


def judged(error: float, cross_entropy: float, auroc: float = 0.98) -> calibration.Judged:
    return calibration.Judged(error, cross_entropy, 0.05, auroc)


def test_the_rule_wants_both_figures_lower_and_the_ranking_as_good() -> None:
    now = {calibration.PIPELINE: judged(0.06, 0.30)}
    assert calibration.choose({**now, "surer": judged(0.03, 0.31), "worse": judged(0.07, 0.2)}) == calibration.PIPELINE
    assert calibration.choose({**now, "ranks worse": judged(0.03, 0.2, 0.977)}) == calibration.PIPELINE
    assert calibration.choose({**now, "better": judged(0.05, 0.29), "best": judged(0.04, 0.295)}) == "best"


def test_debiasing_takes_away_what_chance_adds_and_leaves_a_real_error() -> None:
    rng = np.random.default_rng(1)
    right = rng.random((200, 300))
    labels = (rng.random(right.shape) < right).astype(float)
    errors = [calibration.debiased_error(*row) for row in zip(labels, right, strict=True)]
    plain = [calibration.calibration_error_of(*row) for row in zip(labels, right, strict=True)]
    assert np.mean(plain) > 0.05
    assert np.mean(errors) < 0.6 * np.mean(plain)
    assert calibration.debiased_error(np.ones(1000), np.full(1000, 0.8)) == pytest.approx(0.2)


def test_the_test_split_is_reported_on_demand_only(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "_RESAMPLES", 10)
    monkeypatch.setattr(calibration, "_DRAWS", 2)
    monkeypatch.setattr("sys.argv", ["calibration", str(folder)])
    calibration.main()
    said = capsys.readouterr().out
    assert "Chosen: temperature of the half" in said
    assert "error, test" not in said
    monkeypatch.setattr("sys.argv", ["calibration", str(folder), "--test"])
    calibration.main()
    told = capsys.readouterr().out.split("Chosen")[1].splitlines()
    rows = {row.split(" | ")[0].removeprefix("| "): row.split(" | ") for row in told if row.startswith("|")}
    assert float(rows["none"][2]) > 0.1
    assert float(rows[calibration.PIPELINE][2]) < 0.05


def test_the_training_takes_the_recipe_and_views_are_of_the_same_image() -> None:
    lines = calibration_scores.quality.flags({**calibration_scores.RECIPE, "Seed": 3})
    chosen = train.parse(lines["train"])
    assert (chosen.image_size, chosen.epochs, chosen.seed) == (64, 6, 3)
    pixels = np.random.default_rng(1).random((2, 64, 64, 1)).astype(np.float32) * 255
    views = {name: np.asarray(view(pixels)) for name, view in calibration_scores._views().items()}
    assert np.array_equal(views["flip"], pixels[:, :, ::-1])
    assert np.array_equal(views["down"][:, :-2], pixels[:, 2:])
    assert np.array_equal(views["left"][:, :, 2:], pixels[:, :, :-2])
    changed = {name: np.asarray(view(pixels)) for name, view in calibration_scores._changed(chosen).items()}
    assert all(one.shape == pixels.shape and not np.array_equal(one, pixels) for one in changed.values())
    assert np.abs(changed["noise_32"] - pixels).mean() > 4 * np.abs(changed["noise_2"] - pixels).mean()
