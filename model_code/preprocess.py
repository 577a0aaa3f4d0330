"""PreprocessImages: each instance decodes its share of an uploaded archive into TFRecord shards, and says what it saw.

    python -m model_code.preprocess --archive-uri s3://bucket/datasets/<64 hex>/archive.zip --image-size 220

Reads `processing/input/archive/*.zip`, of which every instance has a copy; writes shards and manifests to
`processing/output/decoded`, under names that no other instance uses. `config/resourceconfig.json` says which of how
many instances this is; an instance has a worker process for each of its processors. Nothing is decided here:
SplitDataset (model_code/split_dataset.py) puts the shares together.

Every content is read and decoded once, and a worker has one image in memory at a time.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import json
import multiprocessing
import os
import sys
import time
from pathlib import Path
from typing import Any

from model_code import job, manifest
from model_code.archive import list_candidates, open_archive, share
from model_code.manifest import Header
from model_code.records import shard_count

# Below so many files the start of one more worker takes longer than their decoding.
MIN_GROUPS_PER_WORKER = 200
# What workers inherit.
WORKER_ENVIRONMENT = {
    # Decoding uses no Keras, and without it TensorFlow starts in three seconds instead of five. Where this variable asks
    # for Keras 2 and there is none, TensorFlow goes without.
    "TF_USE_LEGACY_KERAS": "1",
    # The processors are busy with the other workers' images.
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    # Memory of one image is kept for the next, instead of asking the system for fresh pages each time.
    "MALLOC_MMAP_THRESHOLD_": str(256 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(512 * 2**20),
}
_PROGRESS_SECONDS = 5.0


@dataclasses.dataclass(frozen=True)
class Settings:
    """The step's parameters, as on the command line."""

    archive_uri: str
    image_size: int


def main(arguments: list[str], *, processors: int = 1) -> None:
    """Run the step.

    Args:
        arguments: the command line.
        processors: with more than one, workers are processes of their own.

    Raises:
        JobError: for parameters out of range, or an archive without radiographs.
    """
    settings = parse(arguments)
    started = time.monotonic()
    host, hosts = place_among_hosts()
    path = job.only_file(job.processing_input("archive"), "*.zip")
    output = job.processing_output("decoded")
    with open_archive(path) as archive:
        listing = list_candidates(archive)
    groups = share(listing.candidates, host, hosts)
    workers = max(1, min(processors, len(groups) // MIN_GROUPS_PER_WORKER))
    headers = [
        Header(
            archive_uri=settings.archive_uri,
            image_size=settings.image_size,
            host=host,
            hosts=hosts,
            worker=worker,
            workers=workers,
            candidates=len(listing.candidates),
            lines=sum(len(group) for group in groups[worker::workers]),
            shards=max(1, shard_count(len(groups[worker::workers]), settings.image_size)),
            litter=listing.litter,
            unlabelled=listing.unlabelled,
            not_images=listing.not_images,
        )
        for worker in range(workers)
    ]
    files = sum(header.lines for header in headers)
    print(
        f"{path.name}: {len(listing.candidates)} labelled radiographs; instance {host + 1} of {hosts} decodes {files}",
        flush=True,
    )
    _decode(path, output, headers)
    print(f"Decoded {files} files to {settings.image_size} px in {time.monotonic() - started:.1f} s", flush=True)


def parse(arguments: list[str]) -> Settings:
    """Read and check the command line.

    Raises:
        JobError: for a value out of range, or an archive address that could change its content.
    """
    parser = argparse.ArgumentParser(prog="model_code.preprocess")
    parser.add_argument("--archive-uri", required=True)
    parser.add_argument("--image-size", type=int, required=True)
    settings = Settings(**vars(parser.parse_args(arguments)))
    manifest.check_parameters(settings.archive_uri, settings.image_size)
    return settings


def place_among_hosts() -> tuple[int, int]:
    """This instance's position in the sorted names of the job's hosts, and how many there are.

    They stand in `config/resourceconfig.json`
    (https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html); without that file there
    is one.

    Raises:
        JobError: when the file does not say which host this is.
    """
    path = job.base_directory() / "config" / "resourceconfig.json"
    if not path.exists():
        return 0, 1
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        hosts = sorted(config["hosts"])
        return hosts.index(config["current_host"]), len(hosts)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise job.JobError(f"{path} does not say which of which hosts this is: {error}.") from error


def _decode(archive: Path, output: Path, headers: list[Header]) -> None:
    """Let the workers decode, and tell how far they are."""
    # Threads would share Python's lock; forked processes would inherit locks that other threads hold.
    context = multiprocessing.get_context("spawn")
    counter = context.Value("q", 0)
    pool: concurrent.futures.Executor
    if len(headers) == 1:
        pool = concurrent.futures.ThreadPoolExecutor(1, initializer=_begin, initargs=(counter,))
    else:
        os.environ.update(WORKER_ENVIRONMENT)
        pool = concurrent.futures.ProcessPoolExecutor(
            len(headers), mp_context=context, initializer=_begin, initargs=(counter,)
        )
    with pool:
        pending = {pool.submit(_work, archive, output, header) for header in headers}
        files = sum(header.lines for header in headers)
        first: tuple[float, int] | None = None
        while pending:
            finished, pending = concurrent.futures.wait(pending, _PROGRESS_SECONDS)
            for future in finished:
                future.result()
            done, now = int(counter.value), time.monotonic()
            if first is None and done:
                first = (now, done)  # the rate is that of decoding, without the start
            elif first is not None and done > first[1]:
                rate = (done - first[1]) / (now - first[0])
                left = f", {(files - done) / rate:.0f} s left" if done < files else ""
                print(f"decoded {done}/{files} images, {rate:.0f} a second{left}", flush=True)


def _begin(counter: Any) -> None:
    global _counter  # noqa: PLW0603 - the one way to hand a worker what cannot be pickled
    _counter = counter


def _count() -> None:
    with _counter.get_lock():
        _counter.value += 1


def _work(archive: Path, output: Path, header: Header) -> None:
    # Imports TensorFlow, which the workers do side by side, and this process need not.
    from model_code.decoding import decode_share  # noqa: PLC0415

    decode_share(archive, output, header, _count)


_counter: Any = None


if __name__ == "__main__":
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    sys.exit(job.run(lambda: main(sys.argv[1:], processors=available), message_file="message"))
