"""Deploying the same app again changes nothing, and destroying it leaves nothing that the settings do not retain.

The last module that uses the shared stack: it takes it away.
"""

from __future__ import annotations

import re

import pytest

from local.laptop import deploy, destroy, synth
from tests.system.deployed import Stack

pytestmark = [pytest.mark.system, pytest.mark.slow]


def test_deploying_again_changes_nothing(stack: Stack, released: str) -> None:
    assert stack.laptop.run(synth(stack.workspace / "again.out")).returncode == 0
    done = stack.laptop.run(deploy(stack.workspace / "again.out"))

    assert done.returncode == 0, done.stderr[-4000:]
    assert len(re.findall(r"\(no changes\)", done.stdout + done.stderr)) == 6
    sagemaker = stack.laptop.client("sagemaker")
    assert sagemaker.describe_endpoint(EndpointName=stack.outputs["EndpointName"])["EndpointStatus"] == "InService"


def test_destroying_leaves_only_what_is_retained(stack: Stack, released: str) -> None:
    cloudformation = stack.laptop.client("cloudformation")
    resources = {
        (item["ResourceType"], item["PhysicalResourceId"])
        for name in ("data", "training", "release", "endpoint", "api", "monitoring")
        for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=f"cxr-laptop-{name}")
        for item in page["StackResourceSummaries"]
    }
    done = stack.laptop.run(destroy(stack.workspace / "cdk.out"))

    assert done.returncode == 0, done.stderr[-4000:]
    left = {
        stack_["StackName"] for stack_ in cloudformation.describe_stacks()["Stacks"] if "cxr" in stack_["StackName"]
    }
    assert not left
    buckets = {item["Name"] for item in stack.laptop.client("s3").list_buckets()["Buckets"]}
    assert not buckets & {name for kind, name in resources if kind == "AWS::S3::Bucket"}
    sagemaker = stack.laptop.client("sagemaker")
    assert not sagemaker.list_endpoints()["Endpoints"]
    assert not sagemaker.list_pipelines()["PipelineSummaries"]
    assert not stack.laptop.client("lambda").list_functions()["Functions"]
    roles = {item["RoleName"] for item in stack.laptop.client("iam").list_roles()["Roles"]}
    assert not roles & {name for kind, name in resources if kind == "AWS::IAM::Role"}
