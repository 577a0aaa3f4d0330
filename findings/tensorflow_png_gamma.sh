#!/usr/bin/env bash
# TensorFlow 2.20.0 turns a colour PNG into grey by way of linear light where the file has a gAMA chunk, and by the
# stored values where it has none: `tf.io.decode_png(content, channels=1)` answers other grey levels for the same pixels.
#
# libpng does the conversion inside the kernel, and takes the file's gamma for it. A gAMA of 1/2.2, which many programs
# write, makes pure red 147 instead of 76: twice as bright as `channels=3` followed by the luma of ITU-R BT.601 would be.
# A gAMA of 1 changes nothing, and neither do grey files. With `channels=3` the chunk changes nothing.
#
# Seen 2026-11-28 with tensorflow-cpu 2.20.0 and numpy 2.3.5 on Python 3.11, grey levels by decode_png(channels=1):
#   (255, 0, 0): without gAMA 76, gAMA 1/2.2 147, gAMA 1 76
#   (0, 255, 0): without gAMA 149, gAMA 1/2.2 200, gAMA 1 149
#   (0, 0, 255): without gAMA 29, gAMA 1/2.2 95, gAMA 1 29
#   (200, 40, 40): without gAMA 87, gAMA 1/2.2 118, gAMA 1 87
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tensorflow-cpu==2.20.0 numpy==2.3.5
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - > "$folder/seen" 2> "$folder/log" <<'PYTHON'
import struct
import zlib

import tensorflow as tf


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def one_pixel(colour, gamma):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    stated = chunk(b"gAMA", struct.pack(">I", gamma)) if gamma else b""
    pixels = chunk(b"IDAT", zlib.compress(b"\0" + bytes(colour)))
    return b"\x89PNG\r\n\x1a\n" + header + stated + pixels + chunk(b"IEND", b"")


gammas = {"without gAMA": 0, "gAMA 1/2.2": 45455, "gAMA 1": 100000}
for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 40, 40)):
    grey = [
        f"{title} {int(tf.io.decode_png(one_pixel(colour, gamma), channels=1)[0, 0, 0])}"
        for title, gamma in gammas.items()
    ]
    print(f"{colour}: {', '.join(grey)}")
PYTHON
cat "$folder/seen"
diff "$folder/seen" <(sed -n 's/^#   //p' "$0")
