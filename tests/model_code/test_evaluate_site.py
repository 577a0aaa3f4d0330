"""A registered model on somebody else's archive: what is counted, what is refused, and what the report says."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from lambdas.aws import site_evaluations
from model_code.contract import documents
from model_code.contract.job import JobError
from model_code.contract.metrics import figure
from model_code.evaluation import assessment
from model_code.statistics.intervals import resample_patients
from tests.lambdas.site_bucket import SiteBucket
from tests.model_code.conftest import SIZE, encode, kaggle_members, zip_of
from tests.model_code.support import data_steps
from tests.model_code.support.evaluated import made_metadata, made_scores


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global evaluate_site
    from model_code import evaluate_site


URI = "s3://data/evaluations/" + "0e" * 32 + "/archive.zip"
LIMITS = {"min-auroc": 0.8, "min-sensitivity": 0.7, "min-specificity": 0.7, "max-calibration-error": 0.45}


def radiograph(number: int, brightness: float) -> bytes:
    """An image of its own for each number, as bright as said: the toy model goes by that alone."""
    rng = np.random.default_rng(number)
    return encode(np.clip(rng.normal(brightness, 40, (SIZE, SIZE)), 0, 255).astype(np.uint8))


def members(
    count: int = 60, *, normal: float = 110, pneumonia: float = 140, folder: str = "hospital"
) -> dict[str, bytes]:
    """So many images of each label, in folders of no split."""
    found = {}
    for number in range(count):
        found[f"{folder}/NORMAL/{number}.png"] = radiograph(number, normal)
        found[f"{folder}/PNEUMONIA/{number}.png"] = radiograph(10_000 + number, pneumonia)
    return found


@pytest.fixture
def evaluate(job_directory, place_archive, models):
    """Decodes an archive and evaluates a model on it; the document it leaves."""

    def run(archive: dict[str, bytes], model: str = "good", *, report: bool = False, **limits: float):
        place_archive(zip_of(archive))
        data_steps.decode(job_directory, archive_uri=URI)
        base = job_directory / "processing" / "input"
        for name in ("model", "evaluation", "report"):
            (base / name).mkdir(exist_ok=True)
        if not (base / "decoded").exists():
            (base / "decoded").symlink_to(job_directory / "processing" / "output" / "decoded")
        if not report:
            (base / "report" / "left-alone.tar.gz").write_bytes(b"no dataset card")
        (base / "model" / "model.tar.gz").symlink_to(models[model])
        scores = made_scores(200)
        own = assessment.document(scores, made_metadata(), resample_patients(scores.patients, seed=1, resamples=100))
        (base / "evaluation" / "evaluation.json").write_text(json.dumps(own))
        given = {"archive-uri": URI, "image-size": SIZE, "model-version": 3, "execution": "abc"}
        given |= LIMITS | {"max-refused-share": 0.1} | {key.replace("_", "-"): value for key, value in limits.items()}
        evaluate_site.main(data_steps.arguments(**given))
        path = job_directory / "processing" / "output" / "site" / evaluate_site.FILE
        return documents.read_site_evaluation(json.loads(path.read_text()))

    return run


def test_a_model_that_does_as_well_elsewhere_is_usable_and_the_report_says_on_what(evaluate, job_directory):
    found = evaluate(members())
    assert found["verdict"]["code"] == "usable"
    assert found["images"] == {
        "archive": 120,
        "scored": 120,
        "answered": 120,
        "measured": 120,
        "patients": 120,
        "of_unnamed_patients": 120,
        "outside_population": 0,
    }
    assert found["doubts"] == []
    assert (found["model_version"], found["execution"]) == (3, "abc")
    assert found["known"] is None, "a dataset without fingerprints says nothing about these images"
    assert found["differences"]["auroc"]["value"] == pytest.approx(
        found["evaluation"]["binary_classification_metrics"]["auc"]["value"] - found["own"]["auroc"]["value"]
    )
    output = job_directory / "processing" / "output" / "site"
    page = (output / "report.html").read_text()
    assert "Usable as it is." in page
    assert "Whether the model has seen these images is not known" in page
    rows = list(csv.DictReader((output / "site_predictions.csv").read_text().splitlines()))
    assert len(rows) == 120
    assert (job_directory / "output" / "message").read_text() == found["verdict"]["sentence"]


def test_what_the_job_leaves_is_what_the_api_the_release_and_the_commands_read(evaluate):
    left = evaluate(members(20))
    bucket = SiteBucket()
    bucket.add("abc", dict(left))
    read = site_evaluations.of_version(bucket, "artifacts", 3)
    assert read.unreadable == ()
    (found,) = read.found
    assert (found.verdict, found.sentence) == (left["verdict"]["code"], left["verdict"]["sentence"])
    assert (found.images, found.patients, found.archive_uri) == (40, 40, URI)
    for name, interval in (("auroc", found.auroc), ("sensitivity", found.sensitivity)):
        said = figure(left["evaluation"], name)
        assert [interval.value, interval.low, interval.high] == [said["value"], *said["confidence_interval"]]
    assert found.refused_share.value == left["refused_share"]["value"]


def test_every_image_counts_whatever_split_its_folders_say(evaluate):
    """A site has nothing to train: its archive may be all test, or bring splits that mean nothing here."""
    apart = {f"test/{name.partition('/')[2]}": content for name, content in members(10).items()}
    apart |= {f"train/{name.partition('/')[2]}": content for name, content in members(20).items() if "/1" in name}
    found = evaluate(apart)
    assert found["images"]["archive"] == len(apart)
    assert {row["reason"]: row["count"] for row in found["dropped"]} == {"duplicate": 2}


def test_a_model_that_ranks_wrongly_there_is_not_usable_and_no_calibration_is_promised(evaluate):
    found = evaluate(members(), "wrong")
    assert found["verdict"]["code"] == "not_usable"
    assert "AUROC 0.0" in found["verdict"]["sentence"]
    assert "No calibration mends that." in found["verdict"]["sentence"]


def test_another_exposure_is_mended_by_calibration_which_is_said(evaluate):
    """Everything is brighter there: the order is right, the threshold is not."""
    found = evaluate(members(normal=140, pneumonia=170))
    assert found["verdict"]["code"] == "usable_after_calibration"
    assert "Specificity 0.0" in found["verdict"]["sentence"]
    assert "a threshold and a temperature of this site's own may mend it" in found["verdict"]["sentence"]


def test_twelve_images_are_too_few_and_it_is_said_how_many_more_it_takes(evaluate):
    found = evaluate(members(6), min_auroc=0.95)
    assert found["verdict"]["code"] == "too_few"
    assert found["verdict"]["more_images"] > 12
    assert f"about {found['verdict']['more_images']:,} more" in found["verdict"]["sentence"]


def test_next_to_nothing_of_a_label_is_refused_by_name(evaluate):
    few = {name: content for name, content in members(20).items() if "/NORMAL/" in name or name.endswith("/1.png")}
    with pytest.raises(JobError, match=r"has 1 PNEUMONIA images that can be used: with fewer than 5 of a label"):
        evaluate(few)


def test_one_class_only_is_refused_before_anything_is_decoded(evaluate):
    with pytest.raises(JobError, match="No PNEUMONIA image to evaluate on was found"):
        evaluate({name: content for name, content in members(6).items() if "/NORMAL/" in name})


def trained(job_directory, place_archive, archive):
    """SplitDataset on an archive, whose card and fingerprints become the input of a site evaluation."""
    place_archive(zip_of(archive))
    data_steps.decode(job_directory)
    data_steps.split(job_directory)
    target = job_directory / "processing" / "input" / "report"
    (job_directory / "processing" / "output" / "report").rename(target)


def test_images_that_the_model_has_seen_are_left_out_in_other_bytes_too(evaluate, job_directory, place_archive):
    seen = kaggle_members()
    names = sorted(name for name in seen if "/train/" in name)
    chest = data_steps.chest(5, size=(320, 260))
    trained(job_directory, place_archive, seen | {"chest_xray/train/NORMAL/IM-9999-0001.jpeg": chest})
    site = members()
    site["hospital/NORMAL/again.png"] = seen[names[0]]
    site["hospital/NORMAL/smaller.jpeg"] = data_steps.chest(5, size=(200, 162), quality=70)
    found = evaluate(site, report=True)
    assert found["known"] == {"contents": 1, "copies": 1, "patients": 0}
    assert found["images"]["scored"] == 120
    dropped = {row["reason"]: row["files"] for row in found["dropped"]}
    assert dropped["seen_by_the_model"] == ["hospital/NORMAL/again.png", "hospital/NORMAL/smaller.jpeg"]


def test_an_archive_of_images_that_the_model_has_seen_is_no_site(evaluate, job_directory, place_archive):
    seen = kaggle_members()
    trained(job_directory, place_archive, seen)
    with pytest.raises(JobError, match=r"\d+ of 84 images, or their patients, are in the dataset") as caught:
        evaluate(seen, report=True)
    assert "say nothing about other patients" in str(caught.value)


def test_pixels_of_another_size_than_the_models_are_refused_with_the_size_to_name(evaluate):
    with pytest.raises(JobError, match=rf"start with ImageSize {2 * SIZE}"):
        evaluate(members(6), "half")


def test_an_archive_uploaded_to_train_on_is_not_evaluated_and_the_reverse():
    from model_code import split_dataset

    given = {"archive-uri": data_steps.URI, "image-size": SIZE, "model-version": 3, "execution": "abc", **LIMITS}
    with pytest.raises(JobError, match="was uploaded to train on"):
        evaluate_site.parse(data_steps.arguments(**given | {"max-refused-share": 0.1}))
    choices = {"archive_uri": URI, "image_size": SIZE, "validation_fraction": 0.2, "seed": 1}
    with pytest.raises(JobError, match="was uploaded to evaluate a model"):
        split_dataset.parse(data_steps.arguments(**choices))


def test_what_the_detector_refuses_gets_no_answer_and_does_not_flatter_the_others(evaluate, monkeypatch):
    from model_code.evaluation.scoring import ExportedModel

    original = ExportedModel.score

    def unlike(self, *arguments):
        scores = original(self, *arguments)
        scores.out_of_distribution_scores[::2] = 1.5
        return scores

    monkeypatch.setattr(ExportedModel, "score", unlike)
    found = evaluate(members())
    assert found["refused_share"]["value"] == 0.5
    assert (found["images"]["scored"], found["images"]["answered"]) == (120, 60)
    assert found["verdict"]["code"] == "not_usable"
    assert "Refused share 0.500" in found["verdict"]["sentence"]


def test_a_site_of_which_nothing_is_answered_is_the_worst_verdict_and_no_failure(evaluate, monkeypatch):
    """A failed execution would leave nothing that holds a release back."""
    from model_code.evaluation.scoring import ExportedModel

    original = ExportedModel.score

    def unlike(self, *arguments):
        scores = original(self, *arguments)
        scores.out_of_distribution_scores[:] = 1.5
        return scores

    monkeypatch.setattr(ExportedModel, "score", unlike)
    found = evaluate(members(20))
    assert found["verdict"]["code"] == "not_usable"
    assert (found["images"]["scored"], found["images"]["answered"], found["images"]["measured"]) == (40, 0, 40)


def test_copies_within_the_archive_count_once_and_those_of_both_labels_not_at_all(evaluate):
    """Counted as several patients they would make intervals narrower than they are."""
    site = members(20)
    site["hospital/NORMAL/copy.jpeg"] = data_steps.chest(5, size=(200, 162), quality=70)
    site["hospital/NORMAL/original.jpeg"] = data_steps.chest(5, size=(320, 260))
    site["hospital/NORMAL/both.jpeg"] = data_steps.chest(6, size=(200, 162), quality=70)
    site["hospital/PNEUMONIA/both.jpeg"] = data_steps.chest(6, size=(320, 260))
    found = evaluate(site)
    assert found["images"]["scored"] == 41
    counts = {row["reason"]: row["count"] for row in found["dropped"]}
    assert (counts["near_duplicate"], counts["conflicting_labels"]) == (1, 2)
