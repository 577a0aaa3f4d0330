"""Columns, folders and names that may be meant in two ways are read in the one that is certain, or refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from model_code.archive import label_table, table_matches
from model_code.archive.label_table import Row, Table, TableError
from model_code.archive.table_matches import Identity, Place
from model_code.data import candidates as training
from model_code.members.members import ZipMembers
from ops.pipelines import archive


def table(columns: str, *rows: str) -> Table:
    """A table of images 0, 1, ..., or of what the rows begin with where the columns do not begin with `file,label`."""
    named = columns.startswith("file,label,")
    lines = [f"{number},{number % 2},{row}" if named else row for number, row in enumerate(rows)]
    return label_table.read("labels.csv", "\n".join([columns, *lines]).encode())


def pictures(read: Table, *paths: str) -> dict[str, Row]:
    images = dict.fromkeys(paths, Place())
    return table_matches.match(read, images, table_matches.named(read, images)).rows


@pytest.mark.parametrize("by", ["patient_id", "accession", "StudyInstanceUID"])
def test_a_folder_names_the_patient_and_files_in_it_have_numbers_of_their_own(by: str) -> None:
    """Half of the labels were those of the patient whom the file's number was."""
    read = table(f"{by},label", *(f"{one},{'PNEUMONIA' if one % 2 == 0 else 'NORMAL'}" for one in range(1, 5)))
    paths = [f"png/{one:04}/{image:03}.png" for one in range(1, 5) for image in range(1, 4)]
    found = pictures(read, *paths, "png/0009/001.png")
    assert {path: row.key for path, row in found.items()} == {path: str(int(path[4:8])) for path in paths}


def test_numbers_of_files_that_several_have_are_no_keys() -> None:
    read = table("patient_id,label", "1,0", "2,1")
    assert table_matches.named(read, ["a/1.png", "a/2.png", "b/1.png"]) == {}
    assert table_matches.named(read, ["Patient_1/1.png", "Patient_1/2.png"]) == {}
    assert set(pictures(read, "a/1.png", "b/2.png")) == {"a/1.png", "b/2.png"}


def test_two_folders_that_are_keys_are_refused() -> None:
    with pytest.raises(TableError, match=r"1 of the images lie in folders of two of its rows, one in the"):
        table_matches.named(table("patient_id,label", "1,0", "2,1"), ["1/02/a.png", "2/a.png"])


@pytest.mark.parametrize(
    ("columns", "rows", "frontal"),
    [
        ("prior_view,current_view", ["LAT,PA", "PA,AP", "LAT,PA", "PA,LAT"], [True, True, True, False]),
        ("prior_study_view", ["PA", "LAT"], [True, True]),
        ("compared_with", ["PA", "LAT"], [True, True]),
        ("projection,frontal_lateral", ["PA,frontal", "AP,frontal"], [True, True]),
        ("projection,frontal_lateral", ["PA,frontal", "LL,lateral"], [True, False]),
        ("modality", ["X-ray (no CT)", "CR; CT later", "CT", "MR"], [True, True, False, False]),
    ],
)
def test_views_are_those_of_the_image_itself(columns: str, rows: list[str], frontal: list[bool]) -> None:
    """Frontal images were left out by the view of the one before, and laterals kept."""
    assert [row.frontal for row in table(f"file,label,{columns}", *rows).rows] == frontal


@pytest.mark.parametrize("columns", ["projection,view_position", "x,y"])
def test_two_columns_of_views_that_differ_are_refused(columns: str) -> None:
    with pytest.raises(TableError, match="has several columns of views that differ: call the one of each image view"):
        table(f"file,label,{columns}", "PA,LAT", "LAT,PA")


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("pcr", ["valid", "test", "valid"]),
        ("radiologist_name", ["Train", "Val", "Dev", "Test"]),
        ("read by radiologist", ["Train", "Val", "Train"]),
    ],
)
def test_cells_that_are_words_of_splits_by_chance_are_none(column: str, cells: list[str]) -> None:
    assert {row.split for row in table(f"file,label,{column}", *cells).rows} == {None}


def test_a_numbered_split_in_a_column_of_another_name_is_refused_with_what_to_do() -> None:
    """`Test 2` is a second split, or an examination's second one; in `split` it is test."""
    with pytest.raises(TableError, match=r"Line 4 .* none of train, val and test\. Leave out that column if"):
        table("file,label,exam_kind", "Training", "Test", "Test 2")
    assert [row.split for row in table("file,label,split", "train", "test 2").rows] == ["train", "test"]


