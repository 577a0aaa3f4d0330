"""Converting one DICOM file: the Dicom function against pydicom's way of applying its tables to every pixel.

    python -m benchmarks.dicom.conversion

A drawn chest of 40 million pixels, the most that is taken, and one of an ordinary detector, 12 bits with rescale slope
and window, deflated and as JPEG 2000. Both ways end with the same PNG. Each conversion has a process of its own, so
that its greatest memory is its own; times are without imports.
"""

from __future__ import annotations

import argparse
import io
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    JPEG2000Lossless,
    generate_uid,
)

from local.samples.phantom import Anatomy, Finding, draw
from model_code.dicom import header, picture, pixels, radiograph

SIZES = {"ordinary": (3000, 2496), "largest": (6320, 6320)}
SYNTAXES = {"deflated": DeflatedExplicitVRLittleEndian, "JPEG 2000": JPEG2000Lossless}


def main() -> None:
    """Print a table of seconds and megabytes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--convert", nargs=2, metavar=("WAY", "FILE"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.convert:
        way, path = chosen.convert
        _convert(WAYS[way], Path(path).read_bytes())
        return
    print(f"{'':34}{'seconds':>8}{'MB at most':>12}")
    with tempfile.TemporaryDirectory() as scratch:
        for size, shape in SIZES.items():
            for name, syntax in SYNTAXES.items():
                path = Path(scratch) / "file.dcm"
                path.write_bytes(drawn(shape, syntax))
                for way in WAYS:
                    command = [sys.executable, "-m", "benchmarks.dicom.conversion", "--convert", way, str(path)]
                    answers = [
                        subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()  # noqa: S603
                        for _ in range(chosen.rounds)
                    ]
                    seconds = statistics.median(float(answer[0]) for answer in answers)
                    memory = max(int(answer[1]) for answer in answers)
                    print(f"{size + ' ' + name + ', ' + way:34}{seconds:8.2f}{memory:12}", flush=True)


def drawn(shape: tuple[int, int], syntax: str) -> bytes:
    """A radiograph's file of a shape [rows, columns]."""
    rng = np.random.default_rng(7)
    height, width = shape[0] // 8, shape[1] // 8
    chest = draw(Anatomy.sample(rng), Finding.NORMAL, rng, width=width, height=height)
    values = np.kron(chest, np.ones((8, 8), np.uint16)).astype("<u2") * 16
    values[::7, ::5] ^= 1
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = DigitalXRayImageStorageForPresentation, generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.Modality, dataset.PhotometricInterpretation = "DX", "MONOCHROME2"
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.Rows, dataset.Columns = values.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
    dataset.WindowCenter, dataset.WindowWidth = 2048, 4096
    if syntax == JPEG2000Lossless:
        codestream = imagecodecs.jpeg2k_encode(values, codecformat="j2k", reversible=True, level=0, bitspersample=12)
        dataset.PixelData = encapsulate([bytes(codestream)])
    else:
        dataset.PixelData = values.tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _ours(data: bytes) -> bytes:
    return picture.encode(radiograph.draw(header.read(data)).levels)


def _every_pixel(data: bytes) -> bytes:
    dataset: Any = dcmread(io.BytesIO(data))
    stored = pixels.stored_values(header.read(data))  # pydicom decodes JPEG 2000 with packages of others alone
    shown = apply_voi_lut(apply_modality_lut(stored, dataset), dataset)
    image = Image.fromarray(np.rint(shown / 4095 * 255).astype(np.uint8))
    image.thumbnail((picture.MAX_EDGE, picture.MAX_EDGE), Image.Resampling.BOX, reducing_gap=None)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _convert(way: Callable[[bytes], bytes], data: bytes) -> None:
    started = time.process_time()
    way(data)
    seconds = time.process_time() - started
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


WAYS = {"ours": _ours, "every pixel": _every_pixel}


if __name__ == "__main__":
    main()
