"""The parts of several hosts make a whole, or the step says which does not fit."""

from __future__ import annotations

import json

import pytest

from model_code.contract.job import JobError
from model_code.data import manifest
from tests.model_code.conftest import SIZE, kaggle_members, zip_of
from tests.model_code.support.data_steps import URI, decode

OTHER = URI.replace("0f", "1f")


@pytest.fixture
def folder(job_directory, place_archive):
    place_archive(zip_of(kaggle_members(train=4, val=0, test=0)))
    return decode(job_directory, hosts=2)


def part(folder, host):
    return folder / f"decoded-{host:05d}-of-00002.jsonl"


def test_every_file_has_its_place_whichever_host_decoded_it(folder):
    found = manifest.read(folder, URI, SIZE)
    assert len(found.radiographs) == len(found.facts) == len(found.records) == 8
    for one in found.radiographs:
        record = found.records[one.position]
        content = record.shard.read_bytes()[record.offset : record.offset + record.length]
        assert one.path.encode() in content
        assert (one.width, one.height) == (40, 40)


def test_a_missing_part_is_named(folder):
    part(folder, 0).unlink()
    with pytest.raises(JobError, match="do not make a whole; there are 2 of 2"):
        manifest.read(folder, URI, SIZE)


def test_parts_of_different_jobs_are_refused(folder, job_directory):
    (folder / "decoded-00002-of-00003.jsonl").write_text(part(folder, 1).read_text())
    with pytest.raises(JobError, match="do not make a whole"):
        manifest.read(folder, URI, SIZE)


def test_nothing_at_all_is_said(tmp_path):
    with pytest.raises(JobError, match="no instance of PreprocessImages left its part"):
        manifest.read(tmp_path, URI, SIZE)


@pytest.mark.parametrize(("uri", "size"), [(OTHER, SIZE), (URI, 2 * SIZE)])
def test_another_archive_or_size_is_refused(folder, uri, size):
    with pytest.raises(JobError, match=r"decoded from .* with ImageSize 32; asked for are .*: preprocess"):
        manifest.read(folder, uri, size)


def test_a_part_that_ends_early_is_refused(folder):
    lines = part(folder, 1).read_text().splitlines(keepends=True)
    part(folder, 1).write_text("".join(lines[:-1]))
    with pytest.raises(JobError, match="names 3 files where it promises 4"):
        manifest.read(folder, URI, SIZE)
    part(folder, 1).write_text("".join(lines)[:-20])
    with pytest.raises(JobError, match=r"00001-of-00002\.jsonl cannot be read"):
        manifest.read(folder, URI, SIZE)


def test_hosts_that_saw_different_archives_are_refused(folder):
    header, *lines = part(folder, 1).read_text().splitlines(keepends=True)
    changed = json.loads(header) | {"lines": 3}
    part(folder, 1).write_text(json.dumps(changed) + "\n" + "".join(lines[:-1]))
    with pytest.raises(JobError, match="saw 7 of the archive's 8 files"):
        manifest.read(folder, URI, SIZE)


def test_shards_that_do_not_hold_what_the_manifest_names_are_refused(folder):
    for shard in folder.glob("decoded-00001-*.tfrecord"):
        shard.write_bytes(b"")
    with pytest.raises(JobError, match="hold 0 images and their manifest names 4"):
        manifest.read(folder, URI, SIZE)


@pytest.mark.parametrize("missing", ["sha256", "facts"])
def test_a_line_that_lacks_something_is_refused(missing, folder):
    header, line, *lines = part(folder, 1).read_text().splitlines(keepends=True)
    without = {name: value for name, value in json.loads(line).items() if name != missing}
    part(folder, 1).write_text("".join([header, json.dumps(without) + "\n", *lines]))
    with pytest.raises(JobError, match=rf"00001-of-00002\.jsonl cannot be read: a line lacks '{missing}'"):
        manifest.read(folder, URI, SIZE)


def test_more_lines_than_promised_are_counted(folder):
    lines = part(folder, 1).read_text().splitlines(keepends=True)
    part(folder, 1).write_text("".join([*lines, lines[-1]]))
    with pytest.raises(JobError, match="names 5 files where it promises 4"):
        manifest.read(folder, URI, SIZE)
