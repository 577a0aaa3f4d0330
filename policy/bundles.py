"""Files and Python distributions that a cloud assembly carries into AWS, read from its assets.

What is in a bundle is read from the bundle itself, not from a list of who carries what: a function that is given other
libraries has them here without a further word. Every file of a wheel is held against the SHA-256 that its RECORD has
of it (https://packaging.python.org/specifications/recording-installed-packages/, read 2026-11).
"""

from __future__ import annotations

import base64
import csv
import dataclasses
import email.parser
import hashlib
import json
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from email.message import Message
from pathlib import Path, PurePosixPath
from typing import Any

from cyclonedx.spdx import fixup_id, is_expression
from packaging.utils import canonicalize_name

from model_code.contract import served_files

# Packages of this repository; what else lies in a bundle has to be a file of a wheel.
_OWN = frozenset({"dicom_results", "lambdas", "model_code"})


class BundleError(ValueError):
    """A bundle is not what it should be. `str()` is a sentence that names the bundle and the file."""


@dataclasses.dataclass(frozen=True)
class Distribution:
    """A Python distribution as a bundle carries it.

    Attributes:
        name: normalised name.
        licence: as its metadata state it; empty where they state none.
        platform: the wheel's tags, such as `cp312-cp312-manylinux_2_28_aarch64`.
        requires: requirements that its metadata state.
        files: SHA-256 of each carried file by its path, without RECORD, which has paths of the machine in it.
        left_out: number of files of the wheel that the bundle does not carry.
        parts: components of the bills of materials that the wheel brings (PEP 770), as they have them.
    """

    name: str
    version: str
    licence: str
    platform: str
    requires: tuple[str, ...]
    files: Mapping[str, str]
    left_out: int
    parts: tuple[Mapping[str, Any], ...]

    @property
    def digest(self) -> str:
        """The `dirHash` of the carried files."""
        return served_files.digest(self.files)


def licence_of(said: Message) -> str:
    """Licence that a distribution's metadata state; empty where they state none.

    What SPDX has as an identifier or expression comes first, then words of a classifier or another field. The whole
    text of a licence is no name.
    """
    classifiers = (
        classifier.rpartition(" :: ")[2]
        for classifier in said.get_all("Classifier", [])
        if classifier.startswith("License ::")
    )
    fields = (said.get("License-Expression"), said.get("License"), *classifiers)
    words = [
        field for field in fields if field and "\n" not in field.strip() and field not in {"UNKNOWN", "OSI Approved"}
    ]
    return next((word for word in words if fixup_id(word) or is_expression(word)), words[-1] if words else "")


@dataclasses.dataclass(frozen=True)
class Bundle:
    """An asset's files, or the code that a template holds itself.

    Attributes:
        asset: name of the object in the CDK's bucket; empty for code in a template.
        own: SHA-256 of each file of this repository by its path.
        distributions: those that it carries.
    """

    asset: str
    own: Mapping[str, str]
    distributions: tuple[Distribution, ...] = ()

    @property
    def digest(self) -> str:
        """The `dirHash` of all files but the distributions' RECORD."""
        every = dict(self.own)
        for distribution in self.distributions:
            every |= distribution.files
        return served_files.digest(every)


def bundle(path: Path, asset: str, *, ours: bool = True) -> Bundle:
    """Files and distributions of an asset.

    Args:
        path: folder, `.zip` or `.tar.gz`.
        asset: name of the object that it becomes.
        ours: whether all files but those of wheels have to be this repository's; the CDK brings functions too.

    Raises:
        BundleError: a file is not what its wheel's RECORD says, or is nobody's.
    """
    content = dict(_content(path))
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
    found = [
        _distribution(PurePosixPath(name).parent, content, digests)
        for name in sorted(content)
        if name.count("/") == 1 and name.endswith(".dist-info/RECORD")
    ]
    of_wheels = {name for distribution in found for name in distribution.files} | {
        name for name in content if name.endswith("/RECORD")
    }
    own = {name: digest for name, digest in digests.items() if name not in of_wheels}
    if ours and (nobodys := sorted(name for name in own if name.partition("/")[0] not in _OWN)):
        raise BundleError(f"{path.name}: {nobodys[0]} belongs to no wheel and no file of this repository.")
    return Bundle(asset, own, tuple(found))


def inline(code: str) -> Bundle:
    """The code of a function that its template holds itself, which the CDK writes for a custom resource."""
    return Bundle("", {"index": hashlib.sha256(code.encode()).hexdigest()})


def assets(folder: Path, stack: str) -> dict[str, tuple[Path, str]]:
    """Path and display name of each asset of a stack, by the hash that is its name, without its template.

    Args:
        folder: the cloud assembly.
        stack: name of the stack.
    """
    listed = json.loads((folder / f"{stack}.assets.json").read_text(encoding="utf-8"))["files"]
    return {
        name: (folder / asset["source"]["path"], asset.get("displayName", name))
        for name, asset in listed.items()
        if not asset["source"]["path"].endswith(".template.json")
    }


def _content(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file():
                yield file.relative_to(path).as_posix(), file.read_bytes()
    elif path.name.endswith(".tar.gz"):
        with tarfile.open(path) as archive:
            for member in archive:
                if stream := archive.extractfile(member):
                    yield member.name, stream.read()
    else:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield name, archive.read(name)


def _distribution(info: PurePosixPath, content: Mapping[str, bytes], digests: Mapping[str, str]) -> Distribution:
    record = content[f"{info}/RECORD"].decode()
    rows = {path: value for path, value, _ in csv.reader(record.splitlines()) if path != f"{info}/RECORD"}
    carried = {path: digests[path] for path in sorted(rows) if path in digests}
    for path, digest in carried.items():
        algorithm, _, value = rows[path].partition("=")
        if algorithm != "sha256" or base64.urlsafe_b64decode(f"{value}=").hex() != digest:
            raise BundleError(f"{path} is not the file that {info.name} lists in its RECORD.")
    said = email.parser.BytesHeaderParser().parsebytes(content[f"{info}/METADATA"])
    wheel = email.parser.BytesHeaderParser().parsebytes(content[f"{info}/WHEEL"])
    bills = [json.loads(content[path]) for path in carried if path.startswith(f"{info}/sboms/")]
    return Distribution(
        name=canonicalize_name(said["Name"]),
        version=said["Version"],
        licence=licence_of(said),
        platform=" ".join(sorted(wheel.get_all("Tag", []))),
        requires=tuple(said.get_all("Requires-Dist", [])),
        files=carried,
        left_out=len(rows) - len(carried),
        parts=tuple(part for bill in bills for part in bill.get("components", [])),
    )
