"""The same files give the same upload, whenever and wherever it is staged, and nothing but the files is in it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra.base.assets import (
    ROOT,
    libraries,
    source_revision,
    stage_function,
    stage_function_with_libraries,
    stage_libraries,
    stage_source_code,
)


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
    """Leave what running and editing leave behind: times, modes, byte code and folder settings."""
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


def test_a_function_holds_what_its_modules_import_and_what_that_imports(sources: Path, tmp_path: Path) -> None:
    for name, content in {
        "lambdas/trigger/handler.py": "from lambdas.http.answers import x\nfrom lambdas.trigger import y\n",
        "lambdas/http/answers.py": "def f():\n    import lambdas.times\n",
        "lambdas/times/__init__.py": "",
    }.items():
        (sources / name).parent.mkdir(exist_ok=True)
        (sources / name).write_text(content, encoding="utf-8")

    staged = listing(stage_function("trigger", root=sources, build=tmp_path / "build"))

    assert {path.split("/")[1] for path in staged} == {"__init__.py", "trigger", "http", "times"}


def test_a_function_holds_a_neighbour_however_it_is_imported(sources: Path, tmp_path: Path) -> None:
    """`from lambdas import http` names no module of it, and a relative import not even the package."""
    statements = [
        "from lambdas import http",
        "import lambdas.http",
        "from .. import http",
        "from ..http import answers",
    ]
    for name in ("http/__init__.py", "http/answers.py"):
        (sources / "lambdas" / name).parent.mkdir(exist_ok=True)
        (sources / "lambdas" / name).write_text("", encoding="utf-8")
    (sources / "lambdas/http/__init__.py").write_text("from lambdas.http.answers import *\n", encoding="utf-8")
    for statement in statements:
        (sources / "lambdas/trigger/handler.py").write_text(f"{statement}\n", encoding="utf-8")
        staged = listing(stage_function("trigger", root=sources, build=tmp_path / "build"))
        assert "lambdas/http/__init__.py" in staged, statement
        assert "lambdas/http/answers.py" in staged, statement


def test_a_function_holds_nothing_that_it_does_not_import(sources: Path, tmp_path: Path) -> None:
    """Neither a neighbour of its own folder, nor what only a type checker reads, nor what a text says."""
    source = """
        \"\"\"Not: from lambdas.release import handler\"\"\"
        from typing import TYPE_CHECKING
        from model_code.deep import part
        if TYPE_CHECKING:
            from model_code.train import anything
    """
    (sources / "lambdas/trigger/handler.py").write_text(textwrap.dedent(source), encoding="utf-8")
    (sources / "lambdas/trigger/other.py").write_text("", encoding="utf-8")
    (sources / "lambdas/trigger/static").mkdir()
    (sources / "lambdas/trigger/static/page.css").write_text("", encoding="utf-8")

    staged = listing(stage_function("trigger", root=sources, build=tmp_path / "build"))

    assert staged == [
        "lambdas/__init__.py",
        "lambdas/trigger/__init__.py",
        "lambdas/trigger/handler.py",
        "lambdas/trigger/static/page.css",
        "model_code/__init__.py",
        "model_code/deep/part.py",
    ]


HANDLERS = sorted(
    path.relative_to(ROOT / "lambdas").with_suffix("")
    for path in (ROOT / "lambdas").glob("*/*.py")
    if "\ndef handle(" in path.read_text(encoding="utf-8")
)
ALONE = """
import importlib, sys
staged, repository, name = sys.argv[1:]
sys.path[:] = [staged, *(entry for entry in sys.path if entry not in ("", repository))]
importlib.import_module(name)
own = [module for name, module in sys.modules.items() if name.split(".")[0] in ("lambdas", "model_code")]
elsewhere = [module.__file__ for module in own if not module.__file__.startswith(staged)]
assert not elsewhere, elsewhere
"""


@pytest.mark.slow
@pytest.mark.parametrize("handler", HANDLERS, ids=str)
def test_every_function_starts_with_what_its_folder_holds(handler: Path, tmp_path: Path) -> None:
    """Otherwise the first call in AWS would be what finds a missing module."""
    staged = stage_function(str(handler.parent), module=handler.name, build=tmp_path / "build")
    command = [sys.executable, "-c", ALONE, str(staged), str(ROOT), f"lambdas.{handler.parent}.{handler.name}"]
    # Predict reads its variables when it is imported.
    texts = ("ENDPOINT_NAME", "DICOM_FUNCTION_NAME", "UPLOAD_BUCKET", "PREDICTIONS_TABLE", "REQUESTS_TABLE")
    numbers = ("MAX_IMAGE_BYTES", "MAX_UPLOAD_BYTES", "KEEP_DAYS")
    variables = {**dict.fromkeys(texts, "name"), **dict.fromkeys(numbers, "1"), "AWS_DEFAULT_REGION": "us-east-1"}
    variables["OUTSIDE_INTENDED_POPULATION"] = "refuse"
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_what_functions_carry_of_the_contract_imports_the_standard_library_only() -> None:
    for path in (ROOT / "model_code" / "contract").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert name.startswith("model_code.contract") or name.split(".")[0] in sys.stdlib_module_names, path


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


@pytest.fixture
def vendored(sources: Path) -> Path:
    """A dependency group as `make libraries` leaves it."""
    for name, content in {
        "requirements/group.txt": "package==1\n",
        ".venv/libraries/group-aarch64/.installed": "package==1\n",
        ".venv/libraries/group-aarch64/.lock": "",
        ".venv/libraries/group-aarch64/bin/tool": "x",
        ".venv/libraries/group-aarch64/package/__init__.py": "",
        ".venv/libraries/group-aarch64/package/__init__.pyi": "x",
        ".venv/libraries/group-aarch64/package/native.so": "code",
        ".venv/libraries/group-aarch64/package/tests/test_package.py": "x",
    }.items():
        path = sources / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return sources


def test_a_function_with_libraries_is_one_archive_of_what_it_imports(vendored: Path, tmp_path: Path) -> None:
    path, _ = stage_function_with_libraries("trigger", "group", root=vendored, build=tmp_path / "build")
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == [
            "lambdas/__init__.py",
            "lambdas/trigger/__init__.py",
            "lambdas/trigger/handler.py",
            "package/__init__.py",
            "package/native.so",
        ]
        assert archive.read("package/native.so") == b"code"
        # Lambda runs the code as another user than its owner.
        assert {member.external_attr >> 16 for member in archive.infolist()} == {0o100644}


def test_such_an_archive_is_the_same_whatever_the_clock_says(vendored: Path, tmp_path: Path) -> None:
    first, name = stage_function_with_libraries("trigger", "group", root=vendored, build=tmp_path / "one")
    litter(vendored)
    second, again = stage_function_with_libraries("trigger", "group", root=vendored, build=tmp_path / "two")

    assert name == again
    assert first.read_bytes() == second.read_bytes()


def test_its_name_follows_the_lock_file_and_the_sources(vendored: Path, tmp_path: Path) -> None:
    def name() -> str:
        return stage_function_with_libraries("trigger", "group", root=vendored, build=tmp_path / "build")[1]

    names = [name()]
    (vendored / "lambdas" / "trigger" / "handler.py").write_text("handle = 2\n", encoding="utf-8")
    names.append(name())
    for path in ("requirements/group.txt", ".venv/libraries/group-aarch64/.installed"):
        (vendored / path).write_text("package==2\n", encoding="utf-8")
    names.append(name())
    assert len(set(names)) == 3


def test_libraries_alone_are_one_archive_without_what_is_named_as_unused(vendored: Path, tmp_path: Path) -> None:
    def staged(*unused: str) -> tuple[list[str], str]:
        path, name = stage_libraries(
            "group", machine="aarch64", unused=frozenset(unused), root=vendored, build=tmp_path / "build"
        )
        with zipfile.ZipFile(path) as archive:
            return sorted(archive.namelist()), name

    whole, name = staged()
    assert whole == ["package/__init__.py", "package/native.so"]
    fewer, another = staged("native.so")
    assert fewer == ["package/__init__.py"]
    assert name != another


@pytest.mark.parametrize("left", [None, "package==0\n"], ids=["absent", "from an older lock file"])
def test_libraries_that_are_not_those_of_the_lock_file_are_not_deployed(
    left: str | None, vendored: Path, tmp_path: Path
) -> None:
    marker = vendored / ".venv" / "libraries" / "group-aarch64" / ".installed"
    if left is None:
        marker.unlink()
    else:
        marker.write_text(left, encoding="utf-8")
    with pytest.raises(FileNotFoundError, match="run `make libraries`"):
        stage_function_with_libraries("trigger", "group", root=vendored, build=tmp_path / "build")


def test_what_is_vendored_fits_a_function() -> None:
    """Lambda unpacks at most 250 MB (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""
    for lock in (ROOT / "requirements").glob("*.txt"):
        if (ROOT / ".venv" / "libraries" / f"{lock.stem}-aarch64").is_dir():
            files, _ = libraries(lock.stem, "aarch64")
            assert sum(path.stat().st_size for path in files.values()) < 250 * 1024 * 1024


def test_what_is_vendored_is_built_for_the_machine_that_it_goes_to() -> None:
    """A wheel of the machine that synthesises would be found out by the first request in AWS."""
    machines = {"aarch64": 183, "x86_64": 62}  # e_machine of an ELF file
    folders = [folder for folder in (ROOT / ".venv" / "libraries").iterdir() if (folder / ".installed").exists()]
    assert folders
    for folder in folders:
        machine = folder.name.rpartition("-")[2]
        objects = [path for path in folder.rglob("*.so*") if path.is_file()]
        assert {int.from_bytes(path.read_bytes()[18:20], "little") for path in objects} <= {machines[machine]}
        assert not [path.name for path in objects if ".cpython-" in path.name and ".cpython-312-" not in path.name]


def test_the_source_revision_is_the_commit_of_the_code_and_says_where_files_differ(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        done = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
        subprocess.run(done, cwd=tmp_path, check=True, capture_output=True)

    assert source_revision(root=tmp_path) == "unknown"
    git("init", "-q")
    (tmp_path / "model_code").mkdir()
    (tmp_path / "model_code" / "train.py").write_text("1")
    git("add", "-A")
    git("commit", "-qm", "first")
    first = source_revision(root=tmp_path)
    assert len(first) == 12
    (tmp_path / "README").write_text("2")
    git("add", "-A")
    git("commit", "-qm", "second")
    assert source_revision(root=tmp_path) == first, "nothing is trained again for a document"
    (tmp_path / "model_code" / "train.py").write_text("3")
    assert source_revision(root=tmp_path) == f"{first}-dirty"


def test_a_module_is_read_for_its_imports_once_for_each_content(sources: Path, tmp_path: Path, monkeypatch):
    """Environments that are synthesised in one process have the same functions."""
    parsed: list[bytes] = []

    def counted(content: bytes) -> ast.Module:
        parsed.append(content)
        return compile(content, "module", "exec", ast.PyCF_ONLY_AST)

    monkeypatch.setattr("infra.base.assets.ast.parse", counted)
    handler = sources / "lambdas/trigger/handler.py"
    handler.write_text(f"# {tmp_path}\nimport model_code.train\n", encoding="utf-8")
    staged = [stage_function("trigger", root=sources, build=tmp_path / name) for name in ("one", "two")]
    assert listing(staged[0]) == listing(staged[1])
    assert parsed.count(handler.read_bytes()) == 1

    handler.write_text(f"# {tmp_path}\nimport model_code.deep.part\n", encoding="utf-8")
    changed = listing(stage_function("trigger", root=sources, build=tmp_path / "one"))
    assert "model_code/deep/part.py" in changed
    assert "model_code/train.py" not in changed
