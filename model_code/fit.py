"""The training loop: two phases of Adam on binary cross-entropy, judged after each epoch on validation data."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from model_code.dataset import examples, read_columns
from model_code.export import Scorer
from model_code.metrics import Array, auroc
from model_code.model import Classifier

WARM_UP_SHARE = 0.1
# Cosine decay ends here rather than at 0, so that the last batches still teach something.
FINAL_LEARNING_RATE_SHARE = 0.02


@dataclasses.dataclass(frozen=True)
class Phase:
    """So many epochs, with this greatest learning rate."""

    epochs: int
    learning_rate: float


@dataclasses.dataclass(frozen=True)
class Epoch:
    """One line of the history."""

    epoch: int
    loss: float
    val_loss: float
    val_auc: float
    learning_rate: float
    seconds: float

    def metric_line(self) -> str:
        """As the training job's metric definitions expect it."""
        return f"epoch={self.epoch} loss={self.loss:.4f} val_loss={self.val_loss:.4f} val_auc={self.val_auc:.4f}"


@dataclasses.dataclass(frozen=True)
class Validation:
    """Logits and labels of the validation images, each (n,), in a fixed order."""

    logits: Array
    labels: Array

    @property
    def loss(self) -> float:
        """Mean binary cross-entropy."""
        return float(np.mean(np.logaddexp(0.0, self.logits) - self.labels * self.logits))

    @property
    def auc(self) -> float:
        """AUROC, exact."""
        return float(auroc(self.labels, self.logits, np.ones((1, len(self.labels))))[0])


def prepare(seed: int) -> None:
    """Seed Python, numpy and TensorFlow (initial weights, dropout), and trim the graph compiler.

    On a CPU, TensorFlow's graph rewriting takes a third of the time to the first batch of a ResNet50V2 and wins nothing
    in the training graph: 7 instead of 10 CPU seconds, then 70 images a second either way. A GPU needs its layouts.
    """
    keras.utils.set_random_seed(seed)
    if not tf.config.list_physical_devices("GPU"):
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def learning_rate(phase: Phase, steps: int, step: int) -> float:
    """Linear warm-up over the first tenth of a phase, then half a cosine.

    Args:
        phase: gives the greatest rate.
        steps: optimiser steps of the whole phase.
        step: from 0.
    """
    warm_up = max(1, round(WARM_UP_SHARE * steps))
    if step < warm_up:
        return phase.learning_rate * (step + 1) / warm_up
    progress = (step - warm_up) / max(1, steps - warm_up)
    floor = FINAL_LEARNING_RATE_SHARE
    return phase.learning_rate * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))


def validate(scorer: Scorer, directory: Path) -> Validation:
    """Score the validation shards."""
    logits: list[Array] = []
    labels: list[Array] = []
    for pixels, columns in read_columns(examples(directory, scorer.size), ["label"]):
        logits.append(scorer.logits(pixels).numpy())
        labels.append(columns["label"])
    return Validation(np.concatenate(logits).astype(np.float64), np.concatenate(labels).astype(np.float64))


def train(
    classifier: Classifier,
    batches: Any,
    score: Callable[[], Validation],
    phases: list[Phase],
    *,
    steps_per_epoch: int,
    patience: int,
) -> tuple[list[Epoch], Validation]:
    """Train, and leave the classifier with the weights of its best epoch.

    The best epoch has the greatest validation AUROC, and of equal ones the least validation loss. The second phase
    begins from the best weights of the first; the optimiser keeps its moments, so nothing is traced again.

    Args:
        classifier: is changed in place.
        batches: tf.data.Dataset of (pixels, labels), one epoch long.
        score: scores the validation split with the classifier's present weights.
        phases: in order; one without epochs is passed over.
        steps_per_epoch: number of batches.
        patience: epochs without a better one after which a phase ends.

    Returns:
        The history, and the validation scores of the best epoch.
    """
    trainee = classifier.trainee
    trainee.compile(
        optimizer=keras.optimizers.Adam(phases[0].learning_rate),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        # XLA takes longer to compile a ResNet50V2 step than a short job trains.
        jit_compile=False,
    )
    # Variables that the first step would create make TensorFlow trace it twice: 18 instead of 7 CPU seconds.
    trainee.optimizer.build(trainee.trainable_variables)
    keeper = _BestEpoch(classifier, score, patience)
    for phase in phases:
        if phase.epochs:
            keeper.begin(phase, phase.epochs * steps_per_epoch)
            trainee.fit(batches, epochs=phase.epochs, verbose=0, shuffle=False, callbacks=[keeper])
            keeper.restore()
    return keeper.history, keeper.best_validation()


class _BestEpoch(keras.callbacks.Callback):  # type: ignore[misc] # keras has no types
    """Sets the learning rate, validates, prints the metric line, keeps the best weights and stops early."""

    def __init__(self, classifier: Classifier, score: Callable[[], Validation], patience: int) -> None:
        super().__init__()
        self._classifier = classifier
        self.history: list[Epoch] = []
        self._score = score
        self._patience = patience
        self._best: tuple[float, float] = (-math.inf, -math.inf)
        self._weights: list[Any] | None = None
        self._validation: Validation | None = None

    def begin(self, phase: Phase, steps: int) -> None:
        self._phase, self._steps, self._step, self._waited = phase, steps, 0, 0

    def restore(self) -> None:
        if self._weights is not None:
            self._classifier.restore(self._weights)

    def best_validation(self) -> Validation:
        return self._validation if self._validation is not None else self._score()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        del epoch, logs
        self._started = time.monotonic()

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        del batch, logs
        self.model.optimizer.learning_rate.assign(learning_rate(self._phase, self._steps, self._step))
        self._step += 1

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        del epoch
        self._classifier.take_over()
        validation = self._score()
        line = Epoch(
            epoch=len(self.history) + 1,
            loss=float((logs or {})["loss"]),
            val_loss=validation.loss,
            val_auc=validation.auc,
            learning_rate=float(self.model.optimizer.learning_rate.numpy()),
            seconds=time.monotonic() - self._started,
        )
        self.history.append(line)
        print(line.metric_line(), flush=True)
        if (line.val_auc, -line.val_loss) > self._best:
            self._best = (line.val_auc, -line.val_loss)
            self._weights = self._classifier.network.get_weights()
            self._validation = validation
            self._waited = 0
        else:
            self._waited += 1
            self.model.stop_training = self._waited >= self._patience
