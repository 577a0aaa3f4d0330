"""A calibration on readers' labels: what it mends, which labels count, and what it refuses with the number that lacks.

DynamoDB is moto's, nothing is called.
"""

from __future__ import annotations

import json
import time
from decimal import Decimal

import boto3
import numpy as np
import pytest
import scipy

from model_code.contract import documents
from model_code.contract.job import JobError
from model_code.contract.metrics import figure
from tests.model_code.conftest import SIZE
from tests.model_code.support.evaluated import made_evaluation, made_scores
from tests.model_code.test_calibrate import LIMITS, PACKAGE


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global calibrate_labels, data_steps, ExportedModel
    from model_code import calibrate_labels
    from model_code.evaluation.scoring import ExportedModel
    from tests.model_code.support import data_steps


OTHER = PACKAGE.replace("/3", "/2")
DAY = 86_400


@pytest.fixture
def table(predictions):
    """The table of kept predictions."""
    return boto3.resource("dynamodb").Table(predictions)


def answers(normal=120, pneumonia=60, *, shift=2.5, seed=1):
    """Labels and kept probabilities of a place with a brighter machine and rarer pneumonia, at temperature 2."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], [normal, pneumonia])
    return labels, scipy.special.expit((rng.normal(6 * labels - 3 + shift, 1.5)) / 2)


def keep(table, labels, probabilities, *, prefix="", words=("NORMAL", "PNEUMONIA"), days_ago=1.0, **more):
    """Labelled predictions as the Predict and Feedback functions leave them."""
    now = int(time.time())
    with table.batch_writer() as batch:
        for number, (label, probability) in enumerate(zip(labels, probabilities, strict=True)):
            item = {
                "id": f"{prefix}{number}-secret",
                "package_arn": PACKAGE,
                "answer": "{}",
                "probability": Decimal(f"{probability:.9f}"),
                "out_of_distribution_score": Decimal("0.25"),
                "features": json.dumps([round(float(probability), 6), 1.5]),
                "created_at": now - 30 * DAY,
                "expires_at": now + DAY,
                "reader_label": words[label],
                "labelled_at": int(now - days_ago * DAY),
            }
            batch.put_item(Item={name: value for name, value in (item | more).items() if value is not None})


@pytest.fixture
def run(job_directory, dataset_card, models):
    """Calibrates a model on the table; the evaluation that it leaves."""
    base = job_directory / "processing" / "input"
    for name in ("model", "training", "report", "serving", "evaluation"):
        (base / name).mkdir(parents=True)
    (base / "training" / "output.tar.gz").write_bytes(b"the float32 network")
    (base / "report" / "dataset.json").write_text(json.dumps(dataset_card))
    (base / "report" / "training_images.jsonl.gz").write_bytes(b"fingerprints")
    (base / "model" / "model.tar.gz").symlink_to(models["good"])

    def calibrated(serving=None, own=None, **changes):
        document = own or made_evaluation(made_scores(80))
        (base / "evaluation" / "evaluation.json").write_text(json.dumps(document))
        if serving:
            (base / "serving" / "model.tar.gz").symlink_to(models[serving])
        today = time.strftime("%Y-%m-%d", time.gmtime())
        given = {"table": "predictions", "since": "2020-01-01", "until": today, "image-size": SIZE}
        given |= {"model-package-arn": PACKAGE, "serving-package": "none", "serving-comparison": "gate"}
        given |= LIMITS | {name.replace("_", "-"): value for name, value in changes.items()}
        del given["max-refused-share"]
        calibrate_labels.main(data_steps.arguments(**given))
        path = job_directory / "processing" / "output" / "evaluation" / "evaluation.json"
        return documents.read_evaluation(json.loads(path.read_text()))

    return calibrated


def test_what_is_calibration_is_mended_on_labels_that_chose_nothing(run, table, job_directory, models, tmp_path):
    keep(table, *answers())
    found = run()
    origin = found["calibrated_from"]
    before, after = (
        {name: one["value"] for name, one in values.items()}
        for values in (origin["before"], {name: figure(found, name) for name in origin["before"]})
    )
    assert after["calibration_error"] < before["calibration_error"] / 2
    assert after["specificity"] > before["specificity"] + 0.2
    assert after["auroc"] == before["auroc"]
    assert found["gates"]["passed"], found["gates"]["message"]
    assert (origin["version"], origin["archive_uri"]) == (3, None)
    assert origin["fitted"] == origin["held_out"] == {
        "images": 90, "patients": None, "labels": {"NORMAL": 60, "PNEUMONIA": 30}, "subtypes": {},
    }  # fmt: skip
    assert (origin["labels"]["given"], origin["labels"]["left_out"]) == (180, {})
    output = job_directory / "processing" / "output"
    old = ExportedModel(models["good"], tmp_path / "old")
    new = ExportedModel(output / "served" / "served.tar.gz", tmp_path / "new")
    assert new.weights_sha256 == old.weights_sha256 == origin["weights_sha256"]
    assert (new.calibration.temperature, new.calibration.bias) == (
        found["calibration"]["temperature"],
        found["calibration"]["bias"],
    )
    # The logits of the kept probabilities are the network's own, so the calibration is one of these.
    labels, probabilities = answers()
    expected = new.calibration.probability(2 * scipy.special.logit(probabilities))
    assert abs(expected.mean() - labels.mean()) < 0.07 < abs(probabilities.mean() - labels.mean())
    assert (output / "served" / "output.tar.gz").read_bytes() == b"the float32 network"
    assert (output / "report" / "training_images.jsonl.gz").read_bytes() == b"fingerprints"


def test_documents_say_that_readers_chose_and_what_is_not_known(run, table, job_directory, capsys):
    keep(table, *answers())
    found = run()
    output = job_directory / "processing" / "output" / "evaluation"
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - DAY))
    assert (found["calibrated_from"]["labels"]["first"], found["calibrated_from"]["labels"]["last"]) == (day, day)
    assert "Readers chose what they labelled" in found["calibrated_from"]["sentence"]
    assert f"readers labelled from {day} to {day}" in found["calibrated_from"]["sentence"]
    assert "the half of the readers' labels that calibrated it" in found["guarantee"]["sentence"]
    assert found["out_of_distribution"]["refused"] is None, "refused images are not kept: 0 would be a claim"
    page = (output / "report.html").read_text()
    for said in (
        "Version 3, calibrated on readers' labels",
        "Readers choose what they label",
        "Each radiograph counts as a patient of its own",
        "which it refuses here is not known",
        "come from the other half of the readers' labels",
        "180 labels were given in that time",
    ):
        assert said in page.replace("&#x27;", "'").replace("&#39;", "'"), said
    assert "What the model looked at" not in page, "no image was there to look at"
    assert "None" not in page
    card = json.loads(json.loads((output / "model_card.json").read_text())["content"])
    assert card["evaluation_details"][0]["datasets"] == [f"readers' labels of {PACKAGE}, {day} to {day}"]
    assert card["evaluation_details"][0]["metadata"]["test patients"] == "not named"
    everything = "".join(path.read_text() for path in output.iterdir()) + capsys.readouterr().out
    assert "secret" not in everything, "by an id the API gives a prediction back"


def test_labels_that_do_not_count_are_counted_by_their_reason(run, table):
    labels, probabilities = answers()
    keep(table, labels, probabilities)
    one = (labels[:1], probabilities[:1])
    keep(table, *one, prefix="o", package_arn=OTHER, probability=Decimal("0.9"))
    keep(table, *one, prefix="f", served_sha256="ff" * 32, probability=Decimal("0.91"))
    keep(table, *one, prefix="u", words=("UNSURE", ""), probability=Decimal("0.92"))
    keep(table, *one, prefix="d", out_of_distribution_score=Decimal("1.2"))
    keep(table, *one, prefix="e", expires_at=int(time.time()) - 5)
    keep(table, *one, prefix="w", probability=None)
    keep(table, labels[:2], probabilities[:2], prefix="r")
    keep(table, labels[-1:], probabilities[-1:], prefix="c", words=("PNEUMONIA", "NORMAL"))
    keep(table, *one, prefix="l", days_ago=-2)
    keep(table, *one, prefix="n", reader_label=None, labelled_at=None)
    origin = run()["calibrated_from"]
    assert origin["labels"]["left_out"] == {
        "expired": 1,
        "without_prediction": 1,
        "another_version": 1,
        "other_files": 1,
        "unsure": 1,
        "refused": 1,
        "contradictory": 2,
        "repeated": 2,
    }
    assert origin["labels"]["given"] == 180 + 9, "neither what nobody labelled nor what is labelled after the period"
    assert origin["fitted"]["labels"]["PNEUMONIA"] + origin["held_out"]["labels"]["PNEUMONIA"] == 59


def test_labels_of_another_version_never_count(run, table):
    keep(table, *answers(), package_arn=OTHER)
    with pytest.raises(JobError, match=r"^Nothing was registered\. Of 180 readers' labels 0 NORMAL and 0 PNEUMONIA"):
        run()


def test_too_few_labels_are_refused_with_the_number_that_is_missing(run, table):
    keep(table, *answers(80, 38))
    with pytest.raises(JobError) as caught:
        run()
    assert "50 of each are the least: 12 more labels PNEUMONIA are needed. No label is left out." in str(caught.value)


def test_a_ranking_that_is_wrong_there_is_refused(run, table):
    labels, probabilities = answers()
    keep(table, labels, 1 - probabilities)
    with pytest.raises(JobError, match=r"^Nothing was registered\. AUROC 0\.0.* No calibration mends that\."):
        run()


def test_it_is_compared_with_what_serves_where_that_has_the_same_weights(run, table):
    keep(table, *answers())
    found = run("good", serving_package=PACKAGE)
    assert found["comparison"]["auc_difference"]["value"] == 0
    assert found["comparison"]["predicted_differently"] > 0


@pytest.mark.parametrize("comparison", ["gate", "report"])
def test_what_other_weights_would_answer_is_not_known(run, table, comparison):
    keep(table, *answers())
    start = {"serving": "wrong", "serving_package": OTHER, "serving_comparison": comparison}
    if comparison == "report":
        assert "could not be compared: it has other weights" in run(**start)["comparison"]["sentence"]
        return
    with pytest.raises(JobError, match="it has other weights, and its answers to the labelled radiographs"):
        run(**start)


def test_the_evaluation_of_another_version_is_refused(run, table):
    own = made_evaluation(made_scores(80))
    with pytest.raises(JobError, match="of two versions"):
        run(own=own | {"dataset_sha256": "cd" * 32})


def test_which_half_a_label_is_in_does_not_change_with_the_others(run, table):
    """Another period would else be another draw, and somebody could try periods until the gates let one pass."""
    from model_code.monitoring.calibration_gain import first_half

    labels, probabilities = (np.asarray(one, dtype=np.float64) for one in answers(400, 200))
    probabilities = probabilities.round(9)
    all_of_them = first_half(labels, probabilities)
    kept = np.random.default_rng(3).random(len(labels)) < 0.8
    assert np.mean(first_half(labels[kept], probabilities[kept]) == all_of_them[kept]) > 0.9
    assert all_of_them[labels == 0].sum() == 200
    assert all_of_them[labels == 1].sum() == 100


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"since": "2026-13-01"}, "A period is two days such as 2026-11-30"),
        ({"since": "2026-11-02", "until": "2026-11-01"}, "ends on 2026-11-01, before it begins"),
        ({"model_package_arn": "latest"}, "is not the ARN of a registered version"),
        ({"image_size": 2 * SIZE}, f"start with ImageSize {SIZE}"),
    ],
)
def test_what_is_no_period_or_version_is_refused(run, table, changes, said):
    with pytest.raises(JobError, match=said):
        run(**changes)
