"""A table shows the same in every form in which files have it: descriptors that are wrong, bytes packed, signs lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from model_code.dicom.refusal import Refusal
from tests.model_code.support.dicom_files import BIG, EXPLICIT, IMPLICIT, full_range, phantom
from tests.model_code.support.dicom_tables import curve, packed, rendered, shown, table, window

# Bits and sign of the pixels, rescale intercept, and the first value that a table maps.
MAPPED = [
    (16, False, None, 40000),
    (16, False, 0, 40000),
    (16, False, -1024, 300),
    (16, True, None, -30000),
    (12, True, None, -2048),
    (12, True, 2048, 0),
    (12, False, -1024, -1024),
    (16, True, 32768, 40000),
]


@pytest.mark.parametrize("said", [0, 1, 7, 8, 10, 11, 12, 13, 14, 15, 16, 24, 255])
@pytest.mark.parametrize("bits", [9, 10, 11, 12, 13, 14, 15, 16])
def test_the_greatest_entry_is_white_where_the_descriptor_says_other_bits(bits: int, said: int) -> None:
    """Agfa and others write 16 for tables of 12 and 14 bits (dicom-rs#825, OHIF#818), others 8 (cornerstone#36)."""
    values = phantom()
    entry = curve(4096, bits)
    found = rendered(values, VOILUTSequence=[table(entry, 0, said, words="<")])
    assert found.rendering == "voi_lut"
    assert np.abs(found.levels - entry[values] * 255 / (2**bits - 1)).max() <= 1


def test_a_table_that_needs_the_bits_it_names_need_not_reach_white() -> None:
    """PS3.3, C.11.2.1.1: entries range from 0 to the greatest number of so many bits."""
    values = phantom()
    entry = np.rint(curve(4096, 12) * 0.7).astype(int)
    assert (shown(values, VOILUTSequence=[table(entry, 0, 12)]) == np.rint(entry[values] * 255 / 4095)).all()
    # As any number of fewer bits does, it says that the descriptor is wrong.
    assert shown(values, VOILUTSequence=[table(entry, 0, 16)]).max() == 255


@pytest.mark.parametrize("said", [8, 12, 16])
@pytest.mark.parametrize("entries", [256, 255, 4096])
@pytest.mark.parametrize(
    ("syntax", "representation"), [(IMPLICIT, "OW"), (EXPLICIT, "OW"), (BIG, "OW"), (EXPLICIT, "OB"), (BIG, "OB")]
)
def test_entries_of_one_byte_may_be_packed(entries: int, syntax: str, said: int, representation: str) -> None:
    values = phantom(bits=12)
    entry = curve(entries, 8)
    item = packed(entry, 100, said, big=syntax == BIG, representation=representation)
    levels = shown(values, transfer_syntax=syntax, VOILUTSequence=[item])
    assert (levels == entry[np.clip(values - 100, 0, entries - 1)]).all()


def test_entries_of_one_byte_may_be_packed_into_numbers() -> None:
    values = phantom(bits=8)
    entry = curve(256, 8)
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [256, 0, 8])
    item.add_new("LUTData", "US", [int(one) for one in np.frombuffer(entry.astype("u1").tobytes(), "<u2")])
    assert (shown(values, bits=8, VOILUTSequence=[item]) == entry[values]).all()


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_a_modality_lut_has_these_forms_too(syntax: str, bits: int) -> None:
    values = phantom()
    entry = curve(4096, bits)
    order = ">" if syntax == BIG else "<"
    forms = [table(entry, 0, said, words=order) for said in (8, bits, 16)]
    if bits == 8:
        forms.append(packed(entry, 0, 8, big=syntax == BIG))
    for item in forms:
        item.ModalityLUTType = "US"
        centre = 2 ** (bits - 1)
        levels = shown(
            values, transfer_syntax=syntax, ModalityLUTSequence=[item], WindowCenter=centre, WindowWidth=2 * centre
        )
        assert (levels == window(entry[values], centre, 2 * centre)).all()


@pytest.mark.parametrize("representation", ["US", "SS"])
@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
@pytest.mark.parametrize(
    ("sequence", "pixels"),
    [
        *(("VOILUTSequence", one) for one in MAPPED),
        # A file has a modality LUT or rescales.
        *(("ModalityLUTSequence", one) for one in MAPPED if one[2] is None),
    ],
)
def test_the_sign_of_the_first_mapped_value_is_that_of_what_is_mapped(
    sequence: str, pixels: tuple[int, bool, int | None, int], syntax: str, representation: str
) -> None:
    """PS3.3, C.11.1.1 and C.11.2.1.1: of the pixels, or of the rescaled range, whatever the element's own VR says."""
    bits, signed, intercept, first = pixels
    mapped = phantom(bits=11) + first
    values = mapped - (intercept or 0)
    entry = curve(2048, 12)
    item = table(entry, 0, 12, words=">" if syntax == BIG else "<")
    item.LUTDescriptor = [2048, first % 65536, 12]
    if representation == "SS":
        wrapped = [2048, (first + 32768) % 65536 - 32768, 12]
        item.add_new("LUTDescriptor", "SS", wrapped)
    elif syntax == IMPLICIT:
        item["LUTDescriptor"].VR = "US"
    rescale = {} if intercept is None else {"RescaleSlope": 1, "RescaleIntercept": intercept}
    levels = shown(values, transfer_syntax=syntax, bits=bits, signed=signed, **{sequence: [item]}, **rescale)
    assert np.abs(levels - entry[mapped - first] * 255 / 4095).max() <= 1


