"""Verdicts of releases, kept as `releases/<version>/<update>.json` in the artifact bucket.

A function that EventBridge invokes has nobody to answer to, and the topic's messages reach subscribers only.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

PREFIX = "releases"


@dataclass(frozen=True)
class Verdicts:
    """The records in a bucket."""

    s3: S3Client
    bucket: str

    def record(self, package_arn: str, occasion: str, outcome: str, sentence: str) -> str:
        """Keep a verdict, a repeated one in the place of the first; returns the outcome.

        Args:
            package_arn: ARN of the package that was approved.
            occasion: what tells this approval from another of the same package: its update's token, or its time.
            outcome: one word, as `Release` returns it; `released` is the only good one.
            sentence: explanation for people, with a full stop.
        """
        version = package_arn.rpartition("/")[2]
        name = hashlib.sha256(occasion.encode()).hexdigest()[:12]
        document = {"package_arn": package_arn, "outcome": outcome, "sentence": sentence}
        self.s3.put_object(
            Bucket=self.bucket,
            Key=f"{PREFIX}/{version}/{name}.json",
            Body=json.dumps(document).encode(),
            ContentType="application/json",
        )
        return outcome
