"""Training writes everything the later steps read; the full run is marked slow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from model_code import train
from model_code.job import JobError
from tests.model_code.conftest import SIZE

FLAGS = {
    "--image-size": SIZE,
    "--backbone-weights": "none",
    "--epochs": 2,
    "--fine-tune-epochs": 1,
    "--learning-rate": 1e-3,
    "--fine-tune-learning-rate": "1.0E-4",
    "--batch-size": 16,
    "--seed": 1,
}


def arguments(**changes):
    flags = FLAGS | {"--" + name.replace("_", "-"): value for name, value in changes.items()}
    return [str(part) for flag in flags.items() for part in flag]


def test_hyperparameters_are_read_as_the_toolkit_passes_them():
    chosen = train.parse(arguments())
    assert (chosen.epochs, chosen.fine_tune_learning_rate, chosen.backbone_weights) == (2, 1e-4, "none")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"epochs": 0, "fine_tune_epochs": 0}, "nor both 0"),
        ({"epochs": -1}, "must not be negative"),
        ({"learning_rate": 0}, "Learning rates must be above 0"),
        ({"learning_rate": "nan"}, "Learning rates must be above 0"),
        ({"batch_size": 1}, "BatchSize must be at least 2"),
    ],
)
def test_hyperparameters_out_of_range_are_named(changes, reason):
    with pytest.raises(JobError, match=reason):
        train.parse(arguments(**changes))


def test_shards_of_another_size_are_refused(job_directory, dataset_card):
    report = job_directory / "input" / "data" / "report"
    report.mkdir(parents=True)
    (report / "dataset.json").write_text(json.dumps(dataset_card))
    with pytest.raises(JobError, match="hold images of 32 px and ImageSize is 64"):
        train.main(arguments(image_size=64))


def test_a_failure_of_the_script_is_left_for_sagemaker(job_directory):
    """Run as the toolkit runs it: as a script, from the folder that holds model_code."""
    root = Path(train.__file__).resolve().parent.parent
    command = [sys.executable, "model_code/train.py", *arguments()]
    done = subprocess.run(command, cwd=root, env=dict(os.environ), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    sentence = (job_directory / "output" / "failure").read_text()
    assert sentence.startswith("The training channel 'report' is missing")
    assert done.stderr.endswith(sentence + "\n")


@pytest.mark.slow
def test_from_archive_to_evaluation(job_directory, place_archive, capsys):
    """The three steps over one job directory: trained on bright against dark images, the model tells them apart."""
    import io
    import tarfile

    import numpy as np

    from model_code import evaluate, preprocess
    from tests.model_code.conftest import encode, zip_of

    rng = np.random.default_rng(5)
    members = {}
    for split, count in (("train", 80), ("test", 20)):
        for number in range(count):
            for label, name, level in (
                ("NORMAL", f"IM-{split == 'test':d}{number:03d}-0001.jpeg", 80),
                ("PNEUMONIA", f"person{number + 500 * (split == 'test')}_bacteria_1.jpeg", 170),
            ):
                pixels = np.clip(rng.normal(level, 40, (SIZE, SIZE)), 0, 255).astype(np.uint8)
                members[f"chest_xray/{split}/{label}/{name}"] = encode(pixels)
    place_archive(zip_of(members))
    preprocess.main(
        f"--archive-uri s3://data/datasets/{'0' * 64}/archive.zip --image-size {SIZE} "
        "--validation-fraction 0.2 --seed 1".split()
    )
    outputs = job_directory / "processing" / "output"
    (job_directory / "input").mkdir()
    (job_directory / "input" / "data").symlink_to(outputs)

    train.main(arguments())
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines() if line.startswith("epoch=")] == [
        "epoch=1",
        "epoch=2",
        "epoch=3",
    ]
    record = job_directory / "output" / "data"
    assert sorted(path.name for path in record.iterdir()) == ["curves.svg", "history.json", "model.keras"]
    assert len(json.loads((record / "history.json").read_text())["history"]) == 3
    reloaded = keras.saving.load_model(record / "model.keras")
    assert reloaded.output_shape == (None, 1)

    inputs = job_directory / "processing" / "input"
    (inputs / "model").mkdir()
    with tarfile.open(inputs / "model" / "model.tar.gz", "w:gz", compresslevel=1) as packed:
        for path in sorted((job_directory / "model").iterdir()):
            packed.add(path, path.name)
    for name in ("test", "report"):
        (inputs / name).symlink_to(outputs / name)
    limits = "--min-auroc 0.5 --min-sensitivity 0 --min-specificity 0 --max-calibration-error 1"
    evaluate.main(limits.split())
    evaluation = json.loads((outputs / "evaluation" / "evaluation.json").read_text())
    assert evaluation["binary_classification_metrics"]["auc"]["value"] > 0.9
    assert evaluation["gates"]["passed"]
    assert io.StringIO((outputs / "evaluation" / "report.html").read_text()).readline() == "<!doctype html>\n"
