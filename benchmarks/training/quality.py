"""Quality of a model that two cores train in 45 minutes: the pipeline's four scripts over a folder, as below.

    python -m benchmarks.training.quality --radiographs FOLDER --output build/quality

ResNet50V2 from scratch at 96 px: no ImageNet weights are needed. Leaves model.tar.gz, evaluation.json and report.html
in the output folder. `--epochs 1` shows in minutes whether it all works.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks.data import radiographs
from model_code.contract.labels import SPLITS
from model_code.contract.parameters import EVALUATION, HYPERPARAMETERS, TRAINING, Value

URI = f"s3://bucket/datasets/{'0' * 64}/archive.zip"
# What differs from the pipeline's defaults. From scratch the weights move fast: the average over the last 50 steps is
# validated and kept, and no phase ends early. A figure is wanted, not a model: no gate but the AUROC's refuses one.
RECIPE: Mapping[str, Value] = {
    "ImageSize": 96,
    "BackboneWeights": "none",
    "FineTuneEpochs": 0,
    "BatchSize": 32,
    "EmaMomentum": 0.98,
    "FeatureViews": 0,
    "ZoomRange": 0.15,
    "RotationDegrees": 10.0,
    "ContrastRange": 0.2,
    "ServingEngine": "tensorflow",
    "MinAuroc": 0.955,
    "MinSensitivity": 0.0,
    "MinSpecificity": 0.0,
    "MaxCalibrationError": 1.0,
    "MinSubgroupSensitivity": 0.0,
}


def flags(chosen: Mapping[str, Value]) -> dict[str, list[str]]:
    """Command line of each of the four jobs, by its module's name.

    Args:
        chosen: values of the pipeline's parameters that differ from their defaults.
    """
    unknown = chosen.keys() - TRAINING.keys()
    if unknown:
        raise ValueError(f"The pipeline has no parameter {', '.join(sorted(unknown))}.")

    def of(names: Iterable[str]) -> list[str]:
        values = [(TRAINING[name].flag, chosen.get(name, TRAINING[name].default)) for name in names]
        return [part for flag, value in values for part in (f"--{flag}", str(value))]

    return {
        "preprocess": ["--archive-uri", URI, *of(["ImageSize"])],
        "split_dataset": ["--archive-uri", URI, *of(["ImageSize", "ValidationFraction", "Seed"])],
        "train": of(["ImageSize", *HYPERPARAMETERS]),
        "evaluate": [*of(EVALUATION), "--serving-package", "none"],
    }


def main() -> None:
    """Run the scripts one after the other, as their jobs do."""
    options = radiographs.parser(__doc__)
    options.add_argument("--output", type=Path, required=True, help="folder for the model and its evaluation")
    options.add_argument("--epochs", type=int, default=24, help="default 24")
    unnamed = TRAINING["TargetPrevalence"].default
    options.add_argument("--target-prevalence", type=float, default=unnamed, help="default: the training images' own")
    chosen = options.parse_args()
    named = {"Epochs": chosen.epochs, "Patience": chosen.epochs, "TargetPrevalence": chosen.target_prevalence}
    lines = flags({**RECIPE, **named})
    chosen.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=chosen.output) as scratch:
        base = Path(scratch).resolve()
        outputs = split(base, chosen.radiographs, lines)
        inputs = base / "processing" / "input"
        (base / "input").mkdir()
        (base / "input" / "data").symlink_to(outputs)
        _step(base, "train", lines["train"])
        for name in (*SPLITS, "report"):
            (inputs / name).symlink_to(outputs / name)
        (inputs / "serving").mkdir()
        _pack(base / "output" / "data", inputs / "training" / "output.tar.gz")
        packed = _pack(base / "model", inputs / "model" / "model.tar.gz")
        _step(base, "evaluate", lines["evaluate"])
        for path in (packed, *(outputs / "evaluation").iterdir()):
            shutil.copy(path, chosen.output)
    print(f"model.tar.gz and report.html are in {chosen.output}")


def split(base: Path, radiographs: Path, lines: Mapping[str, list[str]]) -> Path:
    """Preprocess and split; returns the folder of the splits' shards.

    Args:
        base: of the jobs' folders.
        radiographs: has chest_xray.
        lines: of `flags`.
    """
    inputs, outputs = base / "processing" / "input", base / "processing" / "output"
    _archive(radiographs / "chest_xray", inputs / "archive" / "archive.zip")
    _step(base, "preprocess", lines["preprocess"])
    (inputs / "decoded").symlink_to(outputs / "decoded")
    _step(base, "split_dataset", lines["split_dataset"])
    return outputs


def _archive(folder: Path, path: Path) -> None:
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.jp*g")):
            archive.write(file, Path(folder.name) / file.relative_to(folder))


def _pack(folder: Path, path: Path) -> Path:
    """An archive of a training job's folder, as SageMaker makes it."""
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as archive:
        for file in sorted(folder.iterdir()):
            archive.add(file, file.name)
    return path


def _step(base: Path, module: str, line: list[str]) -> None:
    started = time.monotonic()
    print(" ".join((module, *line)), flush=True)
    environment = os.environ | {"SAGEMAKER_BASE_DIR": str(base), "PYTHONUNBUFFERED": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    done = subprocess.run(  # noqa: S603 - our own modules
        [sys.executable, "-m", f"model_code.{module}", *line], env=environment, check=False
    )
    if done.returncode:
        raise SystemExit(f"{module} failed; what it printed says why.")
    print(f"{module} took {time.monotonic() - started:.0f} s\n", flush=True)


if __name__ == "__main__":
    main()
