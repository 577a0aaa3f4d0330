"""Files of before PS3.10, without preamble, meta information or the name of their transfer syntax, are read as DCMTK
reads them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from lambdas.predict.image import recognise
from model_code.contract.images import DICOM_START_BYTES, is_dicom
from model_code.dicom import radiograph, subject
from model_code.dicom.file_format import end_of_meta
from model_code.dicom.header import read
from model_code.dicom.refusal import Refusal
from ops.api.image_files import DICOM, media_type
from tests.model_code.support.dicom_files import (
    BIG,
    EXPLICIT,
    IMPLICIT,
    J2K_LOSSLESS,
    JPEG_LS,
    JPEG_XL_LOSSLESS,
    LOSSLESS_SV1,
    RLE,
    dicom_file,
    full_range,
    implicit_meta,
    phantom,
)
from tests.model_code.support.dicom_tables import window

VALUES = phantom()
UNCOMPRESSED = (EXPLICIT, IMPLICIT, BIG)


def without(lost: str, transfer_syntax: str, **attributes: Any) -> bytes:
    data = dicom_file(VALUES, transfer_syntax=transfer_syntax, **attributes)
    start, end = 132, end_of_meta(data, 132)
    if lost == "the name of the syntax":
        named = data.index(b"\x02\x00\x10\x00UI")
        length = 8 + int.from_bytes(data[named + 6 : named + 8], "little")
        return data[:named] + data[named + length :]
    return {
        "the preamble": data[start:],
        "the meta information": data[:start] + data[end:],
        "both": data[end:],
    }[lost]


@pytest.mark.parametrize("transfer_syntax", UNCOMPRESSED)
@pytest.mark.parametrize("lost", ["the preamble", "the meta information", "both", "the name of the syntax"])
def test_what_goes_before_a_dataset_may_be_missing(lost: str, transfer_syntax: str) -> None:
    data = without(lost, transfer_syntax, PatientAge="045Y", ViewPosition="AP")
    assert is_dicom(data[:DICOM_START_BYTES])
    assert (radiograph.draw(read(data)).levels == full_range(VALUES)).all()
    assert subject.classes(data) == {"age": "40-59", "view": "AP"}


@pytest.mark.parametrize("transfer_syntax", [*UNCOMPRESSED, JPEG_LS])
def test_only_the_128_bytes_of_the_preamble_may_be_missing(transfer_syntax: str) -> None:
    """https://docs.rs/dicom-object/latest/dicom_object/file/enum.ReadPreamble.html"""
    data = dicom_file(VALUES, transfer_syntax=transfer_syntax, PatientAge="045Y")[128:]
    assert is_dicom(data[:DICOM_START_BYTES])
    assert media_type(data) == DICOM == recognise(data, len(data)).content_type
    assert (radiograph.draw(read(data)).levels == full_range(VALUES)).all()
    assert subject.classes(data)["age"] == "40-59"


@pytest.mark.parametrize("transfer_syntax", UNCOMPRESSED)
def test_a_dataset_alone_may_say_dicm_where_a_preamble_ends(transfer_syntax: str) -> None:
    """Behind them stands no meta information (https://github.com/dcm4che/dcm4che/issues/981)."""
    named = (without("both", transfer_syntax, ImageType="-" * before + "DICM") for before in range(8, 128))
    data = next(one for one in named if one.startswith(b"DICM", 128))
    assert (radiograph.draw(read(data)).levels == full_range(VALUES)).all()


@pytest.mark.parametrize("data", [b"DICM", b"DICM" + bytes(200), b"DICM\x08\0\x05\0CS\x02\0AB", b"\0DICM\x02\0"])
def test_these_letters_alone_make_no_dicom_file(data: bytes) -> None:
    assert not is_dicom(data)


