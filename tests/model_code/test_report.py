"""The report stands alone, says what it is for, and shows names from the archive as text."""

from __future__ import annotations

import re

import numpy as np
import pytest

from model_code import evaluate, report


@pytest.fixture(scope="module")
def page(dataset_card):
    rng = np.random.default_rng(1)
    labels = np.repeat([0.0, 1.0], 40)
    logits = rng.normal(2 * labels - 1, 1)
    scores = evaluate.TestScores(
        labels,
        logits,
        1 / (1 + np.exp(-logits)),
        [f"P{number}" for number in range(80)],
        [""] * 40 + ["virus"] * 20 + ["bacteria"] * 20,
    )
    metadata = {
        "threshold": 0.5,
        "temperature": 1.3,
        "backbone": "ResNet50V2",
        "dataset": {"sha256": dataset_card["sha256"]},
        "training": {
            "hyperparameters": {"epochs": 1},
            "policy": "mixed_bfloat16",
            "history": [{"epoch": 1, "loss": 0.5, "val_loss": 0.4, "val_auc": 0.9}],
            "seconds": 12,
        },
        "versions": {"keras": "3"},
        "source_revision": "abc1234",
        "created": "2026-11-23T13:00:00+00:00",
    }
    estimates = evaluate.estimate_all(scores, 0.5)
    evaluation = evaluate.evaluate(scores, metadata, evaluate.Limits(0.99, 0, 0, 1), estimates)
    figures = report.plots(report.Scored(scores.labels, scores.probabilities, 0.5), evaluation)
    return report.render(evaluation, metadata, dataset_card, estimates, figures)


def test_it_refers_to_nothing_outside_itself(page):
    outside = re.findall(r"""(?:src|href)=["'](?!data:)""", page)
    assert not outside
    assert "<script" not in page


def test_it_has_every_plot_table_and_the_intended_use(page):
    alternatives = re.findall(r'<img alt="([^"]+)"', page)
    assert alternatives == [
        "ROC curve",
        "Precision-recall curve",
        "Reliability diagram",
        "Confusion matrix",
        "Probabilities by label",
        "Learning curves",
    ]
    for text in ("does not make a diagnosis", "Specificity", "Dataset card", "abc1234", "bacteria", "AUPRC"):
        assert text in page


def test_it_opens_with_the_failed_gate(page):
    assert re.search(r'class="verdict failed">AUROC 0\.\d+ is below the limit 0\.99\.<', page)


def test_names_from_the_archive_are_escaped(page):
    assert "a&lt;b&gt;.jpeg" in page
    assert "a<b>" not in page
