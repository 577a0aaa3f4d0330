"""Keeps an S3 prefix up to date with a directory while a job writes into it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from local.core import transfer
from local.core.api import ApiError
from local.core.transfer import TransferError

# SageMaker's checkpoints reach S3 "in real time"; how often it looks is not documented.
INTERVAL_SECONDS = 2.0


class Sync:
    """Uploads the files of a directory as they appear and change; a context manager for the time between.

    What is there already when this is made counts as uploaded. A file is uploaded as it is when looked at: a job that
    must never find half a file again writes another and renames it.

    Args:
        directory: made if needed.
        uri: S3 prefix.
        s3: a boto3 client that acts as the job's role, asked for at every look.
        removes: whether files that the job removes go from S3 too. SageMaker does so with checkpoints ("Checkpoints in
            Amazon SageMaker AI" of the developer guide, read 2026-11-30), and what it does where it may not is not
            said; of TensorBoard's event files nothing is.
    """

    def __init__(self, directory: Path, uri: str, s3: Callable[[], Any], *, removes: bool = False) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory, self._uri, self._s3 = directory, uri.rstrip("/"), s3
        self._removes = removes
        self._uploaded = dict(self._files())
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._look_regularly, name=f"sync to {uri}", daemon=True)

    def look(self) -> None:
        """Upload what is new or has changed since the last look, and remove what is gone where that is asked for.

        Raises:
            TransferError: access is denied or the bucket does not exist.
        """
        found = self._files()
        for path, state in found:
            if self._uploaded.get(path) == state:
                continue
            try:
                transfer.upload(self._s3(), path, self._location(path))
            except TransferError:
                if path.exists():
                    raise
                continue  # the job has removed or renamed it meanwhile
            self._uploaded[path] = state
        # Afterwards: a new checkpoint is there before the old one goes, and where a role may not delete.
        for path in self._uploaded.keys() - {path for path, _ in found} if self._removes else ():
            transfer.remove(self._s3(), self._location(path))
            del self._uploaded[path]

    def _location(self, path: Path) -> str:
        return f"{self._uri}/{path.relative_to(self._directory).as_posix()}"

    def __enter__(self) -> Sync:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()

    def _look_regularly(self) -> None:
        while not self._ending.wait(INTERVAL_SECONDS):
            try:
                self.look()
            except (ApiError, TransferError):
                continue  # what still cannot be uploaded at the job's end is told then

    def _files(self) -> list[tuple[Path, tuple[int, int, int]]]:
        found = []
        # os.walk takes no notice of directories that the job removes meanwhile.
        for directory, _, names in os.walk(self._directory):
            for path in (Path(directory, name) for name in names):
                try:
                    status = path.stat()
                except FileNotFoundError:
                    continue
                found.append((path, (status.st_ino, status.st_size, status.st_mtime_ns)))
        return sorted(found)
