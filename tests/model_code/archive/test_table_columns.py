"""Tables of published data sets are read under the name `labels.csv` where they say plainly what is meant."""

from __future__ import annotations

import pytest

from model_code.archive import label_table, table_matches
from model_code.archive.label_table import TableError
from model_code.archive.table_columns import is_frontal, label_of
from model_code.archive.table_matches import Place

# First lines and rows as the data sets have them (columns in between left out where there are dozens).
NIH = b"""Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,View Position,OriginalImage[Width,Height],
1.png,No Finding,0,11,58,PA,2682,2749,
2.png,Infiltration|Pneumonia,0,12,58,AP,2682,2749,
3.png,Cardiomegaly|Emphysema,1,12,58,PA,2682,2749,
"""
CHEXPERT = b"""Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Lung Opacity,Consolidation,Pneumonia,Support Devices
x/train/patient1/study1/1.png,Female,68,Frontal,AP,1.0,,,,1.0
x/train/patient2/study1/2.png,Male,87,Frontal,AP,,1.0,-1.0,1.0,
x/train/patient3/study1/3.png,Male,83,Frontal,AP,,,,-1.0,
x/train/patient3/study1/4.png,Male,83,Lateral,,1.0,,,,
"""
PADCHEST = b"""\"\",ImageID,ImageDir,PatientID,Projection,Labels
0,1.png,0,839,PA,"['normal']"
1,2.png,0,840,AP_horizontal,"['pneumonia', 'loc right', 'pleural effusion']"
2,3.png,0,841,PA,"['normal', 'suboptimal study']"
3,4.png,0,842,L,"['pneumonia']"
"""
VINDR_CXR = b"""image_id,class_name,class_id,rad_id,x_min
1,No finding,14,R11,
1,No finding,14,R7,
2,Pneumonia,9,R10,100
3,Cardiomegaly,3,R8,
"""
VINDR_PCXR = b"""image_id,rad_ID,No finding,Bronchitis,Pneumonia,Tuberculosis
1,R1,1.0,0.0,0.0,0.0
2,R1,0.0,0.0,1.0,0.0
3,R1,0.0,1.0,0.0,0.0
"""
COHEN = b"""patientid,sex,finding,view,modality,filename
1,M,No Finding,PA,X-ray,1.png
2,F,Pneumonia/Bacterial,AP Supine,X-ray,2.png
3,F,Pneumonia/Viral/COVID-19,PA,X-ray,3.png
4,F,Pneumonia,Axial,CT,4.png
"""


@pytest.mark.parametrize("table", [NIH, CHEXPERT, PADCHEST, VINDR_CXR, VINDR_PCXR, COHEN])
def test_a_data_sets_own_table_is_read(table: bytes) -> None:
    """1 has no finding, 2 pneumonia, 3 something else or uncertain, and 4 is no frontal view."""
    images = {f"x/train/{number}.png": Place() for number in "1234" if f"{number}.png".encode() in table}
    images = images or {f"x/train/{number}.dicom": Place() for number in "123"}
    if table is CHEXPERT:
        images = {f"x/train/patient{min(int(n), 3)}/study1/{n}.png": Place() for n in "1234"}
    read = label_table.read("x/labels.csv", table)
    matches = table_matches.match(read, images, {})
    assert {path[path.rindex("/") + 1]: row.label for path, row in matches.rows.items()} == {
        "1": "NORMAL",
        "2": "PNEUMONIA",
    }
    assert [path[path.rindex("/") + 1] for path in matches.other_label] == ["3"]
    assert len(matches.other_view) == len(images) - 3
    table_matches.refuse_mismatched(read, matches, {})


def test_patients_are_kept_by_the_names_that_data_sets_have() -> None:
    assert [row.patient for row in label_table.read("labels.csv", NIH).rows] == ["11", "12", "12"]
    read = label_table.read("labels.csv", b"subject_id,dicom_id,No Finding,Pneumonia\n7,a,,1\n8,b,1,\n")
    assert [(row.key, row.patient, row.label) for row in read.rows] == [("a", "7", "PNEUMONIA"), ("b", "8", "NORMAL")]


