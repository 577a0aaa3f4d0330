#!/usr/bin/env bash
# pydicom 3.0.2 loses every element behind one whose value representation is no pair of capital letters, without an
# error: the file seems to hold no image. DCMTK 3.6.7 (dcmdump, dcmj2pnm) passes over the element and reads on.
#
# In Explicit VR, two bytes that are no capitals are taken for the length of an element in Implicit VR
# (`filereader.data_element_generator`, "invalid VR, must be 2 cap chrs, assume implicit and continue"): `??` and a
# length of four bytes become a length of 278,335. With `config.assume_implicit_vr_switch = False` that element is
# read with a length of two bytes; an unknown pair of capitals (`XX`) with a length of four, as all have that PS3.5, 7.1.2
# does not name, still loses what follows.
# Below, a file of 8 x 8 pixels has such a private element before Rows.
#
# Seen 2026-11-29 with pydicom 3.0.2 on Python 3.11:
#   `??`, length of 2 bytes: Rows False, PixelData False
#   `??`, length of 2 bytes, assume_implicit_vr_switch off: Rows True, PixelData True
#   `XX`, length of 2 bytes: Rows True, PixelData True
#   `XX`, length of 4 bytes: Rows False, PixelData False
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pydicom==3.0.2
"$folder/venv/bin/python" -W ignore - > "$folder/seen" 2> "$folder/log" <<'PYTHON'
import io
import struct

from pydicom import config, dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

image = Dataset()
image.file_meta = FileMetaDataset()
image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
image.SOPClassUID, image.SOPInstanceUID = DigitalXRayImageStorageForPresentation, generate_uid()
image.Modality, image.Rows, image.Columns = "DX", 8, 8
image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
image.BitsAllocated = image.BitsStored = 8
image.HighBit, image.PixelRepresentation, image.PixelData = 7, 0, bytes(64)
buffer = io.BytesIO()
image.save_as(buffer, enforce_file_format=True)
data = buffer.getvalue()
at = data.index(b"\x28\x00\x02\x00US")


def read(representation, long):
    length = b"\0\0" + struct.pack("<I", 4) if long else struct.pack("<H", 4)
    element = b"\x27\x00\x10\x10" + representation + length + b"abcd"
    found = dcmread(io.BytesIO(data[:at] + element + data[at:]))
    return f"Rows {'Rows' in found}, PixelData {'PixelData' in found}"


print("`??`, length of 2 bytes:", read(b"??", False))
config.assume_implicit_vr_switch = False
print("`??`, length of 2 bytes, assume_implicit_vr_switch off:", read(b"??", False))
config.assume_implicit_vr_switch = True
print("`XX`, length of 2 bytes:", read(b"XX", False))
print("`XX`, length of 4 bytes:", read(b"XX", True))
PYTHON
cat "$folder/seen"
diff "$folder/seen" <(sed -n 's/^#   //p' "$0")
