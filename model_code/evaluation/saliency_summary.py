"""Summary of the saliency maps of a test split: their averages, the border's share, whether they differ."""

from __future__ import annotations

from typing import Any

import numpy as np

from model_code.contract.labels import LABELS
from model_code.statistics.metrics import Array

# Part of the edge on each side that counts as border: markers, collimation and the table are mostly there. Two maxima
# this far apart, or less, lie at the same place.
BORDER = 0.1
# Of fewer maps nothing is said: some few lie at one place by chance.
FEWEST_MAPS = 20
_ROWS, _COLUMNS = ("upper", "middle", "lower"), ("left", "centre", "right")


class SaliencySummary:
    """Adds maps up batch by batch.

    Args:
        size: edge of the maps in pixels.
        cells: places along each edge that a map tells apart; see `contract.documents.map_cells`.
    """

    def __init__(self, size: int, cells: int) -> None:
        self._size, self._cells = size, cells
        self._sums = np.zeros((len(LABELS), size, size))
        self._shares: dict[int, list[float]] = {label: [] for label in range(len(LABELS))}
        self._images = np.zeros(len(LABELS))
        self._empty = np.zeros(len(LABELS))
        self._maxima: list[tuple[float, float]] = []
        inner = slice(round(BORDER * size), size - round(BORDER * size))
        self._border = np.ones((size, size), dtype=bool)
        self._border[inner, inner] = False

    def add(self, labels: Array, predicted: Array, saliency: Array) -> None:
        """Add a batch: labels (n,), which are predicted PNEUMONIA (n,), and maps (n, size, size)."""
        for label, positive, saliency_map in zip(labels.astype(int), predicted.astype(bool), saliency, strict=True):
            self._sums[label] += saliency_map
            self._images[label] += 1
            if not saliency_map.any():
                self._empty[label] += 1
                continue
            self._shares[label].append(float(saliency_map[self._border].sum() / saliency_map.sum()))
            if positive:
                row, column = np.unravel_index(int(saliency_map.argmax()), saliency_map.shape)
                self._maxima.append((float(row / self._size), float(column / self._size)))

    @property
    def means(self) -> tuple[Array, Array]:
        """Each label's average map (2, size, size), and of how many images (2,)."""
        return self._sums / np.maximum(self._images, 1)[:, np.newaxis, np.newaxis], self._images

    def as_json(self) -> dict[str, Any]:
        """The summary in evaluation.json.

        Returns:
            "cells"; "images" and "empty", by label, how many there were and how many had an empty map; "border" and
            "border_area", the border's width and its share of the image; "border_share", by label, the share of
            saliency in it, averaged over the images that have any; None for a label without, and for maps whose cells
            are wider than the border, since interpolation then spreads each over it whatever the network saw;
            "same_place": of images predicted PNEUMONIA whose map is not empty, how many there are ("maps"), the
            greatest share whose maximum lies within `BORDER` of one place ("share", None with fewer than
            `FEWEST_MAPS`), and where that is ("place").
        """
        told = self._cells * BORDER >= 1
        return {
            "cells": self._cells,
            "images": {name: int(count) for name, count in zip(LABELS, self._images, strict=True)},
            "empty": {name: int(count) for name, count in zip(LABELS, self._empty, strict=True)},
            "border": BORDER,
            "border_area": float(self._border.mean()),
            "border_share": {
                name: float(np.mean(self._shares[label])) if told and self._shares[label] else None
                for label, name in enumerate(LABELS)
            },
            "same_place": self._same_place(),
        }

    def _same_place(self) -> dict[str, Any]:
        if len(self._maxima) < FEWEST_MAPS:
            return {"maps": len(self._maxima), "share": None, "place": None}
        # Many lie at the very same point: distances are taken between the points there are.
        points, counts = np.unique(np.asarray(self._maxima), axis=0, return_counts=True)
        near = np.asarray([counts[np.hypot(*(points - point).T) <= BORDER].sum() for point in points])
        best = int(near.argmax())
        row, column = (min(int(3 * value), 2) for value in points[best])
        return {
            "maps": len(self._maxima),
            "share": float(near[best] / len(self._maxima)),
            "place": place_name(row, column),
        }


def place_name(row: int, column: int) -> str:
    """A place in a grid of three by three, as seen in the image."""
    return "centre" if row == column == 1 else f"{_ROWS[row]} {_COLUMNS[column]}"
