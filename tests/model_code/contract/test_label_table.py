"""Tables are read as people and Excel write them; what is not certain is refused with the line."""

from __future__ import annotations

import pytest

from model_code.contract import label_table
from model_code.contract.label_table import Identity, TableError

TEXT = (
    "File,Label,Split,Subtype,Patient\nä/1.dcm,Normal,train,,p1\n2.dcm,viral pneumonia,VAL,,\n"
    "3.dcm,1,test,bacteria,p3\n"
)


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        TEXT.replace(",", ";").encode(),
        TEXT.replace(",", "\t").encode("utf-16"),
        ("sep=;\n" + TEXT.replace(",", ";")).encode(),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
        ("\n" + TEXT + "\n,,,,\n").encode(),
        "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in TEXT.splitlines()).encode(),
    ],
)
def test_what_excel_and_programs_write_is_one_table(content):
    rows = label_table.read("labels.csv", content).rows
    assert [(row.key, row.label, row.split, row.subtype, row.patient) for row in rows] == [
        ("ä/1.dcm", "NORMAL", "train", "", "p1"),
        ("2.dcm", "PNEUMONIA", "validation", "virus", ""),
        ("3.dcm", "PNEUMONIA", "test", "bacteria", "p3"),
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"file,label\n1.dcm,1\n,0\n", "Line 3 of the table labels.csv has nothing in the column file"),
        (b"file,label,split\n1.dcm,1,later\n", "Line 2 .* has a split that is none of train, val and test"),
        (b"file,label,label\n1.dcm,1,0\n", "has two columns label"),
        (b"file,label\n1.dcm,COVID\n", "has no row of NORMAL or PNEUMONIA"),
        (b"file,label\n", "a header and no rows"),
        (b"P-1234,1\nP-1235,0\n", "first line of the table labels.csv has to name its columns"),
        (b'file,label\n"1.dcm,1\n2.dcm,0\n', "is damaged near line 3"),
        (TEXT.encode("cp1252"), "not in UTF-8: line 2 has the byte 0xe4"),
        (TEXT.replace("ä", "a").encode("utf-16-le"), "in UTF-16 without the mark"),
        (b"file,label\n" + b"1.dcm,1\n" * 9_000_000, "more than 64 MiB"),
    ],
)
def test_what_is_not_certain_is_refused_with_the_place(content, reason):
    with pytest.raises(TableError, match=reason) as refusal:
        label_table.read("labels.csv", content)
    assert "P-1234" not in str(refusal.value), "a table without a header would name patients in messages"


def test_a_file_is_a_path_below_the_table_or_from_the_top_or_a_name_of_its_own():
    table = label_table.read("x/labels.csv", b"file,label\na/1.dcm,0\nx/a/2.dcm,1\n3.dcm,1\n./A\\4.DCM,0\n5.dcm,1\n")
    images = dict.fromkeys(("x/a/1.dcm", "x/a/2.dcm", "x/b/3.dcm", "x\\a\\4.dcm", "x/a/5.dcm", "x/b/5.dcm"), "")
    matches = label_table.match(table, images, {})
    assert {path: row.line for path, row in matches.rows.items()} == {
        "x/a/1.dcm": 2,
        "x/a/2.dcm": 3,
        "x/b/3.dcm": 4,
        "x\\a\\4.dcm": 5,
    }
    # Two files are called 5.dcm: a guess would be right half of the time.
    assert [row.line for row in matches.without_file] == [6]
    assert matches.without_row == ["x/a/5.dcm", "x/b/5.dcm"]


def test_a_patients_row_is_about_all_of_their_images():
    table = label_table.read("labels.csv", b"patient_id,label\np1,0\np2,1\n")
    identities = {"a": Identity("1.2", "P1"), "b": Identity("1.3", "P1"), "c": Identity("1.4", "P2")}
    matches = label_table.match(table, dict.fromkeys("abcd", ""), identities)
    assert {path: (row.label, row.patient) for path, row in matches.rows.items()} == {
        "a": ("NORMAL", "p1"),
        "b": ("NORMAL", "p1"),
        "c": ("PNEUMONIA", "p2"),
    }
    assert matches.without_row == ["d"]


def test_images_of_another_label_are_left_out_and_are_no_mistake():
    rows = b"".join(b"%d.dcm,%s\n" % (number, (b"0", b"1", b"COVID")[number % 3]) for number in range(30))
    table = label_table.read("labels.csv", b"file,label\n" + rows)
    matches = label_table.match(table, {f"{number}.dcm": "" for number in range(30)}, {})
    label_table.refuse_mismatched(table, matches, {})
    assert (len(matches.rows), len(matches.other_label)) == (20, 10)


@pytest.mark.parametrize(("missing", "refused"), [(5, False), (6, True)])
def test_one_in_twenty_may_not_fit(missing, refused):
    table = label_table.read("labels.csv", b"file,label\n" + b"".join(b"%d.dcm,1\n" % n for n in range(100)))
    matches = label_table.match(table, {f"{number}.dcm": "" for number in range(missing, 100)}, {})
    if not refused:
        return label_table.refuse_mismatched(table, matches, {})
    with pytest.raises(TableError, match=r"6 of 100 rows are about no file.*line 2, line 3, line 4 and 3 more"):
        label_table.refuse_mismatched(table, matches, {})
    return None
