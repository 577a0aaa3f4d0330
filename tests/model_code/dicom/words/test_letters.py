"""Texts of files that name no character set, or another than the one that they are written in, say what they say."""

from __future__ import annotations

import pytest

from model_code.dicom.header import read
from model_code.dicom.refusal import Refusal
from model_code.dicom.words.letters import decoded
from tests.model_code.support.dicom_files import dicom_file, phantom

VALUES = phantom(24, 20)
# As devices of these countries write, whatever the file says: the code page of their machine.
LATERAL = [
    ("흉부 측면", "cp949"),
    ("胸部侧位", "gb18030"),
    ("DR 胸部 侧位片", "gb18030"),
    ("胸部側面", "cp932"),
    ("胸部側面", "euc_jp"),
    ("胸部側位", "big5"),
    ("Боковая проекция", "cp1251"),
    ("ОГК БОКОВАЯ", "koi8-r"),
    ("ГРУДНАЯ КЛЕТКА БОКОВАЯ", "cp866"),
    ("ΘΩΡΑΚΟΣ ΠΛΑΓΙΑ", "cp1253"),
    ("hrudník bočně", "cp1250"),
    ("göğüs yan", "cp1254"),
    ("Thorax latéral", "latin-1"),
]
# None, the least, that of Western Europe, which most devices come with, and Cyrillic letters of ISO 8859-5.
STATED = [None, "ISO_IR 6", "ISO_IR 100", "ISO_IR 144"]


def with_text(attribute: str, said: bytes, stated: str | None) -> bytes:
    padded = said + b" " * (len(said) % 2)
    held = "Q" * len(padded)
    attributes = {} if stated is None else {"SpecificCharacterSet": stated}
    blank = {"StudyDescription": "", "BodyPartExamined": "", attribute: held}
    return dicom_file(VALUES, **blank, **attributes).replace(held.encode(), padded)


@pytest.mark.parametrize("stated", STATED)
@pytest.mark.parametrize("attribute", ["SeriesDescription", "ViewPosition"])
@pytest.mark.parametrize(("said", "encoding"), LATERAL)
def test_a_lateral_view_is_one_whatever_set_the_file_names(
    said: str, encoding: str, attribute: str, stated: str | None
) -> None:
    """Read as the file says, it was no word, and the image was taken for a frontal one."""
    with pytest.raises(Refusal, match="a lateral view"):
        read(with_text(attribute, said.encode(encoding), stated))


@pytest.mark.parametrize("stated", STATED)
@pytest.mark.parametrize(
    ("said", "encoding"),
    [
        ("흉부", "cp949"),
        ("胸部", "gb18030"),
        ("胸部", "big5"),
        ("ОРГАНЫ ГРУДНОЙ КЛЕТКИ", "cp1251"),
        ("Göğüs", "cp1254"),
    ],
)
def test_the_chest_is_known_whatever_set_the_file_names(said: str, encoding: str, stated: str | None) -> None:
    assert read(with_text("BodyPartExamined", said.encode(encoding), stated)).body_part == "chest"


@pytest.mark.parametrize("stated", STATED)
@pytest.mark.parametrize(
    ("said", "encoding"),
    [("흉부 정면", "cp949"), ("胸部正位", "gb18030"), ("ПРЯМАЯ ПРОЕКЦИЯ", "cp1251"), ("Größe M, Übersicht", "latin-1")],
)
def test_what_names_no_lateral_view_is_taken(said: str, encoding: str, stated: str | None) -> None:
    assert read(with_text("SeriesDescription", said.encode(encoding), stated)).rows == 20


def test_without_a_known_word_a_text_is_in_the_letters_that_the_file_names() -> None:
    assert decoded("Обзор".encode("iso8859-5"), ["ISO_IR 144"]) == "Обзор"
    assert decoded("Übersicht".encode("latin-1"), []) == "Übersicht"
    assert decoded("常规".encode("gb18030"), []) == "常规"
    assert decoded("頭".encode("cp932"), []) == "頭"
    assert decoded("Übersicht".encode(), ["ISO_IR 100"]) == "Übersicht"


def test_letters_of_an_escape_sequence_are_read_by_the_sets_that_the_file_names() -> None:
    """Its bytes are those of other letters too (PS3.5, H.3)."""
    said = "胸部側面".encode("iso2022_jp")
    assert decoded(said, ["", "ISO 2022 IR 87"]) == "胸部側面"
    assert decoded(said, []) == said.decode("latin-1")
