"""An archive of DICOM files to shards, against a loop of pydicom's functions and Pillow.

    python -m benchmarks.dicom.archive

Drawn chests of 3,000 x 2,496 pixels, 12 bits with a window, half of them JPEG 2000, half deflated, each file with
attributes of its own, so that no two have the same content. The loop is what one would write: `pixel_array`,
`apply_voi_lut`, a grey picture, Pillow's resize; one thread. Both read the same archive, on the same two cores, by
turns; the ratio of processor seconds tells of the work, that of seconds by the clock of the work on two cores.

With --memory 100 400, nothing is compared: one process on one core decodes archives of so many files, of a ninth of the
pixels each, and its peak memory is printed.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import tempfile
import time
import zipfile
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.pixels.processing import apply_voi_lut
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless

from benchmarks.data.preprocessing import Process, Run, preprocess
from benchmarks.dicom.jpeg_2000 import SHAPE, chest, dicom_file

_CHESTS_DRAWN = 4
_LABELS = ("NORMAL", "PNEUMONIA")
_SMALL = (SHAPE[0] // 3, SHAPE[1] // 3)


def write_archive(path: Path, images: int, shape: tuple[int, int] = SHAPE) -> None:
    """So many files, by turns of each way to compress and of each chest."""
    drawn = [chest(number, shape) for number in range(_CHESTS_DRAWN)]
    frames = [
        bytes(imagecodecs.jpeg2k_encode(values, codecformat="j2k", reversible=True, level=0, bitspersample=12))
        for values in drawn
    ]
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(images):
            which = number // 2 % _CHESTS_DRAWN
            values = drawn[which]
            frame, syntax = (
                (values.astype("<u2").tobytes(), DeflatedExplicitVRLittleEndian)
                if number % 2
                else (frames[which], JPEG2000Lossless)
            )
            said = {"WindowCenter": 2048, "WindowWidth": 4096, "InstanceNumber": number}
            name = f"{_LABELS[number // 2 % 2]}/{number:05d}.dcm"
            archive.writestr(name, dicom_file(values, frame, syntax, **said))


def loop(archive: Path, size: int, output: Path) -> None:
    """The baseline; prints how long it took."""
    started = time.perf_counter()
    with zipfile.ZipFile(archive) as file, output.open("wb") as kept:
        for name in file.namelist():
            dataset = dcmread(io.BytesIO(file.read(name)))
            shown = apply_voi_lut(dataset.pixel_array, dataset)
            grey = np.rint(shown / 4095 * 255).astype(np.uint8)
            kept.write(Image.fromarray(grey).resize((size, size), Image.Resampling.BILINEAR).tobytes())
    print(f"Decoded in {time.perf_counter() - started:.3f} s")


def _loop_alone(archive: Path, size: int, scratch: Path, cores: set[int]) -> Run:
    command = ["-m", "benchmarks.dicom.archive", "--loop", str(archive), str(scratch / "kept"), "--size", str(size)]
    return Process(command, cores, scratch).finish()


def measure(options: argparse.Namespace, scratch: Path) -> None:
    """The comparison and the memory, printed as tables."""
    count, size = options.images, options.size
    single, smaller, archive = scratch / "single.zip", scratch / "smaller.zip", scratch / "archive.zip"
    for path, images in ((single, 4), (smaller, count // 3), (archive, count)):
        write_archive(path, images)
    cores = set(sorted(os.sched_getaffinity(0))[:2])
    print(f"{count:,} DICOM files, {archive.stat().st_size / 1e9:.2f} GB, to {size} px; load {os.getloadavg()[0]:.1f}")
    loops: list[Run] = []
    ours: list[Run] = []
    for _ in range(options.repeats):
        loops.append(_loop_alone(archive, size, scratch, cores))
        ours += preprocess(archive, size, scratch, [cores])
    small = preprocess(smaller, size, scratch, [cores])[0]
    # Four files take what both begin with, and next to nothing.
    begin = preprocess(single, size, scratch, [cores])[0].cpu
    begin_loop = _loop_alone(single, size, scratch, cores).cpu
    print("\n| | by the clock | processor | processor, a file | peak memory |\n| --- | --- | --- | --- | --- |")
    for title, runs, start in (("loop", loops, begin_loop), ("PreprocessImages", ours, begin)):
        work, cpu = (statistics.median(getattr(run, name) for run in runs) for name in ("work", "cpu"))
        each = (cpu - start) / (count - 4)
        memory = max(run.megabytes for run in runs)
        print(f"| {title} | {work:.1f} s | {cpu:.1f} s | {each:.3f} s | {memory:.0f} MB |")
    by_clock = statistics.median(loop.work / other.work for loop, other in zip(loops, ours, strict=True))
    by_cpu = statistics.median(
        (loop.cpu - begin_loop) / (other.cpu - begin) for loop, other in zip(loops, ours, strict=True)
    )
    print(f"| ratio | {by_clock:.2f} | | {by_cpu:.2f} | |")
    print("\n| files | peak memory of PreprocessImages |\n| --- | --- |")
    for images, run in ((count // 3, small), (count, ours[-1])):
        print(f"| {images:,} | {run.megabytes:.0f} MB |")
    print(f"\nload afterwards {os.getloadavg()[0]:.1f}")


def measure_memory(counts: list[int], size: int, scratch: Path) -> None:
    """Peak memory of one process by the number of files, printed as a table."""
    core = set(sorted(os.sched_getaffinity(0))[:1])
    print("| files | archive | peak memory | processor |\n| --- | --- | --- | --- |")
    for images in counts:
        archive = scratch / f"{images}.zip"
        write_archive(archive, images, _SMALL)
        (run,) = preprocess(archive, size, scratch, [core])
        megabytes = archive.stat().st_size / 1e6
        print(f"| {images:,} | {megabytes:.0f} MB | {run.megabytes:.0f} MB | {run.cpu:.0f} s |", flush=True)
        archive.unlink()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.dicom.archive", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=int, default=2000, help="files in the archive (2000: 17 GB)")
    parser.add_argument("--size", type=int, default=220, help="edge of the decoded images (220)")
    parser.add_argument("--repeats", type=int, default=1, help="of the comparison (1)")
    parser.add_argument("--memory", type=int, nargs="+", metavar="FILES", help="only the memory, of so many files")
    parser.add_argument("--scratch", type=Path, help="folder for the archives and the shards (a temporary one)")
    parser.add_argument("--loop", type=Path, nargs=2, metavar=("ARCHIVE", "OUTPUT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.loop:
        loop(options.loop[0], options.size, options.loop[1])
        return
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        if options.memory:
            measure_memory(options.memory, options.size, Path(scratch))
        else:
            measure(options, Path(scratch))


if __name__ == "__main__":
    main()
