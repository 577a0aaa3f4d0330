"""PreprocessImages: each instance decodes its share of an uploaded archive into TFRecord shards and a manifest.

    python -m model_code.preprocess --archive-uri s3://bucket/datasets/<64 hex>/archive.zip --image-size 220

Reads `processing/input/archive/*`, of which every instance has a copy: a zip archive, or an inventory, whose objects it
fetches. Reads the deployment's key in `processing/input/patient-key` too, with which names of patients become hashes;
writes shards and a manifest to `processing/output/decoded`, under names that no other instance uses.
`config/resourceconfig.json` says which of how many instances this is. Nothing is decided here: SplitDataset
(model_code/split_dataset.py) puts the shares together.

Every content is read and decoded once, and only a few images are in memory at a time.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import io
import itertools
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

if __name__ == "__main__":
    # Nothing here uses Keras, and without it TensorFlow starts in five seconds instead of nine. Where this variable
    # asks for Keras 2 and there is none, TensorFlow goes without.
    os.environ["TF_USE_LEGACY_KERAS"] = "1"

import tensorflow as tf
from PIL import Image

from model_code.contract import job
from model_code.contract.images import PNG, check_image, image_dimensions, is_dicom, media_type
from model_code.data import manifest, pseudonyms
from model_code.data.candidates import Candidate, Listing, dicom_reader, list_candidates, share_of_host
from model_code.data.manifest import Facts, Header
from model_code.data.patient_split import Radiograph
from model_code.data.pseudonyms import Pseudonyms
from model_code.data.shards import write_shards
from model_code.data.tfrecords import shard_count
from model_code.imaging import image_quality, perceptual_hash
from model_code.imaging.decoding import decoding_graph
from model_code.members.members import MEMBER_ERRORS, Members
from model_code.members.opening import archive_of_job, opened

MAX_MEMBER_BYTES = 100 * 2**20
_PROGRESS_SECONDS = 5.0
# With fewer files for each, a second process does not earn what it takes to start. A DICOM file takes as long as 20
# others, and Pillow decodes JPEG 2000 without letting go of Python's lock (13.0, measured 2026-11).
_FILES_PER_PROCESS = 500
_FILES_OF_A_DICOM_FILE = 20


@dataclasses.dataclass(frozen=True)
class Settings:
    """The step's parameters, as on the command line."""

    archive_uri: str
    image_size: int


