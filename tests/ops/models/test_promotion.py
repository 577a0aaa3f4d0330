"""A model goes to another account as it was approved, once, whole or not at all, and waits for approval there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from botocore.parsers import create_parser
from typer.testing import Result

from lambdas.aws.envelope import SigningKey
from lambdas.aws.provenance import Provenance
from lambdas.aws.statement import Observer
from local.core.api import ApiError
from ops.base.deployment import Deployment
from ops.base.errors import ExitCode
from ops.base.session import Session
from tests.lambdas.aws.test_provenance import archive
from tests.ops.conftest import client
from tests.ops.models.test_bill_of_materials import EVALUATION as EVALUATED
from tests.ops.models.test_bill_of_materials import METADATA, refusal

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
        """What is there before any model: the bucket, the group, and the pipeline as it is deployed."""
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
        """What the environment's Sign function works with."""
        s3 = self.client(env, "s3")
        key = SigningKey(self.client(env, "kms"), self.keys[env])
        return Provenance(s3, self.bucket(env), key, Observer(self.client(env, "sagemaker"), s3))

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
    """What answers a client's requests in place of AWS; the client's own checks and parsing stay."""

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


def test_a_promoted_version_is_what_was_approved_and_waits_for_its_own_approval(
    accounts: TwoAccounts, promote: Callable[..., Result]
) -> None:
    arn = accounts.register()
    result = promote()
    assert result.stdout == "version 1 of staging is version 1 of prod and waits for approval\n"
    assert "Next: `cxr --env prod approve 1`." in result.stderr
    (package,) = accounts.versions("prod")
    assert package["ModelPackageArn"].startswith(f"arn:aws:sagemaker:{REGIONS['prod']}:{ACCOUNTS['prod']}:")
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    (container,) = package["InferenceSpecification"]["Containers"]
    assert container["Image"] == image("prod"), "pulled in the region where it runs"
    assert package["InferenceSpecification"]["SupportedRealtimeInferenceInstanceTypes"] == ["ml.m5.xlarge"]
    assert package["ModelCard"] == {"ModelCardContent": "{}", "ModelCardStatus": "PendingReview"}
    metadata = package["CustomerMetadataProperties"]
    assert metadata["PromotedFrom"] == arn
    assert metadata["PromotedApproval"] == "Read by two: fine 4"
    assert metadata["DatasetSha256"] == EVALUATION["dataset_sha256"]
    assert metadata["ModelSha256"] == hashlib.sha256(MODEL).hexdigest()
    assert metadata["Backbone"] == "ResNet50V2"
    assert "Read by two: fine, §4" in package["ModelPackageDescription"]
    assert package["ModelPackageDescription"].startswith("For research use only.")


