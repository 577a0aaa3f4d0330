"""CloudWatch Logs of jobs: one stream for each instance of a job."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lambdas.aws.errors import error_code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_logs import CloudWatchLogsClient

# TensorFlow's C++ side logs in absl's format, about the machine and not about the step; `cxr logs` shows it all.
_NATIVE_LOG = re.compile(
    r"[IWEF]\d{4} |\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWEF] |WARNING: All log messages before absl"
)
_HOST = re.compile(r"/algo-(\d+)-")


class JobLogs:
    """Reads the logs of jobs."""

    def __init__(self, logs: CloudWatchLogsClient) -> None:
        self._logs = logs

    def last_lines(self, group: str, job: str) -> dict[str, str]:
        """The newest line of its own that each instance logged, by its host; without those that have none yet."""
        found = {}
        for stream in self._streams(group, job):
            named: Any = {"logGroupName": group, "logStreamName": stream, "limit": 20, "startFromHead": False}
            answer = self._logs.get_log_events(**named)
            if not answer["events"] and (token := answer.get("nextBackwardToken")):  # a page may be empty before others
                answer = self._logs.get_log_events(**named, nextToken=token)
            lines = [event["message"].strip() for event in answer["events"]]
            telling = [line for line in lines if line and not _NATIVE_LOG.match(line)]
            if telling:
                found[_host(stream)] = telling[-1]
        return found

    def lines(self, group: str, job: str) -> Iterator[tuple[str, str]]:
        """All lines of a job, oldest first, one instance after the other, with its host where there are several."""
        streams = self._streams(group, job)
        for stream in streams:
            host = _host(stream) if len(streams) > 1 else ""
            token: str | None = None
            while True:
                more: Any = {"nextToken": token} if token else {}
                answer = self._logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, **more)
                for event in answer["events"]:
                    yield host, event["message"].rstrip("\n")
                # CloudWatch Logs answers the same token again at the end of a stream. Pages in between may be empty
                # (GetLogEvents in botocore 1.43's service model, read 2026-11-29).
                if answer["nextForwardToken"] == token:
                    break
                token = answer["nextForwardToken"]

    def _streams(self, group: str, job: str) -> list[str]:
        """The job's log streams, `algo-2` before `algo-10`."""
        try:
            pages = self._logs.get_paginator("describe_log_streams").paginate(
                logGroupName=group, logStreamNamePrefix=f"{job}/"
            )
            names = [stream["logStreamName"] for page in pages for stream in page["logStreams"]]
        except Exception as error:
            if error_code(error) == "ResourceNotFoundException":
                return []
            raise
        return sorted(names, key=lambda name: (_number(name), name))


def _host(stream: str) -> str:
    return f"algo-{_number(stream)}"


def _number(stream: str) -> int:
    found = _HOST.search(stream)
    return int(found[1]) if found else 0
