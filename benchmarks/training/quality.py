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
from pathlib import Path

from benchmarks.data import radiographs

URI = f"s3://bucket/datasets/{'0' * 64}/archive.zip"
SIZE = 96
SEED = 20180222
# From scratch the weights move fast: the average over the last 50 steps is validated and kept, and no phase ends early.
RECIPE = (
    "--backbone ResNet50V2 --backbone-weights none --warm-start-from none --learning-rate 0.001 --fine-tune-epochs 0 "
    "--fine-tune-learning-rate 0.0002 --fine-tune-from last-stage --batch-size 32 --dropout 0.5 --label-smoothing 0 "
    "--class-weights balanced --ema-momentum 0.98 --feature-views 0 --horizontal-flip 0.5 --zoom-range 0.15 "
    "--rotation-degrees 10 --shift-range 0.05 --contrast-range 0.2 --precision auto --xla off "
    "--serving-engine tensorflow"
)
GATES = (
    "--min-auroc 0.955 --min-sensitivity 0 --min-specificity 0 --max-calibration-error 1 --min-subgroup-sensitivity 0"
)


def main() -> None:
    """Run the scripts one after the other, as their jobs do."""
    options = radiographs.parser(__doc__)
    options.add_argument("--output", type=Path, required=True, help="folder for the model and its evaluation")
    options.add_argument("--epochs", type=int, default=24, help="default 24")
    chosen = options.parse_args()
    chosen.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=chosen.output) as scratch:
        base = Path(scratch).resolve()
        inputs, outputs = base / "processing" / "input", base / "processing" / "output"
        _archive(chosen.radiographs / "chest_xray", inputs / "archive" / "archive.zip")
        _step(base, "preprocess", f"--archive-uri {URI} --image-size {SIZE}")
        (inputs / "decoded").symlink_to(outputs / "decoded")
        _step(base, "split_dataset", f"--archive-uri {URI} --image-size {SIZE} --validation-fraction 0.1 --seed {SEED}")
        (base / "input").mkdir()
        (base / "input" / "data").symlink_to(outputs)
        epochs = f"--epochs {chosen.epochs} --patience {chosen.epochs}"
        _step(base, "train", f"--image-size {SIZE} {epochs} --seed {SEED} {RECIPE}")
        for name in ("validation", "test", "report"):
            (inputs / name).symlink_to(outputs / name)
        for name in ("model", "serving"):
            (inputs / name).mkdir()
        packed = inputs / "model" / "model.tar.gz"
        with tarfile.open(packed, "w:gz") as archive:
            for path in sorted((base / "model").iterdir()):
                archive.add(path, path.name)
        _step(base, "evaluate", f"{GATES} --serving-package none --serving-comparison report")
        for path in (packed, *(outputs / "evaluation").iterdir()):
            shutil.copy(path, chosen.output)
    print(f"model.tar.gz and report.html are in {chosen.output}")


def _archive(folder: Path, path: Path) -> None:
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.jp*g")):
            archive.write(file, Path(folder.name) / file.relative_to(folder))


def _step(base: Path, module: str, flags: str) -> None:
    started = time.monotonic()
    print(f"{module} {flags}", flush=True)
    environment = os.environ | {"SAGEMAKER_BASE_DIR": str(base), "PYTHONUNBUFFERED": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    done = subprocess.run(  # noqa: S603 - our own modules
        [sys.executable, "-m", f"model_code.{module}", *flags.split()], env=environment, check=False
    )
    if done.returncode:
        raise SystemExit(f"{module} failed; what it printed says why.")
    print(f"{module} took {time.monotonic() - started:.0f} s\n", flush=True)


if __name__ == "__main__":
    main()
