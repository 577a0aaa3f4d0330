"""A model goes to another account as it was approved, once, whole or not at all, and waits for approval there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from typer.testing import Result

from ops.base.errors import ExitCode
from tests.lambdas.aws.test_provenance import archive
from tests.ops.models.test_bill_of_materials import METADATA

if TYPE_CHECKING:
    pass

from tests.ops.models.conftest import ACCOUNTS, EVALUATION, MODEL, REGIONS, STAYS_BEHIND, TwoAccounts, image


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