@pytest.mark.parametrize("transfer_syntax", UNCOMPRESSED)
def test_the_api_and_the_command_know_a_dataset_alone(transfer_syntax: str) -> None:
    data = without("both", transfer_syntax)
    assert recognise(data, 10**6).content_type == "application/dicom"
    assert media_type(data) == DICOM


@pytest.mark.parametrize(
    "data",
    [b"", b"\x08\x00", b"\x08\x00" * 80, b"\x02\x00 text", b"BM" + bytes(200), b"II*\x00\x08\x00\x00\x00" + bytes(200)],
)
def test_other_files_are_no_datasets(data: bytes) -> None:
    assert not is_dicom(data[:DICOM_START_BYTES])
    with pytest.raises(Refusal, match="begins neither"):
        read(data)


@pytest.mark.parametrize("lost", ["both", "the name of the syntax"])
def test_a_compressed_dataset_that_does_not_say_so_is_read_as_what_it_is(lost: str) -> None:
    """Its fragments are never taken for pixels."""
    assert (radiograph.draw(read(without(lost, JPEG_LS))).levels == full_range(VALUES)).all()
    with pytest.raises(Refusal, match="its header says that it is not"):
        radiograph.draw(read(without(lost, RLE)))  # which nothing in it tells


def test_pixels_that_are_not_compressed_though_the_header_says_so_are_read_where_their_number_fits() -> None:
    """As programs that decompress leave them."""
    data = dicom_file(VALUES).replace(EXPLICIT.encode() + b"\0", b"1.2.840.10008.1.2.5\0")
    assert (radiograph.draw(read(data)).levels == full_range(VALUES)).all()
    with pytest.raises(Refusal, match="is not compressed"):
        radiograph.draw(read(data.replace(b"\x28\x00\x10\x00US\x02\x00\x50", b"\x28\x00\x10\x00US\x02\x00\x4f")))


def groups(**sequences: dict[str, Any]) -> list[Dataset]:
    group = Dataset()
    for name, attributes in sequences.items():
        item = Dataset()
        for attribute, value in attributes.items():
            setattr(item, attribute, value)
        setattr(group, name, [item])
    return [group]


@pytest.mark.parametrize("where", ["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"])
@pytest.mark.parametrize("transfer_syntax", UNCOMPRESSED)
def test_what_functional_groups_say_of_the_one_frame_counts(where: str, transfer_syntax: str) -> None:
    """Without them a negative was shown (PS3.3, C.7.6.16.2.9 and C.7.6.16.2.10)."""
    said = groups(
        PixelValueTransformationSequence={"RescaleSlope": -1, "RescaleIntercept": 4095, "RescaleType": "US"},
        FrameVOILUTSequence={"WindowCenter": 1000, "WindowWidth": 1500},
        PixelMeasuresSequence={"PixelSpacing": [0.2, 0.1]},
    )
    header = read(dicom_file(VALUES, transfer_syntax=transfer_syntax, NumberOfFrames=1, **{where: said}))
    shown = radiograph.draw(header)
    assert shown.rendering == "window"
    assert shown.levels.shape == (80, 48)  # squared: pixels are twice as high as wide
    expected = window(4095 - VALUES, 1000, 1500).reshape(80, 48, 2).mean(axis=2)
    assert np.abs(shown.levels - expected).max() <= 1
    assert where not in header.dataset


def test_what_the_image_says_itself_goes_before_its_groups() -> None:
    said = groups(FrameVOILUTSequence={"WindowCenter": 10, "WindowWidth": 20})
    data = dicom_file(VALUES, WindowCenter=1000, WindowWidth=1500, SharedFunctionalGroupsSequence=said)
    assert (radiograph.draw(read(data)).levels == window(VALUES, 1000, 1500)).all()


