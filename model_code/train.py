"""TrainModel: shards become model.tar.gz (SavedModel, request handlers, metadata) and the training curves.

    python model_code/train.py --image-size 220 --backbone-weights imagenet --epochs 5 --fine-tune-epochs 5 \
        --learning-rate 0.001 --fine-tune-learning-rate 0.0001 --batch-size 64 --seed 20180222

Script mode of SageMaker's training toolkit: channels `train`, `validation` and `report` (SM_CHANNEL_*), model to
SM_MODEL_DIR, model.keras, history.json and curves.svg to SM_OUTPUT_DATA_DIR. One line of metrics an epoch.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

if not __package__:
    # Started as a script, this file's own folder comes first on the path, and there `import model` is ours.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from model_code import fit, job
from model_code.calibration import choose_threshold, fit_temperature
from model_code.dataset import read_card, training_batches
from model_code.export import Scorer, save_handlers, save_metadata, save_servable
from model_code.model import build, training_policy
from model_code.report import learning_curves

# Of the reference notebook's early stopping; a phase is rarely longer than that in this pipeline.
PATIENCE = 5


@dataclasses.dataclass(frozen=True)
class Hyperparameters:
    """The step's parameters, as on the command line."""

    image_size: int
    backbone_weights: str
    epochs: int
    fine_tune_epochs: int
    learning_rate: float
    fine_tune_learning_rate: float
    batch_size: int
    seed: int


def main(arguments: list[str]) -> None:
    """Run the step.

    Raises:
        JobError: for parameters out of range, missing inputs, or weights that cannot be had.
    """
    chosen = parse(arguments)
    started = time.monotonic()
    card = read_card(job.channel("report"))
    if card["image_size"] != chosen.image_size:
        raise job.JobError(
            f"The shards hold images of {card['image_size']} px and ImageSize is {chosen.image_size}; "
            "preprocess the archive again with this size."
        )
    images = int(card["splits"]["train"]["images"])
    batch_size = min(chosen.batch_size, images)
    fit.prepare(chosen.seed)
    policy = training_policy()
    classifier = build(chosen.image_size, chosen.backbone_weights, policy)
    print(
        f"Training on {images} images of {chosen.image_size} px, backbone weights: {chosen.backbone_weights}"
        + (" (frozen)" if classifier.pretrained else " (from scratch, everything trains)")
        + f", arithmetic: {policy}",
        flush=True,
    )
    scorer = Scorer(classifier, chosen.image_size)
    validation_channel = job.channel("validation")
    history, validation = fit.train(
        classifier,
        training_batches(
            job.channel("train"), chosen.image_size, images=images, batch_size=batch_size, seed=chosen.seed
        ),
        lambda: fit.validate(scorer, validation_channel),
        [
            fit.Phase(chosen.epochs, chosen.learning_rate),
            fit.Phase(chosen.fine_tune_epochs, chosen.fine_tune_learning_rate),
        ],
        steps_per_epoch=images // batch_size,
        patience=PATIENCE,
    )
    temperature = fit_temperature(validation.logits, validation.labels)
    threshold = choose_threshold(validation.logits, validation.labels, temperature)
    print(
        f"Validation AUROC {validation.auc:.4f}; temperature {temperature:.3f}, threshold {threshold:.3f}", flush=True
    )
    training = {
        "hyperparameters": dataclasses.asdict(chosen),
        "policy": policy,
        "history": [dataclasses.asdict(epoch) for epoch in history],
        "validation": {"auc": validation.auc, "loss": validation.loss},
        "seconds": round(time.monotonic() - started, 1),
    }
    directory = job.model_directory()
    save_servable(scorer, temperature, directory)
    save_handlers(directory)
    save_metadata(
        directory,
        card=card,
        threshold=threshold,
        temperature=temperature,
        backbone_weights=chosen.backbone_weights,
        training=training,
    )
    _save_record(job.output_data_directory(), classifier.network, training)
    print(f"Trained and exported in {time.monotonic() - started:.1f} s", flush=True)


def parse(arguments: list[str]) -> Hyperparameters:
    """Read and check the hyperparameters.

    Raises:
        JobError: for a value out of range.
    """
    parser = argparse.ArgumentParser(prog="model_code.train")
    for field in dataclasses.fields(Hyperparameters):
        convert: Any = {"int": int, "float": float, "str": str}[str(field.type)]
        parser.add_argument("--" + field.name.replace("_", "-"), type=convert, required=True)
    chosen = Hyperparameters(**vars(parser.parse_args(arguments)))
    if chosen.epochs < 0 or chosen.fine_tune_epochs < 0 or chosen.epochs + chosen.fine_tune_epochs == 0:
        raise job.JobError("Epochs and FineTuneEpochs must not be negative, nor both 0.")
    rates = (chosen.learning_rate, chosen.fine_tune_learning_rate)
    if not all(math.isfinite(rate) and 0 < rate <= 1 for rate in rates):
        raise job.JobError(f"Learning rates must be above 0 and at most 1, not {rates[0]} and {rates[1]}.")
    if chosen.batch_size < 2:
        raise job.JobError(f"BatchSize must be at least 2 for batch normalisation, not {chosen.batch_size}.")
    return chosen


def _save_record(directory: Path, network: Any, training: dict[str, Any]) -> None:
    network.save(directory / "model.keras")
    (directory / "history.json").write_text(json.dumps(training, indent=2) + "\n", encoding="utf-8")
    (directory / "curves.svg").write_text(learning_curves(training["history"]), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(job.run(lambda: main(sys.argv[1:]), message_file="failure"))
