"""The artifact bucket's side of site evaluations: documents as EvaluateSite writes them, by when they were written."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

START = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
ARCHIVE = "s3://data/evaluations/" + "0e" * 32 + "/archive.zip"


_STATES = {"usable": "kept", "too_few": "open"}


def figure(value: float, half: float = 0.02) -> dict[str, Any]:
    """A figure as documents have it."""
    return {"value": value, "confidence_interval": [value - half, value + half]}


def document(code: str = "usable", **members: Any) -> dict[str, Any]:
    """A site evaluation, as far as anybody reads it."""
    return {
        "schema": 1,
        "model_version": 3,
        "archive_uri": ARCHIVE,
        "created": "2026-11-28T08:59:00+00:00",
        "verdict": {"code": code, "title": "…", "sentence": f"What is {code}.", "more_images": None},
        "judgements": [{"name": "MinAuroc", "state": _STATES.get(code, "missed")}],
        "known": {"contents": 0, "copies": 0, "patients": 0},
        "images": {"archive": 700, "scored": 690, "answered": 669, "measured": 669, "patients": 640},
        "refused_share": figure(0.03),
        "evaluation": {
            "binary_classification_metrics": {
                "auc": figure(0.91),
                "true_positive_rate": figure(0.88),
                "true_negative_rate": figure(0.83),
            }
        },
        **members,
    }


class SiteBucket:
    """ListObjectsV2, two keys a page in the order of keys, and GetObject; remembers what was read."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[datetime, bytes]] = {}
        self.read: list[str] = []

    def add(self, execution: str, content: dict[str, Any] | bytes, *, version: int = 3, minutes: int = 0) -> str:
        """An execution's three files, written so many minutes after the start; the key of the document."""
        folder = f"site-evaluations/{version}/{execution}"
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        for name, data in (("site_evaluation.json", body), ("report.html", b"<html>"), ("site_predictions.csv", b"")):
            self.objects[f"{folder}/{name}"] = (START + timedelta(minutes=minutes), data)
        return f"{folder}/site_evaluation.json"

    def get_paginator(self, operation: str) -> SimpleNamespace:
        assert operation == "list_objects_v2"
        return SimpleNamespace(paginate=self._pages)

    def _pages(self, *, Bucket: str, Prefix: str) -> list[dict[str, Any]]:  # noqa: N803 - botocore's names
        assert Bucket == "artifacts"
        items = [
            {"Key": key, "LastModified": when}
            for key, (when, _) in sorted(self.objects.items())
            if key.startswith(Prefix)
        ]
        return [{"Contents": items[start : start + 2]} for start in range(0, len(items), 2)] or [{"KeyCount": 0}]

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        assert Bucket == "artifacts"
        self.read.append(Key)
        return {"Body": io.BytesIO(self.objects[Key][1])}
