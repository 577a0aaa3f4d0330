"""Opening of a job's archive, whichever kind its address says it is."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from model_code.archive.inventory import InventoryError
from model_code.archive.inventory import read as read_inventory
from model_code.contract import archives, job
from model_code.contract.job import JobError
from model_code.members.members import Members, ZipMembers


def archive_of_job() -> Path:
    """The one file of a processing job's input `archive`.

    Raises:
        JobError: when there is none, or more than one.
    """
    return job.only_file(job.processing_input("archive"), "*")


@contextlib.contextmanager
def opened(path: Path, archive_uri: str) -> Iterator[Members]:
    """Open an archive.

    Args:
        path: of the zip archive or inventory.
        archive_uri: of it, which says what it is.

    Raises:
        JobError: when it cannot be read.
    """
    if archives.is_inventory(archive_uri):
        yield _of_inventory(path, archive_uri)
        return
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise JobError(f"The archive {path.name} is not a readable zip file: {error}.") from error
    with archive:
        yield ZipMembers(archive)


def _of_inventory(path: Path, archive_uri: str) -> Members:
    # Loads an SDK that takes half a second, which zip archives do without.
    from model_code.members.bucket import BucketMembers  # noqa: PLC0415

    try:
        with path.open("rb") as file:
            inventory = read_inventory(file, digest=archive_uri.split("/")[-2])
    except InventoryError as error:
        raise JobError(f"{archive_uri} cannot be read. {error}") from error
    return BucketMembers(inventory, archive_uri)
