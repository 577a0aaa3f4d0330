"""Files in a form that pydicom reads: what goes before a dataset made whole, inflated, and every representation one of
the standard's.

Older systems leave out the preamble, the meta information or both, or write them as they write datasets, without
representations (Implicit VR). Programs of their own time wrote representations that are none, mostly of private
elements: as DCMTK does, what it says is passed over and what follows is read, where pydicom loses it
(findings/pydicom_unknown_representation.sh).
"""

from __future__ import annotations

import io
import logging
import zlib
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydicom import config
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.filereader import read_partial
from pydicom.valuerep import EXPLICIT_VR_LENGTH_16, EXPLICIT_VR_LENGTH_32

from model_code.contract.images import dicom_starts_at
from model_code.dicom.refusal import damaged
from model_code.dicom.syntaxes import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, NATIVE

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pydicom.tag import BaseTag

# Real files break many rules that do not matter here, and what pydicom says about it quotes them.
config.settings.reading_validation_mode = config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)

META_AT = 132
"""Byte at which the file meta information begins (PS3.10, 7.1)."""
BEGINNING_BYTES = 2**20
"""So much of a file says all but its pixels: elements are in the order of their tags, pixels come last (PS3.5, 7.1)."""
_META_GROUP = b"\x02\x00"
_SYNTAX_TAG = b"\x02\x00\x10\x00UI"
# Representations with two and with four bytes for the length of a value (PS3.5, 7.1.2).
_SHORT = frozenset(one.encode() for one in EXPLICIT_VR_LENGTH_16)
_LONG = frozenset(one.encode() for one in EXPLICIT_VR_LENGTH_32)
_UNDEFINED = 0xFFFFFFFF
_PIXELS = 0x7FE00010
# The first group of a dataset, behind those of messages, media and meta information (PS3.6).
_IDENTIFYING = 0x0008
_END_OF_FRAGMENTS = b"\xfe\xff\xdd\xe0\0\0\0\0"  # PS3.5, 7.5.2
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_DEEPEST = 32
_Order = Literal["little", "big"]


class _Element(NamedTuple):
    """Place of an element: its tag, representation, where its value begins, and how long it is."""

    tag: int
    representation: bytes
    value_at: int
    length: int


def legible(data: bytes, most: int, *, whole: bool = True) -> bytes:
    """A file, or its beginning, with all that goes before a dataset, inflated and with known representations only.

    Args:
        data: of the file.
        most: bytes that a deflated dataset may have; pydicom inflates without a limit.
        whole: whether a deflated dataset has to end within that, else the rest is left out.

    Raises:
        Refusal: undecodable_image, where it does not begin as a DICOM file or dataset, or does not end.
    """
    data = _inflated(_complete(data), most, whole=whole)
    start = end_of_meta(data, META_AT)
    meta = data[:start]
    return _with_known_representations(data, start, big=EXPLICIT_BIG.encode() + b"\0" in meta)


def elements(whole: bytes, tags: list[Any]) -> Dataset:
    """The elements of a legible file up to its pixels that have these tags, and what goes before them.

    The fragments of compressed pixels may lack their end, of which pydicom drops the element: with it they are read,
    and their codec tells whether they have all of the image.
    """
    dataset = read_partial(io.BytesIO(whole), stop_when=_BehindPixels(), specific_tags=tags)
    if _PIXELS in dataset or str(dataset.file_meta.get("TransferSyntaxUID", "")).strip(" \0") in NATIVE:
        return dataset
    return read_partial(io.BytesIO(whole + _END_OF_FRAGMENTS), stop_when=_BehindPixels(), specific_tags=tags)


class _BehindPixels:
    """Whether reading ends at an element: behind the pixels nothing is needed, and what came along may be no element.

    Some files go on with padding of any kind, or with the end of the message that they were taken out of.
    """

    def __init__(self) -> None:
        self._seen = False

    def __call__(self, tag: BaseTag, _representation: str | None, _length: int) -> bool:
        if self._seen:
            # A program may have put elements out of their order.
            return tag.group < _IDENTIFYING or tag > _PIXELS or not dictionary_has_tag(tag)
        self._seen = tag == _PIXELS
        return False


