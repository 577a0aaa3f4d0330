"""Site evaluations of registered versions, for people and scripts."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from lambdas.aws import site_evaluations
from lambdas.aws.errors import error_code
from lambdas.aws.site_evaluations import SiteEvaluations
from ops.base import output

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from ops.models.registry import ModelVersion

_CLOSED = frozenset({"AccessDenied", "403"})


def of_version(s3: S3Client, bucket: str, version: ModelVersion) -> SiteEvaluations:
    """The evaluations of a version, newest first; none, with a message, where this role may not read them."""
    try:
        return site_evaluations.of_version(s3, bucket, version.version)
    except Exception as error:
        if error_code(error) not in _CLOSED:
            raise
        output.say(f"Site evaluations of version {version.version} are closed to this role.")
        return SiteEvaluations()


def as_json(found: SiteEvaluations) -> list[dict[str, Any]]:
    """Those that could be read, for scripts."""
    return [dataclasses.asdict(evaluation) for evaluation in found.found]


def say(version: ModelVersion, found: SiteEvaluations) -> None:
    """A line for each, and one for each that cannot be read."""
    for evaluation in found.found:
        auroc = f"{evaluation.auroc.value:.3f} ({evaluation.auroc.low:.3f} to {evaluation.auroc.high:.3f})"
        output.say(
            f"Version {version.version} on a site's {evaluation.images:,} radiographs "
            f"({output.moment(evaluation.created)}): {evaluation.verdict.replace('_', ' ')}; "
            f"AUROC {auroc}, refused {evaluation.refused_share.value:.1%}. "
            f"Report: {evaluation.report_uri}"
        )
    for unread in found.unreadable:
        output.say(f"{unread.uri} cannot be read: {unread.reason}")
    if found.older:
        output.say(f"Version {version.version} has {found.older} older site evaluations, which are not shown.")
