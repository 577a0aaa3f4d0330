"""The stacks of the last release, deployed and used, then upgraded to this commit: everything that was there still is.

On a cloud of its own. The functions of the old templates get this commit's code: only that of the model registry runs.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.base.assets import stage_function
from local.laptop import Laptop, deploy, synth
from tests.system.deployed import succeeded
from tests.system.release import PARTS, released, stateful

pytestmark = [pytest.mark.system, pytest.mark.slow]

KEY = "datasets/token/archive.zip"


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    with Laptop(tmp_path_factory.mktemp("upgrade") / "cloud", port=0) as cloud:
        yield cloud


def code_of(function: dict[str, Any]) -> bytes:
    """A deployable archive of a function: this commit's handler, or nothing where it has none of the name any more."""
    name = re.fullmatch(r"lambdas\.(\w+)\.(\w+)\.handle", function["Properties"]["Handler"])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("empty", "")
        if name and (Path(__file__).parents[2] / "lambdas" / name[1] / f"{name[2]}.py").is_file():
            folder = stage_function(name[1], module=name[2])
            for path in sorted(item for item in folder.rglob("*") if item.is_file()):
                archive.write(path, path.relative_to(folder).as_posix())
    return buffer.getvalue()


def upload_code(laptop: Laptop, template: dict[str, Any]) -> None:
    account = laptop.client("sts").get_caller_identity()["Account"]
    region = laptop.environment["AWS_REGION"]
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            laptop.client("s3").put_object(
                Bucket=f"cdk-hnb659fds-assets-{account}-{region}",
                Key=resource["Properties"]["Code"]["S3Key"],
                Body=code_of(resource),
            )


def physical(laptop: Laptop, part: str) -> dict[str, str]:
    """Physical ids of a stack's resources by logical id."""
    pages = laptop.client("cloudformation").get_paginator("list_stack_resources")
    return {
        item["LogicalResourceId"]: item["PhysicalResourceId"]
        for page in pages.paginate(StackName=f"cxr-laptop-{part}")
        for item in page["StackResourceSummaries"]
    }


def test_an_upgrade_keeps_what_the_last_release_holds(laptop: Laptop, tmp_path: Path) -> None:
    cloudformation = laptop.client("cloudformation")
    for part in PARTS:
        template = released()[part]
        upload_code(laptop, template)
        name = f"cxr-laptop-{part}"
        cloudformation.create_stack(
            StackName=name, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_NAMED_IAM"]
        )
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
    before = {part: physical(laptop, part) for part in PARTS}
    outputs, key = laptop.outputs(), laptop.api_key()
    s3 = laptop.client("s3")
    uploaded = s3.put_object(Bucket=outputs["ArtifactBucketName"], Key=KEY, Body=b"what somebody made")

    for command in (synth(tmp_path / "cdk.out"), deploy(tmp_path / "cdk.out")):
        succeeded(laptop.run(command), laptop)

    after = {part: physical(laptop, part) for part in PARTS}
    changed = [
        f"{part}: {name}"
        for part in PARTS
        for name in stateful(released()[part])
        if before[part][name] != after[part].get(name)
    ]
    assert not changed
    found = s3.get_object(Bucket=outputs["ArtifactBucketName"], Key=KEY)
    assert (found["Body"].read(), found["VersionId"]) == (b"what somebody made", uploaded["VersionId"])
    # What clients and scripts have the names of.
    upgraded = laptop.outputs()
    kept = ("DataBucketName", "ArtifactBucketName", "PipelineName", "ModelPackageGroupName", "EndpointName", "ApiUrl")
    assert {name: upgraded[name] for name in kept} == {name: outputs[name] for name in kept}
    assert laptop.api_key() == key