def test_a_table_that_would_lie_beside_all_values_is_read_with_the_other_sign() -> None:
    values = phantom()
    entry = curve(4096 + 100, 12)
    levels = shown(values, VOILUTSequence=[table(entry, -100, 12)])
    assert (levels == np.rint(entry[values + 100] * 255 / 4095)).all()


def empty_table() -> Dataset:
    item = Dataset()
    item.LUTExplanation = "NORMAL"
    return item


def of_zeros() -> Dataset:
    return table(np.zeros(4096, int), 0, 12)


def without_data() -> Dataset:
    item = table(curve(4096, 12), 0, 12)
    item.LUTData = None
    return item


def without_descriptor() -> Dataset:
    item = table(curve(4096, 12), 0, 12)
    item.LUTDescriptor = None
    return item


@pytest.mark.parametrize("useless", [empty_table, of_zeros, without_data, without_descriptor])
@pytest.mark.parametrize("sequence", ["VOILUTSequence", "ModalityLUTSequence"])
def test_a_table_without_values_says_nothing(sequence: str, useless: Any) -> None:
    values = phantom()
    found = rendered(values, **{sequence: [useless()]}, WindowCenter=1500, WindowWidth=2000)
    assert (found.levels == window(values, 1500, 2000)).all()
    assert found.rendering == "window"
    beside = rendered(values, **{sequence: [useless(), table(curve(4096, 12), 0, 12)]})
    assert (beside.levels == np.rint(curve(4096, 12)[values] * 255 / 4095)).all()


@pytest.mark.parametrize("sequence", ["VOILUTSequence", "ModalityLUTSequence"])
def test_a_sequence_without_items_says_nothing(sequence: str) -> None:
    values = phantom()
    assert (shown(values, **{sequence: []}) == full_range(values)).all()


BESIDE = [
    table(curve(4096, 12), 20000, 12),  # above all values: its first entry for each
    table(np.full(4096, 4095), 0, 12),
    table(np.asarray([4095]), 0, 12),
]


@pytest.mark.parametrize("item", BESIDE)
def test_a_voi_lut_that_shows_one_grey_of_the_whole_image_says_nothing(item: Dataset) -> None:
    """As a window beside all values: what it shows is black or white altogether."""
    values = phantom()
    alone = rendered(values, VOILUTSequence=[item])
    assert (alone.rendering, np.abs(alone.levels - full_range(values).astype(int)).max()) == ("full_range", 0)
    with_window = rendered(values, VOILUTSequence=[item], WindowCenter=1500, WindowWidth=2000)
    assert with_window.rendering == "window"
    assert (with_window.levels == window(values, 1500, 2000)).all()
    with_another = rendered(values, VOILUTSequence=[item, table(curve(4096, 12), 0, 12)])
    assert (with_another.levels == np.rint(curve(4096, 12)[values] * 255 / 4095)).all()


@pytest.mark.parametrize("item", BESIDE)
def test_a_modality_lut_that_makes_one_value_of_all_says_nothing(item: Dataset) -> None:
    values = phantom()
    levels = shown(values, ModalityLUTSequence=[item], WindowCenter=1500, WindowWidth=2000)
    assert (levels == window(values, 1500, 2000)).all()


def cut_short() -> Dataset:
    item = table(curve(4096, 12), 0, 12)
    item.LUTDescriptor = [4097, 0, 12]
    return item


def test_a_voi_lut_that_is_cut_short_leaves_the_word_to_what_else_says_what_to_show() -> None:
    """The reader may choose between table and window (PS3.3, C.11.2.1); with nothing else, it would be a guess."""
    values = phantom()
    found = rendered(values, VOILUTSequence=[cut_short()], WindowCenter=1500, WindowWidth=2000)
    assert (found.levels == window(values, 1500, 2000)).all()
    found = rendered(values, VOILUTSequence=[cut_short(), table(curve(4096, 12), 0, 12)])
    assert (found.levels == np.rint(curve(4096, 12)[values] * 255 / 4095)).all()
    for attributes in ({}, {"WindowCenter": -9000, "WindowWidth": 10}):
        with pytest.raises(Refusal, match="shorter than it says"):
            shown(values, VOILUTSequence=[cut_short()], **attributes)
    with pytest.raises(Refusal, match="shorter than it says"):
        shown(values, ModalityLUTSequence=[cut_short()], WindowCenter=1500, WindowWidth=2000)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("said", [8, 10, 12, 16])
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_both_tables_may_name_wrong_bits_at_once(bits: int, said: int, photometric: str) -> None:
    values = phantom()
    of_modality = np.arange(4096) * (2**bits - 1) // 4095
    levels = shown(
        values,
        PhotometricInterpretation=photometric,
        ModalityLUTSequence=[table(of_modality, 0, said, words="<")],
        VOILUTSequence=[table(np.arange(2**bits), 0, said, words="<")],
    ).astype(int)
    right = np.rint(of_modality[values] * 255 / (2**bits - 1)).astype(int)
    assert np.abs(levels - (255 - right if photometric == "MONOCHROME1" else right)).max() <= 1