@pytest.mark.parametrize("empty", [None, ""])
def test_what_the_image_leaves_empty_its_groups_say(empty: Any) -> None:
    """An attribute without a value says nothing, and hid the window of the one frame."""
    said = groups(FrameVOILUTSequence={"WindowCenter": 1000, "WindowWidth": 1500})
    data = dicom_file(VALUES, WindowCenter=empty, WindowWidth=empty, SharedFunctionalGroupsSequence=said)
    assert (radiograph.draw(read(data)).levels == window(VALUES, 1000, 1500)).all()


@pytest.mark.parametrize("transfer_syntax", [RLE, JPEG_LS, LOSSLESS_SV1, J2K_LOSSLESS, JPEG_XL_LOSSLESS])
def test_fragments_may_lack_their_end(transfer_syntax: str) -> None:
    """pydicom drops the pixels then, so a whole image was damaged (pydicom/pydicom#1799)."""
    data = dicom_file(VALUES, transfer_syntax=transfer_syntax)
    end = data.rindex(b"\xfe\xff\xdd\xe0")
    shown = radiograph.draw(read(data[:end]))
    assert (shown.levels == radiograph.draw(read(data)).levels).all()
    # Of an image that is cut nothing is shown.
    for cut in (end - 400, end - 1000):
        with pytest.raises(Refusal, match="is damaged"):
            radiograph.draw(read(data[:cut]))


BEHIND = {
    "zeros": bytes(4097),
    "all bits": b"\xff" * 77,
    "the end of a message": b"\r\n--MIME-boundary--\r\n",
    "another file": dicom_file(VALUES[:10]),
    "text": b"padded by the archive",
}


@pytest.mark.parametrize("transfer_syntax", [*UNCOMPRESSED, JPEG_LS])
@pytest.mark.parametrize("behind", BEHIND)
def test_what_comes_behind_the_pixels_is_no_part_of_the_image(behind: str, transfer_syntax: str) -> None:
    """It was taken for elements, of which one that ended early lost all before it: "it holds no image"."""
    drawn = radiograph.draw(
        read(dicom_file(VALUES, transfer_syntax=transfer_syntax, WindowCenter=2048, WindowWidth=4096) + BEHIND[behind])
    )
    whole = radiograph.draw(
        read(dicom_file(VALUES, transfer_syntax=transfer_syntax, WindowCenter=2048, WindowWidth=4096))
    )
    np.testing.assert_array_equal(drawn.levels, whole.levels)


def test_an_element_that_a_program_put_behind_the_pixels_is_read() -> None:
    """Against the order of tags (PS3.5, 7.1), as DCMTK reads it."""
    data = dicom_file(VALUES, PhotometricInterpretation="MONOCHROME1")
    at = data.index(b"\x28\x00\x04\x00CS")
    element = data[at : at + 8 + len("MONOCHROME1 ")]
    found = read(data[:at] + data[at + len(element) :] + element)
    assert found.photometric_interpretation == "MONOCHROME1"


@pytest.mark.parametrize("moved", [b"\x28\x00\x10\x00US", b"\x28\x00\x04\x00CS"])
def test_it_is_read_behind_one_that_nothing_needs(moved: bytes) -> None:
    data = dicom_file(VALUES, PhotometricInterpretation="MONOCHROME1")
    at = data.index(moved)
    element = data[at : at + 8 + int.from_bytes(data[at + 6 : at + 8], "little")]
    unneeded = b"\x08\x00\x80\x00LO\x04\x00Ward"
    found = read(data[:at] + data[at + len(element) :] + unneeded + element)
    assert found.photometric_interpretation == "MONOCHROME1"
    assert found.rows == VALUES.shape[0]


def element(tag: bytes, representation: bytes, value: bytes, *, long: bool, big: bool = False) -> bytes:
    size = len(value).to_bytes(4 if long else 2, "big" if big else "little")
    return tag + representation + (b"\0\0" if long else b"") + size + value


