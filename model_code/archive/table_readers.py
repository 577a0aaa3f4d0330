"""Labels of images that several readers have judged: one row, or more, for each reader and image.

VinDr-CXR and VinDr-PCXR have such tables, and so has a hospital's own reading study. Of one reader, one row that says
pneumonia is enough, and NORMAL takes that each says there is nothing. What more than half of an image's readers say is
its label; where no label has so many, the image is left out.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict

from model_code.archive.label_table import Row
from model_code.contract.labels import NORMAL, PNEUMONIA


def agreed(rows: list[Row]) -> list[Row]:
    """Rows about one image as one, by its readers; as they are where one names no reader, empty where they disagree.

    Args:
        rows: about one image.
    """
    if not all(row.reader for row in rows) or len({row.patient.upper() for row in rows}) > 1:
        return rows
    by_reader: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        by_reader[row.reader.upper()].add(row.label)
    verdicts = Counter(map(_verdict, by_reader.values()))
    label, count = verdicts.most_common(1)[0] if verdicts else ("", 0)
    if 2 * count <= len(by_reader):
        return []
    subtypes = {row.subtype for row in rows if row.subtype and label == PNEUMONIA}
    subtype = subtypes.pop() if len(subtypes) == 1 else ""
    return [dataclasses.replace(row, label=label, subtype=subtype) for row in rows]


def _verdict(labels: set[str]) -> str:
    if PNEUMONIA in labels and NORMAL not in labels:
        return PNEUMONIA
    return NORMAL if labels == {NORMAL} else ""