def test_everything_that_a_promoted_package_names_is_in_its_own_account(
    accounts: TwoAccounts, promote: Callable[..., Result]
) -> None:
    """Below executions/, where the target's roles may read, at the places where its functions and jobs look."""
    accounts.register()
    promote()
    (package,) = accounts.versions("prod")
    objects = accounts.objects("prod")
    model = package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
    evaluation = package["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
    reference = package["DriftCheckBaselines"]["ModelDataQuality"]["Statistics"]["S3Uri"]
    own = package["CustomerMetadataProperties"]
    for uri in (model, evaluation, reference, own["DatasetReportUri"], own["EvaluationReportUri"]):
        parts = urlsplit(uri)
        assert parts.netloc == accounts.bucket("prod")
        assert parts.path.lstrip("/") in objects
    folder = urlsplit(model).path.lstrip("/").rpartition("/")[0]
    assert folder.startswith("executions/promoted-")
    assert objects[f"{folder}/model.tar.gz"] == MODEL
    assert objects[f"{folder}/output.tar.gz"] == b"the network in float32", "a warm start looks beside the model"
    # The API's function may read executions/*/evaluation/evaluation.json; the report is looked for beside it.
    assert evaluation.endswith(f"{folder}/evaluation/evaluation.json")
    assert f"{folder}/evaluation/report.html" in objects
    # A site evaluation looks for them beside the dataset card.
    assert objects[f"{folder}/report/training_images.jsonl.gz"] == b"fingerprints"


def test_promoting_twice_registers_once(accounts: TwoAccounts, promote: Callable[..., Result]) -> None:
    accounts.register()
    first = json.loads(promote("--json").stdout)
    second = json.loads(promote("--json").stdout)
    assert len(accounts.versions("prod")) == 1
    assert (first.pop("known"), second.pop("known")) == (False, True)
    assert first == second
    assert first["version"] == 1
    assert first["model_sha256"] == hashlib.sha256(MODEL).hexdigest()


def test_a_version_of_the_same_number_after_a_new_beginning_is_another_one(
    accounts: TwoAccounts, promote: Callable[..., Result]
) -> None:
    """An environment that was destroyed counts its versions from 1 again."""
    accounts.register()
    promote()
    accounts.destroy()
    another = {**METADATA, "source_revision": "another"}
    accounts.put({"executions/e1/model/job/output/model.tar.gz": archive(another)})
    accounts.register()
    assert promote().exit_code == 0
    assert len(accounts.versions("prod")) == 2
    assert MODEL in accounts.objects("prod").values(), "what the first version serves is still there"


@pytest.mark.parametrize(
    ("approval", "sentence"),
    [
        ("PendingManualApproval", "Version 1 is not approved in staging (PendingManualApproval)"),
        ("Rejected", "Version 1 was rejected in staging: misses effusions; it goes nowhere else."),
    ],
)
def test_what_was_not_approved_goes_nowhere(
    accounts: TwoAccounts, promote: Callable[..., Result], approval: str, sentence: str
) -> None:
    accounts.decide(accounts.register(), approval, "misses effusions.")
    result = promote()
    assert result.exit_code == ExitCode.FAILED
    assert sentence in result.stderr
    assert (accounts.versions("prod"), accounts.objects("prod")) == ([], {})


@pytest.mark.parametrize(
    "key", ["model/job/output/model.tar.gz", "evaluation/evaluation.json", "evaluation/report.html"]
)
def test_without_its_evidence_nothing_is_registered(
    accounts: TwoAccounts, promote: Callable[..., Result], key: str
) -> None:
    accounts.register()
    accounts.client("staging", "s3").delete_object(Bucket=accounts.bucket("staging"), Key=f"executions/e1/{key}")
    result = promote()
    assert result.exit_code == ExitCode.FAILED
    assert f"executions/e1/{key} is not there any more: without it nothing is promoted." in result.stderr
    assert (accounts.versions("prod"), accounts.objects("prod")) == ([], {})


def test_a_version_from_before_monitoring_is_promoted_without_a_reference(
    accounts: TwoAccounts, promote: Callable[..., Result]
) -> None:
    for key in STAYS_BEHIND:
        accounts.client("staging", "s3").delete_object(Bucket=accounts.bucket("staging"), Key=key)
    accounts.register(DriftCheckBaselines={})
    assert promote().exit_code == 0
    (package,) = accounts.versions("prod")
    assert not package.get("DriftCheckBaselines")
    assert not any(key.endswith(("reference.json", "output.tar.gz")) for key in accounts.objects("prod"))


def test_what_was_signed_is_carried_along_and_its_statement_is_what_the_source_signed(
    accounts: TwoAccounts, promote: Callable[..., Result]
) -> None:
    described = accounts.described(accounts.register())
    assert promote().exit_code == 0
    objects = accounts.objects("prod")
    (key,) = (key for key in objects if key.endswith("/signature/promoted_from.dsse.json"))
    assert objects[key] == accounts.provenance("staging").envelope(described)
    assert accounts.provenance("staging").signed(described)
    (bill,) = (content for key, content in objects.items() if key.endswith("/evaluation/bom.cdx.json"))
    assert refusal(bill) is None
    assert hashlib.sha256(MODEL).hexdigest() in bill.decode()


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("model/job/output/model.tar.gz", "model.tar.gz"),
        ("model/job/output/output.tar.gz", "output.tar.gz"),
        ("evaluation/report.html", "evaluation/report.html"),
        ("report/dataset.json", "report/dataset.json"),
    ],
)
def test_what_was_changed_since_it_was_registered_goes_nowhere(
    accounts: TwoAccounts, promote: Callable[..., Result], key: str, name: str
) -> None:
    accounts.register()
    content = accounts.objects("staging")[f"executions/e1/{key}"]
    accounts.put({f"executions/e1/{key}": bytes([content[0] ^ 1]) + content[1:]})
    result = promote()
    assert result.exit_code == ExitCode.FAILED
    assert "Version 1 is not what was signed when it was registered" in " ".join(result.stderr.split())
    assert f"{name} is " in " ".join(result.stderr.split())
    assert (accounts.versions("prod"), accounts.objects("prod")) == ([], {})


