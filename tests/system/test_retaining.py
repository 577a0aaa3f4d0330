"""Switching `retain` on a deployed environment deletes no registered model; removing the environment does.

On a cloud of its own, with versions that point to no model: nothing here serves.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from local.laptop import REPOSITORY, Laptop, deploy, destroy
from tests.infra.conftest import environment_context
from tests.system.deployed import succeeded

pytestmark = [pytest.mark.system, pytest.mark.slow]


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    with Laptop(tmp_path_factory.mktemp("retaining") / "cloud", port=0) as cloud:
        yield cloud


@pytest.fixture
def assembly(laptop: Laptop, tmp_path: Path) -> Callable[..., Path]:
    """The laptop's assembly with this value of `retain`."""

    @cache
    def synthesised(*, retain: bool) -> Path:
        context: dict[str, Any] = environment_context("laptop")
        context["environments"]["laptop"]["retain"] = retain
        output = tmp_path / f"retain-{retain}"
        variables = {**laptop.command_environment(), "CDK_CONTEXT_JSON": json.dumps(context), "CDK_OUTDIR": str(output)}
        subprocess.run([sys.executable, "app.py"], cwd=REPOSITORY, env=variables, check=True)
        return output

    return synthesised


def test_models_stay_until_the_environment_goes(laptop: Laptop, assembly: Callable[..., Path]) -> None:
    succeeded(laptop.run(deploy(assembly(retain=False))), laptop)
    sagemaker, group = laptop.client("sagemaker"), laptop.outputs()["ModelPackageGroupName"]
    for _ in range(2):
        container = {"Image": "serving", "ModelDataUrl": "s3://bucket/model.tar.gz"}
        types = {"SupportedContentTypes": ["image/png"], "SupportedResponseMIMETypes": ["application/json"]}
        specification = {"Containers": [container], **types}
        sagemaker.create_model_package(ModelPackageGroupName=group, InferenceSpecification=specification)

    def versions() -> int:
        return len(sagemaker.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"])

    for retain in (True, False):
        succeeded(laptop.run(deploy(assembly(retain=retain))), laptop)
        assert versions() == 2, f"retain: {retain}"

    succeeded(laptop.run(destroy(assembly(retain=False))), laptop)
    assert not sagemaker.list_model_packages()["ModelPackageSummaryList"]
    assert not sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"]
