"""Refusals of DICOM files."""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818 - an answer to the caller, not a fault of the program
    """Ends a conversion.

    Args:
        code: of the API's problems (`lambdas/http/problems.py`).
        detail: a sentence for the caller, which never repeats what the file says in free text.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def damaged(detail: str) -> Refusal:
    """The file cannot be read; `detail` says where."""
    return Refusal("undecodable_image", f"The DICOM file is damaged: {detail}")


def unsuitable(detail: str) -> Refusal:
    """The file can be read, and is not what the model was made for."""
    return Refusal("not_a_radiograph", detail)
