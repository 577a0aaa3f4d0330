"""Familiar radiographs leave the drift alarm alone; others set it off, and people and training hear of it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageEnhance

from local.samples.sample_archive import write_examples
from tests.system.deployed import Inbox, Stack, eventually, succeeded

pytestmark = [pytest.mark.system, pytest.mark.slow]

PER_CLASS = 30
ALARM = "cxr-laptop-drift"


class Monitoring:
    """The monitoring of the deployed app, and what its topic told."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._inbox = Inbox(stack, "alarms")
        self._told: list[str] = []

    def replay(self, images: list[bytes]) -> list[str]:
        """Ids of the predictions on images that clients send one after the other."""
        return [str(self._post("v1/predictions", image, "image/jpeg")["id"]) for image in images]

    def label(self, identifier: str, label: str) -> None:
        """Send a reader's label for a prediction."""
        body = json.dumps({"label": label}).encode()
        self._post(f"v1/predictions/{identifier}/feedback", body, "application/json")

    def refused(self) -> None:
        """Send what is no image."""
        self._post("v1/predictions", b"no image", "image/jpeg", status=400)

    def _post(self, path: str, body: bytes, kind: str, *, status: int = 200) -> Any:
        """The answer, waited for as long as the usage plan wants."""

        def answered() -> Any:
            answer = self.stack.request(path, body=body, headers={"content-type": kind})
            return answer if answer.status != 429 else None

        answer = eventually(answered, within=20, what="an answer")
        assert answer.status == status, answer.document
        return answer.document

    def run(self) -> None:
        """One execution of the monitoring pipeline, to its end."""
        sagemaker = self.stack.laptop.client("sagemaker")
        arn = sagemaker.start_pipeline_execution(
            PipelineName=self.stack.outputs["MonitoringPipelineName"], ClientRequestToken=secrets.token_hex(16)
        )["PipelineExecutionArn"]

        def ended() -> Any:
            described = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
            return described if described["PipelineExecutionStatus"] != "Executing" else None

        described = eventually(ended, within=60, what="the end of a monitoring run")
        steps = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn)["PipelineExecutionSteps"]
        assert described["PipelineExecutionStatus"] == "Succeeded", steps

    def state(self) -> str:
        alarms = self.stack.laptop.client("cloudwatch").describe_alarms(AlarmNames=[ALARM])["MetricAlarms"]
        return str(alarms[0]["StateValue"])

    def told(self, alarm: str, state: str) -> dict[str, Any] | None:
        """The topic's message about an alarm that got to a state, once it was told."""
        self._told += [envelope["Message"] for envelope in self._inbox.take()]
        alarms = (json.loads(message) for message in self._told if message.startswith("{"))
        return next((one for one in alarms if (one["AlarmName"], one["NewStateValue"]) == (alarm, state)), None)


@pytest.fixture(scope="module")
def monitoring(stack: Stack, released: str) -> Monitoring:
    """With a version of its own that serves: only predictions of the serving version are compared."""
    sagemaker = stack.laptop.client("sagemaker")
    known = sagemaker.describe_model_package(ModelPackageName=released)
    copied = ("ModelPackageGroupName", "InferenceSpecification", "ModelMetrics", "DriftCheckBaselines")
    version = sagemaker.create_model_package(
        **{name: known[name] for name in copied}, ModelApprovalStatus="PendingManualApproval"
    )["ModelPackageArn"]
    succeeded(stack.cxr("approve", version.rpartition("/")[2]), stack.laptop)
    return Monitoring(stack)


@pytest.fixture(scope="module")
def radiographs(stack: Stack) -> dict[str, list[bytes]]:
    """Radiographs by label, of patients in no archive."""
    paths = write_examples(stack.workspace / "monitored", per_class=PER_CLASS)
    return {
        label: [path.read_bytes() for path in paths if path.name.startswith(label)] for label in ("NORMAL", "PNEUMONIA")
    }


@pytest.fixture(scope="module")
def usual(monitoring: Monitoring, radiographs: dict[str, list[bytes]]) -> str:
    """The alarm's state after a run on what the model was evaluated with, labelled by readers."""
    for label, images in radiographs.items():
        for identifier in monitoring.replay(images):
            monitoring.label(identifier, label)
    monitoring.run()
    return monitoring.state()


def test_what_the_model_was_evaluated_with_sets_no_alarm_off(monitoring: Monitoring, usual: str) -> None:
    assert usual == "OK"
    metrics = monitoring.stack.laptop.client("cloudwatch").list_metrics(Namespace="ChestXray/Model")["Metrics"]
    assert {"Predictions", "LabelledPredictions", "ScorePsi", "Drift"} <= {item["MetricName"] for item in metrics}


@pytest.fixture(scope="module")
def shifted(monitoring: Monitoring, usual: str, radiographs: dict[str, list[bytes]]) -> Iterator[int]:
    """Number of executions of the training pipeline before other radiographs came: pale ones of the sick."""
    before = len(monitoring.stack.executions())
    monitoring.refused()
    monitoring.replay([pale(image) for image in radiographs["PNEUMONIA"] for _ in range(2)])
    monitoring.run()
    yield before
    sagemaker = monitoring.stack.laptop.client("sagemaker")
    for execution in monitoring.stack.executions():
        if execution["PipelineExecutionStatus"] == "Executing":
            sagemaker.stop_pipeline_execution(
                PipelineExecutionArn=execution["PipelineExecutionArn"], ClientRequestToken=secrets.token_hex(16)
            )


def test_other_radiographs_set_the_alarm_off_and_the_topic_says_what_to_do(
    monitoring: Monitoring, shifted: int
) -> None:
    eventually(lambda: monitoring.state() == "ALARM", within=20, what="the alarm")
    message = eventually(lambda: monitoring.told(ALARM, "ALARM"), within=20, what="the alarm's message")
    assert message["AlarmDescription"].endswith("runbooks.md#drift")


def test_the_alarm_starts_training_on_the_newest_dataset_once(monitoring: Monitoring, shifted: int) -> None:
    def started() -> list[dict[str, Any]]:
        return monitoring.stack.executions()[:-shifted]

    eventually(started, within=30, what="an execution of the training pipeline")
    assert len(started()) == 1


def pale(image: bytes) -> bytes:
    """The radiograph with less contrast, brighter: another detector, or another export."""
    picture = Image.open(BytesIO(image))
    buffer = BytesIO()
    ImageEnhance.Brightness(ImageEnhance.Contrast(picture).enhance(0.75)).enhance(1.1).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def test_a_pale_radiograph_is_one_still(examples: dict[str, Path]) -> None:
    assert Image.open(BytesIO(pale(examples["PNEUMONIA"].read_bytes()))).format == "JPEG"


def test_the_second_run_shows_the_first_and_what_was_refused(monitoring: Monitoring, shifted: int) -> None:
    report = monitoring.stack.workspace / "monitoring.html"
    answered = monitoring.stack.cxr("monitor", "--newest", "--json", "--save", str(report))
    found = json.loads(succeeded(answered, monitoring.stack.laptop).stdout)["findings"]

    assert [one["drift"] for one in found["trend"]["runs"]][-2:] == [False, True]
    counted = found["requests"]["predictions"]
    assert counted["predicted"] >= found["predictions"]
    assert counted["refused"]["undecodable_image"] >= 1
    assert found["requests"]["sentence"] in report.read_text(encoding="utf-8")
