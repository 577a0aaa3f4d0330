"""A processing job on several instances: shared work, one log each, one result; and one that fails fails them all."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest

from local.jobs.job_service import JobService
from tests.local.fake_cloud import FakeCloud, processing_request, s3_input, s3_outputs, text_at, wait_for
from tests.local.run_jobs import alive, describe, end

HOST = """$(sed -E 's/.*"current_host": "([^"]*)".*/\\1/' $SAGEMAKER_BASE_DIR/config/resourceconfig.json)"""


def run(jobs: JobService, name: str, count: int, script: str, **more: Any) -> dict[str, Any]:
    """Run a job whose script finds `$host`, the outputs' directory `$out` and the inputs' `$in`."""
    create(jobs, name, count, script, **more)
    return end(jobs, "Processing", name)


def create(jobs: JobService, name: str, count: int, script: str, **more: Any) -> None:
    given = (
        f'host={HOST}; in=$SAGEMAKER_BASE_DIR/processing/input; out=$SAGEMAKER_BASE_DIR/processing/output; eval "$1"'
    )
    request = {"ProcessingJobName": name, **processing_request(given, script, **more)}
    request["ProcessingResources"]["ClusterConfig"]["InstanceCount"] = count
    jobs.handle("CreateProcessingJob", request)


def put(s3: Any, *keys: str) -> None:
    for key in keys:
        s3.put_object(Bucket="data", Key=key, Body=key.encode())


def sharded(name: str, uri: str) -> dict[str, Any]:
    made = s3_input(name, uri)
    made["S3Input"]["S3DataDistributionType"] = "ShardedByS3Key"
    return made


def files_of(s3: Any, prefix: str) -> dict[str, str]:
    listed = s3.list_objects_v2(Bucket="data", Prefix=prefix).get("Contents", ())
    return {item["Key"].removeprefix(prefix): text_at(s3, item["Key"]) for item in listed}


def test_every_instance_knows_itself_and_the_others_and_all_outputs_lie_below_one_prefix(
    jobs: JobService, s3: Any
) -> None:
    script = 'cp $SAGEMAKER_BASE_DIR/config/resourceconfig.json "$out/o/$host.json"'
    described = run(jobs, "three", 3, script, ProcessingOutputConfig=s3_outputs(o="s3://data/o"))
    assert described["ProcessingJobStatus"] == "Completed"
    hosts = ["algo-1", "algo-2", "algo-3"]
    found = {name: json.loads(content) for name, content in files_of(s3, "o/").items()}
    assert found == {f"{host}.json": {"current_host": host, "hosts": hosts} for host in hosts}


def test_hosts_are_listed_in_the_order_of_their_names(jobs: JobService, cloud: FakeCloud) -> None:
    # As the service documents it, so that a script must not take a host's place in the list for its number.
    run(jobs, "many", 11, "exit 1")
    config = json.loads((cloud.state_dir / "jobs/many/algo-2/config/resourceconfig.json").read_text())
    assert config["hosts"][:3] == ["algo-1", "algo-10", "algo-11"]
    assert config["current_host"] == "algo-2"


def test_instances_run_at_the_same_time(jobs: JobService, tmp_path: Any) -> None:
    # Each waits for the other's file: one after the other they would never end.
    script = (
        f'cd {tmp_path}; touch $host; for i in $(seq 400); do [ "$(ls | grep -c algo)" = 2 ] && exit 0; sleep 0.05; '
        "done; exit 1"
    )
    assert run(jobs, "pair", 2, script)["ProcessingJobStatus"] == "Completed"


def test_a_replicated_input_is_whole_on_every_instance_and_its_own(jobs: JobService, s3: Any) -> None:
    put(s3, "in/a", "in/deep/b")
    script = (
        'echo "$host" >> $in/i/a; cp $in/i/a "$out/o/$host-a"; sleep 0.5; cp $in/i/deep/b "$out/o/$host-b"; '
        'cmp $in/i/a "$out/o/$host-a"'
    )
    described = run(
        jobs,
        "copies",
        2,
        script,
        ProcessingInputs=[s3_input("i", "s3://data/in")],
        ProcessingOutputConfig=s3_outputs(o="s3://data/o"),
    )
    assert described["ProcessingJobStatus"] == "Completed", "an instance saw what another wrote into its input"
    assert files_of(s3, "o/") == {
        "algo-1-a": "in/aalgo-1\n",
        "algo-1-b": "in/deep/b",
        "algo-2-a": "in/aalgo-2\n",
        "algo-2-b": "in/deep/b",
    }


@pytest.mark.parametrize(
    ("count", "dealt"),
    [
        (1, {"algo-1": "k0 k1 k2 k3 k4"}),
        (2, {"algo-1": "k0 k2 k4", "algo-2": "k1 k3"}),
        (6, {**{f"algo-{number + 1}": f"k{number}" for number in range(5)}, "algo-6": ""}),
    ],
)
def test_a_sharded_input_is_dealt_out_by_its_sorted_keys(
    jobs: JobService, s3: Any, count: int, dealt: dict[str, str]
) -> None:
    put(s3, *(f"in/k{number}" for number in (3, 0, 4, 1, 2)))
    s3.put_object(Bucket="data", Key="in/", Body=b"")  # what a console makes for a folder is no input
    described = run(
        jobs,
        "dealt",
        count,
        'ls $in/i | xargs > "$out/o/$host"',
        ProcessingInputs=[sharded("i", "s3://data/in")],
        ProcessingOutputConfig=s3_outputs(o="s3://data/o"),
    )
    assert described["ProcessingJobStatus"] == "Completed"
    assert {host: names.strip() for host, names in files_of(s3, "o/").items()} == dealt


def test_a_sharded_input_without_any_object_is_missing(jobs: JobService) -> None:
    described = run(jobs, "none", 2, "true", ProcessingInputs=[sharded("i", "s3://data/nothing")])
    assert "No S3 objects found" in described["FailureReason"]


def test_every_instance_has_its_log(jobs: JobService, cloud: FakeCloud) -> None:
    run(jobs, "talk", 2, 'echo "here is $host"')
    logs = boto3.client("logs", region_name="us-east-1")
    group = "/aws/sagemaker/ProcessingJobs"
    streams = [s["logStreamName"] for s in logs.describe_log_streams(logGroupName=group)["logStreams"]]
    assert [name.rsplit("-", 1)[0] for name in sorted(streams)] == ["talk/algo-1", "talk/algo-2"]
    for host, stream in zip(("algo-1", "algo-2"), sorted(streams), strict=True):
        events = logs.get_log_events(logGroupName=group, logStreamName=stream)["events"]
        assert [event["message"] for event in events] == [f"here is {host}"]
        assert (cloud.state_dir / f"jobs/talk/logs/{host}.log").read_text() == f"here is {host}\n"


def test_one_instance_that_fails_ends_the_others_and_tells_why(jobs: JobService, cloud: FakeCloud, s3: Any) -> None:
    script = (
        'echo $$ > "$SAGEMAKER_BASE_DIR/pid"; echo half > "$out/o/$host"; '
        'if [ "$host" = algo-2 ]; then echo "An image is broken." > $SAGEMAKER_BASE_DIR/output/message; exit 5; fi; '
        'echo "I was well." > $SAGEMAKER_BASE_DIR/output/message; exec sleep 300'
    )
    described = run(jobs, "broken", 3, script, ProcessingOutputConfig=s3_outputs(o="s3://data/o"))
    assert described["ProcessingJobStatus"] == "Failed"
    assert described["ExitMessage"] == "An image is broken."
    assert described["FailureReason"] == "AlgorithmError: An image is broken., exit code: 5"
    assert files_of(s3, "o/") == {}, "half a result is none"
    pids = [int(path.read_text()) for path in (cloud.state_dir / "jobs/broken").glob("algo-*/pid")]
    assert pids
    assert not any(alive(pid) for pid in pids)


def test_the_exit_message_of_a_success_is_the_first_instances(jobs: JobService) -> None:
    described = run(jobs, "fine", 2, 'echo "from $host" > $SAGEMAKER_BASE_DIR/output/message')
    assert described["ExitMessage"] == "from algo-1"


def test_stopping_ends_every_instance(jobs: JobService, cloud: FakeCloud) -> None:
    create(jobs, "long", 2, 'echo $$ > "$SAGEMAKER_BASE_DIR/pid"; exec sleep 300')
    files = [cloud.state_dir / f"jobs/long/algo-{number}/pid" for number in (1, 2)]
    wait_for(lambda: all(path.is_file() and path.read_text().strip() for path in files))
    pids = [int(path.read_text()) for path in files]
    jobs.handle("StopProcessingJob", {"ProcessingJobName": "long"})
    assert end(jobs, "Processing", "long")["ProcessingJobStatus"] == "Stopped"
    assert not any(alive(pid) for pid in pids)
    assert "FailureReason" not in describe(jobs, "Processing", "long")
