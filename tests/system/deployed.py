"""The deployed stack as a test sees it: its HTTPS API, its `cxr` command, and the services behind them."""

from __future__ import annotations

import dataclasses
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.laptop import Laptop

# Seconds. A training that takes two minutes on an idle machine took eleven beside four others, with older kernels.
_LONGEST_COMMAND = 3600


@dataclasses.dataclass(frozen=True)
class Answer:
    """An HTTP answer of the API."""

    status: int
    headers: dict[str, str]
    document: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Stack:
    """The deployed app on the embedded cloud."""

    laptop: Laptop
    workspace: Path
    outputs: dict[str, str]
    url: str
    page_url: str
    key: str

    def cxr(self, *arguments: str) -> Any:
        return self.laptop.run(["cxr", *arguments], timeout=_LONGEST_COMMAND)

    def request(self, path: str, *, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        """One request to the HTTPS API as any client would send it; the key goes along unless `headers` has one."""
        request = urllib.request.Request(self.url + path, data=body, headers={"x-api-key": self.key, **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return _answer(answer.status, answer)
        except urllib.error.HTTPError as error:
            return _answer(error.code, error)

    def predict(self, image: Path) -> Answer:
        return self.request("v1/predictions", body=image.read_bytes(), headers={"content-type": "image/jpeg"})

    def executions(self) -> list[dict[str, Any]]:
        pages = self.laptop.client("sagemaker").get_paginator("list_pipeline_executions")
        return [
            summary
            for page in pages.paginate(PipelineName=self.outputs["PipelineName"])
            for summary in page["PipelineExecutionSummaries"]
        ]

    def packages(self) -> list[dict[str, Any]]:
        group = self.outputs["ModelPackageGroupName"]
        return self.laptop.client("sagemaker").list_model_packages(ModelPackageGroupName=group)[
            "ModelPackageSummaryList"
        ]


class Inbox:
    """A queue that is subscribed to the topic of the deployed app."""

    def __init__(self, stack: Stack, queue: str) -> None:
        sns, self._sqs = (stack.laptop.client(service) for service in ("sns", "sqs"))
        self._queue = self._sqs.create_queue(QueueName=queue)["QueueUrl"]
        answer = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])
        arn = answer["Attributes"]["QueueArn"]
        allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [{**allow, "Resource": arn}]})
        self._sqs.set_queue_attributes(QueueUrl=self._queue, Attributes={"Policy": policy})
        sns.subscribe(TopicArn=stack.outputs["NotificationTopicArn"], Protocol="sqs", Endpoint=arn)

    def take(self) -> list[dict[str, Any]]:
        """The notifications that came since the last time, as SNS wraps them; they are taken out of the queue."""
        taken = []
        for message in self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages", []):
            taken.append(json.loads(message["Body"]))
            self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return taken


def succeeded(done: Any, laptop: Laptop) -> Any:
    """A finished command, or the test's failure: its reason first, the whole output and the cloud's log after it.

    Of `cxr`, all of stderr is the reason, that of the execution it followed included; other commands say much more and
    end with it.
    """
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()
        reason = said if done.args[0] == "cxr" else said[-3:]
        parts = [
            f"`{' '.join(done.args[:2])}` failed: {' '.join(' '.join(reason).split())[:2000]}",
            f"Its output:\n{(done.stdout + done.stderr)[-4000:]}",
            f"The embedded cloud's log:\n{laptop.log_tail()}",
        ]
        pytest.fail("\n\n".join(parts), pytrace=False)
    return done


def _answer(status: int, response: Any) -> Answer:
    body = response.read()
    return Answer(status, {name.lower(): value for name, value in response.headers.items()}, json.loads(body))


# Nothing waits longer than what it waits for; a machine whose processors are all busy takes some times as long.
_PATIENCE = 4


def eventually(probe: Callable[[], Any], *, within: float, what: str) -> Any:
    """The first value of `probe` that is not None or empty.

    Args:
        probe: asked twice a second.
        within: seconds that it takes at most on an idle machine; four times as many are waited for.
        what: is waited for, for the failure.
    """
    deadline = time.monotonic() + _PATIENCE * within
    while time.monotonic() < deadline:
        if value := probe():
            return value
        time.sleep(0.5)
    pytest.fail(f"{what} did not happen within {_PATIENCE * within:.0f} s")
