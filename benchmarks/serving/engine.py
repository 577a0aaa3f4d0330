"""One radiograph to its probability: Keras' `predict`, the exported graph and the engine LiteRT, on two cores.

    python -m benchmarks.training.quality --radiographs FOLDER --output build/quality
    python -m benchmarks.serving.engine --radiographs FOLDER --model build/quality/model.tar.gz

Builds a network with the weights of that model at the size that is deployed, exports it for both engines and asks
each, in a process of its own and by turns, about one JPEG of 1,300 x 1,000 pixels; `predict` gets it decoded. Then it
compares what both exports say about real radiographs, from their bytes, at that size and at the size of the training.
The model has to be one of ServingEngine tensorflow, which `benchmarks.training.quality` trains.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from benchmarks.data import radiographs
from benchmarks.operation import processes
from model_code.contract.labels import LABELS
from model_code.data.shards import examples
from model_code.export import artifact, conversion, litert, saved_model
from model_code.imaging.decoding import pixels_from_bytes
from model_code.network import attribution, out_of_distribution
from model_code.network.classifier import Options, build
from model_code.serving.engine_decoding import pixels_from_bytes as of_engine
from model_code.statistics import metrics
from model_code.statistics.calibration import Calibration
from model_code.training import warm_start

KINDS = ("predict", "graph", "graph, explained", "engine", "engine, explained")
_REPOSITORY = Path(__file__).resolve().parents[2]
_TRAINING_IMAGES = 600
_RUNS = 10
WIDTH, HEIGHT = 1300, 1000


def main() -> None:
    """The command line."""
    options = radiographs.parser(__doc__)
    options.add_argument(
        "--model", type=Path, required=True, help="model.tar.gz of ServingEngine tensorflow, whose weights are taken"
    )
    options.add_argument("--size", type=int, default=220, help="edge of the images that are served (220)")
    options.add_argument("--rounds", type=int, default=12, help="turns that each takes, of ten images (12)")
    chosen = options.parse_args()
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:2]))
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch)
        with tarfile.open(chosen.model) as packed:
            packed.extractall(base / "trained", filter="data")
        trained = int(json.loads((base / "trained" / "metadata.json").read_text())["image_size"])
        for size in sorted({chosen.size, trained}, reverse=True):
            _export(base, size, chosen.radiographs)
        _measure(base / str(chosen.size), chosen.radiographs, chosen.rounds)
        for size in sorted({chosen.size, trained}, reverse=True):
            _compare(base / str(size), size, chosen.radiographs)


def _export(base: Path, size: int, folder: Path) -> None:
    """The network at this size: model.keras, and a model directory for each engine."""

    package = warm_start.load_package(str(base / "trained"), base)
    backbone = str(package.metadata["backbone"])
    classifier = build(Options(image_size=size, backbone=backbone, backbone_weights="none"), initial=package.arrays)
    scorer, calibration = saved_model.Scorer(classifier, size), Calibration.of(package.metadata)
    target = base / str(size)
    shards = {
        split: radiographs.shards_of(
            radiographs.chosen(folder / "chest_xray" / split, _TRAINING_IMAGES), target / split, size
        )
        for split in ("train", "val")
    }
    keeper, _ = out_of_distribution.fit(shards["train"], shards["val"], size)
    labelled = (
        (example["pixels"], int(example["label"])) for example in examples(shards["train"], size).as_numpy_iterator()
    )
    marks = attribution.fit(scorer.staged, labelled, count=_TRAINING_IMAGES, floor=-1e9)
    classifier.network.save(target / "model.keras")
    saved_model.save_servable(scorer, target / "graph", keeper, attribution=marks)
    started = time.perf_counter()
    litert.save_code(target / "engine")
    described = litert.save_models(
        conversion.Answers(scorer, keeper, attribution=marks),
        target / "engine",
        calibration=calibration,
        **{
            name: (example["pixels"] for example in examples(shards[split], size).as_numpy_iterator())
            for name, split in (("training", "train"), ("validation", "val"))
        },
    )
    # The benchmark is of what serves; with enough validation images, other weights lie beside it.
    shutil.rmtree(target / "engine" / artifact.FALLBACK_DIRECTORY, ignore_errors=True)
    print(f"Converted at {size} px in {time.perf_counter() - started:.0f} s", flush=True)
    for name in ("graph", "engine"):
        saved_model.save_handlers(target / name)
        metadata = package.metadata | {"image_size": size}
        metadata["saliency"] = saved_model.describe_saliency(marks, scorer)
        (target / name / "metadata.json").write_text(json.dumps(metadata | (described if name == "engine" else {})))


def _measure(directory: Path, folder: Path, rounds: int) -> None:
    image = directory / "radiograph.jpeg"
    with Image.open(sorted((folder / "chest_xray_original" / "NORMAL").iterdir())[0]) as opened:
        opened.convert("L").resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(image, quality=90)
    with contextlib.ExitStack() as stack:
        workers = {kind: stack.enter_context(_worker(kind, directory)) for kind in KINDS}
        times: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for _ in range(rounds):
            for kind, worker in workers.items():
                times[kind] += worker.ask(_RUNS)
        base = statistics.median(times["predict"])
        print(
            f"\nOne JPEG of {WIDTH} x {HEIGHT} pixels, {image.stat().st_size // 1024} KB; "
            f"load {os.getloadavg()[0]:.1f}\n"
        )
        print("| one image | median | least | of `predict` | ready after | resident | peak | artifact |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- |")
        for kind, worker in workers.items():
            median, resident, peak = statistics.median(times[kind]), *worker.memory()
            print(
                f"| {kind} | {1e3 * median:.1f} ms | {1e3 * min(times[kind]):.1f} ms | {median / base:.2f} "
                f"| {worker.ready:.2f} s | {resident:.0f} MB | {peak:.0f} MB | {_megabytes(directory, kind):.1f} MB |"
            )


def _megabytes(directory: Path, kind: str) -> float:
    """Of what is stored; the engine's library, which travels beside, is not there."""
    if kind == "predict":
        return (directory / "model.keras").stat().st_size / 1e6
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        packed.add(directory / kind.partition(",")[0], "model")
    return len(buffer.getvalue()) / 1e6


