"""Files that are no single frontal radiograph are refused with the reason, from their header, before decoding."""

from __future__ import annotations

import contextlib
import struct
import time
import zlib
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from lambdas.http.problems import KINDS
from model_code.dicom.header import MAX_PIXELS, NEEDED, read
from model_code.dicom.refusal import Refusal
from model_code.dicom.view import DESCRIPTIONS
from tests.model_code.support.dicom_files import (
    BASELINE,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    RLE,
    SECRETS,
    as_file,
    dicom_file,
    phantom,
)


def refusal(data: bytes) -> Refusal:
    with pytest.raises(Refusal) as refused:
        read(data)
    assert refused.value.code in {*KINDS, "not_a_radiograph"}
    assert refused.value.detail.endswith(".")
    assert "SECRET" not in refused.value.detail
    return refused.value


@pytest.mark.parametrize("modality", ["CR", "DX", "RG", "DR"])
def test_radiographs_are_taken(modality: str) -> None:
    header = read(dicom_file(phantom(), Modality=modality))
    assert (header.modality, header.rows, header.columns, header.bits_stored) == (modality, 80, 96, 12)


@pytest.mark.parametrize("modality", ["CT", "MR", "US", "MG", "PX", "SECRET"])
def test_other_modalities_are_not(modality: str) -> None:
    refused = refusal(dicom_file(phantom(), Modality=modality))
    assert refused.code == "not_a_radiograph"
    assert (f"of modality {modality}" in refused.detail) == (modality != "SECRET")


@pytest.mark.parametrize(
    ("attributes", "code", "sentence"),
    [
        ({"NumberOfFrames": 3}, "not_a_radiograph", "3 frames"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "not_a_radiograph", "colour"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "not_a_radiograph", "colour"),
        ({"PresentationIntentType": "FOR PROCESSING"}, "not_a_radiograph", "FOR PRESENTATION"),
        ({"ViewPosition": "LL"}, "not_a_radiograph", "lateral"),
        ({"PatientOrientation": ["A", "F"]}, "not_a_radiograph", "lateral"),
        ({"Rows": 0}, "undecodable_image", "no rows"),
        ({"BitsStored": 12, "HighBit": 16}, "undecodable_image", "unusual"),
        ({"BitsAllocated": 32}, "undecodable_image", "unusual"),
        ({"Rows": 8000, "Columns": 8000}, "image_too_large", "8,000 x 8,000"),
    ],
)
def test_what_is_refused_is_refused_with_the_reason(attributes: dict[str, Any], code: str, sentence: str) -> None:
    refused = refusal(dicom_file(phantom(), **attributes))
    assert refused.code == code
    assert sentence in refused.detail


@pytest.mark.parametrize("stated", [None, "", "MONOCHROME", "MONO2", "GREY"])
def test_without_a_photometric_interpretation_nobody_knows_what_is_dark(stated: str | None) -> None:
    """It is no colour image for that."""
    refused = refusal(dicom_file(phantom(), PhotometricInterpretation=stated))
    assert refused.code == "undecodable_image"
    assert "whether low values are light or dark" in refused.detail


@pytest.mark.parametrize("stated", ["RGB", "palette color", "YBR_FULL_422", "YBR_RCT", "YBR_PARTIAL_420"])
def test_a_colour_image_is_called_one(stated: str) -> None:
    assert "in colour" in refusal(dicom_file(phantom(), PhotometricInterpretation=stated)).detail


@pytest.mark.parametrize("name", ["PixelData", "Rows", "BitsStored", "PixelRepresentation"])
def test_what_must_be_there_is_asked_for(name: str) -> None:
    assert refusal(dicom_file(phantom(), without=(name,))).code == "undecodable_image"


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("CHEST", "chest"),
        ("Thorax", "chest"),
        ("CHEST_PA", "chest"),
        ("", "unstated"),
        ("HAND", "other"),
        ("X", "other"),
    ],
)
def test_the_body_part_is_told_in_a_word_of_ours(stated: str, expected: str) -> None:
    assert read(dicom_file(phantom(), BodyPartExamined=stated)).body_part == expected


CHESTS = [
    *("CHEST", "Chest", "PORT CHEST", "CHEST_TO_PA", "CHESTABDOMEN", "CHSTABDPELV", "THORAXABD", "CXR", "LUNG", "RIBS"),
    *("THORAX", "HEMITHORAX", "TORAX", "TÓRAX", "TORACE", "Toraks", "PECHO", "PULMON", "POUMON", "POITRINE", "LUNGE"),
    *("KLATKA PIERSIOWA", "PŁUCA", "AKCİĞER", "胸部", "ГРУДНАЯ КЛЕТКА", "흉부", "ΘΏΡΑΞ", "GRUDNI KOŠ", "ทรวงอก", "חזה"),
]
OTHER_PARTS = [
    *(
        "TSPINE",
        "T-SPINE",
        "THORACIC SPINE",
        "COLUMNA TORAX",
        "BWS THORAX",
        "HAND",
        "BABYGRAM",
        "STELLUNG",
        "MANCHESTER",
    ),
    *("DOE JANE", "CHESTER"),
]


