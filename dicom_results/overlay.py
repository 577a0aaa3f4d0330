"""A saliency overlay stretched over its radiograph, as a picture to look at."""

from __future__ import annotations

import io
from typing import cast

from PIL import Image

from model_code.contract import images


def compose(radiograph: bytes, overlay: bytes) -> Image.Image:
    """The radiograph with the heat map over it.

    Args:
        radiograph: a JPEG or PNG file; it is turned upright as its EXIF orientation says, as the model saw it.
        overlay: a PNG of red, green, blue and alpha, of any size.

    Returns:
        A picture of the radiograph's size, RGB.

    Raises:
        OSError: Pillow can decode one of the two not at all.
    """
    with Image.open(io.BytesIO(radiograph)) as opened, Image.open(io.BytesIO(overlay)) as heat:
        below = _eight_bits(_upright(opened, radiograph)).convert("RGBA")
        above = heat.convert("RGBA").resize(below.size, Image.Resampling.BILINEAR)
    return Image.alpha_composite(below, above).convert("RGB")


def _upright(opened: Image.Image, radiograph: bytes) -> Image.Image:
    """Turned as the model saw it: Pillow itself turns by XMP and by texts of other programs too."""
    turn = images.TURNS.get(images.orientation(radiograph))
    return opened.transpose(Image.Transpose[turn]) if turn else opened


def _eight_bits(image: Image.Image) -> Image.Image:
    """Gray of 16 bits brought to 8, as the model is shown it: by the bits that the largest value needs, at least 8.

    Pillow's own conversion would cut off everything above 255.
    """
    if image.mode.startswith("I;16"):
        _, largest = cast("tuple[int, int]", image.getextrema())  # of one band
        bits = max(largest.bit_length(), 8)
        return image.point(lambda value: value / 2 ** (bits - 8)).convert("L")
    return image
