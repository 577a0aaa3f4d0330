"""A model calibrated to another hospital, and on readers' labels: calibration is mended, the ranking is not."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from local.samples.sample_archive import (
    OTHER_READERS_CALL,
    OTHER_SITE_PREVALENCE,
    write_archive,
    write_examples,
    write_other_readers,
)
from model_code.contract.metrics import figure
from tests.system.deployed import Answer, Stack, eventually, succeeded

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.system, pytest.mark.slow]


@pytest.fixture(scope="module")
def calibrated(stack: Stack, released: str) -> dict[str, Any]:
    """Answer of `cxr calibrate`, which made a version of the released one on another hospital's radiographs."""
    archive, report = stack.workspace / "to-calibrate.zip", stack.workspace / "calibrated.html"
    write_other_readers(archive)
    version = released.rpartition("/")[2]
    command = ("calibrate", version, "--archive", str(archive), "--json", "--save", str(report))
    found: dict[str, Any] = json.loads(succeeded(stack.cxr(*command), stack.laptop).stdout)
    assert "calibrated on a site" in report.read_text()
    return found


def package(stack: Stack, version: int) -> dict[str, Any]:
    (arn,) = [one["ModelPackageArn"] for one in stack.packages() if one["ModelPackageVersion"] == version]
    return described(stack, arn)


def described(stack: Stack, arn: str) -> dict[str, Any]:
    found: dict[str, Any] = stack.laptop.client("sagemaker").describe_model_package(ModelPackageName=arn)
    return found


def evaluation_of(stack: Stack, arn: str) -> dict[str, Any]:
    """The evaluation that a version was registered with."""
    uri = urlsplit(described(stack, arn)["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"])
    body = stack.laptop.client("s3").get_object(Bucket=uri.netloc, Key=uri.path.lstrip("/"))["Body"].read()
    return dict(json.loads(body))


def test_the_calibration_error_falls_on_patients_who_chose_nothing_and_the_auroc_is_what_it_was(
    stack: Stack, calibrated: dict[str, Any]
) -> None:
    evaluation, origin = calibrated["evaluation"], calibrated["calibrated_from"]
    error, auroc = (figure(evaluation, name) or {} for name in ("calibration_error", "auroc"))
    assert error["value"] < origin["before"]["calibration_error"]["value"]
    assert auroc["value"] == origin["before"]["auroc"]["value"]
    assert evaluation["test"]["prevalence"] == pytest.approx(OTHER_READERS_CALL * OTHER_SITE_PREVALENCE, abs=0.05)
    assert evaluation["test"]["images"] <= origin["held_out"]["images"] == 200
    assert evaluation["engine"]["beyond_limits"] == 0, (
        "the engine agrees with the float32 network in the new probabilities"
    )


def test_it_waits_for_approval_with_the_weights_it_came_from(
    stack: Stack, released: str, calibrated: dict[str, Any]
) -> None:
    made = package(stack, calibrated["version"])
    own, source = made["CustomerMetadataProperties"], released.rpartition("/")[2]
    assert made["ModelApprovalStatus"] == "PendingManualApproval"
    assert own["CalibratedFrom"] == released
    assert own["WeightsSha256"] == calibrated["calibrated_from"]["weights_sha256"]
    said = " ".join(stack.cxr("models").stderr.split())
    assert f"Version {calibrated['version']}: The weights are those of" in said
    compared = " ".join(stack.cxr("compare", source, str(calibrated["version"])).stderr.split())
    assert "tested on different images and have the same weights" in compared


def test_once_approved_its_answers_name_it_and_have_its_calibration(
    stack: Stack, calibrated: dict[str, Any], examples: dict[str, Path]
) -> None:
    """The logit is the same, so from one version's probability follows the other's."""
    image, new = examples["NORMAL"], calibrated["evaluation"]
    before = stack.predict(image).document
    serving = before["model"]["package_arn"]
    succeeded(stack.cxr("approve", str(calibrated["version"]), "--comment", "calibrated"), stack.laptop)
    after = stack.predict(image).document

    assert after["model"]["package_arn"] == package(stack, calibrated["version"])["ModelPackageArn"] != serving
    assert after["threshold"] == pytest.approx(new["threshold"])
    own = evaluation_of(stack, serving)["calibration"]
    logit = own["temperature"] * (math.log(before["probability"] / (1 - before["probability"])) - own["bias"])
    log_odds = logit / new["calibration"]["temperature"] + new["calibration"]["bias"]
    assert after["probability"] == pytest.approx(1 / (1 + math.exp(-log_odds)), abs=1e-3)
    succeeded(stack.cxr("rollback", serving), stack.laptop)


