"""Manifests, JSON lines, from the hosts that decode an archive to the one that splits it.

The first line is about the archive and the host, every other one about a file: what it is, where its record lies and
what the split, the audits and the dataset card need to know of it without its pixels. A file with the same content as
one before it has no record of its own, where the archive's directory could tell.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from model_code.contract import archives, documents, job
from model_code.contract.documents import Revision
from model_code.contract.job import JobError
from model_code.contract.parameters import DATA
from model_code.data.candidates import TOLD, Candidate
from model_code.data.patient_split import Radiograph
from model_code.data.tfrecords import Record, records
from model_code.imaging.perceptual_hash import Fingerprint, Fingerprints


@dataclasses.dataclass(frozen=True)
class Header:
    """The first line of a manifest. What is not named here is of the whole archive, as in `candidates.Listing`.

    Attributes:
        image_size: edge of the decoded images in pixels.
        host: position of the host that wrote it, from 0.
        hosts: how many shared the work.
        candidates: labelled files of the whole archive.
        lines: labelled files of this host.
        shards: number of the host's shards.
        folder: of the bucket whose objects an inventory lists; "" of a zip archive.
        schema: number of the manifest's schema.
    """

    archive_uri: str
    image_size: int
    host: int
    hosts: int
    candidates: int
    lines: int
    shards: int
    metadata_files: int
    masks: int
    unlabelled: list[str]
    not_images: list[str]
    table: str | None = None
    mismatched: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    revisions: list[Revision] = dataclasses.field(default_factory=list)
    folder: str = ""
    schema: int = documents.MANIFEST

    @property
    def name(self) -> str:
        """Beginning of the names of this host's files; no other host's begin so."""
        return f"decoded-{self.host:05d}-of-{self.hosts:05d}"


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """Facts of a file's content besides its pixels and their fingerprint.

    Attributes:
        width: in pixels, as the file declares.
        height: likewise.
        format: JPEG, PNG or DICOM.
        mode: Pillow's name of the pixel type: L, RGB, ...; of DICOM, the photometric interpretation.
        exif: whether the file carries EXIF data.
        border: eight numbers about the outermost pixels; see `perceptual_hash.border`.
        groups: subgroups that a DICOM file names: view, age, sex, manufacturer; see `dicom.subject`.
    """

    bytes: int
    width: int
    height: int
    format: str
    mode: str
    exif: bool
    border: tuple[float, ...]
    groups: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Decoded:
    """The merged manifests.

    Attributes:
        header: of the first host; what it says of the archive is the same in all.
        radiographs: every decoded file, sorted by path.
        facts: by SHA-256.
        undecodable: the reason of each file that is no readable image, by path.
        unsuitable: the reason of each that is readable and no frontal radiograph of a chest, by path.
        records: where the pixels are, by the radiographs' position.
        fingerprints: likewise.
    """

    header: Header
    radiographs: list[Radiograph]
    facts: dict[str, Facts]
    undecodable: dict[str, str]
    records: list[Record]
    fingerprints: Fingerprints
    unsuitable: dict[str, str] = dataclasses.field(default_factory=dict)


def check_parameters(archive_uri: str, image_size: int) -> str:
    """Check the steps' parameters ImageSize and InputArchiveUri.

    Returns:
        What the archive is for, one of `layout.PURPOSES`: the folder of its copy says so.

    Raises:
        JobError: for an image size out of range, or an archive address that could change its content.
    """
    # Of any other address SageMaker's step cache, which compares addresses only, could answer with the shards of an
    # archive that has since been replaced.
    purpose = archives.purpose(archive_uri)
    if purpose is None:
        raise JobError(
            f"The archive {archive_uri} is not an immutable copy s3://<bucket>/datasets/<64 hex>/archive.zip, one in "
            "evaluations/, or an inventory inventory.jsonl.gz: a later upload could replace it and the cached step "
            "would not notice; upload it to incoming/ instead."
        )
    job.check({"image_size": image_size}, DATA)
    return purpose


@contextlib.contextmanager
def writing(directory: Path, header: Header) -> Iterator[Callable[..., None]]:
    """Write a host's manifest while its files are decoded.

    Returns:
        A context whose value adds a line: called with the candidate and with either `undecodable` or `unsuitable`, the
        reason, or `sha256`, `facts` and `fingerprint` (both None where a file before it has the same content).
    """
    with (directory / f"{header.name}.jsonl").open("w", encoding="utf-8") as file:

        def write(line: dict[str, Any]) -> None:
            file.write(json.dumps(line) + "\n")

        def add(candidate: Candidate, **known: Any) -> None:
            fingerprint = known.pop("fingerprint", None)
            if fingerprint is not None:
                known["facts"] = dataclasses.asdict(known["facts"]) | dataclasses.asdict(fingerprint)
            write(candidate.named() | known)

        write(dataclasses.asdict(header))
        yield add


def read(directory: Path, archive_uri: str, image_size: int) -> Decoded:
    """Merge the manifests of all hosts.

    Args:
        directory: holds the manifests and the shards.
        archive_uri: of the archive they must be of.
        image_size: that its images must have.

    Raises:
        JobError: when a host's part is missing or damaged, or belongs to another archive or size.
    """
    paths = sorted(directory.glob("decoded-*.jsonl"))
    headers = [_read_header(path) for path in paths]
    if not headers:
        raise JobError(f"{directory} has no manifest decoded-*.jsonl: no instance of PreprocessImages left its part.")
    first = headers[0]
    if [(header.host, header.hosts) for header in headers] != [(host, first.hosts) for host in range(first.hosts)]:
        there = ", ".join(f"{header.host + 1} of {header.hosts}" for header in headers)
        raise JobError(f"The parts of PreprocessImages' instances do not make a whole; there are {there}.")
    for header in headers:
        if (header.archive_uri, header.image_size) != (archive_uri, image_size):
            raise JobError(
                f"The images were decoded from {header.archive_uri} with ImageSize {header.image_size}; asked for are "
                f"{archive_uri} and {image_size}: preprocess the archive again."
            )
    total = sum(header.lines for header in headers)
    if total != first.candidates:
        raise JobError(f"The instances of PreprocessImages saw {total} of the archive's {first.candidates} files.")
    places = [records(directory, header.name, header.shards) for header in headers]
    merged = _Merged(first, [place for own in places for place in own])
    for path, header, own in zip(paths, headers, places, strict=True):
        with _readable(path):
            merged.add(path, header, len(own))
    return merged.whole()


class _Merged:
    """The manifests read so far. A line is forgotten once it is read: it is twice as large as what is kept of it."""

    def __init__(self, header: Header, places: list[Record]) -> None:
        self._decoded = Decoded(header, [], {}, {}, places, Fingerprints.room(len(places)))
        self._positions: dict[str, int] = {}
        self._images = 0

    def add(self, path: Path, header: Header, own: int) -> None:
        """Read a host's manifest, whose shards hold so many images."""
        begin, lines = self._images, 0
        for lines, line in enumerate(_lines(path), start=1):
            if lines <= header.lines:
                self._add_line(line, room=begin + own)
        if lines != header.lines:
            raise JobError(f"The manifest {path.name} names {lines} files where it promises {header.lines}.")
        kept = self._images - begin
        if kept != own:
            raise JobError(f"The shards {header.name} hold {own} images and their manifest names {kept}.")

    def whole(self) -> Decoded:
        """The merged manifests."""
        self._decoded.radiographs.sort(key=lambda radiograph: radiograph.path)
        return self._decoded

    def _add_line(self, line: dict[str, Any], *, room: int) -> None:
        into = self._decoded
        for name, refused in (("undecodable", into.undecodable), ("unsuitable", into.unsuitable)):
            if name in line:
                refused[line["path"]] = line[name]
                return
        digest, known = line["sha256"], line["facts"]
        if known is not None:
            position = self._images
            self._images += 1
            # An ETag need not tell that two objects have the same content: then each has a record, and one is used.
            self._positions.setdefault(digest, position)
            fingerprint = Fingerprint(known.pop("hash"), known.pop("thumbnail"))
            if position < room:
                into.fingerprints.put(position, fingerprint)
            named = {name: sys.intern(known[name]) for name in ("format", "mode")}
            into.facts[digest] = Facts(**known | named | {"border": tuple(known["border"])})
        facts = into.facts[digest]
        into.radiographs.append(
            Radiograph(
                # Thousands of files share these texts, of which each line brought a copy of its own.
                **{name: line[name] and sys.intern(line[name]) for name in TOLD if name != "path"},
                path=line["path"],
                sha256=digest,
                position=self._positions[digest],
                width=facts.width,
                height=facts.height,
                reviewed=sys.intern(line.get("reviewed", "")),
            )
        )


def _read_header(path: Path) -> Header:
    with _readable(path):
        found = Header(**next(_lines(path, begin=0), {}))
    if found.schema != documents.MANIFEST:
        raise JobError(
            f"The manifest {path.name} is of schema {found.schema}, where {documents.MANIFEST} is understood: "
            "preprocess the archive again."
        )
    return found


def _lines(path: Path, *, begin: int = 1) -> Iterator[dict[str, Any]]:
    """A manifest's lines, the header's left out unless they begin at 0."""
    with path.open(encoding="utf-8") as file:
        for line in itertools.islice(file, begin, None):
            yield dict(json.loads(line))


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Tell of whatever is wrong with a manifest's lines in a sentence that names it."""
    try:
        yield
    except KeyError as error:
        raise JobError(f"The manifest {path.name} cannot be read: a line lacks {error}.") from error
    except (OSError, ValueError, TypeError) as error:
        raise JobError(f"The manifest {path.name} cannot be read: {error}.") from error
