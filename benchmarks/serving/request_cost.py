"""The dearest requests that an endpoint accepts: seconds of a processor for each kind of file, and /ping meanwhile.

    PYTHONPATH=.venv/serving:. python -m benchmarks.serving.request_cost

Decodes the dearest image of each kind that `model_code.contract.images` accepts, as both engines do: as many pixels,
scans, markers and chunks as may be, noise that fills the largest body. Then it sends these, and JSON of the limits and
beyond, one after another to the serving container's Python service (one worker of gevent's, as
`tests/model_code/support/container_replay.py` starts it) and asks `/ping` all the while. Networks are left out: what
takes the place of LiteRT's decodes, in the thread in which the network would compute, and what takes the place of
TensorFlow Serving, a process of its own there as here, reads what it is sent and answers numbers.
"""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import multiprocessing
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import requests
from PIL import Image

from model_code.contract import images
from model_code.serving import engine_decoding, inference

SIZE = 220
ENGINES = ("litert", "tensorflow")
_ROOT = Path(__file__).resolve().parents[2]
_WORKER = _ROOT / "tests" / "model_code" / "support" / "container_worker.py"
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
# Kind of `MAX_PIXELS`, depth, colour type and channels of the kinds of PNG (PNG specification, 11.2.1).
_PNG = {
    "grey, 8 bits": ("PNG", 8, 0, 1),
    "grey, 16 bits": ("PNG", 16, 0, 1),
    "RGB, 8 bits": ("PNG", 8, 2, 3),
    "RGBA, 8 bits": ("PNG", 8, 6, 4),
    "RGBA, 16 bits": ("PNG of 16-bit colours", 16, 6, 4),
}
_PAETH = 4  # the dearest of a row's filters (9.2)
_COMMENT = b"\xff\xfe\0\x02"


@dataclasses.dataclass(frozen=True)
class Request:
    """One request, and whether it is refused.

    Attributes:
        name: what is dear in it.
        body: of the type `content_type`.
        refused: whether nothing of it is to reach an engine.
    """

    name: str
    body: bytes
    content_type: str = images.PNG
    refused: bool = False


def main() -> None:
    """Measure and print."""
    from model_code.imaging import decoding  # noqa: PLC0415 - TensorFlow, which the other processes do without

    Image.MAX_IMAGE_PIXELS = None
    files = dearest()
    decoding.pixels_from_bytes(next(iter(files.values())), SIZE)
    for name, encoded in files.items():
        images.check_image(encoded)
        seconds = []
        for decode in (engine_decoding.pixels_from_bytes, decoding.pixels_from_bytes):
            began = time.process_time()
            decode(encoded, SIZE)
            seconds.append(f"{time.process_time() - began:.2f} s")
        width, height = images.image_dimensions(encoded)
        print(f"{name:28} {width * height / 1e6:5.1f} million pixels, {len(encoded):>10,} bytes: {', '.join(seconds)}")
    for engine in ENGINES:
        with tempfile.TemporaryDirectory() as scratch:
            pings = asked_meanwhile(model(Path(scratch), engine), dearest_requests(files))
        print(f"/ping beside {engine}, load {os.getloadavg()[0]:.1f}:")
        for name, seconds_each in pings.items():
            slowest, median = (1e3 * float(f(seconds_each)) for f in (np.max, np.median))
            print(f"  {name:28} {len(seconds_each):>5} answers, median {median:4.0f} ms, slowest {slowest:4.0f} ms")


