"""Training loop: phases of Adam on binary cross-entropy, learning-rate schedule, early stopping, validation.

With pretrained weights, the head is trained on the frozen backbone first and then the backbone's last layers with it
(phases `head` and `fine-tune`); from scratch, everything is trained in both (phase `all`). A phase begins from the best
weights so far. Each epoch can be repeated alone (see `batches`), so a training that was interrupted resumes from its
checkpoint and ends as it would have ended.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from model_code.data.shards import examples, read_columns
from model_code.export.saved_model import Scorer
from model_code.network.classifier import Classifier
from model_code.statistics.intervals import patient_numbers
from model_code.statistics.metrics import Array, auroc
from model_code.training.batches import Order, TrainingImages
from model_code.training.checkpoints import Checkpoints, Progress
from model_code.training.frozen_features import cache_features

WARM_UP_SHARE = 0.1
# Cosine decay ends here rather than at 0, so that the last batches still teach something.
FINAL_LEARNING_RATE_SHARE = 0.02
_PROGRESS_SECONDS = 30.0
# What `tf.summary.scalar` writes too, which would need TensorBoard itself to be installed.
_SCALAR = tf.compat.v1.SummaryMetadata(
    plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars"),
    data_class=1,  # DATA_CLASS_SCALAR of tensorflow/core/framework/summary.proto
)


@dataclasses.dataclass(frozen=True)
class Phase:
    """A phase of training: number of epochs and peak learning rate.

    Attributes:
        name: part that is trained: `head`, `fine-tune` (head and the unfrozen end of the backbone) or `all`.
    """

    name: str
    epochs: int
    learning_rate: float


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Hyperparameters of the training loop, the same for all phases; the fields are those of `contract.parameters`.

    Attributes:
        batch_size: images a step.
        patience: epochs without a better one after which a phase ends.
        fine_tune_from: first layer of the backbone that phase `fine-tune` trains; see `Classifier.unfreeze`.
        feature_views: augmented views of each image that phase `head` goes through in turn; 0 for a new one each epoch.
        label_smoothing: targets are moved so far from 0 and 1 towards 0.5 (Szegedy et al. 2016).
        ema_momentum: momentum of the exponential moving average of the weights that is validated and kept; 0 for none.
        precision: Keras dtype policy of the trainee.
        xla: `on` to compile the training step with XLA, or `off`.
    """

    batch_size: int
    patience: int
    fine_tune_from: str
    feature_views: int
    label_smoothing: float
    ema_momentum: float
    precision: str
    xla: str

    @property
    def cache_features(self) -> bool:
        """Whether the features of those views are computed once; the result is the same but for rounding."""
        return self.feature_views > 0


@dataclasses.dataclass(frozen=True)
class Epoch:
    """One epoch of the training history."""

    epoch: int
    phase: str
    loss: float
    val_loss: float
    val_auc: float
    learning_rate: float
    seconds: float

    def metric_line(self) -> str:
        """The epoch as a log line that the training job's metric definitions match."""
        return (
            f"epoch={self.epoch} phase={self.phase} loss={self.loss:.4f} val_loss={self.val_loss:.4f} "
            f"val_auc={self.val_auc:.4f}"
        )