@pytest.mark.parametrize(
    ("said", "label"),
    [
        ("No Finding", "NORMAL"),
        ("No_Findings", "NORMAL"),
        ("no finding|Pneumonia", ""),
        ("Pneumonia|Pneumonia", "PNEUMONIA"),
        ("No Finding|Cardiomegaly", ""),
        # Commas and semicolons go on with what takes it back.
        ("pneumonia, ruled out", ""),
        ("pneumonia; none", ""),
        ("no pneumonia|effusion", ""),
        ("['no pneumonia', 'effusion']", ""),
        ("['pneumonia?']", ""),
        ("[]", ""),
        ("", ""),
        ('["viral pneumonia", "effusion"]', "PNEUMONIA"),
        ("No Lung Opacity / Not Normal", ""),
        ("1", "PNEUMONIA"),
    ],
)
def test_of_several_findings_one_says_pneumonia_and_each_that_there_is_none(said: str, label: str) -> None:
    assert label_of(said)[0] == label


def test_subtypes_of_several_findings_count_where_they_agree() -> None:
    assert label_of("bacterial pneumonia|effusion") == ("PNEUMONIA", "bacteria")
    assert label_of("bacterial pneumonia|viral pneumonia") == ("PNEUMONIA", "")


def test_numbers_are_labels_in_a_column_of_that_name_alone() -> None:
    """In `class`, 1 may be anything."""
    assert [row.label for row in label_table.read("labels.csv", b"image,label\na,1\nb,0\n").rows] == [
        "PNEUMONIA",
        "NORMAL",
    ]
    with pytest.raises(TableError, match="has no row of NORMAL or PNEUMONIA"):
        label_table.read("labels.csv", b"image,class\na,1\nb,0\n")


def test_a_columns_own_name_goes_before_others_and_two_others_are_refused() -> None:
    read = label_table.read("labels.csv", b"path,file,class,label\nx,a,Covid,NORMAL\n")
    assert [(row.key, row.label) for row in read.rows] == [("a", "NORMAL")]
    with pytest.raises(TableError, match="has the columns path and image, and either may be meant: call one file"):
        label_table.read("labels.csv", b"path,image,label\nx,a,NORMAL\n")


def test_a_table_of_no_frontal_view_says_why_there_is_nothing_to_train_on() -> None:
    read = label_table.read("labels.csv", b"file,label,view\n1.png,0,erect\n2.png,1,LL\n")
    matches = table_matches.match(read, {"1.png": Place(), "2.png": Place()}, {})
    with pytest.raises(TableError, match=r"no NORMAL image to train on: 2 are left out by their view, which is none"):
        table_matches.refuse_one_class(read, matches, [])


def test_flags_may_be_what_a_data_frame_writes() -> None:
    read = label_table.read("labels.csv", b"file,Pneumonia,No Finding\na,True,False\nb,False,True\nc,False,False\n")
    assert [row.label for row in read.rows] == ["PNEUMONIA", "NORMAL", ""]


def test_one_column_of_findings_is_not_enough() -> None:
    """Without pneumonia there may be any other disease, so 0 in that column is not NORMAL."""
    with pytest.raises(TableError, match=r"has to name its columns.*Its column Pneumonia alone does not say which"):
        label_table.read("labels.csv", b"image,Pneumonia,Effusion\na,1,0\nb,0,1\n")


@pytest.mark.parametrize(
    ("said", "frontal"),
    [
        *((one, True) for one in ("nan", "None", "N/A", "NULL", " - ")),
        *((one, True) for one in ("", "PA", "ap", "Frontal", "POSTEROANTERIOR", "AP Supine", "AP_horizontal")),
        *((one, False) for one in ("L", "LL", "lateral", "Axial", "COSTAL", "EXCLUDE", "oblique")),
    ],
)
def test_a_view_that_is_not_known_as_frontal_is_another(said: str, frontal: bool) -> None:
    assert is_frontal(said) is frontal


