"""EvaluateModel judges the weights that training chose and, where they fail, the others; what passes is registered."""

from __future__ import annotations

import json
import shutil
import tarfile

import numpy as np
import pytest

from model_code.data.patient_split import Radiograph
from model_code.evaluation import served_archive
from model_code.export import parity_limits
from tests.model_code.conftest import SIZE
from tests.model_code.support.evaluated import PACKAGE


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global evaluate, ExportedModel, float32_network, litert, tf, write_archive, write_shards
    import tensorflow as tf

    from model_code import evaluate
    from model_code.data.shards import write_shards
    from model_code.evaluation import float32_network
    from model_code.evaluation.scoring import ExportedModel
    from model_code.export import litert
    from tests.model_code.support.toy_model import write_archive


LOOSE = "--min-auroc 0 --min-sensitivity 0 --min-specificity 0 --max-calibration-error 1 --min-subgroup-sensitivity 0"


def logit_of(pixels):
    """Of the toy network; its temperature is 2 and its probabilities are steepest at a mean grey value of 125."""
    return (tf.reduce_mean(tf.cast(pixels, tf.float32), axis=(1, 2, 3)) - 125.0) / 10.0


@pytest.fixture
def engine(monkeypatch):
    """An engine whose `body.tflite` says by how much it is off, in logits."""

    def signatures(directory):
        off = float((directory / "engine" / "body.tflite").read_text())

        def explain_pixels(pixels):
            logit = logit_of(pixels) + off
            outputs = {"logit": logit, "out_of_distribution_score": tf.zeros_like(logit)}
            return outputs | {"saliency": tf.cast(pixels[..., 0], tf.float32) / 255.0}

        return {"score_pixels": explain_pixels, "explain_pixels": explain_pixels}

    class Network:
        input_shape = (None, SIZE, SIZE, 1)

        def __call__(self, pixels, training):
            return logit_of(pixels)[:, tf.newaxis]

    monkeypatch.setattr(litert, "signatures", signatures)
    monkeypatch.setattr(float32_network, "reference_network", lambda *_: Network())


@pytest.fixture
def inputs(job_directory, dataset_card):
    """The inputs of the job but for the models: test images whose probabilities are all near the steepest place."""
    base = job_directory / "processing" / "input"
    for name in ("model", "training", "serving", "train", "validation", "test", "report"):
        (base / name).mkdir(parents=True)
    (base / "training" / "output.tar.gz").write_bytes(b"see `engine`")
    images = []
    for number in range(128):
        label = ("NORMAL", "PNEUMONIA")[number % 2]
        image = Radiograph(f"{number}.jpeg", label, "test", f"p{number}", "", "", number, width=900, height=800)
        images.append((image, np.full(SIZE * SIZE, (122, 128)[number % 2], np.uint8).tobytes()))
    for split in ("train", "validation", "test"):
        write_shards(base / split, split, images, 2)
    (base / "report" / "dataset.json").write_text(json.dumps(dataset_card))
    return base


@pytest.fixture
def place(inputs, tmp_path):
    """Put a model for the engine where the job finds it: how far the weights it has are off, in logits."""

    def placed(name="model", **off):
        folder = tmp_path / name
        shutil.rmtree(folder, ignore_errors=True)
        write_archive(folder / "toy.tar.gz", size=SIZE)
        (folder / "toy.tar.gz").unlink()
        metadata = json.loads((folder / "metadata.json").read_text())
        described = [
            {"engine_weights": weights, "engine_validation": {"images": 299, "upper_bound": 0.019}} for weights in off
        ]
        metadata |= {"engine": "litert", **described[0]}
        if len(off) > 1:
            metadata["engine_fallback"] = described[1]
        (folder / "metadata.json").write_text(json.dumps(metadata))
        for own, logits in zip(("engine", "fallback"), off.values(), strict=False):
            (folder / own).mkdir()
            (folder / own / "body.tflite").write_text(str(logits))
            (folder / own / "head.tflite").write_text(f"head of {own}")
        (folder / "code" / "lib").mkdir(parents=True)
        (folder / "code" / "inference.py").write_text("# handlers\n")
        archive = inputs / name / "model.tar.gz"
        with tarfile.open(archive, "w:gz", compresslevel=1) as packed:
            for member in sorted(folder.iterdir()):
                packed.add(member, f"./{member.name}")
        return archive

    return placed


def run(job_directory, limits=LOOSE, package="none"):
    evaluate.main([*limits.split(), "--serving-package", package, "--serving-comparison", "gate"])
    output = job_directory / "processing" / "output"
    with tarfile.open(output / "served" / served_archive.FILE) as packed:
        names = sorted(member.name for member in packed if member.isfile())
        content = {name: packed.extractfile(name).read().decode(errors="replace") for name in names}
    return json.loads((output / "evaluation" / "evaluation.json").read_text()), content


# A probability of 0.46 or 0.54 moves by a little less than an eighth of the logit.
EDGE = 8 * parity_limits.MAX_PROBABILITY_DIFFERENCE


