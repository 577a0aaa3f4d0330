"""Models hosted in the cloud under test: artifacts whose handlers answer in known ways, and endpoints of them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from tests.local.fake_cloud import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from local.laptop import Laptop

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-inference:2.20-cpu-py312-amzn2023-sagemaker-v1"
# Travels with a model whose handler answers by itself, and is found before TensorFlow, which takes each of many
# containers four seconds of a processor to import. It has what a container does with a model that nobody asks; models
# that are asked are loaded by TensorFlow in test_endpoints.py, tests/local/containers and tests/system.
STAND_IN = """
from types import SimpleNamespace

saved_model = SimpleNamespace(load=lambda directory: SimpleNamespace(signatures={}))
"""
# Answers the request's length and who answers; what is no text is refused.
ANSWERS = """
import json, os

def handler(data, context):
    text = data.read().decode("ascii")
    answer = {"length": len(text), "name": os.environ["NAME"], "batch": os.environ.get("SAGEMAKER_BATCH", "")}
    return json.dumps({**answer, "type": context.request_content_type}), "application/json"
"""
FAILS = """
def handler(data, context):
    raise ValueError("inference_failed: on purpose")
"""


class Hosting:
    """A cloud with a bucket `artifacts`, whose role of SageMaker may use it, and the models a test makes in it."""

    def __init__(self, laptop: Laptop) -> None:
        self.laptop = laptop
        self._clients: dict[str, Any] = {}
        self.s3.create_bucket(Bucket="artifacts")
        trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
        role = self.client("iam").create_role(RoleName="hosting", AssumeRolePolicyDocument=_policy(trust))
        self.role: str = role["Role"]["Arn"]
        self.allow("artifacts", {"Effect": "Allow", "Action": ["s3:*"], "Resource": "arn:aws:s3:::artifacts*"})
        self.allow("logs", {"Effect": "Allow", "Action": "logs:*", "Resource": "*"})

    def client(self, service: str) -> Any:
        """A client of the service, made once: tests ask it ten times a second."""
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                region_name="us-east-1",
                endpoint_url=self.laptop.url,
                aws_access_key_id="test",
                aws_secret_access_key="test",
                config=Config(retries={"max_attempts": 0}),
            )
        return self._clients[service]

    @property
    def s3(self) -> Any:
        return self.client("s3")

    @property
    def sagemaker(self) -> Any:
        return self.client("sagemaker")

    def allow(self, name: str, statement: dict[str, Any]) -> None:
        """Let the models' role do more."""
        policy = _policy(statement)
        self.client("iam").put_role_policy(RoleName="hosting", PolicyName=name, PolicyDocument=policy)

    def model(self, name: str, inference: str = ANSWERS) -> str:
        """A model whose answers carry its name."""
        self.s3.put_object(Bucket="artifacts", Key=f"{name}/model.tar.gz", Body=unasked(inference))
        self.sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=self.role,
            PrimaryContainer={
                "Image": IMAGE,
                "ModelDataUrl": f"s3://artifacts/{name}/model.tar.gz",
                "Environment": {"NAME": name},
            },
        )
        return name

    def config(self, name: str, model: str, **more: Any) -> str:
        """An endpoint configuration of one instance."""
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant(model)], **more)
        return name

    def endpoint(self, name: str, config: str) -> str:
        """An endpoint in service."""
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        self.settled(name)
        return name

    def settled(self, name: str) -> dict[str, Any]:
        """The endpoint when it is in service, as it was or changed."""

        def described() -> Any:
            answer = self.sagemaker.describe_endpoint(EndpointName=name)
            return answer if answer["EndpointStatus"] in ("InService", "Failed") else None

        answer: dict[str, Any] = wait_for(described, 60)
        assert answer["EndpointStatus"] == "InService", answer.get("FailureReason")
        return answer

    def ask(self, endpoint: str, body: bytes = b"abc") -> dict[str, Any]:
        answer = self.client("sagemaker-runtime").invoke_endpoint(EndpointName=endpoint, Body=body)
        document: dict[str, Any] = json.loads(answer["Body"].read())
        return document

    def read(self, uri: str) -> bytes | None:
        """The object at a URI, when it is there."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        if not self.s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents"):
            return None
        content: bytes = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return content


def variant(model: str, name: str = "AllTraffic", weight: float = 1) -> dict[str, Any]:
    return {
        "VariantName": name,
        "ModelName": model,
        "InitialVariantWeight": weight,
        "InitialInstanceCount": 2,
        "InstanceType": "ml.c6i.xlarge",
    }


def save_model(directory: Path, program: str) -> Path:
    subprocess.run([sys.executable, "-c", program, str(directory)], check=True, capture_output=True)
    return directory


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def archive(saved_model: Path, inference: str) -> bytes:
    """A `model.tar.gz` in TensorFlow Serving's layout."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.add(saved_model, "1")
        _add(tar, "code/inference.py", inference)
    return buffer.getvalue()


def unasked(inference: str) -> bytes:
    """A `model.tar.gz` in that layout whose handler never asks its model, which is none."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        _add(tar, "1/saved_model.pb", "no graph")
        _add(tar, "code/inference.py", inference)
        _add(tar, "code/lib/tensorflow.py", STAND_IN)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, text: str) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(text.encode())
    tar.addfile(member, io.BytesIO(text.encode()))
