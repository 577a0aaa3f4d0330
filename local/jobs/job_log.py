"""The log of a job: a file beside its data, CloudWatch Logs, and the metrics that regular expressions find in it."""

from __future__ import annotations

import contextlib
import math
import re
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from botocore.exceptions import BotoCoreError, ClientError

# PutLogEvents: at most 10,000 events and 1,048,576 bytes a call, each event counted with 26 bytes more than its text;
# an event at most 256 KB. https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
MAX_EVENTS = 10_000
MAX_BYTES = 1_048_576
EVENT_OVERHEAD = 26
MAX_EVENT_BYTES = 256_000
FLUSH_SECONDS = 1.0


class JobLog:
    """Takes a job's output line by line; CloudWatch gets it about once a second.

    Args:
        logs: a boto3 CloudWatch Logs client.
        group: the log group, made if it does not exist.
        stream: the log stream, made at the first line.
        path: the file that gets every line as well.
        metrics: `MetricDefinitions` of a training job.
    """

    def __init__(
        self, logs: Any, group: str, stream: str, path: Path, metrics: Sequence[Mapping[str, str]] = ()
    ) -> None:
        self._logs, self._group, self._stream = logs, group, stream
        # Unbuffered: what a full disk does not take is gone, instead of in the way of the next line.
        self._file: IO[bytes] = path.open("ab", buffering=0)
        self._patterns = [(definition["Name"], re.compile(definition["Regex"])) for definition in metrics]
        self._found: dict[str, tuple[float, float]] = {}
        self._pending: list[dict[str, Any]] = []
        self._made = False
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self.tail: deque[str] = deque(maxlen=200)
        self._flusher = threading.Thread(target=self._flush_regularly, name=f"log {stream}", daemon=True)
        self._flusher.start()

    def line(self, text: str) -> None:
        """Take one line; of a progress bar redrawn with carriage returns, only what was last to be seen."""
        text = text.rstrip("\r\n").rsplit("\r", 1)[-1]
        now = time.time()
        with self._lock:
            self._keep(text)
            self.tail.append(text)
            if text:
                self._pending.append({"timestamp": int(now * 1000), "message": text})
            for name, pattern in self._patterns:
                match = pattern.search(text)
                value = _number(match.group(1)) if match and pattern.groups else None
                if value is not None:
                    self._found[name] = (value, now)

    def metrics(self) -> list[dict[str, Any]]:
        """The last value of every metric found so far, as `FinalMetricDataList`."""
        with self._lock:
            return [{"MetricName": n, "Value": v, "Timestamp": t} for n, (v, t) in self._found.items()]

    def close(self) -> None:
        """Deliver what is left."""
        self._closing.set()
        self._flusher.join()
        self._file.close()

    def _flush_regularly(self) -> None:
        while not self._closing.wait(FLUSH_SECONDS):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        with self._lock:
            events, self._pending = self._pending, []
        try:
            if events and not self._made:
                self._make("create_log_group", logGroupName=self._group)
                self._make("create_log_stream", logGroupName=self._group, logStreamName=self._stream)
                self._made = True
            for batch in batches(events):
                self._logs.put_log_events(logGroupName=self._group, logStreamName=self._stream, logEvents=batch)
        except (BotoCoreError, ClientError) as error:
            # A job does not fail for its log; the file has every line anyway.
            with self._lock:
                self._keep(f"(not delivered to CloudWatch Logs: {error})")

    def _keep(self, text: str) -> None:
        # A command whose lines nobody takes would wait for ever.
        with contextlib.suppress(OSError):
            self._file.write(f"{text}\n".encode(errors="replace"))

    def _make(self, operation: str, **names: str) -> None:
        try:
            getattr(self._logs, operation)(**names)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceAlreadyExistsException":
                raise


def batches(events: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Split log events so that each part fits one PutLogEvents call; longer lines are cut."""
    parts: list[list[dict[str, Any]]] = []
    size = MAX_BYTES
    for event in events:
        encoded = event["message"].encode()[:MAX_EVENT_BYTES]
        size += len(encoded) + EVENT_OVERHEAD
        if size > MAX_BYTES or len(parts[-1]) == MAX_EVENTS:
            parts.append([])
            size = len(encoded) + EVENT_OVERHEAD
        parts[-1].append({**event, "message": encoded.decode(errors="ignore")})
    return parts


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
