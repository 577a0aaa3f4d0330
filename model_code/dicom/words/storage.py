"""Names of what picture archives store beside radiographs, by storage class and by how an image was captured."""

from __future__ import annotations

# PS3.4, annex B.5 and I.4; PS3.10, 8.6.
NO_IMAGES = {
    "1.2.840.10008.1.3.10": "a DICOMDIR, the index of a medium",
    "1.2.840.10008.5.1.4.1.1.104.1": "a PDF document",
}
# What else lies beside images in a series, by the beginning of its storage class; some programs write the modality of
# the image that it is about.
_BESIDE_IMAGES = {
    "1.2.840.10008.5.1.4.1.1.9.": "a waveform",
    "1.2.840.10008.5.1.4.1.1.11.": "a presentation state",
    "1.2.840.10008.5.1.4.1.1.66": "raw data or a segmentation",
    "1.2.840.10008.5.1.4.1.1.88.": "a structured report or a selection of key images",
    "1.2.840.10008.5.1.4.1.1.104.": "a document",
}
# Conversion Type (PS3.3, C.8.6.1). Not DF, film that was digitised, nor what programs write for any picture (DI, DV,
# SI, SYN, WSD).
_CAPTURED = {"SD": "a scanned document", "DRW": "a drawing"}


def beside_images(storage_class: str) -> str | None:
    """Name of what is stored by a class that has no image; None of others."""
    return next((what for begin, what in _BESIDE_IMAGES.items() if storage_class.startswith(begin)), None)


def captured(conversion_type: str) -> str | None:
    """Name of what was captured where that is no radiograph; None of others.

    Args:
        conversion_type: in capitals, "" where it is not stated.
    """
    return _CAPTURED.get(conversion_type)
