"""Images a second of one endpoint process under concurrent clients: this build, another, and other runtimes.

    git worktree add ../before COMMIT
    python -m venv PEERS
    PEERS/bin/pip install onnxruntime==1.32.0 openvino==2026.4.1 nncf==3.4.0 tf2onnx==1.17.0 \
        tensorflow==2.21.0 onnx==1.23.2 pillow==13.0.0 requests==2.34.2
    python -m benchmarks.serving.throughput --radiographs FOLDER --size 220 --before ../before --peers PEERS/bin/python

ResNet50V2 with random weights, the same for all: speed does not depend on them. LiteRT has eight-bit weights with the
activations' ranges of each image, as it is deployed, and is asked through `code/inference.py`; ONNX Runtime and
OpenVINO have both at eight bits with ranges of training radiographs (`throughput_peers`). Each has a process behind the
HTTP face of the laptop's serving container (`local.containers.serving`, a thread for each request) on two processors.
Clients of this process ask by turns, closed loop, each with a connection for every request, for the radiographs of
original size.

Where other work shares the machine, processor seconds of the server are what decides at saturation.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.operation import processes
from benchmarks.serving.throughput_peers import KINDS

NOW, BEFORE = "litert", "litert, before"
_REPOSITORY = Path(__file__).resolve().parents[2]
_CALIBRATION_IMAGES = 100


class Turn(NamedTuple):
    """Figures of one turn: images a second, and for an image the server's processor seconds and the median answer's."""

    rate: float
    processor: float
    seconds: float


class Server:
    """A serving process, from its start until `stop`.

    Args:
        command: that starts it; it prints its port.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - this program's own module
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        # LiteRT announces itself there.
        line = next((line for line in self._process.stdout if line.strip().isdigit()), "")
        if not line:
            raise SystemExit(f"{' '.join(command)} did not start")
        self._port = int(line)

    def ask(self, image: bytes) -> bytes:
        """One image's answer.

        Raises:
            RuntimeError: when it is none.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        try:
            connection.request("POST", "/invocations", image, {"Content-Type": "image/jpeg"})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise RuntimeError(content.decode(errors="replace"))
        return content

    def processor_seconds(self) -> float:
        """Used until now, user's and system's."""
        return processes.processor_seconds(self._process.pid)

    def peak_megabytes(self) -> float:
        """Resident at most."""
        return processes.megabytes(self._process.pid)[1]

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def turn(
    ask: Callable[[bytes], Any],
    images: Sequence[bytes],
    *,
    clients: int,
    count: int,
    used: Callable[[], float] = time.process_time,
) -> Turn:
    """So many requests of so many clients, each of which sends its next one when it has an answer.

    Args:
        ask: gets the answer about one image, from several threads.
        images: are asked about one after the other, and again.
        clients: how many ask at once.
        count: requests of all clients together.
        used: processor seconds of the server until now.
    """
    numbers, taking, seconds = iter(range(count)), threading.Lock(), list[float]()

    def client() -> None:
        while True:
            with taking:
                number = next(numbers, None)
            if number is None:
                return
            started = time.perf_counter()
            ask(images[number % len(images)])
            seconds.append(time.perf_counter() - started)

    before, began = used(), time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        for future in [pool.submit(client) for _ in range(clients)]:
            future.result()
    elapsed = time.perf_counter() - began
    return Turn(count / elapsed, (used() - before) / count, statistics.median(seconds))


def table(turns: Mapping[str, Sequence[Turn]], base: str) -> str:
    """Medians of the turns, with ratios to one of the kinds: of images a second, and of its processor seconds to each.

    The ratios are medians of those within a round: both had the machine then as it was.
    """
    rows = []
    for name, found in turns.items():
        rate, processor, seconds = (statistics.median(values) for values in zip(*found, strict=True))
        pairs = list(zip(found, turns[base], strict=True))
        faster = statistics.median(ours.rate / other.rate for ours, other in pairs)
        cheaper = statistics.median(other.processor / ours.processor for ours, other in pairs)
        took = f"{1e3 * processor:.1f} ms | {cheaper:.2f} | {1e3 * seconds:.0f} ms"
        rows.append(f"| {name} | {rate:.1f} | {faster:.2f} | {took} |")
    head = f"| server | images a second | of {base} | processor time an image | {base}'s of it | median answer |"
    return "\n".join((head, "| --- | --- | --- | --- | --- | --- |", *rows))


def main() -> None:
    """The command line."""
    # TensorFlow, which tests of this module's parts do without.
    from benchmarks.data import radiographs  # noqa: PLC0415

    options = radiographs.parser(__doc__)
    options.add_argument("--size", type=int, default=220, help="edge of the network's images (220)")
    options.add_argument("--before", type=Path, help="a checkout of the build to compare with")
    options.add_argument("--peers", type=Path, help="Python of an environment with the other runtimes")
    options.add_argument("--clients", type=int, default=8, help="that ask at once (8)")
    options.add_argument("--requests", type=int, default=160, help="of a turn (160)")
    options.add_argument("--rounds", type=int, default=5, help="turns of each (5)")
    chosen = options.parse_args()
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:2]))
    files = sorted((chosen.radiographs / "chest_xray_original").glob("*/*"))
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        directory = Path(scratch)
        calibration = radiographs.chosen(chosen.radiographs / "chest_xray" / "train", _CALIBRATION_IMAGES)
        export(directory, chosen.size, calibration)
        servers = dict(_servers(directory, chosen.before, chosen.peers))
        for server in servers.values():
            stack.callback(server.stop)
        _measure(servers, [file.read_bytes() for file in files], chosen)


def _measure(servers: Mapping[str, Server], images: Sequence[bytes], chosen: Any) -> None:
    turns: dict[str, list[Turn]] = {name: [] for name in servers}
    alone: dict[str, list[Turn]] = {name: [] for name in servers}
    for number in range(chosen.rounds + 1):
        for name, server in servers.items():
            found = [
                turn(server.ask, images, clients=clients, count=count, used=server.processor_seconds)
                for clients, count in ((chosen.clients, chosen.requests), (1, chosen.requests // 4))
            ]
            # The first starts what is started by the first requests.
            if number:
                turns[name].append(found[0])
                alone[name].append(found[1])
    base = BEFORE if BEFORE in servers else NOW
    for clients, measured in ((chosen.clients, turns), (1, alone)):
        print(f"\n{chosen.size} px, {clients} at once, load {os.getloadavg()[0]:.1f}\n\n{table(measured, base)}")
    print(
        "\nResident at most: "
        + ", ".join(f"{name} {process.peak_megabytes():.0f} MB" for name, process in servers.items())
    )


def _servers(directory: Path, before: Path | None, peers: Path | None) -> Iterator[tuple[str, Server]]:
    worker = str(_REPOSITORY / "benchmarks" / "serving" / "throughput_worker.py")
    checkouts = {NOW: _REPOSITORY} | ({BEFORE: before.resolve()} if before else {})
    for name, checkout in checkouts.items():
        model = directory / name.replace(", ", "-")
        (model / "code").mkdir(parents=True)
        shutil.copyfile(checkout / "model_code" / "serving" / "inference.py", model / "code" / "inference.py")
        shutil.copytree(directory / "engine", model / "engine")
        shutil.copyfile(directory / "metadata.json", model / "metadata.json")
        # -P: without the worker's own folder, whose modules are named like others.
        yield name, Server([sys.executable, "-P", worker, name, str(model)], os.environ | {"PYTHONPATH": str(checkout)})
    if peers:
        variables = os.environ | {"PYTHONPATH": str(_REPOSITORY), "TF_CPP_MIN_LOG_LEVEL": "3"}
        subprocess.run(  # noqa: S603 - this program's own module
            [str(peers), "-m", "benchmarks.serving.throughput_peers", str(directory)],
            env=variables, cwd=_REPOSITORY, check=True, capture_output=True,
        )  # fmt: skip
        for kind in KINDS:
            yield kind, Server([str(peers), "-P", worker, kind, str(directory)], variables)


def export(directory: Path, size: int, calibration: Sequence[Path]) -> None:
    """The network for LiteRT in `engine/` with its metadata, and for the others in `logits/` with images to calibrate.

    Args:
        directory: exists.
        size: edge of the network's images in pixels.
        calibration: radiographs.
    """
    import tensorflow as tf  # noqa: PLC0415 - as above

    from model_code.contract.labels import LABELS  # noqa: PLC0415
    from model_code.export import conversion, saved_model  # noqa: PLC0415
    from model_code.network.classifier import Options, build  # noqa: PLC0415
    from model_code.serving.engine_decoding import pixels_from_bytes  # noqa: PLC0415

    tf.keras.utils.set_random_seed(1)
    scorer = saved_model.Scorer(build(Options(image_size=size, backbone="ResNet50V2", backbone_weights="none")), size)
    answers = conversion.Answers(scorer, None)
    (directory / "engine").mkdir()
    (directory / "engine" / "body.tflite").write_bytes(conversion.body(scorer, conversion.EIGHT_BITS))
    channels = scorer.look.get_concrete_function().output_shapes[2][saved_model.FEATURE_MAPS][-1]
    (directory / "engine" / "head.tflite").write_bytes(conversion.head(answers, np.zeros(channels, np.float32)))
    metadata = {
        "engine": "litert",
        "labels": list(LABELS),
        "threshold": 0.5,
        "image_size": size,
        "temperature": 1.0,
        "bias": 0.0,
        "indeterminate": {"low": 0.4, "high": 0.6},
        "guarantee": None,
        "population": None,
        "dataset": {"sha256": "ab" * 32},
    }
    (directory / "metadata.json").write_text(json.dumps(metadata))
    module = tf.Module()
    module.tracked = scorer.tracked
    signature = [tf.TensorSpec((1, size, size, 1), tf.float32, name="pixels")]
    module.logits = tf.function(
        lambda pixels: {"logit": scorer.logits(pixels)}, input_signature=signature, autograph=False
    )
    tf.saved_model.save(module, str(directory / "logits"), signatures={"serving_default": module.logits})
    pixels = [pixels_from_bytes(path.read_bytes(), size) for path in calibration]
    np.save(directory / "calibration.npy", np.stack(pixels).astype(np.float32))


if __name__ == "__main__":
    main()
