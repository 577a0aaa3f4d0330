"""TFRecord files as bytes: found and copied record by record, without TensorFlow, whose import takes ten seconds.

A record is its length (8 bytes, little-endian), the length's checksum (4), the content, the content's checksum (4):
https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details. A copy keeps the checksums, so who
reads it later still notices a damaged content.
"""

from __future__ import annotations

import contextlib
import dataclasses
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from model_code.contract.job import JobError

SHARD_BYTES = 64 * 2**20
_HEADER_BYTES, _FOOTER_BYTES = 12, 4


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """Location of a record in its file, framing included."""

    shard: Path
    offset: int
    length: int


def shard_count(images: int, size: int) -> int:
    """Number of shards for so many images of so many pixels: at least four, of about 64 MiB each."""
    return min(images, max(4, -(-images * size * size // SHARD_BYTES)))


def shard_names(name: str, count: int) -> list[str]:
    """The file names of so many shards."""
    return [f"{name}-{index:05d}-of-{count:05d}.tfrecord" for index in range(count)]


def records(directory: Path, name: str, count: int) -> list[Record]:
    """Records of shards in the order in which they were written, round-robin over the shards.

    Raises:
        JobError: when a shard is absent, ends inside a record, or has not its share.
    """
    shards = [list(_records_of(directory / shard)) for shard in shard_names(name, count)]
    total = sum(len(found) for found in shards)
    if [len(found) for found in shards] != [len(range(index, total, count)) for index in range(count)]:
        raise JobError(f"Some of the shards {shard_names(name, count)[0]} and following are not whole.")
    return [shards[index % count][index // count] for index in range(total)]


def copy(found: Iterable[Record], directory: Path, name: str, count: int) -> None:
    """Deal records out to new shards, in the order given."""
    with contextlib.ExitStack() as stack:
        targets = [stack.enter_context((directory / shard).open("wb")) for shard in shard_names(name, count)]
        sources: dict[Path, BinaryIO] = {}
        for index, record in enumerate(found):
            if record.shard not in sources:
                sources[record.shard] = stack.enter_context(record.shard.open("rb"))
            sources[record.shard].seek(record.offset)
            targets[index % count].write(sources[record.shard].read(record.length))


def _records_of(shard: Path) -> Iterator[Record]:
    try:
        size = shard.stat().st_size
        with shard.open("rb") as file:
            offset = 0
            while offset < size:
                file.seek(offset)
                header = file.read(_HEADER_BYTES)
                length = _HEADER_BYTES + _FOOTER_BYTES
                length += struct.unpack("<Q", header[:8])[0] if len(header) == _HEADER_BYTES else size
                if offset + length > size:
                    raise JobError(f"The shard {shard.name} ends inside a record.")
                yield Record(shard, offset, length)
                offset += length
    except OSError as error:
        raise JobError(f"The shard {shard} cannot be read: {error}.") from error