def body_part_of(stated: str, encoding: str = "utf-8") -> tuple[str, str]:
    """Body part read from a value in these bytes, which pydicom would not write into a Code String."""
    value = stated.encode(encoding)
    value += b" " * (40 - len(value))
    header = read(dicom_file(phantom(24, 20), BodyPartExamined="Q" * 40).replace(b"Q" * 40, value))
    return header.body_part, header.other_part


@pytest.mark.parametrize("stated", CHESTS)
def test_the_chest_is_known_in_the_words_that_archives_have(stated: str) -> None:
    assert body_part_of(stated) == ("chest", "")


@pytest.mark.parametrize("stated", OTHER_PARTS)
def test_other_parts_are_named_by_their_defined_terms_only(stated: str) -> None:
    assert body_part_of(stated) == ("other", stated if stated in {"TSPINE", "HAND"} else "")


@pytest.mark.parametrize("stated", ["UNKNOWN", "default", "N/A", "nan", " ", "PORTABLE"])
def test_a_default_says_nothing_about_the_part(stated: str) -> None:
    assert body_part_of(stated) == ("unstated", "")


@pytest.mark.parametrize("stated", ["", "UNKNOWN", "PORTABLE"])
@pytest.mark.parametrize(
    ("value", "meaning", "part"),
    [
        ("T-D3000", "", ("chest", "")),
        ("51185008", "SECRET", ("chest", "")),
        ("77", "Thorax", ("chest", "")),
        ("85562004", "Hand", ("other", "HAND")),
        ("77", "Linke Hand SECRET", ("other", "")),
        ("77", "", ("unstated", "")),
        ("77", "Unknown", ("unstated", "")),
    ],
)
def test_where_no_part_is_stated_the_region_s_code_tells(
    stated: str, value: str, meaning: str, part: tuple[str, str]
) -> None:
    """Of DX, Body Part Examined may be left out (PS3.3, C.8.11.2): radiographs of hands were trained on."""
    region = Dataset()
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = value, "SCT", meaning
    found = read(dicom_file(phantom(24, 20), BodyPartExamined=stated, AnatomicRegionSequence=[region]))
    assert (found.body_part, found.other_part) == part
    assert (
        read(dicom_file(phantom(24, 20), BodyPartExamined="CHEST", AnatomicRegionSequence=[region])).body_part
        == "chest"
    )


@pytest.mark.parametrize(
    ("descriptions", "part"),
    [
        ({"SeriesDescription": "HAND AP"}, ("other", "HAND")),
        ({"ProtocolName": "Left knee, 2 views"}, ("other", "KNEE")),
        ({"SeriesDescription": "CHEST AND ABDOMEN"}, ("chest", "")),
        ({"SeriesDescription": "Abdomen", "ProtocolName": "Thorax"}, ("chest", "")),
        ({"SeriesDescription": "AP ERECT", "StudyDescription": "ACUTE ABDOMEN SERIES"}, ("unstated", "")),
        ({"SeriesDescription": "PORTABLE, HEAD UP"}, ("unstated", "")),
        ({"SeriesDescription": "C-ARM"}, ("unstated", "")),
        ({"SeriesDescription": "SECRET"}, ("unstated", "")),
    ],
)
def test_where_no_part_is_stated_what_the_series_is_called_tells(
    descriptions: dict[str, str], part: tuple[str, str]
) -> None:
    """A study of the abdomen has a frontal chest in it, so what the study is called does not count."""
    said = {"BodyPartExamined": "", "StudyDescription": "", **descriptions}
    found = read(dicom_file(phantom(24, 20), **said))
    assert (found.body_part, found.other_part) == part


def test_a_part_in_latin_letters_of_no_character_set_is_read() -> None:
    assert body_part_of("TÓRAX", "latin-1") == ("chest", "")


@pytest.mark.parametrize(
    ("syntax", "named"),
    [
        ("1.2.840.10008.1.2.4.103", "MPEG-4"),
        ("1.2.840.10008.1.2.4.205", "JPIP HTJ2K"),
        ("1.2.840.10008.1.2.4.63", "JPEG"),
        ("1.2.840.10008.1.2.4.999", "1.2.840.10008.1.2.4.999, which is newer"),
    ],
)
def test_other_transfer_syntaxes_are_named(syntax: str, named: str) -> None:
    refused = refusal(dicom_file(phantom(), transfer_syntax=syntax, frame=b"x" * 10))
    assert refused.code == "unsupported_media_type"
    assert named in refused.detail


