"""Files of a zip are read whatever name stands before each: the directory's counts, and its checksum."""

from __future__ import annotations

import io
import zipfile

import pytest

from model_code.members.members import MEMBER_ERRORS, ZipMembers

NAME = "x/NORMAL/1.png"


def archive(before_it: bytes, in_directory: bytes, *, flags: int = 0, content: bytes = b"content") -> ZipMembers:
    """A zip of one file with these names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(NAME, content)
    data = bytearray(buffer.getvalue())
    at = data.index(b"PK\x01\x02")
    data[30 : 30 + len(NAME)] = before_it
    data[at + 46 : at + 46 + len(NAME)] = in_directory
    data[at + 8 : at + 10] = flags.to_bytes(2, "little")
    return ZipMembers(zipfile.ZipFile(io.BytesIO(bytes(data))))


@pytest.mark.parametrize(
    ("before_it", "in_directory", "flags"),
    [
        (NAME.encode(), NAME.replace("/", "\\").encode(), 0),
        (NAME.replace("/", "\\").encode(), NAME.encode(), 0),
        (b"x/NORMAL\xe1.png ", "x/NORMAL\u00e1.png".encode(), 0x800),
        (b"x/\x90\xb3\x8f\xed/123.png", "x/\u6b63\u5e38/1.png".encode(), 0x800),
    ],
)
def test_a_name_before_the_file_that_differs_is_none(before_it: bytes, in_directory: bytes, flags: int) -> None:
    """`zipfile` refused each file of such an archive, which the trigger had accepted (log2timeline/plaso#943)."""
    assert len(before_it) == len(in_directory) == len(NAME)
    members = archive(before_it, in_directory, flags=flags)
    assert members.read(members.all[0]) == b"content"
    assert list(members.beginnings(members.all, 3)) == [b"con"]


def test_content_that_is_not_the_directory_s_is_damaged() -> None:
    members = archive(NAME.replace("/", "\\").encode(), NAME.encode(), content=b"content" * 20)
    members._infos[0].CRC ^= 1
    with pytest.raises(MEMBER_ERRORS):
        members.read(members.all[0])


def test_a_header_that_is_none_is_damaged() -> None:
    members = archive(NAME.encode(), NAME.encode())
    members._infos[0].header_offset = 5
    with pytest.raises(MEMBER_ERRORS):
        members.read(members.all[0])
    assert list(members.beginnings(members.all, 3)) == [b""]
