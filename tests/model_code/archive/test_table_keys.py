"""Rows are about the files that a person means, whatever a converter or a spreadsheet has made of their names."""

from __future__ import annotations

import pytest

from model_code.archive import label_table, table_matches
from model_code.archive.label_table import TableError
from model_code.archive.table_matches import Identity, Place


def found(table: str, *paths: str, identities: dict[str, Identity] | None = None) -> dict[str, str]:
    read = label_table.read("labels.csv", table.encode())
    matches = table_matches.match(read, {path: Place() for path in paths}, identities or {})
    return {path: row.label for path, row in matches.rows.items()}


def test_files_may_be_converted_since_the_table_was_written() -> None:
    """NIH's table names .png, and VinDr's none."""
    assert found("file,label\nx/1.png,0\nx/2.png,1\n", "x/1.jpg", "x/2.jpg") == {
        "x/1.jpg": "NORMAL",
        "x/2.jpg": "PNEUMONIA",
    }
    assert found("file,label\n/old/1.dcm,0\n/old/2.dcm,1\n", "a/1.png", "b/2.png") == {
        "a/1.png": "NORMAL",
        "b/2.png": "PNEUMONIA",
    }


def test_where_a_name_is_as_it_was_written_another_suffix_is_another_file() -> None:
    assert found("file,label\n1.png,0\n2.png,1\n", "1.png", "2.jpg") == {"1.png": "NORMAL"}
    assert found("file,label\n1.png,0\n2.png,1\n", "1.jpg", "1.dcm", "2.jpg") == {"2.jpg": "PNEUMONIA"}


def test_zeros_that_a_spreadsheet_took_from_names_are_known() -> None:
    assert found("file,label\n1,0\n20,1\n", "a/0001.png", "a/0020.png") == {
        "a/0001.png": "NORMAL",
        "a/0020.png": "PNEUMONIA",
    }
    assert found("file,label\n1,0\n2,1\n", "a/01.png", "b/001.png", "2.png") == {"2.png": "PNEUMONIA"}


@pytest.mark.parametrize("by", ["patient_id", "accession_number"])
def test_zeros_that_a_spreadsheet_took_from_numbers_of_patients_are_known(by: str) -> None:
    """As patients are kept together by their numbers without zeros."""
    identities = {"a": Identity(**{by: "0017"}), "b": Identity(**{by: "A01"}), "c": Identity(**{by: "100"})}
    assert found(f"{by},label\n17,0\nA01,1\n100,1\nA1,0\n", "a", "b", "c", identities=identities) == {
        "a": "NORMAL",
        "b": "PNEUMONIA",
        "c": "PNEUMONIA",
    }
    # Both are there: which one is meant?
    two = {"a": Identity(**{by: "017"}), "b": Identity(**{by: "0017"}), "c": Identity(**{by: "3"})}
    assert found(f"{by},label\n17,0\n3,1\n", "a", "b", "c", identities=two) == {"c": "PNEUMONIA"}


def test_rounded_numbers_are_said_to_be_some() -> None:
    read = label_table.read(
        "labels.csv", b"accession_number,label\n1.23457E+11,0\n2,3E+12,1\n".replace(b"2,3E", b"2.3E")
    )
    identities = {"a": Identity(accession_number="123456700000"), "b": Identity(accession_number="2300000000001")}
    matches = table_matches.match(read, {"a": Place(), "b": Place()}, identities)
    with pytest.raises(TableError, match=r"A spreadsheet has rounded long numbers in it"):
        table_matches.refuse_mismatched(read, matches, {})
