"""Training writes everything the later steps read; the full run is marked slow."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_code.contract import job
from model_code.contract.job import JobError
from tests.model_code.conftest import SIZE
from tests.model_code.support.shards import write_split


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global keras, train
    import keras

    from model_code import train


FLAGS = {
    "--image-size": SIZE,
    "--backbone": "ResNet50V2",
    "--backbone-weights": "none",
    "--warm-start-from": "none",
    "--epochs": 2,
    "--learning-rate": 1e-3,
    "--fine-tune-epochs": 1,
    "--fine-tune-learning-rate": "1.0E-4",
    "--fine-tune-from": "last-stage",
    "--patience": 5,
    "--batch-size": 16,
    "--dropout": 0.5,
    "--label-smoothing": 0.0,
    "--class-weights": "none",
    "--ema-momentum": 0,
    "--feature-views": 0,
    "--horizontal-flip": 0.5,
    "--zoom-range": 0.3,
    "--rotation-degrees": 0,
    "--shift-range": 0,
    "--contrast-range": 0,
    "--precision": "auto",
    "--xla": "off",
    "--serving-engine": "tensorflow",
    "--guaranteed-npv": 0.95,
    "--target-prevalence": 0,
    "--guaranteed-ppv": 0.95,
    "--seed": 1,
}


def arguments(**changes):
    flags = FLAGS | {"--" + name.replace("_", "-"): value for name, value in changes.items()}
    return [str(part) for flag in flags.items() for part in flag]


def test_hyperparameters_are_read_as_the_toolkit_passes_them():
    chosen = train.parse(arguments())
    assert (chosen.epochs, chosen.fine_tune_learning_rate, chosen.backbone_weights) == (2, 1e-4, "none")


def test_what_the_toolkit_adds_in_a_tuning_job_is_passed_over():
    assert train.parse([*arguments(), "--model_dir", "None/job-001/model"]) == train.parse(arguments())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"epochs": 0}, "Epochs must be from 1 to 1000, not 0"),
        ({"fine_tune_epochs": -1}, "FineTuneEpochs must be from 0 to 1000, not -1"),
        ({"learning_rate": 0}, "LearningRate must be from 1e-08 to 1, not 0"),
        ({"fine_tune_learning_rate": "nan"}, "FineTuneLearningRate must be from 1e-08 to 1, not nan"),
        ({"batch_size": 1}, "BatchSize must be from 2 to 4096, not 1"),
        ({"patience": 0}, "Patience must be from 1 to 1000, not 0"),
        ({"feature_views": -1}, "FeatureViews must be from 0 to 100"),
        ({"label_smoothing": 0.6}, "LabelSmoothing must be from 0 to 0.5"),
        ({"guaranteed_npv": 1}, "GuaranteedNpv must be from 0.5 to 0.999, not 1"),
        ({"target_prevalence": 1e-9}, "TargetPrevalence must be 0, or from 0.001 to 0.99, not 1e-09"),
        ({"ema_momentum": 1}, "EmaMomentum must be from 0 to 0.9999"),
        ({"class_weights": "auto"}, "ClassWeights must be one of balanced, none, not 'auto'"),
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


def channels(job_directory: Path, *, train_images: int = 32) -> None:
    """The training job's channels, over noise images."""
    data = job_directory / "input" / "data"
    write_split(data / "train", "train", train_images, SIZE)
    write_split(data / "validation", "validation", 16, SIZE, seed=2)
    half = {"NORMAL": train_images // 2, "PNEUMONIA": train_images // 2}
    splits = {name: {"images": sum(half.values()), "labels": half} for name in ("train", "validation", "test")}
    card = {"image_size": SIZE, "sha256": "ab" * 32, "archive_uri": "s3://data/archive.zip", "splits": splits}
    (data / "report").mkdir()
    (data / "report" / "dataset.json").write_text(json.dumps(card))


@pytest.mark.slow
def test_a_killed_training_job_resumes_and_ends_with_the_same_metrics(tmp_path):
    """Killed by SIGKILL in its third of four epochs, as a spot instance may be.

    The machine on which it resumes measures another gain of bfloat16: it ends in the arithmetic it began in.
    """
    flags = arguments(backbone="MobileNetV3Small", epochs=4, fine_tune_epochs=0, batch_size=8, ema_momentum=0.9)
    # Written after every epoch, not once a minute. The export takes longer than these epochs and has no part in this:
    # `test_from_archive_to_evaluation` is about it.
    script = "\n".join(
        [
            "import os, sys",
            "from model_code import train",
            "from model_code.training import checkpoints, precision",
            "checkpoints.INTERVAL_SECONDS = 0",
            "precision.bfloat16_gain = lambda: float(os.environ['GAIN'])",
            "train._fitted_answers = lambda _, scorer, *__, **___: (train.Answers(scorer, None, None, None), {})",
            "train._save_model = lambda *_: None",
            "train.main(sys.argv[1:])",
        ]
    )

    def start(base: Path, gain: float = 1.1) -> subprocess.Popen[str]:
        environment = {**os.environ, "SAGEMAKER_BASE_DIR": str(base), "PYTHONUNBUFFERED": "1", "GAIN": str(gain)}
        command = [sys.executable, "-c", script, *flags]
        root = Path(train.__file__).resolve().parent.parent
        return subprocess.Popen(command, cwd=root, env=environment, text=True, stdout=subprocess.PIPE)

    def metrics(base: Path) -> Any:
        record = json.loads((base / "output" / "data" / "history.json").read_text())
        return np.array(
            [[line[name] for name in ("epoch", "loss", "val_loss", "val_auc")] for line in record["history"]]
        )

    whole, interrupted = tmp_path / "whole", tmp_path / "interrupted"
    for base in (whole, interrupted):
        channels(base)
    uninterrupted = start(whole)
    first = start(interrupted)
    assert first.stdout is not None
    for line in first.stdout:
        if line.startswith("epoch=2 "):
            break
    # The checkpoint of the second epoch is written next; the third epoch takes longer than that.
    deadline = time.monotonic() + 60
    while not list((interrupted / "checkpoints").glob("*.npz")) and time.monotonic() < deadline:
        time.sleep(0.01)
    first.kill()
    first.communicate()
    assert not (interrupted / "output" / "data" / "history.json").exists()

    second = start(interrupted, gain=1.5)
    printed = second.communicate()[0]
    assert second.returncode == 0
    assert re.search(r"Resuming from a checkpoint after epoch [12]\n", printed)
    uninterrupted.communicate()
    # Two processes may add up in another order; nothing else may differ.
    np.testing.assert_allclose(metrics(interrupted), metrics(whole), rtol=1e-4)


@pytest.mark.slow
# The whole-stack tests train for the other engine.
@pytest.mark.parametrize("engine", ["tensorflow", pytest.param("litert", marks=pytest.mark.long)])
def test_from_archive_to_evaluation(engine, job_directory, place_archive, capsys):
    """The four steps over one job directory: trained on bright against dark images, the model tells them apart."""
    import io
    import tarfile

    from model_code import evaluate, preprocess, split_dataset
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
    archive = f"--archive-uri s3://data/datasets/{'0' * 64}/archive.zip --image-size {SIZE}"
    preprocess.main(archive.split())
    inputs, outputs = (job_directory / "processing" / side for side in ("input", "output"))
    (inputs / "decoded").symlink_to(outputs / "decoded")
    split_dataset.main(f"{archive} --validation-fraction 0.2 --seed 1".split())
    (job_directory / "input").mkdir()
    (job_directory / "input" / "data").symlink_to(outputs)

    train.main(arguments(serving_engine=engine, target_prevalence=0.2))
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines() if line.startswith("epoch=")] == [
        "epoch=1",
        "epoch=2",
        "epoch=3",
    ]
    metadata = json.loads((job_directory / "model" / "metadata.json").read_text())
    trained = metadata["dataset"]["splits"]["train"]["labels"]
    shift = np.log(0.2 / 0.8) - np.log(trained["PNEUMONIA"] / trained["NORMAL"])
    assert (metadata["target_prevalence"], metadata["bias"]) == (0.2, pytest.approx(shift))
    record = job_directory / "output" / "data"
    assert sorted(path.name for path in record.iterdir()) == ["curves.svg", "history.json", "model.keras"]
    assert len(json.loads((record / "history.json").read_text())["history"]) == 3
    reloaded = keras.saving.load_model(record / "model.keras")
    assert reloaded.output_shape == (None, 1)

    (inputs / "model").mkdir()
    with tarfile.open(inputs / "model" / "model.tar.gz", "w:gz", compresslevel=1) as packed:
        for path in sorted((job_directory / "model").iterdir()):
            packed.add(path, path.name)
    for name in ("train", "validation", "test", "report"):
        (inputs / name).symlink_to(outputs / name)
    for name in ("serving", "training"):
        (inputs / name).mkdir()
    with tarfile.open(inputs / "training" / "output.tar.gz", "w:gz", compresslevel=1) as packed:
        for path in sorted(record.iterdir()):
            packed.add(path, path.name)
    limits = (
        "--min-auroc 0.5 --min-sensitivity 0 --min-specificity 0 --max-calibration-error 1 --min-subgroup-sensitivity 0"
    )
    evaluate.main(f"{limits} --serving-package none --serving-comparison gate".split())
    evaluation = json.loads((outputs / "evaluation" / "evaluation.json").read_text())
    assert evaluation["binary_classification_metrics"]["auc"]["value"] > 0.9
    assert evaluation["gates"]["passed"]
    assert evaluation["target_prevalence"] == 0.2
    assert (evaluation["engine"]["name"], evaluation["engine"]["beyond_limits"]) == (engine, 0)
    assert evaluation["out_of_distribution"]["active"]
    assert evaluation["out_of_distribution"]["refused"] == 0, "test images like the training images"
    usual = json.loads((outputs / "evaluation" / "reference.json").read_text())
    assert 0 < usual["validation"]["images"] <= 32, "of a fifth of 160, those that the detector lets pass"
    assert len(usual["validation"]["features"]) == 8
    assert io.StringIO((outputs / "evaluation" / "report.html").read_text()).readline() == "<!doctype html>\n"


def test_a_hyperparameter_of_a_wrong_type_is_said_by_name(job_directory):
    """argparse would say it on standard error, of which the training toolkit keeps exceptions only."""
    arguments = ["--epochs", "many"]
    assert job.run(lambda: train.parse(arguments), message_file="failure") == 1
    reason = (job_directory / "output" / "failure").read_text()
    assert "--epochs" in reason
    assert "'many'" in reason
