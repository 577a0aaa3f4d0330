"""A SageMaker Pipeline: a compiled definition with a deployment's names and its environment's defaults."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_cdk import Fn, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from infra.base.grants import allow
from infra.base.sagemaker_role import SageMakerRole
from infra.settings.section import SettingsError

JOBS = ("Processing", "Training", "Tuning")
"""Types of steps that start jobs."""
FITTING: dict[str, tuple[type, ...]] = {"String": (str,), "Integer": (int,), "Float": (int, float), "Boolean": (bool,)}


class SageMakerPipeline(Construct):
    """A pipeline and the role that starts its steps.

    Args:
        compiled: file with its definition.
        purpose: what it does, as the role's description names it.
        placeholders: replacement of each `${name}` of the definition.
        network: `VpcConfig` of its jobs; None for SageMaker's own network.
        training_volume_key: whether volumes of training jobs have the artifacts' key.

    Raises:
        SettingsError: the settings name a parameter that the definition has not, or give one of another type.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        compiled: Path,
        purpose: str,
        placeholders: Mapping[str, str],
        defaults: Mapping[str, str | int | float],
        network: Mapping[str, list[str]] | None,
        training_volume_key: bool = False,
    ) -> None:
        super().__init__(scope, construct_id)
        self.name = name
        self.role = SageMakerRole(self, "Role", description=f"Starts the steps of the {purpose} pipeline")
        body = with_defaults(json.loads(compiled.read_text(encoding="utf-8")), defaults)
        body = tagged(body, Stack.of(self).tags.tag_values())
        if training_volume_key:
            body = with_volume_key(body)
        if network is not None:
            names = {f"Job{name}{index}": value for name, ones in network.items() for index, value in enumerate(ones)}
            placeholders = {**placeholders, **names}
            body = isolated(body, {name: [f"${{Job{name}{index}}}" for index, _ in enumerate(ones)]
                                   for name, ones in network.items()})  # fmt: skip
        text = json.dumps(body, separators=(",", ":"))
        pipeline = sagemaker.CfnPipeline(
            self,
            "Resource",
            pipeline_name=name,
            role_arn=self.role.role_arn,
            # PipelineDefinitionProperty writes its one key in lower case, which CloudFormation refuses (aws-cdk#25774).
            pipeline_definition={"PipelineDefinitionBody": Fn.sub(text, used(text, placeholders))},
        )
        pipeline.node.add_dependency(self.role)
        self.arn = Stack.of(self).format_arn(service="sagemaker", resource="pipeline", resource_name=name)

    def grant_start(self, grantee: iam.IGrantable) -> None:
        """Allow to start executions."""
        allow(grantee, ["sagemaker:StartPipelineExecution"], self.arn)

    def grant_look_back(self, grantee: iam.IGrantable) -> None:
        """Allow to read past executions: their parameters and steps."""
        self._allow_to_read(
            grantee, "ListPipelineExecutions", "ListPipelineParametersForExecution", "ListPipelineExecutionSteps"
        )

    def grant_know_recipe(self, grantee: iam.IGrantable) -> None:
        """Allow to read what past executions were made by: their definitions and parameters."""
        self._allow_to_read(grantee, "DescribePipelineDefinitionForExecution", "ListPipelineParametersForExecution")

    def _allow_to_read(self, grantee: iam.IGrantable, *actions: str) -> None:
        allow(grantee, [f"sagemaker:{action}" for action in actions], self.arn, f"{self.arn}/execution/*")

    def run_jobs(self, kind: str, *names: str) -> None:
        """Let the pipeline run jobs.

        Args:
            kind: `processing` or `training`.
            names: patterns of their names; without any, jobs of pipelines, which are named
                `pipelines-<execution>-<step>-<random>`, whatever the pipeline's name is.
        """
        operation = kind.capitalize()
        self.allow(
            [f"sagemaker:Create{operation}Job", f"sagemaker:Describe{operation}Job", f"sagemaker:Stop{operation}Job"],
            f"{kind}-job",
            names or ("pipelines-*",),
        )

    def allow(self, actions: list[str], resource: str, names: tuple[str, ...]) -> None:
        """Let the pipeline do something with resources of these names, and tag them."""
        stack = Stack.of(self)
        # Every job carries the execution it belongs to.
        allow(
            self.role,
            [*actions, "sagemaker:AddTags"],
            *[stack.format_arn(service="sagemaker", resource=resource, resource_name=name) for name in names],
        )