@dataclasses.dataclass(frozen=True)
class Share:
    """Part of the archive that one process decodes.

    Attributes:
        position: position of this share, from 0.
        shares: number of shares on all instances.
    """

    settings: Settings
    path: Path
    listing: Listing
    position: int
    shares: int


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The outcome of one file: decoded, unreadable or unsuitable.

    Attributes:
        candidate: the file; its patient names nobody.
        reason: why it is no readable image, else None.
        unsuitable: why it is readable and no frontal radiograph of a chest, else None.
        sha256: SHA-256 of its content.
        facts: None where a file before it in its group has the same content.
        fingerprint: of the pixels, likewise.
        pixels: grey levels, row by row; empty where `facts` is None.
    """

    candidate: Candidate
    reason: str | None = None
    unsuitable: str | None = None
    sha256: str = ""
    facts: Facts | None = None
    fingerprint: perceptual_hash.Fingerprint | None = None
    pixels: bytes = b""


def main(arguments: list[str]) -> None:
    """Run the step.

    Raises:
        JobError: for parameters out of range, or an archive without radiographs.
    """
    settings = parse(arguments)
    started = time.monotonic()
    position, hosts = job.place_among_hosts()
    path = archive_of_job()
    with opened(path, settings.archive_uri) as archive:
        listing = list_candidates(archive, manifest.check_parameters(settings.archive_uri, settings.image_size))
    candidates = len(listing.candidates)
    work = sum(_FILES_OF_A_DICOM_FILE if candidate.dicom else 1 for candidate in listing.candidates)
    processes = max(1, min(job.processors(), work // hosts // _FILES_PER_PROCESS))
    # All hosts are of one type and count alike, so that each knows the others' shares.
    shares = [
        Share(settings, path, listing, position * processes + number, hosts * processes) for number in range(processes)
    ]
    print(
        f"{path.name}: {candidates} labelled radiographs; instance {position + 1} of {hosts} decodes its part in "
        f"{processes} {'process' if processes == 1 else 'processes'}",
        flush=True,
    )
    files = _decode_in_processes(shares) if processes > 1 else _decode_share(shares[0], job.processors())
    print(f"Decoded {files} files to {settings.image_size} px in {time.monotonic() - started:.1f} s", flush=True)


def _decode_in_processes(shares: list[Share]) -> int:
    """Decode all shares, a process for each; the number of files is returned.

    Threads of one process wait for Python's lock and for each other: two cores decode a sixth faster in two processes.
    They are forked, because TensorFlow takes seconds to import; it has started no thread yet when nothing was computed.
    """
    with concurrent.futures.ProcessPoolExecutor(len(shares), multiprocessing.get_context("fork")) as pool:
        done = [pool.submit(_decode_share_alone, share) for share in shares]
        return sum(future.result() for future in concurrent.futures.as_completed(done))


def _decode_share_alone(share: Share) -> int:
    """Decode a share on one processor, in a process that does nothing else."""
    # Each process would otherwise keep as many threads as there are processors, and they would take turns.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    return _decode_share(share, 1)


def _decode_share(share: Share, processors: int) -> int:
    """Decode a share of the archive into shards and a manifest; how many files it had."""
    listing = share.listing
    output = job.processing_output("decoded")
    size = share.settings.image_size
    names = pseudonyms.of_deployment()
    if any(candidate.dicom for candidate in listing.candidates):
        dicom_reader().silence()
    groups = share_of_host(listing.candidates, share.position, share.shares)
    with opened(share.path, share.settings.archive_uri) as archive:
        read = [
            archive.all[candidate.number - 1]
            for group in groups
            for candidate in group
            if candidate.size <= MAX_MEMBER_BYTES
        ]
        files = sum(len(group) for group in groups)
        header = Header(
            archive_uri=share.settings.archive_uri,
            image_size=size,
            host=share.position,
            hosts=share.shares,
            candidates=len(listing.candidates),
            lines=files,
            shards=max(1, shard_count(len(groups), size)),
            folder=archive.uri,
            **listing.beside_candidates(),
        )
        with archive.ahead(read), manifest.writing(output, header) as add:
            outcomes = _with_progress(_Decoder(archive, size, names).all(groups, processors), files, header.name)
            write_shards(output, header.name, _added_to_manifest(outcomes, add), header.shards)
    return files


def parse(arguments: list[str]) -> Settings:
    """Read and check the command line.

    Raises:
        JobError: for a value out of range, or an archive address that could change its content.
    """
    parser = job.ArgumentParser(prog="model_code.preprocess")
    job.add_flags(parser, Settings)
    settings = Settings(**vars(parser.parse_args(arguments)))
    manifest.check_parameters(settings.archive_uri, settings.image_size)
    return settings


def _added_to_manifest(outcomes: Iterator[Outcome], add: Callable[..., None]) -> Iterator[tuple[Radiograph, bytes]]:
    """The images that need a record, in the order of the manifest's lines, which are added on the way."""
    position = 0
    for outcome in outcomes:
        if outcome.reason is not None:
            add(outcome.candidate, undecodable=outcome.reason)
            continue
        if outcome.unsuitable is not None:
            add(outcome.candidate, unsuitable=outcome.unsuitable)
            continue
        add(outcome.candidate, sha256=outcome.sha256, facts=outcome.facts, fingerprint=outcome.fingerprint)
        if outcome.facts is not None:
            radiograph = Radiograph(
                **outcome.candidate.named(),
                sha256=outcome.sha256,
                position=position,
                width=outcome.facts.width,
                height=outcome.facts.height,
                groups=json.dumps(outcome.facts.groups, sort_keys=True) if outcome.facts.groups else "",
            )
            yield radiograph.after_review(), outcome.pixels
            position += 1


def _with_progress(outcomes: Iterator[Outcome], files: int, name: str) -> Iterator[Outcome]:
    started = shown = time.monotonic()
    for done, outcome in enumerate(outcomes, start=1):
        yield outcome
        now = time.monotonic()
        if now - shown >= _PROGRESS_SECONDS or done == files:
            shown = now
            rate = done / (now - started)
            left = f", {(files - done) / rate:.0f} s left" if done < files else ""
            print(f"{name}: {done}/{files} images, {rate:.0f} a second{left}", flush=True)


