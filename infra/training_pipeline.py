"""The SageMaker Pipeline: the compiled definition with this deployment's names and the environment's defaults."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_cdk import Fn, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from infra.assets import ROOT
from infra.sagemaker_role import SageMakerRole
from infra.settings import SettingsError

ON_DEMAND = ROOT / "pipeline" / "definition.json"
SPOT = ROOT / "pipeline" / "definition-spot.json"

FITTING: dict[str, tuple[type, ...]] = {"String": (str,), "Integer": (int,), "Float": (int, float)}


class TrainingPipeline(Construct):
    """A pipeline and the role that starts its steps.

    Args:
        name: of the pipeline.
        placeholders: what replaces each `${name}` of the definition.
        defaults: of its parameters, by name.
        definition: the compiled definition.

    Raises:
        SettingsError: `defaults` names a parameter that the definition has not, or leaves one without a value.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        placeholders: Mapping[str, str],
        defaults: Mapping[str, str | int | float],
        definition: Path = ON_DEMAND,
    ) -> None:
        super().__init__(scope, construct_id)
        self.name = name
        self.role = SageMakerRole(self, "Role", description="Starts the steps of the training pipeline")
        self._run_jobs()
        body = with_defaults(json.loads(definition.read_text(encoding="utf-8")), defaults)
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
        self._arn = Stack.of(self).format_arn(service="sagemaker", resource="pipeline", resource_name=name)

    def grant_start(self, grantee: iam.IGrantable) -> None:
        """Allow to start executions."""
        grantee.grant_principal.add_to_principal_policy(
            iam.PolicyStatement(actions=["sagemaker:StartPipelineExecution"], resources=[self._arn])
        )

    def _run_jobs(self) -> None:
        """The jobs of a pipeline are named `pipelines-<execution>-<step>-<random>`, whatever the pipeline's name is."""
        stack = Stack.of(self)
        for kind in ("Processing", "Training"):
            self.role.add_to_principal_policy(
                iam.PolicyStatement(
                    actions=[
                        f"sagemaker:Create{kind}Job",
                        f"sagemaker:Describe{kind}Job",
                        f"sagemaker:Stop{kind}Job",
                        "sagemaker:AddTags",  # every job carries the execution it belongs to
                    ],
                    resources=[
                        stack.format_arn(
                            service="sagemaker", resource=f"{kind.lower()}-job", resource_name="pipelines-*"
                        )
                    ],
                )
            )


def with_defaults(definition: dict[str, Any], defaults: Mapping[str, str | int | float]) -> dict[str, Any]:
    """The definition with other defaults of its parameters.

    Args:
        definition: as SageMaker takes it.
        defaults: by the parameters' names.

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
    """Those placeholders that a text has; CloudFormation's validation complains of the others.

    Raises:
        SettingsError: the text has one that nobody fills.
    """
    names = set(re.findall(r"\$\{(\w+)\}", text))
    if unknown := sorted(names - set(placeholders)):
        raise SettingsError(f"Nothing replaces ${{{unknown[0]}}} in the pipeline's definition: run make pipeline.")
    return {name: value for name, value in placeholders.items() if name in names}