def test_what_is_not_signed_although_it_should_be_goes_nowhere(
    accounts: TwoAccounts, promote: Callable[..., Result]
) -> None:
    accounts.register()
    (key,) = (key for key in accounts.objects("staging") if key.startswith("signatures/"))
    accounts.client("staging", "s3").delete_object(Bucket=accounts.bucket("staging"), Key=key)
    result = promote()
    assert result.exit_code == ExitCode.FAILED
    assert "Version 1 is not signed" in result.stderr
    assert (accounts.versions("prod"), accounts.objects("prod")) == ([], {})


def test_a_version_of_before_there_were_signatures_is_promoted_and_told(
    accounts: TwoAccounts, promote: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts.register()
    accounts.destroy()
    monkeypatch.setattr(Provenance, "sign", lambda *_: False)
    accounts.register()
    later = datetime.now(UTC) + timedelta(days=1)
    monkeypatch.setattr(Provenance, "_signing_since", later)
    result = promote()
    assert result.exit_code == 0
    assert "It was registered before this deployment signed models" in result.stderr


def test_a_copy_that_is_not_what_was_copied_is_not_registered(
    accounts: TwoAccounts, promote: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts.register()
    monkeypatch.setattr("ops.models.evidence.content_sha256", lambda _s3, _uri: "0" * 64)
    result = promote()
    assert result.exit_code == ExitCode.FAILED
    assert "nothing was registered" in result.stderr
    assert accounts.versions("prod") == []


def test_a_refused_registration_can_be_repeated(accounts: TwoAccounts, promote: Callable[..., Result]) -> None:
    """The package comes last: files without one are nobody's model, and the next try writes the same ones."""
    accounts.register()
    accounts.denied.add("CreateModelPackage")
    assert promote().exit_code == ExitCode.UNAVAILABLE
    left = accounts.objects("prod")
    assert accounts.versions("prod") == []
    accounts.denied.clear()
    assert promote().exit_code == 0
    assert accounts.objects("prod") == left


def test_another_serving_container_is_said(accounts: TwoAccounts, promote: Callable[..., Result]) -> None:
    specification = {
        "Containers": [
            {
                "Image": image("staging", "2.19-cpu"),
                "ModelDataUrl": "s3://staging-artifacts/executions/e1/model/job/output/model.tar.gz",
            }
        ],
        "SupportedContentTypes": ["image/jpeg"],
        "SupportedResponseMIMETypes": ["application/json"],
    }
    accounts.register(InferenceSpecification=specification)
    result = promote()
    said = "staging served it with tensorflow-inference:2.19-cpu, prod will with tensorflow-inference:2.20-cpu"
    assert said in result.stderr


def test_an_environment_is_not_promoted_to_itself(cxr: Callable[..., Result]) -> None:
    result = cxr("--env", "prod", "promote", "1", "--to", "prod")
    assert result.exit_code == ExitCode.USAGE
    assert "name another environment" in result.stderr
