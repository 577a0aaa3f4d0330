"""Tables are read as people and Excel write them; what is not certain is refused with the line."""

from __future__ import annotations

import pytest

from model_code.archive import label_table, table_matches
from model_code.archive.label_table import TableError
from model_code.archive.table_matches import Identity, Place

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
        ('"sep=;"\r\n' + TEXT.replace(",", ";")).encode("utf-8-sig"),
        ("sep=\t\n" + TEXT.replace(",", "\t")).encode("utf-16"),
        ("SEP=|\n" + TEXT.replace(",", "|")).encode(),
        b"\xfe\xff" + TEXT.replace(",", ";").encode("utf-16-be"),
        TEXT.replace(",", ";").replace("3.dcm;1;", "3.dcm;1,0;").encode(),
        TEXT.replace(",", "\t").replace("3.dcm\t1\t", '"3.dcm"\t"1,00"\t').encode(),
        TEXT.replace("3.dcm,1,", '3.dcm,"1,0",').encode(),
        ";;\r\n".join(TEXT.replace(",", ";").split("\n")).encode(),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
        ("\n" + TEXT + "\n,,,,\n").encode(),
        (TEXT + "\x1a").encode(),
        # A formula of a text alone keeps spreadsheets from taking it for a number.
        TEXT.replace("2.dcm", '="2.dcm"').replace("File", '="File"').encode(),
        TEXT.replace("3.dcm,1", '"=""3.dcm""","=""1"""').encode(),
        "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in TEXT.splitlines()).encode(),
        # Each line is one cell to a spreadsheet that has not taken the text apart.
        "\n".join(f'"{line}"' for line in TEXT.splitlines()).encode(),
        "\n".join(f'"{line}"' for line in TEXT.replace("ä/1.dcm", '""ä/1.dcm""').splitlines()).encode(),
        # A title before the header, and signs without a width from a page.
        ("Export, 2026-01-01\n\nWard: 3\n" + TEXT).encode(),
        TEXT.replace("Normal", "\u200bNormal").replace("2.dcm", "2.dcm\ufeff").encode(),
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
        (b"P-1234,P-1234,1\nP-1235,P-1235,0\n", "has two columns of one name"),
        (b"file,note,label\n1.dcm,no cough, normal heart,1\n2.dcm,,0\n", "Line 2 .* has more cells than"),
        (b"file,label\n1.dcm,Pneumonia?\n2.dcm,pneumonia: 0\n", "has no row of NORMAL or PNEUMONIA"),
        (b"file,label\n1.dcm,COVID\n", "has no row of NORMAL or PNEUMONIA"),
        (b"file,label\n", "a header and no rows"),
        (b"P-1234,1\nP-1235,0\n", "first line of the table labels.csv has to name its columns"),
        (b'file,label\n"1.dcm,1\n2.dcm,0\n', "is damaged near line 3"),
        (TEXT.encode("cp1252"), "not in UTF-8: line 2 has the byte 0xe4"),
        (TEXT.replace(",", ";").encode("mac-roman"), "not in UTF-8: line 2 has the byte 0x8a"),
        (TEXT.replace("ä", "a").encode("utf-16-le"), "in UTF-16 without the mark"),
        (TEXT.replace("ä", "a").encode("utf-32"), "in UTF-16 without the mark"),
        (TEXT.encode("utf-16")[:-1], "labels.csv is in UTF-16, .* cut short at byte 2"),
        (b"PK\x03\x04" + bytes(range(256)), "is a workbook, such as Excel's, and no text"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "is a workbook"),
        (b"file;label\n1.dcm;0,5\n2.dcm;1.5\n", "has no row of NORMAL or PNEUMONIA"),
        (b"file,label\n1.dcm,1,0\n", "Line 2 .* has more cells than"),
        (b"file,label\n" + b"1.dcm,1\n" * 9_000_000, "more than 64 MiB"),
    ],
)
def test_what_is_not_certain_is_refused_with_the_place(content, reason):
    with pytest.raises(TableError, match=reason) as refusal:
        label_table.read("labels.csv", content)
    assert "P-1234" not in str(refusal.value), "a table without a header would name patients in messages"


