"""Pictures of saliency overlays over their radiographs, and the names of their files."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

from ops.api.image_files import OVERLAY_END, OVERLAY_MARK
from ops.base.errors import CommandError


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
    """The radiograph with the heat map over it, as a PNG marked as what it is; see `compose`.

    Raises:
        CommandError: Pillow can decode one of the two not at all.
    """
    from PIL import PngImagePlugin  # noqa: PLC0415 - only for those who ask for overlays

    from dicom_results.overlay import compose  # noqa: PLC0415

    picture, mark = io.BytesIO(), PngImagePlugin.PngInfo()
    mark.add_text(*OVERLAY_MARK)
    try:
        compose(radiograph, overlay).save(picture, format="PNG", pnginfo=mark)
    except OSError as error:
        raise CommandError(f"The overlay cannot be drawn: {str(error).rstrip('.')}.") from error
    return picture.getvalue()
