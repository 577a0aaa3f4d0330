"""The instances of a prediction as files in a folder: a structured report, a secondary capture of the saliency map.

What they say of patient and study comes from the radiograph's file on this machine; the API is sent nothing more.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from dicom_results import capture, report, source
from dicom_results.result import Result
from dicom_results.source import NoResultError
from ops.api import image_files, overlays

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

    from ops.api.predictions import Prediction

REPORT_END, CAPTURE_END = ".report.dcm", ".saliency.dcm"


def write(prediction: Prediction, folder: Path) -> list[Path]:
    """Write the instances of an answered prediction; their paths, which no other prediction has.

    Raises:
        NoResultError: the file predicted says too little of itself, or is no DICOM file.
        CommandError: the saliency map cannot be decoded.
        OSError: the folder cannot be written to.
    """
    path = Path(prediction.path)
    if image_files.media_type(image_files.start_of(path)) != image_files.DICOM:
        raise NoResultError("it is no DICOM file, and so belongs to no study")
    reference, result, picture = source.read(path), _result(prediction), _picture(prediction)
    try:
        contents = {REPORT_END: report.make(reference, result)}
        if picture is not None:
            contents[CAPTURE_END] = capture.make(reference, result, picture)
    except Exception as error:  # of kinds that nobody lists, with messages that quote the file
        raise NoResultError(f"what it states cannot be taken over ({type(error).__name__})") from error
    name = f"{path.name}.{re.sub(r'[^0-9A-Za-z-]', '_', result.prediction_id)}"
    return [_write(folder / f"{name}{end}", content) for end, content in contents.items()]


def _picture(prediction: Prediction) -> Image.Image | None:
    """The map over the radiograph; none of a repeated answer, which has no radiograph, and of models that draw none."""
    if prediction.overlay is None or prediction.radiograph is None:
        return None
    return overlays.compose(prediction.radiograph, prediction.overlay)


def _write(path: Path, content: bytes) -> Path:
    """The whole file or none: `cxr store` may look at the folder at any time."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    return part.replace(path)


def _result(prediction: Prediction) -> Result:
    if prediction.id is None or prediction.time is None:
        raise NoResultError("the API's answer has no id, which its UIDs are made of")
    return Result(
        prediction_id=prediction.id,
        probability=float(prediction.probability or 0),
        threshold=float(prediction.threshold or 0),
        label=str(prediction.label),
        indeterminate=bool(prediction.indeterminate),
        band=prediction.indeterminate_band,
        model_version=str(prediction.model_version),
        model_package_arn=str(prediction.model_package_arn),
        dataset_sha256=prediction.dataset_sha256 or "",
        time=prediction.time,
        notice=" ".join(_remarks(prediction)),
    )


def _remarks(prediction: Prediction) -> Iterator[str]:
    """What an archive must keep beside the label: what the answer is for, for whom it is none, what it promises."""
    yield prediction.notice or "For research use only."
    if prediction.outside_intended_population:
        yield f"The model is not meant for this patient's {' and '.join(prediction.outside_intended_population)}."
    if prediction.guaranteed is None:
        yield "Nothing is guaranteed about how many such answers are right."
    else:
        yield (
            f"At least {prediction.guaranteed:.0%} of such answers are guaranteed to be right, for patients like those "
            "of the model's validation data."
        )
