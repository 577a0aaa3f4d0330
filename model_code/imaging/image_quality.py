"""Image quality checks before training: enough pixels along each edge, and enough contrast."""

from __future__ import annotations

import numpy as np

from model_code.imaging.perceptual_hash import THUMBNAIL, Pixels

MAX_ENLARGEMENT = 2
"""A shorter edge is enlarged at most so many times. Beyond, most of what the network sees is made up between pixels,
and such files are mostly icons of the radiographs beside them. 80 of Kermany's originals have 521 pixels and more."""
MIN_EDGE = THUMBNAIL
"""With fewer pixels, the thumbnails that tell near-duplicates apart would be made up too."""
MIN_CONTRAST = 8
"""Radiographs reach over more than 100 of 255 levels; what reaches over fewer than these is a blank, or was black
before it was encoded."""
# They leave out a marker's few pixels.
_CONTRAST_PERCENTILES = (1, 99)


def check_edges(width: int, height: int, size: int) -> None:
    """Refuse a picture of too few pixels.

    Args:
        width: of the file, in pixels.
        height: likewise.
        size: edge of what it is resized to.

    Raises:
        ValueError: the reason, as the end of a sentence about the file.
    """
    least = max(MIN_EDGE, -(-size // MAX_ENLARGEMENT))
    if min(width, height) < least:
        raise ValueError(
            f"it has {width} x {height} pixels, where ImageSize {size} needs {least} along each edge: send it as it "
            "was taken, or choose a smaller ImageSize"
        )


def check_contrast(pixels: Pixels) -> None:
    """Refuse a picture in which there is nothing to see.

    Raises:
        ValueError: the reason, as the end of a sentence about the file.
    """
    darkest, lightest = np.percentile(pixels, _CONTRAST_PERCENTILES)
    if lightest - darkest < MIN_CONTRAST:
        raise ValueError(
            f"it is nearly uniform: 98 % of its pixels lie within {lightest - darkest:.0f} of 255 grey levels, around "
            f"{np.median(pixels):.0f}"
        )
