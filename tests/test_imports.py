"""Modules that need no TensorFlow import none: gates, statistics and reports are tested in seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = ("model_code", "dicom_results", "lambdas", "ops", "local", "pipeline", "policy", "openapi", "infra")
# What computes with tensors; everything else in the packages works without.
NEEDS_TENSORFLOW = frozenset(
    {
        "local.containers.model_server",
        "model_code.data.shards",
        "model_code.calibrate",
        "model_code.calibrate_labels",
        "model_code.evaluate",
        "model_code.evaluate_site",
        "model_code.evaluation.float32_network",
        "model_code.evaluation.evaluator",
        "model_code.evaluation.scoring",
        "model_code.evaluation.suspect_labels",
        "model_code.export.conversion",
        "model_code.export.litert",
        "model_code.export.recalibrated",
        "model_code.export.saved_model",
        "model_code.imaging.augmentation",
        "model_code.imaging.decoding",
        "model_code.imaging.exif_orientation",
        "model_code.monitoring.labelled_evaluation",
        "model_code.network.attribution",
        "model_code.network.backbones",
        "model_code.network.classifier",
        "model_code.network.feature_projection",
        "model_code.network.grad_cam",
        "model_code.network.out_of_distribution",
        "model_code.network.pretrained_weights",
        "model_code.network.saliency_overlay",
        "model_code.preprocess",
        "model_code.reports.saliency_pictures",
        "model_code.reports.suspects_report",
        "model_code.train",
        "model_code.training.batches",
        "model_code.training.frozen_features",
        "model_code.training.precision",
        "model_code.training.training_loop",
        "model_code.training.warm_start",
    }
)
# One process for all: each import is blamed for what it brings along first.
IMPORTING = """
import importlib, json, sys
blamed = {}
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
    if {"tensorflow", "keras"} & set(sys.modules):
        blamed[name] = True
        break
print(json.dumps(sorted(blamed)))
"""


def modules() -> list[str]:
    """The importable modules of the packages; `__main__` would run."""
    paths = (path.relative_to(REPOSITORY) for name in PACKAGES for path in sorted((REPOSITORY / name).rglob("*.py")))
    names = (".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths)
    return [name for name in names if not name.endswith("__main__")]


def python(program: str, *arguments: str) -> str:
    command = [sys.executable, "-c", program, *arguments]
    environment = {**os.environ, "AWS_DEFAULT_REGION": "eu-central-1"}  # the SageMaker SDK asks for one
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()[-1]


def test_collecting_imports_no_heavy_library(imported_when_collected: dict[str, str]) -> None:
    assert imported_when_collected == {}, "a module of tests imports these in its `setup_module`, not at its top"


def test_the_list_names_modules_that_exist() -> None:
    assert set(modules()) >= NEEDS_TENSORFLOW


@pytest.mark.parametrize("package", PACKAGES)
def test_no_other_module_imports_tensorflow(package: str) -> None:
    others = [name for name in modules() if name.partition(".")[0] == package and name not in NEEDS_TENSORFLOW]
    # A function's handler reads its environment when it is imported.
    others = [name for name in others if not name.startswith("lambdas.") or not name.endswith(".handler")]

    assert json.loads(python(IMPORTING, json.dumps(others))) == []
