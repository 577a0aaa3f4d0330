"""PreprocessImages: an uploaded archive becomes verified, de-duplicated TFRecord shards, split by patient.

    python -m model_code.preprocess --archive-uri s3://bucket/datasets/<64 hex>/archive.zip \
        --image-size 220 --validation-fraction 0.1 --seed 20180222

Reads `processing/input/archive/*.zip`; writes the shards to `processing/output/{train,validation,test}` and the dataset
card to `processing/output/report/dataset.json`. Every image is read and decoded exactly once and its pixels are kept in
a temporary file until the split is known, so memory does not grow with the pixels of the archive.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import datetime as dt
import hashlib
import itertools
import json
import os
import re
import sys
import tempfile
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
import tensorflow as tf

from model_code import job
from model_code.archive import LABELS, Candidate, Listing, list_candidates, open_archive
from model_code.dataset import write_shards
from model_code.image import pixels_from_bytes
from model_code.inference import check_image
from model_code.split import SPLITS, Assignment, Radiograph, assign

# The trigger makes this copy once per upload and nothing ever writes there again. SageMaker's step cache compares only
# the address: with any other one it could answer with the shards of an archive that has since been replaced.
_IMMUTABLE_URI = re.compile(r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/datasets/[0-9a-f]{64}/archive\.zip$")
MAX_UNDECODABLE_SHARE = 0.05
MAX_MEMBER_BYTES = 100 * 2**20
SHARD_BYTES = 64 * 2**20
# A reason that concerns thousands of files (the second copy of Kaggle's double tree) is counted in full, and so many
# of its files are named.
MAX_NAMED_FILES = 200
_PROGRESS_SECONDS = 5.0


@dataclasses.dataclass(frozen=True)
class Settings:
    """The step's parameters, as on the command line."""

    archive_uri: str
    image_size: int
    validation_fraction: float
    seed: int


def main(arguments: list[str]) -> None:
    """Run the step.

    Raises:
        JobError: for parameters out of range, or an archive that cannot become a data set.
    """
    settings = parse(arguments)
    started = time.monotonic()
    path = job.only_file(job.processing_input("archive"), "*.zip")
    outputs = {name: job.processing_output(name) for name in (*SPLITS, "report")}
    with open_archive(path) as archive, tempfile.TemporaryFile(dir=job.base_directory() / "processing") as spill:
        listing = list_candidates(archive)
        print(f"{path.name}: {len(listing.candidates)} labelled radiographs", flush=True)
        radiographs, undecodable = _decode_all(archive, listing.candidates, settings.image_size, spill)
        assignment = assign(radiographs, fraction=settings.validation_fraction, seed=settings.seed)
        for sentence in assignment.decisions:
            print(sentence, flush=True)
        rng = np.random.default_rng(settings.seed)
        for split in SPLITS:
            images = sorted(assignment.splits[split], key=lambda one: one.path)
            # Shuffled on disk too: a shuffle buffer smaller than the data then still mixes the labels.
            shuffled = [images[index] for index in rng.permutation(len(images))]
            write_shards(
                outputs[split],
                split,
                _with_pixels(shuffled, spill, settings.image_size),
                shard_count(len(images), settings.image_size),
            )
    card = dataset_card(settings, listing, undecodable, assignment)
    text = json.dumps(card, indent=2, ensure_ascii=True) + "\n"
    (outputs["report"] / "dataset.json").write_text(text, encoding="utf-8")
    counts = ", ".join(f"{split} {card['splits'][split]['images']}" for split in SPLITS)
    print(f"Wrote {counts} images of {settings.image_size} px in {time.monotonic() - started:.1f} s", flush=True)


