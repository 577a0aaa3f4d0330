"""Every transfer syntax gives the stored values, whatever their width and sign, and what is damaged is refused."""

from __future__ import annotations

import itertools
import tracemalloc
import warnings
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest

from model_code.dicom.codestream import boxes
from model_code.dicom.header import read
from model_code.dicom.pixels import stored_values
from model_code.dicom.refusal import Refusal
from model_code.dicom.syntaxes import LOSSY, TRANSFER_SYNTAXES
from tests.model_code.support.dicom_files import (
    BASELINE,
    BIG,
    DEFLATED,
    DEFLATED_FRAME,
    ENCAPSULATED,
    EXPLICIT,
    EXTENDED,
    HTJ2K,
    HTJ2K_LOSSLESS,
    HTJ2K_RPCL,
    IMPLICIT,
    J2K,
    J2K_LOSSLESS,
    JPEG_LS,
    JPEG_LS_NEAR,
    JPEG_XL,
    JPEG_XL_JPEG,
    JPEG_XL_LOSSLESS,
    LOSSLESS,
    LOSSLESS_SV1,
    RLE,
    as_file,
    dicom_file,
    encode,
    phantom,
)

UNCOMPRESSED = (IMPLICIT, EXPLICIT, DEFLATED, BIG)
OLD = (RLE, BASELINE, EXTENDED, LOSSLESS, LOSSLESS_SV1, JPEG_LS, JPEG_LS_NEAR, J2K_LOSSLESS, J2K)
NEW = (ENCAPSULATED, DEFLATED_FRAME, HTJ2K_LOSSLESS, HTJ2K_RPCL, HTJ2K, JPEG_XL_LOSSLESS, JPEG_XL_JPEG, JPEG_XL)
COMPRESSED = OLD + NEW
EIGHT_BITS = (BASELINE, JPEG_XL_JPEG)
# JPEG's lossy processes know 8 and 12 bits and no sign; lossy coding of two's complement would tear it apart.
POSSIBLE = [
    (syntax, bits, signed)
    for syntax in UNCOMPRESSED + COMPRESSED
    for bits in (8, 10, 12, 16)
    for signed in (False, True)
    if (syntax not in EIGHT_BITS or bits == 8)
    and (syntax != EXTENDED or bits in (8, 12))
    and not (signed and syntax in (BASELINE, EXTENDED, JPEG_LS_NEAR, JPEG_XL_JPEG, JPEG_XL))
]
# Files of other programs that pydicom brings along: the same slice in eight forms.
VENDORS = Path(pydicom.__file__).parent / "data" / "test_files"


def values_of(data: bytes) -> Any:
    return stored_values(read(data))


def test_no_transfer_syntax_that_is_claimed_goes_untested() -> None:
    assert set(UNCOMPRESSED + COMPRESSED) == TRANSFER_SYNTAXES


@pytest.mark.parametrize(("syntax", "bits", "signed"), POSSIBLE)
def test_stored_values_are_what_was_written(syntax: str, bits: int, signed: bool) -> None:
    values = phantom(97, 81, bits=bits) - (2 ** (bits - 1) if signed else 0)
    decoded = values_of(dicom_file(values, transfer_syntax=syntax, bits=bits, signed=signed))

    assert decoded.shape == (81, 97)
    # The lossy encoders' own settings: no pixel off by more than a fiftieth of the range.
    assert np.abs(decoded.astype(np.int64) - values).max() <= (2**bits / 50 if syntax in LOSSY else 0)


@pytest.mark.parametrize("syntax", [LOSSLESS_SV1, JPEG_LS, J2K_LOSSLESS, RLE])
def test_eight_bits_may_lie_in_sixteen(syntax: str) -> None:
    values = phantom(bits=8)
    decoded = values_of(dicom_file(values, transfer_syntax=syntax, bits=8, allocated=16))
    assert (decoded == values).all()


def test_a_codestream_of_eight_bits_may_stand_for_more() -> None:
    values = phantom(bits=8)
    frame = encode(values.astype(np.uint8), LOSSLESS_SV1, 8)
    assert (values_of(dicom_file(values, transfer_syntax=LOSSLESS_SV1, bits=12, frame=frame)) == values).all()


