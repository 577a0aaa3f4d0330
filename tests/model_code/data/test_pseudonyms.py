"""Patients get the same hash under the same key, and paths that say who it is get a number."""

from __future__ import annotations

import pytest

from model_code.contract.job import JobError
from model_code.data.pseudonyms import KEY_BYTES, Pseudonyms, named, of_deployment, unnamed

KEY = bytes(range(KEY_BYTES))


def test_a_hash_depends_on_the_key_and_on_nothing_that_spelling_changes():
    mine, theirs = Pseudonyms(KEY), Pseudonyms(bytes(KEY_BYTES))
    assert mine.patient("ab-12") == mine.patient(" AB-12 ") != mine.patient("AB-13")
    assert mine.patient("0012") == mine.patient("12") != mine.patient("0")
    assert mine.patient("0-12") != mine.patient("-12")
    assert mine.patient("ab-12") != theirs.patient("ab-12")
    assert "12" not in repr(mine).replace(mine.patient("12"), "")


@pytest.mark.parametrize(
    ("path", "patient_id", "name", "shown"),
    [
        ("NORMAL/a.dcm", "P-1234", ("DOE", "JOHN"), "NORMAL/a.dcm"),
        ("NORMAL/p-1234_2.dcm", "P-1234", (), "entry-7.dcm"),
        ("doe_john/1.2.840", "P-1234", ("DOE", "JOHN"), "entry-7"),
        ("scan/12.dcm", "12", (), "entry-7.dcm"),
        ("scan/0123.dcm", "12", (), "scan/0123.dcm"),  # a short number is in any other
        ("normal/a.dcm", "", ("A", "NO"), "normal/a.dcm"),  # and so are initials
        ("DoeJohn/1.dcm", "", ("DOE",), "entry-7.dcm"),
        ("doe1.dcm", "", ("DOE",), "entry-7.dcm"),
        ("wu_li2.dcm", "", ("LI", "WU"), "entry-7.dcm"),
        ("王小东/1.dcm", "", ("王", "小东"), "entry-7.dcm"),
        ("Mu\u0308ller/1.dcm", "", ("MÜLLER",), "entry-7.dcm"),
        ("muller.dcm", "", ("MÜLLER",), "entry-7.dcm"),
        ("47114/1.dcm", "4-71-14", (), "entry-7.dcm"),
        ("47114/1.dcm", "00047114", (), "entry-7.dcm"),
    ],
)
def test_a_path_that_says_who_it_is_becomes_a_number(path, patient_id, name, shown):
    assert named(path, 7, patient_id, name) == shown


def test_a_number_keeps_the_suffix_unless_it_is_part_of_a_name():
    assert unnamed("x/DOE.DCM", 3) == "entry-3.dcm"
    assert unnamed("x/mr.doe-john", 3) == "entry-3"


@pytest.mark.parametrize("files", [{"a": b"short"}, {"a": KEY, "b": KEY}])
def test_an_input_that_is_no_key_is_refused(files, job_directory):
    folder = job_directory / "processing" / "input" / "patient-key"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    with pytest.raises(JobError, match="does not hold one key"):
        of_deployment()


def test_without_the_input_there_are_no_pseudonyms(job_directory):
    assert of_deployment() is None
