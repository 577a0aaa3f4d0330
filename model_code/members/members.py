"""Interface of an archive's files, and its implementation for zip archives; `bucket` has that for inventories."""

from __future__ import annotations

import contextlib
import copy
import lzma
import struct
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import IO, NamedTuple

# What reading a damaged, encrypted or oddly compressed member of a zip archive ends in.
MEMBER_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError)

# Of a file's own header (APPNOTE 4.3.7), with the lengths of its name and of what follows that at the end.
_HEADER = struct.Struct("<4s5H3L2H")
_HEADER_SIGNATURE = b"PK\x03\x04"
_UTF_8 = 0x800  # the flag of names in UTF-8 (APPNOTE 4.4.4)


class Member(NamedTuple):
    """One file of an archive.

    Attributes:
        number: in the archive's directory, from 1.
        name: inside the archive.
        size: bytes when unpacked, as the archive declares.
        checksum: files with another one, or another size, are taken to have another content.
    """

    number: int
    name: str
    size: int
    checksum: int | str


class Members(ABC):
    """The files of an archive.

    Attributes:
        all: in the order of the archive's directory.
        uri: of the folder that they are in, where they are not in a file of their own; else "".
    """

    all: Sequence[Member]
    uri: str = ""

    @abstractmethod
    def read(self, member: Member) -> bytes:
        """The content of a file.

        Raises:
            one of MEMBER_ERRORS: it is damaged.
            JobError: there is no reading it, so the job has to end.
        """

    @abstractmethod
    def beginnings(self, wanted: Sequence[Member], size: int) -> Iterator[bytes]:
        """The first `size` bytes of each file, in this order; nothing of one that is damaged."""

    @abstractmethod
    def ahead(self, wanted: Sequence[Member]) -> AbstractContextManager[None]:
        """A context in which these files are read, in about this order, and so may be fetched before they are."""


class ZipMembers(Members):
    """Files of a zip archive."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._infos = archive.infolist()
        self.all = [
            Member(number, info.filename, info.file_size, info.CRC) for number, info in enumerate(self._infos, start=1)
        ]

    def read(self, member: Member) -> bytes:
        """The content of a file."""
        with self._opened(member) as opened:
            return opened.read()

    def beginnings(self, wanted: Sequence[Member], size: int) -> Iterator[bytes]:
        """The first bytes of each file."""
        for member in wanted:
            try:
                with self._opened(member) as opened:
                    yield opened.read(size)
            except MEMBER_ERRORS:
                yield b""

    def _opened(self, member: Member) -> IO[bytes]:
        """A file, also where the header before it has another name than the directory, which `zipfile` refuses.

        Programs write backslashes in one of the two, or another code page. The directory's name counts, and its
        checksum says whether the content is the one that it means.
        """
        info = self._infos[member.number - 1]
        try:
            return self._archive.open(info)
        except (zipfile.BadZipFile, UnicodeDecodeError):
            as_before_it = self._named_as_before_it(info)
            if as_before_it is None:
                raise zipfile.BadZipFile("its header is none") from None
            return self._archive.open(as_before_it)

    def _named_as_before_it(self, info: zipfile.ZipInfo) -> zipfile.ZipInfo | None:
        """A copy with the name of the file's own header (APPNOTE 4.3.7), which `zipfile` reads in code page 437."""
        source = self._archive.fp
        if source is None:
            return None
        source.seek(info.header_offset)
        header = source.read(_HEADER.size)
        if len(header) < _HEADER.size or not header.startswith(_HEADER_SIGNATURE):
            return None
        named = copy.copy(info)
        named.orig_filename = source.read(_HEADER.unpack(header)[-2]).decode("cp437")
        named.flag_bits &= ~_UTF_8
        return named

    def ahead(self, wanted: Sequence[Member]) -> AbstractContextManager[None]:
        """No prefetching: the archive is a local file."""
        del wanted
        return contextlib.nullcontext()
