"""Subgroups that DICOM files name: how many images and patients each has, and how many of them show pneumonia.

Groups of few patients are put together, and evaluated by nobody: a figure about three people is about these people.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from model_code.contract.labels import LABELS, PNEUMONIA
from model_code.data.manifest import Facts
from model_code.data.patient_split import Radiograph
from model_code.statistics.intervals import wilson

KINDS = ("view", "age", "sex", "manufacturer")
MIN_PATIENTS = 10
FEW = f"of fewer than {MIN_PATIENTS} patients each"


def count(images: Sequence[Radiograph], facts: Mapping[str, Facts]) -> dict[str, dict[str, Any]]:
    """The card's `subgroups`; empty where no file names any.

    Args:
        images: those that are used.
        facts: by SHA-256.

    Returns:
        By kind and name: `images`, `patients`, `labels`, and `prevalence` of PNEUMONIA with Wilson's 95 % interval for
        as many independent images as there are patients.
    """
    members: dict[str, dict[str, list[Radiograph]]] = {kind: defaultdict(list) for kind in KINDS}
    for image in images:
        for kind, name in facts[image.sha256].groups.items():
            members[kind][name].append(image)
    return {kind: _counted(groups) for kind, groups in members.items() if groups}


def _counted(groups: Mapping[str, list[Radiograph]]) -> dict[str, Any]:
    shown: dict[str, list[Radiograph]] = {}
    for name, images in sorted(groups.items()):
        few = len({image.patient for image in images}) < MIN_PATIENTS
        shown.setdefault(FEW if few else name, []).extend(images)
    return {name: _figures(images) for name, images in shown.items()}


def _figures(images: list[Radiograph]) -> dict[str, Any]:
    patients = len({image.patient for image in images})
    share = sum(image.label == PNEUMONIA for image in images) / len(images)
    return {
        "images": len(images),
        "patients": patients,
        "labels": {label: sum(image.label == label for image in images) for label in LABELS},
        "prevalence": {"value": share, "confidence_interval": list(wilson(share, patients))},
    }
