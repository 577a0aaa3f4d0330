"""A DICOM file of JPEG 2000 to its grey picture, against OpenJPEG's own command decoding it in full.

    python -m benchmarks.dicom.jpeg_2000 [--radiographs FOLDER]

A drawn chest of 3,000 x 2,496 pixels with noise, 12 bits, lossless, with a window and without: without one the lowest
and highest single pixel count, and the file is decoded in full. Processor seconds of whole processes less those of one
that only imports, the median of so many rounds; `opj_decompress` (Debian's libopenjp2-tools) writes its picture to
memory. With FOLDER, of radiographs of 2,048 pixels and more, it says how far the picture is from that of a full decode.
"""

from __future__ import annotations

import argparse
import io
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    HTJ2KLossless,
    JPEG2000Lossless,
    generate_uid,
)

from local.samples.phantom import Anatomy, Finding, draw
from model_code.dicom import grey, header, picture, pixels, radiograph

SHAPE = (3000, 2496)
_IMPORTS = "from model_code.dicom import header, radiograph; import PIL.Jpeg2KImagePlugin"
_DRAW = f"{_IMPORTS}; import sys; radiograph.draw(header.read(open(sys.argv[1], 'rb').read()))"


def main() -> None:
    """Print a table of processor seconds, and of grey levels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--radiographs", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as scratch:  # noqa: S108
        _time(Path(scratch), chosen.rounds)
    if chosen.radiographs:
        _compare(chosen.radiographs)


def _time(scratch: Path, rounds: int) -> None:
    values = chest()
    frame = bytes(imagecodecs.jpeg2k_encode(values, codecformat="j2k", reversible=True, level=0, bitspersample=12))
    (scratch / "frame.j2k").write_bytes(frame)
    (scratch / "window.dcm").write_bytes(dicom_file(values, frame, WindowCenter=2048, WindowWidth=4096))
    (scratch / "none.dcm").write_bytes(dicom_file(values, frame))
    ours = [sys.executable, "-c", _DRAW]
    full = shutil.which("opj_decompress")
    started = _seconds([sys.executable, "-c", _IMPORTS], rounds)
    seconds = {
        "with a window": _seconds([*ours, str(scratch / "window.dcm")], rounds) - started,
        "without": _seconds([*ours, str(scratch / "none.dcm")], rounds) - started,
    }
    command = [full or "", "-i", str(scratch / "frame.j2k"), "-o", str(scratch / "frame.pgx"), "-quiet"]
    theirs = _seconds(command, rounds) if full else float("nan")
    print(f"{'opj_decompress, in full':30}{theirs:8.2f} s")
    for name, times in seconds.items():
        print(f"{'this project, ' + name:30}{times:8.2f} s {times / theirs:8.2f} times")


def _seconds(command: list[str], rounds: int) -> float:
    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return statistics.median(once() for _ in range(rounds))


def _compare(folder: Path) -> None:
    print(f"\n{'':34}{'mean':>8}{'99.9 %':>8}{'most':>8}   grey levels, and at 220 px")
    for path in sorted(folder.rglob("*.jp*g")):
        with Image.open(path) as opened:
            if max(opened.size) < 2 * picture.MAX_EDGE:
                continue
            values = np.asarray(opened.convert("L")).astype(np.uint16) * 16
        for name, frame, syntax in (
            ("", imagecodecs.jpeg2k_encode(values, codecformat="j2k", reversible=True, level=0), JPEG2000Lossless),
            (" HT", imagecodecs.htj2k_encode(values, reversible=True), HTJ2KLossless),
        ):
            found = header.read(dicom_file(values, bytes(frame), syntax, WindowCenter=2048, WindowWidth=4096))
            part = radiograph.draw(found).levels.astype(float)
            full = picture.draw(grey.grey_levels(pixels.stored_values(found), found).levels, found).astype(float)
            off = np.abs(part - full)
            small = np.abs(_small(part) - _small(full))
            label = f"{found.columns} x {found.rows}{name}"
            print(
                f"{label:34}{off.mean():8.2f}{np.percentile(off, 99.9):8.1f}{off.max():8.0f}   "
                f"{small.mean():.2f} {small.max():.1f}"
            )


def _small(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    shown = Image.fromarray(levels.astype(np.float32)).resize((220, 220), Image.Resampling.BILINEAR)
    return np.asarray(shown, np.float64)


def chest(number: int = 7, shape: tuple[int, int] = SHAPE) -> NDArray[np.uint16]:
    """Stored values of 12 bits, of a drawn chest with noise; another one for each number."""
    rng = np.random.default_rng(number)
    height, width = shape
    drawn = draw(Anatomy.sample(rng), Finding.NORMAL, rng, width=width // 4, height=height // 4)
    shown = Image.fromarray(drawn.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC)
    noisy = np.asarray(shown) * 16 + rng.normal(0, 12, shape)
    return np.clip(np.rint(noisy), 0, 4095).astype(np.uint16)


def dicom_file(
    values: NDArray[np.uint16], frame: bytes, syntax: str = JPEG2000Lossless, **attributes: int | str
) -> bytes:
    """A DICOM file of one frame, compressed as the syntax names, or as it is where that deflates whole files."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = DigitalXRayImageStorageForPresentation, generate_uid()
    dataset.Modality, dataset.PhotometricInterpretation = "DX", "MONOCHROME2"
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.Rows, dataset.Columns = values.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    for name, value in attributes.items():
        setattr(dataset, name, value)
    dataset.PixelData = frame if syntax == DeflatedExplicitVRLittleEndian else encapsulate([frame])
    dataset["PixelData"].VR = "OW"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
