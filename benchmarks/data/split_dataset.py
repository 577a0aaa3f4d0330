"""SplitDataset of many images: seconds and memory, against an earlier commit of this repository.

    python -m benchmarks.data.split_dataset --against e2dee4c

What PreprocessImages leaves is drawn, not decoded: thumbnails from a normal distribution with the mean and the
covariance of drawn chests' (`local.samples.phantom`), or with --radiographs of the originals there, hashes of these,
and records of zeros. One image in a hundred is its neighbour again with noise of one grey level: both must find these
pairs, and whatever else is alike. Runs take turns, each in a process of its own; processor seconds count where other
work shares the machine.
"""

from __future__ import annotations

import argparse
import base64
import dataclasses
import hashlib
import io
import json
import math
import os
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.data.preprocessing import URI
from local.samples.phantom import Anatomy, Finding, draw
from model_code.data.manifest import Header
from model_code.data.tfrecords import shard_count, shard_names
from model_code.imaging import perceptual_hash

REPOSITORY = Path(__file__).resolve().parents[2]
SIZE = 96
_DRAWN = 2000
_AT_ONCE = 2000
_COPY_EVERY = 100
_FOLDERS = (*["train"] * 8, "validation", "test")

Thumbnails = npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class Run:
    """One run: seconds by the clock, seconds on processors, peak memory, and what it said of near-duplicates."""

    wall: float
    cpu: float
    megabytes: float
    pairs: str


def thumbnails(folder: Path | None) -> npt.NDArray[np.float64]:
    """Those of real or drawn chests, (n, 1024)."""
    if folder is not None:
        pictures = (np.asarray(Image.open(path).convert("L").resize((SIZE, SIZE))) for path in folder.rglob("*.jpeg"))
    else:
        pictures = (_phantom(number) for number in range(_DRAWN))
    known = [base64.b64decode(perceptual_hash.thumbnail(picture)) for picture in pictures]
    return np.frombuffer(b"".join(known), np.uint8).reshape(len(known), -1).astype(np.float64)


def _phantom(number: int) -> Thumbnails:
    rng = np.random.default_rng(number)
    return draw(Anatomy.sample(rng), list(Finding)[number % 3], rng, width=SIZE, height=SIZE)


