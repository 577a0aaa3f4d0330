"""Grey levels of DICOM files: this project's against DCMTK's, and why they differ where they do.

    python -m benchmarks.dicom.rendering [--show N]

Every file that pydicom ships, called a radiograph first, and a matrix of drawn ones: photometric interpretation x bits
allocated, stored, high bit x sign x transfer syntax x VOI LUT, window or none x padding. DCMTK is `dcm2img` where it is
installed (3.6.9 on), else `dcmj2pnm` and `dcml2pnm` of Debian 12's dcmtk; it is told to apply what the project says it
applied. JPEG 2000 and newer syntaxes it does not know: the tests hold those to the uncompressed file.
"""

from __future__ import annotations

import argparse
import io
import itertools
import shutil
import subprocess
import tempfile
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom import config
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import get_encoder
from pydicom.uid import RLELossless, generate_uid

from model_code.dicom import header
from model_code.dicom.grey import grey_levels, padded
from model_code.dicom.pixels import stored_values
from model_code.dicom.refusal import Refusal

IMPLICIT, EXPLICIT, BIG, RLE = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", str(RLELossless)
LOSSLESS, JPEG_LS = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80"
LAYOUTS = ((8, 8, 7), (8, 6, 5), (16, 12, 11), (16, 12, 15), (16, 10, 9), (16, 16, 15))
DISPLAYS = (
    *("none", "window", "sigmoid", "exact", "rescale", "VOI LUT", "VOI LUT that says 16 bits", "packed VOI LUT"),
    *("modality LUT", "two windows"),
)
PADDING = (False, True)
WITHIN = 2
# Why a difference above WITHIN is right, by what a file has; the first that fits.
REASONS = {
    "16 bits": "a table of 12 bits that says 16: its greatest entry is white here, nearly black by its descriptor",
    "padded range": "without a window, padding is no part of the range here (C.7.5.1.1.2); in DCMTK it is",
    "exact": "LINEAR_EXACT is C.11.2.1.3.2 here; DCMTK 3.6.7 applies LINEAR, with one value less of width",
}


@dataclass
class Tally:
    """Counts of compared files."""

    same: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    explained: Counter[str] = field(default_factory=Counter)
    open: list[str] = field(default_factory=list)