@pytest.mark.parametrize(
    ("columns", "row", "patient"),
    [
        ("mrn,pid", "7,8", ""),
        ("accession,acc_no", "7,8", ""),
        ("sop_uid,image_uid", "7,8", ""),
        ("mrn,subject_id", "7,8", "8"),
        ("pid,patient", "7,8", "8"),
        ("mrn", "7", "7"),
    ],
)
def test_a_table_by_files_goes_by_them_whatever_other_columns_are_called(columns: str, row: str, patient: str) -> None:
    """It was refused, or the patient was a number that each site gives anew."""
    read = table(f"file,label,{columns}", row, row)
    assert (read.by, [one.patient for one in read.rows]) == ("file", [patient] * 2)


def test_a_table_whose_accession_numbers_no_image_has_goes_by_patients(tmp_path: Path) -> None:
    """De-identification empties them; each door reads the same."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as made:
        rows = (f"P{one},X{one},{one % 2}\n" for one in range(10))
        made.writestr("labels.csv", "patient_id,accession,label\n" + "".join(rows))
        for one in range(10):
            made.writestr(f"P{one}/a.png", str(one))
    assert str(archive.inspect(path)).startswith("10 images (without a split 10)")
    with zipfile.ZipFile(path) as opened:
        found = training.list_candidates(ZipMembers(opened)).candidates
    labels = {f"P{one}": ("NORMAL", "PNEUMONIA")[one % 2] for one in range(10)}
    assert {one.stated_patient: one.label for one in found} == labels
    read = table("patient_id,accession,label", "P1,X1,0", "P2,X2,1")
    of_others = {"a": Identity(accession_number="Y1"), "b": Identity()}
    assert table_matches.identified(read, lambda _: of_others)[0].by == "patient_id"
    of_these = {"a": Identity(accession_number="x1")}
    assert table_matches.identified(read, lambda _: of_these) == (read, of_these)
    assert table("patient_id,accession,label", "P1,X1,0", ",X2,1").patient_ids == ()


@pytest.mark.parametrize("column", ["study_date", "StudyDate", "exam_date", "date"])
def test_a_patient_s_row_of_one_day_is_about_no_other_examination(column: str) -> None:
    """The label of one was that of all of them."""
    read = table(f"patient_id,{column},label", "P1,20200101,0", "2,20200101,1")

    def of(*days: str) -> dict[str, Identity]:
        return {day: Identity(patient_id="0002" if day > "2" else "P1", study_date=day[-8:]) for day in days}

    with pytest.raises(TableError, match="and has dates, and 1 of its patients have images of several days"):
        table_matches.identified(read, lambda _: of("220200101", "220200202"))
    # One day for each, another patient's, or none.
    for days in (("120200101", "220200202"), ("220200101", "2"), ("220200101",)):
        assert table_matches.identified(read, lambda _, days=days: of(*days))[0] == read
    others = {
        "a": Identity(patient_id="P3", study_date="20200101"),
        "b": Identity(patient_id="P3", study_date="20200102"),
    }
    assert table_matches.identified(read, lambda _: others)[0] == read


@pytest.mark.parametrize("column", ["birth_date", "report_date", "update", "dated", "study"])
def test_another_column_says_no_day(column: str) -> None:
    read = table(f"patient_id,{column},label", "P1,20200101,0", "P2,20200101,1")
    two = {day: Identity(patient_id="P1", study_date=day) for day in ("20200101", "20200202")}
    assert table_matches.identified(read, lambda _: two)[0] == read


@pytest.mark.parametrize(("cell", "key"), [("'1.2.3", "1.2.3"), (" '00123 ", "00123"), ("'P1", "'P1"), ("'1'", "'1'")])
def test_an_apostrophe_before_a_number_is_none_of_it(cell: str, key: str) -> None:
    """By it people keep spreadsheets from rounding."""
    assert [row.key for row in table("patient_id,label", f"{cell},0", "P2,1").rows] == [key, "P2"]


@pytest.mark.parametrize(
    ("folders", "split"), [(("train", "test"), ("train", "test")), (("a", "b"), ("test", "train"))]
)
def test_folders_of_splits_go_before_a_column_that_is_not_called_so(
    tmp_path: Path, folders: tuple[str, str], split: tuple[str, str]
) -> None:
    """A `source` of other words was refused as two splits; each door reads the same."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as made:
        cells = (f"{one}.png,{one // 2 % 2},{('test', 'train')[one % 2]}\n" for one in range(8))
        made.writestr("labels.csv", "file,label,source\n" + "".join(cells))
        for one in range(8):
            made.writestr(f"{folders[one % 2]}/{one}.png", str(one))
    with zipfile.ZipFile(path) as opened:
        found = training.list_candidates(ZipMembers(opened)).candidates
    assert [one.folder for one in sorted(found, key=lambda one: one.path[-5])] == list(split) * 4
    assert str(archive.inspect(path)).startswith("8 images (train 4")
