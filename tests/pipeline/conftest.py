"""The four definitions, compiled once for all tests: importing the SDK takes 5-12 s."""

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
COMMITTED = {
    "on-demand": PIPELINE / "definition.json",
    "spot": PIPELINE / "definition-spot.json",
    "tuning": PIPELINE / "definition-tuning.json",
    "tuning-spot": PIPELINE / "definition-tuning-spot.json",
}
# A tuning job's name has at most 32 characters, one of its training jobs' so many more.
BEST_JOB = "abcdef012345-TrainMod-0123456789-003-0a1b2c3d"
SERVING = {
    "ServingPackageArn": "arn:aws:sagemaker:us-east-1:123456789012:model-package/cxr-dev/7",
    "ServingModelUri": "s3://artifacts/executions/000000000000/model/job/output/model.tar.gz",
}
MODEL_CARD = '{"model_overview": {}}'


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


def _committed(variant: str) -> Definition:
    return Definition(COMMITTED[variant].read_text(encoding="utf-8"))


@pytest.fixture(params=COMMITTED, scope="session")
def definition(request: pytest.FixtureRequest) -> Definition:
    return _committed(request.param)


@pytest.fixture(scope="session")
def committed() -> dict[str, Definition]:
    """All of them by variant: `committed["tuning"]`."""
    return {variant: _committed(variant) for variant in COMMITTED}


@pytest.fixture(scope="session")
def on_demand() -> Definition:
    return _committed("on-demand")


@pytest.fixture(scope="session")
def compiled() -> dict[str, str]:
    """The definitions as the source compiles them now, with no AWS settings in the environment and no sockets."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        pytest_socket.disable_socket()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the SDK's own, at import
                from pipeline import calibration, label_calibration, monitoring, site_evaluation
                from pipeline.compiling import text_of
                from pipeline.definition import compile_definition

                definitions = {
                    "on-demand": compile_definition(spot=False, tuning=False),
                    "spot": compile_definition(spot=True, tuning=False),
                    "tuning": compile_definition(spot=False, tuning=True),
                    "tuning-spot": compile_definition(spot=True, tuning=True),
                    "monitoring": text_of(monitoring.build()),
                    "site-evaluation": text_of(site_evaluation.build()),
                    "calibration": text_of(calibration.build()),
                    "label-calibration": text_of(label_calibration.build()),
                }
        finally:
            pytest_socket.enable_socket()
    return definitions


PLACEHOLDERS = {
    "SourceRevision": "0123456789ab",
    "ArtifactBucketName": "artifacts",
    "ArtifactKeyArn": "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "DecodeRoleArn": "arn:aws:iam::123456789012:role/cxr-dev-training-DecodeRole",
    "StepRoleArn": "arn:aws:iam::123456789012:role/cxr-dev-training-StepRole",
    "ProcessingImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/tensorflow-training:2.21-cpu",
    "TrainingImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/tensorflow-training:2.21-gpu",
    "ServingImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/tensorflow-inference:2.20-cpu",
    "SourceCodeUri": f"s3://cdk-assets/{'a' * 64}.gz",
    "EngineLibraryUri": f"s3://cdk-assets/{'e' * 64}.zip",
    "DicomLibraryUri": f"s3://cdk-assets/{'d' * 64}.zip",
    "PatientKeyUri": "s3://artifacts/keys/patients",
    "ModelPackageGroupName": "cxr-dev",
    "FindServingModelFunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:cxr-dev-training-FindServingModel",
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
        functions = {"Get": self._reference, "Std:Join": self._join, "Std:JsonGet": self._read}
        (name, *more) = node or [""]
        if name in functions and not more:
            return functions[name](node[name])
        return {key: self.value(item) for key, item in node.items()}

    def _join(self, join: dict[str, Any]) -> str:
        text: str = join["On"].join(str(self.value(item)) for item in join["Values"])
        return text

    def _read(self, json_get: dict[str, Any]) -> str:
        _, step, _, name = json_get["PropertyFile"]["Get"].split(".")
        (file,) = (file for file in self._definition.steps[step]["PropertyFiles"] if file["PropertyFileName"] == name)
        assert (file["FilePath"], json_get["Path"]) == ("model_card.json", "content"), (
            "only the card is put in a request"
        )
        return MODEL_CARD

    def _reference(self, reference: str) -> Any:
        kind, _, rest = reference.partition(".")
        if kind == "Parameters":
            default = self._definition.parameters[rest].get("DefaultValue")
            return ARCHIVE_URI if default is None else self.value(default)
        if kind == "Execution":
            return EXECUTION[rest]
        step, _, path = rest.partition(".")
        for pattern, read in (
            (r"ProcessingOutputConfig\.Outputs\['(\w+)'\]\.S3Output\.S3Uri", self._output_uri),
            (r"OutputParameters\['(\w+)'\]", self._function_output),
            (r"(ModelArtifacts\.S3ModelArtifacts)", self._artifact),
            (r"(TrainingJobSummaries\[0\]\.TrainingJobName)", self._best_job),
            (r"(TrainingJobName)", self._job_name),
            (r"(ExitMessage)", self._exit),
        ):
            if match := re.fullmatch(pattern, path):
                return read(step, match[1])
        raise AssertionError(f"{reference} is nothing that step {step} has")

    def _output_uri(self, step: str, name: str) -> Any:
        outputs = self._definition.arguments(step)["ProcessingOutputConfig"]["Outputs"]
        (output,) = (output for output in outputs if output["OutputName"] == name)
        return self.value(output["S3Output"]["S3Uri"])

    def _function_output(self, step: str, name: str) -> str:
        assert {"OutputName": name, "OutputType": "String"} in self._definition.steps[step]["OutputParameters"]
        return SERVING[name]

    def _artifact(self, step: str, _: str) -> str:
        prefix = self.value(self._definition.arguments(step)["OutputDataConfig"]["S3OutputPath"])
        return f"{prefix}/pipelines-abcdef012345-TrainModel/output/model.tar.gz"

    def _job_name(self, step: str, _: str) -> str:
        assert self._definition.steps[step]["Type"] == "Training"
        return f"pipelines-abcdef012345-{step}"

    def _best_job(self, step: str, _: str) -> str:
        assert self._definition.steps[step]["Type"] == "Tuning"
        return BEST_JOB

    def _exit(self, step: str, _: str) -> str:
        assert self._definition.steps[step]["Type"] == "Processing"
        return self._exit_message


@pytest.fixture(scope="session")
def resolver() -> type[Resolver]:
    return Resolver


@pytest.fixture(scope="session")
def sagemaker_model() -> ServiceModel:
    """The service's own description of its requests and responses, as boto3 carries it."""
    return ServiceModel(botocore.loaders.Loader().load_service_model("sagemaker", "service-2"), "sagemaker")


@pytest.fixture(scope="session")
def refusals(sagemaker_model: ServiceModel) -> Callable[[str, dict[str, Any]], str]:
    """Objections of the service model to a request: wrong types, missing and unknown members, values out of an enum."""

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
