"""Volumes have the environment's key where settings ask for it, and where SageMaker takes one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.infra.conftest import of_type, pipeline_of
from tests.infra.endpoint.endpoint_template import named

Synthesise = Callable[[dict[str, Any]], dict[str, Any]]
GPU = "ml.g4dn.xlarge"


def keyed(context: dict[str, Any], environment: str, **pipeline: Any) -> dict[str, Any]:
    own = context["environments"][environment]
    own |= {"encryption": {"volume_key": "environment"}, "pipeline": {**own.get("pipeline", {}), **pipeline}}
    return {**context, "env": environment}


def training_step(template: dict[str, Any]) -> dict[str, Any]:
    body, _ = pipeline_of(template)["Properties"]["PipelineDefinition"]["PipelineDefinitionBody"]["Fn::Sub"]
    (step,) = (one for one in json.loads(body)["Steps"] if one["Name"] == "TrainModel")
    arguments: dict[str, Any] = step["Arguments"]
    return arguments


def test_unless_settings_ask_for_it_sagemaker_s_own_key_is_used(templates: Callable[[str], dict[str, Any]]) -> None:
    prod = templates("prod")
    for configuration in of_type(prod["endpoint"], "AWS::SageMaker::EndpointConfig").values():
        assert "KmsKeyId" not in configuration["Properties"]
    assert "BatchVolumeKeyArn" not in prod["endpoint"]["Outputs"]
    assert "VolumeKmsKeyId" not in training_step(prod["training"])["ResourceConfig"]


def test_endpoints_training_and_batches_have_it(context: dict[str, Any], synthesise: Synthesise) -> None:
    prod = synthesise(keyed(context, "prod", training_instance_type="ml.m5.xlarge"))
    key = prod["data"]["Outputs"]["DataKeyArn"]["Value"]["Fn::GetAtt"][0]
    for start in ("EndpointConfig", "AsyncEndpointConfig"):
        configuration = named(prod["endpoint"], "AWS::SageMaker::EndpointConfig", start)
        assert key in json.dumps(configuration["KmsKeyId"])
    assert key in json.dumps(prod["endpoint"]["Outputs"]["BatchVolumeKeyArn"])
    assert training_step(prod["training"])["ResourceConfig"]["VolumeKmsKeyId"] == "${ArtifactKeyArn}"
    # Instances are started under a grant that the model's role may give, as those of jobs are.
    for start in ("EndpointRole", "BatchModelRole"):
        policy = named(prod["release"], "AWS::IAM::Policy", start)
        assert "kms:CreateGrant" in json.dumps(policy["PolicyDocument"])


def test_a_search_has_it_on_its_jobs(context: dict[str, Any], synthesise: Synthesise) -> None:
    dev = synthesise(keyed(context, "dev", training_instance_type="ml.m5.xlarge", tuning=True))
    job = training_step(dev["training"])["TrainingJobDefinition"]
    assert job["ResourceConfig"]["VolumeKmsKeyId"] == "${ArtifactKeyArn}"


def test_a_training_on_local_disks_names_no_key(context: dict[str, Any], synthesise: Synthesise) -> None:
    """SageMaker would refuse the job; a serverless endpoint has no volume either."""
    dev = synthesise(keyed(context, "dev", training_instance_type=GPU))
    assert "VolumeKmsKeyId" not in training_step(dev["training"])["ResourceConfig"]
    (configuration,) = of_type(dev["endpoint"], "AWS::SageMaker::EndpointConfig").values()
    assert "KmsKeyId" not in configuration["Properties"]


@pytest.mark.parametrize("value", ["mine", True])
def test_another_value_is_refused(value: Any, context: dict[str, Any]) -> None:
    from infra.settings.environment import Settings
    from infra.settings.section import SettingsError

    context["environments"]["dev"]["encryption"] = {"volume_key": value}
    with pytest.raises(SettingsError, match=r"encryption\.volume_key is"):
        Settings.load({**context, "env": "dev"})
