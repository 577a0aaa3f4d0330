"""`cxr`, also as `python -m ops`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ops.base.interrupts import silent_interrupts


def main() -> None:
    """Run the command."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed, as `>&-` does, or there is no console
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - as long as the process
    with silent_interrupts():
        from ops.cli import app  # noqa: PLC0415 - what takes time
    app(prog_name="cxr")


if __name__ == "__main__":
    main()
