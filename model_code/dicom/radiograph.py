"""Rendering of a DICOM radiograph as an upright grey picture, the same for training and the API.

Nothing here or below knows of Lambda: numpy, Pillow, pydicom and imagecodecs are all that is needed.
"""

from __future__ import annotations

import warnings

from model_code.dicom import picture
from model_code.dicom.grey import Grey, grey_levels, needs_every_pixel
from model_code.dicom.header import Header
from model_code.dicom.pixels import stored_values
from model_code.dicom.refusal import Refusal, damaged


def draw(header: Header) -> Grey:
    """The upright picture with square pixels, at most `picture.MAX_EDGE` long, and how its grey came about.

    Raises:
        Refusal: undecodable_image.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's quote values
            shown = _grey(header)
            return Grey(picture.draw(shown.levels, header), shown.rendering)
    except Refusal:
        raise
    except Exception as error:  # a caller would log a message that quotes the file
        raise damaged("it cannot be converted.") from error


def _grey(header: Header) -> Grey:
    halvings = 0 if needs_every_pixel(header) else picture.halvings(header)
    shown = grey_levels(stored_values(header, halvings=halvings), header)
    if halvings and shown.rendering == "full_range":
        # Its window shows nothing of it. The lowest and highest value are those of single pixels.
        shown = grey_levels(stored_values(header), header)
    return shown
