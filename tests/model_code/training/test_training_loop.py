"""Schedule, best epoch, early stopping, feature cache and resuming, on a classifier of three layers."""

from __future__ import annotations

import dataclasses
import itertools
import re
from typing import Any

import numpy as np
import pytest

from model_code.training.checkpoints import Checkpoints
from tests.model_code.support.shards import write_split


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global Augmentation, ClassWeights, keras, PHASES, RECIPE, tf, training_loop, TrainingImages, UNWEIGHTED
    import keras
    import tensorflow as tf

    from model_code.imaging.augmentation import Augmentation
    from model_code.training import training_loop
    from model_code.training.batches import UNWEIGHTED, ClassWeights, TrainingImages

    RECIPE = training_loop.Recipe(
        batch_size=8,
        patience=5,
        fine_tune_from="all",
        feature_views=2,
        label_smoothing=0.0,
        ema_momentum=0.0,
        precision="float32",
        xla="off",
    )
    PHASES = [training_loop.Phase("head", 4, 0.01), training_loop.Phase("fine-tune", 2, 0.002)]


SIZE = 16
COUNT = 40


class Tiny:
    """A classifier in the form of `model.Classifier`, with a backbone of one convolution."""

    strategy = None
    pretrained = True

    def __init__(self, seed: int = 3) -> None:
        keras.utils.set_random_seed(seed)
        pixels = keras.Input((SIZE, SIZE, 1))
        self.backbone = keras.layers.Conv2D(6, 3, strides=2, activation="relu")
        scaled = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(pixels)
        pooled = keras.layers.GlobalAveragePooling2D()(self.backbone(scaled))
        hidden = keras.layers.Dense(8, activation="relu")
        dropout, logit = keras.layers.Dropout(0.5), keras.layers.Dense(1, name="logit")
        self.network = self.trainee = keras.Model(pixels, logit(dropout(hidden(pooled))))
        self.features = keras.Model(pixels, pooled)
        features = keras.Input((6,))
        self.head = keras.Model(features, logit(dropout(hidden(features))))

    def freeze(self) -> None:
        self.backbone.trainable = False

    def unfreeze(self, fine_tune_from: str) -> int:
        self.backbone.trainable = True
        return self.backbone.count_params()

    def take_over(self) -> None:
        pass

    def restore(self, weights: list[Any]) -> None:
        self.network.set_weights(weights)


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> TrainingImages:
    directory = tmp_path_factory.mktemp("train")
    write_split(directory, "train", COUNT, SIZE)
    return TrainingImages(directory, SIZE, Augmentation(0.5, 0.3, 5.0, 0.05, 0.1), 7, UNWEIGHTED)


def training(classifier: Tiny, images: TrainingImages, *, score: Any = None, **options: Any) -> training_loop.Training:
    """A training; `score` defaults to the classifier's own logits on the images as they are."""

    def own() -> training_loop.Validation:
        data = list(dataclasses.replace(images, augmentation=Augmentation(0, 0, 0, 0, 0)).in_order(0, 8))
        logits = np.concatenate([classifier.network(batch[0], training=False).numpy()[:, 0] for batch in data])
        labels = np.concatenate([batch[1].numpy()[:, 0] for batch in data])
        return training_loop.Validation(logits.astype(float), labels, np.arange(len(labels)))

    arguments = {"count": COUNT, "phases": PHASES, "recipe": RECIPE} | options
    return training_loop.Training(classifier, images, score=score or own, **arguments)


def validation(auc_like: float) -> training_loop.Validation:
    """Validation scores with an AUROC of 1, 0.5 or 0."""
    return training_loop.Validation(np.array([0.5, auc_like]), np.array([0.0, 1.0]), np.arange(2))


