"""A site's own calibration: what it mends, what it must not touch, and what it refuses with the number that is missing.

The toy model's logit is the mean grey value, so a brighter machine is a shift that a bias takes out again.
"""

from __future__ import annotations

import json
import tarfile

import numpy as np
import pytest

from model_code.contract import documents
from model_code.contract.job import JobError
from model_code.contract.metrics import figure
from model_code.data.patient_split import Radiograph
from model_code.imaging.perceptual_hash import Fingerprints
from tests.model_code.conftest import SIZE, encode, zip_of


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global calibrate, data_steps, ExportedModel, recalibration, served_archive, training_images
    from model_code import calibrate
    from model_code.data import training_images
    from model_code.evaluation import recalibration, served_archive
    from model_code.evaluation.scoring import ExportedModel
    from tests.model_code.support import data_steps


URI = "s3://data/evaluations/" + "0e" * 32 + "/archive.zip"
PACKAGE = "arn:aws:sagemaker:eu-central-1:123456789012:model-package/cxr-dev/3"
LIMITS = {
    "min-auroc": 0.9,
    "min-sensitivity": 0.7,
    "min-specificity": 0.7,
    "max-calibration-error": 0.1,
    "min-subgroup-sensitivity": 0.5,
    "max-refused-share": 0.1,
    "guaranteed-npv": 0.9,
    "guaranteed-ppv": 0.9,
    "target-prevalence": 0,
}


def site(normal: int = 120, pneumonia: int = 60, *, brighter: float = 30, seed: int = 1) -> dict[str, bytes]:
    """Another hospital's archive: a brighter machine and rarer pneumonia, each file of a patient of its own."""
    rng = np.random.default_rng(seed)
    found = {}
    for label, count, grey in (("NORMAL", normal, 110), ("PNEUMONIA", pneumonia, 140)):
        for number in range(count):
            pixels = rng.normal(rng.normal(grey, 9) + brighter, 40, (SIZE, SIZE))
            found[f"site/{label}/{number}.png"] = encode(np.clip(pixels, 0, 255).astype(np.uint8))
    return found


@pytest.fixture
def inputs(job_directory, dataset_card):
    """Inputs of the job besides images: the training's output, its card, and fingerprints of no image at all."""
    base = job_directory / "processing" / "input"
    for name in ("model", "training", "report", "serving"):
        (base / name).mkdir(parents=True, exist_ok=True)
    (base / "training" / "output.tar.gz").write_bytes(b"the float32 network")
    (base / "report" / "dataset.json").write_text(json.dumps(dataset_card))
    training_images.write(base / "report", [], Fingerprints.room(0))
    return base


@pytest.fixture
def run(job_directory, inputs, place_archive, models):
    """Decodes an archive and calibrates a model on it; the evaluation that it leaves."""

    def calibrated(archive: dict[str, bytes], model: str = "good", **limits: float):
        place_archive(zip_of(archive))
        data_steps.decode(job_directory, archive_uri=URI)
        if not (inputs / "decoded").exists():
            (inputs / "decoded").symlink_to(job_directory / "processing" / "output" / "decoded")
        (inputs / "model" / "model.tar.gz").unlink(missing_ok=True)
        (inputs / "model" / "model.tar.gz").symlink_to(models[model])
        given = {"archive-uri": URI, "image-size": SIZE, "model-package-arn": PACKAGE}
        given |= {"serving-package": "none", "serving-comparison": "gate"}
        given |= LIMITS | {key.replace("_", "-"): value for key, value in limits.items()}
        calibrate.main(data_steps.arguments(**given))
        path = job_directory / "processing" / "output" / "evaluation" / "evaluation.json"
        return documents.read_evaluation(json.loads(path.read_text()))

    return calibrated


def test_what_is_calibration_is_mended_and_the_ranking_is_what_it_was(run, job_directory, models, tmp_path):
    found = run(site())
    origin = found["calibrated_from"]
    before, after = (
        {name: one["value"] for name, one in values.items()}
        for values in (origin["before"], {name: figure(found, name) for name in origin["before"]})
    )
    assert after["calibration_error"] < before["calibration_error"] / 2
    assert after["brier_score"] < before["brier_score"]
    assert before["specificity"] < 0.2
    assert after["specificity"] > 0.7
    assert after["auroc"] == before["auroc"]
    assert found["gates"]["passed"], found["gates"]["message"]
    assert (origin["version"], origin["package_arn"], origin["archive_uri"]) == (3, PACKAGE, URI)
    assert origin["fitted"]["labels"] == origin["held_out"]["labels"] == {"NORMAL": 60, "PNEUMONIA": 30}
    assert found["test"]["images"] == 90, "figures are of the half that chose nothing"
    assert found["calibration"]["bias"] < 0, "rarer and brighter there: log odds are taken off"
    assert f"The AUROC, {after['auroc']:.3f}, is what it was" in origin["sentence"]


