"""Distances between copies of a radiograph, and between radiographs of different patients.

    python -m benchmarks.data.near_duplicates --radiographs ../shared/data

The margins in the docstring of `model_code.data.leakage`: bits of the perceptual hash that differ, and correlation of
the thumbnails, for the nearest pairs of all radiographs and for re-encoded copies of all originals and 500 others.
"""

from __future__ import annotations

import io
import random
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from benchmarks.data.radiographs import parser
from model_code.archive.file_names import patient_of
from model_code.data.leakage import MAX_BITS, MIN_CORRELATION
from model_code.imaging import perceptual_hash
from model_code.imaging.decoding import pixels_from_bytes

SIZE = 220


def _jpeg(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _scaled(image: Image.Image, factor: float, method: Image.Resampling) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)), method)


def _cropped(image: Image.Image, share: float) -> Image.Image:
    x, y = round(share * image.width), round(share * image.height)
    return image.crop((x, y, image.width - x, image.height - y))


COPIES: dict[str, Callable[[Image.Image], bytes]] = {
    "JPEG quality 30": lambda image: _jpeg(image, 30),
    "JPEG quality 95": lambda image: _jpeg(image, 95),
    "PNG": _png,
    "half size, nearest pixel, quality 50": lambda image: _jpeg(_scaled(image, 0.5, Image.Resampling.NEAREST), 50),
    "a third of the size, quality 70": lambda image: _jpeg(_scaled(image, 1 / 3, Image.Resampling.LANCZOS), 70),
    "twice the size, quality 85": lambda image: _jpeg(_scaled(image, 2, Image.Resampling.BICUBIC), 85),
    "256 x 256, quality 75": lambda image: _jpeg(image.resize((256, 256)), 75),
    "gamma 0.8, quality 80": lambda image: _jpeg(image.point(lambda grey: int(255 * (grey / 255) ** 0.8)), 80),
    "without the outer 1 %": lambda image: _jpeg(_cropped(image, 0.01), 80),
    "without the outer 2 %": lambda image: _jpeg(_cropped(image, 0.02), 80),
    "turned by 1 degree": lambda image: _jpeg(image.rotate(1, Image.Resampling.BILINEAR), 80),
}


def fingerprints(contents: Iterable[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Hashes and thumbnails as `model_code.imaging.perceptual_hash` compares them."""
    decode = tf.function(
        lambda encoded: pixels_from_bytes(encoded, SIZE), input_signature=[tf.TensorSpec((), tf.string)]
    )
    found = [perceptual_hash.fingerprint(decode(content).numpy()[:, :, 0]) for content in contents]
    known = perceptual_hash.Fingerprints.room(len(found))
    for index, fingerprint_pair in enumerate(found):
        known.put(index, fingerprint_pair)
    return perceptual_hash.bits(known.hashes), perceptual_hash.directions(known.thumbnails)


def main() -> None:
    """The command line."""
    options = parser(__doc__).parse_args()
    paths = sorted(options.radiographs.rglob("*.jpeg"))
    patients = np.asarray([patient_of(path.name, fallback=str(path))[0] for path in paths])
    bits, directions = fingerprints(path.read_bytes() for path in paths)
    started = time.perf_counter()
    differing = (perceptual_hash.HASH_BITS - bits @ bits.T) / 2
    correlations = directions @ directions.T
    pairs = np.triu(np.ones_like(differing, dtype=bool), 1)
    strangers = pairs & (patients[:, np.newaxis] != patients)
    print(f"{len(paths):,} radiographs, {pairs.sum():,} pairs compared in {time.perf_counter() - started:.1f} s")
    print(f"{(pairs & (differing <= MAX_BITS)).sum():,} pairs within {MAX_BITS} bits\n")
    print("| | bits that differ | correlation | found |\n| --- | --- | --- | --- |")
    found = strangers & (differing <= MAX_BITS) & (correlations >= MIN_CORRELATION)
    print(
        f"| different patients, nearest pair | {differing[strangers].min():.0f} | {correlations[strangers].max():.4f} "
        f"| {found.sum()} pairs |"
    )

    chosen = [index for index, path in enumerate(paths) if _original(path)]
    others = sorted(set(range(len(paths))) - set(chosen))
    chosen += sorted(random.Random(1).sample(others, min(500, len(others))))  # noqa: S311 - a sample, no secret
    for title, copy in COPIES.items():
        changed, turned = fingerprints(copy(Image.open(paths[index]).convert("L")) for index in chosen)
        away = (perceptual_hash.HASH_BITS - (changed * bits[chosen]).sum(axis=1)) / 2
        like = (turned * directions[chosen]).sum(axis=1)
        share = ((away <= MAX_BITS) & (like >= MIN_CORRELATION)).mean()
        print(f"| {title} | at most {away.max():.0f} | at least {like.min():.4f} | {share:.1%} |")


def _original(path: Path) -> bool:
    return "chest_xray_original" in path.parts


if __name__ == "__main__":
    main()
