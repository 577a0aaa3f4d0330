"""CreateTransformJob request of a batch."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from model_code.contract.images import MAX_REQUEST_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_sagemaker.type_defs import CreateTransformJobRequestTypeDef, TransformResourcesTypeDef

# MaxConcurrentTransforms x MaxPayloadInMB must not exceed it (API_CreateTransformJob).
_ALL_PAYLOADS_MB = 100


@dataclasses.dataclass(frozen=True)
class Machines:
    """Instances of a batch transform job.

    Attributes:
        instance_type: such as `ml.c6i.xlarge`.
        instance_count: of them.
        concurrent_requests: that each works on at once.
        key_arn: KMS key of the answers. Without one SageMaker takes the account's own of S3, whatever the bucket's is
            (`TransformOutput.KmsKeyId` in botocore 1.43's service model, read 2026-11-29).
        volume_key_arn: KMS key of the volumes, which a type with local disks does not get; empty for SageMaker's own.
        tags: of the jobs.
    """

    instance_type: str
    instance_count: int
    concurrent_requests: int
    key_arn: str
    volume_key_arn: str = ""
    tags: Mapping[str, str] = dataclasses.field(default_factory=dict)


def request(
    name: str, *, model: str, content_type: str, source: str, output: str, machines: Machines
) -> CreateTransformJobRequestTypeDef:
    """The request for one media type.

    Args:
        content_type: media type of all images.
        source: S3 prefix of the images.
        output: S3 prefix of the answers.
    """
    resources: TransformResourcesTypeDef = {
        "InstanceType": machines.instance_type,  # type: ignore[typeddict-item]
        "InstanceCount": machines.instance_count,
    }
    if key := _volume_key(machines):
        resources["VolumeKmsKeyId"] = key
    made: CreateTransformJobRequestTypeDef = {
        "TransformJobName": name,
        "ModelName": model,
        "MaxConcurrentTransforms": machines.concurrent_requests,
        "MaxPayloadInMB": max(1, min(MAX_REQUEST_BYTES >> 20, _ALL_PAYLOADS_MB // machines.concurrent_requests)),
        "BatchStrategy": "SingleRecord",
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": source}},
            "ContentType": content_type,
        },
        "TransformOutput": {"S3OutputPath": output, "Accept": "application/json", "KmsKeyId": machines.key_arn},
        "TransformResources": resources,
    }
    if machines.tags:
        made["Tags"] = [{"Key": key, "Value": value} for key, value in sorted(machines.tags.items())]
    return made


def _volume_key(machines: Machines) -> str:
    from infra.settings.instance_types import has_local_disks  # noqa: PLC0415 - pydantic, for this command alone

    return "" if has_local_disks(machines.instance_type) else machines.volume_key_arn
