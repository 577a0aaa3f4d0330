"""The same files give the same upload, whenever and wherever it is staged, and nothing but the files is in it."""

from __future__ import annotations

import os
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra.assets import stage_function, stage_source_code


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    root = tmp_path / "sources"
    for name, content in {
        "lambdas/__init__.py": "",
        "lambdas/trigger/__init__.py": "",
        "lambdas/trigger/handler.py": "handle = None\n",
        "lambdas/release/handler.py": "handle = 1\n",
        "model_code/__init__.py": "",
        "model_code/train.py": "print('train')\n",
        "model_code/deep/part.py": "x = 1\n",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return root


def listing(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def litter(root: Path) -> None:
    """What running and editing leave behind."""
    for path in root.rglob("*.py"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
        path.chmod(0o755)
    for package in ("lambdas/trigger", "model_code"):
        (root / package / "__pycache__").mkdir()
        (root / package / "__pycache__" / "handler.cpython-312.pyc").write_bytes(b"x")
        (root / package / ".DS_Store").write_bytes(b"x")


def test_a_function_holds_its_own_folder_only(sources: Path, tmp_path: Path) -> None:
    staged = stage_function("trigger", root=sources, build=tmp_path / "build")
    assert listing(staged) == ["lambdas/__init__.py", "lambdas/trigger/__init__.py", "lambdas/trigger/handler.py"]


def test_a_function_without_source_is_named(sources: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="'nothing'"):
        stage_function("nothing", root=sources, build=tmp_path / "build")


def test_the_source_archive_is_the_same_whatever_the_clock_and_the_owner_say(sources: Path, tmp_path: Path) -> None:
    first, name = stage_source_code(root=sources, build=tmp_path / "one")
    litter(sources)
    second, again = stage_source_code(root=sources, build=tmp_path / "two")

    assert name == again
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == [
        "model_code/__init__.py",
        "model_code/deep/part.py",
        "model_code/train.py",
    ]
    assert {(member.uid, member.gid, member.mtime, member.mode) for member in members} == {(0, 0, 0, 0o644)}


def test_a_function_s_folder_is_the_same_too(sources: Path, tmp_path: Path) -> None:
    first = stage_function("trigger", root=sources, build=tmp_path / "one")
    litter(sources)
    second = stage_function("trigger", root=sources, build=tmp_path / "two")

    assert first.name == second.name
    assert listing(first) == listing(second)


def test_a_changed_file_changes_the_name(sources: Path, tmp_path: Path) -> None:
    _, before = stage_source_code(root=sources, build=tmp_path / "build")
    (sources / "model_code" / "train.py").write_text("print('Train')\n", encoding="utf-8")
    path, after = stage_source_code(root=sources, build=tmp_path / "build")

    assert before != after
    with tarfile.open(path) as archive:
        content = archive.extractfile("model_code/train.py")
        assert content is not None
        assert content.read() == b"print('Train')\n"


def test_two_syntheses_at_once_do_not_disturb_each_other(sources: Path, tmp_path: Path) -> None:
    build = tmp_path / "build"
    with ThreadPoolExecutor(8) as pool:
        staged = list(pool.map(lambda _: stage_source_code(root=sources, build=build)[0], range(16)))

    assert len({path.read_bytes() for path in staged}) == 1
    assert not list(build.glob(".staging-*"))
