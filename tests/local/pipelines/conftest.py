"""Runner of pipelines, for the tests of this folder."""

from __future__ import annotations

import pytest

from local.pipelines.pipeline_service import PipelineService
from tests.local.fake_cloud import FakeCloud
from tests.local.pipelines.run_pipelines import Runner


@pytest.fixture
def runner(cloud: FakeCloud, pipelines: PipelineService) -> Runner:
    return Runner(cloud, pipelines)
