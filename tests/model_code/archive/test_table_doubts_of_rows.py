"""Columns that say what a row is for, and numbers of classes, are never passed over: the table is refused."""

from __future__ import annotations

import pytest

from model_code.archive import label_table
from model_code.archive.label_table import Table, TableError


def table(columns: str, *rows: str) -> Table:
    """A table of images 0, 1, ..., with these cells behind the name, or behind name and label."""
    labelled = "label" in columns.split(",")
    cells = (
        f"{number}.png,{row}" if labelled else f"{number}.png,{number % 2},{row}" for number, row in enumerate(rows)
    )
    return label_table.read(
        "labels.csv", "\n".join([f"file,{columns if labelled else f'label,{columns}'}", *cells]).encode()
    )


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        *((name, ("0", "1", "0")) for name in ("is_test", "test", "Holdout", "isTest", "in_train", "validation set")),
        *((name, ("True", "False")) for name in ("is_train", "test_set", "exclude", "rejected", "include", "usable")),
        *(("test", cells) for cells in (("", "x"), ("no", "yes"), ("FALSCH", "WAHR"), ("0.0", "1.0"))),
    ],
)
def test_a_column_of_yes_and_no_that_holds_images_back_is_refused(column: str, cells: tuple[str, ...]) -> None:
    """Images that somebody held back were trained on."""
    with pytest.raises(
        TableError, match=r"of yes and no, so images may be held back or not be meant: take out the rows"
    ):
        table(column, *cells)


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        # One that says the same of every row holds nothing back.
        ("is_test", ("0", "0")),
        ("train", ("1", "1")),
        # No yes and no: a result, a date, a name.
        ("test", ("PCR", "1", "antigen")),
        ("use", ("clinic", "research")),
        ("quality", ("good", "bad")),
        ("pcr_test", ("0", "1")),
        ("intubated", ("Y", "N")),
        # Read: a split in words.
        ("set", ("train", "test")),
    ],
)
def test_other_columns_stay_what_they_are(column: str, cells: tuple[str, ...]) -> None:
    assert [row.label for row in table(column, *cells).rows[:2]] == ["NORMAL", "PNEUMONIA"]


@pytest.mark.parametrize("cells", [("development", "holdout"), ("dev", "test"), ("Derivation cohort", "Unseen")])
def test_splits_without_train_are_refused(cells: tuple[str, ...]) -> None:
    with pytest.raises(
        TableError, match="has a column that may be of splits, such as development and holdout: call it"
    ):
        table("cohort", *cells)


@pytest.mark.parametrize("cells", [("dev", "dev"), ("Dev", "Ana"), ("unseen", "known"), ("", "dev")])
def test_a_word_of_splits_alone_is_none(cells: tuple[str, ...]) -> None:
    assert {row.split for row in table("technician", *cells).rows} == {None}


@pytest.mark.parametrize("column", ["lateral", "is_frontal", "Frontal image"])
def test_a_view_of_yes_and_no_is_refused(column: str) -> None:
    """Lateral images were trained on as frontal ones."""
    with pytest.raises(
        TableError, match=r"of yes and no: write each image's view \(PA, AP, lateral\) into a column view"
    ):
        table(column, "1", "0")
    assert len(table(f"{column},view", "1,PA", "0,PA").rows) == 2


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("assertion", ("present", "absent")),
        ("certainty", ("definite", "possible")),
        ("negated", ("0", "1")),
        ("is_uncertain", ("False", "True")),
        ("polarity", ("positive", "ruled out")),
    ],
)
def test_a_column_that_takes_the_label_back_is_refused(column: str, cells: tuple[str, ...]) -> None:
    """`Pneumonia`, absent, was trained on as pneumonia."""
    with pytest.raises(TableError, match="may take back what a row's label says, or leave it open"):
        table(column, *cells)


@pytest.mark.parametrize(
    ("column", "cells"),
    [("effusion", ("present", "absent")), ("certainty", ("0.8", "0.9")), ("presence", ("present", "present"))],
)
def test_a_column_about_something_else_takes_nothing_back(column: str, cells: tuple[str, ...]) -> None:
    assert len(table(column, *cells).rows) == 2


