"""The archives that executions can work on: immutable copies and inventories below `datasets/` of the data bucket."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from model_code.contract import archives
from ops.base.errors import CommandError

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_s3 import S3Client


@dataclasses.dataclass(frozen=True)
class Dataset:
    """One copy of an archive, or an inventory.

    Attributes:
        token: names it, 64 hex digits.
        uri: S3 URI for the parameter InputArchiveUri.
        size: size in bytes, of an inventory its own.
        kept: when it was copied.
    """

    token: str
    uri: str
    size: int
    kept: datetime

    def as_json(self) -> dict[str, Any]:
        """Members of the answer with `--json`."""
        return dataclasses.asdict(self)


def datasets(s3: S3Client, bucket: str) -> list[Dataset]:
    """All copies, newest first."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{archives.DATASETS}/")
    found = [
        Dataset(token=token, uri=f"s3://{bucket}/{item['Key']}", size=item["Size"], kept=item["LastModified"])
        for page in pages
        for item in page.get("Contents", [])
        if (token := archives.token(item["Key"]))
    ]
    return sorted(found, key=lambda dataset: dataset.kept, reverse=True)


def resolve(s3: S3Client, bucket: str, name: str) -> Dataset:
    """The copy named by `latest`, its URI, or the beginning of its token; raises CommandError when it is not one."""
    found = datasets(s3, bucket)
    if not found:
        raise CommandError(
            "There is no dataset yet: upload an archive with `cxr upload PATH`, or name a folder with `--from`."
        )
    if name == "latest":
        return found[0]
    matching = [dataset for dataset in found if name == dataset.uri or dataset.token.startswith(name)]
    if len(matching) == 1:
        return matching[0]
    known = ", ".join(dataset.token[:12] for dataset in (matching or found)[:10])
    raise CommandError(f"{len(matching) or 'No'} datasets are called {name}: there are {known} (newest first).")
