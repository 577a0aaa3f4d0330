"""Several readers of one image: what more than half of them say is its label."""

from __future__ import annotations

import pytest

from model_code.archive import label_table, table_matches
from model_code.archive.table_matches import Place

HEADER = "file,label,rad_id"


def matched(*rows: str, header: str = HEADER) -> table_matches.Matches:
    table = label_table.read("labels.csv", "\n".join([header, *rows, "z.png,NORMAL,R1"]).encode())
    return table_matches.match(table, {"a.png": Place(), "z.png": Place()}, {})


@pytest.mark.parametrize(
    ("said", "label"),
    [
        (["Pneumonia", "Pneumonia", "No finding"], "PNEUMONIA"),
        (["No finding", "Pneumonia", "No finding"], "NORMAL"),
        (["Pneumonia"], "PNEUMONIA"),
        (["Pneumonia", "Pneumonia", "Effusion", "Pneumonia"], "PNEUMONIA"),
    ],
)
def test_more_than_half_of_the_readers_decide(said: list[str], label: str) -> None:
    found = matched(*(f"a.png,{one},R{number}" for number, one in enumerate(said)))
    assert found.rows["a.png"].label == label
    assert found.two_labels == []


@pytest.mark.parametrize("said", [["Pneumonia", "No finding"], ["Pneumonia", "Effusion", "No finding"]])
def test_where_no_more_than_half_agree_the_image_is_left_out_and_the_table_is_not_refused(said: list[str]) -> None:
    found = matched(*(f"a.png,{one},R{number}" for number, one in enumerate(said)))
    assert found.readers_disagree == ["a.png"]
    assert set(found.rows) == {"z.png"}
    table_matches.refuse_mismatched(label_table.read("labels.csv", b"file,label\na,0\n"), found, {})


def test_most_of_the_readers_may_see_something_else() -> None:
    assert matched("a.png,Effusion,R1", "a.png,Effusion,R2", "a.png,Pneumonia,R3").other_label == ["a.png"]


def test_of_one_reader_a_row_for_each_finding_is_one_verdict() -> None:
    """VinDr-CXR has a row for each box that a reader drew; Pneumonia beside Cardiomegaly were two labels."""
    found = matched(
        "a.png,Cardiomegaly,R1", "a.png,Pneumonia,R1", "a.png,Pneumonia,r1", "a.png,No finding,R2", "a.png,Pneumonia,R3"
    )
    assert found.rows["a.png"].label == "PNEUMONIA"


def test_a_reader_may_have_no_verdict_in_columns_of_findings() -> None:
    rows = ["a.png,R1,0,1", "a.png,R2,0,0", "a.png,R3,0,1", "z.png,R1,1,0"]
    table = label_table.read("labels.csv", "\n".join(["image_id,rad_ID,No finding,Pneumonia", *rows]).encode())
    found = table_matches.match(table, {"a.png": Place(), "z.png": Place()}, {})
    assert {path: row.label for path, row in found.rows.items()} == {"a.png": "PNEUMONIA", "z.png": "NORMAL"}


def test_rows_without_a_reader_that_contradict_each_other_are_still_two_labels() -> None:
    """As are two patients: one of the rows is wrong."""
    assert matched("a.png,Pneumonia,", "a.png,Normal,").two_labels == ["a.png"]
    assert matched("a.png,Pneumonia,R1", "a.png,Normal,").two_labels == ["a.png"]
    two = matched("a.png,Normal,R1,P1", "a.png,Normal,R2,P2", "z.png,Normal,R1,P3", header=f"{HEADER},patient")
    assert "a.png" in two.two_labels


def test_kinds_of_pneumonia_are_kept_where_the_readers_name_one() -> None:
    said = [f"a.png,Pneumonia,{kind},R{number}" for number, kind in enumerate(["bacteria", "bacteria", ""])]
    assert matched(*said, "z.png,Normal,,R1", header="file,label,subtype,rad_id").rows["a.png"].subtype == "bacteria"
