"""Memory of the laptop's cloud while checkpoints are replaced in its versioned bucket, and afterwards.

    python -m benchmarks.operation.checkpoint_versions

Uploads files of a ResNet50V2 checkpoint's size, as a training job's sync does, to a bucket that CloudFormation makes
with the rule of `infra/storage/data_stack.py`, then the empty one that a training leaves; and the same below a prefix
without the rule, where every version stays. Each in a cloud of its own, of which the resident memory is told.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import boto3

from infra.storage.data_stack import CHECKPOINT_PREFIX
from local.core import transfer
from local.laptop import Laptop

_BUCKET = "artifacts"
_MEGABYTE = 1_000_000


def resident_megabytes() -> float:
    """Of this process's child with most of it, which is the cloud."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        except OSError:
            continue
        if int(fields["PPid"]) == os.getpid():
            found.append(int(fields.get("VmRSS", "0 kB").split()[0]) * 1024 / _MEGABYTE)
    return max(found)


def template() -> str:
    """A bucket with the rule for checkpoints."""
    rule = {
        "Prefix": f"{CHECKPOINT_PREFIX}/",
        "Status": "Enabled",
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
    }
    properties = {
        "BucketName": _BUCKET,
        "VersioningConfiguration": {"Status": "Enabled"},
        "LifecycleConfiguration": {"Rules": [rule]},
    }
    return json.dumps({"Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties}}})


def measure(prefix: str, *, epochs: int, megabytes: int, finish: bool) -> list[float]:
    """Resident memory at the start, after each epoch's checkpoint, and after the training."""
    with tempfile.TemporaryDirectory() as scratch, Laptop(Path(scratch, "cloud"), port=0) as laptop:
        session = boto3.Session("test", "test", region_name="us-east-1")
        stacks = session.client("cloudformation", endpoint_url=laptop.url)
        s3 = session.client("s3", endpoint_url=laptop.url)
        stacks.create_stack(StackName="bucket", TemplateBody=template())
        stacks.get_waiter("stack_create_complete").wait(StackName="bucket", WaiterConfig={"Delay": 1})
        found = [resident_megabytes()]
        file = Path(scratch, "progress.npz")
        for size in [megabytes] * epochs + [0] * finish:
            file.write_bytes(os.urandom(size * _MEGABYTE))
            transfer.upload(s3, file, f"s3://{_BUCKET}/{prefix}/execution/{file.name}")
            time.sleep(1)
            found.append(resident_megabytes())
    return found


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description="Memory of the laptop's cloud while a training writes checkpoints.")
    parser.add_argument("--epochs", type=int, default=8, help="checkpoints written (8)")
    parser.add_argument("--megabytes", type=int, default=375, help="of each (375, a ResNet50V2 trained as a whole)")
    options = parser.parse_args()
    sizes = {"epochs": options.epochs, "megabytes": options.megabytes}
    rows = {
        "every version kept": measure("executions", finish=False, **sizes),
        "this project": measure(CHECKPOINT_PREFIX, finish=True, **sizes),
    }
    lines = ["| | at the start | at most | at the end |\n| --- | --- | --- | --- |"]
    lines += [f"| {name} | {some[0]:.0f} MB | {max(some):.0f} MB | {some[-1]:.0f} MB |" for name, some in rows.items()]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
