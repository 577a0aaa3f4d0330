"""Fingerprints stay when an image is compressed or resized, and differ between images."""

from __future__ import annotations

import base64
import dataclasses

import numpy as np
import pytest

from model_code.imaging import perceptual_hash
from tests.model_code.support.data_steps import chest


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global pixels_from_bytes
    from model_code.imaging.decoding import pixels_from_bytes


def pixels(content, size):
    return pixels_from_bytes(content, size).numpy()[:, :, 0]


def fingerprints(images):
    known = perceptual_hash.Fingerprints.room(len(images))
    for index, one in enumerate(images):
        known.put(index, perceptual_hash.fingerprint(one))
    return known


@pytest.mark.parametrize("size", [32, 50, 220])
def test_a_copy_is_recognised_and_another_image_is_not(size):
    images = [chest(1), chest(1, size=(150, 200), quality=40), chest(1, format_="PNG"), chest(2)]
    images = [pixels(content, size) for content in images]
    known = fingerprints(images)
    bits, directions = perceptual_hash.bits(known.hashes), perceptual_hash.directions(known.thumbnails)
    assert bits.shape == (4, 256)
    assert directions.shape == (4, 1024)
    differing = (256 - bits @ bits[0]) / 2
    correlations = directions @ directions[0]
    assert correlations[0] == pytest.approx(1)
    assert (differing[1:3] <= 16).all()
    assert (correlations[1:3] > 0.99).all()
    assert differing[3] > 64
    assert correlations[3] < 0.9


def test_a_thumbnail_is_the_mean_of_its_cells():
    ramp = np.repeat(np.arange(64, dtype=np.uint8)[np.newaxis], 64, axis=0)
    row = np.frombuffer(base64.b64decode(perceptual_hash.thumbnail(ramp)), np.uint8).reshape(32, 32)[7]
    np.testing.assert_array_equal(row, np.rint(np.arange(32) * 2 + 0.5))


def test_an_image_without_contrast_is_like_nothing():
    directions = perceptual_hash.directions(fingerprints([np.full((64, 64), 90, np.uint8)] * 2).thumbnails)
    assert not (directions @ directions.T).any()
    assert perceptual_hash.directions(fingerprints([]).thumbnails).shape == (0, 1024)


def test_what_is_no_fingerprint_is_refused():
    known, whole = perceptual_hash.Fingerprints.room(1), perceptual_hash.fingerprint(np.eye(32, dtype=np.uint8))
    for wrong in ({"hash": whole.hash[2:]}, {"hash": "no hash"}, {"thumbnail": whole.thumbnail[4:]}):
        with pytest.raises(ValueError, match=r"."):
            known.put(0, dataclasses.replace(whole, **wrong))


def test_the_border_is_reported_side_by_side():
    image = np.zeros((40, 40), np.uint8)
    image[:2] = 10
    image[-2:] = 20
    image[2:-2, -1] = 200
    assert perceptual_hash.border(image)[:4] == (10.0, 0.0, 20.0, 0.0)
    left, right = perceptual_hash.border(image)[4], perceptual_hash.border(image)[6]
    assert left == pytest.approx(1.5)
    assert right == pytest.approx(1.5 + 90)
