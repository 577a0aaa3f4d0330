"""The instances of a prediction, as a command writes them into a folder and as the API answers with them."""

from __future__ import annotations

from collections.abc import Callable

from pydicom.dataset import Dataset

from dicom_results import capture, fhir, report
from dicom_results.overlay import compose
from dicom_results.result import Result
from dicom_results.source import NoResultError

REPORT, CAPTURE = "report", "saliency"


def instances(
    reference: Dataset, result: Result, *, radiograph: bytes | None = None, overlay: bytes | None = None
) -> dict[str, bytes]:
    """The files by what they are: the REPORT, and the CAPTURE where there are radiograph and overlay.

    Args:
        reference: the radiograph, as `source.read` gives it.
        radiograph: PNG of the radiograph as the model was shown it.
        overlay: PNG of the saliency map, to be stretched over it.

    Raises:
        NoResultError: one of them cannot be made; `str(error)` says why, without a value of the file.
    """
    made = {REPORT: _of(report.make, reference, result)}
    if radiograph is None or overlay is None:
        return made
    try:
        made[CAPTURE] = capture.make(reference, result, compose(radiograph, overlay))
    except Exception as error:
        raise NoResultError(f"a picture of its saliency map cannot be made ({type(error).__name__})") from error
    return made


def resources(reference: Dataset, result: Result) -> bytes:
    """Bundle of FHIR R5 in JSON, with what the structured report says.

    Raises:
        NoResultError: it cannot be made; `str(error)` says why, without a value of the file.
    """
    return _of(fhir.make, reference, result)


def _of(make: Callable[[Dataset, Result], bytes], reference: Dataset, result: Result) -> bytes:
    try:
        return make(reference, result)
    except Exception as error:  # of kinds that nobody lists, with messages that quote the file
        raise NoResultError(f"what it states cannot be taken over ({type(error).__name__})") from error
