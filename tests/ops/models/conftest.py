"""Two accounts with an environment each, and the promotion of a version from one to the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.parsers import create_parser
from typer.testing import Result

from lambdas.aws.envelope import SigningKey
from lambdas.aws.provenance import Provenance
from lambdas.aws.statement import PackageInspector
from local.core.api import ApiError
from ops.base.deployment import Deployment
from ops.base.session import Session
from tests.lambdas.aws.test_provenance import archive
from tests.ops.conftest import client
from tests.ops.models.test_bill_of_materials import EVALUATION as EVALUATED
from tests.ops.models.test_bill_of_materials import METADATA

if TYPE_CHECKING:
    from local.core.registry import Registry

ACCOUNTS = {"staging": "111111111111", "prod": "222222222222"}
REGIONS = {"staging": "us-east-1", "prod": "eu-central-1"}
GROUPS = {env: f"cxr-{env}" for env in ACCOUNTS}
MODEL = archive(METADATA)
EVALUATION = EVALUATED
STAYS_BEHIND = {"executions/e1/evaluation/reference.json", "executions/e1/model/job/output/output.tar.gz"}


def image(env: str, tag: str = "2.20-cpu") -> str:
    return f"763104351884.dkr.ecr.{REGIONS[env]}.amazonaws.com/tensorflow-inference:{tag}"


class TwoAccounts:
    """moto's S3 and the laptop's registry: an account and a region for each environment, by its profile."""

    def __init__(self) -> None:
        from local.core.registry import Registry

        self.registries = {env: Registry(ACCOUNTS[env], REGIONS[env]) for env in ACCOUNTS}
        self.denied: set[str] = set()
        self.keys: dict[str, str] = {}
        self._clients: dict[tuple[str, str], Any] = {}

    def client(self, profile: str, service: str) -> Any:
        if (profile, service) not in self._clients:
            made = client(service, REGIONS[profile])
            if service == "sagemaker":
                made.meta.events.register("before-call.sagemaker", answering(self.registries[profile], self.denied))
            self._clients[profile, service] = made
        return self._clients[profile, service]

    def reset(self) -> None:
        self.denied.clear()
        for registry in self.registries.values():
            registry._backend.reset()
            registry._versions.clear()

    def deploy(self, env: str) -> None:
        """Set up what is there before any model: the bucket, the group, and the pipeline as it is deployed."""
        where: Any = {"CreateBucketConfiguration": {"LocationConstraint": REGIONS[env]}} if env == "prod" else {}
        self.client(env, "s3").create_bucket(Bucket=self.bucket(env), **where)
        key = self.client(env, "kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
        self.keys[env] = key["KeyMetadata"]["Arn"]
        registry = self.registries[env]
        registry.call("CreateModelPackageGroup", {"ModelPackageGroupName": GROUPS[env]})
        container = {"Image": image(env), "ModelDataUrl": {"Get": "Steps.TrainModel"}}
        register = {
            "Name": "RegisterModel",
            "Type": "RegisterModel",
            "Arguments": {"InferenceSpecification": {"Containers": [container]}},
        }
        check = {"Name": "CheckQuality", "Type": "Condition", "Arguments": {"IfSteps": [register], "ElseSteps": []}}
        definition = {"Version": "2020-12-01", "Steps": [{"Name": "TrainModel", "Type": "Training"}, check]}
        registry.call(
            "CreatePipeline",
            {
                "PipelineName": GROUPS[env],
                "PipelineDefinition": json.dumps(definition),
                "ClientRequestToken": "t" * 32,
                "RoleArn": f"arn:aws:iam::{ACCOUNTS[env]}:role/pipeline",
            },
        )

    @staticmethod
    def bucket(env: str) -> str:
        return f"{env}-artifacts"

    def put(self, files: dict[str, bytes]) -> None:
        for key, content in files.items():
            self.client("staging", "s3").put_object(Bucket=self.bucket("staging"), Key=key, Body=content)

    def register(self, **more: Any) -> str:
        """A version of staging, as its pipeline registers them, approved with a comment."""
        uri = f"s3://{self.bucket('staging')}/executions/e1"
        request = {
            "ModelPackageGroupName": GROUPS["staging"],
            "ModelPackageDescription": "For research use only.",
            "ModelApprovalStatus": "PendingManualApproval",
            "InferenceSpecification": {
                "Containers": [{"Image": image("staging"), "ModelDataUrl": f"{uri}/model/job/output/model.tar.gz"}],
                "SupportedContentTypes": ["image/jpeg"],
                "SupportedResponseMIMETypes": ["application/json"],
                "SupportedRealtimeInferenceInstanceTypes": ["ml.m5.xlarge"],
            },
            "ModelMetrics": {"ModelQuality": {"Statistics": statistics(f"{uri}/evaluation/evaluation.json")}},
            "DriftCheckBaselines": {"ModelDataQuality": {"Statistics": statistics(f"{uri}/evaluation/reference.json")}},
            "ModelCard": {"ModelCardContent": "{}", "ModelCardStatus": "Approved"},
            "CustomerMetadataProperties": {
                "Backbone": "ResNet50V2",
                "DatasetReportUri": f"{uri}/report/dataset.json",
                "EvaluationReportUri": f"{uri}/evaluation/report.html",
            },
            **more,
        }
        arn = str(self.registries["staging"].call("CreateModelPackage", request)["ModelPackageArn"])
        self.provenance("staging").sign(self.described(arn))
        self.decide(arn, "Approved", "Read by two: fine, §4")
        return arn

    def described(self, arn: str) -> Any:
        return self.client("staging", "sagemaker").describe_model_package(ModelPackageName=arn)

    def provenance(self, env: str) -> Provenance:
        """Signed statements that the environment's Sign function works on."""
        s3 = self.client(env, "s3")
        key = SigningKey(self.client(env, "kms"), self.keys[env])
        return Provenance(s3, self.bucket(env), key, PackageInspector(self.client(env, "sagemaker"), s3))

    def destroy(self) -> None:
        """Staging is destroyed and deployed again: its versions count from 1, and its bucket is another."""
        registry = self.registries["staging"]
        for version in self.versions("staging"):
            registry.call("DeleteModelPackage", {"ModelPackageName": version["ModelPackageArn"]})
        registry._versions.clear()
        for key in self.objects("staging"):
            if key.startswith("signatures/"):
                self.client("staging", "s3").delete_object(Bucket=self.bucket("staging"), Key=key)

    def decide(self, arn: str, approval: str, comment: str) -> None:
        decision = {"ModelPackageArn": arn, "ModelApprovalStatus": approval, "ApprovalDescription": comment}
        self.registries["staging"].call("UpdateModelPackage", decision)

    def versions(self, env: str) -> list[dict[str, Any]]:
        registry = self.registries[env]
        listed = registry.call("ListModelPackages", {"ModelPackageGroupName": GROUPS[env]})["ModelPackageSummaryList"]
        return [registry.call("DescribeModelPackage", {"ModelPackageName": item["ModelPackageArn"]}) for item in listed]

    def objects(self, env: str) -> dict[str, bytes]:
        s3 = self.client(env, "s3")
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket=self.bucket(env)).get("Contents", [])]
        return {key: s3.get_object(Bucket=self.bucket(env), Key=key)["Body"].read() for key in keys}


