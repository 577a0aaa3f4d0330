"""Refusals of an upload: stable reason codes, and advice for each."""

from __future__ import annotations

from enum import StrEnum

from model_code.archive.entries import shown
from model_code.archive.problem import ADVICE as LAYOUT_ADVICE
from model_code.archive.problem import Problem


class Reason(StrEnum):
    """Stable code of a refusal, the `reason` of the report beside the upload."""

    EMPTY = "empty"
    NOT_AN_ARCHIVE = "not_an_archive"
    NOT_A_ZIP = "not_a_zip"
    TRUNCATED = "truncated"
    DAMAGED_DIRECTORY = "damaged_directory"
    SPLIT_ARCHIVE = "split_archive"
    ARCHIVE_TOO_LARGE = "archive_too_large"
    DIRECTORY_TOO_LARGE = "directory_too_large"
    TOO_MANY_FILES = "too_many_files"
    ZIP_BOMB_SIZE = "zip_bomb_size"
    ZIP_BOMB_RATIO = "zip_bomb_ratio"
    ZIP_BOMB_OVERLAP = "zip_bomb_overlap"
    PATH_TRAVERSAL = "path_traversal"
    UNSAFE_NAME = "unsafe_name"
    LINK = "link"
    ENCRYPTED = "encrypted"
    UNSUPPORTED_COMPRESSION = "unsupported_compression"
    NO_LAYOUT = "no_layout"
    AMBIGUOUS_LAYOUT = "ambiguous_layout"
    SPLIT_MISSING = "split_missing"
    CLASS_MISSING = "class_missing"
    NO_SUCH_MODEL = "no_such_model"
    DAMAGED_INVENTORY = "damaged_inventory"


_UPLOAD_AGAIN = "Test the file where it was made (`unzip -t archive.zip`), then upload it again."
ZIP_AGAIN = (
    "Make the archive again from the folder itself, for example `zip -r archive.zip chest_xray`, and upload that."
)
_SMALLER = (
    "Leave the files in a bucket as they are, without an archive, and train on that folder: `cxr start --from "
    "s3://BUCKET/FOLDER/` has no such limit (docs/datasets.md). Or remove what is not needed."
)
ADVICE: dict[Reason, str] = {
    Reason.EMPTY: _UPLOAD_AGAIN,
    # Unless its name says what else it is (`other_file.py`).
    Reason.NOT_AN_ARCHIVE: "Upload a zip archive under a name that ends in .zip; if this is one, upload it again under "
    "such a name.",
    Reason.NOT_A_ZIP: "Upload a .zip file; other formats (tar, 7z, rar, single images) have to be zipped first.",
    Reason.TRUNCATED: _UPLOAD_AGAIN,
    Reason.DAMAGED_DIRECTORY: _UPLOAD_AGAIN,
    Reason.SPLIT_ARCHIVE: "Join the parts into one file first, for example `zip -s 0 parts.zip --out archive.zip`.",
    Reason.ARCHIVE_TOO_LARGE: _SMALLER,
    Reason.DIRECTORY_TOO_LARGE: ZIP_AGAIN,
    Reason.TOO_MANY_FILES: _SMALLER,
    Reason.ZIP_BOMB_SIZE: _SMALLER,
    Reason.ZIP_BOMB_RATIO: "No radiograph compresses like this: remove the entry and upload the archive again.",
    Reason.ZIP_BOMB_OVERLAP: ZIP_AGAIN,
    Reason.PATH_TRAVERSAL: ZIP_AGAIN,
    Reason.UNSAFE_NAME: ZIP_AGAIN,
    Reason.LINK: "Replace links by the files they point to (`zip -r` without `-y` does so), then upload it again.",
    Reason.ENCRYPTED: "Make the archive again without a password; it is encrypted in the bucket anyway.",
    Reason.UNSUPPORTED_COMPRESSION: "Make the archive again with the ordinary method (deflate) or without compression.",
    Reason.NO_SUCH_MODEL: "`cxr models` lists the versions; `cxr evaluate ARCHIVE --model VERSION` and "
    "`cxr calibrate VERSION --archive ARCHIVE` upload an archive for one of them, as the keys "
    "incoming/evaluate/VERSION/NAME.zip and incoming/calibrate/VERSION/NAME.zip do.",
    Reason.DAMAGED_INVENTORY: "Take the inventory again: `cxr start --from s3://BUCKET/FOLDER/` does so.",
    # Unless the layout's problem brings its own.
    Reason.NO_LAYOUT: LAYOUT_ADVICE,
    Reason.AMBIGUOUS_LAYOUT: LAYOUT_ADVICE,
    Reason.SPLIT_MISSING: LAYOUT_ADVICE,
    Reason.CLASS_MISSING: LAYOUT_ADVICE,
}


class Rejection(Exception):  # noqa: N818 - an outcome people read about, not a fault of the program
    """The upload cannot be accepted. `str()` is one sentence for the person who uploaded it.

    Attributes:
        reason: stable code.
        detail: that sentence.
        advice: what to do about it.
        entry: name of the entry at fault, where there is one, as it may be printed.
    """

    def __init__(self, reason: Reason, detail: str, *, entry: str | None = None, advice: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.advice = ADVICE[reason] if advice is None else advice
        self.entry = None if entry is None else shown(entry)

    @classmethod
    def of(cls, problem: Problem) -> Rejection:
        """The refusal of an archive whose layout nothing can be trained on."""
        return cls(Reason(problem.reason), problem.detail, entry=problem.entry, advice=problem.advice)