def test_the_version_has_the_same_weights_and_serves_what_was_measured(run, job_directory, models, tmp_path):
    found = run(site())
    output = job_directory / "processing" / "output"
    old, new = (
        ExportedModel(path, tmp_path / str(n))
        for n, path in enumerate((models["good"], output / "served" / served_archive.FILE))
    )
    assert new.weights_sha256 == old.weights_sha256 == found["calibrated_from"]["weights_sha256"]
    changed = {name for name in new.metadata if new.metadata[name] != old.metadata.get(name)}
    assert changed == {"temperature", "bias", "threshold", "indeterminate", "guarantee", "calibrated_from"}
    assert (new.calibration.temperature, new.calibration.bias) == (
        found["calibration"]["temperature"],
        found["calibration"]["bias"],
    )
    with tarfile.open(output / "served" / served_archive.FILE) as packed:
        handlers = packed.extractfile("code/inference.py").read()
    assert b'_METADATA["bias"]' in handlers, "a handler of before would not know of the bias"
    assert (output / "served" / "output.tar.gz").read_bytes() == b"the float32 network"
    page = (output / "evaluation" / "report.html").read_text()
    assert "Version 3, calibrated on a site" in page
    assert "come from the other half of the site" in page
    assert "data:image/jpeg" in page
    assert "Sample of the test images" not in page, "no radiograph of the site's patients is to stay"
    card = json.loads(json.loads((output / "evaluation" / "model_card.json").read_text())["content"])
    assert "calibrated from version 3" in card["training_details"]["training_observations"]
    assert card["evaluation_details"][0]["datasets"] == [URI]


def test_a_target_prevalence_moves_probabilities_and_the_decision_stays(run, job_directory, tmp_path):
    """A third of the gathered patients is ill; of those who will be asked about one in twenty is."""

    def made(name, target):
        found = run(site(), target_prevalence=target)
        archive = job_directory / "processing" / "output" / "served" / served_archive.FILE
        return found, ExportedModel(archive, tmp_path / name)

    (here, as_gathered), (there, as_asked) = made("here", 0), made("there", 0.05)
    assert (as_gathered.metadata["target_prevalence"], as_asked.metadata["target_prevalence"]) == (None, 0.05)
    shift = np.log(0.05 / 0.95) - np.log(30 / 60)
    assert as_asked.calibration.bias - as_gathered.calibration.bias == pytest.approx(shift)
    assert there["guarantee"]["prevalence"] == 0.05
    for name in ("auroc", "sensitivity", "specificity"):
        assert figure(there, name)["value"] == pytest.approx(figure(here, name)["value"]), "the same cut of the logits"
    assert as_asked.threshold < as_gathered.threshold
    assert there["gates"]["passed"], there["gates"]["message"]
    before, now = there["calibrated_from"]["before"]["calibration_error"], figure(there, "calibration_error")
    assert before["value"] > 3 * now["value"], "both are for the prevalence that is asked about"
    assert now["value"] < 0.1
    assert (
        "are for a prevalence of 5.0% now, which is a part of the difference." in there["calibrated_from"]["sentence"]
    )
    assert "part of the difference" not in here["calibrated_from"]["sentence"]
    page = (job_directory / "processing" / "output" / "evaluation" / "report.html").read_text()
    assert "Probabilities are for the target prevalence of 5.0%" in page


def test_what_calibrated_a_version_counts_as_seen_from_then_on(run, job_directory, inputs):
    """The same patients again would flatter it."""
    archive = site()
    run(archive)
    output = job_directory / "processing" / "output" / "report"
    assert (output / "dataset.json").read_text() == (inputs / "report" / "dataset.json").read_text()
    (inputs / "report" / training_images.FILE).write_bytes((output / training_images.FILE).read_bytes())
    with pytest.raises(JobError, match="180 of 180 images, or their patients, are in the dataset"):
        run(archive)


