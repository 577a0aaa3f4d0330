"""Files that say they are no frontal view are refused, in whichever attribute and words they say so."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset

from model_code.dicom.header import read
from model_code.dicom.refusal import Refusal
from tests.model_code.support.dicom_files import dicom_file, phantom

VALUES = phantom(24, 20)


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
    *("30730003", "G-A145", "R-10222"),  # sagittal, and its code until it was corrected
    *("399118008", "399297009", "G-5223", "G-5222", "G-5220", "G-5221"),  # projections of CID 501
]
FRONTAL_CODES = ["399033003", "399348003", "272479007", "R-10202", "R-10206", "R-40888", "R-10214"]
OBLIQUE_CODES = ["399182000", "R-102C1", "R-40985", "R-10218", "G-5206", "21114003", "R-40783", "R-10230"]


@pytest.mark.parametrize("value", LATERAL_CODES)
def test_a_lateral_view_is_known_by_its_code(value: str) -> None:
    """CID 4010 in SNOMED CT and in the SNOMED RT of older systems; its meaning may be in any language."""
    scheme = "SRT" if value.startswith("R") else "SCT"
    assert "lateral view" in refusal(dicom_file(phantom(), ViewCodeSequence=[code(value, scheme, "SECRET")])).detail


@pytest.mark.parametrize("value", OBLIQUE_CODES)
def test_an_oblique_view_is_known_by_its_code(value: str) -> None:
    assert "an oblique view" in refusal(dicom_file(VALUES, ViewCodeSequence=[code(value, "SNM3")])).detail


@pytest.mark.parametrize("value", ["LAT", "LL", "L-LAT"])
def test_a_lateral_view_is_known_by_a_word_in_a_code_s_place(value: str) -> None:
    assert "a lateral view" in refusal(dicom_file(VALUES, ViewCodeSequence=[code(value, "99SECRET")])).detail
    read(dicom_file(VALUES, ViewCodeSequence=[code("PA", "99SECRET")]))


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
        *("XTABLE", "X-TABLE", "CROSS TABLE", "SHOOT THROUGH", "SWIMMERS", "LATLT", "LAT RT", "ML", "LM", "SEITL"),
    ],
)
def test_a_lateral_view_is_known_by_its_position(view: str) -> None:
    assert "a lateral view" in refusal(dicom_file(phantom(), ViewPosition=view)).detail


@pytest.mark.parametrize("view", ["PERFIL", "PROFIL", "bočná", "БОКОВАЯ", "側面", "側位", "侧位", "측면", "ΠΛΆΓΙΑ"])
def test_a_position_may_be_in_the_words_that_descriptions_have(view: str) -> None:
    """Longer and other letters than a Code String has (PS3.5, 6.2), which nobody's program refuses to write."""
    said = {"SpecificCharacterSet": "ISO_IR 192", "ViewPosition": "Q" * 40}
    data = dicom_file(VALUES, **said).replace(b"Q" * 40, view.encode() + b" " * (40 - len(view.encode())))
    assert "a lateral view" in refusal(data).detail


@pytest.mark.parametrize(
    "view", ["RAO", "LPO", "RLO", "LLO", "PA OBLIQUE", "LAO", "LAO 45", "OBLIQ", "OBLICUA", "SCHRAEG", "MLO"]
)
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
        "AP XTABLE",
        "TABLE",
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
        # The view's name, which is none of a direction (C.7.6.1.1.1).
        ("PA", False),
        ("AP", False),
        (["P", "A"], False),
        (["A", "P"], False),
        ("L", False),
    ],
)
def test_a_lateral_view_is_known_by_where_its_rows_run_to(stated: Any, lateral: bool) -> None:
    data = dicom_file(phantom(), PatientOrientation=stated)
    if lateral:
        assert "lateral" in refusal(data).detail
    else:
        read(data)