def statistics(uri: str) -> dict[str, str]:
    return {"ContentType": "application/json", "S3Uri": uri}


@pytest.fixture(scope="module")
def made() -> TwoAccounts:
    """Made once: loading the descriptions of the APIs takes most of a second each."""
    return TwoAccounts()


@pytest.fixture
def accounts(made: TwoAccounts, monkeypatch: pytest.MonkeyPatch) -> Iterator[TwoAccounts]:
    from moto import mock_aws

    def output(deployment: Deployment, _part: str, key: str) -> str:
        if key == "SigningKeyArn":
            return made.keys[deployment.env]
        return made.bucket(deployment.env) if key == "ArtifactBucketName" else GROUPS[deployment.env]

    monkeypatch.setattr(Deployment, "output", output)
    monkeypatch.setattr(Session, "client", lambda session, service: made.client(session._profile or "", service))
    made.reset()
    with mock_aws():
        for env in ACCOUNTS:
            made.deploy(env)
        made.put(
            {
                "executions/e1/model/job/output/model.tar.gz": MODEL,
                "executions/e1/model/job/output/output.tar.gz": b"the network in float32",
                "executions/e1/evaluation/evaluation.json": json.dumps(EVALUATION).encode(),
                "executions/e1/evaluation/report.html": b"<html>",
                "executions/e1/evaluation/model_card.json": b"{}",
                "executions/e1/evaluation/reference.json": b"{}",
                "executions/e1/report/dataset.json": b"{}",
                "executions/e1/report/training_images.jsonl.gz": b"fingerprints",
            }
        )
        yield made


def answering(registry: Registry, denied: set[str]) -> Callable[..., Any]:
    """Function that answers a client's requests in place of AWS; the client's own checks and parsing stay."""

    def answer(model: Any, params: Any, **_: Any) -> Any:
        try:
            if model.name in denied:
                raise ApiError("AccessDeniedException", f"not authorized to perform: sagemaker:{model.name}")
            status, document = 200, registry.call(model.name, json.loads(params["body"]))
        except ApiError as error:
            status, document = 400, {"__type": error.code, "message": error.message}
        body = json.dumps(document, default=str).encode()
        parser = create_parser("json")
        parsed = parser.parse({"status_code": status, "headers": {}, "body": body}, model.output_shape)
        return SimpleNamespace(status_code=status, headers={}), parsed

    return answer


@pytest.fixture
def promote(cxr: Callable[..., Result]) -> Callable[..., Result]:
    return lambda *more: cxr(
        *("--env", "staging", "--region", REGIONS["staging"], "promote", "latest", "--to", "prod"),
        *("--to-region", REGIONS["prod"], "--from-profile", "staging", "--to-profile", "prod", *more),
    )
