"""One archive, one approved model, predictions over HTTP: the deployed templates, handlers and step scripts at work.

The first module that uses the shared stack; its tests run in the order they stand in.
"""

from __future__ import annotations

import io
import json
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from local.samples.sample_archive import write_archive
from tests.system.deployed import Stack, eventually

pytestmark = [pytest.mark.system, pytest.mark.slow]


def test_before_the_first_release_the_api_says_when_to_come_back(stack: Stack, examples: dict[str, Path]) -> None:
    answer = stack.predict(examples["NORMAL"])

    assert answer.status == 503
    assert answer.document["code"] == "no_model_released"
    assert int(answer.headers["retry-after"]) > 0
    assert stack.request("v1/health").document["status"] == "no_model_released"


def test_without_the_key_nothing_is_answered(stack: Stack, examples: dict[str, Path]) -> None:
    image = examples["NORMAL"].read_bytes()

    answer = stack.request("v1/predictions", body=image, headers={"x-api-key": "", "content-type": "image/jpeg"})

    assert answer.status == 403


def test_an_upload_becomes_a_registered_model(
    stack: Stack, trained: dict[str, Any], record_property: Callable[[str, object], None]
) -> None:
    assert trained["status"] == "Succeeded"
    (package,) = stack.packages()
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    details = stack.laptop.client("sagemaker").describe_model_package(ModelPackageName=package["ModelPackageArn"])
    bucket, _, key = details["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"].removeprefix("s3://").partition("/")
    evaluation = json.load(stack.laptop.client("s3").get_object(Bucket=bucket, Key=key)["Body"])
    # How far the gates are, for tests/system/matrix.py.
    record_property(
        "gates", json.dumps({one["title"]: f"{one['shown']} ({one['rule']})" for one in evaluation["gates"]["checks"]})
    )
    auroc = evaluation["binary_classification_metrics"]["auc"]
    assert auroc["confidence_interval"][0] <= auroc["value"] <= auroc["confidence_interval"][1]


def test_an_approved_model_answers_over_http(stack: Stack, released: str, examples: dict[str, Path]) -> None:
    for label, image in examples.items():
        answer = stack.predict(image)

        assert answer.status == 200, answer.document
        assert answer.document["label"] == label
        assert (answer.document["probability"] >= answer.document["threshold"]) == (label == "PNEUMONIA")
        assert answer.document["model"]["package_arn"] == released
        assert "not for diagnosis" in answer.document["notice"].lower()


def test_a_dicom_file_is_answered_like_the_image_it_was_made_of(
    stack: Stack, released: str, examples: dict[str, Path], tmp_path: Path
) -> None:
    for label, image in examples.items():
        path = tmp_path / f"{label}.dcm"
        path.write_bytes(_dicom(image, PatientName="SECRET^NAME"))
        png = io.BytesIO()
        Image.open(image).convert("L").save(png, "PNG")
        by_itself = stack.request("v1/predictions", body=png.getvalue(), headers={"content-type": "image/png"}).document

        (row,) = map(json.loads, stack.cxr("predict", str(path), "--json").stdout.splitlines())
        answer = stack.request(
            "v1/predictions", body=path.read_bytes(), headers={"content-type": "application/dicom"}
        ).document

        assert row["label"] == label
        assert row["probability"] == answer["probability"] == pytest.approx(by_itself["probability"], abs=1e-6)
        assert answer["dicom"]["modality"] == "DX"
    refused = stack.request(
        "v1/predictions", body=_dicom(image, Modality="CT"), headers={"content-type": "application/dicom"}
    )
    assert (refused.status, refused.document["code"]) == (422, "not_a_radiograph")
    assert "SECRET" not in _logs(stack, "Dicom") + _logs(stack, "Predict")


