"""Gates compare the right metrics, name what failed, and what is scored is the exported artifact."""

from __future__ import annotations

import json
import shutil
import tarfile

import numpy as np
import pytest
import tensorflow as tf

from model_code import evaluate
from model_code.dataset import write_shards
from model_code.job import JobError
from model_code.metrics import Estimate
from model_code.split import Radiograph
from tests.model_code.conftest import SIZE

LIMITS = evaluate.Limits(0.9, 0.85, 0.7, 0.1)
STRICT = "--min-auroc 1 --min-sensitivity 1 --min-specificity 1 --max-calibration-error 0"
LOOSE = "--min-auroc 0 --min-sensitivity 0 --min-specificity 0 --max-calibration-error 1"


def estimates(auc=0.95, sensitivity=0.9, specificity=0.8, calibration=0.05):
    values = {
        "auc": auc,
        "true_positive_rate": sensitivity,
        "true_negative_rate": specificity,
        "expected_calibration_error": calibration,
    }
    return {name: Estimate(value, 0.01, value - 0.02, value + 0.02) for name, value in values.items()}


@pytest.fixture(scope="module")
def packed(exported, tmp_path_factory):
    """model.tar.gz; packing one takes seconds."""
    archive = tmp_path_factory.mktemp("packed") / "model.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as file:
        for path in sorted(exported.iterdir()):
            file.add(path, path.name)
    return archive


@pytest.fixture
def inputs(job_directory, packed, dataset_card):
    """The inputs of the evaluation job: a packed model, thirty test images of twenty patients, the dataset card."""
    base = job_directory / "processing" / "input"
    for name in ("model", "test", "report"):
        (base / name).mkdir(parents=True)
    (base / "model" / "model.tar.gz").symlink_to(packed)
    rng = np.random.default_rng(2)
    images = []
    for number in range(30):
        label = ("NORMAL", "PNEUMONIA")[number % 2]
        subtype = ("", "virus")[number % 2]
        image = Radiograph(f"test/{label}/{number}", label, "test", f"P{number % 20}", subtype, str(number), number)
        images.append((image, rng.integers(0, 256, SIZE * SIZE, np.uint8).tobytes()))
    write_shards(base / "test", "test", images, 2)
    (base / "report" / "dataset.json").write_text(json.dumps(dataset_card))
    return base


def test_gates_pass_at_their_limits():
    gates = evaluate.check_gates(estimates(0.9, 0.85, 0.7, 0.1), LIMITS)
    assert gates["passed"]
    assert gates["message"].startswith("All gates passed: AUROC 0.900 (at least 0.9)")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"auc": 0.512}, "AUROC 0.512 is below the limit 0.9."),
        ({"sensitivity": 0.8}, "sensitivity 0.800 is below the limit 0.85."),
        ({"specificity": 0.5}, "specificity 0.500 is below the limit 0.7."),
        ({"calibration": 0.2}, "calibration error 0.200 is above the limit 0.1."),
        ({"auc": 0.89996}, "AUROC 0.89996 is below the limit 0.9."),
        (
            {"auc": 0.5, "specificity": 0.1},
            "AUROC 0.500 is below the limit 0.9; specificity 0.100 is below the limit 0.7.",
        ),
    ],
)
def test_each_failed_gate_is_named_with_value_and_limit(changes, sentence):
    gates = evaluate.check_gates(estimates(**changes), LIMITS)
    assert not gates["passed"]
    assert gates["message"] == sentence


def test_the_exported_model_is_scored_and_reported(inputs, job_directory, exported, capsys):
    evaluate.main(LOOSE.split())
    output = job_directory / "processing" / "output" / "evaluation"
    document = json.loads((output / "evaluation.json").read_text())
    found = document["binary_classification_metrics"]
    counts = found["confusion_matrix"]
    assert sum(sum(row.values()) for row in counts.values()) == 30
    assert found["true_positive_rate"]["value"] == counts["1"]["1"] / 15
    assert found["true_negative_rate"]["value"] == counts["0"]["0"] / 15
    low, high = found["auc"]["confidence_interval"]
    assert low <= found["auc"]["value"] <= high
    assert document["test"] == {"images": 30, "patients": 20, "prevalence": 0.5}
    assert document["subgroups"][0]["subtype"] == "virus"
    assert not (job_directory / "output" / "message").exists()

    scores = evaluate.score(exported / "1", inputs / "test", SIZE)
    model = tf.saved_model.load(str(exported / "1")).signatures["score_pixels"]
    from model_code.dataset import examples

    first = next(iter(examples(inputs / "test", SIZE).batch(1)))
    assert scores.logits[0] == pytest.approx(float(model(pixels=first["pixels"])["logit"][0]), abs=1e-5)


def test_failed_gates_end_well_and_leave_the_sentence_for_the_pipeline(inputs, job_directory):
    evaluate.main(STRICT.split())
    document = json.loads((job_directory / "processing/output/evaluation/evaluation.json").read_text())
    assert not document["gates"]["passed"]
    message = (job_directory / "output" / "message").read_text()
    assert message == document["gates"]["message"]
    assert message.startswith("AUROC 0.")


@pytest.mark.parametrize("calls_pneumonia", [0.0, 1.0])
def test_every_path_the_pipelines_condition_reads_is_there(calls_pneumonia):
    """Also for a model that gives one answer to everything, where precision or its like has no value."""
    constant = np.full(10, calls_pneumonia)
    scores = evaluate.TestScores(
        np.repeat([0.0, 1.0], 5), constant, constant, [f"P{number}" for number in range(10)], [""] * 10
    )
    metadata = {"threshold": 0.5, "temperature": 1.0, "dataset": {"sha256": "ab"}}
    document = evaluate.evaluate(scores, metadata, LIMITS, evaluate.estimate_all(scores, 0.5))
    json.dumps(document, allow_nan=False)
    for path in (
        "binary_classification_metrics.auc.value",
        "binary_classification_metrics.true_positive_rate.value",
        "binary_classification_metrics.true_negative_rate.value",
        "calibration.expected_calibration_error.value",
    ):
        value = document
        for key in path.split("."):
            value = value[key]
        assert 0 <= value <= 1


def test_a_model_of_another_dataset_is_not_scored(inputs, dataset_card):
    (inputs / "report" / "dataset.json").write_text(json.dumps(dataset_card | {"sha256": "cd" * 32}))
    with pytest.raises(JobError, match="trained on dataset abababababab and the test split is of dataset cdcdcdcdcdcd"):
        evaluate.main(LOOSE.split())


def test_a_model_archive_without_a_model_is_refused(inputs, tmp_path):
    shutil.rmtree(inputs / "model")
    (inputs / "model").mkdir()
    (tmp_path / "metadata.json").write_text("{}")
    with tarfile.open(inputs / "model" / "model.tar.gz", "w:gz") as packed:
        packed.add(tmp_path / "metadata.json", "metadata.json")
    with pytest.raises(JobError, match=r"model\.tar\.gz has no 1/saved_model\.pb"):
        evaluate.main(LOOSE.split())


def test_limits_outside_zero_to_one_are_refused():
    with pytest.raises(JobError, match="min_auroc must be from 0 to 1, not 90"):
        evaluate.parse(LOOSE.replace("auroc 0", "auroc 90").split())