@pytest.mark.parametrize("named", [BASELINE, EXTENDED, LOSSLESS, LOSSLESS_SV1])
@pytest.mark.parametrize(("process", "bits"), [(BASELINE, 8), (EXTENDED, 12), (LOSSLESS, 12), (LOSSLESS_SV1, 8)])
def test_a_jpeg_says_itself_by_which_process_it_is_one(process: str, bits: int, named: str) -> None:
    """Converters leave the name of another one in the file; DCMTK reads a lossless image that is called baseline."""
    values = phantom(bits=bits)
    frame = encode(values.astype(f"u{1 if bits == 8 else 2}"), process, bits)
    assert (
        values_of(dicom_file(values, transfer_syntax=named, bits=bits, frame=frame)) == imagecodecs.jpeg8_decode(frame)
    ).all()


@pytest.mark.parametrize("signed", [False, True])
def test_an_overlay_in_the_unused_bits_is_not_part_of_the_image(signed: bool) -> None:
    values = phantom() - (2048 if signed else 0)
    with_overlay = (values & 0x0FFF) | np.where(np.arange(values.shape[1]) % 2, 0xF000, 0)
    decoded = values_of(dicom_file(with_overlay.astype(np.uint16).view("i2" if signed else "u2"), signed=signed))
    assert (decoded == values).all()


def test_what_a_lossy_codec_overshoots_stays_white() -> None:
    values = np.full((16, 16), 4095)
    # This encoder names 16 bits, of which the file says that 12 are used.
    frame = bytes(imagecodecs.jpegls_encode((values + 2).astype(np.uint16)))
    assert (values_of(dicom_file(values, transfer_syntax=JPEG_LS_NEAR, frame=frame)) == 4095).all()


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_RLE",
        "MR_small_bigendian",
        "MR_small_expb",
        "MR_small_implicit",
        "MR_small_jp2klossless",
        "MR_small_jpeg_ls_lossless",
        "MR_small_padded",
    ],
)
def test_files_that_other_programs_wrote_hold_the_same_image(name: str) -> None:
    def read_as_radiograph(name: str) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some of them break rules
            dataset = pydicom.dcmread(VENDORS / f"{name}.dcm")
            dataset.Modality = "DX"
            return values_of(as_file(dataset, dataset.file_meta.TransferSyntaxUID))

    assert (read_as_radiograph(name) == read_as_radiograph("MR_small")).all()


@pytest.mark.parametrize("name", ["JPGExtended", "JPEG-lossy"])
def test_twelve_bit_jpeg_of_another_program_is_decoded(name: str) -> None:
    dataset = pydicom.dcmread(VENDORS / f"{name}.dcm")
    dataset.Modality = "DX"
    values = values_of(as_file(dataset, dataset.file_meta.TransferSyntaxUID))
    assert values.shape == (1024, 256)  # a bone scan
    assert 255 < values.max() < 4096


@pytest.mark.parametrize("syntax", UNCOMPRESSED + COMPRESSED)
@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_refused(syntax: str, kept: float) -> None:
    bits = 8 if syntax in EIGHT_BITS else 12
    data = dicom_file(phantom(bits=bits), transfer_syntax=syntax, bits=bits)
    with pytest.raises(Refusal) as refused:
        values_of(data[: int(len(data) * kept)])
    assert refused.value.code == "undecodable_image"
    assert refused.value.detail.endswith(".")


def in_fragments(syntax: str, sizes: tuple[int, ...], offsets: bytes) -> tuple[Any, bytes]:
    """Stored values, and a file whose one frame lies in fragments: of so many bytes, and the rest."""
    bits = 8 if syntax in EIGHT_BITS else 12
    values = phantom(bits=bits)
    frame = encode(values.astype(np.uint8 if bits == 8 else np.uint16), syntax, bits)
    frame += b"\0" * (len(frame) % 2)
    places = [0, *np.cumsum(sizes, dtype=int).tolist(), len(frame)]
    parts = [offsets, *(frame[start:end] for start, end in itertools.pairwise(places))]
    items = b"".join(b"\xfe\xff\x00\xe0" + len(part).to_bytes(4, "little") + part for part in parts)
    whole = dicom_file(values, transfer_syntax=syntax, bits=bits, frame=frame)
    end = whole.index(b"\xfe\xff\xdd\xe0")
    written = whole[: whole.index(b"\xfe\xff\x00\xe0")] + items + whole[end:]
    return values_of(whole), written