def test_a_file_is_a_path_below_the_table_or_from_the_top_or_a_name_of_its_own():
    table = label_table.read("x/labels.csv", b"file,label\na/1.dcm,0\nx/a/2.dcm,1\n3.dcm,1\n./A\\4.DCM,0\n5.dcm,1\n")
    images = dict.fromkeys(("x/a/1.dcm", "x/a/2.dcm", "x/b/3.dcm", "x\\a\\4.dcm", "x/a/5.dcm", "x/b/5.dcm"), Place())
    matches = table_matches.match(table, images, {})
    assert {path: row.line for path, row in matches.rows.items()} == {
        "x/a/1.dcm": 2,
        "x/a/2.dcm": 3,
        "x/b/3.dcm": 4,
        "x\\a\\4.dcm": 5,
    }
    # Two files are called 5.dcm: a guess would be right half of the time.
    assert [row.line for row in matches.without_file] == [6]
    assert matches.without_row == ["x/a/5.dcm", "x/b/5.dcm"]


def test_a_file_may_be_named_without_its_suffix_where_that_means_one():
    table = label_table.read("labels.csv", b"file,label\na/1,0\n2,1\n3,1\nscan.4,0\n5.dcm,1\n")
    images = dict.fromkeys(("a/1.png", "b/2.JPG", "a/3.png", "a/3.jpg", "scan.4.png", "5.png"), Place())
    matches = table_matches.match(table, images, {})
    assert {path: row.line for path, row in matches.rows.items()} == {"a/1.png": 2, "b/2.JPG": 3, "scan.4.png": 5}
    assert [row.line for row in matches.without_file] == [4, 6]


@pytest.mark.parametrize("folder", ["/data/cxr/img", "C:\\data\\cxr\\img", "../img", "old/img"])
def test_paths_of_the_machine_that_wrote_the_table_are_known_by_what_the_archive_has_of_them(folder):
    table = label_table.read("labels.csv", f"file,label\n{folder}\\a\\1.png,0\n{folder}/b/1.png,1\n".encode())
    matches = table_matches.match(table, dict.fromkeys(("img/a/1.png", "img/b/1.png"), Place()), {})
    assert {path: row.line for path, row in matches.rows.items()} == {"img/a/1.png": 2, "img/b/1.png": 3}


def test_folders_that_tell_rows_apart_are_never_left_out():
    """A row about b/1.png, which is missing, is not about a/1.png."""
    table = label_table.read("labels.csv", b"file,label\nx/b/1.png,1\nx/c/2.png,0\n")
    assert not table_matches.match(table, {"x/a/1.png": Place(), "x/a/2.png": Place()}, {}).rows


def test_names_that_differ_in_case_alone_are_of_two_files():
    table = label_table.read("labels.csv", b"file,label\nA.png,0\na.png,1\nB.PNG,1\nC.png,1\n")
    matches = table_matches.match(table, dict.fromkeys(("A.png", "a.png", "b.png", "C.PNG", "c.PNG"), Place()), {})
    assert {path: row.line for path, row in matches.rows.items()} == {"A.png": 2, "a.png": 3, "b.png": 4}
    assert matches.without_row == ["C.PNG", "c.PNG"]


def test_an_accent_is_the_same_however_a_system_writes_it():
    table = label_table.read("labels.csv", "file,label\nM\u00fcller.png,0\n".encode())
    assert list(table_matches.match(table, {"Mu\u0308ller.png": Place()}, {}).rows) == ["Mu\u0308ller.png"]


def test_a_file_of_two_patients_is_of_nobody():
    table = label_table.read("labels.csv", b"file,label,patient\n1.png,0,p1\n1.png,0,P1\n2.png,1,p1\n2.png,1,p2\n")
    matches = table_matches.match(table, {"1.png": Place(), "2.png": Place()}, {})
    assert (list(matches.rows), matches.two_labels) == (["1.png"], ["2.png"])


def test_a_folder_and_a_row_may_not_name_two_splits():
    table = label_table.read("labels.csv", b"file,label,split\n1.png,0,train\n2.png,1,test\n3.png,1,\n3.png,1,val\n")
    folders = {"1.png": "train", "2.png": "train", "3.png": None}
    matches = table_matches.match(table, {path: Place("", split) for path, split in folders.items()}, {})
    assert (list(matches.rows), matches.two_splits) == (["1.png"], ["2.png", "3.png"])
    with pytest.raises(
        TableError, match=r"2 of 3 images have two splits, that of their folder counted .*: 2\.png, 3\.png"
    ):
        table_matches.refuse_mismatched(table, matches, {})


