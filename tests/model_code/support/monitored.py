"""Findings of a monitoring run, as the job writes them, without a job."""

from __future__ import annotations

import datetime as dt
from typing import Any

NOW = dt.datetime(2026, 11, 29, 9, 0, tzinfo=dt.UTC)


def made_findings(
    *,
    days_ago: float,
    package: str = "cxr-dev/3",
    drift: bool = False,
    positive: float = 0.3,
    sensitivity: float | None = None,
) -> dict[str, Any]:
    """monitoring.json of a run that compared 250 predictions of a week; `sensitivity` where readers labelled them."""
    end = NOW - dt.timedelta(days=days_ago)
    rows = (("probability", 0.31), ("out_of_distribution_score", 0.07), ("feature_1", 0.12))
    return {
        "package_arn": f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{package}",
        "predictions": 250,
        "labelled_predictions": 40 if sensitivity else 0,
        "min_predictions": 200,
        "psi_limit": 0.2,
        "window": {"from": (end - dt.timedelta(days=7)).isoformat(), "to": end.isoformat(), "days": 7},
        "answers": {"predicted_positive": _share(positive), "indeterminate": _share(0.1)},
        "drift": {
            "detected": drift,
            "quantities": [
                {"name": name, "title": name, "psi": psi, "psi_by_chance": {"mean": 0.03, "percentile_95": 0.05}}
                for name, psi in rows
            ],
        },
        "performance": {
            "dropped": False,
            "guaranteed": {},
            "specificity": None,
            "sensitivity": sensitivity
            and {"value": sensitivity, "confidence_interval": [0.8, 0.95], "evaluation": {"value": 0.93}},
        },
        "requests": {"predictions": None, "api": None, "sentence": "How many is not known."},
        "trend": {"runs": [], "sentence": "None."},
    }


def _share(value: float) -> dict[str, Any]:
    return {"value": value, "confidence_interval": [value - 0.05, value + 0.05]}
