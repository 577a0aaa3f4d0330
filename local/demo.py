"""The whole stack on this machine, from an archive to two predictions: `make demo`.

Every step is the command a person would type (`cdk deploy`, `cxr upload`, `cxr watch`, ...), run against the embedded
cloud and printed as such.

    python -m local.demo                              # draws its own archive
    python -m local.demo --archive chest_xray.zip     # a real one
    python -m local.demo --no-stay                    # ends after the predictions
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rich.console import Console

from local.laptop import REPOSITORY, Laptop, LaptopError, cdk
from local.radiographs import write_archive, write_examples

if TYPE_CHECKING:
    from collections.abc import Sequence

STATE = REPOSITORY / ".laptop"
IMAGES_PER_CLASS = 200


class Demo:
    """The stages, in order; each prints the commands it runs and raises LaptopError when one of them fails."""

    def __init__(self, laptop: Laptop, console: Console) -> None:
        self._laptop = laptop
        self._console = console
        self._started = time.monotonic()

    def run(self, archive: Path | None) -> None:
        """Everything from the deploy to the predictions."""
        self._stage("Deploy the app to the embedded cloud")
        self._command(cdk("deploy", "--all", "--require-approval", "never", output=self._laptop.state_dir / "cdk.out"))

        self._stage("Train on a real archive" if archive else "Train on a drawn archive")
        self._say(
            "No ImageNet weights are assumed to be reachable: ResNet50V2 is trained from scratch, on small images."
        )
        if archive is None:
            archive = self._laptop.state_dir / "archive.zip"
            contents = write_archive(archive, images_per_class=IMAGES_PER_CLASS)
            self._say(f"Drew {contents.total} radiographs of {contents.patients} patients that do not exist.")
        self._command(["cxr", "upload", str(archive)])
        self._command(["cxr", "watch"])

        self._stage("Approve the model, which releases it to the endpoint")
        self._command(["cxr", "approve", "latest", "--comment", "demo"])

        self._stage("Predict over HTTP")
        examples = write_examples(self._laptop.state_dir / "examples")
        self._command(["cxr", "predict", *(str(path.relative_to(REPOSITORY)) for path in examples)])
        self._say(f"First prediction {time.monotonic() - self._started:.0f} s after the start of the deploy.")

    def invite(self) -> None:
        """Say how to go on while the cloud is up."""
        example = self._laptop.state_dir / "examples" / "PNEUMONIA-1.jpeg"
        settings = self._laptop.state_dir / "environment"
        lines = [f"export {name}={shlex.quote(value)}" for name, value in self._laptop.environment.items()]
        settings.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self._stage("Open until Ctrl-C")
        self._say("Send an image yourself:")
        self._say(
            f"  curl -sS {self._laptop.api_url()}v1/predictions -H 'x-api-key: {self._laptop.api_key()}' "
            f"-H 'content-type: image/jpeg' --data-binary @{example.relative_to(REPOSITORY)}"
        )
        self._say("Use the operator's command in another terminal:")
        self._say(f"  source {settings.relative_to(REPOSITORY)} && .venv/bin/cxr status")

    def _stage(self, title: str) -> None:
        elapsed = time.monotonic() - self._started
        self._console.rule(f"[bold]{title}[/bold]  {elapsed:.0f} s", align="left")

    def _say(self, sentence: str) -> None:
        self._console.print(sentence, highlight=False, markup=False, soft_wrap=True)

    def _command(self, command: Sequence[str]) -> None:
        self._console.print(f"[bold]$ {shlex.join(command)}[/bold]", highlight=False, soft_wrap=True)
        done = self._laptop.run(command, capture=False, timeout=None)
        if done.returncode != 0:
            raise LaptopError(f"`{shlex.join(command)}` ended with exit code {done.returncode}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; the exit code is 0 when every stage worked."""
    parser = argparse.ArgumentParser(prog="python -m local.demo", description="The whole stack on this machine.")
    parser.add_argument("--archive", type=Path, help="a zip of radiographs in Kaggle's layout (default: draw one)")
    parser.add_argument("--no-stay", dest="stay", action="store_false", help="end after the predictions")
    parser.add_argument("--port", type=int, default=4566, help="where the embedded cloud listens (4566)")
    options = parser.parse_args(arguments)
    console = Console()
    signal.signal(signal.SIGTERM, _interrupt)
    if options.archive is not None and not options.archive.is_file():
        console.print(f"There is no archive at {options.archive}.", style="red", markup=False)
        return 2
    laptop = Laptop(STATE, port=options.port)
    finished = False
    try:
        console.print("Starting the embedded cloud ...")
        with laptop:
            demo = Demo(laptop, console)
            demo.run(options.archive.resolve() if options.archive else None)
            finished = True
            if options.stay:
                demo.invite()
                signal.pause()
    except LaptopError as error:
        console.print(f"The demo stopped: {error}", style="red", markup=False, soft_wrap=True)
        console.print(f"The embedded cloud's log: {laptop.log}", markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 0 if finished else 130
    return 0


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
