"""Readers' labels of one version's predictions, each radiograph once, and how many labels are left out and why.

No image is read: the network's logit follows from the kept probability and the calibration that served. Predictions
name no patient and no file. Two of the same radiograph are known by the same score, out-of-distribution score and
features; readers who contradict each other about one are both left out.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from model_code.contract.documents import ReadersLabels, SplitCounts
from model_code.contract.labels import LABELS
from model_code.evaluation.scores import TestScores
from model_code.monitoring.calibration_gain import log_odds
from model_code.monitoring.kept_predictions import plain
from model_code.statistics.calibration import Calibration

_PROJECTION = (
    "reader_label, labelled_at, expires_at, package_arn, served_sha256, probability, out_of_distribution_score, "
    "unfamiliarity, features"
)
LEFT_OUT: Mapping[str, str] = {
    "expired": "of predictions whose time is over",
    "without_prediction": "without a prediction",
    "another_version": "of another version's answers",
    "other_files": "of answers that other files gave under this version's name",
    "unsure": "UNSURE",
    "refused": "of images that the detector refuses",
    "contradictory": "that contradict each other about one radiograph",
    "repeated": "of a radiograph that counts once already",
}
"""Reasons to leave a label out, in the order in which they apply, as a sentence names such labels."""


@dataclasses.dataclass(frozen=True)
class Reading:
    """A radiograph that was answered and labelled.

    Attributes:
        label: NORMAL or PNEUMONIA, of the reader.
        probability: of PNEUMONIA as it was answered, in [0, 1].
        out_of_distribution_score: at most 1.
        features: what the network saw, as JSON.
        labelled: when, in seconds since 1970.
    """

    label: str
    probability: float
    out_of_distribution_score: float
    features: str
    labelled: float

    @property
    def answer(self) -> str:
        """The network's answer, by which the same radiograph is known again."""
        return f"{self.probability:.9f} {self.out_of_distribution_score:.9f} {self.features}"


@dataclasses.dataclass(frozen=True)
class Labels:
    """Labels of a period.

    Attributes:
        readings: those that can be used, in an order of their own.
        left_out: numbers of the others by the names of `LEFT_OUT`, without zeros.
    """

    readings: list[Reading]
    left_out: dict[str, int]

    @property
    def given(self) -> int:
        """Number of all of them."""
        return len(self.readings) + sum(self.left_out.values())

    def scores(self, calibration: Calibration) -> TestScores:
        """The readings as scores, each as of a patient of its own.

        Args:
            calibration: with which they were answered.
        """
        count = len(self.readings)
        probabilities = np.asarray([reading.probability for reading in self.readings], dtype=np.float64)
        rows = [json.loads(reading.features) for reading in self.readings]
        width = min(map(len, rows), default=0)
        return TestScores(
            labels=np.asarray([LABELS.index(reading.label) for reading in self.readings], dtype=np.float64),
            logits=calibration.temperature * (log_odds(probabilities) - calibration.bias),
            probabilities=probabilities,
            patients=[str(number) for number in range(count)],
            subtypes=[""] * count,
            areas=np.zeros(count),
            out_of_distribution_scores=np.asarray([reading.out_of_distribution_score for reading in self.readings]),
            features=np.asarray([row[:width] for row in rows], dtype=np.float64).reshape(count, width),
            # Numbers and no ids: by an id the API gives the prediction back.
            paths=[f"label {number}" for number in range(1, count + 1)],
            groups=[{} for _ in range(count)],
        )

    def document(self, since: str, until: str) -> ReadersLabels:
        """Member of a document about them.

        Args:
            since: first day that was asked for, ISO 8601.
            until: last one.
        """
        days = [dt.datetime.fromtimestamp(reading.labelled, dt.UTC).date().isoformat() for reading in self.readings]
        return {
            "since": since,
            "until": until,
            "first": min(days),
            "last": max(days),
            "given": self.given,
            "left_out": self.left_out,
        }

    def left_out_sentence(self) -> str:
        """Sentence on what is left out."""
        if not self.left_out:
            return "No label is left out."
        return f"Left out are labels {listed(self.left_out)}."


def listed(left_out: Mapping[str, int]) -> str:
    """Noun phrases for what is left out, with the numbers; "" for nothing."""
    return "; ".join(f"{LEFT_OUT[name]}: {count}" for name, count in left_out.items())


def read(dynamodb: Any, table: str, package: str, served: str, *, since: int, end: int, now: int) -> Labels:
    """Scan the table for labels that were given in a period.

    Args:
        table: name of the table of kept predictions.
        package: ARN of the version whose answers are meant.
        served: digest of its files; older predictions, kept without it, are matched by the version alone.
        since: begin of the period in seconds since 1970.
        end: the second after it.
        now: what expired before is left out, whether DynamoDB has removed it or not.
    """
    pages = dynamodb.get_paginator("scan").paginate(
        TableName=table,
        ProjectionExpression=_PROJECTION,
        FilterExpression="attribute_exists(reader_label) AND labelled_at >= :since AND labelled_at < :end",
        ExpressionAttributeValues={":since": {"N": str(since)}, ":end": {"N": str(end)}},
    )
    left_out: Counter[str] = Counter()
    same: dict[str, list[Reading]] = defaultdict(list)
    for item in (plain(item) for page in pages for item in page["Items"]):
        if reason := _reason(item, package, served, now):
            left_out[reason] += 1
            continue
        reading = Reading(
            label=item["reader_label"],
            probability=item["probability"],
            out_of_distribution_score=item["out_of_distribution_score"],
            features=item.get("features", "[]"),
            labelled=item["labelled_at"],
        )
        same[reading.answer].append(reading)
    readings = []
    for of_one in same.values():
        if len({reading.label for reading in of_one}) > 1:
            left_out["contradictory"] += len(of_one)
        else:
            readings.append(min(of_one, key=lambda reading: reading.labelled))
            left_out["repeated"] += len(of_one) - 1
    ordered = sorted(readings, key=lambda reading: (reading.label, reading.answer))
    return Labels(ordered, {name: left_out[name] for name in LEFT_OUT if left_out[name]})


def _reason(item: Mapping[str, Any], package: str, served: str, now: int) -> str | None:
    """Reason to leave a label out, whatever the others are; None for none."""
    if item.get("expires_at", now + 1) <= now:
        return "expired"
    if not {"package_arn", "probability", "out_of_distribution_score"} <= item.keys():
        return "without_prediction"
    if item["package_arn"] != package:
        return "another_version"
    if item.get("served_sha256", served) != served:
        return "other_files"
    if item["reader_label"] not in LABELS:
        return "unsure"
    return "refused" if item["out_of_distribution_score"] > 1 else None


def counts(readings: Sequence[Reading]) -> SplitCounts:
    """Numbers of radiographs by label; of how many patients nobody knows."""
    return {
        "images": len(readings),
        "patients": None,
        "labels": {label: sum(reading.label == label for reading in readings) for label in LABELS},
        "subtypes": {},
    }


def content_sha256(halves: Mapping[str, Sequence[Reading]]) -> str:
    """Hash of half, label and answer of every reading, in no order, 64 hex digits."""
    lines = [f"{half} {reading.label} {reading.answer}\n" for half, readings in halves.items() for reading in readings]
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