def test_only_images_without_a_split_of_the_table_are_split_by_their_folders():
    table = label_table.read("labels.csv", b"file,label,split\n1.png,0,train\n2.png,1,\n")
    matches = table_matches.match(table, dict.fromkeys(("1.png", "2.png"), Place()), {})
    assert table_matches.without_split(table, matches) == ["2.png"]
    rsna = label_table.read("stage_2_train_labels.csv", b"patientId,Target\na,1\n")
    found = table_matches.match(rsna, {"stage_2_train_images/a.dcm": Place()}, {})
    assert table_matches.without_split(rsna, found) == []


def test_a_table_is_called_as_the_archive_calls_it():
    with pytest.raises(TableError) as refusal:
        label_table.read("JOHN DOE/labels.csv", b"file,label\n", "labels.csv")
    assert str(refusal.value) == "The table labels.csv has a header and no rows."


def test_cells_in_quotes_after_a_space_are_read():
    rows = label_table.read("labels.csv", b'file, label\n"a, b.png", "1"\n').rows
    assert [(row.key, row.label) for row in rows] == [("a, b.png", "PNEUMONIA")]


@pytest.mark.parametrize("written", ["1", "1.0", "1.00", "1,0", "1."])
def test_a_number_of_a_label_may_have_a_fraction_of_nothing(written):
    """As pandas writes a column with gaps, and Excel one that is shown with decimals."""
    normal = written.replace("1", "0")
    rows = label_table.read("labels.csv", f"file;label\na;{written}\nb;{normal}\n".encode()).rows
    assert [row.label for row in rows] == ["PNEUMONIA", "NORMAL"]
    of_rsna = f"patientId;Target\na;{written}\nb;{normal}\n".encode()
    rows = label_table.read("stage_2_train_labels.csv", of_rsna).rows
    assert [row.label for row in rows] == ["PNEUMONIA", "NORMAL"]


def test_rsnas_table_is_read_wherever_it_says_it_lies():
    table = label_table.read("./r/stage_2_train_labels.csv", b"patientId,Target\na,1\n")
    path = "./r/stage_2_train_images/a.dcm"
    assert list(table_matches.match(table, {path: Place()}, {}).rows) == [path]
    for suffix in ("", ".png", ".JPG", ".jpeg"):  # as others have converted them
        converted = {f"r/stage_2_train_images/a{suffix}": Place(), "r/stage_2_test_images/a.png": Place()}
        assert list(table_matches.match(table, converted, {}).rows) == [f"r/stage_2_train_images/a{suffix}"]
    with pytest.raises(TableError, match=r"Line 2 .* has nothing in the column patientId"):
        label_table.read("stage_2_train_labels.csv", b"Target,patientId\n1\n")


def test_a_patients_row_is_about_all_of_their_images():
    table = label_table.read("labels.csv", b"patient_id,label\np1,0\np2,1\n")
    identities = {"a": Identity("1.2", "P1"), "b": Identity("1.3", "P1"), "c": Identity("1.4", "P2")}
    matches = table_matches.match(table, dict.fromkeys("abcd", Place()), identities)
    assert {path: (row.label, row.patient) for path, row in matches.rows.items()} == {
        "a": ("NORMAL", "p1"),
        "b": ("NORMAL", "p1"),
        "c": ("PNEUMONIA", "p2"),
    }
    assert matches.without_row == ["d"]


def test_images_of_another_label_are_left_out_and_are_no_mistake():
    rows = b"".join(b"%d.dcm,%s\n" % (number, (b"0", b"1", b"COVID")[number % 3]) for number in range(30))
    table = label_table.read("labels.csv", b"file,label\n" + rows)
    matches = table_matches.match(table, {f"{number}.dcm": Place() for number in range(30)}, {})
    table_matches.refuse_mismatched(table, matches, {})
    assert (len(matches.rows), len(matches.other_label)) == (20, 10)


@pytest.mark.parametrize(("missing", "refused"), [(5, False), (6, True)])
def test_one_in_twenty_may_not_fit(missing, refused):
    table = label_table.read("labels.csv", b"file,label\n" + b"".join(b"%d.dcm,1\n" % n for n in range(100)))
    matches = table_matches.match(table, {f"{number}.dcm": Place() for number in range(missing, 100)}, {})
    if not refused:
        return table_matches.refuse_mismatched(table, matches, {})
    with pytest.raises(TableError, match=r"6 of 100 rows are about no file.*line 2, line 3, line 4 and 3 more"):
        table_matches.refuse_mismatched(table, matches, {})
    return None
