"""Limits of an uploaded archive: settings of cdk.json, variables of the function, and what archives are judged by."""

from __future__ import annotations

from typing import ClassVar

from pydantic import PositiveInt

from lambdas.aws.environment import FunctionSettings
from lambdas.trigger.directory import MAX_END_BYTES

# A directory entry is 46 bytes and its name (APPNOTE 4.3.12); Kaggle's take about 140 with extra fields.
_BYTES_PER_ENTRY = 512


class ArchiveSettings(FunctionSettings):
    """Settings of `archive` in cdk.json that are variables of the same name (infra/settings/platform.py)."""

    max_uncompressed_bytes: PositiveInt
    """Most it may declare to unpack to."""
    # Kaggle's chest_xray archive has about 17,600.
    max_files: PositiveInt
    """Most entries it may hold, directories and metadata files included."""


class Limits(ArchiveSettings):
    """Largest accepted archive: bytes, declared bytes unpacked, entries, and unpacked/packed size of one entry.

    Radiographs are compressed already: the archives seen have ratios near 1. Deflate reaches 1,032:1 at most
    (zlib's technical notes), so 100:1 on an entry above 1 MiB is padding or a bomb.
    """

    max_archive_bytes: PositiveInt
    """`archive.max_bytes` of cdk.json."""
    max_ratio: ClassVar[int] = 100
    ratio_from_bytes: ClassVar[int] = 1024 * 1024

    @property
    def max_directory_bytes(self) -> int:
        """Largest central directory that is read into memory."""
        return self.max_files * _BYTES_PER_ENTRY + 64 * 1024

    @property
    def read_budget(self) -> int:
        """Bytes that reading a directory of the largest size, twice its end and block rounding can take."""
        return self.max_directory_bytes + 2 * MAX_END_BYTES + 512 * 1024