@pytest.mark.parametrize(
    "doubt", ["no", "negative", "ruled out", "Excluded", "not present", "resolved", "no pneumonia", "possible"]
)
@pytest.mark.parametrize("cell", ["Pneumonia|{}", "{} | Pneumonia", "['pneumonia', '{}']"])
def test_a_doubt_beside_pneumonia_is_no_finding_of_its_own(cell: str, doubt: str) -> None:
    assert label_of(cell.format(doubt)) == ("", "")


@pytest.mark.parametrize("other", ["Effusion", "no effusion", "possible mass", "rib fracture old"])
def test_a_doubt_about_another_finding_leaves_pneumonia_what_it_is(other: str) -> None:
    assert label_of(f"Pneumonia|{other}") == ("PNEUMONIA", "")


def test_a_separator_without_a_finding_separates_nothing() -> None:
    assert label_of("NORMAL|") == ("NORMAL", "")


@pytest.mark.parametrize(
    ("columns", "by"),
    [
        ("SOPInstanceUID,label,path", "sop_instance_uid"),
        ("SOPInstanceUID,label,path,filename", "sop_instance_uid"),
        ("patient_id,label,path,filename", "patient_id"),
    ],
)
def test_columns_of_the_products_own_names_are_gone_by_whatever_is_beside_them(columns: str, by: str) -> None:
    rows = "".join(f"{key},{label},/old/{key}.dcm,x\n" for key, label in (("1.2", "NORMAL"), ("1.3", "PNEUMONIA")))
    read = label_table.read("labels.csv", f"{columns}{'' if columns.count(',') == 3 else ',z'}\n{rows}".encode())
    assert (read.by, [row.key for row in read.rows]) == (by, ["1.2", "1.3"])


def test_a_subject_is_no_patient_where_one_is_named() -> None:
    read = label_table.read("labels.csv", b"file,label,subject_id,patient_id\na,0,trial,P1\nb,1,trial,P2\n")
    assert [row.patient for row in read.rows] == ["P1", "P2"]


@pytest.mark.parametrize(
    "said",
    [
        *(
            "Pneumonia (-)",
            "pneumonia -",
            "-pneumonia",
            "Pneumonia 0",
            "pneumonia_0",
            "pneumonia (0)",
            "pneumonia \u2013",
        ),
        *(
            "\u2205 Pneumonia",
            "\u00acpneumonia",
            "!pneumonia",
            "~pneumonia",
            "pneumonia <50%",
            "Pneumonia?",
            "pneumonia=0",
        ),
        *("keine Pneumonie", "Pneumonie|nein", "sin neumonía", "Neumonía|no", "нет пневмонии"),
    ],
)
def test_a_sign_that_takes_a_word_back_leaves_no_pneumonia(said: str) -> None:
    """Only words were read, and the image was trained on as pneumonia."""
    assert label_of(said) == ("", "")


@pytest.mark.parametrize(
    ("said", "label"),
    [
        *((one, "PNEUMONIA") for one in ("Pneumonia (+)", "pneumonia +", "Pneumonia.", "1 - Pneumonia", "PNEUMONIA_1")),
        *((one, "PNEUMONIA") for one in ("Neumonía", "Lungenentzündung", "Pneumonie viral", "肺炎", "'Pneumonia'")),
        *((one, "NORMAL") for one in ("Normal", "0_NORMAL", "NORMAL 0", "normaal", "Норма", "0")),
    ],
)
def test_other_signs_and_other_languages_say_what_they_say(said: str, label: str) -> None:
    assert label_of(said)[0] == label


def test_a_view_may_have_accents() -> None:
    assert is_frontal("antéro-postérieure")


def test_labels_that_say_neither_are_named_where_a_class_is_missing() -> None:
    read = label_table.read("labels.csv", b"file,label\n1.png,unremarkable\n2.png,Pneumonia\n")
    matches = table_matches.match(read, {"1.png": Place(), "2.png": Place()}, {})
    with pytest.raises(TableError, match="no NORMAL image to train on: 1 have labels that say neither NORMAL nor PNEU"):
        table_matches.refuse_one_class(read, matches, [(None, "PNEUMONIA")])