def parse(arguments: list[str]) -> Settings:
    """Read and check the command line.

    Raises:
        JobError: for a value out of range, or an archive address that could change its content.
    """
    parser = argparse.ArgumentParser(prog="model_code.preprocess")
    parser.add_argument("--archive-uri", required=True)
    parser.add_argument("--image-size", type=int, required=True)
    parser.add_argument("--validation-fraction", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    settings = Settings(**vars(parser.parse_args(arguments)))
    if not _IMMUTABLE_URI.match(settings.archive_uri):
        raise job.JobError(
            f"The archive {settings.archive_uri} is not an immutable copy s3://<bucket>/datasets/<64 hex>/archive.zip: "
            "a later upload could replace it and the cached step would not notice; upload it to incoming/ instead."
        )
    if not 32 <= settings.image_size <= 1024:
        raise job.JobError(f"ImageSize must be from 32 (ResNet50V2's least) to 1024, not {settings.image_size}.")
    if not 0.01 <= settings.validation_fraction <= 0.4:
        raise job.JobError(f"ValidationFraction must be from 0.01 to 0.4, not {settings.validation_fraction}.")
    if settings.seed < 0:
        raise job.JobError(f"Seed must not be negative, as {settings.seed} is.")
    return settings


def shard_count(images: int, size: int) -> int:
    """How many shards a split of so many images of so many pixels gets: at least four, and about 64 MiB each."""
    return min(images, max(4, -(-images * size * size // SHARD_BYTES)))


def dataset_card(
    settings: Settings, listing: Listing, undecodable: dict[str, str], assignment: Assignment
) -> dict[str, Any]:
    """What became of the archive: counts, decisions, dropped files with reasons, and a hash of the content.

    The hash covers split, label and content of every radiograph that is used, in no order.
    """
    reasons = dict(sorted(assignment.dropped.items()))
    reasons |= {"outside_label_folders": listing.unlabelled, "not_an_image": listing.not_images}
    dropped = [
        {"reason": reason, "count": len(paths), "files": sorted(paths)[:MAX_NAMED_FILES]}
        for reason, paths in reasons.items()
        if paths
    ]
    if undecodable:
        details = [f"{path}: {why}" for path, why in sorted(undecodable.items())]
        dropped.append({"reason": "undecodable", "count": len(details), "files": details[:MAX_NAMED_FILES]})
    lines = [f"{split} {one.label} {one.sha256}\n" for split in SPLITS for one in assignment.splits[split]]
    return {
        "sha256": hashlib.sha256("".join(sorted(lines)).encode()).hexdigest(),
        "labels": list(LABELS),
        "image_size": settings.image_size,
        "archive_uri": settings.archive_uri,
        "validation_fraction": settings.validation_fraction,
        "seed": settings.seed,
        "splits": {split: _counts(assignment.splits[split]) for split in SPLITS},
        "decisions": assignment.decisions,
        "dropped": dropped,
        "litter": listing.litter,
        "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }


def _counts(images: list[Radiograph]) -> dict[str, Any]:
    return {
        "images": len(images),
        "patients": len({one.patient for one in images}),
        "labels": {label: sum(one.label == label for one in images) for label in LABELS},
        "subtypes": dict(sorted(Counter(one.subtype for one in images if one.subtype).items())),
    }


def _decode_all(
    archive: zipfile.ZipFile, candidates: list[Candidate], size: int, spill: IO[bytes]
) -> tuple[list[Radiograph], dict[str, str]]:
    """Decode every candidate into the spill file; the radiographs, and the reason of each file that is none."""
    radiographs: list[Radiograph] = []
    undecodable: dict[str, str] = {}
    decode = tf.function(
        lambda encoded: pixels_from_bytes(encoded, size), input_signature=[tf.TensorSpec((), tf.string)]
    )
    started = shown = time.monotonic()
    positions: dict[str, int] = {}
    for done, (candidate, result) in enumerate(_in_threads(archive, candidates, decode, positions), start=1):
        if isinstance(result, str):
            undecodable[candidate.path] = result
        else:
            digest, pixels = result
            if digest not in positions:
                positions[digest] = len(positions)
                spill.write(pixels)
            radiographs.append(_radiograph(candidate, digest, positions[digest]))
        now = time.monotonic()
        if now - shown >= _PROGRESS_SECONDS or done == len(candidates):
            shown = now
            rate = done / (now - started)
            print(f"decoded {done}/{len(candidates)} images, {rate:.0f} a second", flush=True)
    if len(undecodable) > MAX_UNDECODABLE_SHARE * len(candidates):
        named = "; ".join(f"{path}: {why}" for path, why in itertools.islice(sorted(undecodable.items()), 3))
        raise job.JobError(
            f"{len(undecodable)} of {len(candidates)} images cannot be read (at most "
            f"{MAX_UNDECODABLE_SHARE:.0%} may be): {named}."
        )
    spill.flush()
    return radiographs, undecodable


def _in_threads(
    archive: zipfile.ZipFile, candidates: list[Candidate], decode: Any, positions: dict[str, int]
) -> Iterator[tuple[Candidate, tuple[str, bytes] | str]]:
    """Results in the order of the candidates; only a few images are in memory at a time."""
    workers = max(2, os.cpu_count() or 1)
    remaining = iter(candidates)
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        pending = [
            (one, pool.submit(_read, archive, one, decode, positions))
            for one in itertools.islice(remaining, 4 * workers)
        ]
        while pending:
            candidate, future = pending.pop(0)
            yield candidate, future.result()
            for following in itertools.islice(remaining, 1):
                pending.append((following, pool.submit(_read, archive, following, decode, positions)))


def _radiograph(candidate: Candidate, digest: str, position: int) -> Radiograph:
    return Radiograph(
        candidate.path,
        candidate.label,
        candidate.folder,
        candidate.patient,
        candidate.subtype,
        digest,
        position,
    )


def _read(
    archive: zipfile.ZipFile, candidate: Candidate, decode: Any, positions: dict[str, int]
) -> tuple[str, bytes] | str:
    """Digest and pixels of one member, or why it is no readable image. Pixels that are kept already are left out."""
    if candidate.size > MAX_MEMBER_BYTES:
        return f"it is larger than {MAX_MEMBER_BYTES // 2**20} MiB"
    try:
        encoded = archive.read(candidate.path)
        check_image(encoded)
        digest = hashlib.sha256(encoded).hexdigest()
        return digest, b"" if digest in positions else bytes(decode(encoded).numpy())
    except ValueError as error:
        return str(error)
    except tf.errors.InvalidArgumentError:
        return "it cannot be decoded to its end"
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        return f"the zip member is damaged or unsupported ({error})"


def _with_pixels(images: list[Radiograph], spill: IO[bytes], size: int) -> Iterator[tuple[Radiograph, bytes]]:
    length = size * size
    for image in images:
        yield image, os.pread(spill.fileno(), length, image.position * length)


if __name__ == "__main__":
    sys.exit(job.run(lambda: main(sys.argv[1:]), message_file="message"))
