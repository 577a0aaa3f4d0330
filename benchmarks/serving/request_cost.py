"""The dearest request that an endpoint accepts: seconds of a processor for each kind of file, and /ping meanwhile.

    PYTHONPATH=.venv/serving:. python -m benchmarks.serving.request_cost

Decodes the largest image of each kind that `model_code.contract.images` accepts, as the engine LiteRT does. Then it
sends all of them to the replay of the serving container (one worker of gevent's) and asks `/ping` all the while. What
takes the place of the engine there decodes and does not run a network, which would compute in the same thread.
"""

from __future__ import annotations

import io
import json
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import requests
from PIL import Image

from model_code.contract import images
from model_code.imaging import exif_orientation
from model_code.serving import engine_decoding, inference

SIZE = 220
_ROOT = Path(__file__).resolve().parents[2]
_REPLAY = _ROOT / "tests" / "model_code" / "support" / "container_replay.py"
_ENGINE = f"""
from model_code.serving.engine_decoding import ImageError, pixels_from_bytes
def own_threads():
    return 1
class Engine:
    def __init__(self, directory, threads):
        pass
    def answer(self, encoded, *, overlay):
        pixels_from_bytes(encoded, {SIZE})
        return {{"logit": 0.0, "out_of_distribution_score": 0.0}}
"""
# Depth, colour type and channels of the kinds of PNG (PNG specification, 11.2.1).
_PNG = {
    "grey, 8 bits": (8, 0, 1),
    "grey, 16 bits": (16, 0, 1),
    "RGB, 8 bits": (8, 2, 3),
    "RGBA, 8 bits": (8, 6, 4),
    "RGBA, 16 bits": (16, 6, 4),
}


def main() -> None:
    """Measure and print."""
    Image.MAX_IMAGE_PIXELS = None
    files = dearest()
    for name, encoded in files.items():
        images.check_image(encoded)
        began = time.process_time()
        engine_decoding.pixels_from_bytes(encoded, SIZE)
        seconds = time.process_time() - began
        width, height = images.image_dimensions(encoded)
        print(f"{name:28} {width * height / 1e6:5.0f} million pixels, {len(encoded):>9,} bytes: {seconds:.2f} s")
    with tempfile.TemporaryDirectory() as scratch:
        pings = asked_meanwhile(model(Path(scratch)), list(files.values()))
    print(f"/ping beside these: {len(pings)} answers, median {np.median(pings) * 1e3:.0f} ms, ", end="")
    print(f"slowest {max(pings) * 1e3:.0f} ms")


def dearest() -> dict[str, bytes]:
    """A file of the most pixels of each kind, by its name."""
    found = {}
    edge = int(images.MAX_PIXELS["PNG"] ** 0.5)
    for name, (depth, colour, channels) in _PNG.items():
        found[f"PNG, {name}"] = _png(edge, depth, colour, channels)
    noise = np.random.default_rng(1).integers(0, 40, (770, 770), dtype=np.uint8)
    for kind, mode, options in (
        ("JPEG", "L", {}),
        ("JPEG", "RGB", {"progressive": True}),
        ("JPEG of CMYK", "CMYK", {}),
        ("JPEG of CMYK", "CMYK", {"progressive": True}),
    ):
        edge = int(images.MAX_PIXELS[kind] ** 0.5)
        repeated = np.tile(noise, (edge // 770 + 1, edge // 770 + 1))[:edge, :edge]
        buffer = io.BytesIO()
        Image.fromarray(repeated).convert(mode).save(buffer, "JPEG", quality=30, **options)
        found[f"JPEG, {mode}{', progressive' if options else ''}"] = buffer.getvalue()
    return found


def _png(edge: int, depth: int, colour: int, channels: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer, row = zlib.compressobj(), bytes(1 + edge * depth // 8 * channels)
    data = b"".join(packer.compress(row) for _ in range(edge)) + packer.flush()
    header = struct.pack(">IIBBBBB", edge, edge, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def model(directory: Path) -> Path:
    """An unpacked model whose engine decodes, and no more."""
    package = directory / "code" / "model_code"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "engine.py").write_text(_ENGINE)
    for module in (engine_decoding, exif_orientation):
        shutil.copy(str(module.__file__), package)
    shutil.copy(inference.__file__, directory / "code")
    metadata = {"engine": "decodes", "labels": ["NORMAL", "PNEUMONIA"], "threshold": 0.5, "image_size": SIZE}
    metadata |= {
        "indeterminate": {"low": 0.4, "high": 0.6},
        "guarantee": None,
        "population": None,
        "dataset": {"sha256": ""},
    }
    (directory / "metadata.json").write_text(json.dumps(metadata))
    return directory


def asked_meanwhile(directory: Path, files: list[bytes]) -> list[float]:
    """Seconds of each answer to /ping while the files are answered, one after another."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url, number = f"http://127.0.0.1:{listener.getsockname()[1]}", listener.fileno()
        command = [sys.executable, str(_REPLAY), str(directory), str(number)]
        process = subprocess.Popen(  # noqa: S603 - this very Python
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=(number,), cwd=_ROOT
        )
    try:
        requests.get(f"{url}/ping", timeout=60)

        def send() -> None:
            for encoded in files:
                answer = requests.post(f"{url}/invocations", encoded, headers={"Content-Type": "image/png"}, timeout=60)
                answer.raise_for_status()

        sending = threading.Thread(target=send)
        sending.start()
        seconds = []
        while sending.is_alive():
            began = time.monotonic()
            requests.get(f"{url}/ping", timeout=60)
            seconds.append(time.monotonic() - began)
            time.sleep(0.02)
        sending.join()
        return seconds
    finally:
        process.communicate(timeout=60)


if __name__ == "__main__":
    main()
