"""Perceptual hash, thumbnail and border statistics of an image, for near-duplicates and shortcut probes."""

from __future__ import annotations

import base64
import dataclasses

import numpy as np
import numpy.typing as npt

HASH_BITS = 256
THUMBNAIL = 32
_HASH_ROWS = 16
_BORDER = 2

Pixels = npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class Fingerprint:
    """Fingerprint of one image, as text: see `perceptual_hash` and `thumbnail`."""

    hash: str
    thumbnail: str


@dataclasses.dataclass(frozen=True)
class Fingerprints:
    """Fingerprints of many images, 1,056 bytes each.

    Attributes:
        hashes: uint8 (n, 32), the bits packed.
        thumbnails: uint8 (n, 1024), grey levels.
    """

    hashes: npt.NDArray[np.uint8]
    thumbnails: npt.NDArray[np.uint8]

    @classmethod
    def room(cls, count: int) -> Fingerprints:
        """Room for so many, to be filled by `put`."""
        return cls(np.empty((count, HASH_BITS // 8), np.uint8), np.empty((count, THUMBNAIL**2), np.uint8))

    def put(self, index: int, new: Fingerprint) -> None:
        """Keep an image's in its place.

        Raises:
            ValueError: it is no hash, or no thumbnail.
        """
        self.hashes[index] = np.frombuffer(bytes.fromhex(new.hash), np.uint8)
        self.thumbnails[index] = np.frombuffer(base64.b64decode(new.thumbnail, validate=True), np.uint8)

    def at(self, indices: npt.NDArray[np.intp]) -> Fingerprints:
        """Fingerprints at some indices, in the order given."""
        return Fingerprints(self.hashes[indices], self.thumbnails[indices])

    def __len__(self) -> int:
        """Number of fingerprints."""
        return len(self.hashes)


def fingerprint(pixels: Pixels) -> Fingerprint:
    """Hash and thumbnail of an image, uint8 (size, size), size at least 32."""
    return Fingerprint(perceptual_hash(pixels), thumbnail(pixels))


def perceptual_hash(pixels: Pixels) -> str:
    """A difference hash (dHash): which of 16 x 16 grey cells are brighter than their neighbour to the left?

    Args:
        pixels: uint8 (size, size), size at least 32.

    Returns:
        256 bits as 64 hexadecimal digits.
    """
    cells = _cells(pixels, _HASH_ROWS, HASH_BITS // _HASH_ROWS + 1)
    return np.packbits(cells[:, 1:] > cells[:, :-1]).tobytes().hex()


def bits(hashes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Packed hashes (n, 32) as rows of -1 and 1, (n, 256): two rows' product is 256 less twice the bits that differ."""
    return np.unpackbits(hashes, axis=1).astype(np.float32) * 2 - 1


def thumbnail(pixels: Pixels) -> str:
    """The image as 32 x 32 mean grey levels, row by row, in base64.

    Args:
        pixels: uint8 (size, size), size at least 32.
    """
    cells = np.rint(_cells(pixels, THUMBNAIL, THUMBNAIL)).astype(np.uint8)
    return base64.b64encode(cells.tobytes()).decode("ascii")


def directions(thumbnails: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Thumbnails as rows without their mean and of length 1, (n, 1024): the product of two rows is their correlation.

    A row of an image without any contrast is all 0: it correlates with nothing.
    """
    levels = thumbnails.astype(np.float32)
    levels -= levels.mean(axis=1, keepdims=True)
    return np.asarray(levels / np.maximum(np.linalg.norm(levels, axis=1, keepdims=True), 1e-6), dtype=np.float32)


def border(pixels: Pixels) -> tuple[float, ...]:
    """Mean and standard deviation of the outermost two rows or columns at the top, the bottom, the left, the right.

    Args:
        pixels: uint8 (size, size).
    """
    sides = (pixels[:_BORDER], pixels[-_BORDER:], pixels[:, :_BORDER], pixels[:, -_BORDER:])
    return tuple(round(float(value), 2) for side in sides for value in (side.mean(), side.std()))


def _cells(pixels: Pixels, rows: int, columns: int) -> npt.NDArray[np.float64]:
    """Mean grey levels of so many rows and columns of cells, as equal as whole pixels allow."""
    top = np.arange(rows) * pixels.shape[0] // rows
    left = np.arange(columns) * pixels.shape[1] // columns
    sums = np.add.reduceat(np.add.reduceat(pixels, top, axis=0, dtype=np.uint32), left, axis=1)
    heights = np.diff(top, append=pixels.shape[0])
    widths = np.diff(left, append=pixels.shape[1])
    return np.asarray(sums / (heights[:, np.newaxis] * widths), dtype=np.float64)
