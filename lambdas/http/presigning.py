"""Presigning of S3 addresses and forms that a browser or another function uses."""

from __future__ import annotations

from typing import Any

OPTIONS: dict[str, Any] = {
    # What KMS encrypts is only given to addresses signed with version 4.
    "signature_version": "s3v4",
    "s3": {
        # botocore 1.43 signs for the global host (bucket.s3.amazonaws.com) outside us-east-1 unless the style is said
        # (boto3#2989, tried 2026-11). A bucket that is new there answers 307, a region that has to be enabled 400, and
        # the page's policy names the regional host. Where AWS_ENDPOINT_URL is an IP address the bucket stays in the
        # path, as on the laptop.
        "addressing_style": "virtual",
        "us_east_1_regional_endpoint": "regional",
    },
}
"""Arguments of `botocore.config.Config`."""