def test_a_model_that_ranks_wrongly_there_is_refused_before_the_held_out_half_is_scored(
    run, job_directory, monkeypatch
):
    scored = []
    original = ExportedModel.score
    monkeypatch.setattr(
        ExportedModel, "score", lambda self, shards, *more: scored.append(shards.name) or original(self, shards, *more)
    )
    with pytest.raises(JobError, match=r"^Nothing was registered\. AUROC 0\.0.* No calibration mends that\.") as caught:
        run(site(), "wrong")
    assert "a model has to be trained on radiographs like its own" in str(caught.value)
    assert scored == ["fitted"]


def test_labels_that_say_nothing_are_refused_and_no_threshold_is_promised(run):
    """Chance is no calibration either."""
    archive = site(100, 100, brighter=0)
    names, contents = list(archive), list(archive.values())
    shuffled = [contents[at] for at in np.random.default_rng(5).permutation(len(contents))]
    with pytest.raises(JobError, match=r"AUROC 0\.\d+ .*No calibration mends that"):
        run(dict(zip(names, shuffled, strict=True)))


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ((60, 12), "is of 6 patients with PNEUMONIA, and 20 of each label are the least. Add about 28 more"),
        ((30, 60), "is of 15 patients with NORMAL, and 20 of each label are the least. Add about 10 more"),
    ],
)
def test_too_few_patients_are_refused_with_the_number_that_is_missing(run, counts, said):
    with pytest.raises(JobError) as caught:
        run(site(*counts))
    assert said in str(caught.value)


def test_one_class_only_is_refused_before_anything_is_decoded(run):
    with pytest.raises(JobError, match="No PNEUMONIA image to evaluate on was found"):
        run({name: content for name, content in site(30, 30).items() if "/NORMAL/" in name})


def test_without_fingerprints_nobody_knows_what_it_has_seen(run, inputs):
    (inputs / "report" / training_images.FILE).unlink()
    with pytest.raises(JobError, match="left no fingerprints, so whether it has seen these images is not known"):
        run(site(30, 30))


def test_what_the_detector_refuses_neither_calibrates_nor_counts_and_too_much_of_it_is_refused(run, monkeypatch):
    original = ExportedModel.score

    def unlike(self, *arguments, **more):
        scores = original(self, *arguments, **more)
        scores.out_of_distribution_scores[:every] = 1.5
        return scores

    monkeypatch.setattr(ExportedModel, "score", unlike)
    every = 5
    found = run(site())
    assert (found["test"]["images"], found["out_of_distribution"]["refused"]) == (85, 5)
    assert found["out_of_distribution"]["false_refusal_rate"]["value"] == pytest.approx(5 / 90)
    every = 45
    with pytest.raises(JobError, match=r"Refused share 0\.500.*No calibration mends that"):
        run(site(seed=2))


def test_a_version_that_misses_a_gate_is_a_result_with_its_reason(run, job_directory):
    found = run(site(), min_sensitivity=1.0, min_specificity=1.0)
    assert not found["gates"]["passed"]
    assert (job_directory / "output" / "message").read_text() == found["gates"]["message"]


def test_halves_are_by_patient_and_the_same_whoever_asks():
    """A draw that can be chosen could be repeated until the gates let a model pass."""
    images = [
        Radiograph(f"{label}/{number}-{view}", label, None, f"{label}{number}", "", f"{label}{number}{view}", 0)
        for label in ("NORMAL", "PNEUMONIA")
        for number in range(50)
        for view in range(1 + number % 3)
    ]
    halves = recalibration.split_halves(images)
    assert halves == recalibration.split_halves(images[::-1])
    patients = [{one.patient for one in half} for half in halves.values()]
    assert not patients[0] & patients[1]
    assert len(patients[0] | patients[1]) == 100
    assert abs(len(halves["fitted"]) - len(halves["held_out"])) <= 4


def test_an_archive_uploaded_to_train_on_calibrates_nothing():
    given = {"archive-uri": data_steps.URI, "image-size": SIZE, "model-package-arn": PACKAGE, **LIMITS}
    given |= {"serving-package": "none", "serving-comparison": "gate"}
    with pytest.raises(JobError, match="was uploaded to train on, not to calibrate"):
        calibrate.parse(data_steps.arguments(**given))
    with pytest.raises(JobError, match="is not the ARN of a registered version"):
        calibrate.parse(data_steps.arguments(**given | {"archive-uri": URI, "model-package-arn": "latest"}))
