"""Options that several commands have, with one name and one meaning everywhere."""

from __future__ import annotations

import os
import re
import tempfile
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from infra.settings.environment_name import ENVIRONMENT
from ops.base import output
from ops.base.errors import CommandError, ExitCode
from ops.commands.workspace import Workspace
from ops.pipelines import reports, uploads
from ops.pipelines.reports import Reporting
from ops.pipelines.uploads import Upload

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def writable(path: Path | None) -> Path | None:
    """The file that a command is to write, looked at before hours of work: its folder has to be there.

    Raises:
        BadParameter: it is not, the path is a folder's, or nothing may be written there.
    """
    if path is not None and path.is_dir():
        raise typer.BadParameter(f"{path} is a folder: name a file in it")
    if path is not None and not path.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {path.parent}")
    if path is not None and not os.access(path if path.exists() else path.parent, os.W_OK):
        raise typer.BadParameter(f"{path} cannot be written")
    return path


Env = Annotated[str | None, typer.Option("--env", "-e", help="Environment: stacks cxr-ENV-* (CXR_ENV, else dev).")]
Region = Annotated[
    str | None, typer.Option("--region", help="AWS region (else cdk.json's, else your AWS configuration's).")
]
Json = Annotated[bool, typer.Option("--json", help="JSON for scripts instead of text for people.")]
Named = Annotated[str | None, typer.Argument(metavar="[EXECUTION]", help="Identifier or ARN; the newest by default.")]
Version = Annotated[str, typer.Argument(help="Version number, ARN or `latest`.")]
Timeout = Annotated[
    float, typer.Option("--timeout", metavar="MINUTES", min=0, help="Give up waiting after this long (exit 4).")
]
Start = Annotated[
    float, typer.Option("--timeout", metavar="MINUTES", min=0, help="Wait this long for the execution to start.")
]
Save = Annotated[
    Path | None,
    typer.Option("--save", metavar="FILE", callback=writable, help="Write it there instead of opening it."),
]
Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="A parameter of the pipeline, such as Epochs=24; may be repeated."
    ),
]


Assembly = Annotated[
    Path,
    typer.Option("--assembly", metavar="DIR", show_default="cdk.out", help="Where `make synth` wrote the templates."),
]


# ApprovalDescription of UpdateModelPackage in botocore 1.43's service model, whose pattern is of one line (read
# 2026-11-29).
_LONGEST_REMARK = 1024


def remark(text: str) -> str:
    """A remark that is kept with a version, as SageMaker takes it: in one line.

    Raises:
        BadParameter: it is too long.
    """
    line = " ".join(text.split())
    if len(line) > _LONGEST_REMARK:
        raise typer.BadParameter(f"it has {len(line)} characters, and SageMaker keeps {_LONGEST_REMARK:,}")
    return line


def environment(ctx: typer.Context, env: str | None) -> str:
    """The environment that a command is about: its own option, that before the command, CXR_ENV, or dev.

    Raises:
        CommandError: no environment can have such a name.
    """
    name = str(env or (ctx.obj or {}).get("env") or os.environ.get("CXR_ENV") or "dev")
    if not re.fullmatch(ENVIRONMENT, name):
        raise CommandError(
            f"{name!r} is no environment's name (--env, CXR_ENV): it has 2 to 12 small letters and digits, as in "
            "cdk.json.",
            ExitCode.USAGE,
        )
    return name


def open_workspace(ctx: typer.Context, env: str | None, region: str | None, *, profile: str | None = None) -> Workspace:
    """The command's workspace; nothing is asked before it is needed."""
    return Workspace(env=environment(ctx, env), region=region or (ctx.obj or {}).get("region"), profile=profile)


@contextmanager
def zipped(path: Path, purpose: str = "train", *, check: bool = True) -> Iterator[Path]:
    """The zip file to upload: the given one, or that of a folder, which is removed afterwards; says what it holds.

    Args:
        purpose: one of `layout.PURPOSES`.
        check: look at a zip file; a folder is looked at anyway.

    Raises:
        CommandError: it does not serve the purpose.
    """
    from ops.pipelines import archive  # noqa: PLC0415 - what reads archives is only for those who send one

    with tempfile.TemporaryDirectory(prefix="cxr-") as scratch:
        source = path
        if path.is_dir():
            source = Path(scratch) / "archive.zip"
            output.say(f"{path}: {archive.pack(path, source, purpose)}")
        elif check:
            output.say(f"{path}: {archive.inspect(path, purpose)}")
        yield source


def sent_archive(s3: S3Client, source: Path, *, of: Path, bucket: str, folder: str = uploads.INCOMING) -> Upload:
    """Upload a zip file with progress, and say where it is.

    Args:
        s3: a client that may write to `incoming/`.
        of: the file or folder that the user named, which the key begins with.
    """
    with output.byte_progress(of.name, source.stat().st_size) as advance:
        sent = uploads.send(s3, source, bucket=bucket, name=of.resolve().name, progress=advance, folder=folder)
    output.say(f"uploaded to s3://{sent.bucket}/{sent.key}")
    return sent


def tell_started(arn: str, about: Mapping[str, Any], *, as_json: bool) -> None:
    """Name an execution that has started; for scripts also what there is to say about it."""
    name = arn.rpartition("/")[2]
    sentence = f"execution {name} started; follow it with `cxr watch`"
    output.answer({"execution": name, "arn": arn, **about}, sentence, as_json=as_json)


class EvaluationReport(NamedTuple):
    """Place of an evaluation's report, a name for it, and the ARN of the version it is about; empty where none is."""

    uri: str
    name: str
    package_arn: str


def evaluation_report(workspace: Workspace, execution: str | None, model: str | None) -> EvaluationReport:
    """An evaluation's report.

    Args:
        execution: identifier or ARN of the execution; the newest where neither is given.
        model: version that was registered, instead.

    Raises:
        CommandError: both are named, or there is no report.
    """
    if model is not None and execution is not None:
        raise CommandError("Name an execution or a version with --model, not both.", ExitCode.USAGE)
    if model is not None:
        version = workspace.registry.resolve(model)
        return EvaluationReport(workspace.registry.report_uri(version), f"version-{version.version}", version.arn)
    read = workspace.executions.read(workspace.executions.resolve(execution))
    registered = next((step.model_package for step in read.steps if step.model_package), "")
    return EvaluationReport(reports.of_execution(workspace.sagemaker, read, Reporting.EVALUATION), read.id, registered)


def written_report(report: bytes, name: str, save: Path | None) -> tuple[Path, bool]:
    """Path of a report that was written, and whether a browser shows it.

    Args:
        name: of what it is about.
        save: where to write it instead of opening it.
    """
    path = save or Path(tempfile.mkdtemp(prefix="cxr-")) / f"report-{name}.html"
    path.write_bytes(report)
    return path, save is None and webbrowser.open(path.resolve().as_uri())
