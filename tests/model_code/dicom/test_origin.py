"""Files of other origin than a radiograph of a chest are known by what they call themselves."""

from __future__ import annotations

from typing import Any

import pytest

from model_code.dicom.header import read
from model_code.dicom.refusal import Refusal
from tests.model_code.support.dicom_files import dicom_file, phantom


@pytest.mark.parametrize(
    "said",
    [
        *({"SeriesDescription": one} for one in ("PA Bone suppressed", "ClearRead Bone Suppression", "DES BONE")),
        *({"SeriesDescription": one} for one in ("Soft tissue image", "Dual Energy Soft", "Soft energy subtraction")),
        {"DerivationDescription": "Bone-suppression"},
        {"DerivationDescription": "Energy subtraction"},
        {"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]},
        {"AcquisitionDeviceProcessingDescription": "TEMPORAL SUBTRACTION"},
        # Of what programs draw over a copy, which some keep in grey.
        *({"SeriesDescription": one} for one in ("CXR AI Heatmap", "HEAT MAP", "saliency maps PA")),
        {"ImageType": ["DERIVED", "SECONDARY", "HEATMAP"]},
        *({"SeriesDescription": one} for one in ("AI results", "CAD marks", "Dose report", "Companion view")),
        *({"SeriesDescription": one} for one in ("Tube & Line visualization", "PTX enhanced", "Chest tomosynthesis")),
        # In other words and languages.
        *({"SeriesDescription": one} for one in ("ES BONE", "ES-soft", "Knochensubtraktion", "Weichteilbild")),
        *({"SeriesDescription": one} for one in ("Suppression osseuse", "Supresión ósea", "Supressão de costelas")),
        *(
            {"SeriesDescription": one}
            for one in ("骨抑制", "骨サプレッション", "胸部 軟部組織像", "软组织像", "双能减影")
        ),
        *(
            {"ImageType": ["DERIVED", "PRIMARY", "", one]}
            for one in ("BONE", "SOFT_TISSUE", "SUBTRACTION", "CAD", "COMPANION")
        ),
    ],
)
def test_what_was_made_of_another_image_is_no_radiograph(said: dict[str, Any]) -> None:
    """Bones alone were answered, and trained on, as a chest."""
    with pytest.raises(Refusal, match="made of another image") as refused:
        read(dicom_file(phantom(), SpecificCharacterSet="ISO_IR 192", **said))
    assert refused.value.code == "not_a_radiograph"


@pytest.mark.parametrize(
    "said",
    [
        {"ImageType": ["DERIVED", "PRIMARY", "POST_CONTRAST"]},
        {"SeriesDescription": "Chest PA bone algorithm"},
        {"SeriesDescription": "Ribs AP"},
        {"SeriesDescription": "Chest dual view"},
        *(
            {"SeriesDescription": one}
            for one in ("No bone suppression", "W/O bone suppression", "Bone suppression: off")
        ),
        {"DerivationDescription": "No energy subtraction, edge enhanced"},
        *({"SeriesDescription": one} for one in ("Chest PA without heatmap", "heat map off", "Chest heat lamp", "CAD")),
        {"SeriesDescription": "Chest Dual Energy Subtraction"},
        {"ProtocolName": "Chest dual energy bone", "AcquisitionDeviceProcessingDescription": "STANDARD PA"},
        {"ImageType": ["ORIGINAL", "PRIMARY", "", "BONE"]},
        {"ImageType": ["DERIVED", "PRIMARY", "PA"]},
        *(
            {"SeriesDescription": one}
            for one in ("Tomosynthesis scout", "Chest tube placement", "Line check", "Pneumothorax?", "AI study")
        ),
        *({"SeriesDescription": one} for one in ("胸部正面 肋骨像", "Knochen", "Rippen", "ES NORMAL")),
    ],
)
def test_other_words_make_no_derived_image(said: dict[str, Any]) -> None:
    """An examination by dual energy is called so on its ordinary radiograph too."""
    header = read(dicom_file(phantom(), SpecificCharacterSet="ISO_IR 192", **said))
    assert not {"ImageType", "DerivationDescription"} & {element.keyword for element in header.dataset}


@pytest.mark.parametrize(
    ("said", "term"),
    [
        *(
            ("RODILLA AP", "KNEE"),
            ("Genou face", "KNEE"),
            ("Knie links a.p.", "KNEE"),
            ("Mão PA", ""),
            ("Mano PA", ""),
        ),
        *(("Épaule face", "SHOULDER"), ("LWS 2 Ebenen", "LSPINE"), ("Lumbar AP", "LSPINE"), ("KUB", "ABDOMEN")),
        *(
            ("Fuß dp", "FOOT"),
            ("Becken", "PELVIS"),
            ("Muñeca", "WRIST"),
            ("Thumb PA", "FINGER"),
            ("Schädel pa", "SKULL"),
        ),
        *(("колено", "KNEE"), ("kolano AP", "KNEE"), ("右膝関節", "KNEE"), ("무릎", "KNEE"), ("γόνατο", "KNEE")),
        *(("腹部正面", "ABDOMEN"), ("Brzuch", "ABDOMEN"), ("胸椎", "TSPINE"), ("골반", "PELVIS"), ("череп", "SKULL")),
        # How somebody lies or stands, and names of people.
        *(("腹臥位 A→P", ""), ("ayakta PA", ""), ("Dr. Karin", "")),
    ],
)
def test_descriptions_name_other_parts_of_the_body_in_other_languages(said: str, term: str) -> None:
    """A knee without Body Part Examined was a chest."""
    attributes = {"SeriesDescription": said, "SpecificCharacterSet": "ISO_IR 192"}
    header = read(dicom_file(phantom(), without=("BodyPartExamined", "StudyDescription"), **attributes))
    assert (header.body_part, header.other_part) == (("other", term) if term else ("unstated", ""))


@pytest.mark.parametrize(
    "said",
    [
        *("Thorax Bauch", "Chest and lumbar", "Main PA", "AP erect", "Cervicothoracic chest"),
        *("PA hands on hips", "AP shoulders rolled forward", "AP portable cervical collar", "Au pied du lit"),
        *("Liggend, handen omhoog", "AP heel", "PA knees bent"),
    ],
)
def test_a_chest_beside_them_is_one(said: str) -> None:
    header = read(dicom_file(phantom(), without=("BodyPartExamined",), SeriesDescription=said))
    assert header.body_part != "other"


@pytest.mark.parametrize(
    ("said", "part"),
    [
        *((one, "other") for one in ("Hand PA", "Rodilla AP", "KNIE links 2 Ebenen", "Foot_RT")),
        *((one, "chest") for one in ("PA erect", "Chest and abdomen", "AP hand-held", "AP Lying, foot of bed")),
        *((one, "chest") for one in ("AP SPINE BOARD", "Abdomen AP", "KUB", "Spine", "Trauma pelvis/hips")),
    ],
)
def test_a_chest_that_is_called_a_hand_and_nothing_else_is_a_device_s_default(said: str, part: str) -> None:
    """One word of how the patient was held took radiographs that say CHEST out of training."""
    assert read(dicom_file(phantom(), BodyPartExamined="CHEST", SeriesDescription=said)).body_part == part


def test_a_protocol_s_name_takes_no_chest_back() -> None:
    """It is of a whole examination, such as one of a trauma."""
    said = {"ProtocolName": "PELVIS", "SeriesDescription": "PA ERECT"}
    assert read(dicom_file(phantom(), BodyPartExamined="CHEST", **said)).body_part == "chest"


@pytest.mark.parametrize(
    ("storage", "what"),
    [
        ("1.2.840.10008.5.1.4.1.1.11.1", "a presentation state"),
        ("1.2.840.10008.5.1.4.1.1.88.59", "a structured report or a selection of key images"),
        ("1.2.840.10008.5.1.4.1.1.66", "raw data or a segmentation"),
        ("1.2.840.10008.5.1.4.1.1.104.2", "a document"),
    ],
)
def test_what_lies_beside_images_is_no_damaged_one_whatever_modality_it_names(storage: str, what: str) -> None:
    """Of damaged files 5 % end a training, and a series may have a presentation state for each image."""
    with pytest.raises(Refusal, match=f"holds no image: it is {what}, not a radiograph") as refused:
        read(dicom_file(phantom(), without=("PixelData", "Rows", "Columns"), SOPClassUID=storage, Modality="DX"))
    assert refused.value.code == "not_a_radiograph"


@pytest.mark.parametrize("storage", ["1.3.12.2.1107.5.9.1", "1.2.840.10008.5.1.4.1.1.7.2"])
def test_a_truncated_file_of_another_class_is_a_damaged_one(storage: str) -> None:
    """A maker's own, and one of secondary captures of several frames: nothing says that they had no image."""
    with pytest.raises(Refusal, match="holds no image, or ends before it"):
        read(dicom_file(phantom(), without=("PixelData",), SOPClassUID=storage, Modality="DX"))


@pytest.mark.parametrize(
    ("stated", "what"),
    [
        *(("SD", "a scanned document"), ("DRW", "a drawing"), ("sd ", "a scanned document")),
        # Film that was digitised, and what programs write for any picture.
        *((one, None) for one in ("DF", "DI", "DV", "SI", "SYN", "WSD", "", None)),
    ],
)
def test_a_scanned_request_form_is_no_radiograph(stated: str | None, what: str | None) -> None:
    """PS3.3, C.8.6.1: it lies in the study of the radiograph, and has its modality."""
    data = dicom_file(phantom(), SOPClassUID="1.2.840.10008.5.1.4.1.1.7", Modality="DX", ConversionType=stated)
    if what is None:
        assert read(data).modality == "DX"
    else:
        with pytest.raises(Refusal, match=f"The DICOM file is {what} by its Conversion Type") as refused:
            read(data)
        assert refused.value.code == "not_a_radiograph"


def test_pixels_without_bytes_are_no_image() -> None:
    whole = dicom_file(phantom())
    empty = whole[: whole.rindex(b"\xe0\x7f\x10\0OW\0\0") + 8] + bytes(4)
    with pytest.raises(Refusal, match="holds no image, or ends before it"):
        read(empty)


@pytest.mark.parametrize(("name", "kind"), [("FloatPixelData", "<f4"), ("DoubleFloatPixelData", "<f8")])
def test_pixels_of_floating_point_are_no_damage(name: str, kind: str) -> None:
    """PS3.3, C.7.6.24 and C.7.6.25; whoever read "damaged" sent the same file again."""
    floating = {name: phantom().astype(kind).tobytes(), "BitsAllocated": 32}
    with pytest.raises(Refusal, match=r"floating-point numbers.*send the radiograph itself") as refused:
        read(dicom_file(phantom(), without=("PixelData", "BitsStored", "HighBit", "PixelRepresentation"), **floating))
    assert refused.value.code == "not_a_radiograph"


@pytest.mark.parametrize("number", [94, 95, 204, 205])
def test_pixels_that_lie_on_a_server_are_no_damage(number: int) -> None:
    syntax = b"1.2.840.10008.1.2.4.%d" % number
    data = dicom_file(phantom(), transfer_syntax="1.2.840.10008.1.2.4.57", without=("PixelData",))
    written = data.replace(b"1.2.840.10008.1.2.4.57" + b"\0" * (len(syntax) - 22), syntax) if number < 100 else None
    if written is None:  # a longer name, which makes the element longer too
        at = data.index(b"1.2.840.10008.1.2.4.57")
        written = data[: at - 2] + (24).to_bytes(2, "little") + syntax + b"\0" + data[at + 22 :]
    with pytest.raises(Refusal, match=r"transfer syntax JPIP.*Send it uncompressed") as refused:
        read(written)
    assert refused.value.code == "unsupported_media_type"


@pytest.mark.parametrize("modality", ["XR", "RX", "X-RAY"])
def test_other_names_of_radiography_are_no_other_modality(modality: str) -> None:
    assert read(dicom_file(phantom(), Modality=modality)).modality == "unstated"
    with pytest.raises(Refusal, match="of another modality"):
        read(dicom_file(phantom(), Modality=modality, SOPClassUID="1.2.840.10008.5.1.4.1.1.2"))