def test_weights_that_stray_on_the_test_split_give_way_to_others_without_another_training(
    engine, place, job_directory, capsys
):
    """An hour of paid training ended by this: chosen with 0.0142 on validation images, 0.0212 on test images."""
    place(int8=1.06 * EDGE, float16=0.001)
    document, content = run(job_directory)
    assert document["gates"]["passed"]
    assert (document["engine"]["weights"], document["engine"]["beyond_limits"]) == ("float16", 0)
    (rejected,) = document["engine"]["rejected"]
    assert rejected["weights"] == "int8"
    assert rejected["message"].endswith("Its float16 weights are judged next.")
    assert "The probabilities of the engine litert with int8 weights are up to 0.021" in rejected["message"]
    assert content["engine/body.tflite"] == "0.001"
    assert content["engine/head.tflite"] == "head of fallback"
    assert not any(name.startswith("fallback") for name in content)
    assert content["code/inference.py"] == "# handlers\n"
    metadata = json.loads(content["metadata.json"])
    assert metadata["engine_weights"] == "float16"
    assert "engine_fallback" not in metadata
    assert not (job_directory / "output" / "message").exists()
    assert "Judged before, with int8 weights: The probabilities" in capsys.readouterr().out
    page = (job_directory / "processing/output/evaluation/report.html").read_text()
    assert "The model is served by litert with float16 weights." in page
    assert "Its int8 weights were judged first and are not served" in page
    card = json.loads((job_directory / "processing/output/evaluation/model_card.json").read_text())
    details = json.loads(card["content"])["additional_information"]["custom_details"]
    assert details["serving engine"] == "litert, float16 weights"


def test_weights_that_pass_are_registered_alone(engine, place, job_directory):
    place(int8=0.98 * EDGE, float16=0.001)
    document, content = run(job_directory)
    assert document["gates"]["passed"]
    assert (document["engine"]["weights"], document["engine"]["rejected"]) == ("int8", [])
    assert content["engine/body.tflite"] == str(0.98 * EDGE)
    assert not any(name.startswith("fallback") for name in content)
    metadata = json.loads(content["metadata.json"])
    assert metadata["engine_weights"] == "int8"
    assert "engine_fallback" not in metadata


def test_what_is_scored_is_what_is_registered(engine, place, job_directory, tmp_path):
    place(int8=1.06 * EDGE, float16=0.001)
    run(job_directory)
    archive = job_directory / "processing" / "output" / "served" / served_archive.FILE
    model = ExportedModel(archive, tmp_path / "again")
    scores = model.score(job_directory / "processing" / "input" / "test", SIZE)
    assert not model.has_fallback
    np.testing.assert_allclose(sorted({round(float(one), 4) for one in scores.logits}), [-0.299, 0.301])


def test_another_gate_gives_the_fallback_its_chance_too(engine, place, job_directory):
    """Near enough to the network, and on the other side of the threshold with half of the images."""
    limits = (
        "--min-auroc 0 --min-sensitivity 0 --min-specificity 0.5 --max-calibration-error 1 --min-subgroup-sensitivity 0"
    )
    place(int8=0.98 * EDGE, float16=0.001)
    threshold = 1 / (1 + np.exp(0.25 / 2))
    folder = job_directory / "processing" / "input" / "model"
    _set_threshold(folder / "model.tar.gz", threshold)
    document, _ = run(job_directory, limits)
    assert document["gates"]["passed"]
    assert document["engine"]["weights"] == "float16"
    assert document["engine"]["rejected"][0]["message"].startswith("Specificity 0.000 is below the limit 0.5")


def _set_threshold(archive, threshold):
    folder = archive.parent.parent / "changed"
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    metadata = json.loads((folder / "metadata.json").read_text()) | {"threshold": threshold}
    (folder / "metadata.json").write_text(json.dumps(metadata))
    with tarfile.open(archive, "w:gz", compresslevel=1) as packed:
        for member in sorted(folder.iterdir()):
            packed.add(member, member.name)


def test_where_no_weights_pass_the_gate_fails_and_the_advice_is_another_engine(engine, place, job_directory):
    place(int8=1.5 * EDGE, float16=1.1 * EDGE)
    document, content = run(job_directory)
    assert not document["gates"]["passed"]
    assert document["engine"]["beyond_limits"] == 1
    message = (job_directory / "output" / "message").read_text()
    assert message.startswith("The probabilities of the engine litert with float16 weights are up to 0.02")
    assert message.endswith(
        "No other weights are left to try: train with ServingEngine tensorflow, the float32 network itself."
    )
    assert [one["weights"] for one in document["engine"]["rejected"]] == ["int8"]
    assert content["engine/body.tflite"] == str(1.1 * EDGE), "what the figures are about"


def test_weights_without_a_fallback_are_judged_once(engine, place, job_directory):
    archive = place(float16=1.1 * EDGE)
    document, _ = run(job_directory)
    assert (document["engine"]["weights"], document["engine"]["rejected"]) == ("float16", [])
    output = job_directory / "processing" / "output" / "served" / served_archive.FILE
    assert output.read_bytes() == archive.read_bytes(), "nothing to settle: byte for byte what training left"


def test_the_next_model_is_compared_with_what_serves(engine, place, job_directory, inputs):
    """Not with what training had chosen: the archive of the serving package has no second set of weights."""
    place(int8=1.06 * EDGE, float16=0.001)
    run(job_directory)
    shutil.copy(
        job_directory / "processing" / "output" / "served" / served_archive.FILE, inputs / "serving" / "model.tar.gz"
    )
    place(int8=0.0, float16=0.0)
    document, _ = run(job_directory, package=PACKAGE)
    assert document["comparison"]["auc_difference"]["value"] == 0
    assert document["engine"]["weights"] == "int8"
    assert document["comparison"]["predicted_differently"] == 0