class _Worker:
    """One process that answers about one image."""

    def __init__(self, kind: str, directory: Path) -> None:
        started = time.perf_counter()
        self.process = subprocess.Popen(  # noqa: S603 - this program's own module
            [sys.executable, "-m", "benchmarks.serving.engine_worker", kind, str(directory)],
            cwd=_REPOSITORY,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._read()
        self.ready = time.perf_counter() - started

    def _read(self) -> Any:
        assert self.process.stdout is not None  # noqa: S101 - it is a pipe
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a measured process failed")
        return json.loads(line)

    def ask(self, runs: int) -> list[float]:
        """Seconds of each of so many answers."""
        assert self.process.stdin is not None  # noqa: S101 - it is a pipe
        self.process.stdin.write(f"{runs}\n")
        self.process.stdin.flush()
        return list(self._read())

    def memory(self) -> tuple[float, float]:
        """Megabytes resident now, and at most."""
        return processes.megabytes(self.process.pid)


@contextlib.contextmanager
def _worker(kind: str, directory: Path) -> Iterator[_Worker]:
    worker = _Worker(kind, directory)
    try:
        yield worker
    finally:
        worker.process.kill()
        worker.process.wait()


def _compare(directory: Path, size: int, folder: Path) -> None:
    """Print a table of both exports' answers about real radiographs, from their bytes."""

    loaded = tf.saved_model.load(str(directory / "graph" / "1"))
    calibration = Calibration.of(json.loads((directory / "graph" / "metadata.json").read_text(encoding="utf-8")))
    graph, running = loaded.signatures["serving_default"], litert.load(directory / "engine")
    decode = tf.function(
        lambda content: pixels_from_bytes(content, size), input_signature=[tf.TensorSpec((), tf.string)]
    )
    print(f"\n{size} px, against the float32 graph\n")
    print("| radiographs | images | AUROC | of float32 | 99 % of p within | at most | pixels on average | at most |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in ("chest_xray/test", "chest_xray/val", "chest_xray_original"):
        rows, grey = [], []
        for label, title in enumerate(LABELS):
            for path in sorted((folder / name / title).iterdir()):
                encoded = path.read_bytes()
                theirs, ours = graph(image_bytes=tf.constant([encoded])), running.answer(encoded, overlay=False)
                rows.append([label, *(float(np.squeeze(answer["logit"])) for answer in (theirs, ours))])
                grey.append(np.abs(of_engine(encoded, size).astype(int) - decode(encoded).numpy()))
        labels, expected, logits = np.asarray(rows).T
        away = np.abs(calibration.probability(logits) - calibration.probability(expected))
        ones = np.ones((1, len(labels)))
        aurocs = [float(metrics.auroc(labels, scores, ones)[0]) for scores in (logits, expected)]
        print(
            f"| {name} | {len(labels)} | {aurocs[0]:.4f} | {aurocs[1]:.4f} | {np.quantile(away, 0.99):.4f} "
            f"| {away.max():.4f} | {np.mean(grey):.5f} | {np.max(grey)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
