"""Fixtures of these tests: a job directory, drawn images, and one small model that is built and exported once."""

from __future__ import annotations

import io
import itertools
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

# Fixtures import what they need: most tests here need no TensorFlow.
if TYPE_CHECKING:
    from model_code.export import saved_model
    from model_code.network import attribution, feature_projection
    from model_code.network import classifier as model

SIZE = 32
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let Keras 3.15 read its own variables under numpy 2.4: it hands `np.array` a type without the new keyword."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(
                pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
            )


@pytest.fixture(autouse=True)
def job_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty /opt/ml; nothing a test writes can reach the real one."""
    base = tmp_path / "ml"
    base.mkdir()
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(base))
    for name in (
        "SM_MODEL_DIR",
        "SM_OUTPUT_DATA_DIR",
        "SM_CHANNEL_TRAIN",
        "SM_CHANNEL_VALIDATION",
        "SM_CHANNEL_REPORT",
        "SM_CHANNEL_WEIGHTS",
    ):
        monkeypatch.delenv(name, raising=False)
    return base


@pytest.fixture(autouse=True)
def _unlaid_plots(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the axes where they are, but for the tests of reports: placing them is half the time that a plot takes."""
    if request.path.parent.name != "reports":
        monkeypatch.setattr("model_code.reports.plots._LAYOUT", None)


