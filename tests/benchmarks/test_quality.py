"""The benchmark of quality starts the pipeline's jobs, whose flags follow the table of parameters."""

import pytest


def setup_module() -> None:
    global evaluate, preprocess, quality, split_dataset, train
    from benchmarks.training import quality
    from model_code import evaluate, preprocess, split_dataset, train


def test_each_job_takes_the_command_line_that_the_benchmark_gives_it() -> None:
    lines = quality.flags({**quality.RECIPE, "Epochs": 3, "Patience": 3})
    assert lines.keys() == {"preprocess", "split_dataset", "train", "evaluate"}
    assert preprocess.parse(lines["preprocess"]).image_size == quality.RECIPE["ImageSize"]
    assert split_dataset.parse(lines["split_dataset"]).image_size == quality.RECIPE["ImageSize"]
    chosen = train.parse(lines["train"])
    assert (chosen.epochs, chosen.patience, chosen.ema_momentum) == (3, 3, quality.RECIPE["EmaMomentum"])
    evaluate.parse(lines["evaluate"])


def test_a_recipe_with_a_parameter_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"no parameter Epoch\."):
        quality.flags({"Epoch": 3})