@pytest.mark.parametrize("labels", ["012", ["0.0", "1.0", "2.0"], ["0", "3"], ["1", "2"]])
def test_numbers_of_several_classes_are_refused(labels: list[str]) -> None:
    """COVID, normal, pneumonia are 0, 1, 2 by the alphabet: COVID was trained on as NORMAL, NORMAL as pneumonia."""
    with pytest.raises(
        TableError, match="has numbers of more than two classes as labels, and 0 and 1 may be any of them"
    ):
        table("label", *labels)


@pytest.mark.parametrize("labels", [["0", "1", "-1"], ["0", "1", ""], ["0.0", "1.0", "0.5"], ["NORMAL", "1", "CT 2"]])
def test_other_labels_beside_numbers_are_left_out(labels: list[str]) -> None:
    assert [row.label for row in table("label", *labels).rows] == ["NORMAL", "PNEUMONIA", ""]


@pytest.mark.parametrize("column", ["label_name", "diagnosis", "class"])
def test_numbers_that_a_column_calls_the_opposite_are_refused(column: str) -> None:
    """Each image was trained on with the other label."""
    with pytest.raises(
        TableError, match=r"another of its columns \(column 3\) calls the opposite in words: 0 is read as NORMAL"
    ):
        table(column, "Pneumonia", "Normal", "Pneumonia")
    assert len(table(column, "Normal", "Pneumonia", "Normal").rows) == 3
    # A reader who errs is none that turns the numbers round.
    assert len(table(column, "Normal", "Pneumonia", "Pneumonia").rows) == 3


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        # Both classes have to be named: a word of one may be about something else.
        ("heart_size", ["enlarged", "normal"] * 10),
        ("wbc", ["high", "normal"] * 10),
        ("history", ["pneumonia", ""] * 10),
        ("indication", ["pneumonia", "cough"] * 10),
        # And in most of the rows: in some they are remarks, or a second reading where readers differ.
        ("second_read", ["pneumonia", "normal", *[""] * 18]),
        ("ecg", ["", "normal", *[""] * 18]),
    ],
)
def test_numbers_that_words_about_something_else_contradict_are_read(column: str, cells: list[str]) -> None:
    """Ordinary tables were refused for one cell `normal` of one image with pneumonia."""
    assert {row.label for row in table(column, *cells).rows} == {"NORMAL", "PNEUMONIA"}


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("anonymized", ["yes"] * 4),
        ("deidentified", ["1", "0", "1", "1"]),
        ("patient_name", ["ANONYMOUS"] * 4),
        ("subject", ["chest"] * 4),
        ("participant", ["yes", "no", "yes", ""]),
        ("num_patients", ["1"] * 4),
        ("hospital_number", ["1", "2", "3"] * 100),
        ("patient_code", ["inpatient", "outpatient"] * 100),
    ],
)
def test_a_column_of_the_same_for_many_is_none_of_patients(column: str, cells: list[str]) -> None:
    """All images were one patient's, and no split could be made."""
    assert {row.patient for row in table(column, *cells).rows} == {""}
    ids = [f"{cell},P{number // 2}" for number, cell in enumerate(cells)]
    assert [row.patient for row in table(f"{column},patient_key", *ids).rows][:3] == ["P0", "P0", "P1"]


@pytest.mark.parametrize(
    "column",
    [
        *(
            "subject",
            "SubjectID",
            "participant_id",
            "person_id",
            "patient_key",
            "Patient Name",
            "PatID",
            "Patientennummer",
        ),
        *("paciente", "ID Paciente", "Patient-ID", "patient.uid", "anonymized_id", "NHS Number", "患者ID", "empi_anon"),
    ],
)
def test_a_patient_is_known_by_what_the_column_is_called(column: str) -> None:
    """Each image was a patient of its own, and one person's in train and in test."""
    assert [row.patient for row in table(column, "P1", "P2", "P1").rows] == ["P1", "P2", "P1"]


