"""The out-of-distribution detector accepts radiographs like those it was fitted on, and nothing that is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.evaluation import negatives
from local.samples.phantom import Anatomy, Finding, draw
from model_code.data.patient_split import Radiograph
from tests.model_code.conftest import encode


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global \
        batch_from_bytes, \
        decoding_graph, \
        out_of_distribution, \
        pixels_from_bytes, \
        resize, \
        saved_model, \
        tf, \
        write_shards
    import tensorflow as tf

    from model_code.data.shards import write_shards
    from model_code.export import saved_model
    from model_code.imaging.decoding import batch_from_bytes, decoding_graph, pixels_from_bytes, resize
    from model_code.network import out_of_distribution


# No multiple of the detector's 32 cells: pixels lie in two of them.
SIZE = 40
TRAINING, VALIDATION, OTHERS = 150, 40, 60


def chest(number: int, size: int = SIZE) -> Any:
    """A drawn radiograph of its own for each number, uint8 (size, size, 1)."""
    rng = np.random.default_rng(number)
    drawn = draw(Anatomy.sample(rng), list(Finding)[number % 3], rng, width=120, height=96)
    return resize(drawn[..., np.newaxis], size).numpy()


def pixels_of(image: Image.Image, size: int = SIZE) -> Any:
    return pixels_from_bytes(encode(np.asarray(image.convert("L"))), size).numpy()


def write(directory: Any, images: Any, *, size: int = SIZE) -> Any:
    directory.mkdir(parents=True)
    rows = [
        (Radiograph(f"{number}", "NORMAL", "train", f"P{number}", "", "", number, size, size), pixels.tobytes())
        for number, pixels in enumerate(images)
    ]
    write_shards(directory, directory.name, rows, 2)
    return directory


@pytest.fixture(scope="module")
def chests() -> Any:
    return np.stack([chest(number) for number in range(TRAINING + VALIDATION + OTHERS)])


@pytest.fixture(scope="module")
def fitted(chests, tmp_path_factory) -> Any:
    base = tmp_path_factory.mktemp("shards")
    train = write(base / "train", chests[:TRAINING])
    return out_of_distribution.fit(train, write(base / "validation", chests[TRAINING : TRAINING + VALIDATION]), SIZE)


def scored(fitted: Any, images: Any) -> Any:
    return out_of_distribution.score(fitted[0], tf.cast(np.stack(images), tf.float32)).numpy()


def test_other_radiographs_of_the_kind_are_accepted(fitted, chests):
    found = scored(fitted, chests[TRAINING + VALIDATION :])
    assert found.shape == (OTHERS,)
    assert found.max() < 1


def test_the_fewest_validation_images_make_a_limit_that_others_keep(chests, tmp_path):
    """At the edge, where a quantile of twenty images says nothing about one in a hundred: the limit's floor does."""
    train = write(tmp_path / "train", chests[:TRAINING])
    rest, refused = chests[TRAINING:], []
    for begin in range(0, len(rest), out_of_distribution.MIN_VALIDATION_IMAGES):
        chosen = np.arange(begin, begin + out_of_distribution.MIN_VALIDATION_IMAGES)
        fitted = out_of_distribution.fit(train, write(tmp_path / f"validation{begin}", rest[chosen]), SIZE)
        assert fitted[1]["active"]
        refused += [*(scored(fitted, np.delete(rest, chosen, axis=0)) > 1)]
    assert len(refused) == 5 * (VALIDATION + OTHERS - out_of_distribution.MIN_VALIDATION_IMAGES)
    assert np.mean(refused) < 0.01


# Drawn chests vary less than real ones: the other harmless changes go beyond what was seen of them.
@pytest.mark.parametrize("change", ["JPEG quality 30", "gamma 0.7", "gamma 1.4", "mirrored"])
def test_what_happens_to_radiographs_on_their_way_is_accepted(fitted, chests, change):
    images = [Image.fromarray(pixels[..., 0]).resize((120, 120)) for pixels in chests[-12:]]
    changed = [pixels_of(negatives.HARMLESS[change](image)) for image in images]
    assert scored(fitted, changed).max() < 1


@pytest.mark.parametrize("kind", negatives.MADE)
def test_what_is_no_chest_radiograph_is_refused(fitted, kind):
    images = [pixels_of(negatives.MADE[kind](np.random.default_rng([3, number]))) for number in range(6)]
    assert scored(fitted, images).min() > 1


@pytest.mark.parametrize("change", ["inverted", "turned by 90 degrees"])
def test_a_radiograph_in_negative_or_on_its_side_is_refused(fitted, chests, change):
    images = [pixels_of(negatives.CHANGED[change](Image.fromarray(pixels[..., 0]))) for pixels in chests[-12:]]
    assert scored(fitted, images).min() > 1


def test_the_record_says_where_the_limit_comes_from_and_what_it_costs(fitted):
    _, record = fitted
    assert record["active"]
    assert (record["training_images"], record["validation_images"]) == (TRAINING, VALIDATION)
    assert (
        record["sentence"]
        == f"The out-of-distribution detector refuses {record['refused']} of {VALIDATION} validation images."
    )
    share = record["false_refusal_rate"]
    assert share["value"] == record["refused"] / VALIDATION
    low, high = share["confidence_interval"]
    assert low <= share["value"] < high
    assert "99.7% quantile" in record["limit_from"]


