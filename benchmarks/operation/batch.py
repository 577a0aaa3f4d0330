"""`cxr batch` of many radiographs against `cxr predict` of the same, on a laptop stack of its own.

    python -m benchmarks.operation.batch --radiographs FOLDER --images 1000

Copies the checkout to a scratch folder, raises the API's limits there, trains the demo's network on some of the
radiographs for two epochs whatever comes of it, and releases it: neither throttling nor quality is measured. Then both
commands score the same folder by turns: the original-size files of FOLDER, under as many names as it takes. No answer
is kept by content: `cxr predict` sends no idempotency key. Wall time is the command's; processor time is that of the
command and of the stack together, which share the machine. The answers of both are held against each other.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import dataclasses
import json
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.operation import processes
from model_code.contract.labels import LABELS
from ops.base.errors import ExitCode

REPOSITORY = Path(__file__).resolve().parents[2]
_LIMITS = {
    "requests_per_second": 1_000,
    "burst": 1_000,
    "requests_per_day": 1_000_000,
    "stage_requests_per_second": 2_000,
    "stage_burst": 2_000,
}
_TRAINING = {
    "epochs": 2,
    "fine_tune_epochs": 0,
    "min_auroc": 0.0,
    "min_sensitivity": 0.0,
    "min_specificity": 0.0,
    "max_calibration_error": 1.0,
    "min_subgroup_sensitivity": 0.0,
}
_START_SECONDS = 3_000
_TRAINING_IMAGES = {"train": 200, "val": 40, "test": 60}


@dataclasses.dataclass(frozen=True)
class Run:
    """One command's run.

    Attributes:
        wall: seconds.
        processor: seconds of the command and of the stack together.
        probabilities: by the file's name.
    """

    wall: float
    processor: float
    probabilities: Mapping[str, float]


def settings_of(repository: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of `cdk.json` for the benchmark: no throttling on the laptop, and two epochs that no gate stops."""
    changed: dict[str, Any] = json.loads(json.dumps(repository))
    laptop = changed["context"]["environments"]["laptop"]
    laptop["api"].update(_LIMITS)
    laptop["pipeline"].update(_TRAINING)
    return changed


def named(files: Sequence[Path], count: int) -> dict[str, Path]:
    """So many names, each with the file behind it: every file once before any is there again."""
    return {f"{number:05d}{files[number % len(files)].suffix}": files[number % len(files)] for number in range(count)}


def probabilities(table: str) -> dict[str, float]:
    """Probabilities by the file's name, from the table that either command writes.

    A file that the model refuses, as unlike its radiographs, has none.
    """
    rows = csv.DictReader(table.splitlines())
    return {Path(row["path"]).name: float(row["probability"]) for row in rows if not row["error"]}


@contextlib.contextmanager
def _stack(scratch: Path, radiographs: Path, port: int) -> Iterator[tuple[int, dict[str, str]]]:
    """A laptop stack with a released model: its process, and the variables of the command."""
    copy = scratch / "checkout"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, copy / name)
    (copy / "node_modules").symlink_to(REPOSITORY / "node_modules")
    settings = copy / "cdk.json"
    settings.write_text(json.dumps(settings_of(json.loads(settings.read_text()))))
    archive = _archive(scratch / "archive.zip", radiographs)
    environment = os.environ | {"PYTHONPATH": str(copy)}
    log = scratch / "demo.log"
    with log.open("w") as output:
        demo = subprocess.Popen(  # noqa: S603 - this repository's command
            [sys.executable, "-m", "local.demo", "--archive", str(archive), "--port", str(port)],
            cwd=copy, env=environment, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        end = time.monotonic() + _START_SECONDS
        variables = copy / ".laptop" / "cloud" / "environment"
        while not variables.exists():
            if demo.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"The stack did not start:\n{log.read_text()[-3000:]}")
            time.sleep(1)
        time.sleep(5)
        given = dict(line.removeprefix("export ").split("=", 1) for line in variables.read_text().splitlines())
        path = os.pathsep.join((str(Path(sys.executable).parent), environment.get("PATH", "")))
        yield demo.pid, environment | {name: value.strip("'") for name, value in given.items()} | {"PATH": path}
    finally:
        demo.send_signal(signal.SIGTERM)
        demo.wait(60)