def test_a_transfer_syntax_of_nobody_s_is_not_repeated() -> None:
    data = dicom_file(phantom()).replace(b"1.2.840.10008.1.2.1\0", b"1.2.999.10008.1.2.1\0")
    refused = refusal(data)
    assert refused.code == "unsupported_media_type"
    assert "of its maker's own" in refused.detail
    assert "999" not in refused.detail


def test_nothing_about_the_patient_is_read() -> None:
    dataset = read(dicom_file(phantom())).dataset
    assert not set(SECRETS) - {"BodyPartExamined"} & set(dataset.dir())
    assert not set(DESCRIPTIONS) & set(dataset.dir())
    # pydicom adds the character set by itself.
    assert {element.keyword for element in dataset} <= {*NEEDED, "SpecificCharacterSet"}


def test_an_image_object_of_another_kind_is_refused() -> None:
    report = Dataset()
    report.SOPClassUID, report.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.11", "1.2.3"
    report.Modality = "SR"
    assert "of modality SR" in refusal(as_file(report, EXPLICIT)).detail


@pytest.mark.parametrize(
    ("storage", "modality", "named"),
    [
        ("1.2.840.10008.1.3.10", "", "a DICOMDIR, the index of a medium"),
        ("1.2.840.10008.5.1.4.1.1.104.1", "DOC", "a PDF document"),
        ("1.2.840.10008.5.1.4.1.1.88.33", "SR", "of modality SR"),
        ("1.2.840.10008.5.1.4.1.1.11.1", "PR", "of modality PR"),
        ("1.2.840.10008.5.1.4.1.1.88.59", "KO", "of modality KO"),
        ("1.2.840.10008.5.1.4.1.1.66.4", "SEG", "of modality SEG"),
    ],
)
def test_what_else_a_medium_holds_is_refused_by_name(storage: str, modality: str, named: str) -> None:
    other = Dataset()
    other.SOPClassUID, other.SOPInstanceUID = storage, "1.2.3"
    if modality:
        other.Modality = modality
    refused = refusal(as_file(other, EXPLICIT))
    assert refused.code == "not_a_radiograph"
    assert named in refused.detail


@pytest.mark.parametrize("frames", [0, 1, "", None, "00", "1 "])
def test_no_number_of_frames_is_one_frame(frames: Any) -> None:
    assert read(dicom_file(phantom(), NumberOfFrames=frames)).rows == 80


def test_a_number_of_frames_that_is_none_is_one_frame() -> None:
    data = dicom_file(phantom(), NumberOfFrames=123456)
    for written in (b"NaN   ", b"abc   ", b"-1    ", b"\\     ", b"1.0   "):
        assert read(data.replace(b"123456", written)).rows == 80


@pytest.mark.parametrize("storage", [f"1.2.840.10008.5.1.4.1.1.{number}" for number in ("1", "1.1", "7", "7.2", "7.3")])
def test_a_radiograph_without_a_modality_is_taken(storage: str) -> None:
    """VinDr-CXR's de-identification keeps neither modality nor storage class."""
    for without in (("Modality",), ("Modality", "SOPClassUID")):
        assert read(dicom_file(phantom(), SOPClassUID=storage, without=without)).modality == "unstated"
    assert read(dicom_file(phantom(), Modality="", SOPClassUID=storage)).modality == "unstated"


@pytest.mark.parametrize("without", [("PresentationIntentType",), ("PresentationIntentType", "Modality")])
def test_without_an_intent_the_storage_class_tells_raw_data(without: tuple[str, ...]) -> None:
    raw = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.1.1"}
    assert "FOR PROCESSING" in refusal(dicom_file(phantom(), **raw, without=without)).detail
    assert read(dicom_file(phantom(), **raw, PresentationIntentType="FOR PRESENTATION")).rows == 80


@pytest.mark.parametrize(
    "storage", ["1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.1.2"]
)
def test_without_a_modality_the_storage_class_tells_what_is_no_radiograph(storage: str) -> None:
    refused = refusal(dicom_file(phantom(), SOPClassUID=storage, without=("Modality",)))
    assert "of another modality" in refused.detail


@pytest.mark.parametrize("stated", ["monochrome2", "Monochrome2", " MONOCHROME2 "])
def test_the_photometric_interpretation_may_be_in_any_case(stated: str) -> None:
    assert read(dicom_file(phantom(), PhotometricInterpretation=stated)).photometric_interpretation == "MONOCHROME2"
    assert read(dicom_file(phantom(), Modality="dx")).modality == "DX"


