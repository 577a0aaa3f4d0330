"""One worker's share of an archive: files become TFRecord shards and a manifest, one after the other."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
from PIL import Image

from model_code import fingerprint, manifest
from model_code.archive import Candidate, list_candidates, open_archive, share
from model_code.dataset import write_shards
from model_code.image import pixels_from_bytes
from model_code.inference import check_image, image_dimensions
from model_code.manifest import Facts, Header
from model_code.split import Radiograph

MAX_MEMBER_BYTES = 100 * 2**20

Decode = Callable[[bytes], Any]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one file.

    Attributes:
        candidate: the file.
        reason: why it is no readable image, else None.
        sha256: of its content.
        facts: None where a file before it in its group has the same content.
        pixels: grey levels, row by row; empty where `facts` is None.
    """

    candidate: Candidate
    reason: str | None = None
    sha256: str = ""
    facts: Facts | None = None
    pixels: bytes = b""


def decode_share(archive: Path, output: Path, header: Header, step: Callable[[], None]) -> None:
    """Decode what the header says is this worker's, with one image in memory at a time.

    Args:
        archive: the zip file.
        output: where shards and manifest go.
        header: of the manifest that is written.
        step: called after each file.
    """
    decode = tf.function(
        lambda encoded: pixels_from_bytes(encoded, header.image_size), input_signature=[tf.TensorSpec((), tf.string)]
    ).get_concrete_function()
    with open_archive(archive) as opened, manifest.writing(output, header) as add:
        groups = share(list_candidates(opened).candidates, *header.place)
        write_shards(output, header.name, _decoded(_outcomes(opened, groups, decode, step), add), header.shards)


def _decoded(outcomes: Iterator[Outcome], add: Callable[..., None]) -> Iterator[tuple[Radiograph, bytes]]:
    """The images that need a record, in the order of the manifest's lines, which are added on the way."""
    position = 0
    for one in outcomes:
        if one.reason is not None:
            add(one.candidate, undecodable=one.reason)
            continue
        add(one.candidate, sha256=one.sha256, facts=one.facts)
        if one.facts is not None:
            named = {name: getattr(one.candidate, name) for name in ("path", "label", "folder", "patient", "subtype")}
            size = {"width": one.facts.width, "height": one.facts.height}
            yield Radiograph(**named, **size, sha256=one.sha256, position=position), one.pixels
            position += 1


def _outcomes(
    archive: zipfile.ZipFile, groups: list[list[Candidate]], decode: Decode, step: Callable[[], None]
) -> Iterator[Outcome]:
    for group in groups:
        known: set[str] = set()
        for candidate in group:
            outcome = _outcome(archive, candidate, decode, known)
            if outcome.reason is None:
                known.add(outcome.sha256)
            yield outcome
            step()


def _outcome(archive: zipfile.ZipFile, candidate: Candidate, decode: Decode, known: set[str]) -> Outcome:
    if candidate.size > MAX_MEMBER_BYTES:
        return Outcome(candidate, f"it is larger than {MAX_MEMBER_BYTES // 2**20} MiB")
    try:
        encoded = archive.read(candidate.path)
        check_image(encoded)
        digest = hashlib.sha256(encoded).hexdigest()
        if digest in known:
            return Outcome(candidate, sha256=digest)
        pixels = decode(tf.constant(encoded)).numpy()[:, :, 0]
        return Outcome(candidate, sha256=digest, facts=_facts(encoded, pixels), pixels=pixels.tobytes())
    except ValueError as error:
        return Outcome(candidate, str(error))
    except tf.errors.InvalidArgumentError:
        return Outcome(candidate, "it cannot be decoded to its end")
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        return Outcome(candidate, f"the zip member is damaged or unsupported ({error})")


def _facts(encoded: bytes, pixels: fingerprint.Pixels) -> Facts:
    width, height = image_dimensions(encoded)
    try:
        # Reads the header only; a file that Pillow does not know at all is still one that TensorFlow has decoded.
        with Image.open(io.BytesIO(encoded), formats=("JPEG", "PNG")) as opened:
            format_, mode, exif = str(opened.format), opened.mode, "exif" in opened.info
    except (OSError, Image.DecompressionBombError):
        format_, mode, exif = "PNG" if encoded.startswith(b"\x89") else "JPEG", "unknown", False
    return Facts(
        bytes=len(encoded),
        width=width,
        height=height,
        format=format_,
        mode=mode,
        exif=exif,
        border=fingerprint.border(pixels),
        hash=fingerprint.perceptual_hash(pixels),
        thumbnail=fingerprint.thumbnail(pixels),
    )
