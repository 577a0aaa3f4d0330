"""The whole stack on this machine, from an archive to two predictions: `make demo`.

python -m local.demo                              # draws its own archive
python -m local.demo --archive chest_xray.zip     # a real one
python -m local.demo --no-stay                    # ends after the predictions
python -m local.demo --seed 7                     # draws other patients
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ops.base.interrupts import silent_interrupts


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; the exit code is 0 when every stage worked."""
    parser = argparse.ArgumentParser(prog="python -m local.demo", description="The whole stack on this machine.")
    parser.add_argument("--archive", type=Path, help="a zip of radiographs in Kaggle's layout (default: draw one)")
    parser.add_argument("--seed", type=int, help="of the drawn archive: another, other patients")
    parser.add_argument("--no-stay", dest="stay", action="store_false", help="end after the predictions")
    parser.add_argument("--port", type=int, default=4566, help="where the embedded cloud listens (4566)")
    options = parser.parse_args(arguments)
    if not 1 <= options.port <= 65535:
        parser.error(f"argument --port: {options.port} is no port: take one from 1 to 65535")
    if options.archive is not None and not options.archive.is_file():
        print(f"There is no archive at {options.archive}.", file=sys.stderr)
        return 2
    with silent_interrupts():
        from local import stages  # noqa: PLC0415 - what takes time
    return stages.run(options.archive, port=options.port, seed=options.seed, stay=options.stay)


if __name__ == "__main__":
    sys.exit(main())