def main() -> None:
    """Print counts, reasons, and each file that nothing explains."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", type=int, default=40, help="files that nothing explains, at most so many")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    config.settings.writing_validation_mode = config.IGNORE
    with tempfile.TemporaryDirectory() as scratch:
        for name, files in (("pydicom's files", _shipped()), ("drawn files", _drawn())):
            tally = Tally()
            for label, facts, data in files:
                _compare(label, facts, data, Path(scratch), tally)
            print(f"{name}: {tally.same} within {WITHIN} grey levels of DCMTK")
            for title, counts in (
                ("refused", tally.refused),
                ("not read by DCMTK", tally.unknown),
                ("explained", tally.explained),
            ):
                for reason, count in counts.most_common():
                    print(f"  {count:5} {title}: {reason}")
            print(f"  {len(tally.open):5} unexplained")
            for line in tally.open[: chosen.show]:
                print(f"        {line}")


def _compare(label: str, facts: frozenset[str], data: bytes, scratch: Path, tally: Tally) -> None:
    try:
        found = header.read(data)
        values = stored_values(found)
        shown = grey_levels(values, found)
    except Refusal as refusal:
        tally.refused[refusal.detail] += 1
        return
    theirs = _dcmtk(data, shown.rendering, scratch)
    if theirs is None:
        tally.unknown[f"transfer syntax {found.transfer_syntax}"] += 1
        return
    # Padding is black here, whatever its value; DCMTK shows it as any other.
    off = np.where(padded(values, found), 0, np.abs(shown.levels.astype(int) - theirs))
    if off.max() <= WITHIN:
        tally.same += 1
    elif reason := next((why for fact, why in REASONS.items() if fact in facts), None):
        tally.explained[reason] += 1
    else:
        tally.open.append(f"{label}: up to {off.max()}, {(off > WITHIN).mean():.1%} of the pixels, {shown.rendering}")


def _dcmtk(data: bytes, rendering: str, scratch: Path) -> NDArray[np.int64] | None:
    source, target = scratch / "file.dcm", scratch / "file.pgm"
    source.write_bytes(data)
    display = {"voi_lut": ["+Wl", "1"], "window": ["+Wi", "1"], "full_range": ["+Wm"]}[rendering]
    for program in ("dcm2img", "dcmj2pnm", "dcml2pnm"):
        path = shutil.which(program)
        if path is None:
            continue
        target.unlink(missing_ok=True)
        written = ["+opb"] if program != "dcm2img" else ["--write-8-bit-pnm"]
        command = [path, "-q", "-O", *display, *written, str(source), str(target)]
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
        if done.returncode == 0 and target.is_file():
            with Image.open(target) as image:
                return np.asarray(image.convert("L")).astype(np.int64)
    return None


def _shipped() -> Any:
    folder = Path(pydicom.__file__).parent / "data"
    for path in sorted(folder.rglob("*.dcm")):
        try:
            dataset = pydicom.dcmread(path)
            dataset.Modality = "DX"
            for name in ("ViewPosition", "PatientOrientation"):
                if name in dataset:
                    delattr(dataset, name)
            buffer = io.BytesIO()
            dataset.save_as(buffer, enforce_file_format=True)
        except Exception:  # noqa: BLE001, S112 - files that are wrong on purpose; some cannot be written again
            continue
        windowed = "WindowWidth" in dataset or "VOILUTSequence" in dataset
        facts = {"padded range"} if "PixelPaddingValue" in dataset and not windowed else set()
        yield path.name, frozenset(facts), buffer.getvalue()


def _drawn() -> Any:
    syntaxes = (IMPLICIT, EXPLICIT, BIG, RLE, LOSSLESS, JPEG_LS)
    for photometric, layout, signed, syntax, display, padding in itertools.product(
        ("MONOCHROME1", "MONOCHROME2"), LAYOUTS, (False, True), syntaxes, DISPLAYS, PADDING
    ):
        allocated, stored, high = layout
        if high != stored - 1 and syntax in (LOSSLESS, JPEG_LS):
            continue  # a codestream has no spare bits
        facts = {"16 bits"} if "16" in display else {display}
        facts |= {"padded range"} if padding and display == "none" else set()
        label = f"{photometric} {layout} {'signed' if signed else 'unsigned'} {syntax} {display} padding {padding}"
        data = _file(photometric, allocated, stored, high, signed, syntax, display, padding)
        yield label, frozenset(facts), data


def _file(  # noqa: PLR0917
    photometric: str, allocated: int, stored: int, high: int, signed: bool, syntax: str, display: str, padding: bool
) -> bytes:
    low = -(2 ** (stored - 1)) if signed else 0
    down, across = np.mgrid[0:1:64j, 0:1:80j]
    shares = 0.1 + 0.5 * across + 0.25 * down**2 + 0.1 * np.sin(7 * across)
    values = np.rint(shares * (2**stored - 1)).astype(np.int64) + low
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", generate_uid()
    dataset.Modality, dataset.PhotometricInterpretation = "CR", photometric
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, int(signed)
    dataset.Rows, dataset.Columns = values.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = allocated, stored, high
    if padding:
        values[:, :9] = low
        dataset.PixelPaddingValue = low
    _describe(dataset, display, stored, low, big=syntax == BIG)
    lying = (values << (high + 1 - stored)).astype(f"{'i' if signed else 'u'}{allocated // 8}")
    if syntax in (IMPLICIT, EXPLICIT, BIG):
        raw = lying.astype(f"{'>' if syntax == BIG else '<'}{lying.dtype.str[1:]}").tobytes()
        if syntax == BIG and allocated == 8:
            raw = np.frombuffer(raw, "<u2").astype(">u2").tobytes()
        dataset.PixelData = raw
    else:
        dataset.PixelData = encapsulate([_frame(lying, syntax, stored)])
    dataset["PixelData"].VR = "OW"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _describe(dataset: Dataset, display: str, stored: int, low: int, *, big: bool) -> None:
    centre, width = low + 2**stored * 0.45, 2**stored * 0.6
    if display in {"window", "sigmoid", "exact", "two windows"}:
        dataset.WindowCenter, dataset.WindowWidth = centre, width
    if display == "two windows":
        dataset.WindowCenter, dataset.WindowWidth = [centre, low], [width, 9]
    if display in {"sigmoid", "exact"}:
        dataset.VOILUTFunction = {"sigmoid": "SIGMOID", "exact": "LINEAR_EXACT"}[display]
    if display == "rescale":
        dataset.RescaleSlope, dataset.RescaleIntercept = 2, -100
        dataset.WindowCenter, dataset.WindowWidth = 2 * centre - 100, 2 * width
    if "LUT" in display:
        count, bits = 2**stored, 8 if "packed" in display else 12
        entries = np.rint(np.linspace(0, 1, count) ** 0.7 * (2**bits - 1)).astype(np.int64)
        item = Dataset()
        said = 16 if "16" in display else bits
        item.add_new("LUTDescriptor", "SS" if low < 0 else "US", [count % 2**16, low, said])
        packed = entries.astype("u1").tobytes()
        if "packed" in display:
            data = np.frombuffer(packed, "<u2").astype(">u2").tobytes() if big else packed
        else:
            data = entries.astype(">u2" if big else "<u2").tobytes()
        item.add_new("LUTData", "OW", data)
        if display == "modality LUT":
            item.ModalityLUTType = "US"
            dataset.ModalityLUTSequence = [item]
            dataset.WindowCenter, dataset.WindowWidth = 2048, 3000
        else:
            dataset.VOILUTSequence = [item]


def _frame(values: NDArray[Any], syntax: str, stored: int) -> bytes:
    if syntax == RLE:
        return get_encoder(RLELossless).encode(
            values.tobytes(),
            rows=values.shape[0],
            columns=values.shape[1],
            samples_per_pixel=1,
            bits_allocated=8 * values.itemsize,
            bits_stored=8 * values.itemsize,
            pixel_representation=int(values.dtype.kind == "i"),
            photometric_interpretation="MONOCHROME2",
            number_of_frames=1,
        )
    unsigned = values.view(f"u{values.itemsize}") & ((1 << stored) - 1)
    if syntax == LOSSLESS:
        return bytes(imagecodecs.jpeg8_encode(unsigned, lossless=True, predictor=1, bitspersample=stored))
    return bytes(imagecodecs.jpegls_encode(unsigned))


if __name__ == "__main__":
    main()