@pytest.mark.parametrize("offsets", [b"", bytes(2), bytes(4), b"\x10\0\0\0", b"\xff\xff\xff\x7f"])
@pytest.mark.parametrize("sizes", [(), (10,), (2, 500), (0, 0, 40)])
@pytest.mark.parametrize("syntax", [RLE, EXTENDED, LOSSLESS_SV1, JPEG_LS, J2K, HTJ2K, JPEG_XL, DEFLATED_FRAME])
def test_the_one_frame_is_all_fragments(syntax: str, sizes: tuple[int, ...], offsets: bytes) -> None:
    """PS3.5, A.4: offsets may be left out, and those that files have wrong are not needed for one frame."""
    values, data = in_fragments(syntax, sizes, offsets)
    assert (values_of(data) == values).all()


@pytest.mark.parametrize("syntax", COMPRESSED)
def test_pixel_data_of_another_size_than_the_header_says_is_refused(syntax: str) -> None:
    bits, rows = 8 if syntax in EIGHT_BITS else 12, 81 if syntax == ENCAPSULATED else 79
    data = dicom_file(phantom(bits=bits), transfer_syntax=syntax, bits=bits, Rows=rows)
    with pytest.raises(Refusal) as refused:
        values_of(data)
    assert refused.value.code == "undecodable_image"


@pytest.mark.parametrize(
    ("syntax", "actual"), [(BASELINE, JPEG_LS), (LOSSLESS_SV1, J2K), (JPEG_LS, BASELINE), (J2K, JPEG_LS)]
)
def test_another_compression_than_the_header_names_is_read_as_what_it_is(syntax: str, actual: str) -> None:
    values = phantom(bits=8)
    frame = encode(values.astype(np.uint8), actual, 8)
    decoded = values_of(dicom_file(values, transfer_syntax=syntax, bits=8, frame=frame))
    assert np.abs(decoded.astype(int) - values).max() <= 2**8 / 50


def run_lengths(*numbers: int, runs: bytes = b"\x81\x00" * 40) -> bytes:
    return dicom_file(
        np.zeros((4, 4), np.int64),
        transfer_syntax=RLE,
        frame=b"".join(number.to_bytes(4, "little") for number in [*numbers, *[0] * (16 - len(numbers))]) + runs,
    )


def test_run_lengths_may_say_nothing_in_between() -> None:
    runs = b"\x80\xf1\x01" + b"\x80\x0f" + bytes(range(16))  # 16 times 1; then 16 bytes as they are
    assert (values_of(run_lengths(2, 64, 67, runs=runs)) == 256 + np.arange(16).reshape(4, 4)).all()


@pytest.mark.parametrize(
    "numbers",
    [(15, *[64] * 15), (1, 64), (0,), (2, 64, 4_000_000_000), (2, 64, 143)],
    ids=["overlapping", "too few", "none", "outside", "ends in a run"],
)
def test_run_lengths_with_other_segments_than_the_pixels_have_bytes_are_refused(numbers: tuple[int, ...]) -> None:
    with pytest.raises(Refusal, match="damaged"):
        values_of(run_lengths(*numbers))


def test_run_lengths_may_stand_for_the_byte_that_makes_them_even() -> None:
    """pydicom#958 and others: the padding is compressed with the pixels, in the last run or in one of its own."""
    within = b"\xf1\x01\x00\x01" + b"\x10" + bytes(range(16)) + b"\x00"
    assert (values_of(run_lengths(2, 64, 68, runs=within)) == 256 + np.arange(16).reshape(4, 4)).all()
    longer = b"\xf0\x01" + b"\x10" + bytes(range(17))
    assert (values_of(run_lengths(2, 64, 66, runs=longer)) == 256 + np.arange(16).reshape(4, 4)).all()


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG, RLE, DEFLATED_FRAME])
@pytest.mark.parametrize(("allocated", "bits", "high"), [(16, 12, 15), (16, 12, 13), (16, 8, 15), (8, 6, 7)])
@pytest.mark.parametrize("signed", [False, True])
def test_stored_bits_may_lie_anywhere_in_the_allocated_ones(
    allocated: int, bits: int, high: int, signed: bool, syntax: str
) -> None:
    values = phantom(bits=bits) - (2 ** (bits - 1) if signed else 0)
    spare = high + 1 - bits
    lying = ((values << spare) % 2**allocated) | ((1 << spare) - 1)  # with something in the bits below
    as_written = lying.astype(f"u{allocated // 8}").view(f"{'i' if signed else 'u'}{allocated // 8}")
    data = dicom_file(as_written, transfer_syntax=syntax, bits=bits, allocated=allocated, signed=signed, HighBit=high)
    assert (values_of(data) == values).all()


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("bits", "high"), [(12, 15), (12, 13), (8, 15)])
@pytest.mark.parametrize(
    "syntax", [LOSSLESS, LOSSLESS_SV1, JPEG_LS, J2K_LOSSLESS, HTJ2K_LOSSLESS, HTJ2K_RPCL, JPEG_XL_LOSSLESS]
)
def test_a_codestream_may_hold_the_bits_up_to_the_high_one(syntax: str, bits: int, high: int, signed: bool) -> None:
    """As they lie in native pixels (PS3.5, 8.1.1), with something in the bits below; or the stored bits alone."""
    values = phantom(bits=bits) - (2 ** (bits - 1) if signed else 0)
    spare = high + 1 - bits
    lying = (((values << spare) % 65536) | ((1 << spare) - 1)).astype(np.uint16)
    data = dicom_file(
        values,
        transfer_syntax=syntax,
        bits=bits,
        allocated=16,
        signed=signed,
        HighBit=high,
        frame=encode(lying, syntax, 16),
    )
    assert (values_of(data) == values).all()
    header = read(data)
    assert stored_values(header, halvings=1).shape == values.shape


