"""Wrong invocations: a sentence that helps, before anything is asked or done, with the exit code that docs have."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from infra.settings.environment_name import LONGEST_ENVIRONMENT
from ops.base.errors import CommandError, ExitCode
from ops.cli import app
from ops.commands import options
from tests.ops.conftest import REPOSITORY, Cloud


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that commands run in, with files that are no archives."""
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("Dear colleague")
    Path("empty.zip").write_bytes(b"")
    Path("torn.zip").write_bytes(b"PK\3\4" + bytes(30))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ("watch abc --timeout -5", ExitCode.USAGE, "Invalid value for '--timeout'"),
        ("watch abc --timeout nan", ExitCode.USAGE, "Invalid value for '--timeout'"),
        ("approve 1 --timeout -1", ExitCode.USAGE, "Invalid value for '--timeout'"),
        ("monitor --timeout -1", ExitCode.USAGE, "Invalid value for '--timeout'"),
        ("upload . --timeout -1", ExitCode.USAGE, "Invalid value for '--timeout'"),
        ("status --env Prod!", ExitCode.USAGE, "'Prod!' is no environment's name"),
        ("status --env ../x", ExitCode.USAGE, "2 to 12 small letters and digits"),
        ("--env toolongforastack status", ExitCode.USAGE, "is no environment's name"),
        ("calibrate 3 --labels --save nowhere/report.html", ExitCode.USAGE, "there is no folder nowhere"),
        ("evaluate . --model 3 --save .", ExitCode.USAGE, "is a folder: name a file in it"),
        ("report --save nowhere/report.html", ExitCode.USAGE, "there is no folder nowhere"),
        ("dossier 3 --save nowhere/dossier.md", ExitCode.USAGE, "there is no folder nowhere"),
        ("bom 3 --save nowhere/bom.json", ExitCode.USAGE, "there is no folder nowhere"),
        ("labels export --csv nowhere/list.csv", ExitCode.USAGE, "there is no folder nowhere"),
        ("batch a.png --output nowhere/list.csv", ExitCode.USAGE, "there is no folder nowhere"),
        ("predict . --overlay notes.txt", ExitCode.USAGE, "Invalid value for '--overlay'"),
        ("predict . --dicom notes.txt", ExitCode.USAGE, "'notes.txt' is a file"),
        ("deploy --env nosuch", ExitCode.USAGE, 'error: There is no environment "nosuch" in cdk.json'),
        ("destroy", ExitCode.USAGE, "Nothing was removed: whether it is meant is asked at a terminal. --yes says so"),
        ("entries notes.txt", ExitCode.FAILED, "notes.txt is no zip file: name one, or the folder"),
        ("entries empty.zip", ExitCode.FAILED, "empty.zip is empty: copy or download it again."),
        ("entries torn.zip", ExitCode.FAILED, "torn.zip is not a complete zip file"),
    ],
)
@pytest.mark.usefixtures("cloud", "in_folder")
def test_what_is_wrong_is_said_before_anything_is_asked(
    cxr: Callable[..., Result],
    arguments: str,
    code: ExitCode,
    said: str,
) -> None:
    """The cloud answers nothing here. A report that cannot be written was told after hours of calibration."""
    result = cxr(*arguments.split())
    assert result.exit_code == code
    assert said in " ".join(result.stderr.replace("│", " ").split())


def test_what_can_be_written_is_taken(tmp_path: Path) -> None:
    (tmp_path / "old.html").touch()
    os.mkfifo(tmp_path / "pipe")
    there = (tmp_path / "new.html", tmp_path / "old.html", tmp_path / "pipe")
    for path in (None, *there, Path("new.html"), Path("-"), Path(os.devnull)):
        assert options.writable(path) == path


@pytest.mark.parametrize(("name", "asked"), [("new.html", ""), ("old.html", "old.html")])
def test_a_place_that_is_read_only_is_reported_before_hours_of_work(
    name: str, asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A medium that is mounted so, or another's file; who tests as root may write everywhere else."""
    (tmp_path / "old.html").touch()
    monkeypatch.setattr(os, "access", lambda path, _: path != tmp_path / asked)
    with pytest.raises(typer.BadParameter, match="cannot be written"):
        options.writable(tmp_path / name)


def test_an_environments_name_is_as_the_settings_have_it() -> None:
    context = typer.Context(typer.main.get_command(app))
    longest = "e" * LONGEST_ENVIRONMENT
    assert options.environment(context, longest) == longest
    with pytest.raises(CommandError, match="is no environment's name"):
        options.environment(context, longest + "e")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More names than a pipe holds."""
    path = tmp_path_factory.mktemp("archive") / "big.zip"
    with zipfile.ZipFile(path, "w") as made:
        for number in range(4000):
            made.writestr(f"train/NORMAL/{number:030}.jpeg", b"")
    return path


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_a_reader_that_has_enough_is_no_failure_of_what_was_asked_for(archive: Path, form: list[str]) -> None:
    """`cxr entries archive.zip | head` ended as if it had found something wrong, with 1."""
    command = [sys.executable, "-m", "ops", "entries", str(archive), *form]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ran = subprocess.run(command, cwd=REPOSITORY, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writer)
    assert (ran.returncode, ran.stderr) == (ExitCode.UNREAD, "")


@pytest.mark.parametrize(
    "arguments", [[], ["--help"], ["deploy", "--help"], ["labels"], ["labels", "import", "--help"]], ids=" ".join
)
def test_help_that_nobody_reads_to_its_end_ends_likewise(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`cxr --help | head -1` ended with 1: Rich prints it, before anything is invoked, and has an end of its own."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as unread:
        monkeypatch.setattr(sys, "stdout", unread)
        with pytest.raises(SystemExit) as end:
            app(arguments, prog_name="cxr")
    assert (end.value.code, capfd.readouterr().err) == (ExitCode.UNREAD, "")


@pytest.mark.parametrize(
    ("answer", "code", "is_removed"),
    [
        ("n\n", ExitCode.FAILED, False),
        ("\n", ExitCode.FAILED, False),
        ("maybe\nn\n", ExitCode.FAILED, False),
        ("", ExitCode.USAGE, False),
        ("maybe\n", ExitCode.USAGE, False),
        ("y\n", ExitCode.SUCCEEDED, True),
    ],
)
def test_an_answer_through_a_pipe_is_one_and_nothing_to_read_is_none(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, answer: str, code: ExitCode, is_removed: bool
) -> None:
    """`echo n | cxr destroy` said that it could not ask, after it had asked and been told no."""
    removed: list[list[str]] = []
    monkeypatch.setattr("ops.base.tools.run", removed.append)
    if is_removed:
        for part in ("training", "monitoring", "network"):
            cloud.lacks_stack(part)
    assert CliRunner().invoke(app, ["destroy"], input=answer).exit_code == code
    assert bool(removed) is is_removed


def test_without_standard_output_a_command_is_no_defect(archive: Path) -> None:
    command = ["sh", "-c", '"$0" -m ops entries "$1" 1 >&-', sys.executable, str(archive)]
    ran = subprocess.run(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