def _archive(path: Path, radiographs: Path) -> Path:
    """Some of the training radiographs in Kaggle's layout, as many of each label."""
    with zipfile.ZipFile(path, "w") as packed:
        for split, count in _TRAINING_IMAGES.items():
            for label in LABELS:
                for file in sorted((radiographs / "chest_xray" / split / label).iterdir())[:count]:
                    packed.write(file, f"chest_xray/{split}/{label}/{file.name}")
    return path


def _run(command: Sequence[str], stack: int, variables: dict[str, str], summary: Path | None) -> Run:
    before, children = processes.processor_seconds(stack), resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    ran = subprocess.run(  # noqa: S603 - this repository's command
        ["cxr", *command],  # noqa: S607 - found in the environment
        env=variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if ran.returncode not in (0, ExitCode.FAILED) or not (summary.exists() if summary else ran.stdout):
        raise SystemExit(f"cxr {command[0]} ended with {ran.returncode}:\n{(ran.stderr + ran.stdout)[-3000:]}")
    own = after.ru_utime + after.ru_stime - children.ru_utime - children.ru_stime
    table = summary.read_text() if summary else ran.stdout
    return Run(wall, own + processes.processor_seconds(stack) - before, probabilities(table))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--radiographs", type=Path, required=True, help="folder with chest_xray and chest_xray_original"
    )
    parser.add_argument("--images", type=int, default=1_000, help="how many are scored (1000)")
    parser.add_argument("--rounds", type=int, default=2, help="turns of both commands (2)")
    parser.add_argument("--port", type=int, default=4_700, help="of the stack (4700)")
    options = parser.parse_args()
    originals = [
        file for label in LABELS for file in sorted((options.radiographs / "chest_xray_original" / label).iterdir())
    ]
    with tempfile.TemporaryDirectory() as folder:
        scratch, images = Path(folder), Path(folder, "images")
        images.mkdir()
        for name, file in named(originals, options.images).items():
            shutil.copyfile(file, images / name)
        with _stack(scratch, options.radiographs, options.port) as (stack, variables):
            _measure(images, stack, variables, options.rounds)


def _measure(images: Path, stack: int, variables: dict[str, str], rounds: int) -> None:
    summary = images.parent / "batch.csv"
    commands = {
        "predict": (["predict", str(images), "--csv"], None),
        "batch": (["batch", str(images), "--output", str(summary)], summary),
    }
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    # Whose functions run already: a stack that starts them is another measurement.
    few = images.parent / "few"
    few.mkdir()
    for file in sorted(images.iterdir())[:20]:
        shutil.copyfile(file, few / file.name)
    _run(["predict", str(few), "--csv"], stack, variables, None)
    for _ in range(rounds):
        for name, (command, written) in commands.items():
            runs[name].append(_run(command, stack, variables, written))
            print(f"{name}: {runs[name][-1].wall:.1f} s, load {os.getloadavg()[0]:.1f}", flush=True)
    answered, scored = (runs[name][0].probabilities for name in commands)
    if not answered or answered.keys() != scored.keys():
        raise SystemExit(f"Not the same were answered: {len(answered)} by predict, {len(scored)} by batch.")
    away = max(abs(scored[name] - probability) for name, probability in answered.items())
    count = len(list(images.iterdir()))
    print(f"\n{count} radiographs, {count - len(answered)} refused; the answers differ by {away:.6f} at most\n")
    print("| `cxr` | seconds (median) | least | greatest | images a second | processor seconds |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, found in runs.items():
        walls = [run.wall for run in found]
        median, processor = statistics.median(walls), statistics.median(run.processor for run in found)
        least, greatest = min(walls), max(walls)
        print(f"| {name} | {median:.1f} | {least:.1f} | {greatest:.1f} | {count / median:.1f} | {processor:.1f} |")
    walls, processors = (
        [statistics.median(getattr(run, kind) for run in runs[name]) for name in commands]
        for kind in ("wall", "processor")
    )
    faster, cheaper = walls[0] / walls[1], processors[0] / processors[1]
    print(f"\n`cxr batch` was {faster:.2f} times as fast, by processor time {cheaper:.2f} times")


if __name__ == "__main__":
    main()
