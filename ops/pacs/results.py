"""The instances of a prediction as files in a folder: a structured report, a secondary capture of the saliency map.

What they say of patient and study comes from the radiograph's file on this machine; the API is sent nothing more.
"""

from __future__ import annotations

import re
from pathlib import Path

from dicom_results import source
from dicom_results.prediction import instances
from dicom_results.result import Result, remarks
from dicom_results.source import NoResultError
from ops.api import image_files
from ops.api.predictions import Prediction


def write(prediction: Prediction, folder: Path) -> list[Path]:
    """Write the instances of an answered prediction; their paths, which no other prediction has.

    Raises:
        NoResultError: the file predicted says too little of itself, or is no DICOM file.
        OSError: the folder cannot be written to.
    """
    path = Path(prediction.path)
    if image_files.media_type(image_files.start_of(path)) != image_files.DICOM:
        raise NoResultError("it is no DICOM file, and so belongs to no study")
    result = _result(prediction)
    # A repeated answer has no radiograph, and some models draw no map.
    made = instances(source.read(path), result, radiograph=prediction.radiograph, overlay=prediction.overlay)
    name = f"{path.name}.{re.sub(r'[^0-9A-Za-z-]', '_', result.prediction_id)}"
    return [_write(folder / f"{name}.{what}.dcm", content) for what, content in made.items()]


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
        served_sha256=prediction.served_sha256 or "",
        time=prediction.time,
        notice=remarks(
            prediction.notice or "For research use only.",
            outside_intended_population=prediction.outside_intended_population,
            guaranteed=prediction.guaranteed,
        ),
    )
