"""Real radiographs for the benchmarks: a folder in the layout of the Kermany data set, and shards made of it."""

from __future__ import annotations

import argparse
import os
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from model_code.contract.labels import LABELS
from model_code.data.patient_split import Radiograph
from model_code.data.shards import write_shards
from model_code.imaging.decoding import pixels_from_bytes


def parser(description: str | None) -> argparse.ArgumentParser:
    """A command line with the option that all benchmarks share."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument(
        "--radiographs",
        type=Path,
        default=os.environ.get("CXR_RADIOGRAPHS"),
        required="CXR_RADIOGRAPHS" not in os.environ,
        help="folder with chest_xray/{train,test} and chest_xray_original, each with NORMAL and PNEUMONIA "
        "(default: CXR_RADIOGRAPHS)",
    )
    return options


def chosen(folder: Path, count: int, *, seed: int = 1) -> list[Path]:
    """So many images of a folder with one folder per label, in the labels' proportion, or all if there are fewer."""
    paths = sorted(path for label in LABELS for path in (folder / label).iterdir())
    random.Random(seed).shuffle(paths)  # noqa: S311 - a sample, no secret
    return sorted(paths[:count])


def folder_of(paths: Sequence[Path], directory: Path, *, copies: int = 1) -> Path:
    """A folder with one folder per label that holds just these images, as Keras' loaders want it.

    Args:
        paths: images below a folder that is named like their label.
        directory: is made, and filled.
        copies: how often each is written, where there are too few for an epoch worth timing.
    """
    for path in paths:
        for copy in range(copies):
            target = directory / path.parent.name / f"{copy}-{path.name}"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    return directory


def shards_of(paths: Sequence[Path], directory: Path, size: int, *, copies: int = 1) -> Path:
    """The images as preprocessing leaves them, in four shards.

    Args:
        size: edge of the images in pixels; the others are as of `folder_of`.
    """
    directory.mkdir(parents=True)
    decode = tf.function(
        lambda encoded: pixels_from_bytes(encoded, size), input_signature=[tf.TensorSpec((), tf.string)]
    )
    order = [path for _ in range(copies) for path in paths]
    random.Random(1).shuffle(order)  # noqa: S311 - as above
    images = (
        (Radiograph(path.name, path.parent.name, "train", path.stem, "", "", index), decode(path.read_bytes()))
        for index, path in enumerate(order)
    )
    write_shards(directory, "train", ((image, pixels.numpy().tobytes()) for image, pixels in images), 4)
    return directory