def test_the_learning_rate_warms_up_to_its_greatest_value_and_decays():
    phase = training_loop.Phase("all", epochs=1, learning_rate=0.1)
    rates = [training_loop.learning_rate(phase, 100, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == pytest.approx(0.1) == rates[9]
    assert all(later <= earlier for earlier, later in itertools.pairwise(rates[10:]))
    assert 0.002 <= rates[-1] < 0.0022


def test_the_best_epoch_is_restored_with_its_scores(images, capsys):
    classifier = Tiny()
    bias = classifier.network.layers[-1].bias
    scores, seen = iter([0.4, 0.9, 0.5, 0.3]), []  # AUROC 0, 1, 0.5, 0

    def score():
        seen.append(float(bias.numpy()[0]))
        return validation(next(scores))

    history, best = training(classifier, images, score=score, phases=[training_loop.Phase("all", 4, 0.05)]).run()
    assert [line.val_auc for line in history] == [0.0, 1.0, 0.5, 0.0]
    assert best.auc == 1.0
    assert float(bias.numpy()[0]) == seen[1] != seen[3]
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch=")]
    assert re.fullmatch(r"epoch=2 phase=all loss=\d+\.\d{4} val_loss=\d+\.\d{4} val_auc=1\.0000", lines[1])


def test_of_equal_aurocs_the_least_loss_wins(images):
    scores = iter([0.6, 3.0, 0.7])
    phases = [training_loop.Phase("all", 3, 0.01)]
    _, best = training(Tiny(), images, score=lambda: validation(next(scores)), phases=phases).run()
    assert best.logits[1] == 3.0


def test_a_phase_ends_early_and_the_next_begins_from_the_best_weights(images):
    scores = iter([0.9, 0.1, 0.2, 0.3, 0.4])
    history, _ = training(
        Tiny(),
        images,
        score=lambda: validation(next(scores)),
        phases=[training_loop.Phase("all", 10, 0.05), training_loop.Phase("all", 2, 0.01)],
        recipe=dataclasses.replace(RECIPE, patience=2),
    ).run()
    assert [line.epoch for line in history] == [1, 2, 3, 4, 5]
    assert history[3].learning_rate <= 0.01


def test_validation_loss_is_the_cross_entropy():
    found = training_loop.Validation(np.array([-1.0, 2.0, 0.5]), np.array([0.0, 1.0, 0.0]), np.arange(3))
    expected = keras.losses.BinaryCrossentropy(from_logits=True)(found.labels, found.logits)
    assert found.loss == pytest.approx(float(expected), rel=1e-5)


def test_cached_features_train_the_head_as_the_plain_loop_does(images):
    """Same views, order, dropout masks and weights; five epochs over two views use each of them more than once."""
    results = []
    weighted = dataclasses.replace(images, weights=ClassWeights(0.5, 2.0))
    smoothed = dataclasses.replace(RECIPE, label_smoothing=0.05)
    plain = type("Plain", (training_loop.Recipe,), {"cache_features": False})(**dataclasses.asdict(smoothed))
    for recipe in (smoothed, plain):
        classifier = Tiny()
        history, best = training(
            classifier, weighted, recipe=recipe, phases=[training_loop.Phase("head", 5, 0.02)]
        ).run()
        results.append((classifier.network.get_weights(), [line.loss for line in history], best.logits))
    (weights, losses, logits), (plain_weights, plain_losses, plain_logits) = results
    np.testing.assert_allclose(losses, plain_losses, rtol=1e-5)
    np.testing.assert_allclose(logits, plain_logits, atol=1e-5)
    for cached_array, plain_array in zip(weights, plain_weights, strict=True):
        np.testing.assert_allclose(cached_array, plain_array, atol=1e-5)
    assert losses[0] != losses[-1]


def test_the_backbone_stays_as_it_is_until_it_is_fine_tuned(images):
    classifier = Tiny()
    before = classifier.backbone.kernel.numpy()
    training(classifier, images, phases=PHASES[:1]).run()
    np.testing.assert_array_equal(classifier.backbone.kernel.numpy(), before)

    history, _ = training(classifier, images).run()
    assert [line.phase for line in history] == ["head"] * 4 + ["fine-tune"] * 2
    assert not np.array_equal(classifier.backbone.kernel.numpy(), before)


class KilledError(Exception):
    pass


@pytest.mark.parametrize(("epochs", "ema_momentum"), [(2, 0.0), (4, 0.0), (5, 0.9)])
def test_a_training_that_was_interrupted_ends_as_an_uninterrupted_one(
    images, tmp_path, monkeypatch, epochs, ema_momentum
):
    """Interrupted in the first phase, between the phases and in the second."""
    monkeypatch.setattr("model_code.training.checkpoints.INTERVAL_SECONDS", 0.0)
    recipe = dataclasses.replace(RECIPE, ema_momentum=ema_momentum)
    whole = Tiny()
    history, best = training(whole, images, recipe=recipe).run()

    def interrupted(*, kill_in: int | None) -> tuple[Tiny, Any]:
        classifier = Tiny(seed=3 if kill_in else 99)  # the second process begins from other weights
        keras.utils.set_random_seed(3)
        run = training(classifier, images, recipe=recipe, checkpoints=Checkpoints(tmp_path, {}))
        score = run._score

        def killing() -> training_loop.Validation:
            if kill_in is not None and len(run._progress.history) == kill_in:
                raise KilledError
            return score()

        run._score = killing
        return classifier, run

    _, first = interrupted(kill_in=epochs)
    with pytest.raises(KilledError):
        first.run()
    resumed, second = interrupted(kill_in=None)
    resumed_history, resumed_best = second.run()

    assert [dataclasses.replace(line, seconds=0) for line in resumed_history] == [
        dataclasses.replace(line, seconds=0) for line in history
    ]
    np.testing.assert_array_equal(resumed_best.logits, best.logits)
    for array, expected in zip(resumed.network.get_weights(), whole.network.get_weights(), strict=True):
        np.testing.assert_array_equal(array, expected)


def test_averaged_weights_are_validated_and_kept_while_training_goes_on_from_the_raw_ones(images):
    kernels = []

    def run(ema_momentum: float) -> list[float]:
        classifier = Tiny()
        seen = []

        def score() -> training_loop.Validation:
            seen.append(float(np.abs(classifier.network.get_weights()[0]).sum()))
            return validation(0.9)

        recipe = dataclasses.replace(RECIPE, ema_momentum=ema_momentum)
        history, _ = training(
            classifier, images, score=score, recipe=recipe, phases=[training_loop.Phase("all", 3, 0.02)]
        ).run()
        kernels.append(seen)
        return [line.loss for line in history]

    assert run(0.0) == run(0.9), "the average must not change what is trained"
    assert kernels[0] != kernels[1], "the average is what is validated"


def test_tensorboard_gets_the_curves(images, tmp_path):
    training(Tiny(), images, phases=[training_loop.Phase("all", 2, 0.01)], board=tmp_path).run()
    (events,) = tmp_path.glob("events.out.tfevents.*")
    values: dict[str, list[int]] = {}
    for record in tf.compat.v1.train.summary_iterator(str(events)):
        for value in record.summary.value:
            values.setdefault(value.tag, []).append(record.step)
    assert values["val_auc"] == values["loss"] == [1, 2]