def _dicom(image: Path, **attributes: str) -> bytes:
    """A radiograph as a detector sends it: 12 bits, bright where there are X-rays. It is displayed the same."""
    levels = np.asarray(Image.open(image).convert("L"))
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = DigitalXRayImageStorageForPresentation, generate_uid()
    dataset.Modality, dataset.PhotometricInterpretation = "DX", "MONOCHROME1"
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.Rows, dataset.Columns = levels.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.WindowCenter, dataset.WindowWidth = 2048, 4096
    for name, value in attributes.items():
        setattr(dataset, name, value)
    dataset.PixelData = (4095 - np.rint(levels / 255 * 4095)).astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _logs(stack: Stack, function: str) -> str:
    logs = stack.laptop.client("logs")
    groups = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]
    lines = [
        event["message"]
        for group in groups
        if f"{function}Logs" in group
        for event in logs.filter_log_events(logGroupName=group)["events"]
    ]
    assert lines
    return "\n".join(lines)


def test_the_command_predicts_a_folder_one_json_object_a_line(
    stack: Stack, released: str, examples: dict[str, Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpeg"
    broken.write_bytes(b"\xff\xd8\xff this is no image")

    done = stack.cxr("predict", str(examples["NORMAL"].parent), str(broken), "--json")

    rows = {Path(row["path"]).name: row for row in map(json.loads, done.stdout.splitlines())}
    assert rows[examples["NORMAL"].name]["label"] == "NORMAL"
    assert rows[examples["PNEUMONIA"].name]["label"] == "PNEUMONIA"
    assert rows["broken.jpeg"]["code"] == "undecodable_image"
    assert done.returncode == 1, "one file failed, so the command does"


def test_one_upload_event_delivered_three_times_starts_one_execution(stack: Stack, trained: dict[str, Any]) -> None:
    before = stack.executions()
    s3 = stack.laptop.client("s3")
    bucket = stack.outputs["DataBucketName"]
    (upload,) = (item for item in s3.list_objects_v2(Bucket=bucket, Prefix="incoming/")["Contents"])
    version = s3.head_object(Bucket=bucket, Key=upload["Key"])["VersionId"]
    event = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": bucket}, "object": {"key": upload["Key"], "version-id": version}},
    }
    function = stack.laptop.client("lambda")
    for _ in range(3):
        answer = function.invoke(FunctionName=stack.outputs["TriggerFunctionName"], Payload=json.dumps(event))
        assert "FunctionError" not in answer, answer["Payload"].read()

    assert [item["PipelineExecutionArn"] for item in stack.executions()] == [
        item["PipelineExecutionArn"] for item in before
    ]


def _truncated(archive: bytes) -> bytes:
    return archive[: len(archive) // 2]


def _without_layout(_: bytes) -> bytes:
    return _zip({"photos/holiday.jpeg": b"\xff\xd8\xff"})


def _bomb(_: bytes) -> bytes:
    names = [f"chest_xray/train/{label}/{n}.jpeg" for label in ("NORMAL", "PNEUMONIA") for n in range(4)]
    return _zip(dict.fromkeys(names, bytes(8_000_000)))


def _traversal(_: bytes) -> bytes:
    return _zip(
        {
            "chest_xray/train/NORMAL/a.jpeg": b"\xff\xd8\xff",
            "chest_xray/train/PNEUMONIA/../../../../etc/cron.d/x.jpeg": b"\xff\xd8\xff",
        }
    )


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        pytest.param(_truncated, "truncated", id="truncated"),
        pytest.param(_without_layout, "NORMAL", id="no layout"),
        pytest.param(_bomb, "chest_xray/train/NORMAL/0.jpeg", id="bomb"),
        pytest.param(_traversal, "..", id="path traversal"),
    ],
)
def test_an_unusable_archive_is_refused_with_the_reason_and_starts_nothing(
    stack: Stack, archive: Path, spoil: Any, named: str
) -> None:
    before = len(stack.executions())
    s3 = stack.laptop.client("s3")
    bucket = stack.outputs["DataBucketName"]
    key = f"incoming/{spoil.__name__.strip('_')}.zip"

    s3.put_object(Bucket=bucket, Key=key, Body=spoil(archive.read_bytes()))

    def report() -> Any:
        found = s3.list_objects_v2(Bucket=bucket, Prefix=f"{key}.rejected.json").get("Contents")
        return found and json.load(s3.get_object(Bucket=bucket, Key=f"{key}.rejected.json")["Body"])

    assert named in json.dumps(eventually(report, within=60, what=f"the report on {key}"))
    assert len(stack.executions()) == before


