"""Batch transform on the laptop: a model's container, asked about every object below an S3 prefix.

Source: "Use batch transform" in the SageMaker developer guide, and API_CreateTransformJob.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from local.containers.container import Container
from local.containers.hosted_model import hosted_model
from local.core import transfer
from local.core.api import ApiError, Cloud
from local.core.transfer import TransferError
from local.jobs.job import Job, members

LOG_GROUP = "/aws/sagemaker/TransformJobs"
_DEFAULT_TIMEOUT_SECONDS = 600
_DEFAULT_PAYLOAD_MB = 6
_DEFAULT_CONCURRENCY = 1
_MIB = 1024 * 1024
_SUPPORTED = {"CompressionType": "None", "SplitType": "None"}
_SUMMARY = (
    *("TransformJobName", "TransformJobArn", "CreationTime", "TransformEndTime", "LastModifiedTime"),
    *("TransformJobStatus", "FailureReason"),
)


class _Input(NamedTuple):
    """An object to ask about, and its name below the prefix."""

    uri: str
    name: str


def check(request: Mapping[str, Any]) -> None:
    """Refuse what the laptop cannot do.

    Raises:
        ApiError: `ValidationException`.
    """
    given = request["TransformInput"]
    for member, value in _SUPPORTED.items():
        if given.get(member, value) != value:
            raise ApiError(
                "ValidationException",
                f"TransformInput: {member} '{given[member]}' is not supported on the laptop, only '{value}'.",
            )
    kind = given["DataSource"]["S3DataSource"]["S3DataType"]
    if kind not in ("S3Prefix", "ManifestFile"):
        raise ApiError("ValidationException", f"S3DataType '{kind}' is not supported on the laptop.")
    if "DataProcessing" in request:
        raise ApiError("ValidationException", "DataProcessing is not supported on the laptop.")


class TransformJob(Job):
    """A batch transform job: one request an object.

    The answer about `<prefix>/a/b.jpeg` is `<output>/a/b.jpeg.out`. An object that the container does not answer well
    has none and fails the job, which does the others all the same.

    Differences to AWS: one process, however many instances; instance types mean nothing.
    """

    def __init__(self, cloud: Cloud, arn: str, name: str, request: Mapping[str, Any]) -> None:
        super().__init__(cloud, arn, name, request)
        self.started: float | None = None
        self._failures = 0
        self._counting = threading.Lock()

    def describe(self) -> dict[str, Any]:
        """DescribeTransformJob's answer."""
        answer = {key: value for key, value in self.request.items() if key != "Tags"} | {
            "TransformJobName": self.name,
            "TransformJobArn": self.arn,
            "TransformJobStatus": self.status,
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
            "TransformStartTime": self.started,
            "TransformEndTime": self.ended,
            "FailureReason": self.failure_reason,
        }
        return {key: value for key, value in answer.items() if value is not None}

    def summary(self) -> dict[str, Any]:
        """The job in ListTransformJobs' answer."""
        return members(self.describe(), _SUMMARY)

    def _work(self) -> tuple[str, str | None]:
        try:
            model = hosted_model(self.cloud, self.request["ModelName"])
            s3 = self.cloud.client("s3", role_arn=model.role_arn)
            inputs = list(self._inputs(s3))
            container = Container(
                self.cloud,
                owner=f"transform job {self.name}",
                directory=self.cloud.state_dir / "transform-jobs" / self.name,
                log_group=LOG_GROUP,
                stream=self.name,
                model=model,
                # SageMaker sets it, and TensorFlow Serving's container takes more requests at once for it.
                environment={**self.request.get("Environment", {}), "SAGEMAKER_BATCH": "true"},
            )
            try:
                container.start()
                self.started = time.time()
                self._ask_about(inputs, container, s3)
            finally:
                container.stop()
        except (ApiError, TransferError) as error:
            return "Failed", error.message if isinstance(error, ApiError) else str(error)
        if self._stopped():
            return "Stopped", None
        if self._failures:
            reason = f"ClientError: {self._failures} of {len(inputs)} objects failed. See job logs for more information"
            return "Failed", reason
        return "Completed", None

    def _inputs(self, s3: Any) -> Iterator[_Input]:
        source = self.request["TransformInput"]["DataSource"]["S3DataSource"]
        if source["S3DataType"] == "ManifestFile":
            first, *names = json.loads(transfer.read(s3, source["S3Uri"]))
            yield from (_Input(f"{first['prefix']}{name}", name) for name in names)
            return
        bucket, prefix = transfer.split(source["S3Uri"])
        found = False
        try:
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                for entry in page.get("Contents", ()):
                    if not entry["Key"].endswith("/"):
                        found = True
                        below = entry["Key"].removeprefix(prefix).lstrip("/") or entry["Key"].rpartition("/")[2]
                        yield _Input(f"s3://{bucket}/{entry['Key']}", below)
        except (ClientError, BotoCoreError) as error:
            raise TransferError(f"ClientError: The input {source['S3Uri']} cannot be listed: {error}") from error
        if not found:
            raise TransferError(f'ClientError: No S3 objects found under S3 URL "{source["S3Uri"]}".')

    def _ask_about(self, inputs: list[_Input], container: Container, s3: Any) -> None:
        most = int(self.request.get("MaxConcurrentTransforms") or _DEFAULT_CONCURRENCY)
        with ThreadPoolExecutor(most) as workers:
            for input_ in inputs:
                workers.submit(self._ask, input_, container, s3)

    def _ask(self, input_: _Input, container: Container, s3: Any) -> None:
        if self._stopped():
            return
        given, output = self.request["TransformInput"], self.request["TransformOutput"]
        settings = self.request.get("ModelClientConfig", {})
        headers = {"Content-Type": given.get("ContentType"), "Accept": output.get("Accept")}
        try:
            body = transfer.read(s3, input_.uri)
            if len(body) > int(self.request.get("MaxPayloadInMB") or _DEFAULT_PAYLOAD_MB) * _MIB:
                raise TransferError(f"ClientError: {input_.uri} is larger than MaxPayloadInMB.")
            answer = container.invoke(
                body,
                {name: value for name, value in headers.items() if value},
                float(settings.get("InvocationsTimeoutInSeconds", _DEFAULT_TIMEOUT_SECONDS)),
            )
            if answer.status != HTTPStatus.OK:
                raise TransferError(f"ClientError: the container answered {answer.status} about {input_.uri}.")
            key, uri = output.get("KmsKeyId"), f"{output['S3OutputPath'].rstrip('/')}/{input_.name}.out"
            encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}
            bucket, name = transfer.split(uri)
            s3.put_object(Bucket=bucket, Key=name, Body=answer.body, ContentType=answer.content_type, **encryption)
        except (TransferError, ClientError, BotoCoreError, OSError):
            with self._counting:
                self._failures += 1
