"""The join finds what comparing every pair finds, whatever the images, and takes little memory where all are alike."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from model_code.data import similarity_join
from model_code.imaging import perceptual_hash
from model_code.imaging.perceptual_hash import HASH_BITS, Fingerprints

LIMITS = {"max_bits": 32, "min_correlation": 0.99}


def joined(fingerprints, groups):
    found = list(similarity_join.join(fingerprints, groups, **LIMITS))
    pairs = [
        (*sorted((int(first), int(second))), float(correlation))
        for some in found
        for first, second, correlation in zip(some.first, some.second, some.correlation, strict=True)
    ]
    assert len({pair[:2] for pair in pairs}) == len(pairs), "a pair was found twice"
    return {pair[:2]: pair[2] for pair in pairs}


def every_pair(fingerprints, groups):
    """The definition: all pairs of the group, or of two groups, compared in full."""
    bits = perceptual_hash.bits(fingerprints.hashes)
    directions = perceptual_hash.directions(fingerprints.thumbnails)
    alike = ((HASH_BITS - bits @ bits.T) / 2 <= LIMITS["max_bits"]) & (
        directions @ directions.T >= LIMITS["min_correlation"]
    )
    group = np.full(len(fingerprints), -1)
    for number, members in enumerate(groups):
        group[members] = number
    asked = (group[:, np.newaxis] >= 0) & (group >= 0)
    asked &= np.triu(np.ones_like(asked), 1)
    if len(groups) > 1:
        asked &= group[:, np.newaxis] != group
    return {(int(one), int(other)) for one, other in np.argwhere(alike & asked)}


def smooth(rng, count):
    """Images of low frequencies, as different as radiographs are."""
    x = np.arange(32) / 32
    waves = np.stack([np.cos(np.pi * k * x) for k in range(6)])
    grey = np.einsum("nab,ai,bj->nij", rng.normal(size=(count, 6, 6)), waves, waves)
    low, high = grey.min(axis=(1, 2), keepdims=True), grey.max(axis=(1, 2), keepdims=True)
    return np.rint(255 * (grey - low) / (high - low)).astype(np.uint8)


def changed(rng, pixels, noise):
    return np.clip(pixels.astype(int) + rng.integers(-noise, noise + 1, pixels.shape), 0, 255).astype(np.uint8)


def fingerprints_of(images, hashes=None):
    known = Fingerprints.room(len(images))
    for index, pixels in enumerate(images):
        known.put(index, perceptual_hash.fingerprint(pixels))
    return known if hashes is None else Fingerprints(hashes, known.thumbnails)


def copies(rng):
    originals = smooth(rng, 120)
    return fingerprints_of(np.concatenate([originals, *(changed(rng, originals, noise) for noise in (1, 4, 12, 30))]))


def clusters(rng):
    """A few pictures many times each, so that blocks are full of pairs."""
    return fingerprints_of(changed(rng, np.repeat(smooth(rng, 3), 80, axis=0), 2))


def identical(rng):
    return fingerprints_of(np.repeat(smooth(rng, 1), 150, axis=0))


def blanks(rng):
    """Without contrast, or with one grey level in one cell: the latter are directions, and far apart."""
    flat = np.repeat(rng.integers(0, 256, (300, 1, 1), dtype=np.uint8), 32, axis=1).repeat(32, axis=2)
    speck = flat[:100].copy()
    speck[np.arange(100), rng.integers(0, 32, 100), rng.integers(0, 32, 100)] ^= 1
    return fingerprints_of(np.concatenate([flat, speck, smooth(rng, 50)]))


def noise(rng):
    """Near each other on any few axes, and like nothing."""
    return fingerprints_of(rng.integers(0, 256, (400, 32, 32), dtype=np.uint8))


def same_hash(rng):
    images = smooth(rng, 200)
    return fingerprints_of(np.concatenate([images, changed(rng, images, 4)]), hashes=np.zeros((400, 32), np.uint8))


def same_thumbnail(rng):
    """Hashes as near and as far as the limit: 0 to 63 bits from the first."""
    hashes = np.zeros((500, HASH_BITS), np.uint8)
    for row, bits in zip(hashes, rng.integers(0, 64, 500), strict=True):
        row[rng.permutation(HASH_BITS)[:bits]] = 1
    return fingerprints_of(np.repeat(smooth(rng, 1), 500, axis=0), hashes=np.packbits(hashes, axis=1))


def at_the_limit(rng):
    """Correlations around 0.99, in steps as small as grey levels allow."""
    base = smooth(rng, 1)[0].astype(float)
    other = smooth(rng, 1)[0] - 128.0
    return fingerprints_of(
        [np.clip(np.rint(base + share * other), 0, 255).astype(np.uint8) for share in np.linspace(0, 1, 300)]
    )


SETS = [copies, clusters, identical, blanks, noise, same_hash, same_thumbnail, at_the_limit]


@pytest.mark.parametrize("made", SETS, ids=lambda made: made.__name__)
@pytest.mark.parametrize("seed", [1, 2])
def test_exactly_the_pairs_of_the_definition_are_found(made, seed, monkeypatch):
    # Small blocks, so that a few hundred images have many, and chunks of them.
    monkeypatch.setattr(similarity_join, "_ROWS", 16)
    monkeypatch.setattr(similarity_join, "_COLUMNS", 100)
    rng = np.random.default_rng(seed)
    fingerprints = made(rng)
    order = rng.permutation(len(fingerprints))
    one = [order[: len(order) * 9 // 10]]
    several = np.split(order, [len(order) // 2, len(order) * 3 // 4])
    for groups in (one, several):
        found = joined(fingerprints, groups)
        assert set(found) == every_pair(fingerprints, groups)
        assert all(correlation >= LIMITS["min_correlation"] for correlation in found.values())


def test_the_sets_have_pairs_to_find():
    """Or the comparison above would hold for a join that finds nothing."""
    counts = {made: len(every_pair(known := made(np.random.default_rng(1)), [np.arange(len(known))])) for made in SETS}
    assert counts[noise] == 0
    assert all(count > 0 for made, count in counts.items() if made is not noise), counts
    assert counts[at_the_limit] < 300 * 299 / 2


@pytest.mark.parametrize("groups", [[], [[]], [[], []], [[], [0, 1]], [[0]]])
def test_few_or_no_images_have_no_pairs(groups):
    fingerprints = fingerprints_of(smooth(np.random.default_rng(1), 2))
    assert joined(fingerprints, [np.asarray(group, np.intp) for group in groups]) == {}


def test_memory_does_not_grow_with_the_pairs_that_are_looked_at():
    """5,000 images of one picture whose hashes tell them apart: 12 million pairs to refuse, 200 MB of their numbers."""
    rng = np.random.default_rng(1)
    thumbnails = np.repeat(smooth(rng, 1).reshape(1, -1), 5000, axis=0)
    fingerprints = Fingerprints(rng.integers(0, 256, (5000, 32), dtype=np.uint8), thumbnails)
    tracemalloc.start()
    assert joined(fingerprints, [np.arange(5000)]) == {}
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 150e6


def test_how_many_pairs_are_looked_at_hardly_depends_on_how_many_there_are(monkeypatch):
    """Of images as different as radiographs, most blocks are too far apart to be compared."""
    compared = []
    near = similarity_join._near
    monkeypatch.setattr(
        similarity_join,
        "_near",
        lambda one, other, *rest: (compared.append(len(one) * len(other)), near(one, other, *rest))[1],
    )
    thumbnails = smooth(np.random.default_rng(1), 6_000).reshape(-1, 32 * 32)
    fingerprints = Fingerprints(np.zeros((6_000, 32), np.uint8), thumbnails)
    list(similarity_join.join(fingerprints, [np.arange(6_000)], **LIMITS))
    assert sum(compared) < 0.7 * 6_000**2 / 2
