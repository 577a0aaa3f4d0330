"""The pattern that is looked for before the words finds each name that says a lateral or oblique view."""

from __future__ import annotations

import pytest

from model_code.archive.layout_words import phrase
from model_code.dicom.words import view_words


@pytest.mark.parametrize(
    "name",
    [
        *("p1_lateral", "view2_LAT", "seitlich", "Seitenaufnahme", "zijdelingse", "oldalirányú", "bočná", "bocna"),
        *("boczne", "бок", "боковая", "πλάγια", "nghiêng", "sivukuva", "sidobild", "sidebilde", "側面", "侧位", "측면"),
        *(
            "oblique",
            "schräg",
            "斜位",
            "косая",
            "λοξή",
            "사위",
            "RPO",
            "مائل",
        ),
        *("бічна", "бочни", "латеральная", "külgvaade", "sānskats", "anësore", "sideoptagelse"),
        *("جانبي", "צדדי", "ด้านข้าง", "측방", "hliðarmynd"),
    ],
)
def test_a_name_that_says_another_view_is_looked_at_closely(name: str) -> None:
    assert view_words.of_description(phrase(name), chest=False) in {view_words.LATERAL, view_words.OBLIQUE}
    assert view_words.may_be_said(name)


def test_most_names_are_not() -> None:
    assert not any(map(view_words.may_be_said, ("IM-0115-0001", "person1_bacteria_1", "NORMAL2-IM-1427-0001")))
