"""Commands of this repository that `cxr` runs for a person: the CDK command line and make."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ops.base.errors import CommandError, ExitCode

_STANDARD_ERROR = 2
_POLL_SECONDS = 0.2
REPOSITORY = Path(__file__).resolve().parents[2]


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The caller's variables with this repository's tools first on the path, which `cdk` starts `python3` from."""
    places = [Path(sys.executable).parent, REPOSITORY / "node_modules" / ".bin"]
    path = os.pathsep.join([*map(str, places), os.environ.get("PATH", "")])
    return {**os.environ, "CDK_DISABLE_CLI_TELEMETRY": "true", **(more or {}), "PATH": path}


def run(
    command: Sequence[str],
    more: Mapping[str, str] | None = None,
    *,
    log: Path | None = None,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Run a command in the repository, on this terminal: all that it says goes to standard error.

    Args:
        command: the tool, found on the path of `environment`, and its arguments.
        more: variables besides the caller's.
        log: file to which its output is appended instead.
        check: called while the command runs; what it raises ends the command, and goes before its own failure.

    Raises:
        CommandError: it is not installed, or did not end well; it, or the log, says why.
    """
    variables = environment(more)
    found = shutil.which(command[0], path=variables["PATH"])
    if found is None:
        raise CommandError(
            f"{command[0]} is not installed: `make synth` installs what the CDK needs (Node 20 or newer and make are "
            "yours to install).",
            ExitCode.UNAVAILABLE,
        )
    with log.open("ab") if log else contextlib.nullcontext(_STANDARD_ERROR) as where:
        process = subprocess.Popen([found, *command[1:]], cwd=REPOSITORY, env=variables, stdout=where, stderr=where)  # noqa: S603
        try:
            while (code := _ended(process)) is None:
                check()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if code:
        check()
        why = f"; {log} says why" if log else ""
        raise CommandError(f"`{' '.join(command)}` ended with exit code {code}{why}.")


def _ended(process: subprocess.Popen[bytes]) -> int | None:
    """The exit code, waited for a moment; None while it runs."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(_POLL_SECONDS)
    return None


def output_of(command: Sequence[str]) -> str | None:
    """Output of a command, or None when it is not installed or fails."""
    variables = environment()
    found = shutil.which(command[0], path=variables["PATH"])
    if found is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603
            [found, *command[1:]],
            cwd=REPOSITORY,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def installed_cdk() -> str | None:
    """The version of the CDK command line that `run` would start, or None when there is none.

    Read from its package: starting it to ask takes a second of processor time.
    """
    found = shutil.which("cdk", path=environment()["PATH"])
    if found is None:
        return None
    for folder in Path(found).resolve().parents:
        with contextlib.suppress(OSError, ValueError, TypeError):
            package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
            if package.get("name") == "aws-cdk":
                return str(package["version"])
    # Installed some other way than by npm.
    version = output_of(["cdk", "--version"])
    return version.split()[0] if version else None


def pinned_cdk() -> str:
    """The version of the CDK command line that package.json names."""
    package = json.loads((REPOSITORY / "package.json").read_text(encoding="utf-8"))
    return str(package["devDependencies"]["aws-cdk"])


def deploy_commands(env: str, stacks: Sequence[str], *, yes: bool) -> list[list[str]]:
    """Commands that deploy an environment, in order.

    Args:
        env: name of the environment in cdk.json.
        stacks: parts to deploy, such as `api`; all when empty.
        yes: do not ask before permissions are widened.
    """
    chosen = [f"cxr-{env}-{part}" for part in stacks] or ["--all"]
    deploy = ["cdk", "deploy", *chosen, "--context", f"env={env}"]
    if yes:
        deploy.append("--require-approval=never")
    return [["make", "--silent", "libraries"], deploy]


def destroy_command(env: str) -> list[str]:
    """Command that removes an environment, without asking: who calls it has asked."""
    return ["cdk", "destroy", "--all", "--force", "--context", f"env={env}"]