class _Decoder:
    """Decoder of an archive's files.

    Args:
        size: edge of the results.
        names: makes hashes of patients' names; None where the deployment has no key.
    """

    def __init__(self, archive: Members, size: int, names: Pseudonyms | None) -> None:
        self._archive, self._size, self._names = archive, size, names
        self._graph = decoding_graph(size)

    def all(self, groups: list[list[Candidate]], processors: int) -> Iterator[Outcome]:
        """The outcomes in the order of the groups; only a few groups are in memory at a time."""
        # Reading, hashing, decoding and resizing all leave Python's lock. One thread more than there are processors,
        # since one of them mostly waits for that lock: a tenth faster on two.
        workers = 1 + processors
        remaining = iter(groups)
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            pending = [pool.submit(self._group, group) for group in itertools.islice(remaining, 4 * workers)]
            while pending:
                yield from pending.pop(0).result()
                pending += [pool.submit(self._group, group) for group in itertools.islice(remaining, 1)]

    def _group(self, group: list[Candidate]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for candidate in group:
            known = {outcome.sha256 for outcome in outcomes if outcome.reason is None and outcome.unsuitable is None}
            outcomes.append(self._one(candidate, known))
        return outcomes

    def _one(self, candidate: Candidate, known: set[str]) -> Outcome:
        member = self._archive.all[candidate.number - 1]
        # Its patient names nobody: at first that of its name, then a hash of what table or file state.
        pseudonymous = dataclasses.replace(candidate, stated_patient="", stated_study="")
        if candidate.size > MAX_MEMBER_BYTES:
            return Outcome(pseudonymous, f"it is larger than {MAX_MEMBER_BYTES // 2**20} MiB")
        try:
            encoded = self._archive.read(member)
            dicom = is_dicom(encoded) or (candidate.dicom and media_type(encoded) is None)
            subject = dicom_reader().subject.read(encoded) if dicom else None
            patient_id = candidate.stated_patient or (subject.patient_id if subject else "")
            study = subject.study if subject else candidate.stated_study
            if patient_id or study:
                hashed = pseudonyms.patient(self._names, patient_id, study)
                pseudonymous = dataclasses.replace(pseudonymous, patient=hashed)
            digest = hashlib.sha256(encoded).hexdigest()
            if digest in known:
                return Outcome(pseudonymous, sha256=digest)
            if subject is not None:
                return self._dicom(pseudonymous, encoded, digest, subject.groups)
            check_image(encoded)
            image_quality.check_edges(*image_dimensions(encoded), self._size)
            pixels = self._pixels(encoded)
            return _with_pixels(pseudonymous, digest, _facts(encoded, pixels), pixels)
        except (ValueError, tf.errors.InvalidArgumentError, *MEMBER_ERRORS) as error:
            return Outcome(pseudonymous, _reason(error, unnamed=candidate.path != member.name))

    def _dicom(self, candidate: Candidate, encoded: bytes, digest: str, groups: dict[str, str]) -> Outcome:
        drawn = dicom_reader().draw(encoded)
        if drawn.unsuitable:
            return Outcome(candidate, unsuitable=drawn.unsuitable)
        image_quality.check_edges(drawn.width, drawn.height, self._size)
        pixels = self._pixels(drawn.png)
        facts = Facts(
            bytes=len(encoded),
            width=drawn.width,
            height=drawn.height,
            format="DICOM",
            mode=drawn.mode,
            exif=False,
            border=perceptual_hash.border(pixels),
            groups=groups,
        )
        return _with_pixels(candidate, digest, facts, pixels)

    def _pixels(self, encoded: bytes) -> perceptual_hash.Pixels:
        pixels: perceptual_hash.Pixels = self._graph(tf.constant(encoded)).numpy()[:, :, 0]
        image_quality.check_contrast(pixels)
        return pixels


def _reason(error: Exception, *, unnamed: bool) -> str:
    if isinstance(error, MEMBER_ERRORS):
        # What `zipfile` says has the member's name in it.
        return "the zip member is damaged or unsupported" + ("" if unnamed else f" ({error})")
    return str(error) if isinstance(error, ValueError) else "it cannot be decoded to its end"


def _with_pixels(candidate: Candidate, digest: str, facts: Facts, pixels: perceptual_hash.Pixels) -> Outcome:
    fingerprint = perceptual_hash.fingerprint(pixels)
    return Outcome(candidate, sha256=digest, facts=facts, fingerprint=fingerprint, pixels=pixels.tobytes())


def _facts(encoded: bytes, pixels: perceptual_hash.Pixels) -> Facts:
    width, height = image_dimensions(encoded)
    try:
        # Reads the header only; a file that Pillow does not know at all is still one that TensorFlow has decoded.
        with Image.open(io.BytesIO(encoded), formats=("JPEG", "PNG")) as opened:
            mode, exif = opened.mode, "exif" in opened.info
    except (OSError, Image.DecompressionBombError):
        mode, exif = "unknown", False
    return Facts(
        bytes=len(encoded),
        width=width,
        height=height,
        # By its first bytes: a JPEG with a second picture has another name in Pillow.
        format="PNG" if media_type(encoded) == PNG else "JPEG",
        mode=mode,
        exif=exif,
        border=perceptual_hash.border(pixels),
    )


if __name__ == "__main__":
    sys.exit(job.run(lambda: main(sys.argv[1:]), message_file="message"))
