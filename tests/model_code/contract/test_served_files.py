"""A container and whoever signed the archive come to the same digest, and every change of the files changes it."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile

import numpy as np
import pytest

from lambdas.aws import package_files, statement
from model_code.contract.served_files import digest, digest_of_directory, path_of
from tests.lambdas.aws.test_provenance import FILES as ARTIFACTS
from tests.lambdas.aws.test_provenance import Signed
from tests.lambdas.signing import packed

FILES = {
    "metadata.json": b'{"dataset": {"sha256": "d"}}',
    "1/saved_model.pb": b"graph",
    "code/inference.py": b"import json\n",
    "code/lib/größe.py": b"",
}


@pytest.fixture
def directory(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path


def signed_digest(archive):
    signed = Signed()
    signed.s3.objects[ARTIFACTS[package_files.MODEL]] = archive
    return statement.served_digest(signed.provenance.inspector.statement(signed.package))


def test_it_is_go_s_hash_of_a_directory():
    """Whoever has `dirhash` of golang.org/x/mod, or another tool for in-toto's `dirHash`, comes to the same."""
    contents = {"abc": b"data for abc", "xyz": b"data for xyz"}
    lines = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in contents.items())
    found = digest({name: hashlib.sha256(content).hexdigest() for name, content in reversed(contents.items())})
    assert found == hashlib.sha256(lines.encode()).hexdigest()


@pytest.mark.parametrize("before", ["", "./"])
def test_what_is_signed_of_an_archive_is_what_a_container_computes_of_its_files(directory, before):
    assert signed_digest(packed(FILES, before)) == digest_of_directory(directory)


def test_an_archive_that_was_compressed_in_pieces_has_the_same(directory):
    whole = gzip.decompress(packed(FILES))
    # Between two files, where a reader of the first piece alone would not miss the others.
    pieces = [gzip.compress(whole[start : start + 1024]) for start in range(0, len(whole), 1024)]
    assert signed_digest(b"".join(pieces)) == digest_of_directory(directory)


def test_a_hard_link_is_a_file_when_it_is_unpacked(directory):
    os.link(directory / "1" / "saved_model.pb", directory / "code" / "copy.pb")
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as tar:
        tar.add(directory, ".")
        assert [one.name for one in tar if one.islnk()]
    assert signed_digest(written.getvalue()) == digest_of_directory(directory)


def test_the_order_of_an_archive_does_not_matter():
    assert signed_digest(packed(dict(reversed(FILES.items())))) == signed_digest(packed(FILES))


def test_byte_code_that_python_writes_beside_the_modules_does_not_count(directory):
    before = digest_of_directory(directory)
    (directory / "code" / "__pycache__").mkdir()
    (directory / "code" / "__pycache__" / "inference.cpython-312.pyc").write_bytes(b"code")
    assert digest_of_directory(directory) == before
    assert path_of("./code/__pycache__/inference.cpython-312.pyc") is None


@pytest.mark.parametrize("name", FILES)
def test_every_change_of_a_file_changes_it(directory, name):
    before = digest_of_directory(directory)
    (directory / name).write_bytes(FILES[name] + b" ")
    assert digest_of_directory(directory) != before
    (directory / name).rename(directory / f"{name}.old")
    assert digest_of_directory(directory) != before
    (directory / f"{name}.old").unlink()
    assert digest_of_directory(directory) != before


def test_a_line_break_in_a_name_is_refused():
    """Else two sets of files could have one digest."""
    with pytest.raises(ValueError, match=r"'a\\nb' has a line break"):
        digest({"a\nb": "0" * 64})


def test_an_archive_that_cannot_be_read_has_none_and_is_still_signed_by_its_own():
    signed = Signed()
    signed.s3.objects[ARTIFACTS[package_files.MODEL]] = packed(
        {"metadata.json": b"{}", "1/variables": np.random.default_rng(7).bytes(100_000)}
    )[:50_000]
    stated = signed.provenance.inspector.statement(signed.package)
    assert statement.served_digest(stated) is None
    assert package_files.MODEL in statement.digests(stated)


def test_a_statement_of_before_it_was_told_is_as_good_as_it_was():
    """Nothing that was signed then is called changed because more is stated now."""
    signed = Signed()
    now = signed.provenance.inspector.statement(signed.package)
    before = {**now, "subject": statement.files(now)}
    assert statement.served_digest(now)
    assert statement.served_digest(before) is None
    assert statement.differences(before, now) == []
