"""The engine's model is made of the functions of the SavedModel, or training ends with a sentence."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import zipfile

import numpy as np
import pytest

from model_code.contract.job import JobError
from model_code.data.patient_split import Radiograph
from model_code.evaluation import served_archive
from model_code.export import parity_limits
from model_code.statistics.calibration import Calibration
from tests.model_code.conftest import SIZE, settle
from tests.model_code.support.shards import write_split


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global conversion, evaluate, litert, model, out_of_distribution, OVERLAY_EDGE, saved_model, tf, write_shards
    import tensorflow as tf

    from model_code import evaluate
    from model_code.data.shards import write_shards
    from model_code.export import conversion, litert, saved_model
    from model_code.network import classifier as model
    from model_code.network import out_of_distribution
    from model_code.network.saliency_overlay import OVERLAY_EDGE


pytestmark = pytest.mark.long

NOISE = np.random.default_rng(3).integers(0, 256, (24, SIZE, SIZE, 1), dtype=np.uint8)


@pytest.fixture(scope="module")
def small_classifier():
    """A network that is converted in seconds, and that eight bits change much."""
    classifier = model.build(model.Options(image_size=SIZE, backbone="MobileNetV3Small", backbone_weights="none"))
    settle(classifier.network, NOISE.astype("float32"))
    return classifier


@pytest.fixture(scope="module")
def small(small_classifier):
    """Its traced scoring function."""
    return saved_model.Scorer(small_classifier, SIZE)


def save(scorer, directory, keeper=None):
    litert.save_code(directory)
    answers = conversion.Answers(scorer, keeper)
    return litert.save_models(
        answers, directory, calibration=Calibration(2.0), training=NOISE[:12], validation=NOISE[12:]
    )


def test_the_engine_says_what_the_scorer_says(engine_exported, scorer, marks):
    running = litert.load(engine_exported)
    logits, activations, maps = scorer.look(tf.constant(NOISE, tf.float32))
    found = [running.outputs(one) for one in NOISE]
    plain = {"logit", "out_of_distribution_score", "projection"}
    assert set(found[0]) == plain | {"cells", "overlay"}
    assert set(running.outputs(NOISE[0], explain=False)) == plain
    np.testing.assert_allclose([one["logit"] for one in found], logits, atol=0.15)
    wanted = scorer.cells(marks, logits, activations, maps).numpy()
    cells = np.stack([one["cells"] for one in found])
    assert cells.shape == (len(NOISE), 16, 16)
    peaks = [one.max(axis=(1, 2), keepdims=True) for one in (cells, wanted)]
    assert np.abs(cells / peaks[0] - wanted / peaks[1]).mean() < 0.06
    assert (found[0]["overlay"].shape, found[0]["overlay"].dtype) == ((OVERLAY_EDGE, OVERLAY_EDGE, 4), np.uint8)


def test_signatures_score_batches_as_those_of_the_saved_model(engine_exported, exported):
    ours = litert.signatures(engine_exported)
    theirs = tf.saved_model.load(str(exported / "1")).signatures
    for name in ("score_pixels", "explain_pixels"):
        found, wanted = ours[name](pixels=tf.constant(NOISE)), theirs[name](pixels=tf.constant(NOISE))
        assert set(wanted) <= set(found)
        for output, value in wanted.items():
            assert found[output].shape == value.shape
        np.testing.assert_allclose(tf.sigmoid(found["logit"] / 2.0), tf.sigmoid(wanted["logit"] / 2.0), atol=0.02)


def test_the_artifact_is_small_and_laid_out_for_the_container(engine_exported):
    assert sorted(path.name for path in engine_exported.iterdir()) == [
        "1",
        "code",
        "engine",
        "fallback",
        "metadata.json",
    ]
    for folder in ("engine", "fallback"):
        names = sorted(path.name for path in (engine_exported / folder).iterdir())
        assert names == ["body.tflite", "head.tflite", "saliency.tflite"]
    assert not (engine_exported / "code" / "lib").exists(), "this environment is where it serves"
    served_files = (path for path in engine_exported.rglob("*") if path.parent.name != "fallback" and path.is_file())
    size = sum(path.stat().st_size for path in served_files)
    assert size < 30e6, "a ResNet50V2 without the engine's library"
    metadata = json.loads((engine_exported / "metadata.json").read_text())
    assert (metadata["engine"], metadata["engine_weights"]) == ("litert", "int8")
    assert metadata["engine_validation"]["images"] == parity_limits.FEWEST_IMAGES
    assert metadata["engine_fallback"]["engine_weights"] == "float16"


def test_tensorflow_serving_gets_a_model_that_decodes(engine_exported):
    """The container does not start without one."""
    decode = tf.saved_model.load(str(engine_exported / "1")).signatures["serving_default"]
    encoded = tf.io.encode_png(NOISE[0])
    np.testing.assert_array_equal(decode(image_bytes=encoded[tf.newaxis])["pixels"][0], NOISE[0])


def test_the_out_of_distribution_detector_is_converted_too_and_keeps_its_digits(small, tmp_path):
    rng = np.random.default_rng(2)
    base = np.add.outer(np.arange(SIZE), np.arange(SIZE)) * 3.0
    seen = [np.clip(base + rng.normal(0, 30, (SIZE, SIZE)), 0, 255).astype(np.uint8) for _ in range(160)]
    for name, images in (("train", seen[:120]), ("validation", seen[120:])):
        rows = [
            (Radiograph(f"{number}", "NORMAL", name, f"{number}", "", "", number), pixels.tobytes())
            for number, pixels in enumerate(images)
        ]
        (tmp_path / name).mkdir()
        write_shards(tmp_path / name, name, rows, 2)
    keeper, described = out_of_distribution.fit(tmp_path / "train", tmp_path / "validation", SIZE)
    assert described["active"]
    directory = tmp_path / "model"
    save(small, directory, keeper)
    running = litert.load(directory)
    images = [*(one[..., np.newaxis] for one in seen[:4]), *NOISE[:4]]
    wanted = keeper.score(tf.constant(np.stack(images), tf.float32)).numpy()
    assert wanted.max() > 1
    np.testing.assert_allclose(
        [running.outputs(one)["out_of_distribution_score"] for one in images], wanted, rtol=0.01, atol=0.01
    )


def test_a_network_that_eight_bits_change_too_much_keeps_sixteen(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(parity_limits, "FEWEST_IMAGES", 12)
    monkeypatch.setattr(parity_limits, "upper_bound", lambda differences: float(differences.max()))
    monkeypatch.setattr(parity_limits, "MAX_PROBABILITY_DIFFERENCE", -1.0)
    described = save(small, tmp_path)
    assert described["engine_weights"] == "float16"
    assert described["engine_validation"]["probability_difference_p99"] < 0.005
    assert not (tmp_path / "fallback").exists()
    assert "int8 weights: 99% of the probabilities of 12 validation images" in capsys.readouterr().out


def test_the_fallback_of_a_real_network_is_nearer_to_it(engine_exported, scorer, tmp_path):
    """Both sets of weights are whole models: the other answers too once it is in the first one's place."""
    other = tmp_path / "other"
    shutil.copytree(engine_exported, other)
    served_archive.fall_back(other)
    assert not (other / "fallback").exists()
    wanted = scorer.logits(tf.constant(NOISE, tf.float32)).numpy()
    differences = [
        np.abs([float(litert.load(one).outputs(pixels)["logit"]) for pixels in NOISE] - wanted).max()
        for one in (engine_exported, other)
    ]
    assert differences[1] < differences[0]
    assert differences[1] < 0.04, "of a probability, at temperature 2, at most an eighth of that"


