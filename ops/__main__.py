"""`cxr`, also as `python -m ops`."""

from __future__ import annotations

from ops.base.interrupts import silent_interrupts


def main() -> None:
    """Run the command."""
    with silent_interrupts():
        from ops.cli import app  # noqa: PLC0415 - what takes time
    app(prog_name="cxr")


if __name__ == "__main__":
    main()
