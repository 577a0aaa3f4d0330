#!/usr/bin/env bash
# pydicom 3.0.1 reads the first mapped value of a VOI LUT by the sign of the stored values; the standard, by the sign of
# what goes into the table, which a Rescale Intercept may have made negative.
#
# PS3.3 C.11.2.1.1: the first mapped value has the sign of the range of values that enter the VOI LUT, which is that of
# the output of the Modality LUT. In Implicit VR nothing in the file says US or SS, so the reader has to choose.
# Here stored values are unsigned, 0 to 255, the intercept is -128, and the table has 256 entries from -128 on: stored
# value n is entry n, so the picture is 0 to 255 as stored. `pixels.apply_voi_lut` takes -128 for 65408, sees all values
# below the table, and answers its first entry for all of them: one grey level, without a warning.
#
# Seen 2026-11-28 with pydicom 3.0.1 and numpy 2.3.5 on Python 3.11:
#   descriptor read: [256, 65408, 8]
#   by the standard: 0 to 255, 256 grey levels
#   by pydicom: 0 to 0, 1 grey level
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pydicom==3.0.1 numpy==2.3.5
"$folder/venv/bin/python" -W error - "$folder/drawn.dcm" > "$folder/seen" <<'PYTHON'
import sys

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import DigitalXRayImageStorageForPresentation, ImplicitVRLittleEndian, generate_uid

stored = np.arange(256, dtype=np.uint8).reshape(16, 16)
table = Dataset()
table.add_new("LUTDescriptor", "SS", [256, -128, 8])
table.add_new("LUTData", "OW", np.arange(256, dtype="<u2").tobytes())
image = Dataset()
image.file_meta = FileMetaDataset()
image.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
image.SOPClassUID, image.SOPInstanceUID = DigitalXRayImageStorageForPresentation, generate_uid()
image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
image.Rows, image.Columns = stored.shape
image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
image.BitsAllocated = image.BitsStored = 8
image.HighBit, image.PixelRepresentation = 7, 0
image.RescaleIntercept, image.RescaleSlope, image.RescaleType = "-128", "1", "US"
image.VOILUTSequence = [table]
image.PixelData = stored.tobytes()
image.save_as(sys.argv[1], enforce_file_format=True)

read = dcmread(sys.argv[1])
rescaled = apply_modality_lut(read.pixel_array, read).astype(np.int32)
shown = apply_voi_lut(rescaled, read)
right = np.arange(256)[rescaled + 128]
print("descriptor read:", list(read.VOILUTSequence[0].LUTDescriptor))
for who, grey in (("the standard", right), ("pydicom", shown)):
    levels = len(np.unique(grey))
    print(f"by {who}: {grey.min()} to {grey.max()}, {levels} grey level{'s' * (levels != 1)}")
PYTHON
cat "$folder/seen"
diff "$folder/seen" <(sed -n 's/^#   //p' "$0")
