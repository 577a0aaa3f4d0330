"""Known vulnerabilities of every locked dependency: `make audit`.

pip-audit asks for each lock file's packages, `npm audit` for those of package-lock.json; both ask advisory services
over the network. What is accepted stands in requirements/accepted_advisories.toml, each with a reason and the day until
which it is. What could not be asked fails the audit: nothing was found then, because nothing was looked at.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
LOCKS = REPOSITORY / "requirements"
ACCEPTED = LOCKS / "accepted_advisories.toml"
PIP_AUDIT = REPOSITORY / ".venv" / "audit"
# What the two programs say where they could not ask (pip-audit 2.10.1 without a network and with an index that has no
# advisories, npm 10.8; run 2026-11). Without --strict pip-audit calls packages that it could not ask for no problem.
_NOT_ASKED = (
    *("could not be audited", "ConnectionError", "ServiceError", "Max retries exceeded"),
    *("audit endpoint returned an error", "ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ENOAUDIT"),
)

Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


class AdvisoriesError(ValueError):
    """The file of accepted advisories cannot be read. `str()` is a sentence that says what is wrong with it."""


@dataclasses.dataclass(frozen=True)
class Accepted:
    """An advisory that is no reason to fail.

    Attributes:
        id: as the advisory service calls it.
        reason: why it does not concern what is deployed, or why it has to wait.
        until: the last day on which that is taken for an answer.
    """

    id: str
    reason: str
    until: date


def accepted(path: Path = ACCEPTED) -> list[Accepted]:
    """The advisories that are accepted, those whose day is over included.

    Raises:
        AdvisoriesError: naming the entry that lacks something.
    """
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("advisory", [])
    found = []
    for number, entry in enumerate(entries, start=1):
        named, reason, until = (entry.get(name) for name in ("id", "reason", "until"))
        if not named or not reason or not isinstance(until, date):
            raise AdvisoriesError(f"{path.name}, entry {number}: it needs an id, a reason and a date `until`.")
        found.append(Accepted(named, reason, until))
    return found


def audit(run: Run, known: Sequence[Accepted], today: date) -> list[str]:
    """A sentence for everything that is wrong; none where every lock file is clean.

    Args:
        known: what is accepted.
        today: those until an earlier day are not.
    """
    over = [exception for exception in known if exception.until < today]
    problems = [
        f"{exception.id} was accepted until {exception.until}: look at it again ({exception.reason})"
        for exception in over
    ]
    ignored = [part for exception in known if exception not in over for part in ("--ignore-vuln", exception.id)]
    commands = {
        f"requirements/{lock.name}": [
            *(
                sys.executable,
                "-m",
                "pip_audit",
                "--strict",
                "--progress-spinner",
                "off",
                "--disable-pip",
                "--require-hashes",
            ),
            *("--requirement", str(lock), *ignored),
        ]
        for lock in sorted(LOCKS.glob("*.txt"))
    }
    commands["package-lock.json"] = ["npm", "audit", "--package-lock-only"]
    for name, command in commands.items():
        done = run(command)
        if done.returncode == 0:
            continue
        said = f"{done.stdout}\n{done.stderr}"
        if any(word in said for word in _NOT_ASKED):
            problems.append(f"{name} was not audited: the advisory service could not be asked from here")
        else:
            problems.append(f"{name}: {' '.join(said.split())[:2000]}")
    return problems


def main() -> int:
    """The command line; returns the exit code."""

    def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(PIP_AUDIT)}
        return subprocess.run(  # noqa: S603 - the commands are `audit`'s
            command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
        )

    try:
        problems = audit(run, accepted(), datetime.now(UTC).date())
    except AdvisoriesError as error:
        problems = [str(error)]
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print("No known vulnerability in any lock file, but for those that are accepted.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
