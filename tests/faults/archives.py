"""Archives that people upload by mistake or intent: small, and harmless to whatever unpacks them."""

from __future__ import annotations

import io
import struct
import zipfile

import numpy as np
from PIL import Image

# Offsets in a central directory header, APPNOTE 4.3.12.
FLAGS, METHOD, CRC, COMPRESSED, UNCOMPRESSED, EXTERNAL, LOCAL_OFFSET = 8, 10, 16, 20, 24, 38, 42


def drawn(number: int, format_: str = "PNG") -> bytes:
    """An image of its own for each number."""
    pixels = np.random.default_rng(number).integers(0, 256, (40, 40), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format_)
    return buffer.getvalue()


def good() -> dict[str, bytes]:
    """As few radiographs of both classes as are trained on, each of another patient."""
    files, number = dict[str, bytes](), 0
    for folder, count in (("train", 30), ("test", 6)):
        for _ in range(count):
            number += 1
            files[f"chest/{folder}/NORMAL/IM-{number:04d}-0001.jpeg"] = drawn(number, "JPEG")
            files[f"chest/{folder}/PNEUMONIA/person{number}_virus_{number}.jpeg"] = drawn(1000 + number)
    return files


def zipped(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive of names and contents."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def twice(files: dict[str, bytes], name: str, content: bytes) -> bytes:
    """An archive with a further entry, of a name that it has already."""
    other = "?" * len(name)
    return zipped({**files, other: content}).replace(other.encode(), name.encode())


def patched(data: bytes, name: str | bytes, *changes: tuple[int, str, int]) -> bytes:
    """The archive with other values in an entry's header of the central directory."""
    changed = bytearray(data)
    at = changed.rindex(name.encode() if isinstance(name, str) else name) - 46
    for offset, layout, value in changes:
        struct.pack_into(layout, changed, at + offset, value)
    return bytes(changed)


def raw_named(data: bytes, name: str, raw: bytes, *, utf8: bool = False) -> bytes:
    """The archive with the bytes of a name replaced by as many others, which are said to be UTF-8 or not."""
    encoded = name.encode()
    assert len(raw) == len(encoded)
    at = data.rindex(encoded)
    flags = struct.pack("<H", 0x800 if utf8 else 0)
    changed = data[: at - 46 + FLAGS] + flags + data[at - 46 + FLAGS + 2 :]
    return changed.replace(encoded, raw)


class Pipe:
    """Stream that can only be written to: sizes then come after the data (APPNOTE 4.3.9)."""

    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, data: bytes) -> int:
        self.content += data
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""
