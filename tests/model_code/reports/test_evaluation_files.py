"""Every image's row: what the model said, in the words of the API, and where the image came from."""

from __future__ import annotations

import csv

from model_code.reports import evaluation_files
from tests.model_code.support.evaluated import made_metadata, made_scores


def test_every_image_of_a_split_has_its_row(tmp_path):
    scores, metadata = made_scores(), made_metadata()
    assert evaluation_files.write_scores(tmp_path, "test", scores, metadata) == "test_predictions.csv"
    with (tmp_path / "test_predictions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == scores.paths
    assert {row["split"] for row in rows} == {"test"}
    band = metadata["indeterminate"]
    for row, probability, label, unlike in zip(
        rows, scores.probabilities, scores.labels, scores.out_of_distribution_scores, strict=True
    ):
        assert abs(float(row["score"]) - probability) < 1e-6
        assert row["label"] == ("PNEUMONIA" if label else "NORMAL")
        assert row["refused"] == ("true" if unlike > 1 else "false")
        undecided = band["low"] <= probability < band["high"]
        assert row["prediction"] == (
            "INDETERMINATE" if undecided else "PNEUMONIA" if probability >= metadata["threshold"] else "NORMAL"
        )
    assert {row["prediction"] for row in rows} == {"NORMAL", "PNEUMONIA", "INDETERMINATE"}
    assert sum(row["refused"] == "true" for row in rows) == 2