def test_where_the_ranking_is_gone_nothing_is_registered_and_no_calibration_is_claimed(
    stack: Stack, released: str
) -> None:
    archive = stack.workspace / "shuffled-site.zip"
    write_archive(archive, images_per_class=80, seed=78, shuffle_labels=True)
    before = len(stack.packages())

    done = stack.cxr("calibrate", released.rpartition("/")[2], "--archive", str(archive))

    assert done.returncode == 1
    said = " ".join((done.stdout + done.stderr).split())
    assert "No calibration mends that." in said
    assert "AUROC 0." in said
    assert len(stack.packages()) == before


PER_CLASS = 60


def asked(stack: Stack, path: str, body: bytes, kind: str) -> Answer:
    """The answer, waited for as long as the usage plan wants."""

    def answered() -> Answer | None:
        found = stack.request(path, body=body, headers={"content-type": kind})
        return found if found.status != 429 else None

    found: Answer = eventually(answered, within=20, what="an answer")
    assert found.status == 200, found.document
    return found


@pytest.fixture(scope="module")
def labelled(stack: Stack, released: str, examples: dict[str, Path]) -> Iterator[str]:
    """ARN of the version that answered for radiographs of patients in no archive, which readers labelled.

    The one that the pipeline trained: another that serves may be a copy of its package, without a dataset report.
    """
    serving = str(stack.predict(examples["NORMAL"]).document["model"]["package_arn"])
    if serving != released:
        succeeded(stack.cxr("rollback", released), stack.laptop)
    answered = set()
    for number, path in enumerate(write_examples(stack.workspace / "labelled", per_class=PER_CLASS)):
        found = asked(stack, "v1/predictions", path.read_bytes(), "image/jpeg").document
        answered.add(found["model"]["package_arn"])
        word = "UNSURE" if number == 0 else path.name.partition("-")[0]
        body = json.dumps({"label": word}).encode()
        asked(stack, f"v1/predictions/{found['id']}/feedback", body, "application/json")
    assert answered == {released}
    yield released
    if serving != released:
        succeeded(stack.cxr("rollback", serving), stack.laptop)


def test_readers_labels_calibrate_the_version_whose_answers_they_are(stack: Stack, labelled: str) -> None:
    """By a digest of the files that answered, too: what the container tells is what the job reckons."""
    report, version = stack.workspace / "labels.html", labelled.rpartition("/")[2]
    command = ("calibrate", version, "--labels", "--json", "--save", str(report))
    found = json.loads(succeeded(stack.cxr(*command), stack.laptop).stdout)
    evaluation, origin = found["evaluation"], found["calibrated_from"]
    made = package(stack, found["version"])

    assert (origin["package_arn"], origin["archive_uri"]) == (labelled, None)
    used = origin["fitted"]["images"] + origin["held_out"]["images"]
    assert used == origin["labels"]["given"] - sum(origin["labels"]["left_out"].values())
    assert used >= 2 * PER_CLASS - 5, origin["labels"]
    assert origin["labels"]["left_out"]["unsure"] == 1
    assert "other_files" not in origin["labels"]["left_out"]
    assert (figure(evaluation, "auroc") or {})["value"] == origin["before"]["auroc"]["value"]
    assert evaluation["engine"]["name"] == evaluation_of(stack, labelled)["engine"]["name"]
    assert evaluation["engine"]["beyond_limits"] == 0
    assert made["ModelApprovalStatus"] == "PendingManualApproval"
    assert made["CustomerMetadataProperties"]["CalibratedFrom"] == labelled
    assert "Readers choose what they label" in report.read_text()
    # It is signed like any, by what its execution tells, and the weights serve with their new calibration.
    succeeded(stack.cxr("approve", str(found["version"]), "--comment", "labels"), stack.laptop)
    after = asked(stack, "v1/predictions", (next((stack.workspace / "labelled").iterdir())).read_bytes(), "image/jpeg")
    assert after.document["model"]["package_arn"] == made["ModelPackageArn"]
    assert after.document["threshold"] == pytest.approx(evaluation["threshold"])
    succeeded(stack.cxr("rollback", labelled), stack.laptop)


def test_without_labels_a_version_is_refused_with_the_numbers_that_are_missing(stack: Stack, labelled: str) -> None:
    before = len(stack.packages())
    done = stack.cxr("calibrate", labelled.rpartition("/")[2], "--labels", "--until", "2020-01-02")
    assert done.returncode == 1
    said = " ".join((done.stdout + done.stderr).split())
    assert "50 more labels NORMAL and 50 more labels PNEUMONIA are needed" in said
    assert len(stack.packages()) == before
