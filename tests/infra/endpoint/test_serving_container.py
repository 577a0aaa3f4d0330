"""The container is set for the machine it runs on, and for who waits for its answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from infra.endpoint.serving_container import for_many_requests, for_single_requests
from infra.settings.instance_types import vcpus
from lambdas.release.stack import PARAMETER
from tests.infra.conftest import ENVIRONMENTS, of_type

Templates = Callable[[str], dict[str, dict[str, Any]]]


class TestServingContainer:
    @pytest.mark.parametrize(
        ("instance_type", "count"),
        [("ml.c6i.xlarge", 4), ("ml.m5.large", 2), ("ml.c7i.2xlarge", 8), ("ml.g5.12xlarge", 48)],
    )
    def test_processors_of_an_instance_type(self, instance_type: str, count: int) -> None:
        assert vcpus(instance_type) == count

    @pytest.mark.parametrize("instance_type", [None, "ml.c6i.xlarge", "ml.g4dn.xlarge"])
    def test_requests_are_never_merged(self, instance_type: str | None) -> None:
        """One image that cannot be decoded would be the error of every request in its batch."""
        assert for_single_requests(instance_type)["SAGEMAKER_TFS_ENABLE_BATCHING"] == "false"
        assert for_many_requests("ml.c6i.xlarge")["SAGEMAKER_TFS_ENABLE_BATCHING"] == "false"

    def test_somebody_who_waits_gets_all_processors_and_a_queue_one_each(self) -> None:
        waiting, queue = for_single_requests("ml.c6i.2xlarge"), for_many_requests("ml.c6i.2xlarge")
        assert waiting["SAGEMAKER_TFS_INTRA_OP_PARALLELISM"] == "8"
        assert queue["SAGEMAKER_TFS_INTRA_OP_PARALLELISM"] == "1"
        assert queue["SAGEMAKER_TFS_INTER_OP_PARALLELISM"] == "8"

    def test_the_processors_of_a_gpu_instance_decode_side_by_side(self) -> None:
        gpu = for_single_requests("ml.g4dn.xlarge")
        assert (gpu["SAGEMAKER_TFS_INTRA_OP_PARALLELISM"], gpu["SAGEMAKER_TFS_INTER_OP_PARALLELISM"]) == ("1", "4")

    @pytest.mark.parametrize("environment", ENVIRONMENTS)
    def test_every_model_says_what_it_serves_and_how(self, environment: str, templates: Templates) -> None:
        for name, model in of_type(templates(environment)["endpoint"], "AWS::SageMaker::Model").items():
            variables = model["Properties"]["PrimaryContainer"]["Environment"]
            assert variables["MODEL_PACKAGE_ARN"] == {"Ref": PARAMETER}, name
            assert variables["SAGEMAKER_GUNICORN_WORKERS"], name
            # A batch transform job takes at most 16 variables, and its own come on top.
            assert len(variables) < 14
