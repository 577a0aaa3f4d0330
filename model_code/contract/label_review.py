"""Review of labels: the table that readers get and give back, and the corrections that a dataset's archive carries.

`suspect_labels.csv` is the table. What readers changed in it lies in the archive of the new version of the dataset, as
an entry at its top whose name begins with a dot: who knows nothing of it takes it for what operating systems leave.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from model_code.contract.documents import Revision
from model_code.contract.labels import LABELS

FILE = "suspect_labels.csv"
REVIEWED = "reviewed_label"
READERS_COLUMNS = (REVIEWED, "reviewer", "comment")
"""Empty until a reader fills them in."""
COLUMNS = ("rank", "file", "split", "label", "suggested", "score", *READERS_COLUMNS)
"""`score` is the cross-fitted probability of `label`, `suggested` the label that is the more probable."""

CORRECTIONS_FILE = ".cxr-label-corrections.json"
MAX_CORRECTIONS_BYTES = 64 * 2**20
_SCHEMA = 1


class CorrectionsError(ValueError):
    """Corrections cannot be used. `str()` is a sentence that says why."""


class Correction(TypedDict):
    """The label that an archive gives a file, and the one that a reader gives it."""

    given: str
    reviewed: str


class Corrections(TypedDict):
    """Corrections of labels: every revision, the first one first, and what holds now, by file as reports name it."""

    schema: int
    revisions: list[Revision]
    labels: dict[str, Correction]


def changes(corrections: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Numbers of labels that change, by way: `NORMAL to PNEUMONIA`."""
    return dict(sorted(Counter(f"{before} to {after}" for before, after in corrections).items()))


def revised(earlier: Corrections | None, revision: Revision, changed: Mapping[str, Correction]) -> Corrections:
    """The corrections after one more revision; a file that has the archive's own label again is not among them.

    Args:
        earlier: those that the archive carried.
        revision: the new one.
        changed: by file, `given` being the label before this revision.
    """
    labels = dict(earlier["labels"]) if earlier else {}
    for file, change in changed.items():
        own = labels[file]["given"] if file in labels else change["given"]
        labels[file] = {"given": own, "reviewed": change["reviewed"]}
    kept = {file: label for file, label in sorted(labels.items()) if label["given"] != label["reviewed"]}
    return {"schema": _SCHEMA, "revisions": [*(earlier["revisions"] if earlier else []), revision], "labels": kept}


def encode(corrections: Corrections) -> bytes:
    """The entry of the archive."""
    return (json.dumps(corrections, indent=1, ensure_ascii=True) + "\n").encode()


def decode(content: bytes) -> Corrections:
    """Read the entry of an archive.

    Raises:
        CorrectionsError: it is none.
    """
    try:
        found: Any = json.loads(content)
        if found["schema"] != _SCHEMA:
            raise CorrectionsError(
                f"The archive's label corrections are of schema {found['schema']}, where {_SCHEMA} is understood: "
                "deploy again."
            )
        labels: dict[str, Correction] = {
            str(file): {"given": label["given"], "reviewed": label["reviewed"]}
            for file, label in found["labels"].items()
        }
        revisions: list[Revision] = [
            {
                "archive_uri": str(revision["archive_uri"]),
                "table_sha256": str(revision["table_sha256"]),
                "created": str(revision["created"]),
                "changed": {str(way): int(count) for way, count in revision["changed"].items()},
            }
            for revision in found["revisions"]
        ]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, CorrectionsError):
            raise
        raise CorrectionsError(
            f"The archive's label corrections, {CORRECTIONS_FILE}, cannot be read: import the reviewed table again."
        ) from error
    if not {label for given_and_reviewed in labels.values() for label in given_and_reviewed.values()} <= set(LABELS):
        raise CorrectionsError(f"The archive's label corrections have other labels than {' and '.join(LABELS)}.")
    return {"schema": _SCHEMA, "revisions": revisions, "labels": labels}
