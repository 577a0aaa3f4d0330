"""Labels that readers changed travel in the archive, are trained on, and move no patient to another split."""

from __future__ import annotations

import copy
import json
import re

import pytest

from model_code.contract.documents import Revision
from model_code.contract.job import JobError
from model_code.contract.label_review import CORRECTIONS_FILE, Corrections, decode, encode, revised
from tests.model_code.conftest import SIZE, kaggle_members, zip_of
from tests.model_code.support.data_steps import URI, split
from tests.model_code.support.data_steps import decode as decode_images


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global examples, labels_section
    from model_code.data.shards import examples
    from model_code.reports.dataset_report import labels_section


SPLITS = ("train", "validation", "test")
TRAIN = "chest_xray/train/NORMAL/IM-0001-0001.jpeg"
TEST = "chest_xray/test/PNEUMONIA/person41_virus_41.jpeg"
CHANGED = {
    TRAIN: {"given": "NORMAL", "reviewed": "PNEUMONIA"},
    TEST: {"given": "PNEUMONIA", "reviewed": "NORMAL"},
}


def revision(day: int = 1) -> Revision:
    changed = {"NORMAL to PNEUMONIA": 1, "PNEUMONIA to NORMAL": 1}
    created = f"2026-11-0{day}T10:00:00+00:00"
    return {"archive_uri": URI, "table_sha256": "ab" * 32, "created": created, "changed": changed}


def read(job_directory):
    directory = job_directory / "processing" / "output"
    return {
        name: {
            one["path"].decode(): (int(one["label"]), one["subtype"].decode())
            for one in examples(directory / name, SIZE).as_numpy_iterator()
        }
        for name in SPLITS
    }


@pytest.fixture
def made(job_directory, place_archive):
    """Decodes and splits an archive with or without corrections: its card, and labels by split and path."""

    def run(corrections: Corrections | None, *, hosts: int = 1):
        members = kaggle_members()
        # A copy, as in Kaggle's double tree, of one that is corrected.
        members |= {f"chest_xray/{TRAIN}": members[TRAIN]}
        if corrections:
            members[CORRECTIONS_FILE] = encode(corrections)
        place_archive(zip_of(members))
        decode_images(job_directory, hosts=hosts)
        return split(job_directory), read(job_directory)

    return run


def test_a_review_changes_labels_and_moves_nobody(made):
    before, plain = made(None)
    after, corrected = made(revised(None, revision(), CHANGED), hosts=2)
    assert {name: set(images) for name, images in corrected.items()} == {
        name: set(images) for name, images in plain.items()
    }
    differing = {
        path: (plain[name][path], corrected[name][path])
        for name in SPLITS
        for path in plain[name]
        if plain[name][path] != corrected[name][path]
    }
    assert differing == {TRAIN: ((0, ""), (1, "")), TEST: ((1, "virus"), (0, ""))}
    assert before["sha256"] != after["sha256"]
    assert after["splits"]["test"]["labels"] == {"NORMAL": 9, "PNEUMONIA": 7}
    assert before["metadata_files"] == after["metadata_files"] == 0
    assert "review" not in before
    assert after["review"]["revisions"] == [revision()]
    assert after["review"]["changed"]["test"] == {"PNEUMONIA to NORMAL": 1}
    assert any("Labels that readers changed" in sentence for sentence in after["decisions"])


def test_the_report_says_where_the_labels_come_from_and_that_figures_do_not_compare(made):
    card, _ = made(revised(None, revision(), CHANGED))
    said = "".join(labels_section(card).parts)
    assert "Readers changed labels of test images (1 PNEUMONIA to NORMAL)" in said
    assert "is not one between two models" in said
    assert URI in said
    assert ("ab" * 32)[:12] in said


@pytest.mark.parametrize(
    "labels",
    [
        {"chest_xray/train/NORMAL/nobody.jpeg": {"given": "NORMAL", "reviewed": "PNEUMONIA"}},
        {TRAIN: {"given": "PNEUMONIA", "reviewed": "NORMAL"}},
    ],
    ids=["no such file", "another label"],
)
def test_corrections_of_another_dataset_are_refused(made, labels):
    with pytest.raises(JobError, match="are about other files or labels than it has"):
        made(revised(None, revision(), labels))


def test_what_is_no_list_of_corrections_is_refused_in_a_sentence(job_directory, place_archive):
    place_archive(zip_of(kaggle_members() | {CORRECTIONS_FILE: b"{"}))
    with pytest.raises(JobError, match=re.escape(CORRECTIONS_FILE)):
        decode_images(job_directory)


def test_a_later_revision_adds_to_the_earlier_ones_and_may_take_back():
    first = revised(None, revision(1), CHANGED)
    back = revised(first, revision(2), {TRAIN: {"given": "PNEUMONIA", "reviewed": "NORMAL"}})
    assert [one["created"][:10] for one in back["revisions"]] == ["2026-11-01", "2026-11-02"]
    assert set(back["labels"]) == {TEST}
    again = revised(back, revision(3), {TEST: {"given": "NORMAL", "reviewed": "PNEUMONIA"}})
    assert again["labels"] == {}
    assert set(first["labels"]) == {TRAIN, TEST}, "what was there is left alone"
    assert decode(encode(again)) == again


def test_other_labels_and_later_schemas_are_refused():
    found = copy.deepcopy(revised(None, revision(), CHANGED))
    other = json.loads(encode(found)) | {"schema": 2}
    with pytest.raises(ValueError, match="of schema 2, where 1 is understood"):
        decode(json.dumps(other).encode())
    found["labels"][TRAIN]["reviewed"] = "TUBERCULOSIS"
    with pytest.raises(ValueError, match="other labels than NORMAL and PNEUMONIA"):
        decode(encode(found))
