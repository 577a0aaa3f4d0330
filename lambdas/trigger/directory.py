"""Location of a zip's central directory, by its end records.

Record layouts are those of PKWARE's APPNOTE 6.3.10: end of central directory (4.3.16), zip64 end of central
directory record (4.3.14) and locator (4.3.15). `zipfile` reads the whole directory as soon as it is opened; knowing
its size and entry count first lets an oversized one be refused for the price of one short request.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from lambdas.trigger.rejection import ZIP_AGAIN, Reason, Rejection

_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
_LOCATOR64 = struct.Struct("<4sLQL")
_LOCATOR64_SIGNATURE = b"PK\x06\x07"
_END64 = struct.Struct("<4sQ2H2L4Q")
_END64_SIGNATURE = b"PK\x06\x06"
_LOCAL_SIGNATURE = b"PK\x03\x04"
_SPANNED_SIGNATURE = b"PK\x07\x08"
_MAX_COMMENT = 65_535
COUNTS = 2**16
"""Number of values of the entry count, whose field has 16 bits without zip64 (APPNOTE 4.4.22)."""
_OFFSETS = 2**32

MAX_END_BYTES = _END64.size + _LOCATOR64.size + _END.size + _MAX_COMMENT
"""Most bytes that can follow the central directory."""


@dataclass(frozen=True)
class Directory:
    """The central directory's place in the file (bytes) and the number of entries it claims.

    `modulo` of a zip without zip64's records: its count has 16 bits, and what macOS's Finder compresses has the last
    16 of a larger one (zlib-ng/minizip-ng#184). Else 0.
    """

    offset: int
    size: int
    entries: int
    modulo: int = 0

    def holds(self, count: int) -> bool:
        """Whether so many entries are those that it claims."""
        return (count % self.modulo if self.modulo else count) == self.entries


def locate(archive: BinaryIO, size: int) -> Directory:
    """Find the central directory of an archive of `size` bytes.

    Raises:
        Rejection: not a zip, cut off, one of several parts, or its end record contradicts the file.
    """
    position, end = _find_end(archive, size)
    _, disk, directory_disk, here, entries, length, offset, _ = _END.unpack(end)
    stop, modulo = position, COUNTS
    locator_at = position - _LOCATOR64.size
    locator = _read(archive, locator_at, _LOCATOR64.size)
    if locator[:4] == _LOCATOR64_SIGNATURE:
        stop, modulo = locator_at - _END64.size, 0
        end64 = _read(archive, stop, _END64.size)
        if len(end64) != _END64.size or end64[:4] != _END64_SIGNATURE:
            raise _damaged("its zip64 end record is missing")
        _, _, _, _, disk, directory_disk, here, entries, length, offset = _END64.unpack(end64)
    if disk or directory_disk or here != entries:
        raise Rejection(Reason.SPLIT_ARCHIVE, "The file is one part of an archive that was split over several files.")
    if modulo and offset + length != stop and (stop - offset - length) % _OFFSETS == 0:
        raise Rejection(
            Reason.DAMAGED_DIRECTORY,
            "The archive is larger than 4 GB, and the places in its directory are not: so macOS's Finder compresses.",
            advice=ZIP_AGAIN,
        )
    if offset + length != stop:
        raise _damaged(f"its directory should end at byte {offset + length} but ends at byte {stop}")
    return Directory(offset, length, entries, modulo)


def _find_end(archive: BinaryIO, size: int) -> tuple[int, bytes]:
    """The end record's position and bytes: without a comment it is the last 22 bytes, otherwise it is searched."""
    position = size - _END.size
    end = _read(archive, position, _END.size)
    if end[:4] == _END_SIGNATURE and end[-2:] == b"\0\0":
        return position, end
    start = max(0, size - _END.size - _MAX_COMMENT)
    tail = _read(archive, start, size - start)
    # The last signature is the one `zipfile` takes; another choice here could be talked into a different directory.
    found = tail.rfind(_END_SIGNATURE)
    end = tail[found : found + _END.size] if found >= 0 else b""
    if len(end) == _END.size and start + found + _END.size + _END.unpack(end)[-1] == size:
        return start + found, end
    if found >= 0:
        raise _damaged("its end record is not at the end, so something was cut off or appended")
    if _read(archive, 0, 4) in {_LOCAL_SIGNATURE, _SPANNED_SIGNATURE}:
        raise Rejection(
            Reason.TRUNCATED,
            f"The file starts like a zip but its end is missing after {size:,} bytes: it was cut off on the way.",
        )
    raise Rejection(Reason.NOT_A_ZIP, "The file is not a zip archive, whatever its name says.")


def _read(archive: BinaryIO, position: int, count: int) -> bytes:
    if position < 0:
        return b""
    archive.seek(position)
    return archive.read(count)


def _damaged(why: str) -> Rejection:
    return Rejection(Reason.DAMAGED_DIRECTORY, f"The zip's directory does not fit the file: {why}.")
