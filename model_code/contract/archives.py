"""Archives as executions name them: immutable copies of uploads, and inventories of a bucket's folder.

Each lies in a folder of 64 hexadecimal digits: a copy in one named by the upload's bucket, key and version, an
inventory in one named by its own SHA-256. Only the Trigger function writes there, and it never writes anything else to
the same key.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from model_code.contract.parameters import INPUT_ARCHIVE_URI, NETWORK_ISOLATION

DATASETS = "datasets"
FOLDERS: Mapping[str, str] = {"train": DATASETS, "evaluate": "evaluations"}
"""Where a bucket keeps archives, by what they were uploaded for."""
ZIP = "archive.zip"
INVENTORY = "inventory.jsonl.gz"
INVENTORY_SUFFIX = f".{INVENTORY}"
"""How the key of an uploaded inventory ends."""
REPORT_SUFFIX = ".rejected.json"
"""How the key of the report on a refused upload ends, after the upload's own."""

BUCKET = "[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
"""Pattern of a bucket's name ("General purpose bucket naming rules" of the S3 user guide, read 2026-11-30)."""
_FILES = "|".join(map(re.escape, (ZIP, INVENTORY)))
_KEY = re.compile(rf"{DATASETS}/(?P<token>[0-9a-f]{{64}})/(?:{_FILES})")
_URI = re.compile(
    rf"s3://{BUCKET}/(?:(?P<train>{DATASETS}/[0-9a-f]{{64}}/(?:{_FILES}))"
    rf"|(?P<evaluate>{FOLDERS['evaluate']}/[0-9a-f]{{64}}/{re.escape(ZIP)}))"
)


def copy_token(bucket: str, key: str, version_id: str) -> str:
    """64 hexadecimal digits that stand for a version of an upload: folder of its copy, and ClientRequestToken."""
    return hashlib.sha256(f"{bucket}\n{key}\n{version_id}".encode()).hexdigest()


def token(key: str) -> str | None:
    """The folder's 64 digits of an archive to train on; None of a key that is none."""
    found = _KEY.fullmatch(key)
    return found["token"] if found else None


def purpose(uri: str) -> str | None:
    """Purpose of an archive, a key of `FOLDERS`; None of an address whose content could change."""
    found = _URI.fullmatch(uri)
    return found.lastgroup if found else None


def is_inventory(uri: str) -> bool:
    """Whether an archive is an inventory, whose files lie elsewhere."""
    return uri.endswith(f"/{INVENTORY}")


def parameters(uri: str) -> dict[str, str]:
    """The pipeline's parameters that a start on an archive has to name."""
    given = {INPUT_ARCHIVE_URI: uri}
    # What an inventory lists is fetched by the job itself: SageMaker's inputs know keys, not versions.
    return given | {NETWORK_ISOLATION: "false"} if is_inventory(uri) else given