DESCRIPTIONS = [
    *("SeriesDescription", "StudyDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription"),
    *("PerformedProcedureStepDescription", "RequestedProcedureDescription"),
]
LATERAL = [
    *("Chest Lateral", "THORAX LAT", "W033 Torax Lat", "XTABLE LATERAL", "W034 TÓRAX LAT. *", "LATERAL IZQ.", "LAT"),
    *("BUCKY LAT", "TORAX ERECT LAT", "Thorax seitlich", "TORACE LL", "Thorax profil", "TÓRAX PERFIL", "CHEST_LAT"),
    *("ChestLat", "CXR LLAT", "LT LAT", "Chest, 1 view, lateral", "TORAX LATERAL EN BIPEDESTACION", "KLP boczne"),
    *(
        "CHEST XTABLE",
        "Chest cross-table",
        "Torace L-L",
        "LatChest",
        "hrudník bočně",
        "ΘΏΡΑΚΟΣ ΠΛΆΓΙΑ",
        "CHEST SWIMMERS",
    ),
    *("Mellkas oldalirányú", "Thorax zijdelingse opname", "Thorax Seitenaufnahme", "seitliche Aufnahme", "ОГК бок"),
    *(
        "صدر جانبي",
        "צילום חזה צד",
        "ทรวงอก ด้านข้าง",
        "ОГК бічна",
        "плућа бочни",
        "Krūtinės ląsta šoninė",
        "胸部L→R",
        "Chest R->L",
    ),
    *(
        "Rindkere külgülesvõte",
        "Krūškurvis sānu",
        "Thorax sideoptagelse",
        "Pljuča stranski",
        "грудная клетка латеральная",
    ),
    *("X-TABLE LAT CHEST SUPINE", "LATERAL CHEST PORTABLE", "RX TORAX LATERAL CON PORTATIL", "AKCIGER YAN"),
]
NOT_LATERAL = [
    *("BILATERAL", "Bi-lateral ribs", "COLLATERAL", "unilateral", "LATERALITY L", "PLAT", "Latino study"),
    *("CHEST PA AND LATERAL", "PA/LAT", "CHEST (PA and LAT)", "RX TORAX PA Y LAT", "TORAX FRENTE Y PERFIL", "PA LAT"),
    *("face et profil", "Thorax p.a. und seitlich", "TORACE AP+LL", "Frontal & Lateral", "Posteroanterior y lateral"),
    *("CHEST 2 VIEWS LATERAL", "Chest and lateral", "CHEST W/ LATERAL", "CHEST + LAT", "Lateral and other", "CHEST 2V"),
    *("LLAT decubitus", "LAT DEC", "L LAT DECUB", "DEC. SUPINO AP", "CHEST NO LAT", "RX TORAX, PA O AP", "ESCAPULA Y"),
    *("CHEST AP XTABLE", "Torace AP L-L", "CHEST SIDE MARKER", "R-L MARKER CHEST"),
    *("Seitenvergleich", "Chest side", "Thorax left side", "ОГК профилактика", "CHEST L/R", "胸部 P->A", "CHEST->LUNG"),
    *("Dr Rao chest", "DEFAULT PROFILE", "Thorax in 2 Ebenen", "CHEST PA"),
]


@pytest.mark.parametrize("description", LATERAL)
def test_a_lateral_view_that_only_a_description_names_is_one(description: str) -> None:
    """Those of BIMCV's series, and of other languages; in capitals and as people type."""
    for name in DESCRIPTIONS:
        said = {"StudyDescription": "", "SpecificCharacterSet": "ISO_IR 192", name: description}
        assert "a lateral view" in refusal(dicom_file(VALUES, BodyPartExamined="CHEST", **said)).detail


@pytest.mark.parametrize("description", NOT_LATERAL)
def test_a_description_of_something_else_or_of_several_views_is_none(description: str) -> None:
    """The description of a study of two images stands in both of them."""
    for name in DESCRIPTIONS:
        said = {"StudyDescription": "", "SpecificCharacterSet": "ISO_IR 192", name: description}
        assert read(dicom_file(VALUES, BodyPartExamined="CHEST", **said)).rows == 20


@pytest.mark.parametrize(
    ("said", "lateral"),
    [
        ({"ViewPosition": "AP", "SeriesDescription": "Chest Lateral"}, False),
        ({"ViewPosition": "LLD", "SeriesDescription": "Chest Lateral"}, False),
        ({"SeriesDescription": "THORAX PA", "StudyDescription": "Chest lateral"}, False),
        ({"SeriesDescription": "LAT", "StudyDescription": "CHEST PA AND LATERAL"}, True),
        ({"AcquisitionDeviceProcessingDescription": "CHEST, LAT", "SeriesDescription": "CHEST PA"}, True),
        ({"BodyPartExamined": "CHEST LAT"}, True),
        ({"BodyPartExamined": "FOOT", "SeriesDescription": "TORACE LL"}, True),
        ({"BodyPartExamined": "FOOT", "SeriesDescription": "LL"}, False),
    ],
)
def test_what_is_said_of_the_image_goes_before_what_is_said_of_series_and_study(said: Any, lateral: bool) -> None:
    data = dicom_file(VALUES, **{"StudyDescription": "", **said})
    if lateral:
        assert "lateral" in refusal(data).detail
    else:
        read(data)


