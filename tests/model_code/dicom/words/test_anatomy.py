"""The thoracic spine and the sternum bear the chest's name in many languages, and are no chest."""

from __future__ import annotations

import pytest

from model_code.dicom.words import anatomy, view_words
from model_code.dicom.words.letters import folded


def part(said: str) -> str:
    return anatomy.read(view_words.words(folded(said))).kind


@pytest.mark.parametrize(
    "said",
    [
        *("胸椎", "胸腰椎", "胸骨", "胸锁关节", "грудной отдел", "Грудний відділ хребта", "грудна кичма", "흉부 척추"),
        *("Θωρακική μοίρα ΣΣ", "cột sống ngực", "กระดูกสันหลังทรวงอก", "tulang belakang dada", "Göğüs Omurga"),
        *("Krūtinės stuburas", "mellkasi gerinc", "فقرات الصدر", "Thoracic spine", "Brustwirbelsäule"),
    ],
)
def test_a_spine_with_the_chests_name_is_none(said: str) -> None:
    """It was answered, and trained on, as a chest."""
    assert part(said) == anatomy.OTHER


@pytest.mark.parametrize(
    "said",
    [
        *(
            "胸部",
            "胸",
            "грудная клетка",
            "Органы грудной клетки",
            "Органи грудної клітки",
            "θώρακας",
            "ngực",
            "ทรวงอก",
        ),
        *("dada", "göğüs", "Krūtinės ląsta", "mellkas", "الصدر", "Plaučiai", "легені", "плућа", "Гръден кош", "OGK"),
    ],
)
def test_a_chest_is_one_in_the_same_languages(said: str) -> None:
    assert part(said) == anatomy.CHEST
