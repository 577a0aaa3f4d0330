"""The secondary capture of a saliency map: the radiograph as the model was shown it, in colour under the map.

A capture and not a segmentation: a saliency map delineates nothing, every viewer shows a capture, and a segmentation's
viewers want a frame of reference, which a radiograph need not have. It states no pixel spacing, so that nobody measures
in it, and says in its pixels what it is, because pictures get separated from their header.
"""

from __future__ import annotations

import warnings

import numpy as np
from highdicom.sc import SCImage
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from dicom_results import instance
from dicom_results.result import Result

SERIES_NUMBER = 9101
BANNER = "Saliency map of a research model: no finding, no diagnosis"
_COPIED = (
    *("BodyPartExamined", "BurnedInAnnotation"),
    *("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"),
)


def make(reference: Dataset, result: Result, picture: Image.Image) -> bytes:
    """The capture's file, RGB, uncompressed.

    Args:
        picture: the upright radiograph with the map over it, RGB, of any size.
    """
    pixels = np.asarray(_with_banner(picture))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what pydicom warns of quotes the patient's attributes
        made = SCImage.from_ref_dataset(
            ref_dataset=reference,
            pixel_array=pixels,
            photometric_interpretation="RGB",
            bits_allocated=8,
            coordinate_system="PATIENT",
            patient_orientation=("L", "F"),  # highdicom demands one, see below
            transfer_syntax_uid=ExplicitVRLittleEndian,
            series_number=SERIES_NUMBER,
            series_description="Saliency map, research only",
            **instance.arguments(reference, result, "saliency map"),
        )
        made.DateOfSecondaryCapture, made.TimeOfSecondaryCapture = made.ContentDate, made.ContentTime
        made.PatientOrientation = _orientation(reference)
        made.SourceImageSequence = [_source(reference)]
        if "BodyPartExamined" not in reference:
            made.Laterality = ""  # type 2C, where nobody says that the body part is none of a pair (C.7.3.1)
        for name in _COPIED:
            if name in reference:
                made[name] = reference[name]
        return instance.finish(made, reference, result)


def _with_banner(picture: Image.Image) -> Image.Image:
    """The picture with a line of text below it, so that nothing of it is covered."""
    font = ImageFont.load_default(size=max(9, picture.width // 36))
    left, top, right, bottom = font.getbbox(BANNER)
    height = round(2 * (bottom - top))
    made = Image.new("RGB", (max(picture.width, round(right - left)), picture.height + height))
    made.paste(picture, ((made.width - picture.width) // 2, 0))
    middle = (made.width / 2, picture.height + height / 2)
    ImageDraw.Draw(made).text(middle, BANNER, font=font, fill=(255, 255, 255), anchor="mm")
    return made


def _orientation(reference: Dataset) -> list[str]:
    """Directions of rows and columns of the picture: it was turned upright where the radiograph says how it lies.

    Empty where that is not known (type 2C; PS3.3, C.7.6.1.1.1).
    """
    stated = list(reference.PatientOrientation or [])
    return ["L", "F"] if len(stated) == 2 and {*stated} in ({"L", "F"}, {"L", "H"}, {"R", "F"}, {"R", "H"}) else []


def _source(reference: Dataset) -> Dataset:
    source = Dataset()
    source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = reference.SOPClassUID, reference.SOPInstanceUID
    return source