@pytest.fixture
def predictions(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Name of the table of kept predictions, empty, in moto's DynamoDB."""
    import boto3
    from moto import mock_aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        boto3.client("dynamodb").create_table(
            TableName="predictions",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield "predictions"


def encode(pixels: np.ndarray[Any, Any], format_: str = "PNG") -> bytes:
    """An encoded image of a uint8 array, (h, w) or (h, w, 3)."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=format_)
    return buffer.getvalue()


def drawn(number: int, size: int = 40, format_: str = "PNG") -> bytes:
    """An image of its own for each number."""
    rng = np.random.default_rng(number)
    return encode(rng.integers(0, 256, (size, size), dtype=np.uint8), format_)


def settle(network: Any, pixels: Any) -> None:
    """Give batch normalisation these images' statistics: random weights then answer differently to different images."""
    import keras

    backbone = network.get_layer("backbone")
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    network(pixels, training=True)


def zip_of(members: dict[str, bytes]) -> bytes:
    """A zip archive of names and contents."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def kaggle_members(train: int = 30, val: int = 4, test: int = 8) -> dict[str, bytes]:
    """A small archive in Kaggle's layout: so many images per split and label, every one of another patient."""
    members: dict[str, bytes] = {}
    number = 0
    for split, count in (("train", train), ("val", val), ("test", test)):
        for _ in range(count):
            number += 1
            members[f"chest_xray/{split}/NORMAL/IM-{number:04d}-0001.jpeg"] = drawn(number, format_="JPEG")
            members[f"chest_xray/{split}/PNEUMONIA/person{number}_virus_{number}.jpeg"] = drawn(-number % 2**31)
    return members


@pytest.fixture
def place_archive(job_directory: Path) -> Callable[[bytes], None]:
    """Puts an archive where the processing job has its input."""

    def place(content: bytes) -> None:
        directory = job_directory / "processing" / "input" / "archive"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "archive.zip").write_bytes(content)

    return place


@pytest.fixture(scope="session")
def classifier() -> model.Classifier:
    """A whole ResNet50V2 classifier with random weights; building one takes seconds."""
    from model_code.network import classifier as model
    from model_code.training import training_loop

    training_loop.prepare(1)
    return model.build(model.Options(image_size=SIZE, backbone="ResNet50V2", backbone_weights="none"))


@pytest.fixture(scope="session")
def scorer(classifier: model.Classifier) -> saved_model.Scorer:
    """Its traced scoring function."""
    from model_code.export import saved_model

    return saved_model.Scorer(classifier, SIZE)


@pytest.fixture(scope="session")
def seen(scorer: saved_model.Scorer) -> feature_projection.Projection | None:
    """Projection of the features that monitoring looks at, fitted on noise."""
    from model_code.network import feature_projection

    images = np.random.default_rng(8).integers(0, 256, (24, SIZE, SIZE, 1), dtype=np.uint8)
    return feature_projection.fit(scorer.inspect, images, count=len(images))


@pytest.fixture(scope="session")
def marks(scorer: saved_model.Scorer) -> attribution.Attribution | None:
    """Attribution for its saliency maps, fitted on noise of two labels; every image has a map."""
    from model_code.network import attribution

    images = np.random.default_rng(9).integers(0, 256, (48, SIZE, SIZE, 1), dtype=np.uint8)
    labelled = [(pixels, number % 2) for number, pixels in enumerate(images)]
    return attribution.fit(scorer.staged, labelled, count=len(images), floor=-1e9)


@pytest.fixture(scope="session")
def dataset_card() -> dict[str, Any]:
    """A dataset card as SplitDataset writes it."""
    labels = {"NORMAL": 10, "PNEUMONIA": 10}
    source = {"images": 30, "formats": {"JPEG": 28, "PNG": 2}, "modes": {"L": 29, "RGB": 1}, "with_exif": 12}
    source |= {name: {"min": 300, "median": 1050.5, "max": 2000} for name in ("width", "height", "bytes")}
    source |= {"aspect_ratio": {"min": 0.9, "median": 1.3, "max": 1.8}}
    shortcut = {"probe": "file_size", "auroc": 0.93, "confidence_interval": [0.9, 0.95], "images": 40}
    counts = {"images": 20, "patients": 15, "labels": labels, "subtypes": {"virus": 10}}
    return {
        "sha256": "ab" * 32,
        "labels": ["NORMAL", "PNEUMONIA"],
        "image_size": SIZE,
        "archive_uri": "s3://bucket/datasets/" + "0" * 64 + "/archive.zip",
        "splits": {"train": counts, "validation": counts, "test": counts},
        "decisions": ["The archive's test split is kept: 20 images."],
        "dropped": [{"reason": "duplicate", "count": 1, "files": ["chest_xray/train/NORMAL/a<b>.jpeg"]}],
        "metadata_files": 2,
        "sources": {"NORMAL": source, "PNEUMONIA": source},
        "shortcuts": [shortcut | {"sentence": "The label can be predicted from the file size alone."}],
        "audit": {
            "patients_shared": 0,
            "duplicates_shared": 0,
            "near_duplicates_shared": 0,
            "hash": "difference hash of 256 bits",
            "threshold": 0.99,
        },
        "created": "2026-11-23T12:00:00+00:00",
    }


@pytest.fixture(scope="session")
def engine_exported(
    scorer: saved_model.Scorer,
    seen: feature_projection.Projection | None,
    marks: attribution.Attribution | None,
    exported: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The same network as `exported`, for the second engine, with weights of eight bits and others for a fallback.

    The limit is far from any difference, because what noise does to a network is not the same on every processor.
    """
    from model_code.export import conversion, litert, parity_limits, saved_model
    from model_code.statistics.calibration import Calibration

    directory = tmp_path_factory.mktemp("engine_model")
    litert.save_code(directory)
    rng = np.random.default_rng(7)
    images = [rng.integers(0, 256, (SIZE, SIZE, 1), dtype=np.uint8) for _ in range(24)]
    answers = conversion.Answers(scorer, None, seen, marks)
    enough = itertools.islice(itertools.cycle(images[12:]), parity_limits.FEWEST_IMAGES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity_limits, "MAX_PROBABILITY_DIFFERENCE", 1.0)
        described = litert.save_models(
            answers, directory, calibration=Calibration(2.0), training=images[:12], validation=enough
        )
    saved_model.save_handlers(directory)
    metadata = json.loads((exported / "metadata.json").read_text()) | described
    (directory / "metadata.json").write_text(json.dumps(metadata))
    return directory


@pytest.fixture(scope="session")
def exported(
    scorer: saved_model.Scorer,
    seen: feature_projection.Projection | None,
    marks: attribution.Attribution | None,
    dataset_card: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A model directory as training leaves it, with temperature 2 and threshold 0.4."""
    from model_code.export import saved_model
    from model_code.statistics.calibration import Calibration
    from model_code.statistics.indeterminate import Band
    from tests.model_code.support.evaluated import made_guarantee

    directory = tmp_path_factory.mktemp("model")
    saved_model.save_servable(scorer, directory, projection=seen, attribution=marks)
    saved_model.save_handlers(directory)
    epoch = {"epoch": 1, "phase": "all", "loss": 0.7, "val_loss": 0.6, "val_auc": 0.8, "learning_rate": 1e-3}
    training = {
        "hyperparameters": {"epochs": 1, "batch_size": 8},
        "precision": "float32",
        "devices": 1,
        "history": [{**epoch, "seconds": 1.0}],
        "validation": {"auc": 0.8, "loss": 0.6},
        "seconds": 3.0,
    }
    saved_model.save_metadata(
        directory,
        card=dataset_card,
        threshold=0.4,
        calibration=Calibration(2.0),
        band=Band(0.3, 0.6, made_guarantee()),
        saliency=saved_model.describe_saliency(marks, scorer),
        detector={"active": False, "sentence": "There is no out-of-distribution detector, any image is answered."},
        backbone="ResNet50V2",
        backbone_weights="none",
        training=training,
    )
    return directory


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Archives of toy models: one that is right, one that ranks the wrong way round, one of images twice as large."""
    from tests.model_code.support.toy_model import write_archive

    base = tmp_path_factory.mktemp("models")
    return {
        "good": write_archive(base / "good" / "model.tar.gz", size=SIZE),
        "wrong": write_archive(base / "wrong" / "model.tar.gz", size=SIZE, gain=-1.0),
        "half": write_archive(base / "half" / "model.tar.gz", size=2 * SIZE),
    }
