"""A saliency overlay stretched over its radiograph, as a picture to look at."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, cast

from ops.api.image_files import OVERLAY_END, OVERLAY_MARK
from ops.base.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from PIL import Image


def file_names(paths: Iterable[Path]) -> dict[Path, str]:
    """A name for each file's picture that no other has: with its folder where two files are called alike."""
    listed = list(paths)
    names = [path.name for path in listed]
    found: dict[Path, str] = {}
    taken: set[str] = set()
    for path in listed:
        name = path.name if names.count(path.name) == 1 else f"{path.resolve().parent.name}-{path.name}"
        number = 2
        unique = name
        while unique in taken:
            unique = f"{number}-{name}"
            number += 1
        taken.add(unique)
        found[path] = unique + OVERLAY_END
    return found


def blend(radiograph: bytes, overlay: bytes) -> bytes:
    """The radiograph with the heat map over it, as a PNG marked as what it is; see `compose`."""
    from PIL import PngImagePlugin  # noqa: PLC0415 - only for those who ask for overlays

    picture, mark = io.BytesIO(), PngImagePlugin.PngInfo()
    mark.add_text(*OVERLAY_MARK)
    compose(radiograph, overlay).save(picture, format="PNG", pnginfo=mark)
    return picture.getvalue()


def compose(radiograph: bytes, overlay: bytes) -> Image.Image:
    """The radiograph with the heat map over it.

    Args:
        radiograph: a JPEG or PNG file; it is turned upright as its EXIF orientation says, as the model saw it.
        overlay: a PNG of red, green, blue and alpha, of any size.

    Returns:
        A picture of the radiograph's size, RGB.

    Raises:
        CommandError: Pillow can decode one of the two not at all.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError  # noqa: PLC0415 - only for those who ask for overlays

    try:
        with Image.open(io.BytesIO(radiograph)) as opened, Image.open(io.BytesIO(overlay)) as heat:
            below = _eight_bits(ImageOps.exif_transpose(opened)).convert("RGBA")
            above = heat.convert("RGBA").resize(below.size, Image.Resampling.BILINEAR)
    except (UnidentifiedImageError, OSError) as error:
        raise CommandError(f"The overlay cannot be drawn: {str(error).rstrip('.')}.") from error
    return Image.alpha_composite(below, above).convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Gray of 16 bits brought to 8, as the model is shown it: by the bits that the largest value needs, at least 8.

    Pillow's own conversion would cut off everything above 255.
    """
    if image.mode.startswith("I;16"):
        _, largest = cast("tuple[int, int]", image.getextrema())  # of one band
        bits = max(largest.bit_length(), 8)
        return image.point(lambda value: value / 2 ** (bits - 8)).convert("L")
    return image
