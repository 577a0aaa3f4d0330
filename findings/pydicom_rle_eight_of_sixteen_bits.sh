#!/usr/bin/env bash
# pydicom 3.0.2 compresses images of 8 bits stored in 16 allocated with RLE Lossless to half of their pixels, without an
# error: afterwards neither it nor DCMTK 3.6.7 (dcmdrle, "coder is finished but has produced insufficient data") reads
# them. Of 9 bits stored the frame is right.
#
# PS3.5, annex G.2: a frame has a segment for each byte of a pixel as Bits Allocated has it. The frame has the two
# segments of 16 bits, each of half as many bytes as there are pixels: the encoder takes pixels of at most 8 bits stored
# to one byte each, and encodes these bytes as if there were two.
# Below, an image of 16 x 16 pixels is compressed and read again.
#
# Seen 2026-11-30 with pydicom 3.0.2 and numpy 2.2.6 on Python 3.11:
#   8 of 16 bits: segments 2, decoded RuntimeError
#   9 of 16 bits: segments 2, decoded the same
#   8 of 8 bits: segments 1, decoded the same
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pydicom==3.0.2 numpy==2.2.6
"$folder/venv/bin/python" -W ignore - > "$folder/seen" 2> "$folder/log" <<'PYTHON'
import struct

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import get_frame
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, RLELossless, generate_uid

VALUES = np.arange(256).reshape(16, 16) % 200


def image(stored, allocated):
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID, made.SOPInstanceUID = DigitalXRayImageStorageForPresentation, generate_uid()
    made.Modality, made.Rows, made.Columns = "DX", *VALUES.shape
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = allocated, stored, stored - 1, 0
    made.PixelData = VALUES.astype(f"<u{allocated // 8}").tobytes()
    made["PixelData"].VR = "OW"
    return made


for stored, allocated in ((8, 16), (9, 16), (8, 8)):
    compressed = image(stored, allocated)
    compressed.compress(RLELossless)
    (segments,) = struct.unpack("<I", get_frame(compressed.PixelData, 0, number_of_frames=1)[:4])
    try:
        decoded = "the same" if (compressed.pixel_array == VALUES).all() else "others"
    except RuntimeError as error:
        decoded = type(error).__name__
    print(f"{stored} of {allocated} bits: segments {segments}, decoded {decoded}")
PYTHON
cat "$folder/seen"
diff "$folder/seen" <(sed -n 's/^#   //p' "$0")
