"""Shards for training, written without the preprocessing that usually makes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from model_code.contract.labels import LABELS
from model_code.data.patient_split import Radiograph


def write_split(directory: Path, split: str, count: int, size: int, *, seed: int = 1) -> None:
    """Two shards of noise images, half of them NORMAL and darker, half PNEUMONIA and brighter; one patient each."""
    from model_code.data.shards import write_shards

    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    images = []
    for number in range(count):
        label = number // 2 % 2  # dealt out to two shards by turns: both hold both labels
        pixels = np.clip(rng.normal(110 + 30 * label, 40, (size, size)), 0, 255).astype(np.uint8)
        name = f"{split}{number}"
        image = Radiograph(f"{name}.png", LABELS[label], split, name, "", name, number, size, size)
        images.append((image, pixels.tobytes()))
    write_shards(directory, split, images, 2)
