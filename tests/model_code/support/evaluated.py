"""Scores of a made-up test split and what is said about them, for tests that only read such documents."""

from __future__ import annotations

from typing import Any

import numpy as np

from model_code.evaluation import assessment, comparison, engine_parity, quality_gates
from model_code.evaluation.comparison import Side
from model_code.evaluation.scores import TestScores
from model_code.statistics.intervals import resample_patients

PACKAGE = "arn:aws:sagemaker:eu-central-1:123456789012:model-package/chest-xray-dev/3"
LIMITS = quality_gates.Limits(0.9, 0.85, 0.7, 0.1, 0.5)
RESAMPLES = 200


def made_scores(images: int = 80, separation: float = 4.0, seed: int = 1, *, temperature: float = 2.0) -> TestScores:
    """Half NORMAL, half PNEUMONIA (virus and bacteria by turns), two images a patient; the separation is in logits."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0.0, 1.0], images // 2)
    logits = rng.normal(separation * (labels - 0.5), 1.5)
    return TestScores(
        labels=labels,
        logits=logits,
        probabilities=1 / (1 + np.exp(-logits / temperature)),
        patients=[f"P{number // 2}" for number in range(images)],
        subtypes=["" if label == 0 else ("virus", "bacteria")[number % 2] for number, label in enumerate(labels)],
        areas=rng.choice([500_000.0, 900_000.0, 1_300_000.0], images),
        out_of_distribution_scores=np.where(np.arange(images) < 2, 1.5, rng.uniform(0.2, 0.6, images)),
        features=rng.normal(size=(images, 3)),
        paths=[f"test/{('NORMAL', 'PNEUMONIA')[int(label)]}/{number}.jpeg" for number, label in enumerate(labels)],
    )


def made_guarantee(**differences: Any) -> dict[str, Any]:
    """Of answers NORMAL only."""
    return {
        "confidence": 0.95,
        "prevalence": 0.4,
        "patients": 200,
        "negative_predictive_value": 0.9,
        "positive_predictive_value": None,
        "sentence": "For patients like these: at least 90 % of the answers NORMAL are right; nothing is guaranteed of "
        "the answer PNEUMONIA.",
        **differences,
    }


def made_metadata(dataset: str = "ab" * 32) -> dict[str, Any]:
    """The metadata.json of a model with temperature 2 and threshold 0.5."""
    line = {"loss": 0.5, "val_loss": 0.4, "learning_rate": 0.001, "seconds": 3.0}
    return {
        "image_size": 32,
        "threshold": 0.5,
        "temperature": 2.0,
        "bias": 0.0,
        "target_prevalence": None,
        "indeterminate": {"low": 0.45, "high": 0.6},
        "guarantee": made_guarantee(),
        "population": None,
        "calibrated_from": None,
        "out_of_distribution": {"active": True},
        "backbone": "ResNet50V2",
        "backbone_weights": "imagenet",
        "dataset": {"sha256": dataset},
        "training": {
            "hyperparameters": {"epochs": 2, "backbone_weights": "imagenet", "warm_start_from": "none"},
            "precision": "mixed_bfloat16",
            "devices": 1,
            "history": [
                {"epoch": 1, "phase": "head", "val_auc": 0.9, **line},
                {"epoch": 2, "phase": "fine-tune", "val_auc": 0.8, **line},
            ],
            "validation": {"auc": 0.9, "loss": 0.4},
            "seconds": 12.0,
        },
        "versions": {"keras": "3"},
        "source_revision": "abc1234",
        "created": "2026-11-23T13:00:00+00:00",
    }


def made_weights(scores: TestScores) -> Any:
    """Bootstrap weights of its patients."""
    return resample_patients(scores.patients, seed=1, resamples=RESAMPLES)


def made_evaluation(
    scores: TestScores, limits: quality_gates.Limits = LIMITS, *, serving: TestScores | None = None, mode: str = "gate"
) -> dict[str, Any]:
    """The whole evaluation document; compared with a serving model where its scores are given."""
    weights = made_weights(scores)
    evaluation = assessment.document(scores, made_metadata(), weights)
    evaluation["saliency"] = {
        "method": "attribution",
        "cells": 16,
        "images": {"NORMAL": 40, "PNEUMONIA": 40},
        "empty": {"NORMAL": 40, "PNEUMONIA": 2},
        "border": 0.1,
        "border_area": 0.36,
        "border_share": {"NORMAL": None, "PNEUMONIA": 0.25},
        "same_place": {"maps": 38, "share": 0.2, "place": "lower left"},
    }
    evaluation["engine"] = engine_parity.nothing_to_compare()
    evaluation["comparison"] = comparison.nothing_serves()
    if serving:
        sides = (Side(one, 0.5, 32, "ab" * 32) for one in (scores, serving))
        evaluation["comparison"] = comparison.compare(*sides, weights, package=PACKAGE, mode=mode)
    evaluation["gates"] = quality_gates.check(evaluation, limits)
    return evaluation
