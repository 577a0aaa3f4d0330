"""Patients get the same hash under the same key."""

from __future__ import annotations

import pytest

from model_code.contract.job import JobError
from model_code.data.pseudonyms import KEY_BYTES, Pseudonyms, of_deployment, patient

KEY = bytes(range(KEY_BYTES))


def test_a_hash_depends_on_the_key_and_on_nothing_that_spelling_changes():
    mine, theirs = Pseudonyms(KEY), Pseudonyms(bytes(KEY_BYTES))
    assert mine.patient("ab-12") == mine.patient(" AB-12 ") != mine.patient("AB-13")
    assert mine.patient("0012") == mine.patient("12") != mine.patient("0")
    assert mine.patient("0-12") != mine.patient("-12")
    assert mine.patient("ab-12") != theirs.patient("ab-12")
    assert "12" not in repr(mine).replace(mine.patient("12"), "")


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
    with pytest.raises(JobError, match="has no key"):
        patient(None, "P-1")
