"""The whole laptop stack, started and deployed once, with a model trained, approved and serving in it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.laptop import Laptop, deploy, synth
from local.samples.sample_archive import ARCHIVE_SEED, write_archive, write_examples
from tests.system.deployed import Stack, succeeded


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    workspace = tmp_path_factory.mktemp("system")
    with Laptop(workspace / "cloud", port=0) as laptop:
        for command in (synth(workspace / "cdk.out"), deploy(workspace / "cdk.out")):
            succeeded(laptop.run(command), laptop)
        yield Stack(laptop, workspace, laptop.outputs(), laptop.api_url(), laptop.page_url(), laptop.api_key())


@pytest.fixture(scope="session")
def examples(stack: Stack) -> dict[str, Path]:
    """One radiograph of each label, of patients in no archive."""
    return {path.name.split("-")[0]: path for path in write_examples(stack.workspace / "examples")}


@pytest.fixture(scope="session")
def archive(stack: Stack) -> Path:
    path = stack.workspace / "archive.zip"
    write_archive(path, images_per_class=320, seed=int(os.environ.get("CXR_ARCHIVE_SEED", ARCHIVE_SEED)))
    return path


@pytest.fixture(scope="session")
def trained(stack: Stack, archive: Path) -> dict[str, Any]:
    """The execution that the upload of `archive` started, ended well."""
    done = succeeded(stack.cxr("upload", str(archive), "--watch", "--json"), stack.laptop)
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def released(stack: Stack, trained: dict[str, Any]) -> str:
    """The ARN of the approved and serving model package."""
    succeeded(stack.cxr("approve", "latest", "--comment", "system test"), stack.laptop)
    return str(stack.packages()[0]["ModelPackageArn"])
