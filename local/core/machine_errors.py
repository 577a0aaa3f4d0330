"""Words for what fails on this machine and not in the cloud that it plays: a full disk, memory that ran out."""

from __future__ import annotations

import errno

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def words(error: BaseException) -> str:
    """Sentence about an error that nobody foresaw; where the machine is at fault, with what to do."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return f"The laptop's disk is full ({error}): free some space and try again."
    if isinstance(error, MemoryError):
        return "The laptop's memory is full: end other programs and try again."
    return f"{type(error).__name__}: {str(error).rstrip('.')}."
