"""The serving model is found from the endpoint, with the figures it was registered with, twice a minute at most."""

from __future__ import annotations

import hashlib
import io
import json
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from lambdas.api.documents import ServingModel
from lambdas.aws.envelope import SigningKey
from lambdas.aws.provenance import Provenance
from lambdas.aws.statement import PackageInspector
from model_code.contract.served_files import digest
from tests.lambdas.rest_events import event, problem
from tests.lambdas.signing import BUCKET, KEY, Artifacts, Kms, packed
from tests.lambdas.site_bucket import SiteBucket, document

PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/cxr-dev/12"
STATEMENT = "signatures/12/20261101T000000Z.dsse.json"
REGISTERED, APPROVED = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)


def figure(value):
    return {"value": value, "standard_deviation": 0.01, "confidence_interval": [value - 0.02, value + 0.01]}


EVALUATION = {
    "binary_classification_metrics": {
        "auc": figure(0.97),
        "true_positive_rate": figure(0.95),
        "true_negative_rate": figure(0.9),
    },
    "calibration": {"expected_calibration_error": figure(0.04)},
    "engine": {
        "name": "litert",
        "weights": "float16",
        "beyond_limits": 0,
        "rejected": [{"weights": "int8", "message": "…"}],
    },
    "threshold": 0.42,
    "indeterminate": {"low": 0.3, "high": 0.6, "images": 20},
    "test": {"images": 624, "patients": 300},
    "dataset_sha256": "ab" * 32,
}


class SageMaker:
    """An endpoint with one model, and the registry."""

    def __init__(self, status="InService", approval="Approved"):
        self.status, self.approval, self.calls = status, approval, []

    def describe_endpoint(self, EndpointName):  # noqa: N803 - botocore's names
        self.calls.append("endpoint")
        if self.status is None:
            error = {"Error": {"Code": "ValidationException", "Message": f'Could not find endpoint "{EndpointName}".'}}
            raise ClientError(error, "DescribeEndpoint")
        return {"EndpointStatus": self.status, "EndpointConfigName": "configuration"}

    def describe_endpoint_config(self, EndpointConfigName):  # noqa: N803
        return {"ProductionVariants": [{"ModelName": "model"}]}

    def describe_model(self, ModelName):  # noqa: N803
        return {"PrimaryContainer": {"ModelPackageName": PACKAGE}}

    def describe_model_package(self, ModelPackageName):  # noqa: N803
        assert ModelPackageName == PACKAGE
        return {
            "ModelPackageArn": PACKAGE,
            "ModelPackageGroupName": "cxr-dev",
            "ModelPackageVersion": 12,
            "CreationTime": REGISTERED,
            "LastModifiedTime": APPROVED,
            "LastModifiedBy": {"IamIdentity": {"Arn": "arn:aws:iam::1:user/jane.doe"}},
            "ApprovalDescription": "by Jane Doe",
            "ModelApprovalStatus": self.approval,
            "InferenceSpecification": {"Containers": [{"ModelDataUrl": "s3://artifacts/executions/x/model.tar.gz"}]},
            "ModelMetrics": {
                "ModelQuality": {"Statistics": {"S3Uri": "s3://artifacts/executions/x/evaluation/evaluation.json"}}
            },
        }


class S3(SiteBucket):
    """The evaluation's object, beside those of site evaluations."""

    refuses = None

    def __init__(self):
        super().__init__()
        self.signed = Artifacts()

    def get_object(self, *, Bucket, Key):  # noqa: N803
        if Key == "executions/x/evaluation/evaluation.json":
            assert Bucket == "artifacts"
            return {"Body": io.BytesIO(json.dumps(EVALUATION).encode())}
        if Key == STATEMENT:
            return self.signed.get_object(Bucket=Bucket, Key=Key)
        if self.refuses:
            raise self.refuses
        return super().get_object(Bucket=Bucket, Key=Key)


@pytest.fixture
def bucket():
    return S3()


@pytest.fixture
def look(load_handler, context, monkeypatch, bucket):
    module, handle = load_handler(
        "lambdas.api.model.handle", ENDPOINT_NAME="cxr-dev", ARTIFACT_BUCKET=BUCKET, SIGNING_KEY_ARN=KEY
    )
    kms = Kms()
    monkeypatch.setattr(module.boto3, "client", lambda service, **_: kms)
    monkeypatch.setattr(module, "s3", lambda: bucket)

    def looked(sagemaker):
        monkeypatch.setattr(module, "sagemaker", lambda: sagemaker)
        return handle(event("GET", "/v1/model"), context)

    looked.module, looked.kms = module, kms
    return looked