def dearest() -> dict[str, bytes]:
    """A file as dear as may be of each kind, by its name."""
    found = {f"PNG, {name}": _png(*of) for name, of in _PNG.items()}
    found["JPEG, grey"] = _jpeg("JPEG", "L")
    found["JPEG, grey, progressive"] = _scanned(_jpeg("JPEG", "L", progressive=True), 10)
    found["JPEG, RGB, progressive"] = _jpeg("JPEG", "RGB", progressive=True)
    found["JPEG, CMYK"] = _jpeg("JPEG of CMYK", "CMYK")
    found["JPEG, CMYK, progressive"] = _scanned(_jpeg("JPEG of CMYK", "CMYK", progressive=True), images.MAX_SCANS)
    buffer = io.BytesIO()
    Image.new("L", (SIZE, SIZE)).save(buffer, "JPEG")
    # JFIF's segment, tables, frame and scan are there already.
    marked = buffer.getvalue()
    found["JPEG of many markers"] = marked[:2] + _COMMENT * (images.MAX_MARKERS - 8) + marked[2:]
    stuffed = (images.MAX_REQUEST_BYTES - len(marked)) // 2
    found["JPEG of stuffed bytes"] = marked[:-2] + b"\xff\0" * stuffed + marked[-2:]
    found["PNG of many chunks"] = _chunked(images.MAX_CHUNKS - 3)
    return found


