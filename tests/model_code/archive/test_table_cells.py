"""Cells of a table say what the names of its columns do not, and what data frames write for nothing says nothing."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pytest

from model_code.archive import label_table, table_matches
from model_code.archive.label_table import Row, TableError
from model_code.archive.table_matches import Identity, Place
from model_code.data.candidates import list_candidates
from model_code.members.members import ZipMembers
from ops.pipelines import archive


def rows(text: str) -> list[Row]:
    return label_table.read("labels.csv", text.encode()).rows


def test_the_split_of_mimic_is_read() -> None:
    """`mimic-cxr-2.0.0-split.csv` says `validate`, and the table was refused."""
    read = rows("dicom_id,subject_id,split,Pneumonia,No Finding\na,1,train,1,\nb,2,validate,,1\nc,3,test,,1\n")
    assert [one.split for one in read] == ["train", "validation", "test"]


@pytest.mark.parametrize("column", ["Dataset_type", "partition", "set", "conjunto", "phase", "Unnamed: 3"])
def test_a_column_of_splits_is_one_whatever_it_is_called(column: str) -> None:
    """Its test images were trained on."""
    read = rows(f"file,label,{column}\na,0,TRAIN\nb,1,train\nc,1,Test\nd,1,\n")
    assert [one.split for one in read] == ["train", "train", "test", None]


@pytest.mark.parametrize("other", ["dev", "external", "hospital B"])
def test_a_split_that_is_not_known_is_refused_in_such_a_column_too(other: str) -> None:
    """As a folder beside those of splits is."""
    with pytest.raises(TableError, match=r"Line 4 of the table labels\.csv has a split that is none of train, val and"):
        rows(f"file,label,partition\na,0,train\nb,1,train\nc,1,{other}\n")


def test_two_columns_of_splits_that_differ_are_refused() -> None:
    with pytest.raises(TableError, match="several columns of train, val and test that differ: call the one that"):
        rows("file,label,fold one,fold two\na,0,train,test\nb,1,test,train\n")
    assert [one.split for one in rows("file,label,x,y\na,0,train,train\nb,1,test,test\n")] == ["train", "test"]


@pytest.mark.parametrize("cells", ["train train", "1 2", "test positive", "a b"])
def test_other_columns_are_none_of_splits(cells: str) -> None:
    first, second = cells.split()
    assert [one.split for one in rows(f"file,label,x\na,0,{first}\nb,1,{second}\n")] == [None, None]


def test_a_column_of_views_is_one_whatever_it_is_called() -> None:
    """CheXpert Plus calls it `frontal_lateral`, others as they like; the laterals were trained on."""
    for column in ("frontal_lateral", "incidencia", "Plane"):
        read = rows(f"path_to_image,label,{column}\na,0,Frontal\nb,1,Lateral\nc,1,PA\nd,0,\n")
        assert [one.frontal for one in read] == [True, False, True, True]
    # Of a side, and of nothing but frontal ones.
    assert all(one.frontal for one in rows("file,label,laterality\na,0,L\nb,1,R\n"))


def test_rows_of_another_kind_of_image_or_part_of_the_body_are_left_out() -> None:
    read = rows(
        "file,label,Modality,BodyPartExamined\na,0,CR,CHEST\nb,1,CT,CHEST\nc,1,DX,KNEE\nd,1,X-ray,\ne,1,,THORAX\n"
    )
    assert [one.frontal for one in read] == [True, False, False, True, True]


def test_what_data_frames_write_for_nothing_names_nobody_and_no_split() -> None:
    """All patients called `nan` were one."""
    read = rows("file,label,patient,split,reader\na,0,nan,nan,None\nb,1,17,NaN,\n")
    assert [(one.patient, one.split, one.reader) for one in read] == [("", None, ""), ("17", None, "")]
    assert [one.patient for one in rows("file,label,patient\na,0,17.0\nb,1,017\n")] == ["17", "017"]
    assert [one.label for one in rows("file,Pneumonia,No Finding\na,1,nan\nb,nan,1\n")] == ["PNEUMONIA", "NORMAL"]


def test_the_index_of_a_data_frame_names_no_patient() -> None:
    """Each row was of a patient of its own, whatever folders and files said: they were in two splits."""
    read = label_table.read("labels.csv", b",file,label\n0,patient1/a.png,0\n1,patient1/b.png,0\n2,patient2/c.png,1\n")
    assert [one.patient for one in read.rows] == ["", "", ""]
    assert not read.names_patients


@pytest.mark.parametrize(
    ("column", "by"),
    [
        *(("Accession", "accession_number"), ("accession no", "accession_number"), ("MRN", "patient_id")),
        *(("study_uid", "study_instance_uid"), ("Series UID", "series_instance_uid"), ("SOP UID", "sop_instance_uid")),
    ],
)
def test_a_key_is_gone_by_under_its_short_name(column: str, by: str) -> None:
    """Beside a Patient ID it was passed over: the patient's other examinations got the label of the one meant."""
    read = label_table.read("labels.csv", f"{column},label,patient\n5,0,A\n6,1,B\n".encode())
    assert (read.by, [one.key for one in read.rows]) == (by, ["5", "6"])
    if by != "patient_id":
        assert label_table.read("labels.csv", f"{column},label,patient_id\n5,0,A\n6,1,B\n".encode()).by == by


