"""The templates of the last release, as the tests of an upgrade deploy them.

    python tests/system/release.py            # of HEAD
    python tests/system/release.py v0.1.0     # of a tag or any other commit

Synthesises the laptop's environment from the files of that commit, with the packages installed here, and writes
`release.json` beside this module. Part of making a release, and only of that: between releases the file stays, because
what is to be upgraded is what people run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
FILE = Path(__file__).with_name("release.json")
PARTS = ("data", "training", "endpoint", "api")
# Losing one of these loses what somebody put in, or what others have the name of.
STATEFUL = frozenset(
    {
        *("AWS::KMS::Key", "AWS::S3::Bucket", "AWS::SageMaker::ModelPackageGroup", "AWS::DynamoDB::Table"),
        *("AWS::Cognito::UserPool", "AWS::SNS::Topic", "AWS::ApiGateway::RestApi", "AWS::ApiGateway::ApiKey"),
    }
)


def released() -> dict[str, dict[str, Any]]:
    """The templates by part."""
    content: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    stacks: dict[str, dict[str, Any]] = content["stacks"]
    return stacks


def stateful(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The resources of a template that must not be replaced, by logical id."""
    return {name: item for name, item in template["Resources"].items() if item["Type"] in STATEFUL}


def write(revision: str) -> None:
    """Synthesise a commit and write the file.

    Raises:
        CalledProcessError: there is no such commit, or it does not synthesise.
    """
    commit = _git("rev-parse", "--short", revision).decode().strip()
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder) / "source", Path(folder) / "cdk.out"
        with tarfile.open(fileobj=BytesIO(_git("archive", revision))) as archive:
            archive.extractall(source, filter="data")
        context = json.loads((source / "cdk.json").read_text(encoding="utf-8"))["context"]
        variables = {
            **os.environ,
            "CDK_CONTEXT_JSON": json.dumps({**context, "env": "laptop"}),
            "CDK_OUTDIR": str(output),
            "CDK_VALIDATION": "false",
        }
        subprocess.run([sys.executable, "app.py"], cwd=source, env=variables, check=True)
        stacks = {part: json.loads((output / f"cxr-laptop-{part}.template.json").read_text("utf-8")) for part in PARTS}
    content = {"commit": commit, "stacks": stacks}
    FILE.write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")
    sys.stdout.write(f"wrote {FILE.relative_to(REPOSITORY)}, of {commit}\n")


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=REPOSITORY, check=True, capture_output=True).stdout


if __name__ == "__main__":
    write(sys.argv[1] if len(sys.argv) > 1 else "HEAD")