def channel(job_directory, monkeypatch, files):
    """The training channel `engine`, with one archive of these files or with what is no archive."""
    directory = job_directory / "input" / "data" / "engine"
    directory.mkdir(parents=True)
    monkeypatch.setenv("SM_CHANNEL_ENGINE", str(directory))
    if isinstance(files, bytes):
        (directory / "libraries.zip").write_bytes(files)
        return
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    (directory / "libraries.zip").write_bytes(buffer.getvalue())


def test_libraries_of_the_channel_travel_in_the_model(job_directory, monkeypatch, tmp_path):
    channel(job_directory, monkeypatch, {"something/__init__.py": "x = 1\n"})
    litert.save_code(tmp_path)
    assert (tmp_path / "code" / "lib" / "something" / "__init__.py").read_text() == "x = 1\n"
    assert (tmp_path / "code" / "model_code" / "serving" / "engine.py").is_file()


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (b"PK\x03\x04 and no more", "libraries.zip of the training channel 'engine' are damaged"),
        (
            {"ai_edge_litert/__init__.py": "raise ImportError('built for another machine')\n"},
            "cannot be imported from the training channel 'engine': ImportError: built for another machine",
        ),
    ],
    ids=["no archive", "a library that cannot be imported"],
)
def test_a_broken_library_is_a_sentence_and_leaves_no_model(job_directory, monkeypatch, tmp_path, files, reason):
    channel(job_directory, monkeypatch, files)
    with pytest.raises(JobError, match=reason):
        litert.save_code(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_missing_library_is_a_sentence_that_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(litert, "_IMPORTABLE", "import a_library_that_is_not_there")
    with pytest.raises(JobError, match=r"in this environment: .*No module named.*Set vendor_libraries to true"):
        litert.save_code(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_damaged_files_are_a_sentence(tmp_path):
    (tmp_path / "engine").mkdir()
    for name in ("body.tflite", "head.tflite"):
        (tmp_path / "engine" / name).write_bytes(b"not a model")
    with pytest.raises(JobError, match="The engine litert of the model cannot be loaded"):
        litert.load(tmp_path)


def pack(directory, path):
    with tarfile.open(path, "w:gz", compresslevel=1) as packed:
        for member in sorted(directory.iterdir()):
            packed.add(member, member.name)


@pytest.fixture(scope="module")
def sixteen(small, exported, tmp_path_factory):
    """A model directory for the engine, with weights of sixteen bits."""
    directory = tmp_path_factory.mktemp("sixteen")
    described = save(small, directory)
    metadata = json.loads((exported / "metadata.json").read_text()) | described
    (directory / "metadata.json").write_text(json.dumps(metadata))
    return directory


@pytest.fixture
def evaluated(sixteen, small_classifier, job_directory, dataset_card):
    """The inputs of EvaluateModel for a model with an engine, whose folder may be changed, and where it writes."""
    base = job_directory / "processing" / "input"
    for name in ("model", "training", "serving", "validation", "test", "report"):
        (base / name).mkdir(parents=True)
    write_split(base / "validation", "validation", 16, SIZE, seed=2)
    write_split(base / "test", "test", 40, SIZE)
    (base / "report" / "dataset.json").write_text(json.dumps(dataset_card))
    small_classifier.network.save(job_directory / "model.keras")
    with tarfile.open(base / "training" / "output.tar.gz", "w:gz", compresslevel=1) as packed:
        packed.add(job_directory / "model.keras", "model.keras")
    candidate = job_directory / "candidate"
    shutil.copytree(sixteen, candidate)
    return candidate, base, job_directory / "processing" / "output" / "evaluation" / "evaluation.json"


LOOSE = (
    "--min-auroc 0 --min-sensitivity 0 --min-specificity 0 --max-calibration-error 1 --min-subgroup-sensitivity 0 "
    "--serving-package none --serving-comparison gate"
)


def test_an_engine_that_agrees_passes_its_gates(evaluated):
    candidate, base, written = evaluated
    pack(candidate, base / "model" / "model.tar.gz")
    evaluate.main(LOOSE.split())
    document = json.loads(written.read_text())
    engine = document["engine"]
    assert (engine["name"], engine["weights"], engine["beyond_limits"]) == ("litert", "float16", 0)
    assert 0 < engine["probability_difference"]["percentile_99"] < 0.02
    assert [check["title"] for check in document["gates"]["checks"]][-2:] == [
        "AUROC of litert against float32",
        "Probabilities of litert against float32",
    ]
    assert document["gates"]["passed"]


def test_an_engine_that_strays_is_not_registered_and_the_reason_is_said(evaluated, small, job_directory):
    """Here by features that are taken for moved by a lot, as a conversion that went wrong might."""
    candidate, base, written = evaluated
    channels = small.inspect.get_concrete_function().output_shapes[1][-1]
    head = conversion.head(conversion.Answers(small, None), np.full(channels, -5.0, np.float32))
    (candidate / "engine" / "head.tflite").write_bytes(head)
    pack(candidate, base / "model" / "model.tar.gz")
    evaluate.main(LOOSE.split())
    document = json.loads(written.read_text())
    assert (document["engine"]["beyond_limits"], document["gates"]["passed"]) == (1, False)
    message = (job_directory / "output" / "message").read_text()
    assert "The probabilities of the engine litert with float16 weights are up to 0." in message
    assert message.endswith("train with ServingEngine tensorflow, the float32 network itself.")


def test_an_engine_without_a_network_to_compare_with_is_an_error(evaluated):
    candidate, base, _ = evaluated
    pack(candidate, base / "model" / "model.tar.gz")
    with tarfile.open(base / "training" / "output.tar.gz", "w:gz"):
        pass
    with pytest.raises(JobError, match=r"training output output\.tar\.gz has no network to compare with"):
        evaluate.main(LOOSE.split())