@pytest.mark.parametrize("syntax", [LOSSLESS_SV1, J2K_LOSSLESS])
def test_a_codestream_of_the_stored_bits_alone_has_none_below(syntax: str) -> None:
    values = phantom()
    frame = encode(values.astype(np.uint16), syntax, 12)
    assert (values_of(dicom_file(values, transfer_syntax=syntax, HighBit=15, frame=frame)) == values).all()


@pytest.mark.parametrize("syntax", [J2K_LOSSLESS, J2K, HTJ2K_LOSSLESS])
def test_jpeg_2000_may_lie_in_the_boxes_of_jp2(syntax: str) -> None:
    values = phantom()
    plain = encode(values.astype(np.uint16), syntax, 12)
    # ITU-T T.800, I.5: signature, file type and codestream; a length of 0 is to the end, 1 means one of eight bytes.
    head = b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\x14ftypjp2 \0\0\0\0jp2 "
    decoded = values_of(dicom_file(values, transfer_syntax=syntax, frame=plain))
    for length in (len(plain) + 8).to_bytes(4, "big"), b"\0\0\0\0":
        boxed = dicom_file(values, transfer_syntax=syntax, frame=head + length + b"jp2c" + plain)
        assert (values_of(boxed) == decoded).all()
    long = head + b"\0\0\0\x01jp2c" + (len(plain) + 16).to_bytes(8, "big") + plain
    assert (values_of(dicom_file(values, transfer_syntax=syntax, frame=long)) == decoded).all()


@pytest.mark.parametrize("behind", [b"", b"\0\0\0", b" ", b"\xff\xff", b"left"])
@pytest.mark.parametrize("syntax", [LOSSLESS_SV1, LOSSLESS, JPEG_LS, J2K_LOSSLESS, HTJ2K_LOSSLESS])
def test_whatever_encoders_leave_behind_the_end_of_a_codestream_is_passed_over(syntax: str, behind: bytes) -> None:
    """As DCMTK does; a codestream without its end stays damaged, though a picture of its metadata has one."""
    values = phantom()
    frame = encode(values.astype(np.uint16), syntax, 12)
    assert (values_of(dicom_file(values, transfer_syntax=syntax, frame=frame + behind)) == values).all()
    with pytest.raises(Refusal, match="ends too early"):
        values_of(dicom_file(values, transfer_syntax=syntax, frame=frame[:-2] + behind))
    if syntax in (LOSSLESS, LOSSLESS_SV1):
        thumbnail = b"\xff\xe1\x00\x0a" + b"\xff\xd8\xff\xda" + b"\xff\xd9\0\0"
        with pytest.raises(Refusal, match="ends too early"):
            values_of(dicom_file(values, transfer_syntax=syntax, frame=frame[:2] + thumbnail + frame[2:-2]))


def test_a_deflated_frame_is_inflated_to_the_size_of_the_image_at_most() -> None:
    million = b"\0" * 1_000_000
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = b"".join(deflater.compress(million) for _ in range(200)) + deflater.flush()
    tracemalloc.start()
    with pytest.raises(Refusal, match="another size"):
        values_of(dicom_file(phantom(), transfer_syntax=DEFLATED_FRAME, frame=bomb))
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def parts(codestream: bytes, cut: int) -> bytes:
    """The boxes of a codestream in two parts (ISO/IEC 18181-2); the highest bit tells the last one's number."""
    numbered = (b"\0\0\0\0" + codestream[:cut], b"\x80\0\0\1" + codestream[cut:])
    return b"".join((len(one) + 8).to_bytes(4, "big") + b"jxlp" + one for one in numbered)