def _jpeg(kind: str, mode: str, *, progressive: bool = False) -> bytes:
    """Noise of as many pixels as may be, at the best quality that fits."""
    noise = np.random.default_rng(1).integers(0, 40, (770, 770), dtype=np.uint8)
    edge = int(images.MAX_PIXELS[kind] ** 0.5)
    picture = Image.fromarray(np.tile(noise, (edge // 770 + 1, edge // 770 + 1))[:edge, :edge]).convert(mode)
    for quality in (75, 50, 30):
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality, progressive=progressive)
        if buffer.tell() < images.MAX_REQUEST_BYTES // (3 if progressive else 1):
            break
    return buffer.getvalue()


def _scanned(encoded: bytes, scans: int) -> bytes:
    """A progressive JPEG that goes through its last scan as often as makes so many scans."""
    more = scans - encoded.count(b"\xff\xda")
    last = encoded[encoded.rindex(b"\xff\xda") : -2]
    return encoded[:-2] + last * max(0, min(more, (images.MAX_REQUEST_BYTES - len(encoded)) // len(last))) + b"\xff\xd9"


def _png(kind: str, depth: int, colour: int, channels: int) -> bytes:
    """As many pixels as may be, of as much noise as a body takes."""
    edge = int(images.MAX_PIXELS[kind] ** 0.5)
    width = edge * depth // 8 * channels
    levels = max(2, int(2 ** (0.8 * 8 * images.MAX_REQUEST_BYTES / (width * edge))))
    noise = np.random.default_rng(1).integers(0, levels, (64, width), dtype=np.uint8)

    def file(noisy: int) -> bytes:
        rows = [bytes([_PAETH]) + row[:noisy].tobytes().ljust(width, b"\0") for row in noise]
        packer = zlib.compressobj(1)
        pixels = b"".join(packer.compress(rows[at % len(rows)]) for at in range(edge)) + packer.flush()
        return _file(edge, depth, colour, [_chunk(b"IDAT", pixels)])

    found = file(width)
    return (
        found if len(found) < images.MAX_REQUEST_BYTES else file(width * images.MAX_REQUEST_BYTES // len(found) - 100)
    )


def _chunked(count: int) -> bytes:
    pixels = zlib.compress(bytes((1 + SIZE) * SIZE), 0)
    parts = np.array_split(np.frombuffer(pixels, np.uint8), count)
    return _file(SIZE, 8, 0, [_chunk(b"IDAT", part.tobytes()) for part in parts])


def _file(edge: int, depth: int, colour: int, chunks: list[bytes]) -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", edge, edge, depth, colour, 0, 0, 0))
    return b"".join([images.SIGNATURES[images.PNG], header, *chunks, _chunk(b"IEND", b"")])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def dearest_requests(files: dict[str, bytes]) -> list[Request]:
    """Each file by itself, and JSON of the limits and beyond."""
    limit, small = images.MAX_REQUEST_BYTES, files["JPEG of many markers"]
    several = [small.ljust(limit * 3 // 4 // inference.MAX_IMAGES - 100, b"\0")] * inference.MAX_IMAGES
    slashes = small + b"\xff" * (limit // 4 * 3 // 2 - len(small) - 100)  # base64 of which is slashes
    chunks = [files["PNG of many chunks"]] * inference.MAX_IMAGES
    return [
        *(Request(name, body) for name, body in files.items()),
        Request("16 JPEGs, 20 MiB of JSON", _json(several), "application/json"),
        Request("16 PNGs of many chunks", _json(chunks), "application/json"),
        Request("JSON of escaped slashes", _json([slashes]).replace(b"/", rb"\/"), "application/json"),
        Request("JSON of many values", _json([small], [{}] * 480), "application/json"),
        Request("a body too long", bytes(limit + 1), refused=True),
        Request("20 MiB of small objects", b"[" + b"{}," * (limit // 3 - 1), "application/json", refused=True),
    ]


def _json(encoded: list[bytes], other: object = None) -> bytes:
    instances = [{"b64": base64.b64encode(image).decode()} for image in encoded]
    return json.dumps({"instances": instances, "other": other}).encode()


def model(directory: Path, engine: str) -> Path:
    """An unpacked model without a network; what takes LiteRT's place decodes, and no more."""
    from model_code.export import litert, saved_model  # noqa: PLC0415 - TensorFlow, as in `main`

    saved_model.save_handlers(directory)
    litert.save_sources(directory / "code")
    (directory / "code" / "model_code" / "serving" / "engine.py").write_text(_ENGINE)
    metadata = {"engine": engine, "labels": ["NORMAL", "PNEUMONIA"], "threshold": 0.5, "image_size": SIZE}
    metadata |= {
        "temperature": 1.0,
        "bias": 0.0,
        "indeterminate": {"low": 0.4, "high": 0.6},
        "guarantee": None,
        "population": None,
        "dataset": {"sha256": ""},
    }
    (directory / "metadata.json").write_text(json.dumps(metadata))
    return directory


class _TensorFlowServing(BaseHTTPRequestHandler):
    """Stand-in for TensorFlow Serving."""

    def do_POST(self) -> None:
        """Answer the same numbers for each image."""
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        row = {"logit": 0.0, "out_of_distribution_score": 0.0}
        answer = json.dumps({"predictions": [row] * asked.count(b"image_bytes")}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def asked_meanwhile(directory: Path, dear: list[Request]) -> dict[str, list[float]]:
    """Seconds of each answer to /ping while the requests are answered, one after another, by their names."""
    server = HTTPServer(("127.0.0.1", 0), _TensorFlowServing)
    serving = multiprocessing.get_context("fork").Process(target=server.serve_forever, daemon=True)
    serving.start()
    code = directory / "code"
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(code), str(_ROOT / ".venv" / "serving")]),
        "TFS_REST_PORTS": str(server.server_address[1]),
        "INFERENCE_SCRIPT": str(code / "inference.py"),
    }
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url, number = f"http://127.0.0.1:{listener.getsockname()[1]}", listener.fileno()
        worker = subprocess.Popen(  # noqa: S603 - this very Python
            [sys.executable, str(_WORKER), str(number)],
            stderr=subprocess.DEVNULL,
            env=environment,
            pass_fds=(number,),
            cwd="/",
        )
    try:
        requests.get(f"{url}/ping", timeout=60)
        return {request.name: _pings(url, request) for request in dear}
    finally:
        worker.terminate()
        worker.wait(60)
        serving.terminate()
        server.server_close()


def _pings(url: str, request: Request) -> list[float]:
    statuses: list[int] = []

    def send() -> None:
        headers = {"Content-Type": request.content_type}
        statuses.append(requests.post(f"{url}/invocations", request.body, headers=headers, timeout=60).status_code)

    sending = threading.Thread(target=send)
    sending.start()
    seconds = []
    while sending.is_alive():
        began = time.monotonic()
        requests.get(f"{url}/ping", timeout=60)
        seconds.append(time.monotonic() - began)
        time.sleep(0.005)
    sending.join()
    if statuses != [500 if request.refused else 200]:
        raise RuntimeError(f"{request.name} was answered {statuses}")
    return seconds


if __name__ == "__main__":
    main()