def test_whatever_is_uploaded_is_answered_and_its_answer_by_nothing(stack: Stack) -> None:
    s3 = stack.laptop.client("s3")
    bucket = stack.outputs["DataBucketName"]
    sent = {"incoming/Wrong.Zip", "incoming/study.tar.gz", "incoming/evaluate/thorax.jpeg"}
    reports = {f"{key}.rejected.json" for key in sent}

    for key in ("incoming/empty/", *sorted(sent)):
        s3.put_object(Bucket=bucket, Key=key, Body=b"" if key.endswith("/") else b"no archive")

    def written() -> set[str]:
        found = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="incoming/")
        return {item["Key"] for page in found for item in page["Contents"] if item["Key"].endswith(".rejected.json")}

    eventually(lambda: written() >= reports, within=60, what="a report on each")
    # Reports are uploads too: a later one is answered once theirs have been looked at.
    s3.put_object(Bucket=bucket, Key="incoming/last.txt", Body=b"no archive")
    last = "incoming/last.txt.rejected.json"
    eventually(lambda: last in written(), within=60, what="the report on the last")
    assert {key for key in written() if key.startswith((*sent, "incoming/empty"))} == reports


def test_shuffled_labels_end_at_the_quality_gate_and_register_nothing(
    stack: Stack, trained: dict[str, Any], tmp_path: Path
) -> None:
    packages = len(stack.packages())
    write_archive(tmp_path / "shuffled.zip", images_per_class=60, shuffle_labels=True)
    bucket, key = stack.outputs["DataBucketName"], f"datasets/{'5' * 64}/archive.zip"
    stack.laptop.client("s3").upload_file(str(tmp_path / "shuffled.zip"), bucket, key)

    # As little training as there can be: nothing is to be learned.
    little = ("Epochs=1", "FineTuneEpochs=0", "Backbone=MobileNetV3Small", "ServingEngine=tensorflow")
    given = [part for one in little for part in ("--set", one)]
    watched = stack.cxr("start", f"s3://{bucket}/{key}", *given, "--watch")

    assert watched.returncode == 1
    shown = " ".join((watched.stdout + watched.stderr).split())
    assert "QualityGateFailed: Model not registered." in shown
    assert "is below the limit 0." in shown
    assert len(stack.packages()) == packages


def test_a_second_model_takes_over_without_a_failed_request(
    stack: Stack, released: str, examples: dict[str, Path]
) -> None:
    sagemaker = stack.laptop.client("sagemaker")
    first = sagemaker.describe_model_package(ModelPackageName=released)
    second = sagemaker.create_model_package(
        ModelPackageGroupName=first["ModelPackageGroupName"],
        InferenceSpecification=first["InferenceSpecification"],
        ModelMetrics=first["ModelMetrics"],
        ModelApprovalStatus="PendingManualApproval",
    )["ModelPackageArn"]
    answers: list[tuple[int, str]] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            answer = stack.predict(examples["PNEUMONIA"])
            answers.append((answer.status, answer.document.get("model", {}).get("package_arn", "")))
            time.sleep(0.4)  # two clients stay below the usage plan's ten requests a second

    clients = [threading.Thread(target=ask) for _ in range(2)]
    for client in clients:
        client.start()
    try:
        done = stack.cxr("approve", second.rpartition("/")[2])
        eventually(lambda: answers[-1][1] == second, within=10, what="an answer by the second model")
    finally:
        stop.set()
        for client in clients:
            client.join()

    assert done.returncode == 0, done.stderr
    assert {status for status, _ in answers} == {200}
    assert [package for _, package in answers[:2]] == [released, released]
    assert {package for _, package in answers} == {released, second}
