"""The whole-stack tests and the demo under other arithmetics, on other drawn patients and beside a busy program.

    python tests/system/matrix.py                            # all of it: hours
    python tests/system/matrix.py --seed 2018 --load idle    # one archive, nothing beside it
    python tests/system/matrix.py --kernels avx2 --what demo
    python tests/system/matrix.py -- tests/system/test_path.py tests/system/test_predictions.py

Seeds are the same everywhere and the arithmetic of processors is not: the same training takes another course on
another machine. Three that one machine can do stand for others: the kernels that oneDNN chooses for the processor,
those for AVX2 (TensorFlow 2.21 obeys `ONEDNN_MAX_CPU_ISA`: `ONEDNN_VERBOSE=1` says so), and Eigen's, without oneDNN.
Jobs of the embedded cloud inherit these variables (local/jobs/job_process.py).

Every combination is a process of its own, one after the other. A table says what came of each, and how far the gates
were; the exit code is 0 where all passed. Logs go to `build/matrix`.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

REPOSITORY = Path(__file__).resolve().parents[2]
LOGS = REPOSITORY / "build" / "matrix"
KERNELS = {
    "default": {},
    "avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    "eigen": {"TF_ENABLE_ONEDNN_OPTS": "0"},
}
SEEDS = (2018, 7, 11)
LOADS = ("idle", "busy")
WHAT = ("tests", "demo")
_PREDICTION = re.compile(r"^\S+\s+(NORMAL|PNEUMONIA)\s+\S*/(NORMAL|PNEUMONIA)-1\.\w+\s*$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Case:
    """One combination."""

    what: str
    kernels: str
    seed: int
    load: str

    @property
    def log(self) -> Path:
        """File for its output."""
        return LOGS / f"{self.what}-{self.kernels}-{self.seed}-{self.load}.log"

    @property
    def environment(self) -> dict[str, str]:
        """This process's, with the kernels and the seed of the case and without those of another."""
        ours = {name for variables in KERNELS.values() for name in variables}
        inherited = {name: value for name, value in os.environ.items() if name not in ours}
        return {**inherited, **KERNELS[self.kernels], "CXR_ARCHIVE_SEED": str(self.seed), "COLUMNS": "200"}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Outcome of a case."""

    case: Case
    passed: bool
    said: str
    minutes: float
    gates: str = ""


def run(case: Case, tests: list[str]) -> Outcome:
    """Run a case to its end."""
    began = time.monotonic()
    with busy_processors() if case.load == "busy" else contextlib.nullcontext():
        passed, said, gates = _demo(case) if case.what == "demo" else _tests(case, tests)
    return Outcome(case, passed, said, (time.monotonic() - began) / 60, gates)


@contextlib.contextmanager
def busy_processors() -> Iterator[None]:
    """Another program that keeps every processor busy while the block lasts."""
    # It ends by itself where this process is killed and cannot end it.
    program = "import os, sys\nwhile os.getppid() == int(sys.argv[1]): pass"
    command = [sys.executable, "-c", program, str(os.getpid())]
    running = [subprocess.Popen(command) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def _tests(case: Case, tests: list[str]) -> tuple[bool, str, str]:
    report = case.log.with_suffix(".xml")
    report.unlink(missing_ok=True)
    # Properties of tests are in the older family only.
    form = ["-o", "junit_family=xunit1", f"--junitxml={report}"]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", *form, *tests]
    code = _logged(command, case)
    if not report.exists():
        return False, f"exit code {code} without a report", ""
    written = ET.parse(report).getroot()  # noqa: S314 - by pytest, just now
    names = ("tests", "failures", "errors", "skipped")
    counted = {name: sum(int(suite.get(name, 0)) for suite in written.iter("testsuite")) for name in names}
    figures = [item.get("value", "") for item in written.iter("property") if item.get("name") == "gates"]
    said = ", ".join(f"{count} {name}" for name, count in counted.items() if count)
    return code == 0 and counted["tests"] > counted["skipped"], said, _margins(figures[0]) if figures else ""


def _demo(case: Case) -> tuple[bool, str, str]:
    command = [sys.executable, "-m", "local.demo", "--no-stay", "--port", "0", "--seed", str(case.seed)]
    code = _logged(command, case)
    found = _PREDICTION.findall(case.log.read_text(encoding="utf-8", errors="replace"))
    right = sum(called == label for called, label in found)
    return code == 0 and right == len(found) == 2, f"exit code {code}, {right} of {len(found)} predictions right", ""


def _logged(command: list[str], case: Case) -> int:
    with case.log.open("w", encoding="utf-8") as log:
        return subprocess.run(
            command, cwd=REPOSITORY, env=case.environment, stdout=log, stderr=subprocess.STDOUT, check=False
        ).returncode


def _margins(text: str) -> str:
    return ", ".join(f"{title} {value}" for title, value in json.loads(text).items())


def _row(outcome: Outcome) -> str:
    case = outcome.case
    cells = [case.what, case.kernels, str(case.seed), case.load, "passed" if outcome.passed else "FAILED"]
    return "| " + " | ".join([*cells, outcome.said, f"{outcome.minutes:.1f}", outcome.gates]) + " |"


def main(arguments: list[str] | None = None) -> int:
    """Run the combinations that are asked for and print the table; 0 where all passed."""
    parser = argparse.ArgumentParser(
        prog="python tests/system/matrix.py", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--kernels", nargs="+", choices=KERNELS, default=list(KERNELS))
    parser.add_argument("--seed", nargs="+", type=int, default=list(SEEDS), help="of the drawn archive")
    parser.add_argument("--load", nargs="+", choices=LOADS, default=list(LOADS))
    parser.add_argument("--what", nargs="+", choices=WHAT, default=list(WHAT))
    parser.add_argument("tests", nargs="*", default=["tests/system"], help="for pytest, after --")
    options = parser.parse_args(arguments)
    LOGS.mkdir(parents=True, exist_ok=True)
    sys.stdout.write(
        "| what | kernels | seed | beside it | result | counts | minutes | gates |\n|" + " --- |" * 8 + "\n"
    )
    outcomes = []
    for what, kernels, seed, load in itertools.product(options.what, options.kernels, options.seed, options.load):
        outcomes.append(run(Case(what, kernels, seed, load), options.tests))
        sys.stdout.write(_row(outcomes[-1]) + "\n")
        sys.stdout.flush()
    return 0 if all(outcome.passed for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
