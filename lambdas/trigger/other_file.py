"""Refusal of an upload whose name is no archive's, with advice for what it seems to be."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from lambdas.trigger.rejection import ADVICE, Reason, Rejection
from model_code.archive.entries import DICOM_SUFFIXES, IMAGE_SUFFIXES

_OTHER_ARCHIVES = frozenset({".tar", ".tgz", ".tbz2", ".txz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar"})
_PART_OF_ZIP = re.compile(r"(\.z\d+|\.zip\.\d+)$")  # Info-ZIP's and 7-Zip's way of counting
_PACK_AS_ZIP = (
    "Only zip archives are taken: unpack it, make a zip of the folder, for example `zip -r archive.zip chest_xray`, "
    "and upload that in its place."
)
_ONE_RADIOGRAPH = (
    "`cxr predict FILE` asks the model about one radiograph. To train on radiographs, or to evaluate or calibrate a "
    "model on them, put them into a zip archive with their labels: `cxr upload FOLDER`, `cxr evaluate` and "
    "`cxr calibrate` make it of a folder. `cxr start --from s3://BUCKET/FOLDER/` trains on what lies in a bucket, "
    "without an archive."
)
_TABLE = (
    "A table of labels belongs into the archive with its radiographs, at the top; `cxr labels import` takes corrected "
    "labels of an archive that is there (docs/datasets.md)."
)


def refusal(key: str) -> Rejection:
    """The refusal of an upload by its key, which has not the name of an archive."""
    file = PurePosixPath(key.lower())
    if _PART_OF_ZIP.search(file.name):
        what, advice = "a part of a zip archive that was split over several files", ADVICE[Reason.SPLIT_ARCHIVE]
    elif file.suffix in _OTHER_ARCHIVES:
        what, advice = "an archive of another format", _PACK_AS_ZIP
    elif file.suffix in IMAGE_SUFFIXES | DICOM_SUFFIXES:
        what, advice = "a single radiograph", _ONE_RADIOGRAPH
    elif file.suffix == ".csv":
        what, advice = "a table", _TABLE
    else:
        what, advice = "something else", ADVICE[Reason.NOT_AN_ARCHIVE]
    return Rejection(
        Reason.NOT_AN_ARCHIVE,
        f"Its name does not end in .zip, so it is taken for {what}, and nothing was started.",
        advice=advice,
    )