def tagged(definition: dict[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
    """The definition with tags on its jobs.

    A job carries the execution and the step it is of, and no tag of its pipeline (getindata/kedro-sagemaker#20), so a
    budget of a tag would not count it, and an organisation that asks for tags would refuse it. A step's arguments are
    the request but for the job's name (`TrainingStep.arguments` of sagemaker-python-sdk); both read 2026-11-29. A
    tuning job hands its tags on to its training jobs. A version of a group has the group's tags, and may bring none
    (CreateHyperParameterTuningJob and CreateModelPackage in botocore 1.43's service model).

    Args:
        definition: pipeline definition as SageMaker takes it.
        tags: values by key.
    """
    pairs = [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
    steps = [
        {**step, "Arguments": {**step["Arguments"], "Tags": pairs}} if step["Type"] in JOBS else step
        for step in definition["Steps"]
    ]
    return {**definition, "Steps": steps}


def with_volume_key(definition: dict[str, Any]) -> dict[str, Any]:
    """The definition whose training jobs have volumes with the artifacts' key."""
    return {**definition, "Steps": [_keyed_step(step) for step in definition["Steps"]]}


def _keyed_step(step: dict[str, Any]) -> dict[str, Any]:
    request = step.get("Arguments", {})
    if step["Type"] == "Training":
        return {**step, "Arguments": _keyed(request)}
    if step["Type"] == "Tuning":
        return {**step, "Arguments": {**request, "TrainingJobDefinition": _keyed(request["TrainingJobDefinition"])}}
    return step


def _keyed(request: dict[str, Any]) -> dict[str, Any]:
    return {**request, "ResourceConfig": {**request["ResourceConfig"], "VolumeKmsKeyId": "${ArtifactKeyArn}"}}


def isolated(definition: dict[str, Any], network: Mapping[str, list[str]]) -> dict[str, Any]:
    """The definition with its jobs in a network, and the containers of training jobs cut off from it.

    Processing jobs are compiled with network isolation, but for one that calls services. The training toolkit
    downloads its source, which it cannot in isolation, but it takes an archive in a channel just as well
    (`files.download_and_extract` of sagemaker-training-toolkit).

    Args:
        definition: pipeline definition as SageMaker takes it.
        network: `VpcConfig` of the requests.
    """
    return {**definition, "Steps": [_isolated_step(step, network) for step in definition["Steps"]]}


def _isolated_step(step: dict[str, Any], network: Mapping[str, list[str]]) -> dict[str, Any]:
    request = step.get("Arguments", {})
    if step["Type"] == "Processing":
        return {**step, "Arguments": {**request, "NetworkConfig": {**request["NetworkConfig"], "VpcConfig": network}}}
    if step["Type"] == "Training":
        return {**step, "Arguments": _isolated_training(request, "HyperParameters", network)}
    if step["Type"] == "Tuning":
        job = _isolated_training(request["TrainingJobDefinition"], "StaticHyperParameters", network)
        return {**step, "Arguments": {**request, "TrainingJobDefinition": job}}
    return step


def _isolated_training(
    request: dict[str, Any], hyperparameters: str, network: Mapping[str, list[str]]
) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": "${SourceCodeUri}", "S3DataDistributionType": "FullyReplicated"}
    channel = {"ChannelName": "code", "DataSource": {"S3DataSource": source}, "InputMode": "File"}
    archive = "/opt/ml/input/data/code/${SourceCodeName}"
    return {
        **request,
        hyperparameters: {**request[hyperparameters], "sagemaker_submit_directory": archive},
        "InputDataConfig": [*request["InputDataConfig"], channel],
        "VpcConfig": network,
        "EnableNetworkIsolation": True,
    }


def with_defaults(definition: dict[str, Any], defaults: Mapping[str, str | int | float]) -> dict[str, Any]:
    """The definition with other defaults of its parameters.

    Args:
        definition: pipeline definition as SageMaker takes it.
        defaults: default values by the parameters' names.

    Raises:
        SettingsError: a name is not a parameter's, or its type does not fit the parameter's.
    """
    types = {parameter["Name"]: parameter["Type"] for parameter in definition["Parameters"]}
    for name, value in defaults.items():
        if name not in types:
            raise SettingsError(
                f"The pipeline has no parameter {name}: remove it from the settings, or run make pipeline."
            )
        if not isinstance(value, FITTING[types[name]]):
            raise SettingsError(f"The pipeline's parameter {name} is {types[name]}, but the settings give {value!r}.")
    parameters = [
        {**parameter, "DefaultValue": defaults[parameter["Name"]]} if parameter["Name"] in defaults else parameter
        for parameter in definition["Parameters"]
    ]
    return {**definition, "Parameters": parameters}


def used(text: str, placeholders: Mapping[str, str]) -> dict[str, str]:
    """Placeholders that occur in a text; CloudFormation's validation complains of the others.

    Raises:
        SettingsError: the text has one that nobody fills.
    """
    names = set(re.findall(r"\$\{(\w+)\}", text))
    if unknown := sorted(names - set(placeholders)):
        raise SettingsError(f"Nothing replaces ${{{unknown[0]}}} in the pipeline's definition: run make pipeline.")
    return {name: value for name, value in placeholders.items() if name in names}