def _complete(data: bytes) -> bytes:
    """The file with all that goes before a dataset (PS3.10, 7.1): older systems leave out some of it, or everything.

    A transfer syntax that is not named is told by the first element, as long as nothing is compressed.
    """
    start = dicom_starts_at(data)
    if start is None:
        raise damaged(
            "it begins neither as the file format demands (PS3.10), with DICM after 128 bytes, nor as a dataset does."
        )
    end = end_of_meta(data, start)
    meta, dataset = _explicit_meta(data[start:end]), data[end:]
    if _SYNTAX_TAG not in meta:
        named = _syntax_of(dataset).encode()
        named += b"\0" * (len(named) % 2)
        meta += _SYNTAX_TAG + len(named).to_bytes(2, "little") + named
    elif start == META_AT and meta == data[start:end]:
        return data
    return bytes(META_AT - 4) + b"DICM" + meta + dataset


def _syntax_of(dataset: bytes) -> str:
    """The uncompressed transfer syntax that a first element is written in: of group 0008, with letters or without."""
    if _is_representation(dataset[4:6]):
        return EXPLICIT_BIG if dataset[:1] == b"\0" else EXPLICIT_LITTLE
    return IMPLICIT_LITTLE


def end_of_meta(data: bytes, start: int) -> int:
    """End of the file meta information: the first element of another group (PS3.10, 7.1).

    Its own length, in (0002,0000), is left out or wrong in files of more than one program.

    Args:
        data: of the file.
        start: of its first element.
    """
    at = start
    while data[at : at + 2] == _META_GROUP and len(data) >= at + 12:
        value_at, length = _of_meta(data, at)
        at = value_at + length
    return at


def _of_meta(data: bytes, at: int) -> tuple[int, int]:
    """Place of the value of an element of the meta information, and its length.

    It is Explicit VR Little Endian whatever the dataset is, and in files of some programs Implicit.
    """
    if not _is_representation(data[at + 4 : at + 6]):
        return at + 8, int.from_bytes(data[at + 4 : at + 8], "little")
    if data[at + 4 : at + 6] in _LONG:
        return at + 12, int.from_bytes(data[at + 8 : at + 12], "little")
    return at + 8, int.from_bytes(data[at + 6 : at + 8], "little")


def _is_representation(two: bytes) -> bool:
    return two.isalpha() and two.isupper()


def _explicit_meta(meta: bytes) -> bytes:
    """Meta information with representations; its group's length is left out where they were missing."""
    if not meta or _is_representation(meta[4:6]):
        return meta
    made, at = b"", 0
    while at + 8 <= len(meta):
        tag = meta[at : at + 4]
        value_at, length = _of_meta(meta, at)
        value, at = meta[value_at : value_at + length], value_at + length
        number = int.from_bytes(tag[2:], "little")
        if not number:
            continue
        try:
            representation = dictionary_VR(0x00020000 + number).encode()
        except KeyError:  # a private one
            continue
        size = len(value).to_bytes(2, "little")
        made += tag + representation + (b"\0\0" + size + b"\0\0" if representation in _LONG else size) + value
    return made


def _inflated(data: bytes, most: int, *, whole: bool) -> bytes:
    """The file with its dataset as Explicit VR Little Endian where it was deflated, at most as large as can be real."""
    start = end_of_meta(data, META_AT)
    meta = data[:start]
    if DEFLATED.encode() not in meta:
        return data
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    dataset = inflater.decompress(data[start:], most)
    if whole and not inflater.eof:
        raise damaged("its deflated part does not end, or is larger than a radiograph's can be.")
    # NUL pads a UID (PS3.5, 9.1), so the element keeps its length.
    return meta.replace(DEFLATED.encode(), EXPLICIT_LITTLE.encode().ljust(len(DEFLATED), b"\0")) + dataset


