"""Messages for failures of this machine, not of the emulated cloud: a full disk, no memory left."""

from __future__ import annotations

import errno

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def words(error: BaseException) -> str:
    """Message for an unexpected error; where the machine is at fault, with advice."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return f"The laptop's disk is full ({error}): free some space and try again."
    if isinstance(error, MemoryError):
        return "The laptop's memory is full: end other programs and try again."
    return f"{type(error).__name__}: {str(error).rstrip('.')}."
