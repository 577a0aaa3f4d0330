"""Preprocessing of original-size radiographs: against a PIL loop, in memory, and on one and two workers.

    python -m benchmarks.data.preprocessing --radiographs ../shared/data

The archive holds 5,000 files made of the originals in `chest_xray_original`; each carries a comment of its own, so that
no two have the same content. Without --radiographs, originals of the Kermany archive's median sizes are drawn. The PIL
loop is what one would write: open, grey, resize bilinearly, keep; one thread. Both read the same archive, on the same
two cores, by turns. The workers of the last comparison have one core each.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from local.samples.phantom import Anatomy, Finding, draw

URI = f"s3://bucket/datasets/{'0' * 64}/archive.zip"
_REPOSITORY = Path(__file__).resolve().parents[2]
_ORIGINALS_DRAWN = 40
# Width and height that half of the Kermany archive's files exceed, and what JPEG quality makes about as many bytes.
_DRAWN = {"NORMAL": (1654, 1357, 93), "PNEUMONIA": (1168, 776, 70)}


@dataclasses.dataclass(frozen=True)
class Run:
    """One process: seconds by the clock, seconds on processors, peak memory, seconds of the work after its imports."""

    wall: float
    cpu: float
    megabytes: float
    work: float


def originals(folder: Path | None) -> list[tuple[str, bytes]]:
    """Names, as in the archive, and contents of real originals, or of drawn ones where there is no folder."""
    if folder is not None:
        paths = sorted((folder / "chest_xray_original").rglob("*.jpeg"))
        return [(f"{path.parent.name}/{path.stem}", path.read_bytes()) for path in paths]
    found = []
    for label, (width, height, quality) in _DRAWN.items():
        for number in range(_ORIGINALS_DRAWN):
            rng = np.random.default_rng([number, width])
            finding = Finding.NORMAL if label == "NORMAL" else Finding.VIRUS
            buffer = io.BytesIO()
            pixels = draw(Anatomy.sample(rng), finding, rng, width=width, height=height)
            Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
            name = f"IM-{number:04d}-0001" if label == "NORMAL" else f"person{number}_virus_1"
            found.append((f"{label}/{name}", buffer.getvalue()))
    return found


def write_archive(path: Path, sources: Sequence[tuple[str, bytes]], images: int) -> None:
    """So many files of different content, by turns of each original, under the original's patient's name."""
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(images):
            name, content = sources[number % len(sources)]
            text = f"{number:08d}".encode()
            comment = b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text
            archive.writestr(f"chest_xray/train/{name}-{number:05d}.jpeg", content[:2] + comment + content[2:])


def pil_loop(archive: Path, size: int, output: Path) -> None:
    """The baseline; prints how long it took."""
    started = time.perf_counter()
    with zipfile.ZipFile(archive) as file, output.open("wb") as kept:
        for name in file.namelist():
            image = Image.open(io.BytesIO(file.read(name)))
            kept.write(image.convert("L").resize((size, size), Image.Resampling.BILINEAR).tobytes())
    print(f"Decoded in {time.perf_counter() - started:.3f} s")


def preprocess(archive: Path, size: int, scratch: Path, cores: Sequence[set[int]]) -> list[Run]:
    """PreprocessImages on as many instances as there are sets of cores, all at the same time."""
    processes = []
    hosts = [f"algo-{number}" for number in range(len(cores))]
    for host, own in zip(hosts, cores, strict=True):
        base = Path(tempfile.mkdtemp(dir=scratch))
        (base / "processing" / "input" / "archive").mkdir(parents=True)
        (base / "processing" / "input" / "archive" / "archive.zip").symlink_to(archive)
        (base / "config").mkdir()
        config = {"current_host": host, "hosts": hosts}
        (base / "config" / "resourceconfig.json").write_text(json.dumps(config))
        command = ["-m", "model_code.preprocess", "--archive-uri", URI, "--image-size", str(size)]
        processes.append(Process(command, own, base))
    return [process.finish() for process in processes]


def pil(archive: Path, size: int, scratch: Path, cores: set[int]) -> Run:
    """The baseline in a process of its own."""
    command = [
        "-m",
        "benchmarks.data.preprocessing",
        "--pil-loop",
        str(archive),
        str(scratch / "pil"),
        "--size",
        str(size),
    ]
    return Process(command, cores, scratch).finish()


class Process:
    """A Python program on some cores, and what it costs."""

    def __init__(self, command: list[str], cores: set[int], base: Path) -> None:
        self.log = base / "log"
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, cores)  # a child has its parent's
        with self.log.open("w") as log:
            self.started = time.perf_counter()
            self.process = subprocess.Popen(  # noqa: S603 - this program's own modules
                [sys.executable, *command],
                cwd=_REPOSITORY,
                env=os.environ | {"SAGEMAKER_BASE_DIR": str(base)},
                stdout=log,
                stderr=log,
            )
        os.sched_setaffinity(0, before)

    def finish(self) -> Run:
        """Wait for its end; exits where it failed."""
        _, status, usage = os.wait4(self.process.pid, 0)
        wall = time.perf_counter() - self.started
        self.process.returncode = status
        printed = self.log.read_text()
        work = re.search(r"^Decoded .*in ([\d.]+) s$", printed, re.MULTILINE)
        if status or not work:
            raise SystemExit(f"a measured process failed:\n{printed}")
        return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, float(work[1]))


def measure(options: argparse.Namespace, scratch: Path) -> None:
    """All comparisons, printed as tables."""
    sources = originals(options.radiographs)
    kind = "drawn" if options.radiographs is None else "real"
    count, quarter, size = options.images, options.images // 4, options.size
    archive, smaller, single = scratch / "archive.zip", scratch / "smaller.zip", scratch / "single.zip"
    for path, images in ((archive, count), (smaller, quarter), (single, 1)):
        write_archive(path, sources, images)
    both = set(sorted(os.sched_getaffinity(0))[:2])
    first, second = ({core} for core in sorted(both))
    print(f"{count:,} files of {len(sources)} {kind} originals to {size} px, two cores; load {os.getloadavg()[0]:.1f}")

    loops, ours = [], []
    for _ in range(options.repeats):
        loops.append(pil(archive, size, scratch, both))
        ours += preprocess(archive, size, scratch, [both])
    start = preprocess(single, size, scratch, [both])[0]
    small = preprocess(smaller, size, scratch, [both])[0]
    print(f"\n| {count:,} images, median of {options.repeats} | decoding | images/s | whole process | peak memory |")
    print("| --- | --- | --- | --- | --- |")
    for title, runs in (("PIL loop, one thread", loops), ("PreprocessImages", ours)):
        work, wall = (statistics.median(getattr(run, name) for run in runs) for name in ("work", "wall"))
        memory = max(run.megabytes for run in runs)
        print(f"| {title} | {work:.1f} s | {count / work:.0f} | {wall:.1f} s | {memory:.0f} MB |")
    ratios = [
        statistics.median(getattr(run, name) for run in loops) / statistics.median(getattr(run, name) for run in ours)
        for name in ("work", "wall")
    ]
    print(f"| ratio | {ratios[0]:.2f} | | {ratios[1]:.2f} | |")

    print("\n| images | peak memory of PreprocessImages |\n| --- | --- |")
    for images, run in ((1, start), (quarter, small), (count, ours[-1])):
        print(f"| {images:,} | {run.megabytes:.0f} MB |")

    print(
        "\n| workers, one core each | decoding | processor time | less the start of each |\n| --- | --- | --- | --- |"
    )
    alone = preprocess(single, size, scratch, [first])[0]
    for cores in ([first], [first, second]):
        runs = preprocess(archive, size, scratch, cores)
        cpu = sum(run.cpu for run in runs)
        slowest = max(run.work for run in runs)
        print(f"| {len(runs)} | {slowest:.1f} s | {cpu:.1f} s | {cpu - len(runs) * alone.cpu:.1f} s |")
    print(f"\nload afterwards {os.getloadavg()[0]:.1f}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.data.preprocessing",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    folder = os.environ.get("CXR_RADIOGRAPHS")
    parser.add_argument("--radiographs", type=Path, default=folder, help="folder with chest_xray_original; else drawn")
    parser.add_argument("--images", type=int, default=5000, help="files in the archive (5000)")
    parser.add_argument("--size", type=int, default=220, help="edge of the decoded images (220)")
    parser.add_argument("--repeats", type=int, default=3, help="of the comparison with the PIL loop (3)")
    parser.add_argument("--scratch", type=Path, help="folder for the archive and the shards (a temporary one)")
    parser.add_argument("--pil-loop", type=Path, nargs=2, metavar=("ARCHIVE", "OUTPUT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.pil_loop:
        pil_loop(options.pil_loop[0], options.size, options.pil_loop[1])
        return
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        measure(options, Path(scratch))


if __name__ == "__main__":
    main()
