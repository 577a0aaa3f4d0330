"""Fixtures of the tests of local/: a fake cloud and the services in it, shut down at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from local.jobs.job_service import JobService
from local.laptop import Laptop
from local.pipelines.pipeline_service import PipelineService
from tests.local.fake_cloud import REGION, FakeCloud
from tests.local.hosted import Hosting


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCloud]:
    from moto import mock_aws

    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        boto3.client("s3", region_name=REGION).create_bucket(Bucket="data")
        yield FakeCloud(tmp_path)


@pytest.fixture
def s3(cloud: FakeCloud) -> Any:
    return cloud.client("s3")


@pytest.fixture
def jobs(cloud: FakeCloud) -> Iterator[JobService]:
    service = JobService(cloud)
    yield service
    service.shutdown()


@pytest.fixture
def pipelines(cloud: FakeCloud) -> Iterator[PipelineService]:
    service = PipelineService(cloud)
    yield service
    service.shutdown()


@pytest.fixture(scope="module")
def hosting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosting]:
    """A real cloud in which models can be hosted; one for the module."""
    with Laptop(tmp_path_factory.mktemp("hosting") / "cloud", port=0) as laptop:
        yield Hosting(laptop)
