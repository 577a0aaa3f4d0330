"""The two definitions, compiled once for all tests: importing the SDK takes 5-12 s."""

import json
import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.loaders
import pytest
import pytest_socket
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

PIPELINE = Path(__file__).parents[2] / "pipeline"
COMMITTED = {"on-demand": PIPELINE / "definition.json", "spot": PIPELINE / "definition-spot.json"}


@dataclass(frozen=True)
class Definition:
    """A committed definition and what a test asks of it."""

    text: str

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.text)
        return document

    @property
    def parameters(self) -> dict[str, dict[str, Any]]:
        return {parameter["Name"]: parameter for parameter in self.document["Parameters"]}

    @property
    def steps(self) -> dict[str, dict[str, Any]]:
        """Every step by name, those inside the condition included, in order."""
        found: dict[str, dict[str, Any]] = {}
        for step in self.document["Steps"]:
            found[step["Name"]] = step
            for branch in ("IfSteps", "ElseSteps"):
                found |= {inner["Name"]: inner for inner in step["Arguments"].get(branch, [])}
        return found

    def arguments(self, step: str) -> dict[str, Any]:
        arguments: dict[str, Any] = self.steps[step]["Arguments"]
        return arguments


@pytest.fixture(params=COMMITTED, scope="session")
def definition(request: pytest.FixtureRequest) -> Definition:
    return Definition(COMMITTED[request.param].read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def on_demand() -> Definition:
    return Definition(COMMITTED["on-demand"].read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def spot() -> Definition:
    return Definition(COMMITTED["spot"].read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def compiled() -> dict[str, str]:
    """Both definitions as the source compiles them now, with no AWS settings in the environment and no sockets."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        pytest_socket.disable_socket()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the SDK's own, at import
                from pipeline.definition import compile_definition

                definitions = {"on-demand": compile_definition(spot=False), "spot": compile_definition(spot=True)}
        finally:
            pytest_socket.enable_socket()
    return definitions


PLACEHOLDERS = {
    "ArtifactBucketName": "artifacts",
    "ArtifactKeyArn": "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "StepRoleArn": "arn:aws:iam::123456789012:role/cxr-dev-training-StepRole",
    "ProcessingImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/tensorflow-training:2.21-cpu",
    "TrainingImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/tensorflow-training:2.21-gpu",
    "ServingImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/tensorflow-inference:2.20-cpu",
    "SourceCodeUri": f"s3://cdk-assets/{'a' * 64}.gz",
    "ModelPackageGroupName": "cxr-dev",
}
EXECUTION = {
    "PipelineExecutionId": "abcdef012345",
    "PipelineExecutionArn": "arn:aws:sagemaker:us-east-1:123456789012:pipeline/cxr-dev/execution/abcdef012345",
}
ARCHIVE_URI = f"s3://data/datasets/{'b' * 64}/archive.zip"


class Resolver:
    """Replaces placeholders and expressions by the values an execution with default parameters would have."""

    def __init__(self, definition: Definition, exit_message: str = "AUROC 0.812 is below its limit 0.95.") -> None:
        self._definition = definition
        self._exit_message = exit_message

    def arguments(self, step: str) -> dict[str, Any]:
        resolved: dict[str, Any] = self.value(self._definition.arguments(step))
        return resolved

    def value(self, node: Any) -> Any:
        if isinstance(node, str):
            return re.sub(r"\$\{(\w+)\}", lambda match: PLACEHOLDERS[match[1]], node)
        if isinstance(node, list):
            return [self.value(item) for item in node]
        if not isinstance(node, dict):
            return node
        if set(node) == {"Get"}:
            return self._reference(node["Get"])
        if set(node) == {"Std:Join"}:
            join = node["Std:Join"]
            return join["On"].join(str(self.value(item)) for item in join["Values"])
        return {key: self.value(item) for key, item in node.items()}

    def _reference(self, reference: str) -> Any:
        kind, _, rest = reference.partition(".")
        if kind == "Parameters":
            default = self._definition.parameters[rest].get("DefaultValue")
            return ARCHIVE_URI if default is None else self.value(default)
        if kind == "Execution":
            return EXECUTION[rest]
        step, _, path = rest.partition(".")
        if match := re.fullmatch(r"ProcessingOutputConfig\.Outputs\['(\w+)'\]\.S3Output\.S3Uri", path):
            outputs = self._definition.arguments(step)["ProcessingOutputConfig"]["Outputs"]
            (output,) = (output for output in outputs if output["OutputName"] == match[1])
            return self.value(output["S3Output"]["S3Uri"])
        if path == "ModelArtifacts.S3ModelArtifacts":
            prefix = self.value(self._definition.arguments(step)["OutputDataConfig"]["S3OutputPath"])
            return f"{prefix}/pipelines-abcdef012345-TrainModel/output/model.tar.gz"
        if path == "ExitMessage" and self._definition.steps[step]["Type"] == "Processing":
            return self._exit_message
        raise AssertionError(f"{reference} is nothing that step {step} has")


@pytest.fixture(scope="session")
def resolver() -> type[Resolver]:
    return Resolver


@pytest.fixture(scope="session")
def sagemaker_model() -> ServiceModel:
    """The service's own description of its requests and responses, as boto3 carries it."""
    return ServiceModel(botocore.loaders.Loader().load_service_model("sagemaker", "service-2"), "sagemaker")


@pytest.fixture(scope="session")
def refusals(sagemaker_model: ServiceModel) -> Callable[[str, dict[str, Any]], str]:
    """What the service model has against a request: wrong types, missing and unknown members, values out of an enum."""

    def check(operation: str, request: dict[str, Any]) -> str:
        shape = sagemaker_model.operation_model(operation).input_shape
        report = ParamValidator().validate(request, shape).generate_report()
        return "\n".join([report, *_outside_enums(request, shape, operation)]).strip()

    return check


def _outside_enums(value: Any, shape: Any, where: str) -> list[str]:
    # ParamValidator leaves enums and lengths to the service.
    if shape.type_name == "structure":
        return [
            found
            for key, item in value.items()
            if key in shape.members
            for found in _outside_enums(item, shape.members[key], f"{where}.{key}")
        ]
    if shape.type_name == "list":
        return [found for item in value for found in _outside_enums(item, shape.member, f"{where}[]")]
    if shape.type_name == "map":
        return [found for item in value.values() for found in _outside_enums(item, shape.value, where)]
    if shape.type_name != "string":
        return []
    problems = []
    if shape.enum and value not in shape.enum:
        problems.append(f"{where}: {value} is not a value the service knows")
    if len(value) > shape.metadata.get("max", len(value)):
        problems.append(f"{where}: {len(value)} characters, at most {shape.metadata['max']}")
    return problems
