"""Interface of an archive's files, and its implementation for zip archives; `bucket` has that for inventories."""

from __future__ import annotations

import contextlib
import lzma
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

# What reading a damaged, encrypted or oddly compressed member of a zip archive ends in.
MEMBER_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError)


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
        return self._archive.read(self._infos[member.number - 1])

    def beginnings(self, wanted: Sequence[Member], size: int) -> Iterator[bytes]:
        """The first bytes of each file."""
        for member in wanted:
            try:
                with self._archive.open(self._infos[member.number - 1]) as opened:
                    yield opened.read(size)
            except MEMBER_ERRORS:
                yield b""

    def ahead(self, wanted: Sequence[Member]) -> AbstractContextManager[None]:
        """No prefetching: the archive is a local file."""
        del wanted
        return contextlib.nullcontext()
