"""The pattern that is looked for before the words finds each name that says it was made of another image."""

from __future__ import annotations

import pytest

from model_code.archive.layout_words import phrase
from model_code.dicom.words import origin


@pytest.mark.parametrize(
    "name",
    [
        *("bone_suppressed", "RibSuppression", "soft-tissue image", "DE_Soft", "energy_subtraction", "XBone_1"),
        *(
            "temporal subtraction",
            "ClearRead",
            "SoftView",
            "screenshot 1",
            "heatmap",
            "saliency_map",
            "ventilation map",
        ),
        *("cad_results", "AI overlay", "dose report", "companion_view", "tube visualization", "PTX enhanced"),
        *("tomosynthesis_12", "VolumeRAD", "Knochenbild", "Rippenunterdrückung", "Weichteilbild", "骨抑制", "软组织像"),
        *("suppression osseuse", "supresión ósea", "supressao ossea", "soppressione ossea", "减影", "軟部像", "去骨"),
        *("soustraction energie", "sustraccion de energia", "subtracao energia", "sottrazione energia", "DES tissue"),
    ],
)
def test_a_name_that_says_so_is_looked_at_closely(name: str) -> None:
    assert origin.made_of_another([phrase(name)])
    assert origin.may_be_said(name)


def test_most_names_are_not() -> None:
    names = ("IM-0115-0001", "person1_bacteria_1", "NORMAL2-IM-1427-0001", "patient00001_view1_frontal", "00000013_005")
    assert not any(map(origin.may_be_said, names))
