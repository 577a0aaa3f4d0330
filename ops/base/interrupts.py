"""Ctrl-C while a command is still being loaded."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def silent_interrupts() -> Iterator[None]:
    """End the process at once on Ctrl-C: a traceback of an interrupted import helps nobody."""
    own = signal.getsignal(signal.SIGINT)
    if own is not signal.default_int_handler:  # whoever started it has Ctrl-C ignored
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, own)
