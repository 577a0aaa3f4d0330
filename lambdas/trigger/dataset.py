"""Datasets: immutable copies of uploads, zip archives or inventories, and starts of pipeline executions on them.

A processing input names a key, not a version, so an execution on `incoming/` could read another upload than the one
that started it. The copy's folder is derived from bucket, key and version, or from an inventory's content: it never
holds anything else.
"""

from __future__ import annotations

import re
from contextlib import closing
from itertools import islice
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, cast

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from lambdas.trigger.rejection import Reason, Rejection
from model_code.archive import inventory
from model_code.archive.inventory import InventoryError
from model_code.contract import archives
from model_code.contract.parameters import INPUT_ARCHIVE_URI

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef
    from mypy_boto3_sagemaker.client import SageMakerClient

    from lambdas.trigger.upload import Upload

_MIB = 1024 * 1024
COPY_CONCURRENCY = 16
# CopyObject takes at most 5 GB and one request; in parts the copy is parallel and has no such limit
# (10,000 parts of 64 MiB are 640 GB). All of it happens inside S3.
_COPY = TransferConfig(
    multipart_threshold=256 * _MIB, multipart_chunksize=64 * _MIB, max_concurrency=COPY_CONCURRENCY, use_threads=True
)
_TRAINING = "TrainModel"  # pipeline/definition.py
# One or two requests for each; an archive that was last trained on longer ago than that is not what drift needs.
_MOST_EXECUTIONS = 200
_DISPLAY_NAME_CHARACTERS = 82  # StartPipelineExecution: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,81}


def keep(s3: S3Client, upload: Upload) -> str:
    """Copy the upload to `datasets/<token>/archive.zip`, a site's to `evaluations/...`, unless it is there
    already; returns the copy's S3 URI."""
    key = f"{archives.FOLDERS[upload.purpose]}/{upload.token}/{archives.ZIP}"
    head = _head(s3, upload, key)
    if head is None or head["Metadata"].get("source-token") != upload.token or head["ContentLength"] != upload.size:
        _copy(s3, upload, key, "application/zip")
    return f"s3://{upload.bucket}/{key}"


def keep_inventory(s3: S3Client, upload: Upload) -> str:
    """Copy the inventory to `datasets/<its SHA-256>/inventory.jsonl.gz`, unless it is there; the copy's S3 URI.

    Raises:
        Rejection: it is none.
    """
    body = s3.get_object(Bucket=upload.bucket, Key=upload.key, VersionId=upload.version_id)["Body"]
    try:
        with closing(body):
            digest = inventory.check(cast("IO[bytes]", body))
    except InventoryError as error:
        raise Rejection(Reason.DAMAGED_INVENTORY, str(error)) from error
    key = f"{archives.DATASETS}/{digest}/{archives.INVENTORY}"
    if _head(s3, upload, key) is None:
        _copy(s3, upload, key, "application/gzip")
    return f"s3://{upload.bucket}/{key}"


def _copy(s3: S3Client, upload: Upload, key: str, content_type: str) -> None:
    s3.copy(
        CopySource={"Bucket": upload.bucket, "Key": upload.key, "VersionId": upload.version_id},
        Bucket=upload.bucket,
        Key=key,
        # Replaced, not copied: the source's metadata and tags are the uploader's, and tags need more permissions.
        ExtraArgs={
            "MetadataDirective": "REPLACE",
            "TaggingDirective": "REPLACE",
            "ContentType": content_type,
            "Metadata": {"source-token": upload.token, "source-version-id": upload.version_id},
        },
        Config=_COPY,
    )


def _head(s3: S3Client, upload: Upload, key: str) -> HeadObjectOutputTypeDef | None:
    try:
        return s3.head_object(Bucket=upload.bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in {"404", "NoSuchKey"}:
            return None
        raise


def newest_trained(s3: S3Client, sagemaker: SageMakerClient, bucket: str, pipeline_name: str) -> str | None:
    """S3 URI of the copy that was made last of those that a model was trained on; None while there is none.

    A newer one that a run refused, or could not finish with, would be refused again.
    """
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{archives.DATASETS}/")
    kept = {
        f"s3://{bucket}/{item['Key']}": item["LastModified"]
        for page in pages
        for item in page.get("Contents", [])
        if archives.token(item["Key"])
    }
    in_order = sorted(kept, key=lambda uri: kept[uri], reverse=True)
    trained = set()
    for uri in _trained_on(sagemaker, pipeline_name, set(kept)) if kept else ():
        trained.add(uri)
        if uri == in_order[0]:  # nothing newer can come
            break
    return next((uri for uri in in_order if uri in trained), None)


def _trained_on(sagemaker: SageMakerClient, pipeline_name: str, wanted: set[str]) -> Iterator[str]:
    """The archives of the last executions that trained a model, whatever became of the model; newest first."""
    pages = sagemaker.get_paginator("list_pipeline_executions").paginate(
        PipelineName=pipeline_name, SortBy="CreationTime", SortOrder="Descending"
    )
    summaries = (summary for page in pages for summary in page["PipelineExecutionSummaries"])
    known: set[str] = set()
    for summary in islice(summaries, _MOST_EXECUTIONS):
        arn = summary["PipelineExecutionArn"]
        given = sagemaker.get_paginator("list_pipeline_parameters_for_execution").paginate(PipelineExecutionArn=arn)
        values = {item["Name"]: item["Value"] for page in given for item in page["PipelineParameters"]}
        uri = values.get(INPUT_ARCHIVE_URI, "")
        if uri in known or uri not in wanted:
            continue
        if summary["PipelineExecutionStatus"] == "Succeeded" or _has_trained(sagemaker, arn):
            known.add(uri)
            yield uri


def _has_trained(sagemaker: SageMakerClient, execution_arn: str) -> bool:
    pages = sagemaker.get_paginator("list_pipeline_execution_steps").paginate(PipelineExecutionArn=execution_arn)
    steps = (step for page in pages for step in page["PipelineExecutionSteps"])
    return any(step["StepName"] == _TRAINING and step["StepStatus"] == "Succeeded" for step in steps)


def start(
    sagemaker: SageMakerClient,
    pipeline_name: str,
    archive_uri: str,
    *,
    token: str,
    name: str,
    description: str,
    parameters: Mapping[str, str] | None = None,
) -> str:
    """Start a pipeline on a copy; returns the execution's ARN.

    Args:
        archive_uri: S3 URI of the copy, or of the inventory.
        token: makes it idempotent: the same token gives the same execution, however often asked.
        name: shown in SageMaker Studio.
        description: what started it.
    """
    given = {**archives.parameters(archive_uri), **(parameters or {})}
    answer = sagemaker.start_pipeline_execution(
        PipelineName=pipeline_name,
        PipelineExecutionDisplayName=name,
        # Its pattern has no line ends, which a key may have (StartPipelineExecution in botocore 1.43's service model).
        PipelineExecutionDescription=" ".join(description.split()),
        PipelineParameters=[{"Name": key, "Value": value} for key, value in given.items()],
        ClientRequestToken=token,
    )
    return answer["PipelineExecutionArn"]


def display_name(upload: Upload) -> str:
    """The archive's name and the start of its token, in the characters SageMaker allows: `chest-xray-1f0c9b2a`."""
    suffix = upload.token[:8]
    stem = re.sub(r"[^a-zA-Z0-9]+", "-", PurePosixPath(upload.key).stem)
    stem = stem[: _DISPLAY_NAME_CHARACTERS - len(suffix) - 1].strip("-")
    return f"{stem}-{suffix}" if stem else suffix
