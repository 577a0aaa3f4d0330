"""Files of a registered model: the artifact that serves, evaluation, report, reference."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from lambdas.aws import package_files
from ops.base.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

# What a model is served, approved and looked at with. The rest came later, or only some ways of working need it.
_REQUIRED = frozenset({package_files.MODEL, package_files.EVALUATION, package_files.REPORT})


@dataclasses.dataclass(frozen=True)
class File:
    """One fetched file.

    Attributes:
        name: one of the names in `package_files`.
        sha256: SHA-256 of its content, 64 hex digits.
    """

    name: str
    path: Path
    sha256: str


def locations(package: Mapping[str, Any]) -> dict[str, str]:
    """S3 URIs of everything a described model package points to, or has beside that, by the names of `package_files`.

    Raises:
        CommandError: the package names no artifact or no evaluation.
    """
    found = package_files.locations(package)
    version = package["ModelPackageArn"].rpartition("/")[2]
    if package_files.MODEL not in found:
        raise CommandError(f"Version {version} names no artifact: there is nothing to copy.")
    if package_files.EVALUATION not in found:
        raise CommandError(
            f"Version {version} was registered without an evaluation: there is nothing to approve it by."
        )
    return found


def fetch(s3: S3Client, uris: Mapping[str, str], directory: Path) -> dict[str, File]:
    """Download what is there, by name.

    Raises:
        CommandError: a file is missing without which no model is promoted.
    """
    found: dict[str, File] = {}
    for name, uri in uris.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("wb") as file:
                digest = package_files.sha256(package_files.open_object(s3, uri), file)
        except Exception as error:
            if not package_files.is_missing(error):
                raise
            if name in _REQUIRED:
                raise CommandError(f"{uri} is not there any more: without it nothing is promoted.") from error
            continue
        found[name] = File(name, path, digest)
    return found


def dataset_sha256(evaluation: File) -> str:
    """The hash of the dataset that an evaluation is about; raises CommandError for what is no evaluation."""
    try:
        return str(json.loads(evaluation.path.read_bytes())["dataset_sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise CommandError(
            "The version's evaluation.json names no dataset: it is not one of this pipeline's."
        ) from error


def content_sha256(s3: S3Client, uri: str) -> str:
    """The SHA-256 of an object as it is read back, 64 hex digits."""
    return package_files.sha256(package_files.open_object(s3, uri))
