"""Ctrl-C while a command is still being loaded."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def silent_interrupts() -> Iterator[None]:
    """Have Ctrl-C end the process at once: a traceback of whatever was being imported tells nobody anything."""
    own = signal.getsignal(signal.SIGINT)
    if own is not signal.default_int_handler:  # whoever started it has Ctrl-C ignored
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, own)
