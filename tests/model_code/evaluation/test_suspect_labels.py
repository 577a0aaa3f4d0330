"""Wrong labels come first in the ranking, and no image is scored by what was fitted on its patient."""

from __future__ import annotations

import csv
import dataclasses

import numpy as np
import pytest

from model_code.archive import label_table
from tests.model_code.support.shards import write_split


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global cross_fitted, Labelled, LogisticRegression, rank, read, suspect_labels
    from sklearn.linear_model import LogisticRegression

    from model_code.evaluation import suspect_labels
    from model_code.evaluation.suspect_labels import Labelled, cross_fitted, rank, read


SIZE = 40


def made(count=400, *, patients=200, wrong=8):
    """Images of which the first feature tells the label; the first so many have the other one."""
    rng = np.random.default_rng(1)
    labels = np.arange(count) // 2 % 2
    features = rng.normal(0, 1, (count, 20)).astype(np.float32)
    features[:, 0] += 6 * labels
    labels = np.where(np.arange(count) < wrong, 1 - labels, labels)
    numbers = np.arange(count)
    return Labelled(
        features,
        labels,
        [f"P{number % patients}" for number in numbers],
        ["train"] * count,
        list(numbers),
        [f"train/{number}.png" for number in numbers],
    )


def test_flipped_labels_come_first():
    ranked = rank(made())
    assert len(set(ranked.order[:20]) & set(range(8))) >= 7, "among the first 5 % of the ranking"
    assert (ranked.scores[:8] < 0.5).sum() >= 7
    assert sorted(ranked.order) == list(range(400))


def test_no_image_is_scored_by_a_model_that_saw_its_patient(monkeypatch):
    images = made()
    patients = np.arange(400) % 200
    features = np.hstack([images.descriptions, patients[:, np.newaxis]])

    class Model:
        def fit(self, rows, labels):
            self.seen, self.share = set(rows[:, -1]), labels.mean()

        def predict_proba(self, rows):
            assert not self.seen & set(rows[:, -1])
            assert 0.4 < self.share < 0.6, "both labels in every fold, as in all"
            return np.stack([1 - rows[:, -1], rows[:, -1]], axis=1)

    monkeypatch.setattr(suspect_labels, "make_pipeline", lambda *_: Model())
    assert (cross_fitted(features, images.labels, patients) == patients).all(), "each image is scored, in its place"


def test_of_many_images_a_part_is_fitted(monkeypatch):
    counts = []

    class Model(LogisticRegression):
        def fit(self, rows, labels):
            counts.append(len(rows))
            return super().fit(rows, labels)

    monkeypatch.setattr(suspect_labels, "LogisticRegression", Model)
    monkeypatch.setattr(suspect_labels, "MOST_FITTED_IMAGES", 200)
    assert len(rank(made()).scores) == 400
    assert counts == [200] * suspect_labels.FOLDS


def test_a_label_of_few_patients_is_not_ranked():
    images = made(patients=400)
    few = dataclasses.replace(images, labels=(np.arange(400) < 4).astype(np.int64))
    assert rank(few) is None


@pytest.fixture(scope="module")
def ranked(tmp_path_factory):
    base = tmp_path_factory.mktemp("suspects")
    for seed, (split, count) in enumerate({"train": 80, "validation": 20, "test": 24}.items()):
        write_split(base / split, split, count, SIZE, seed=seed)
    return rank(read({split: base / split for split in ("train", "validation", "test")}, SIZE)), base


def test_images_of_all_splits_are_read_in_the_order_of_their_shards(ranked):
    images = ranked[0].images
    assert (len(images.paths), images.descriptions.shape, images.descriptions.dtype) == (124, (124, 1224), np.float32)
    for split, count in (("train", 80), ("validation", 20), ("test", 24)):
        own = [at for at, of in enumerate(images.splits) if of == split]
        assert [images.positions[at] for at in own] == list(range(count))
        assert {images.paths[at] for at in own} == {f"{split}{number}.png" for number in range(count)}


def test_the_table_is_one_of_labels_with_empty_columns_for_a_reader(ranked):
    found, base = ranked
    found.write(base)
    content = (base / "suspect_labels.csv").read_bytes()
    rows = list(csv.DictReader(content.decode().splitlines()))
    assert [row["rank"] for row in rows] == [str(number) for number in range(1, 125)]
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores)
    assert all((row["suggested"] == row["label"]) == (float(row["score"]) >= 0.5) for row in rows)
    assert {(row["reviewed_label"], row["reviewer"], row["comment"]) for row in rows} == {("", "", "")}
    table = label_table.read("labels.csv", content)
    assert [(row.key, row.label, row.split) for row in table.rows] == [
        (row["file"], row["label"], row["split"]) for row in rows
    ], "what archives bring their labels in"
