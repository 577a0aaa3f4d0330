"""The step scores the candidate once, compares it with the model that serves, and writes all three documents."""

from __future__ import annotations

import csv
import json
import re
import shutil
import tarfile

import numpy as np
import pytest

from model_code.contract.job import JobError
from model_code.data.patient_split import Radiograph
from model_code.monitoring import reference
from tests.model_code.conftest import SIZE
from tests.model_code.support.evaluated import PACKAGE


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global evaluate, write_archive, write_shards
    from model_code import evaluate
    from model_code.data.shards import write_shards
    from tests.model_code.support.toy_model import write_archive


STRICT = "--min-auroc 1 --min-sensitivity 1 --min-specificity 1 --max-calibration-error 0 --min-subgroup-sensitivity 1"
LOOSE = "--min-auroc 0 --min-sensitivity 0 --min-specificity 0 --max-calibration-error 1 --min-subgroup-sensitivity 0"


def arguments(limits=LOOSE, package="none", mode="gate"):
    return [*limits.split(), "--serving-package", package, "--serving-comparison", mode]


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """Three models: a good one, one that is always wrong, and a good one for half the size and another dataset."""
    base = tmp_path_factory.mktemp("archives")
    return {
        "good": write_archive(base / "good" / "model.tar.gz", size=SIZE),
        "wrong": write_archive(base / "wrong" / "model.tar.gz", size=SIZE, gain=-1.0),
        "small": write_archive(base / "small" / "model.tar.gz", size=SIZE // 2, dataset="cd" * 32),
    }


@pytest.fixture
def inputs(job_directory, dataset_card):
    """The inputs of the job but for the models: forty test images of thirty patients, and the dataset card."""
    base = job_directory / "processing" / "input"
    for name in ("model", "serving", "train", "validation", "test", "report"):
        (base / name).mkdir(parents=True)
    rng = np.random.default_rng(2)
    images = []
    for number in range(40):
        label = ("NORMAL", "PNEUMONIA")[number % 2]
        subtype = ("", "virus")[number % 2]
        image = Radiograph(
            f"test/{label}/secret{number}.jpeg", label, "test", f"secretpatient{number % 30}", subtype, "", number,
            width=1000 + number, height=800,
        )  # fmt: skip
        pixels = rng.normal((115, 135)[number % 2] + rng.normal(0, 10), 30, SIZE * SIZE)
        images.append((image, np.clip(pixels, 0, 255).astype(np.uint8).tobytes()))
    for split in ("train", "validation", "test"):
        write_shards(base / split, split, images, 2)
    (base / "report" / "dataset.json").write_text(json.dumps(dataset_card))
    return base


def place(inputs, name, archive):
    (inputs / name / "model.tar.gz").symlink_to(archive)


def written(job_directory):
    output = job_directory / "processing" / "output" / "evaluation"
    return json.loads((output / "evaluation.json").read_text())


@pytest.fixture(scope="module")
def packed(exported, tmp_path_factory):
    """model.tar.gz of a whole network; packing one takes seconds."""
    archive = tmp_path_factory.mktemp("packed") / "model.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as file:
        for path in sorted(exported.iterdir()):
            file.add(path, path.name)
    return archive


def test_what_training_exports_is_scored_and_reported(inputs, job_directory, packed, capsys):
    place(inputs, "model", packed)
    evaluate.main(arguments())
    output = job_directory / "processing" / "output" / "evaluation"
    names = ["evaluation.json", "model_card.json", "reference.json", "report.html", "suspect_labels.csv"]
    names += ["test_predictions.csv", "validation_predictions.csv"]
    assert sorted(path.name for path in output.iterdir()) == names
    document = written(job_directory)
    assert document["test"] == {"images": 40, "patients": 30, "prevalence": 0.5, "resamples": 1000}
    assert document["threshold"] == 0.4
    assert document["comparison"]["serving_package"] is None
    assert json.loads(json.loads((output / "model_card.json").read_text())["content"])["training_details"]
    page = (output / "report.html").read_text()
    assert len(page) < 3_000_000
    assert "secretpatient" not in page, "the report is passed on: it names no patients"
    rows = list(csv.DictReader((output / "test_predictions.csv").read_text().splitlines()))
    assert len(rows) == 40
    assert "secretpatient" not in (output / "test_predictions.csv").read_text()
    wrong = {
        row["file"].rpartition("/")[2] for row in rows if (float(row["score"]) >= 0.4) != (row["label"] == "PNEUMONIA")
    }
    calls, _, doubted = page.partition('<section id="suspects"')
    named = set(re.findall(r"secret\d+\.jpeg", calls))
    assert named, "who looks for the reason of an error needs its file"
    assert named <= wrong, "and of no other"
    suspects = list(csv.DictReader((output / "suspect_labels.csv").read_text().splitlines()))
    assert len(suspects) == 120, "train, validation and test"
    first = [row["file"].rpartition("/")[2] for row in suspects[:12]]
    assert re.findall(r"\d+\. (secret\d+\.jpeg): [^<]*</figcaption>", doubted) == first
    assert "secretpatient" not in (output / "suspect_labels.csv").read_text()
    assert "auc 0." in capsys.readouterr().out
    assert not (job_directory / "output" / "message").exists()


def test_the_reference_holds_the_validation_split_and_the_quality_on_the_test_split(inputs, job_directory, packed):
    place(inputs, "model", packed)
    evaluate.main(arguments())
    found = reference.read(job_directory / "processing" / "output" / "evaluation")
    assert (found["validation"]["images"], found["validation"]["patients"]) == (40, 30)
    assert {len(samples) for samples in found["validation"]["features"]} == {40}
    assert found["validation"]["probability"] == sorted(found["validation"]["probability"])
    rates = written(job_directory)["binary_classification_metrics"]
    assert found["evaluation"]["sensitivity"]["value"] == rates["true_positive_rate"]["value"]
    assert "secret" not in json.dumps(found)


def test_failed_gates_end_well_and_leave_their_sentences_for_the_pipeline(inputs, job_directory, archives):
    place(inputs, "model", archives["good"])
    evaluate.main(arguments(STRICT))
    document = written(job_directory)
    assert not document["gates"]["passed"]
    message = (job_directory / "output" / "message").read_text()
    assert message == document["gates"]["message"]
    assert message.startswith("AUROC 0.")


def test_a_candidate_worse_than_the_serving_model_fails_naming_it(inputs, job_directory, archives):
    place(inputs, "model", archives["wrong"])
    place(inputs, "serving", archives["good"])
    evaluate.main(arguments(package=PACKAGE))
    comparison = written(job_directory)["comparison"]
    assert (comparison["serving_package"], comparison["significantly_worse"]) == (PACKAGE, 1)
    message = (job_directory / "output" / "message").read_text()
    assert "is significantly below the" in message
    assert "of the serving model chest-xray-dev/3 on the same 40 test images" in message


def test_a_candidate_better_than_the_serving_model_passes(inputs, job_directory, archives):
    place(inputs, "model", archives["good"])
    place(inputs, "serving", archives["wrong"])
    evaluate.main(arguments(package=PACKAGE))
    comparison = written(job_directory)["comparison"]
    assert comparison["auc_difference"]["value"] > 0
    assert comparison["significantly_worse"] == 0
    assert not (job_directory / "output" / "message").exists()


def test_a_serving_model_of_another_size_and_dataset_is_compared_and_both_are_said(inputs, job_directory, archives):
    place(inputs, "model", archives["good"])
    place(inputs, "serving", archives["small"])
    evaluate.main(arguments(package=PACKAGE))
    comparison = written(job_directory)["comparison"]
    assert comparison["auc_difference"]["value"] == pytest.approx(0, abs=0.02), "resizing keeps the brightness"
    assert len(comparison["notes"]) == 2
    page = (job_directory / "processing/output/evaluation/report.html").read_text()
    assert f"resized from {SIZE} to {SIZE // 2} px" in page


def test_without_a_serving_package_the_serving_input_is_not_even_read(inputs, job_directory, archives):
    place(inputs, "model", archives["good"])
    (inputs / "serving" / "model.tar.gz").write_text("this is no archive")
    evaluate.main(arguments())
    assert written(job_directory)["comparison"]["sentence"].startswith("No model is serving yet")


def test_a_serving_model_that_cannot_be_read_stops_a_gate_and_not_a_report(inputs, job_directory, archives):
    place(inputs, "model", archives["good"])
    (inputs / "serving" / "model.tar.gz").write_text("this is no archive")
    with pytest.raises(
        JobError, match=r"model-package/chest-xray-dev/3 cannot be compared with: .*Comparison report\."
    ):
        evaluate.main(arguments(package=PACKAGE))
    evaluate.main(arguments(package=PACKAGE, mode="report"))
    comparison = written(job_directory)["comparison"]
    assert (comparison["auc_difference"], comparison["significantly_worse"]) == (None, 0)
    assert "could not be compared" in comparison["sentence"]


def test_a_candidate_of_another_dataset_is_not_scored(inputs, dataset_card, archives):
    place(inputs, "model", archives["good"])
    (inputs / "report" / "dataset.json").write_text(json.dumps(dataset_card | {"sha256": "cd" * 32}))
    with pytest.raises(JobError, match="trained on dataset abababababab and the test split is of dataset cdcdcdcdcdcd"):
        evaluate.main(arguments())


def test_a_model_archive_without_a_model_is_refused(inputs, tmp_path):
    shutil.rmtree(inputs / "model")
    (inputs / "model").mkdir()
    (tmp_path / "metadata.json").write_text("{}")
    with tarfile.open(inputs / "model" / "model.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "metadata.json", "metadata.json")
    with pytest.raises(JobError, match=r"model\.tar\.gz has no 1/saved_model\.pb"):
        evaluate.main(arguments())


def test_parameters_out_of_range_are_refused():
    with pytest.raises(JobError, match="MinAuroc must be from 0 to 1, not 90"):
        evaluate.parse(arguments(LOOSE.replace("auroc 0", "auroc 90")))
    with pytest.raises(JobError, match="ServingComparison must be one of gate, report, not 'never'"):
        evaluate.parse(arguments(mode="never"))
