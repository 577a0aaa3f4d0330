"""Deploying the same app again changes nothing, and destroying it leaves nothing that the settings do not retain.

The last module of the folder: it takes the shared stack away.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from local.laptop import cdk
from tests.system.deployed import Stack

pytestmark = [pytest.mark.system, pytest.mark.slow]


def test_deploying_again_changes_nothing(stack: Stack, released: str) -> None:
    done = stack.laptop.run(cdk("deploy", "--all", "--require-approval", "never", output=stack.workspace / "again.out"))

    assert done.returncode == 0, done.stderr[-4000:]
    assert len(re.findall(r"\(no changes\)", done.stdout + done.stderr)) == 4
    sagemaker = stack.laptop.client("sagemaker")
    assert sagemaker.describe_endpoint(EndpointName=stack.outputs["EndpointName"])["EndpointStatus"] == "InService"


def test_destroying_leaves_only_what_is_retained(stack: Stack, released: str) -> None:
    cloudformation = stack.laptop.client("cloudformation")
    resources = {
        (item["ResourceType"], item["PhysicalResourceId"])
        for name in ("data", "training", "endpoint", "api")
        for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=f"cxr-laptop-{name}")
        for item in page["StackResourceSummaries"]
    }
    s3 = stack.laptop.client("s3")
    for kind, bucket in resources:
        if kind == "AWS::S3::Bucket":
            _empty(s3, bucket)

    done = stack.laptop.run(cdk("destroy", "--all", "--force", output=stack.workspace / "destroy.out"))

    assert done.returncode == 0, done.stderr[-4000:]
    left = {
        stack_["StackName"] for stack_ in cloudformation.describe_stacks()["Stacks"] if "cxr" in stack_["StackName"]
    }
    assert not left
    buckets = {item["Name"] for item in s3.list_buckets()["Buckets"]}
    assert not buckets & {name for kind, name in resources if kind == "AWS::S3::Bucket"}
    sagemaker = stack.laptop.client("sagemaker")
    assert not sagemaker.list_endpoints()["Endpoints"]
    assert not sagemaker.list_pipelines()["PipelineSummaries"]
    assert not stack.laptop.client("lambda").list_functions()["Functions"]
    roles = {item["RoleName"] for item in stack.laptop.client("iam").list_roles()["Roles"]}
    assert not roles & {name for kind, name in resources if kind == "AWS::IAM::Role"}


def _empty(s3: Any, bucket: str) -> None:
    """Remove every version: CloudFormation deletes empty buckets only, on the laptop as in AWS."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for item in page.get("Versions", []) + page.get("DeleteMarkers", []):
            s3.delete_object(Bucket=bucket, Key=item["Key"], VersionId=item["VersionId"])
