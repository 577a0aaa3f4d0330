"""Trend over monitoring runs: what earlier runs found, from the results that they left in S3.

The job lists and reads them itself. As an input of the job they would have to exist, and before the first run none do:
SageMaker refuses a prefix without objects ("No S3 objects found under S3 URL"). A result that cannot be read is left
out and named; no run fails because of an earlier one.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from model_code.monitoring.aws_errors import reason

FILE = "monitoring.json"
MOST_RUNS = 26
"""Runs of a trend, the current one among them: half a year by weeks, a month by days."""
# A result has some kilobytes; what is larger is none.
_MOST_BYTES = 1_000_000
_SHARES = ("predicted_positive", "indeterminate")
_PERFORMANCE = ("sensitivity", "specificity")
_JUDGED = (*_PERFORMANCE, "guaranteed")


def read(s3: Any, reports: str, current: Mapping[str, Any]) -> dict[str, Any]:
    """The trend: figures of the newest earlier runs and of the current one.

    Args:
        reports: S3 URI of the prefix below which each run has a folder with its result.
        current: findings of the current run.

    Returns:
        "runs", points of `point` by time, the current one last, and "sentence" about how many there are and which were
        left out.
    """
    earlier: list[dict[str, Any]] = []
    left_out: list[str] = []
    try:
        found = _newest(s3, reports)
    except (BotoCoreError, ClientError) as error:
        said = f"The results of earlier runs could not be listed ({reason(error)})."
        return {"runs": [point(current)], "sentence": said}
    for bucket, key, size in found:
        try:
            if size > _MOST_BYTES:
                raise ValueError
            earlier.append(point(json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())))
        except (BotoCoreError, ClientError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
            left_out.append(key.split("/")[-2])
    runs = [*sorted(earlier, key=lambda run: dt.datetime.fromisoformat(run["at"])), point(current)]
    return {"runs": runs, "sentence": _sentence(runs, left_out)}


def point(findings: Mapping[str, Any]) -> dict[str, Any]:
    """A run's figures, of its findings; what it did not compare is None.

    Args:
        findings: monitoring.json, of this version or an earlier one.

    Returns:
        "at" and "from", the ends of its window, "package" (short name), "predictions", "labelled_predictions",
        "min_predictions", "psi_limit", "drift" and "dropped" (whether), "score_psi" and "input_psi" (the largest of the
        others) with "value" and "by_chance" (95 % lie below), `_SHARES` and `_PERFORMANCE` with "value",
        "confidence_interval" and, of the latter, "evaluation".

    Raises:
        ValueError, TypeError, LookupError, AttributeError: it is no such document.
    """
    window, drift, judged = findings["window"], findings["drift"], findings["performance"]
    answers = findings.get("answers")  # older results have none
    rows = {row["name"]: row for row in drift["quantities"]} if drift else {}
    inputs = [row for name, row in rows.items() if name != "probability"]
    return {
        "at": _moment(window["to"]),
        "from": _moment(window["from"]),
        "package": str(findings["package_arn"]).partition("model-package/")[2] or str(findings["package_arn"]),
        **{name: int(_number(findings[name])) for name in ("predictions", "labelled_predictions", "min_predictions")},
        "psi_limit": _number(findings["psi_limit"]),
        "drift": bool(drift["detected"]) if drift else None,
        "dropped": bool(judged["dropped"]) if judged and any(judged.get(name) for name in _JUDGED) else None,
        "score_psi": _index(rows.get("probability")),
        "input_psi": _index(max(inputs, key=lambda row: _number(row["psi"]), default=None)),
        **{name: _share(answers[name]) if answers else None for name in _SHARES},
        **{name: _performance(judged[name]) if judged else None for name in _PERFORMANCE},
    }


def _newest(s3: Any, reports: str) -> list[tuple[str, str, int]]:
    """Bucket, key and bytes of the results written last."""
    place = urlsplit(reports)
    prefix = place.path.strip("/") + "/"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=place.netloc, Prefix=prefix)
    listed = [item for page in pages for item in page.get("Contents", []) if item["Key"].endswith(f"/{FILE}")]
    newest = sorted(listed, key=lambda item: item["LastModified"])[1 - MOST_RUNS :]
    return [(place.netloc, item["Key"], item["Size"]) for item in newest]


def _sentence(runs: list[dict[str, Any]], left_out: list[str]) -> str:
    if len(runs) > 1:
        said = f"{len(runs)} runs, the first of them on {runs[0]['at'][:10]}."
    else:
        said = "There is no earlier run to compare with: the trend begins with this one."
    if left_out:
        said += f" Left out, because their results could not be read: {', '.join(left_out)}."
    return said


def _index(row: Mapping[str, Any] | None) -> dict[str, float] | None:
    if row is None:
        return None
    return {"value": _number(row["psi"]), "by_chance": _number(row["psi_by_chance"]["percentile_95"])}


def _share(figure: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if figure is None:
        return None
    low, high = figure["confidence_interval"]
    return {"value": _number(figure["value"]), "confidence_interval": [_number(low), _number(high)]}


def _performance(figure: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if figure is None:
        return None
    return {**(_share(figure) or {}), "evaluation": _number(figure["evaluation"]["value"])}


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def _moment(value: Any) -> str:
    """A time as it was written, of a zone: others cannot be compared with it."""
    if dt.datetime.fromisoformat(value).tzinfo is None:
        raise ValueError(f"{value!r} names no zone")
    return str(value)