def _with_known_representations(data: bytes, start: int, *, big: bool) -> bytes:
    """The file with UN for what is no representation, of the elements outside sequences and before the pixels.

    How such a program wrote lengths is told by the element that follows. Where that does not tell, the file stays as it
    is. Implicit VR has no representations.
    """
    if not _is_representation(data[start + 4 : start + 6]):
        return data
    order: _Order = "big" if big else "little"
    made, done, at = [], 0, start
    while at + 12 <= len(data):
        if _tag(data, at, order) == _PIXELS:
            if _lies_unnamed(data, at, order):
                made += [data[done : at + 4], b"OW"]
                done = at + 6
            break
        found = _element(data, at, order)
        if found is None:
            found = _unknown(data, at, order)
            if found is None:
                return data
            made += [data[done:at], data[at : at + 4], b"UN\0\0", found.length.to_bytes(4, order)]
            done = found.value_at
        behind = _behind(data, found, order)
        if behind is None:
            return data
        at = behind
    return b"".join([*made, data[done:]]) if made else data


def _tag(data: bytes, at: int, order: _Order) -> int:
    group, number = (int.from_bytes(data[one : one + 2], order) for one in (at, at + 2))
    return group << 16 | number


def _element(data: bytes, at: int, order: _Order) -> _Element | None:
    """The element at a place, None where it has no known representation."""
    representation = data[at + 4 : at + 6]
    if representation in _SHORT:
        first, end, value_at = at + 6, at + 8, at + 8
    elif representation in _LONG:
        first, end, value_at = at + 8, at + 12, at + 12
    else:
        return None
    length = int.from_bytes(data[first:end], order)
    return _Element(_tag(data, at, order), representation, value_at, length)


def _lies_unnamed(data: bytes, at: int, order: _Order) -> bool:
    """Whether pixels have letters of no representation that pixels have before their length, such as DCMTK's own `ox`
    and `??`; or those of an unknown one (UN), which is a sequence where no length is defined (PS3.5, 6.2.2)."""
    representation, length = data[at + 4 : at + 6], int.from_bytes(data[at + 8 : at + 12], order)
    letters = representation.isalpha() or representation == b"??"
    if representation in {b"OB", b"OW"} or not letters or data[at + 6 : at + 8] != b"\0\0":
        return False
    return length == _UNDEFINED or 0 < length <= len(data) - at - 12


def _unknown(data: bytes, at: int, order: _Order) -> _Element | None:
    """The element of no known representation at a place, with the length behind which another one stands."""
    tag, representation = _tag(data, at, order), data[at + 4 : at + 6]
    for first, end in ((at + 6, at + 8), (at + 8, at + 12)):
        length = int.from_bytes(data[first:end], order)
        behind = end + length
        follows = data[behind + 4 : behind + 6]
        known = follows in _SHORT | _LONG or follows == representation
        if known and _tag(data, behind, order) > tag:
            return _Element(tag, representation, end, length)
    return None


def _behind(data: bytes, element: _Element, order: _Order) -> int | None:
    """The place behind an element; None where its items are not such."""
    if element.length != _UNDEFINED:
        return element.value_at + element.length
    return _behind_items(data, element.value_at, order, 0)


def _behind_items(data: bytes, at: int, order: _Order, depth: int) -> int | None:
    """The place behind the items of a sequence, or the fragments, of undefined length (PS3.5, 7.5)."""
    while at + 8 <= len(data) and depth < _DEEPEST:
        tag, length = _tag(data, at, order), int.from_bytes(data[at + 4 : at + 8], order)
        at += 8
        if tag == _SEQUENCE_END:
            return at
        if tag != _ITEM:
            return None
        behind = at + length if length != _UNDEFINED else _behind_item(data, at, order, depth)
        if behind is None:
            return None
        at = behind
    return None


def _behind_item(data: bytes, at: int, order: _Order, depth: int) -> int | None:
    while at + 8 <= len(data):
        if _tag(data, at, order) == _ITEM_END:
            return at + 8
        found = _element(data, at, order)
        if found is None:
            return None
        behind = found.value_at + found.length
        if found.length == _UNDEFINED:
            deeper = _behind_items(data, found.value_at, order, depth + 1)
            if deeper is None:
                return None
            behind = deeper
        at = behind
    return None
