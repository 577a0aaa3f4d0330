"""Benchmark of the synthesis of all environments: seconds with and without validation, and in one process.

    python -m benchmarks.operation.synth [--before FOLDER]

Runs `cdk synth` for every environment of cdk.json, as many at once as there are cores, after one run that is not
counted (byte-code, staged assets). With and without the CDK's validation of the templates, which `make synth` has on
and the laptop's command off; and once more in one process with validation, whose rules then load once, as the tests and
`make policy` do it. About two minutes. With `--before` that last way alone, in turn with another checkout, whose folder
has `.venv/libraries` and `node_modules` too: processor seconds of Python and Node together.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CDK = REPOSITORY / "node_modules" / ".bin" / "cdk"
# CloudFormation takes a template of 1 MB from S3, and 500 resources
# (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html).
LARGEST_BYTES = 1_000_000


def synth(environment: str, output: Path, *, validate: bool) -> None:
    """Run the command a person runs.

    Raises:
        CalledProcessError: it failed.
    """
    variables = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    subprocess.run(  # noqa: S603 - this project's own command
        [CDK, "synth", "--quiet", "--context", f"env={environment}", "--no-notices", "--output", output],
        cwd=REPOSITORY,
        env={**variables, "CDK_VALIDATION": "true" if validate else "false"},
        check=True,
        capture_output=True,
    )


def all_at_once(environments: list[str], workspace: Path, *, validate: bool) -> float:
    """Seconds until every environment is synthesised."""
    started = time.perf_counter()
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        list(pool.map(lambda name: synth(name, workspace / name, validate=validate), environments))
    return time.perf_counter() - started


def in_one_process(folder: Path = REPOSITORY) -> tuple[float, float]:
    """Seconds that a Python needs to import the CDK and synthesise every environment, with validation.

    Returns:
        By the clock, and of processors, those of the Node that it starts included.
    """
    program = (
        "import json, sys, tempfile; from pathlib import Path; from policy.synthesis import synthesised\n"
        "context = json.loads(Path('cdk.json').read_text())['context']\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    for name in context['environments']:\n"
        "        synthesised({**context, 'env': name}, Path(folder) / name)\n"
    )
    started, spent = time.perf_counter(), _children()
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(  # noqa: S603 - this project's own code
        [sys.executable, "-c", program], cwd=folder, env={**variables, "CDK_VALIDATION": "true"}, check=True
    )
    return time.perf_counter() - started, _children() - spent


def _children() -> float:
    """Processor seconds of all processes that were started and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def compare(before: Path, rounds: int) -> None:
    """Print processor seconds of both checkouts, each pair in turn, and the median of the ratios."""
    for folder in (before, REPOSITORY):
        in_one_process(folder)
    pairs = [(in_one_process(before)[1], in_one_process()[1]) for _ in range(rounds)]
    medians = [statistics.median(times) for times in zip(*pairs, strict=True)]
    ratio = statistics.median(now / then for then, now in pairs)
    shown = ", ".join(f"{then:.1f} and {now:.1f}" for then, now in pairs)
    sys.stdout.write(
        f"processor seconds before and now: {shown}; medians {medians[0]:.1f} and {medians[1]:.1f}, ratio {ratio:.2f}, "
        f"load {os.getloadavg()[0]:.1f}\n"
    )


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description="Time the synthesis of all environments.")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each kind (3)")
    parser.add_argument("--before", type=Path, help="folder of another checkout to compare with")
    arguments = parser.parse_args()
    rounds = arguments.rounds
    if arguments.before:
        compare(arguments.before.resolve(), rounds)
        return
    environments = list(json.loads((REPOSITORY / "cdk.json").read_text(encoding="utf-8"))["context"]["environments"])
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        all_at_once(environments, workspace, validate=False)
        sizes = {path.name: path.stat().st_size for path in workspace.glob("*/*.template.json")}
        rows = {
            "cdk synth, validated": [all_at_once(environments, workspace, validate=True) for _ in range(rounds)],
            "cdk synth": [all_at_once(environments, workspace, validate=False) for _ in range(rounds)],
            "one process, validated": [in_one_process()[0] for _ in range(rounds)],
        }
    largest = max(sizes, key=sizes.__getitem__)
    lines = [f"{len(environments)} environments, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"]
    lines += [
        f"{name:22} median {statistics.median(times):5.1f} s, least {min(times):5.1f} s, greatest {max(times):5.1f} s"
        for name, times in rows.items()
    ]
    lines.append(f"{len(sizes)} templates, the largest {largest}: {sizes[largest]:,} of {LARGEST_BYTES:,} bytes")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