def test_jpeg_xl_may_lie_in_a_container_or_not() -> None:
    values = phantom()
    boxed = bytes(imagecodecs.jpegxl_encode(values.astype(np.uint16), lossless=True, usecontainer=True))
    (bare,) = (bytes(content) for kind, content in boxes(boxed) if kind == b"jxlc")
    in_parts = [boxed[: boxed.index(b"jxlc") - 4] + parts(bare, cut) for cut in (2, 3, 10, 100)]
    for frame in (boxed, bare, *in_parts):
        assert (values_of(dicom_file(values, transfer_syntax=JPEG_XL_LOSSLESS, frame=frame)) == values).all()


def test_a_sign_in_jpeg_2000_that_the_header_does_not_have_changes_nothing() -> None:
    """And the reverse: whose bits these are says Pixel Representation (pydicom#1149)."""
    values = phantom() - 2048
    signed = encode(values.astype(np.int16), J2K_LOSSLESS, 12)
    unsigned = encode((values % 4096).astype(np.uint16), J2K_LOSSLESS, 12)
    for frame in (signed, unsigned):
        assert (values_of(dicom_file(values, transfer_syntax=J2K_LOSSLESS, signed=True, frame=frame)) == values).all()


@pytest.mark.parametrize("syntax", [J2K_LOSSLESS, J2K, HTJ2K_LOSSLESS, HTJ2K])
@pytest.mark.parametrize(("bits", "signed"), [(8, False), (12, False), (12, True), (16, False), (16, True)])
@pytest.mark.parametrize("shape", [(64, 96), (63, 97)])
def test_jpeg_2000_is_decoded_at_a_part_of_its_size(
    shape: tuple[int, int], bits: int, signed: bool, syntax: str
) -> None:
    low = -(2 ** (bits - 1)) if signed else 0
    down, across = np.mgrid[0 : 1 : shape[0] * 1j, 0 : 1 : shape[1] * 1j]
    values = np.rint((0.2 + 0.5 * down + 0.2 * across**2) * (2**bits - 1)).astype(int) + low
    header = read(dicom_file(values, transfer_syntax=syntax, bits=bits, signed=signed))
    halved = stored_values(header, halvings=1)
    assert halved.shape == (-(-shape[0] // 2), -(-shape[1] // 2))
    even = values[: shape[0] // 2 * 2, : shape[1] // 2 * 2].reshape(shape[0] // 2, 2, shape[1] // 2, 2).mean((1, 3))
    # Half a pixel further in a picture without edges.
    assert np.abs(halved[: even.shape[0], : even.shape[1]] - even).max() <= 2**bits / 50


def test_a_compression_without_smaller_sizes_is_decoded_in_full() -> None:
    header = read(dicom_file(phantom(), transfer_syntax=JPEG_LS))
    assert stored_values(header, halvings=2).shape == (80, 96)


@pytest.mark.parametrize("syntax", [J2K_LOSSLESS, HTJ2K_LOSSLESS])
def test_at_an_edge_a_part_of_the_size_stays_within_the_stored_bits(syntax: str) -> None:
    """A wavelet's average lies beyond white there, in a codestream with room for it: cut off, it would be black."""
    values = np.zeros((64, 96), np.int64)
    values[16:48, 30:61] = 4095
    frame = encode(values.astype(np.uint16), syntax, 16)
    header = read(dicom_file(values, transfer_syntax=syntax, frame=frame))
    halved = stored_values(header, halvings=1)
    assert halved.shape == (32, 48)
    assert halved[10:22, 17:29].min() > 3800


def test_with_an_overlay_in_the_bits_above_jpeg_2000_is_decoded_in_full() -> None:
    values = phantom()
    frame = encode((values | np.where(np.arange(96) % 2, 0xF000, 0)).astype(np.uint16), J2K_LOSSLESS, 16)
    header = read(dicom_file(values, transfer_syntax=J2K_LOSSLESS, frame=frame))
    assert (stored_values(header, halvings=1) == values).all()


def test_of_negative_numbers_in_an_unsigned_codestream_there_is_no_smaller_size() -> None:
    values = phantom() - 2048
    frame = encode((values % 4096).astype(np.uint16), J2K_LOSSLESS, 12)
    header = read(dicom_file(values, transfer_syntax=J2K_LOSSLESS, signed=True, frame=frame))
    assert (stored_values(header, halvings=1) == values).all()
