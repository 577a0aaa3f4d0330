"""A cloud for the services of local/: moto's S3 and Logs, a small registry, and grants that can be taken away."""

from __future__ import annotations

import io
import json
import tarfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.exceptions import ClientError

from local.core.api import ApiError

ACCOUNT = "123456789012"
REGION = "us-east-1"
PIPELINE_ROLE = f"arn:aws:iam::{ACCOUNT}:role/pipeline"
STEP_ROLE = f"arn:aws:iam::{ACCOUNT}:role/step"
# Seconds between two questions.
_LONGEST_PAUSE = 0.25
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-training:2.21-cpu-py312-amzn2023-sagemaker-v1"


class FakeCloud:
    """`local.core.api.Cloud` over moto, with every grant given unless it is in `denied`."""

    def __init__(self, state_dir: Path) -> None:
        self.account, self.region, self.state_dir = ACCOUNT, REGION, state_dir
        self.denied: set[tuple[str | None, str]] = set()
        self.authorized: list[tuple[str, str, str, dict[str, str]]] = []
        self.pipelines: dict[str, dict[str, Any]] = {}
        self.packages: list[dict[str, Any]] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.functions: dict[str, Callable[[Any], Any]] = {}
        self._clients: dict[tuple[str, str | None], Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str, *, role_arn: str | None = None) -> Any:
        with self._lock:
            if (service, role_arn) not in self._clients:
                self._clients[service, role_arn] = self._client(service, role_arn)
            return self._clients[service, role_arn]

    def _client(self, service: str, role_arn: str | None) -> Any:
        if service == "lambda":
            return FakeLambda(self, role_arn)
        client = boto3.client(service, region_name=REGION)

        def refuse(model: Any, **_: Any) -> Any:
            if (role_arn, f"{service}:{model.name}") not in self.denied:
                return None
            error = {"Code": "AccessDenied", "Message": "Access Denied"}
            answer = {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 403}}
            return SimpleNamespace(status_code=403, headers={}), answer

        client.meta.events.register("before-call", refuse)
        return client

    def credentials(self, role_arn: str) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": f"key-of-{role_arn.rsplit('/', 1)[-1]}",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_SESSION_TOKEN": "token",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        }

    def authorize(self, role_arn: str, action: str, resource: str, context: Mapping[str, str] | None = None) -> None:
        self.authorized.append((role_arn, action, resource, dict(context or {})))
        if (role_arn, action) in self.denied:
            raise ApiError(
                "AccessDeniedException", f"User: {role_arn} is not authorized to perform: {action} on: {resource}"
            )

    def registry(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        if operation == "DescribePipeline":
            if request["PipelineName"] not in self.pipelines:
                raise ApiError("ValidationException", "Could not find pipeline")
            return self.pipelines[request["PipelineName"]]
        if operation == "ListModelPackages":
            return {
                "ModelPackageSummaryList": [{"ModelPackageVersion": p["ModelPackageVersion"]} for p in self.packages]
            }
        if operation == "CreateModelPackage":
            version, group = len(self.packages) + 1, request["ModelPackageGroupName"]
            arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/{group}/{version}"
            self.packages.append({**request, "ModelPackageVersion": version, "ModelPackageArn": arn})
            return {"ModelPackageArn": arn}
        return next(p for p in self.packages if p["ModelPackageArn"] == request["ModelPackageName"])

    def put_event(self, source: str, detail_type: str, resources: list[str], detail: Mapping[str, Any]) -> None:
        self.events.append((detail_type, dict(detail)))

    def store(self, name: str, definition: Mapping[str, Any]) -> None:
        """Create a pipeline."""
        self.pipelines[name] = {
            "PipelineName": name,
            "PipelineArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:pipeline/{name}",
            "PipelineDefinition": json.dumps(definition),
            "RoleArn": PIPELINE_ROLE,
        }


class FakeLambda:
    """Calls Python functions where Lambda would call its own; moto would want Docker for that."""

    def __init__(self, cloud: FakeCloud, role_arn: str | None) -> None:
        self._cloud, self._role_arn = cloud, role_arn

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's names
        if (self._role_arn, "lambda:InvokeFunction") in self._cloud.denied:
            message = f"User: {self._role_arn} is not authorized to perform: lambda:InvokeFunction"
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": message}}, "Invoke")
        if FunctionName not in self._cloud.functions:
            missing = {"Code": "ResourceNotFoundException", "Message": f"Function not found: {FunctionName}"}
            raise ClientError({"Error": missing}, "Invoke")
        try:
            answer = self._cloud.functions[FunctionName](json.loads(Payload))
        except ValueError as error:
            failure = {"errorType": "ValueError", "errorMessage": str(error), "stackTrace": []}
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(failure).encode())}
        return {"Payload": io.BytesIO(answer if isinstance(answer, bytes) else json.dumps(answer).encode())}