def test_fewer_validation_images_make_it_more_lenient(fitted, chests, tmp_path):
    """So few images may show half of the usual spread."""
    train = write(tmp_path / "train", chests[:TRAINING])
    few, _ = out_of_distribution.fit(train, write(tmp_path / "validation", chests[TRAINING : TRAINING + 20]), SIZE)
    assert few.limit > fitted[0].limit


@pytest.mark.parametrize(("training", "validation", "reason"), [(40, 40, "40 training"), (120, 10, "10 validation")])
def test_from_too_few_images_there_is_no_detector_and_that_is_said(chests, tmp_path, training, validation, reason):
    train = write(tmp_path / "train", chests[:training])
    none, record = out_of_distribution.fit(train, write(tmp_path / "validation", chests[-validation:]), SIZE)
    assert none is None
    assert not record["active"]
    assert f"any image is answered: {reason} images are too few" in record["sentence"]
    assert out_of_distribution.score(none, tf.zeros((3, SIZE, SIZE, 1))).numpy().tolist() == [0, 0, 0]


def test_images_without_any_variety_make_no_detector_that_fails(tmp_path):
    """Statistics of constant images have no spread to divide by."""
    flat = np.full((120, SIZE, SIZE, 1), 90, np.uint8)
    train, validation = write(tmp_path / "train", flat), write(tmp_path / "validation", flat[:30])
    found = scored(out_of_distribution.fit(train, validation, SIZE), flat[:2])
    assert np.isfinite(found).all()
    assert (found < 1).all()


def test_pooled_cells_are_means_of_equal_areas():
    pixels = np.random.default_rng(1).integers(0, 256, (1, 6, 4)).astype(np.float32)
    np.testing.assert_allclose(
        out_of_distribution._pooled(tf.constant(pixels), 2)[0, 0, 0], pixels[0, :3, :2].mean(), rtol=1e-5
    )
    # Of five pixels, the middle one is shared by both halves.
    line = np.array([[[1.0], [2.0], [4.0], [8.0], [16.0]]], np.float32).repeat(5, axis=2)
    np.testing.assert_allclose(
        out_of_distribution._pooled(tf.constant(line), 2)[0, :, 0], [(1 + 2 + 2) / 2.5, (2 + 8 + 16) / 2.5]
    )


@pytest.mark.parametrize("size", [32, 96, 220])
def test_a_description_hardly_depends_on_the_size_of_the_image(size):
    """Cells are shares of the image, whatever the number of pixels: one limit means the same at each size."""
    small, large = (
        out_of_distribution.describe(tf.cast(chest(1, edge)[np.newaxis], tf.float32)) for edge in (64, size)
    )
    assert [part.shape[1] for part in large] == [1024, 192, 8]
    assert np.corrcoef(small[0][0], large[0][0])[0, 1] > 0.97


def test_every_signature_says_how_unlike_an_image_is(fitted, scorer_of_size, chests, tmp_path):
    saved_model.save_servable(scorer_of_size, tmp_path, fitted[0])
    signatures = tf.saved_model.load(str(tmp_path / "1")).signatures
    noise = np.random.default_rng(1).integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
    encoded = tf.constant([encode(chests[-1][..., 0]), encode(noise)])
    pixels = batch_from_bytes(encoded, SIZE)
    expected = scored(fitted, pixels.numpy())
    assert expected[0] < 1 < expected[1]
    for name in ("serving_default", "explain", "features"):
        np.testing.assert_allclose(
            signatures[name](image_bytes=encoded)["out_of_distribution_score"], expected, atol=1e-4
        )
    for name in ("score_pixels", "explain_pixels"):
        np.testing.assert_allclose(signatures[name](pixels=pixels)["out_of_distribution_score"], expected, atol=1e-4)
    graph = (tmp_path / "1" / "saved_model.pb").read_bytes()
    axes = fitted[0].normals[0].axes.tobytes()
    assert graph.count(axes[:64]) == 1, "the statistics are in the file once"


@pytest.fixture(scope="module")
def scorer_of_size() -> Any:
    from model_code.network import classifier

    return saved_model.Scorer(
        classifier.build(classifier.Options(image_size=SIZE, backbone="MobileNetV3Small", backbone_weights="none")),
        SIZE,
    )


def test_real_radiographs_of_another_split_are_accepted(radiographs, tmp_path):
    """Fewer than one in a hundred may be refused, though the official test split looks different from train."""
    size = 64
    decode = decoding_graph(size)

    def read(split: str, step: int) -> Any:
        paths = sorted((radiographs / "chest_xray" / split).rglob("*.jpeg"))[::step]
        return [decode(path.read_bytes()).numpy() for path in paths]

    train = write(tmp_path / "train", read("train", 8), size=size)
    real = out_of_distribution.fit(train, write(tmp_path / "validation", read("val", 4), size=size), size)
    test = scored(real, read("test", 1))
    assert (test > 1).mean() < 0.01
    for kind in ("photograph", "text page", "white noise", "drawn hand radiograph"):
        made = [pixels_of(negatives.MADE[kind](np.random.default_rng([4, number])), size) for number in range(8)]
        assert scored(real, made).min() > 1, kind