@dataclasses.dataclass(frozen=True)
class Validation:
    """Logits, labels and the number of the patient of each validation image, all (n,), in a fixed order."""

    logits: Array
    labels: Array
    patients: npt.NDArray[np.int64]

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
    """Linear warm-up over the first tenth of a phase, then half a cosine (Loshchilov and Hutter 2017).

    Args:
        phase: gives the greatest rate.
        steps: optimiser steps of the whole phase.
        step: number of the step in its phase, from 0.
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
    patients: list[bytes] = []
    for pixels, columns in read_columns(examples(directory, scorer.size), ["label", "patient"]):
        logits.append(scorer.logits(pixels).numpy())
        labels.append(columns["label"])
        patients.extend(columns["patient"])
    return Validation(
        np.concatenate(logits).astype(np.float64),
        np.concatenate(labels).astype(np.float64),
        patient_numbers(patients),
    )


class Training:
    """Trains a classifier in place.

    The best epoch has the greatest validation AUROC, and of equal ones the least validation loss.

    Args:
        classifier: is changed, and left with the weights of its best epoch.
        score: scores the validation split with the classifier's present weights.
        phases: phases in order; one without epochs is passed over.
        recipe: settings that all phases share.
        checkpoints: checkpoint to resume from, and to replace; None keeps none.
        board: directory for TensorBoard's event files; None writes none.
    """

    def __init__(
        self,
        classifier: Classifier,
        images: TrainingImages,
        *,
        count: int,
        score: Callable[[], Validation],
        phases: Sequence[Phase],
        recipe: Recipe,
        checkpoints: Checkpoints | None = None,
        board: Path | None = None,
    ) -> None:
        self._classifier = classifier
        self._images = images
        self._count = count
        self._score = score
        self._phases = [phase for phase in phases if phase.epochs]
        self._recipe = recipe
        self._checkpoints = checkpoints
        self._board = tf.summary.create_file_writer(str(board)) if board else None
        self._compiled: str | None = None
        self._progress = Progress()

    def run(self) -> tuple[list[Epoch], Validation]:
        """Train, from the checkpoint if there is one.

        Returns:
            The history, and the validation scores of the best epoch.
        """
        progress = (self._checkpoints.read() if self._checkpoints else None) or Progress()
        if progress.history:
            print(f"Resuming from a checkpoint after epoch {len(progress.history)}", flush=True)
        resumed, self._progress = bool(progress.history), progress
        while progress.phase < len(self._phases):
            phase = self._phases[progress.phase]
            model = self._prepare(phase)
            if resumed:
                self._restore(model)
                resumed = False
            source = self._source(phase)
            while progress.epoch < phase.epochs and progress.waited < self._recipe.patience:
                self._epoch(phase, model, source)
                if self._checkpoints and self._checkpoints.due:
                    self._keep(model)
                    self._checkpoints.write(progress)
            self._classifier.restore(progress.arrays["best"])
            progress.phase, progress.epoch, progress.waited = progress.phase + 1, 0, 0
        return [Epoch(**line) for line in progress.history], Validation(*progress.arrays["validation"])

    def _prepare(self, phase: Phase) -> Any:
        """The model that the optimiser works on in a phase, compiled."""
        model = self._classifier.head if phase.name == "head" and self._recipe.cache_features else None
        model = model or self._classifier.trainee
        if self._compiled == phase.name:
            return model  # the optimiser keeps its moments, and nothing is traced again
        self._compiled = phase.name
        if phase.name == "head":
            self._classifier.freeze()
        elif phase.name == "fine-tune":
            print(f"Fine-tuning {self._classifier.unfreeze(self._recipe.fine_tune_from)} weights of the backbone")
        strategy = self._classifier.strategy
        with strategy.scope() if strategy else contextlib.nullcontext():
            momentum = self._recipe.ema_momentum
            optimizer = keras.optimizers.Adam(
                phase.learning_rate,
                use_ema=bool(momentum),
                ema_momentum=momentum or 0.99,  # Keras wants a valid one even where it is not used
            )
            if self._recipe.precision == "mixed_float16":
                optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
            model.compile(
                optimizer=optimizer,
                loss=keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=self._recipe.label_smoothing),
                jit_compile=self._recipe.xla == "on",
                auto_scale_loss=False,
            )
            # Variables that the first step would create make TensorFlow trace it twice: 18 instead of 7 CPU seconds.
            model.optimizer.build(model.trainable_variables)
        return model

    def _source(self, phase: Phase) -> Any:
        if phase.name != "head" or not self._recipe.cache_features:
            return self._images
        return cache_features(
            self._classifier.features,
            self._images,
            count=self._count,
            views=self._recipe.feature_views,
            batch_size=self._recipe.batch_size,
        )

    def _epoch(self, phase: Phase, model: Any, source: Any) -> None:
        progress, started = self._progress, time.monotonic()
        number = len(progress.history)
        images = self._images
        order = Order.of(self._count, images.size, batch_size=self._recipe.batch_size, seed=images.seed, epoch=number)
        views = self._recipe.feature_views if phase.name == "head" else 0
        rate = _Rate(phase, progress.epoch, order, self._classifier.trainee)
        trained = model.fit(
            source.shuffled(order, number % views if views else number), verbose=0, shuffle=False, callbacks=[rate]
        )
        # With an average, Keras has put it in place of the trained weights at the end of `fit`.
        self._classifier.take_over()
        validation = self._score()
        line = Epoch(
            epoch=number + 1,
            phase=phase.name,
            loss=float(trained.history["loss"][0]),
            val_loss=validation.loss,
            val_auc=validation.auc,
            learning_rate=float(model.optimizer.learning_rate.numpy()),
            seconds=time.monotonic() - started,
        )
        progress.history.append(dataclasses.asdict(line))
        progress.epoch += 1
        print(line.metric_line(), flush=True)
        self._plot(line)
        if progress.best is None or (line.val_auc, -line.val_loss) > progress.best:
            progress.best, progress.waited = (line.val_auc, -line.val_loss), 0
            progress.arrays["best"] = self._classifier.network.get_weights()
            progress.arrays["validation"] = [validation.logits, validation.labels, validation.patients]
        else:
            progress.waited += 1
        if self._recipe.ema_momentum:
            self._classifier.trainee.set_weights(rate.trained)

    def _plot(self, line: Epoch) -> None:
        if self._board is None:
            return
        with self._board.as_default(step=line.epoch):
            for name in ("loss", "val_loss", "val_auc", "learning_rate", "seconds"):
                tf.summary.write(name, getattr(line, name), metadata=_SCALAR)
        self._board.flush()

    def _keep(self, model: Any) -> None:
        arrays = self._progress.arrays
        arrays["weights"] = self._classifier.trainee.get_weights()
        arrays["optimizer"] = [variable.numpy() for variable in model.optimizer.variables]
        arrays["seeds"] = [variable.numpy() for variable in _seeds(self._classifier.trainee)]

    def _restore(self, model: Any) -> None:
        arrays = self._progress.arrays
        self._classifier.restore(arrays["weights"])
        for variables, values in (
            (model.optimizer.variables, arrays["optimizer"]),
            (_seeds(self._classifier.trainee), arrays["seeds"]),
        ):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)


def _seeds(model: Any) -> list[Any]:
    """The states of a model's random layers (dropout), which count the masks drawn so far."""
    weights = {id(variable) for variable in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]


class _Rate(keras.callbacks.Callback):  # type: ignore[misc] # keras has no types
    """Sets the learning rate of each step, shows progress within a long epoch, and keeps the weights at its end."""

    def __init__(self, phase: Phase, epoch: int, order: Order, trainee: Any) -> None:
        super().__init__()
        self._phase = phase
        self._step = epoch * order.steps
        self._order = order
        self._trainee = trainee
        self.trained: list[Any] = []
        self._started = self._shown = time.monotonic()

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        del batch, logs
        steps = self._phase.epochs * self._order.steps
        self.model.optimizer.learning_rate.assign(learning_rate(self._phase, steps, self._step))
        self._step += 1

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        now = time.monotonic()
        if now - self._shown >= _PROGRESS_SECONDS:
            self._shown = now
            rate = (batch + 1) * self._order.batch_size / (now - self._started)
            loss = float((logs or {})["loss"])
            print(f"step {batch + 1}/{self._order.steps}, {rate:.0f} images a second, loss {loss:.4f}", flush=True)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        del epoch, logs
        self.trained = self._trainee.get_weights()