def test_the_serving_model_with_its_figures_and_their_intervals(look):
    answer = look(SageMaker())
    assert answer["statusCode"] == 200
    model = ServingModel.model_validate_json(answer["body"])
    assert (model.package_arn, model.group, model.version) == (PACKAGE, "cxr-dev", 12)
    assert (model.registered_at, model.approval.status, model.approval.changed_at) == (REGISTERED, "Approved", APPROVED)
    assert model.metrics.auroc.model_dump() == {"value": 0.97, "low": pytest.approx(0.95), "high": pytest.approx(0.98)}
    assert model.metrics.sensitivity.value == 0.95
    assert model.metrics.specificity.value == 0.9
    assert model.metrics.calibration_error.value == 0.04
    assert (model.metrics.images, model.metrics.patients) == (624, 300)
    assert (model.threshold, model.indeterminate.low, model.indeterminate.high) == (0.42, 0.3, 0.6)
    assert model.guarantee is None, "an evaluation of before there were guarantees"
    assert "not for diagnosis" in model.notice


def test_the_digest_of_what_was_signed_is_reported(look, bucket):
    """The one that a release verified; a model of before there were signatures has none."""
    before = json.loads(look(SageMaker())["body"])
    assert (before["artifact_sha256"], before["served_sha256"]) == (None, None)
    artifacts = Artifacts()
    files = {"1/saved_model.pb": b"weights", "metadata.json": b"{}"}
    artifacts.objects["executions/x/model.tar.gz"] = model = packed(files)
    registry = SageMaker()
    package = registry.describe_model_package(PACKAGE)
    Provenance(bucket.signed, BUCKET, SigningKey(look.kms, KEY), PackageInspector(registry, artifacts)).sign(package)
    look.module._seen.clear()
    told = json.loads(look(SageMaker())["body"])
    assert told["artifact_sha256"] == hashlib.sha256(model).hexdigest()
    assert told["served_sha256"] == digest(
        {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    )
    bucket.signed.flip(STATEMENT)
    look.module._seen.clear()
    after = json.loads(look(SageMaker())["body"])
    assert (after["artifact_sha256"], after["served_sha256"]) == (None, None), "what is not signed proves nothing"


def test_a_calibrated_version_says_whose_weights_it_has_and_not_from_which_archive(look, monkeypatch):
    origin = {
        "package_arn": PACKAGE.replace("/12", "/11"),
        "version": 11,
        "weights_sha256": "cd" * 32,
        "archive_uri": "s3://data/datasets/st-elsewhere.zip",
        "dataset_sha256": "ef" * 32,
        "execution": "arn:aws:sagemaker:us-east-1:123456789012:pipeline/cxr-dev-calibration/execution/abc",
        "calibrated": "2026-11-02T09:00:00+00:00",
        "fitted": {"images": 200, "patients": 150, "labels": {}, "subtypes": {}},
        "held_out": {"images": 200, "patients": 151, "labels": {}, "subtypes": {}},
    }
    monkeypatch.setitem(EVALUATION, "schema", 5)
    monkeypatch.setitem(EVALUATION, "calibrated_from", origin)
    monkeypatch.setitem(EVALUATION, "guarantee", None)
    monkeypatch.setitem(EVALUATION, "population", None)
    answer = look(SageMaker())["body"]
    assert json.loads(answer)["calibrated_from"] == {
        "package_arn": PACKAGE.replace("/12", "/11"),
        "version": 11,
        "calibrated_at": "2026-11-02T09:00:00Z",
        "patients": 150,
        "labels": None,
    }
    assert "elsewhere" not in answer


def test_what_is_guaranteed_is_reported_without_what_the_test_split_says_to_it(look, monkeypatch):
    guarantee = {"negative_predictive_value": 0.95, "positive_predictive_value": None, "confidence": 0.95,
                 "prevalence": 0.4, "patients": 200, "sentence": "For patients like these …"}  # fmt: skip
    monkeypatch.setitem(EVALUATION, "guarantee", {**guarantee, "test": {}})
    monkeypatch.setitem(EVALUATION, "schema", 2)
    assert json.loads(look(SageMaker())["body"])["guarantee"] == guarantee


def test_whom_it_is_meant_for_is_reported(look, monkeypatch):
    population = {"ages": ["0-17"], "views": ["AP"], "modalities": ["CR"]}
    assert json.loads(look(SageMaker())["body"])["population"] is None
    monkeypatch.setattr("lambdas.api.model._seen", {})
    monkeypatch.setitem(EVALUATION, "population", population)
    assert json.loads(look(SageMaker())["body"])["population"] == population


def test_which_weights_serve_is_reported(look):
    assert json.loads(look(SageMaker())["body"])["engine"] == {"name": "litert", "weights": "float16"}


@pytest.mark.parametrize(
    ("described", "wanted"),
    [
        (None, {"name": "tensorflow", "weights": "float32"}),
        ({"name": "tensorflow", "beyond_limits": 0}, {"name": "tensorflow", "weights": "float32"}),
        ({"name": "litert", "beyond_limits": 0}, {"name": "litert", "weights": None}),
    ],
)
def test_an_earlier_evaluation_says_what_it_knows(look, monkeypatch, described, wanted):
    monkeypatch.delitem(EVALUATION, "engine")
    if described:
        monkeypatch.setitem(EVALUATION, "engine", described)
    assert json.loads(look(SageMaker())["body"])["engine"] == wanted


def test_who_approved_it_is_not_disclosed(look):
    """Names of staff and their words are in the registry, for people who may read that."""
    assert "Jane" not in look(SageMaker())["body"]
    assert "jane" not in look(SageMaker())["body"]


def test_a_model_that_was_rejected_while_it_serves_says_so(look):
    assert json.loads(look(SageMaker(approval="Rejected"))["body"])["approval"]["status"] == "Rejected"


@pytest.mark.parametrize("status", [None, "Creating", "Failed"])
def test_before_the_first_release_there_is_none(look, status):
    problem(look(SageMaker(status)), 503, "no_model_released")


def test_without_a_site_evaluation_the_list_is_empty(look):
    answer = json.loads(look(SageMaker())["body"])
    assert (answer["site_evaluations"], answer["unreadable_site_evaluations"]) == ([], 0)


def test_what_sites_found_is_reported_newest_first_with_intervals(look, bucket):
    bucket.add("first", document("not_usable"), version=12, minutes=0)
    later = document("usable", created="2026-11-28T10:00:00+01:00")
    bucket.add("second", later, version=12, minutes=1)
    bucket.add("other", document(), version=11, minutes=2)
    found = ServingModel.model_validate_json(look(SageMaker())["body"]).site_evaluations
    assert [one.verdict for one in found] == ["usable", "not_usable"], "of version 12, which serves"
    newest = found[0]
    assert newest.evaluated_at == datetime(2026, 11, 28, 9, tzinfo=UTC)
    assert (newest.images, newest.patients) == (669, 640)
    assert newest.auroc.model_dump() == {"value": 0.91, "low": pytest.approx(0.89), "high": pytest.approx(0.93)}
    assert (newest.sensitivity.value, newest.specificity.value, newest.refused_share.value) == (0.88, 0.83, 0.03)


def test_which_hospital_it_was_is_not_disclosed(look, bucket):
    """Uploaders name archives and executions after it; a sentence of the verdict is for those who may read reports."""
    named = document(archive_uri="s3://data/evaluations/st-mary.zip", dropped=[{"files": ["st-mary/1.dcm"]}])
    named["verdict"]["sentence"] = "Usable at st-mary."
    bucket.add("st-mary", named, version=12)
    body = look(SageMaker())["body"]
    assert len(json.loads(body)["site_evaluations"]) == 1
    assert "st-mary" not in body
    assert "s3://" not in body


def test_one_that_cannot_be_understood_is_counted_and_logged(look, bucket, caplog):
    bucket.add("good", document(), version=12)
    bucket.add("late", document(schema=99), version=12)
    answer = json.loads(look(SageMaker())["body"])
    assert (len(answer["site_evaluations"]), answer["unreadable_site_evaluations"]) == (1, 1)
    assert [record.uri for record in caplog.records if record.levelname == "ERROR"] == [
        "s3://artifacts/site-evaluations/12/late/site_evaluation.json"
    ]


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject"),
        ReadTimeoutError(endpoint_url="https://s3"),
    ],
)
def test_where_they_cannot_be_looked_up_the_model_is_told_of_and_the_list_says_so(look, bucket, error, caplog):
    """Null is no empty list: nobody may take it for a model that was never evaluated at a site."""
    bucket.add("abc", document("not_usable"), version=12)
    bucket.refuses = error
    answer = look(SageMaker())
    assert answer["statusCode"] == 200
    body = json.loads(answer["body"])
    assert body["site_evaluations"] is None
    assert body["metrics"]["auroc"]["value"] == 0.97
    assert "site evaluations could not be looked up" in caplog.messages


def test_polling_reads_s3_no_oftener_than_sagemaker(look, bucket):
    bucket.add("abc", document(), version=12)
    for _ in range(5):
        look(SageMaker())
    assert len(bucket.read) == 1


def test_polling_asks_sagemaker_twice_a_minute(look, monkeypatch):
    sagemaker, now = SageMaker(), [100.0]
    monkeypatch.setattr(look.module.time, "monotonic", lambda: now[0])
    for _ in range(5):
        look(sagemaker)
    assert sagemaker.calls == ["endpoint"]
    now[0] += 30
    look(sagemaker)
    assert sagemaker.calls == ["endpoint"] * 2
