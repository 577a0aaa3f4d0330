"""What the hosts that decode an archive tell the one that splits it: a manifest of JSON lines from each host.

The first line is about the archive and the host, every other one about a file: what it is, where its record lies and
what the split, the audits and the dataset card need to know of it without its pixels. A file with the same content as
one before it has no record of its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from model_code.contract import documents, job
from model_code.contract.job import JobError
from model_code.contract.parameters import DATA
from model_code.data.archive import Candidate
from model_code.data.patient_split import Radiograph
from model_code.data.tfrecords import Record, records

# The trigger makes this copy once per upload and nothing ever writes there again. SageMaker's step cache compares only
# the address: with any other one it could answer with the shards of an archive that has since been replaced.
_IMMUTABLE_URI = re.compile(
    r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/(?P<folder>datasets|evaluations)/[0-9a-f]{64}/archive\.zip$"
)
_PURPOSES = {"datasets": "train", "evaluations": "evaluate"}


@dataclasses.dataclass(frozen=True)
class Header:
    """The first line of a manifest.

    Attributes:
        archive_uri: of the archive.
        image_size: edge of the decoded images in pixels.
        host: position of the host that wrote it, from 0.
        hosts: how many shared the work.
        candidates: labelled files of the whole archive.
        lines: labelled files of this host.
        shards: number of the host's shards.
        litter: files of the whole archive that file managers left in it.
        masks: segmentation masks of the whole archive.
        unlabelled: images of the whole archive in no folder with a label's name.
        not_images: its other files.
        table: its table of labels, if it has one.
        mismatched: what does not fit in the table, by reason.
        schema: number of the manifest's schema.
    """

    archive_uri: str
    image_size: int
    host: int
    hosts: int
    candidates: int
    lines: int
    shards: int
    litter: int
    masks: int
    unlabelled: list[str]
    not_images: list[str]
    table: str | None = None
    mismatched: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    schema: int = documents.MANIFEST

    @property
    def name(self) -> str:
        """How the names of this host's files begin; no other host's do."""
        return f"decoded-{self.host:05d}-of-{self.hosts:05d}"


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known of a file's content besides its pixels.

    Attributes:
        bytes: size of the file.
        width: in pixels, as the file declares.
        height: likewise.
        format: JPEG, PNG or DICOM.
        mode: Pillow's name of the pixel type: L, RGB, ...; of DICOM, the photometric interpretation.
        exif: whether the file carries EXIF data.
        border: eight numbers about the outermost pixels; see `fingerprint.border`.
        hash: see `fingerprint.perceptual_hash`.
        thumbnail: see `fingerprint.thumbnail`.
        groups: subgroups that a DICOM file names: view, age, sex, manufacturer; see `dicom.subject`.
    """

    bytes: int
    width: int
    height: int
    format: str
    mode: str
    exif: bool
    border: tuple[float, ...]
    hash: str
    thumbnail: str
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
    """

    header: Header
    radiographs: list[Radiograph]
    facts: dict[str, Facts]
    undecodable: dict[str, str]
    records: list[Record]
    unsuitable: dict[str, str] = dataclasses.field(default_factory=dict)


def check_parameters(archive_uri: str, image_size: int) -> str:
    """Check what the steps are told.

    Returns:
        What the archive is for, one of `layout.PURPOSES`: the folder of its copy says so.

    Raises:
        JobError: for an image size out of range, or an archive address that could change its content.
    """
    found = _IMMUTABLE_URI.match(archive_uri)
    if not found:
        raise JobError(
            f"The archive {archive_uri} is not an immutable copy s3://<bucket>/datasets/<64 hex>/archive.zip, or one "
            "in evaluations/: a later upload could replace it and the cached step would not notice; upload it to "
            "incoming/ instead."
        )
    job.check({"image_size": image_size}, DATA)
    return _PURPOSES[found["folder"]]


@contextlib.contextmanager
def writing(directory: Path, header: Header) -> Iterator[Callable[..., None]]:
    """Write a host's manifest while its files are decoded.

    Returns:
        A context whose value adds a line: called with the candidate and with either `undecodable` or `unsuitable`, the
        reason, or `sha256` and `facts` (None where a file before it has the same content).
    """
    with (directory / f"{header.name}.jsonl").open("w", encoding="utf-8") as file:

        def write(line: dict[str, Any]) -> None:
            file.write(json.dumps(line) + "\n")

        def add(candidate: Candidate, **known: Any) -> None:
            named = {name: getattr(candidate, name) for name in ("path", "label", "folder", "patient", "subtype")}
            if known.get("facts") is not None:
                known["facts"] = dataclasses.asdict(known["facts"])
            write(named | known)

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
    parts = [_read_lines(path) for path in sorted(directory.glob("decoded-*.jsonl"))]
    headers = [header for header, _ in parts]
    if not headers:
        raise JobError(f"{directory} has no manifest decoded-*.jsonl: no instance of PreprocessImages left its part.")
    first = headers[0]
    if [(one.host, one.hosts) for one in headers] != [(host, first.hosts) for host in range(first.hosts)]:
        there = ", ".join(f"{one.host + 1} of {one.hosts}" for one in headers)
        raise JobError(f"The parts of PreprocessImages' instances do not make a whole; there are {there}.")
    for one in headers:
        if (one.archive_uri, one.image_size) != (archive_uri, image_size):
            raise JobError(
                f"The images were decoded from {one.archive_uri} with ImageSize {one.image_size}; asked for are "
                f"{archive_uri} and {image_size}: preprocess the archive again."
            )
    total = sum(one.lines for one in headers)
    if total != first.candidates:
        raise JobError(f"The instances of PreprocessImages saw {total} of the archive's {first.candidates} files.")
    return _merge(directory, parts)


def _merge(directory: Path, parts: list[tuple[Header, list[dict[str, Any]]]]) -> Decoded:
    facts: dict[str, Facts] = {}
    positions: dict[str, int] = {}
    places: list[Record] = []
    refused: dict[str, dict[str, str]] = {"undecodable": {}, "unsuitable": {}}
    decoded: list[dict[str, Any]] = []
    for header, lines in parts:
        own = records(directory, header.name, header.shards)
        kept = 0
        for line in lines:
            if reason := next((one for one in refused if one in line), None):
                refused[reason][line["path"]] = line[reason]
                continue
            decoded.append(line)
            if line["facts"] is not None:
                facts[line["sha256"]] = Facts(**line["facts"] | {"border": tuple(line["facts"]["border"])})
                positions[line["sha256"]] = len(places) + kept
                kept += 1
        if kept != len(own):
            raise JobError(f"The shards {header.name} hold {len(own)} images and their manifest names {kept}.")
        places += own
    radiographs = [
        Radiograph(
            path=line["path"],
            label=line["label"],
            folder=line["folder"],
            patient=line["patient"],
            subtype=line["subtype"],
            sha256=line["sha256"],
            position=positions[line["sha256"]],
            width=facts[line["sha256"]].width,
            height=facts[line["sha256"]].height,
        )
        for line in sorted(decoded, key=lambda line: str(line["path"]))
    ]
    return Decoded(parts[0][0], radiographs, facts, refused["undecodable"], places, refused["unsuitable"])


def _read_lines(path: Path) -> tuple[Header, list[dict[str, Any]]]:
    try:
        with path.open(encoding="utf-8") as file:
            header, *lines = (dict(json.loads(line)) for line in file)
        found = Header(**header)
    except (OSError, ValueError, TypeError) as error:
        raise JobError(f"The manifest {path.name} cannot be read: {error}.") from error
    if found.schema != documents.MANIFEST:
        raise JobError(
            f"The manifest {path.name} is of schema {found.schema}, where {documents.MANIFEST} is understood: "
            "preprocess the archive again."
        )
    if len(lines) != found.lines:
        raise JobError(f"The manifest {path.name} names {len(lines)} files where it promises {found.lines}.")
    return found, lines
