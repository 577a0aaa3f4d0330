"""The stages of the demo, from an archive to two predictions; `local.demo` is the command.

Every step is the command a person would type (`cdk deploy`, `cxr upload`, `cxr watch`, ...), run against the embedded
cloud and printed as such.
"""

from __future__ import annotations

import re
import shlex
import signal
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import NoReturn

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape

from local.core.machine_errors import words
from local.laptop import REPOSITORY, Laptop, deploy, synth
from local.samples.sample_archive import ARCHIVE_SEED, write_archive, write_examples
from local.supervisor import ServerError, ServerLostError
from model_code.contract.labels import LABELS

STATE = REPOSITORY / ".laptop"
IMAGES_PER_CLASS = 400


class DemoError(Exception):
    """A stage that did not work: the command, and where to look."""


class Demo:
    """The stages, in order; each prints the commands it runs and raises DemoError when one of them fails."""

    def __init__(self, laptop: Laptop, console: Console, seed: int | None = None) -> None:
        self._laptop = laptop
        self._seed = ARCHIVE_SEED if seed is None else seed
        self._console = console
        self._started = time.monotonic()

    def run(self, archive: Path | None) -> None:
        """Run the demo, from the deployment to the predictions."""
        self._stage("Deploy the app to the embedded cloud")
        self._deploy()

        self._stage("Train on a real archive" if archive else "Train on a drawn archive")
        self._say(
            "No ImageNet weights are assumed to be reachable: ResNet50V2 is trained from scratch, on small images."
        )
        folder = self._laptop.state_dir / "examples"
        if archive is None:
            archive = STATE / "archive.zip"
            contents = write_archive(archive, images_per_class=IMAGES_PER_CLASS, seed=self._seed)
            self._say(f"Drew {contents.total} radiographs of {contents.patients} patients that do not exist.")
            examples = write_examples(folder)
        else:
            examples = take_examples(archive, folder)
        self._command(["cxr", "upload", _shown(archive)])
        self._command(["cxr", "watch"])

        self._stage("Approve the model, which releases it to the endpoint")
        self._command(["cxr", "approve", "latest", "--comment", "demo"])

        self._stage("Predict over HTTP")
        self._command(["cxr", "predict", *map(_shown, examples)])
        self._say(f"First prediction {time.monotonic() - self._started:.0f} s after the start of the deploy.")

    def _deploy(self) -> None:
        assembly = STATE / "cdk.out"
        make, put = synth(assembly), deploy(assembly)
        self._show(make)
        # The templates need no cloud: they are made while it starts.
        with self._laptop.begin(make) as synthesis:
            self._laptop.start()
            self._check(make, synthesis.wait(self._laptop.check))
        self._show(put)
        self._check(put, self._laptop.run(put))
        stacks = self._laptop.client("cloudformation").describe_stacks()["Stacks"]
        self._say(f"{len(stacks)} stacks: {', '.join(sorted(stack['StackName'] for stack in stacks))}")

    def invite(self) -> None:
        """Print which commands can follow while the cloud is up."""
        example = next((self._laptop.state_dir / "examples").glob("PNEUMONIA-1.*"))
        settings = self._laptop.state_dir / "environment"
        lines = [f"export {name}={shlex.quote(value)}" for name, value in self._laptop.environment.items()]
        settings.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self._stage("Open until Ctrl-C")
        self._say(f"Open the page in a browser: {self._laptop.page_url()} (API key: {self._laptop.api_key()})")
        self._say("Send an image yourself:")
        self._say(
            f"  curl -sS {self._laptop.api_url()}v1/predictions -H 'x-api-key: {self._laptop.api_key()}' "
            f"-H 'content-type: image/jpeg' --data-binary @{_shown(example)}"
        )
        self._say("Use the operator's command in another terminal:")
        self._say(f"  source {_shown(settings)} && .venv/bin/cxr status")

    def _stage(self, title: str) -> None:
        elapsed = time.monotonic() - self._started
        self._console.rule(f"[bold]{title}[/bold]  {elapsed:.0f} s", align="left")

    def _say(self, sentence: str) -> None:
        self._console.print(sentence, highlight=False, markup=False, soft_wrap=True)

    def _command(self, command: Sequence[str]) -> None:
        self._show(command)
        self._check(command, self._laptop.run(command, capture=False, timeout=None))

    def _show(self, command: Sequence[str]) -> None:
        self._console.print(f"[bold]$ {escape(shlex.join(command))}[/bold]", highlight=False, soft_wrap=True)

    def _check(self, command: Sequence[str], done: CompletedProcess[str]) -> None:
        if done.returncode != 0:
            output = "\n".join(((done.stdout or "") + (done.stderr or "")).splitlines()[-30:])
            raise DemoError(f"`{shlex.join(command)}` ended with exit code {done.returncode}\n{output}".rstrip())


def take_examples(archive: Path, folder: Path) -> list[Path]:
    """One radiograph of each label out of the archive, from its test split where it has one, written to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    taken = []
    with zipfile.ZipFile(archive) as members:
        names = [name for name in members.namelist() if "__MACOSX" not in name]
        for label in LABELS:
            images = [
                name for name in names if re.search(rf"(^|/){label}/[^/.][^/]*\.(jpe?g|png)$", name, re.IGNORECASE)
            ]
            if not images:
                raise DemoError(f"{archive} holds no image in a folder {label}.")
            name = next((name for name in images if re.search("(^|/)test/", name, re.IGNORECASE)), images[0])
            path = folder / f"{label}-1{Path(name).suffix.lower()}"
            path.write_bytes(members.read(name))
            taken.append(path)
    return taken


def _shown(path: Path) -> str:
    return str(path.relative_to(REPOSITORY)) if path.is_relative_to(REPOSITORY) else str(path)


def run(archive: Path | None, *, port: int, seed: int | None, stay: bool) -> int:
    """Run all stages; the exit code is 0 when every one worked.

    Args:
        archive: a zip of radiographs in Kaggle's layout; one is drawn without it.
        seed: of the drawn archive.
        stay: keep the cloud after the predictions, until Ctrl-C.
    """
    console = Console()
    signal.signal(signal.SIGTERM, _interrupt)
    laptop = Laptop(STATE / "cloud", port=port)
    finished = False
    try:
        demo = Demo(laptop, console, seed)
        demo.run(archive.resolve() if archive else None)
        finished = True
        if stay:
            demo.invite()
            laptop.wait()
    except (DemoError, ServerError, zipfile.BadZipFile, BotoCoreError, ClientError, OSError) as error:
        return _stopped(console, laptop, error)
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 0 if finished else 130
    finally:
        laptop.stop()
    return 0


def _stopped(console: Console, laptop: Laptop, error: Exception) -> int:
    """Say why the demo ends before its end: where the cloud is gone, that is the reason, whatever it led to."""
    try:
        laptop.check()
    except ServerLostError as lost:
        error = lost
    said = words(error) if isinstance(error, OSError) else error
    console.print(f"The demo stopped: {said}", style="red", markup=False, soft_wrap=True)
    if not isinstance(error, ServerLostError):
        console.print(f"The embedded cloud's log: {laptop.log}", markup=False, soft_wrap=True)
    return 1


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