def test_numbers_with_the_fraction_of_a_data_frame_are_known() -> None:
    read = label_table.read("labels.csv", b"patient_id,label\n17.0,0\n0100,1\n")
    identities = {"a": Identity(patient_id="17"), "b": Identity(patient_id="0100")}
    matches = table_matches.match(read, {"a": Place(), "b": Place()}, identities)
    assert {path: row.label for path, row in matches.rows.items()} == {"a": "NORMAL", "b": "PNEUMONIA"}
    read = label_table.read("labels.csv", b"file,label\n17.0,0\n18.0,1\n")
    assert list(table_matches.match(read, {"17.png": Place(), "18.png": Place()}, {}).rows) == ["17.png", "18.png"]


def test_a_table_by_what_only_dicom_files_say_is_refused_with_what_fits_where_there_is_none() -> None:
    """It advised to give each image one row, which they had."""
    read = label_table.read("labels.csv", b"PatientID,label\n1,0\n2,1\n")
    with pytest.raises(TableError, match=r"goes by patient_id, which DICOM files have, .* Add a column file with the"):
        table_matches.refuse_mismatched(read, table_matches.match(read, {}, {}), {})


@pytest.mark.parametrize(
    ("column", "paths"),
    [
        ("SOPInstanceUID", ("png/1.2.840.17.png", "png/1.2.840.18.PNG")),
        ("patient_id", ("1.2.840.17/a.png", "1.2.840.18/b.jpg")),
        ("StudyInstanceUID", ("x/1.2.840.17/SER1/a.png", "x/1.2.840.18/SER1/a.png")),
        ("accession", ("1.2.840.17.jpg", "1.2.840.18.jpg")),
    ],
)
def test_pictures_that_are_called_as_the_rows_are_meant_by_them(column: str, paths: tuple[str, str]) -> None:
    """Exports to PNG name files and folders by what DICOM files said themselves; the table was refused."""
    read = label_table.read("labels.csv", f"{column},label\n1.2.840.17,0\n1.2.840.18,1\n".encode())
    images = dict.fromkeys((*paths, "other/3.png"), Place())
    matches = table_matches.match(read, images, table_matches.named(read, images))
    assert {path: row.label for path, row in matches.rows.items()} == dict(
        zip(paths, ("NORMAL", "PNEUMONIA"), strict=True)
    )
    assert matches.without_row == ["other/3.png"]
    assert table_matches.named(read, ["other/3.png"]) == {}


def test_every_door_labels_pictures_that_are_called_by_patients(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("labels.csv", "PatientID,label\n" + "".join(f"{n:03},{n % 2}\n" for n in range(20)))
        for n in range(20):
            made.writestr(f"{n}/a.png", str(n))
    assert str(archive.inspect(path)).startswith("20 images (without a split 20)")
    with zipfile.ZipFile(path) as made:
        found = list_candidates(ZipMembers(made)).candidates
    assert {one.stated_patient: one.label for one in found} == {
        f"{n:03}": ("NORMAL", "PNEUMONIA")[n % 2] for n in range(20)
    }


def test_a_compressed_table_is_called_that() -> None:
    """It was called no UTF-8, to be saved as that."""
    with pytest.raises(TableError, match=r"compressed with gzip: unpack it\."):
        label_table.read("labels.csv", gzip.compress(b"file,label\na,0\n"))


def test_coronahack_s_own_table_is_read() -> None:
    """Its pneumonia is misspelt."""
    read = rows(
        ",X_ray_image_name,Label,Dataset_type,Label_2_Virus_category,Label_1_Virus_category\n"
        "0,IM-0128-0001.jpeg,Normal,TRAIN,,\n1,person1_virus_6.jpeg,Pnemonia,TEST,,Virus\n"
    )
    assert [(one.key, one.label, one.split) for one in read] == [
        ("IM-0128-0001.jpeg", "NORMAL", "train"),
        ("person1_virus_6.jpeg", "PNEUMONIA", "test"),
    ]