@pytest.mark.parametrize(
    "column",
    [
        *(
            "patient_age",
            "Patient Sex",
            "patient position",
            "subject_matter",
            "personnel",
            "pathology",
            "patent",
            "case",
        ),
        *("id", "number", "name", "hospital", "anonymous", "patients_seen"),
    ],
)
def test_other_columns_are_no_patients(column: str) -> None:
    assert {row.patient for row in table(column, "P1", "P2", "P1").rows} == {""}


def test_of_a_name_and_a_number_the_one_of_fewer_people_counts() -> None:
    read = table("patient_key,patient_name", "1,A", "2,A", "3,B")
    assert [row.patient for row in read.rows] == ["A", "A", "B"]
    # One who has no name is another person each time.
    read = table("patient_key,patient_name", "1,", "1,", "2,B", "2,")
    assert [row.patient for row in read.rows] == ["1", "1", "2", "2"]


@pytest.mark.parametrize(
    "said", ["WAHR FALSCH", "VERDADERO FALSO", "Vrai Faux", "vero falso", "SANT FALSKT", "ИСТИНА ЛОЖЬ"]
)
def test_excel_writes_true_in_its_language(said: str) -> None:
    """Its English word was a label, and the others none."""
    assert [row.label for row in table("label", *said.split()).rows] == ["PNEUMONIA", "NORMAL"]


@pytest.mark.parametrize("said", ["yes no", "ja nein", "positive negative", "P N", "x o", "Y N"])
def test_words_that_answer_an_unknown_question_are_no_labels(said: str) -> None:
    with pytest.raises(TableError, match="has no row of NORMAL or PNEUMONIA"):
        table("label", *said.split())


@pytest.mark.parametrize(
    "cells", [("accepted", "rejected"), ("included", "Excluded"), ("", "exclude"), ("ok", "unusable image")]
)
def test_rows_that_a_column_sets_aside_are_refused(cells: tuple[str, ...]) -> None:
    """As a folder `excluded` is; they were trained on."""
    with pytest.raises(TableError, match=r"by which some rows are set aside, such as rejected \(column 3\): take"):
        table("status", *cells)


@pytest.mark.parametrize(
    "cells", [("accepted", "included"), ("exclude effusion", "rejected"), ("good", "bad"), ("", "")]
)
def test_other_words_about_rows_set_none_aside(cells: tuple[str, ...]) -> None:
    assert len(table("comment", *cells).rows) == 2


@pytest.mark.parametrize(
    "column", ["final_label", "label_corrected", "Consensus diagnosis", "gold_standard", "true label"]
)
def test_a_second_column_of_labels_that_differs_is_refused(column: str) -> None:
    """The one that was meant to replace it was passed over."""
    with pytest.raises(TableError, match=r"final or corrected ones \(column 3\), and they differ: call"):
        table(column, "NORMAL", "NORMAL")
    assert len(table(column, "0", "Pneumonia").rows) == len(table(column, "", "").rows) == 2


@pytest.mark.parametrize("column", ["old_label", "prediction", "final_report", "reader_label", "label_id"])
def test_other_columns_of_classes_replace_no_label(column: str) -> None:
    assert [row.label for row in table(column, "NORMAL", "NORMAL", "PNEUMONIA").rows] == [
        "NORMAL",
        "PNEUMONIA",
        "NORMAL",
    ]


@pytest.mark.parametrize("column", ["anatomy", "body_region", "BodyPart", "Anatomic Region"])
def test_a_hand_is_left_out_whatever_the_column_is_called(column: str) -> None:
    assert [row.frontal for row in table(column, "CHEST", "HAND").rows] == [True, False]


@pytest.mark.parametrize("column", ["StudyInstanceUID", "accession", "study_id", "exam_id"])
def test_a_row_has_its_study(column: str) -> None:
    """By it two images of one examination are kept in one split where nothing names the patient."""
    assert [row.study for row in table(column, "S1", "S1", "S2").rows] == ["S1", "S1", "S2"]


def test_a_trial_is_no_study() -> None:
    assert {row.study for row in table("study_id", *["TRIAL-7"] * 20).rows} == {""}
    assert {row.study for row in table("site", "A", "B").rows} == {""}