@pytest.mark.parametrize(
    "said", ["косая ОГК", "KLP ukośne", "hrudník šikmá", "skrå thorax", "흉부 사위", "Chest RPO 45"]
)
def test_an_oblique_view_may_be_described_in_other_words(said: str) -> None:
    data = dicom_file(VALUES, SeriesDescription=said, SpecificCharacterSet="ISO_IR 192", StudyDescription="")
    assert "an oblique view" in refusal(data).detail


@pytest.mark.parametrize(
    ("sequence", "name"),
    [
        ("PerformedProtocolCodeSequence", "CodeMeaning"),
        ("ProcedureCodeSequence", "CodeMeaning"),
        ("RequestAttributesSequence", "ScheduledProcedureStepDescription"),
        ("RequestAttributesSequence", "RequestedProcedureDescription"),
    ],
)
def test_a_view_may_be_described_in_a_sequence_alone(sequence: str, name: str) -> None:
    """No description is filled in, and order or protocol have one."""

    def said(text: str, **others: str) -> bytes:
        item = Dataset()
        setattr(item, name, text)
        return dicom_file(VALUES, BodyPartExamined="CHEST", **{"StudyDescription": "", sequence: [item], **others})

    assert "a lateral view" in refusal(said("Chest lateral")).detail
    for taken in (
        said("Chest PA and lateral"),
        said("Chest 2 views"),
        said("Chest lateral", SeriesDescription="CHEST PA"),
    ):
        assert sequence not in read(taken).dataset


def test_an_oblique_view_may_be_described_and_a_surgeon_is_none() -> None:
    assert "an oblique view" in refusal(dicom_file(VALUES, SeriesDescription="RX Torax oblicua")).detail
    read(dicom_file(VALUES, StudyDescription="CHEST for DR RAO"))


@pytest.mark.parametrize("charset", ["ISO_IR 192", "GB18030", ["", "ISO 2022 IR 87"]])
def test_other_letters_are_read_as_the_file_says(charset: Any) -> None:
    said = {"SpecificCharacterSet": charset, "StudyDescription": ""}
    assert "lateral" in refusal(dicom_file(VALUES, SeriesDescription="胸部側面", **said)).detail
    read(dicom_file(VALUES, SeriesDescription="胸部正側", **said))


def test_a_code_without_values_says_nothing() -> None:
    assert read(dicom_file(phantom(), ViewCodeSequence=[Dataset()], ViewPosition=None)).rows == 80
    assert read(dicom_file(phantom(), ViewCodeSequence=[], PatientOrientation=None)).rows == 80


def described(data: bytes) -> bytes:
    """A file whose Series Description is these bytes, and which names no character set."""
    padded = data + b" " * (len(data) % 2)
    held = "Q" * len(padded)
    return dicom_file(VALUES, StudyDescription="", SeriesDescription=held).replace(held.encode(), padded)


@pytest.mark.parametrize(
    ("said", "encoding"),
    [("胸部侧位", "gb18030"), ("DR 胸部 侧位片", "gb18030"), ("胸部側面", "cp932"), ("胸部側位", "utf-8")],
)
def test_chinese_and_japanese_are_read_where_no_set_is_named(said: str, encoding: str) -> None:
    """A lateral view was taken for a frontal one, because its description was read as Latin-1."""
    assert "lateral view" in refusal(described(said.encode(encoding))).detail


@pytest.mark.parametrize(
    "said", ["THORAX DE PROFIL, PREMI\u00c8RE", "T\u00d3RAX LATERAL", "thorax lat\u00e9ral", "RX \u00c4\u00d6 LAT"]
)
def test_letters_of_latin_1_stay_what_they_are(said: str) -> None:
    assert "lateral view" in refusal(described(said.encode("latin-1"))).detail