def more_like(known: npt.NDArray[np.float64], count: int) -> Iterator[Thumbnails]:
    """So many thumbnails, (32, 32), of the same mean and covariance, some of them copies of the one before."""
    rng, centre, edge = np.random.default_rng(1), known.mean(axis=0), perceptual_hash.THUMBNAIL
    values, vectors = np.linalg.eigh(np.cov((known - centre).T))
    spread = (vectors * np.sqrt(np.maximum(values, 0))).T
    for begin in range(0, count, _AT_ONCE):
        some = np.rint(centre + rng.standard_normal((_AT_ONCE, edge**2)) @ spread)
        some[_COPY_EVERY - 1 :: _COPY_EVERY] = some[_COPY_EVERY - 2 :: _COPY_EVERY]
        some[_COPY_EVERY - 1 :: _COPY_EVERY] += rng.integers(-1, 2, (len(some) // _COPY_EVERY, edge**2))
        yield from np.clip(some, 0, 255).astype(np.uint8)[: count - begin].reshape(-1, edge, edge)


def write_decoded(directory: Path, known: npt.NDArray[np.float64], images: int) -> None:
    """Write what one instance of PreprocessImages leaves of so many images."""
    rng, shards = np.random.default_rng(2), shard_count(images, SIZE)
    header = Header(URI, SIZE, 0, 1, images, images, shards, 0, 0, [], [])
    directory.mkdir(parents=True)
    content = bytes(SIZE * SIZE + 200)
    record = struct.pack("<Q", len(content)) + bytes(4) + content + bytes(4)
    for index, name in enumerate(shard_names(header.name, shards)):
        (directory / name).write_bytes(record * len(range(index, images, shards)))
    with (directory / f"{header.name}.jsonl").open("w", encoding="utf-8") as file:
        file.write(json.dumps(dataclasses.asdict(header)) + "\n")
        for number, pixels in enumerate(more_like(known, images)):
            label, folder = ("NORMAL", "PNEUMONIA")[number % 2], _FOLDERS[number // 10 % len(_FOLDERS)]
            facts = {
                "bytes": int(rng.integers(20_000, 90_000)),
                "width": int(rng.integers(900, 2000)),
                "height": int(rng.integers(700, 1700)),
                "format": "JPEG",
                "mode": "L",
                "exif": False,
                "border": [round(float(value), 2) for value in rng.uniform(0, 90, 8)],
                "groups": {},
            }
            line = {
                "path": f"chest_xray/{folder}/{label}/{number:07d}.jpeg",
                "label": label,
                "folder": folder,
                "patient": f"patient {number // 2}",
                "subtype": "",
                "sha256": hashlib.sha256(str(number).encode()).hexdigest(),
                "facts": facts | dataclasses.asdict(perceptual_hash.fingerprint(pixels)),
            }
            file.write(json.dumps(line) + "\n")


def split(tree: Path, base: Path) -> Run:
    """SplitDataset of a checked-out tree over a job directory."""
    shutil.rmtree(base / "processing" / "output", ignore_errors=True)
    flags = {"archive-uri": URI, "image-size": str(SIZE), "validation-fraction": "0.1", "seed": "1"}
    command = [sys.executable, "-m", "model_code.split_dataset"]
    started = time.perf_counter()
    with (base / "log").open("w") as log:
        process = subprocess.Popen(  # noqa: S603 - this project's own module
            [*command, *(word for name, value in flags.items() for word in (f"--{name}", value))],
            cwd=tree,
            env=os.environ | {"SAGEMAKER_BASE_DIR": str(base)},
            stdout=log,
            stderr=log,
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    printed = (base / "log").read_text()
    if status:
        raise SystemExit(f"SplitDataset of {tree} failed:\n{printed}")
    pairs = "\n".join(re.findall(r"^Near-duplicates .*$", printed, re.MULTILINE))
    seconds = usage.ru_utime + usage.ru_stime
    return Run(time.perf_counter() - started, seconds, usage.ru_maxrss / 1024, pairs)


def check_out(commit: str, target: Path) -> Path:
    """The model's code of a commit."""
    packed = subprocess.run(  # noqa: S603
        ["git", "archive", commit, "model_code"],  # noqa: S607
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(target, filter="data")
    return target


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description="Seconds and memory of SplitDataset.")
    parser.add_argument(
        "--against", metavar="COMMIT", help="compare with the code of this commit, at --compared images"
    )
    parser.add_argument("--compared", type=int, default=100_000, help="images of the comparison (100,000)")
    parser.add_argument("--images", type=int, nargs="+", default=[25_000, 50_000, 100_000, 200_000])
    parser.add_argument("--repeats", type=int, default=3, help="runs of each kind (3)")
    folder = os.environ.get("CXR_RADIOGRAPHS")
    parser.add_argument("--radiographs", type=Path, default=folder, help="whose thumbnails are imitated; else drawn")
    options = parser.parse_args()
    known = thumbnails(options.radiographs)
    lines = [
        f"{len(known)} {'drawn' if options.radiographs is None else 'real'} chests imitated; {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}",
        "| images | code | processor seconds | seconds | peak memory |\n| --- | --- | --- | --- | --- |",
    ]
    costs = {}
    with tempfile.TemporaryDirectory() as scratch:
        trees = {"this": REPOSITORY}
        if options.against:
            trees[options.against] = check_out(options.against, Path(scratch, "earlier"))
        for images in options.images:
            base = Path(scratch, str(images))
            write_decoded(base / "processing" / "input" / "decoded", known, images)
            runs: dict[str, list[Run]] = {name: [] for name in trees if name == "this" or images == options.compared}
            for _ in range(options.repeats):
                for name, some in runs.items():
                    some.append(split(trees[name], base))
            if len({run.pairs for some in runs.values() for run in some}) != 1:
                raise SystemExit("The two found other pairs.")
            for name, some in runs.items():
                cpu, wall, memory = (
                    statistics.median(getattr(run, field) for run in some) for field in ("cpu", "wall", "megabytes")
                )
                costs[images, name] = cpu, memory
                lines.append(f"| {images:,} | {name} | {cpu:.1f} | {wall:.1f} | {memory:.0f} MB |")
            shutil.rmtree(base)
    if (options.compared, options.against) in costs:
        ratios = (
            ours / theirs for ours, theirs in zip(*(costs[options.compared, tree] for tree in trees), strict=True)
        )
        lines.append("of the earlier: {:.2f} of the processor seconds, {:.2f} of the memory".format(*ratios))
    least, most = min(options.images), max(options.images)
    if least < most:
        growth = math.log(costs[most, "this"][0] / costs[least, "this"][0]) / math.log(most / least)
        lines.append(f"processor seconds grow with n^{growth:.2f} from {least:,} to {most:,} images")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