@pytest.mark.parametrize(
    ("photometric", "shape", "taken"),
    [
        ("MONOCHROME2", "IDENTITY", True),
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME2", "INVERSE", False),
        ("MONOCHROME1", "IDENTITY", False),
        ("MONOCHROME2", "inverse", False),
        ("MONOCHROME2", "", True),
        ("MONOCHROME1", "LIN OD", True),
    ],
)
def test_a_file_that_says_the_opposite_twice_is_refused(photometric: str, shape: str, taken: bool) -> None:
    """PS3.3, C.8.11.3.1.2: IDENTITY goes with MONOCHROME2, INVERSE with MONOCHROME1."""
    data = dicom_file(phantom(), PhotometricInterpretation=photometric, PresentationLUTShape=shape)
    if taken:
        assert read(data).photometric_interpretation == photometric
    else:
        assert "contradicts itself" in refusal(data).detail


@pytest.mark.parametrize("syntax", [EXPLICIT, DEFLATED, IMPLICIT, BASELINE])
@pytest.mark.parametrize("length", [None, 0, 7, 60_000])
def test_the_length_of_the_file_meta_information_may_be_left_out_or_wrong(syntax: str, length: int | None) -> None:
    bits = 8 if syntax == BASELINE else 12
    data = dicom_file(phantom(bits=bits), transfer_syntax=syntax, bits=bits)
    assert data[132:140] == b"\x02\x00\x00\x00UL\x04\x00"
    stated = b"" if length is None else data[132:140] + struct.pack("<I", length)
    found = read(data[:132] + stated + data[144:])
    assert (found.rows, found.bits_stored) == (80, bits)


@pytest.mark.parametrize("name", ["SamplesPerPixel", "HighBit", "NumberOfFrames", "PresentationIntentType"])
def test_what_follows_from_the_rest_may_be_left_out(name: str) -> None:
    assert read(dicom_file(phantom(), without=(name,))).spare_low_bits == 0


def test_a_deflated_bomb_is_not_inflated() -> None:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    million = b"\0" * 1_000_000
    bomb = b"".join(deflater.compress(million) for _ in range(4 * MAX_PIXELS // len(million))) + deflater.flush()
    data = dicom_file(phantom(), transfer_syntax=DEFLATED)
    start = 144 + struct.unpack("<I", data[140:144])[0]
    assert len(bomb) < 1_000_000
    assert "larger than" in refusal(data[:start] + bomb).detail


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"DICM",
        b"\xff\xd8\xff" + b"\0" * 300,
        b"\0" * 128 + b"DICM",
        b"\0" * 128 + b"DICM" + b"\xff" * 400,
        b"\0" * 128 + b"DICM\x02\x00\x00\x00UL\x04\x00\xff\xff\xff\xff" + b"\0" * 50,
    ],
    ids=["empty", "short", "jpeg", "prefix", "noise", "endless meta"],
)
def test_what_is_no_dicom_file_is_refused(data: bytes) -> None:
    assert refusal(data).code == "undecodable_image"


def test_sequences_nested_deeper_than_any_program_writes_end_in_a_refusal() -> None:
    data = dicom_file(phantom())
    start = 144 + struct.unpack("<I", data[140:144])[0]
    # (0028,3010), a sequence of undefined length, with one item of undefined length, in which the same, and so on.
    level = b"\x28\x00\x10\x30SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    started = time.process_time()
    assert refusal(data[:start] + level * 50_000).code == "undecodable_image"
    assert time.process_time() - started < 5


def test_whatever_is_changed_in_a_file_it_is_converted_or_refused() -> None:
    """Nothing but a Refusal comes out of a header with any of its bytes changed, whatever pydicom makes of it."""
    rng = np.random.default_rng(3)
    for syntax in (EXPLICIT, DEFLATED, RLE, BASELINE):
        original = np.frombuffer(dicom_file(phantom(bits=8), transfer_syntax=syntax, bits=8), np.uint8)
        for _ in range(150):
            data = original.copy()
            places = rng.integers(128, min(len(data), 1200), rng.integers(1, 8))
            data[places] = rng.integers(0, 256, len(places))
            with contextlib.suppress(Refusal):
                read(data.tobytes())


def test_a_file_with_an_empty_transfer_syntax_is_refused() -> None:
    data = dicom_file(phantom())
    named = EXPLICIT.encode() + b"\0"
    emptied = data.replace(len(named).to_bytes(2, "little") + named, b"\0\0")
    assert "does not name its transfer syntax" in refusal(emptied).detail
