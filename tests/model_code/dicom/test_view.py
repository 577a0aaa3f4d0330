"""What says that it is no frontal view is refused, in whichever attribute and words it says so."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset

from model_code.dicom.header import read
from model_code.dicom.refusal import Refusal
from tests.model_code.dicom_files import dicom_file, phantom


def refusal(data: bytes) -> Refusal:
    with pytest.raises(Refusal) as refused:
        read(data)
    assert refused.value.code == "not_a_radiograph"
    assert "SECRET" not in refused.value.detail
    return refused.value


def code(value: str, scheme: str = "SCT", meaning: str = "") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


LATERAL_CODES = [
    *("399067008", "399173006", "399198007", "399260004", "399352003"),
    *("R-102CD", "R-10236", "R-10232", "R-10224", "R-10228"),
]
FRONTAL_CODES = ["399033003", "399348003", "272479007", "R-10202", "R-10206", "R-40888"]


@pytest.mark.parametrize("value", LATERAL_CODES)
def test_a_lateral_view_is_known_by_its_code(value: str) -> None:
    """CID 4010 in SNOMED CT and in the SNOMED RT of older systems; its meaning may be in any language."""
    scheme = "SRT" if value.startswith("R") else "SCT"
    assert "lateral view" in refusal(dicom_file(phantom(), ViewCodeSequence=[code(value, scheme, "SECRET")])).detail


@pytest.mark.parametrize("value", FRONTAL_CODES)
def test_a_frontal_view_is_taken_by_its_code(value: str) -> None:
    assert read(dicom_file(phantom(), ViewCodeSequence=[code(value, meaning="postero-anterior")])).rows == 80


@pytest.mark.parametrize("meaning", ["left lateral", "Lateral", "L-LATERAL", "lat", "LATERAL PROJECTION"])
def test_a_lateral_view_is_known_by_the_meaning_of_a_code_of_somebody_s_own(meaning: str) -> None:
    assert "lateral" in refusal(dicom_file(phantom(), ViewCodeSequence=[code("77", "99SECRET", meaning)])).detail


@pytest.mark.parametrize(
    "view",
    [
        *(
            "LL",
            "RL",
            "LAT",
            "LATERAL",
            "XTABLE LATERAL",
            "X-TABLE LAT",
            "CROSS TABLE LATERAL",
            "lateral",
            "L LAT",
            "LLAT",
        ),
        *("RLAT", "LT LAT", "LAT_L", "Left Lateral", "LATERO-LATERAL", "PA\\LATERAL", "LAT ERECT", "RIGHT LAT."),
    ],
)
def test_a_lateral_view_is_known_by_its_position(view: str) -> None:
    assert "a lateral view" in refusal(dicom_file(phantom(), ViewPosition=view)).detail


@pytest.mark.parametrize("view", ["RAO", "LPO", "RLO", "LLO", "PA OBLIQUE", "LAO"])
def test_an_oblique_view_is_no_frontal_one(view: str) -> None:
    assert "an oblique view" in refusal(dicom_file(phantom(), ViewPosition=view)).detail
    assert "an oblique view" in refusal(dicom_file(phantom(), ViewCodeSequence=[code("399182000")])).detail


@pytest.mark.parametrize(
    "view",
    [
        "PA",
        "AP",
        "AP SUPINE",
        "AP AXIAL",
        "LLD",
        "RLD",
        "LATERAL DECUBITUS",
        "LAT DECUB",
        "BILATERAL",
        "",
        None,
        "FLAT",
    ],
)
def test_other_views_are_taken(view: str | None) -> None:
    """A decubitus view is a frontal one of a patient who lies on the side."""
    assert read(dicom_file(phantom(), ViewPosition=view)).rows == 80


@pytest.mark.parametrize(
    ("stated", "lateral"),
    [
        (["P", "F"], True),
        (["a", "f"], True),
        (["F", "A"], True),
        (["PL", "F"], True),
        (["LP", "FA"], False),
        ("L", False),
    ],
)
def test_a_lateral_view_is_known_by_where_its_rows_run_to(stated: Any, lateral: bool) -> None:
    data = dicom_file(phantom(), PatientOrientation=stated)
    if lateral:
        assert "lateral" in refusal(data).detail
    else:
        read(data)


def test_a_code_without_values_says_nothing() -> None:
    assert read(dicom_file(phantom(), ViewCodeSequence=[Dataset()], ViewPosition=None)).rows == 80
    assert read(dicom_file(phantom(), ViewCodeSequence=[], PatientOrientation=None)).rows == 80