@pytest.mark.parametrize("transfer_syntax", [*UNCOMPRESSED, JPEG_LS])
def test_meta_information_without_representations_is_read(transfer_syntax: str) -> None:
    """Programs that write all in Implicit VR write it so; DCMTK reads it (PS3.10, 7.1 has Explicit VR)."""
    data = implicit_meta(dicom_file(VALUES, transfer_syntax=transfer_syntax, PatientAge="045Y", ViewPosition="AP"))
    assert (radiograph.draw(read(data)).levels == full_range(VALUES)).all()
    assert subject.classes(data) == {"age": "40-59", "view": "AP"}


NO_REPRESENTATIONS = [b"??", b"  ", b"\0\0", b"--", b"us", b"un", b"XX", b"OX", b"\x01\x02"]


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize("representation", NO_REPRESENTATIONS)
def test_an_element_of_no_known_representation_hides_nothing_behind_it(
    representation: bytes, long: bool, big: bool
) -> None:
    """All behind it was lost: "it holds no image", and whose it is was not known. DCMTK passes over it."""
    data = dicom_file(VALUES, transfer_syntax=BIG if big else EXPLICIT, PatientID="P-17", PatientAge="045Y")
    for group, before in ((b"\x09\x00", b"\x10\x00\x10\x00"), (b"\x27\x00", b"\x28\x00\x02\x00")):
        tags = [group + number + b"\x10" for number in (b"\x10", b"\x11")]
        ordered = [tag[1::-1] + tag[:1:-1] if big else tag for tag in tags]
        elements = b"".join(element(tag, representation, b"of a maker", long=long, big=big) for tag in ordered)
        at = data.index(before[1::-1] + before[:1:-1] if big else before, 300)
        data = data[:at] + elements + data[at:]
    assert (radiograph.draw(read(data)).levels == full_range(VALUES)).all()
    assert subject.read(data).patient_id == "P-17"
    assert subject.read(data).groups["age"] == "40-59"


def test_a_needed_element_of_no_known_representation_is_read_as_what_it_is() -> None:
    data = dicom_file(VALUES, WindowCenter=1000, WindowWidth=1500)
    for tag in (b"\x28\x00\x10\x00", b"\x28\x00\x01\x01", b"\x28\x00\x50\x10"):
        at = data.index(tag, 300)
        data = data[: at + 4] + b"??" + data[at + 6 :]
    assert (radiograph.draw(read(data)).levels == window(VALUES, 1000, 1500)).all()


def sequence_of(content: bytes, *, defined: bool = False) -> bytes:
    """A private sequence of undefined length, with one item of elements."""
    size = len(content).to_bytes(4, "little") if defined else b"\xff" * 4
    item = b"\xfe\xff\x00\xe0" + size + content + (b"" if defined else b"\xfe\xff\x0d\xe0" + bytes(4))
    return b"\x27\x00\x01\x10SQ\0\0" + b"\xff" * 4 + item + b"\xfe\xff\xdd\xe0" + bytes(4)


CODE = element(b"\x08\x00\x00\x01", b"SH", b"17", long=False)


@pytest.mark.parametrize(
    "sequence", [sequence_of(CODE), sequence_of(CODE, defined=True), sequence_of(sequence_of(CODE)), sequence_of(b"")]
)
def test_it_is_passed_over_behind_sequences_too(sequence: bytes) -> None:
    data = dicom_file(VALUES)
    at = data.index(b"\x28\x00\x02\x00", 300)
    unknown = element(b"\x27\x00\x02\x10", b"??", b"abcd", long=False)
    made = data[:at] + sequence + unknown + data[at:]
    assert (radiograph.draw(read(made)).levels == full_range(VALUES)).all()


def test_a_file_in_which_nothing_tells_how_long_it_is_stays_as_it_is() -> None:
    data = dicom_file(VALUES)
    at = data.index(b"\x28\x00\x02\x00", 300)
    with pytest.raises(Refusal, match="it holds no image"):
        read(data[:at] + b"\x27\x00\x10\x10??\x07\x70\x07\x07" + data[at:])
