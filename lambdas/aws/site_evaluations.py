"""Site evaluations of a model version: what it was found to do on the radiographs of sites, as kept in S3.

The site evaluation pipeline (`pipeline/site_evaluation.py`) leaves three files below
`site-evaluations/<version>/<execution>/` of the artifact bucket; the model registry knows nothing of them.
"""

from __future__ import annotations

import dataclasses
import json
import math
from datetime import datetime
from typing import TYPE_CHECKING, Any, get_args

from model_code.contract.documents import DocumentError, SiteVerdict, read_site_evaluation
from model_code.contract.metrics import figure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3.client import S3Client

PREFIX = "site-evaluations"
DOCUMENT = "site_evaluation.json"
REPORT = "report.html"
NEWEST = 20
"""How many evaluations of a version are read where it is not said otherwise."""


@dataclasses.dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class SiteEvaluation:
    """A version on one archive of a site.

    Attributes:
        execution: of the pipeline, its last part.
        created: when, with a time zone.
        verdict: its code.
        sentence: the verdict for people.
        images: that the figures are of: those that the API would answer.
        patients: whose images these are.
        refused_share: of all scored images, those that the out-of-distribution detector refuses.
        auroc: on the answered images.
        sensitivity: on these, at the model's threshold.
        specificity: likewise.
        missed: whether a figure misses its limit with certainty, whatever the verdict is called.
        compared: whether the images were compared with those that the model has seen.
        archive_uri: S3 URI of the archive.
        report_uri: S3 URI of the report for people.
    """

    execution: str
    created: datetime
    verdict: SiteVerdict
    sentence: str
    images: int
    patients: int
    refused_share: Interval
    auroc: Interval
    sensitivity: Interval
    specificity: Interval
    missed: bool
    compared: bool
    archive_uri: str
    report_uri: str


@dataclasses.dataclass(frozen=True)
class Unreadable:
    """An evaluation that is there and cannot be read.

    Attributes:
        execution: of the pipeline, its last part.
        uri: S3 URI of the document.
        reason: a sentence, with what to do where that is known.
    """

    execution: str
    uri: str
    reason: str


@dataclasses.dataclass(frozen=True)
class SiteEvaluations:
    """Site evaluations of one version, newest first.

    Attributes:
        found: that could be read.
        unreadable: that could not.
        older: how many are older than those that were read.
    """

    found: tuple[SiteEvaluation, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    older: int = 0


def of_version(s3: S3Client, bucket: str, version: int | str, *, newest: int | None = NEWEST) -> SiteEvaluations:
    """The evaluations of a version, by when their documents were written.

    Args:
        newest: how many are read at most; None for all.

    Raises:
        botocore.exceptions.ClientError: S3 refuses to list or to read.
    """
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{PREFIX}/{version}/")
    written = {
        item["Key"]: item["LastModified"]
        for page in pages
        for item in page.get("Contents", [])
        if item["Key"].endswith(f"/{DOCUMENT}")
    }
    keys = sorted(written, key=lambda key: (written[key], key), reverse=True)
    read = keys[:newest]
    all_of_them = [_read(s3, bucket, key) for key in read]
    return SiteEvaluations(
        found=tuple(result for result in all_of_them if isinstance(result, SiteEvaluation)),
        unreadable=tuple(result for result in all_of_them if isinstance(result, Unreadable)),
        older=len(keys) - len(read),
    )


def _read(s3: S3Client, bucket: str, key: str) -> SiteEvaluation | Unreadable:
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    folder = f"s3://{bucket}/{key.removesuffix(f'/{DOCUMENT}')}"
    execution = folder.rpartition("/")[2]
    try:
        return _parsed(read_site_evaluation(json.loads(body)), execution, f"{folder}/{REPORT}")
    except DocumentError as error:
        reason = str(error)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        reason = f"The site evaluation is damaged ({type(error).__name__}): remove it and evaluate the model again."
    return Unreadable(execution, f"s3://{bucket}/{key}", reason)


def _parsed(document: Mapping[str, Any], execution: str, report_uri: str) -> SiteEvaluation:
    created = datetime.fromisoformat(document["created"])
    verdict, images = document["verdict"], document["images"]
    counts = int(images["measured"]), int(images["patients"])
    if created.utcoffset() is None or verdict["code"] not in get_args(SiteVerdict) or min(counts) < 1:
        raise ValueError("a time without a zone, a verdict that this schema does not have, or figures of no image")
    return SiteEvaluation(
        execution=execution,
        created=created,
        verdict=verdict["code"],
        sentence=str(verdict["sentence"]),
        images=counts[0],
        patients=counts[1],
        refused_share=_interval(document["refused_share"]),
        **{name: _interval(figure(document["evaluation"], name)) for name in ("auroc", "sensitivity", "specificity")},
        missed=any(judgement["state"] == "missed" for judgement in document["judgements"]),
        compared=document["known"] is not None,
        archive_uri=str(document["archive_uri"]),
        report_uri=report_uri,
    )


def _interval(found: Mapping[str, Any] | None) -> Interval:
    if found is None:
        raise LookupError("a figure is missing")
    low, high = found["confidence_interval"]
    values = float(found["value"]), float(low), float(high)
    if not all(map(math.isfinite, values)):
        raise ValueError("a figure is no number")
    return Interval(*values)