def wait_for(condition: Callable[[], Any], seconds: float = 20) -> Any:
    """Ask until the answer is true, and return it.

    What takes long is asked for less often: fifty requests a second to a cloud kept two processors busy with answers.
    """
    deadline, pause = time.monotonic() + seconds, 0.02
    while not (answer := condition()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(pause)
        pause = min(1.2 * pause, _LONGEST_PAUSE)
    return answer


def processing_request(script: str, *arguments: str, **more: Any) -> dict[str, Any]:
    """CreateProcessingJob of a shell script, without its name."""
    return {
        "AppSpecification": {
            "ImageUri": IMAGE,
            "ContainerEntrypoint": ["sh", "-c", script, "script"],
            **({"ContainerArguments": list(arguments)} if arguments else {}),
        },
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 1}
        },
        "RoleArn": STEP_ROLE,
        **more,
    }


def s3_input(name: str, uri: Any) -> dict[str, Any]:
    return {
        "InputName": name,
        "S3Input": {
            "S3Uri": uri,
            "LocalPath": f"/opt/ml/processing/input/{name}",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
        },
    }


def s3_outputs(**uris: Any) -> dict[str, Any]:
    return {
        "Outputs": [
            {
                "OutputName": name,
                "S3Output": {
                    "S3Uri": uri,
                    "LocalPath": f"/opt/ml/processing/output/{name}",
                    "S3UploadMode": "EndOfJob",
                },
            }
            for name, uri in uris.items()
        ]
    }


def training_request(hyperparameters: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """CreateTrainingJob of `pkg/train.py` in `s3://data/source.tar.gz`, without its name."""
    return {
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "HyperParameters": {
            "sagemaker_program": "pkg/train.py",
            "sagemaker_submit_directory": "s3://data/source.tar.gz",
            **(hyperparameters or {}),
        },
        "OutputDataConfig": {"S3OutputPath": "s3://data/models"},
        "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.g4dn.xlarge", "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "RoleArn": STEP_ROLE,
        **more,
    }


def put_source(s3: Any, **files: str) -> None:
    """Store a source archive whose package `pkg` holds the given files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in {"__init__": "", **files}.items():
            entry = tarfile.TarInfo(f"pkg/{name}.py")
            entry.size = len(content.encode())
            archive.addfile(entry, io.BytesIO(content.encode()))
    s3.put_object(Bucket="data", Key="source.tar.gz", Body=buffer.getvalue())


def tuning_request(ranges: Mapping[str, Any], *, most: int = 3, parallel: int = 1, **more: Any) -> dict[str, Any]:
    """CreateHyperParameterTuningJob over training jobs of `training_request` that print `auc=`, without its name."""
    definition = training_request()
    static = definition.pop("HyperParameters")
    definition["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "auc", "Regex": r"auc=([0-9.]+)"}]
    return {
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "auc"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": most, "MaxParallelTrainingJobs": parallel},
            "ParameterRanges": dict(ranges),
            "RandomSeed": 7,
        },
        "TrainingJobDefinition": {**definition, "StaticHyperParameters": static, **more},
    }


def text_at(s3: Any, key: str) -> str:
    content: str = s3.get_object(Bucket="data", Key=key)["Body"].read().decode()
    return content
