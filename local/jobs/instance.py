"""One machine of a job."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from local.jobs.job_log import JobLog

_SERVICE_DIRECTORY = PurePosixPath("/opt/ml")


@dataclass(frozen=True)
class Instance:
    """One machine of a job.

    Attributes:
        host: `algo-1`, `algo-2` and so on.
        directory: what its command sees as `/opt/ml`.
    """

    host: str
    directory: Path
    log: JobLog

    def local(self, path: str) -> Path:
        """Path on this machine of a path below `/opt/ml`."""
        return self.directory / PurePosixPath(path).relative_to(_SERVICE_DIRECTORY)
