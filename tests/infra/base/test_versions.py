"""Versions here are those in AWS: the packages of the functions' layer and of the training image."""

from __future__ import annotations

import importlib.metadata
import json
import re
from pathlib import Path

import pytest


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global LAYER, TRAINING_PACKAGES
    from infra.base.deep_learning_images import TRAINING_PACKAGES
    from infra.base.function import LAYER_PACKAGES

    LAYER = LAYER_PACKAGES[SHARED["powertools_layer"]["version"]]


REPOSITORY = Path(__file__).resolve().parents[3]
SHARED = json.loads((REPOSITORY / "cdk.json").read_text(encoding="utf-8"))["context"]["shared"]


def locked(group: str) -> dict[str, str]:
    """Versions of a lock file by package."""
    text = (REPOSITORY / "requirements" / f"{group}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", text, re.MULTILINE))


def test_tests_run_at_the_versions_that_aws_runs() -> None:
    expected = LAYER | TRAINING_PACKAGES
    assert {name: importlib.metadata.version(name) for name in expected} == expected


def test_the_laptop_runs_functions_and_steps_at_the_same_versions() -> None:
    laptop = locked("laptop")
    assert {name: laptop[name] for name in (*LAYER, *TRAINING_PACKAGES)} == LAYER | TRAINING_PACKAGES


@pytest.mark.parametrize("group", ["dicom", "dicom-result", "engine", "deploy"])
def test_what_is_carried_decodes_and_draws_by_one_pillow(group: str) -> None:
    """PreprocessImages finds the DICOM library's before the image's own."""
    assert locked(group)["pillow"] == TRAINING_PACKAGES["pillow"]


def test_the_training_image_is_the_one_whose_packages_are_known() -> None:
    series = TRAINING_PACKAGES["tensorflow"].rpartition(".")[0]
    tags = [tag for name, tag in SHARED["containers"].items() if name.startswith("training")]
    assert tags
    assert all(tag.startswith(f"{series}-") for tag in tags)
