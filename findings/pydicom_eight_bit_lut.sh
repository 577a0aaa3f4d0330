#!/usr/bin/env bash
# pydicom 3.0.2 cannot apply a look-up table of 8-bit entries that is stored as the standard says, one byte each.
#
# PS3.3 C.11.1.1.1 (Modality LUT) and C.11.2.1.1 (VOI LUT): where the third value of LUT Descriptor is 8, LUT Data is
# stored as with 8 bits allocated, so its length in bytes is the number of entries. A note to C.11.2.1.1 calls 16 bits
# allocated for such entries what some implementations have done. `pixels.apply_modality_lut` and `pixels.apply_voi_lut`
# unpack two bytes for each entry of OW, whatever the descriptor says: of the valid table they end with struct.error,
# and of the other one they make the right picture.
# Here stored values are 0 to 255, and the table has 256 entries, 255 down to 0: the picture is the negative.
#
# Seen 2026-11-30 with pydicom 3.0.2 and numpy 2.3.5 on Python 3.11:
#   Modality LUT, one byte each: struct.error
#   Modality LUT, two bytes each: the negative
#   VOI LUT, one byte each: struct.error
#   VOI LUT, two bytes each: the negative
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pydicom==3.0.2 numpy==2.3.5
"$folder/venv/bin/python" -W error - "$folder/drawn.dcm" > "$folder/seen" <<'PYTHON'
import struct
import sys

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

stored = np.arange(256, dtype=np.uint8).reshape(16, 16)
negative = np.arange(255, -1, -1)
ways = (("Modality LUT", "ModalityLUTSequence", apply_modality_lut), ("VOI LUT", "VOILUTSequence", apply_voi_lut))
for called, sequence, apply in ways:
    for width, kind in (("one byte", "u1"), ("two bytes", "<u2")):
        table = Dataset()
        table.add_new("LUTDescriptor", "US", [256, 0, 8])
        table.add_new("LUTData", "OW", negative.astype(kind).tobytes())
        if sequence == "ModalityLUTSequence":
            table.ModalityLUTType = "US"
        image = Dataset()
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.SOPClassUID, image.SOPInstanceUID = ComputedRadiographyImageStorage, generate_uid()
        image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        image.Rows, image.Columns = stored.shape
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated = image.BitsStored = 8
        image.HighBit, image.PixelRepresentation = 7, 0
        setattr(image, sequence, [table])
        image.PixelData = stored.tobytes()
        image.save_as(sys.argv[1], enforce_file_format=True)
        read = dcmread(sys.argv[1])
        try:
            shown = apply(read.pixel_array, read)
            said = "the negative" if np.array_equal(shown, negative[stored]) else "another picture"
        except struct.error:
            said = "struct.error"
        print(f"{called}, {width} each: {said}")
PYTHON
cat "$folder/seen"
diff "$folder/seen" <(sed -n 's/^#   //p' "$0")
