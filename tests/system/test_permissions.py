"""IAM is enforced on the laptop: take one grant out of the app, and what it was for stops working."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from local.laptop import REPOSITORY, deploy, synth
from tests.system.deployed import Stack, eventually

pytestmark = [pytest.mark.system, pytest.mark.slow]

APP = ("app.py", "cdk.json", "docs", "infra", "lambdas", "model_code", "pipeline")


@contextmanager
def without(stack: Stack, grant: str, *, module: str, part: str, workspace: Path) -> Iterator[None]:
    """The part of the app deployed without one line of `module`, and as it was again afterwards."""
    mutant = workspace / "app"
    mutant.mkdir()
    for name in APP:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, mutant / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, mutant / name)
    lines = (mutant / module).read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line.strip() != grant]
    assert len(kept) == len(lines) - 1, f"{module} holds no line {grant!r}"
    (mutant / module).write_text("\n".join(kept) + "\n", encoding="utf-8")

    for command in (synth(workspace / "cdk.out"), deploy(workspace / "cdk.out", f"cxr-laptop-{part}")):
        done = stack.laptop.run(command, cwd=mutant)
        assert done.returncode == 0, done.stderr[-4000:]
    try:
        yield
    finally:
        done = stack.laptop.run(deploy(stack.workspace / "cdk.out", f"cxr-laptop-{part}"))
        assert done.returncode == 0, done.stderr[-4000:]


def test_the_api_cannot_ask_the_model_without_its_grant(
    stack: Stack, released: str, examples: dict[str, Path], tmp_path: Path
) -> None:
    assert stack.predict(examples["NORMAL"]).status == 200
    grant = "grant_invoke(function, name=endpoint.endpoint.name)"

    with without(stack, grant, module="infra/api/api_stack.py", part="api", workspace=tmp_path):
        refused = stack.predict(examples["NORMAL"])

    assert refused.status == 502
    assert "AccessDenied" not in str(refused.document), "what the function may do is not the client's to know"
    assert stack.predict(examples["NORMAL"]).status == 200


def test_an_upload_starts_nothing_without_the_trigger_s_grant(
    stack: Stack, trained: dict[str, Any], archive: Path, tmp_path: Path
) -> None:
    before = len(stack.executions())
    s3 = stack.laptop.client("s3")
    grant = 'data.data.grant_read(self.trigger, "incoming/*", "datasets/*", "evaluations/*")'

    with without(stack, grant, module="infra/training/training_stack.py", part="training", workspace=tmp_path):
        s3.upload_file(str(archive), stack.outputs["DataBucketName"], "incoming/unread.zip")

        def refusal() -> Any:
            logs = stack.laptop.client("logs")
            return [
                event
                for group in logs.describe_log_groups()["logGroups"]
                for event in logs.filter_log_events(logGroupName=group["logGroupName"])["events"]
                if "(403) when calling the HeadObject operation" in event["message"]
            ]

        assert eventually(refusal, within=60, what="the refusal in the Trigger function's log")

    assert len(stack.executions()) == before


def test_a_step_cannot_read_the_dataset_without_its_grant(
    stack: Stack, trained: dict[str, Any], tmp_path: Path
) -> None:
    bucket = stack.outputs["DataBucketName"]
    (dataset,) = stack.laptop.client("s3").list_objects_v2(Bucket=bucket, Prefix="datasets/", MaxKeys=1)["Contents"]
    grant = 'data.data.grant_read(role, "datasets/*", "evaluations/*")'

    with without(stack, grant, module="infra/training/training_stack.py", part="training", workspace=tmp_path):
        started = stack.laptop.client("sagemaker").start_pipeline_execution(
            PipelineName=stack.outputs["PipelineName"],
            PipelineParameters=[{"Name": "InputArchiveUri", "Value": f"s3://{bucket}/{dataset['Key']}"}],
        )
        watched = stack.cxr("watch", started["PipelineExecutionArn"].rpartition("/")[2])

    assert watched.returncode == 1
    shown = " ".join((watched.stdout + watched.stderr).split())
    assert "PreprocessImages" in shown
    assert "AccessDenied" in shown or "not authorized" in shown
