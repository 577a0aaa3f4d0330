"""Labels that readers changed make a new version of the dataset in the deployed stack, with the same patients in each
split; its training is not waited for."""

from __future__ import annotations

import csv
import json
import secrets
from typing import Any

import pytest

from tests.system.deployed import Stack, eventually, succeeded

pytestmark = [pytest.mark.system, pytest.mark.slow]
OTHER = {"NORMAL": "PNEUMONIA", "PNEUMONIA": "NORMAL"}


def card(stack: Stack, execution: str) -> Any:
    """The dataset card that SplitDataset of an execution left, or None before that."""
    sagemaker = stack.laptop.client("sagemaker")
    steps = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=execution)["PipelineExecutionSteps"]
    assert not [step for step in steps if step["StepStatus"] == "Failed"], steps
    done = [step for step in steps if step["StepName"] == "SplitDataset" and step["StepStatus"] == "Succeeded"]
    if not done:
        return None
    job = sagemaker.describe_processing_job(
        ProcessingJobName=done[0]["Metadata"]["ProcessingJob"]["Arn"].rpartition("/")[2]
    )
    outputs = {one["OutputName"]: one["S3Output"]["S3Uri"] for one in job["ProcessingOutputConfig"]["Outputs"]}
    bucket, _, folder = outputs["report"].removeprefix("s3://").partition("/")
    return json.load(stack.laptop.client("s3").get_object(Bucket=bucket, Key=f"{folder}/dataset.json")["Body"])


def test_reviewed_labels_make_a_new_version_of_the_dataset(stack: Stack, trained: dict[str, Any]) -> None:
    table = stack.workspace / "review.csv"
    succeeded(stack.cxr("labels", "export", trained["id"], "--csv", str(table)), stack.laptop)
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    before = card(stack, trained["arn"])
    assert len(rows) == sum(counts["images"] for counts in before["splits"].values())
    for split in ("train", "test"):
        first = next(row for row in rows if row["split"] == split)
        first["reviewed_label"] = OTHER[first["label"]]
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)

    done = succeeded(stack.cxr("labels", "import", str(table), "--execution", trained["id"], "--json"), stack.laptop)

    started = json.loads(done.stdout)
    try:
        after = eventually(lambda: card(stack, started["arn"]), within=300, what="the new version's dataset card")
    finally:
        stack.laptop.client("sagemaker").stop_pipeline_execution(
            PipelineExecutionArn=started["arn"], ClientRequestToken=secrets.token_hex(16)
        )
    assert started["derived_from"] == before["archive_uri"] != after["archive_uri"]
    assert [one["archive_uri"] for one in after["review"]["revisions"]] == [before["archive_uri"]]
    assert {split: sum(ways.values()) for split, ways in after["review"]["changed"].items()} == {
        "train": 1,
        "validation": 0,
        "test": 1,
    }
    for split, counts in after["splits"].items():
        assert (counts["images"], counts["patients"]) == tuple(
            before["splits"][split][one] for one in ("images", "patients")
        )
    assert after["sha256"] != before["sha256"]
