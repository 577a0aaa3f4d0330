"""TrainModel: shards become model.tar.gz (SavedModel, request handlers, metadata) and the training curves.

    python model_code/train.py --image-size 220 --backbone ResNet50V2 --epochs 5 ...

Takes the flag of each of `contract.parameters.HYPERPARAMETERS`, and `--image-size`; none has a default here.
Script mode of SageMaker's training toolkit: channels `train`, `validation` and `report` (SM_CHANNEL_*), where given
`weights` and `engine`, model to SM_MODEL_DIR, model.keras, history.json, curves.svg and, with a second engine, the
float32 SavedModel to SM_OUTPUT_DATA_DIR, TensorBoard's events to `output/tensorboard`, checkpoints to `checkpoints`.
One line of metrics an epoch, and the best one at the end.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if not __package__:
    # Started as a script, this file's own folder comes first on the path, and there `import model` is ours.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from model_code.contract import job
from model_code.contract.labels import PNEUMONIA
from model_code.contract.parameters import TRAINING
from model_code.data.dataset_card import read_card
from model_code.data.shards import examples
from model_code.export import litert
from model_code.export.conversion import Answers
from model_code.export.saved_model import Scorer, describe_saliency, save_handlers, save_metadata, save_servable
from model_code.imaging.augmentation import Augmentation
from model_code.network import attribution, feature_projection, out_of_distribution
from model_code.network.classifier import Classifier, Options, build
from model_code.reports.plots import learning_curves
from model_code.statistics import indeterminate
from model_code.statistics.calibration import Calibration, choose_threshold, fit_temperature
from model_code.training import precision, training_loop
from model_code.training.batches import UNWEIGHTED, ClassWeights, TrainingImages
from model_code.training.checkpoints import Checkpoints
from model_code.training.warm_start import warm_start


@dataclasses.dataclass(frozen=True)
class Hyperparameters(Augmentation, Options, training_loop.Recipe):
    """The step's parameters as on the command line; docs/settings.md explains each.

    Those of the training loop, of the classifier and of the augmentation are declared where they are used; here stand
    the others.
    """

    warm_start_from: str
    epochs: int
    learning_rate: float
    fine_tune_epochs: int
    fine_tune_learning_rate: float
    class_weights: str
    serving_engine: str
    guaranteed_npv: float
    guaranteed_ppv: float
    target_prevalence: float
    seed: int


def main(arguments: list[str]) -> None:
    """Run the step.

    Raises:
        JobError: for parameters out of range, missing inputs, or weights that cannot be had.
    """
    hyperparameters = parse(arguments)
    started = time.monotonic()
    card = _dataset_card(hyperparameters)
    if hyperparameters.serving_engine == litert.NAME:
        # First, because a library that is not there should not be missed after hours of training.
        litert.save_code(job.model_directory())
    training_loop.prepare(hyperparameters.seed)
    arithmetic = precision.policy(
        hyperparameters.precision, begun=lambda name: _checkpoints(hyperparameters, card, name).exists
    )
    classifier = _classifier(hyperparameters, arithmetic)
    devices = classifier.strategy.num_replicas_in_sync if classifier.strategy else 1
    print(
        f"Training {hyperparameters.backbone} on {_training_images(card)} images of {hyperparameters.image_size} px, "
        f"backbone weights: {hyperparameters.backbone_weights}, warm start: {hyperparameters.warm_start_from}, "
        f"arithmetic: {arithmetic}, devices: {devices}",
        flush=True,
    )
    scorer = Scorer(classifier, hyperparameters.image_size)
    history, validation = _trained(hyperparameters, card, classifier, scorer, arithmetic)
    calibration, threshold, band = _calibrated(hyperparameters, card, validation)
    training = {
        "hyperparameters": dataclasses.asdict(hyperparameters),
        "precision": arithmetic,
        "devices": devices,
        "history": [dataclasses.asdict(epoch) for epoch in history],
        "validation": {"auc": validation.auc, "loss": validation.loss},
        "seconds": round(time.monotonic() - started, 1),
    }
    answers, detector = _fitted_answers(
        hyperparameters, scorer, _training_images(card), floor=calibration.logit(band.low)
    )
    directory = job.model_directory()
    engine = _save_model(hyperparameters, answers, directory, calibration)
    save_handlers(directory)
    save_metadata(
        directory,
        card=card,
        threshold=threshold,
        calibration=calibration,
        target_prevalence=hyperparameters.target_prevalence or None,
        band=band,
        detector=detector,
        saliency=describe_saliency(answers.attribution, scorer),
        engine=engine,
        backbone=hyperparameters.backbone,
        backbone_weights=hyperparameters.backbone_weights,
        training=training,
    )
    _save_record(job.output_data_directory(), classifier.network, training)
    _checkpoints(hyperparameters, card, arithmetic).finish()
    print(f"Trained and exported in {time.monotonic() - started:.1f} s", flush=True)


def parse(arguments: list[str]) -> Hyperparameters:
    """Read and check the hyperparameters.

    Raises:
        JobError: for a value out of range.
    """
    parser = job.ArgumentParser(prog="model_code.train")
    job.add_flags(parser, Hyperparameters)
    # In a tuning job the image's toolkit adds this flag for frameworks older than SM_MODEL_DIR
    # (github.com/aws/sagemaker-tensorflow-training-toolkit, training.py).
    parser.add_argument("--model_dir", help=argparse.SUPPRESS)
    given = vars(parser.parse_args(arguments))
    hyperparameters = Hyperparameters(**{name: value for name, value in given.items() if name != "model_dir"})
    job.check(dataclasses.asdict(hyperparameters), TRAINING)
    return hyperparameters


def _dataset_card(hyperparameters: Hyperparameters) -> dict[str, Any]:
    card = read_card(job.channel("report"))
    if card["image_size"] != hyperparameters.image_size:
        raise job.JobError(
            f"The shards hold images of {card['image_size']} px and ImageSize is {hyperparameters.image_size}; "
            "preprocess the archive again with this size."
        )
    return card


def _training_images(card: dict[str, Any]) -> int:
    return int(card["splits"]["train"]["images"])


def _trained(
    hyperparameters: Hyperparameters, card: dict[str, Any], classifier: Classifier, scorer: Scorer, arithmetic: str
) -> tuple[list[training_loop.Epoch], training_loop.Validation]:
    """The training history, and the validation split as the best epoch's weights score it."""
    images, weights = _training_images(card), UNWEIGHTED
    if hyperparameters.class_weights == "balanced":
        weights = ClassWeights.balanced(card["splits"]["train"]["labels"])
    validation_channel = job.channel("validation")
    history, validation = training_loop.Training(
        classifier,
        TrainingImages(
            job.channel("train"),
            hyperparameters.image_size,
            augmentation=hyperparameters,
            seed=hyperparameters.seed,
            weights=weights,
        ),
        count=images,
        score=lambda: training_loop.validate(scorer, validation_channel),
        phases=_phases(hyperparameters, pretrained=classifier.pretrained),
        recipe=dataclasses.replace(
            hyperparameters, batch_size=min(hyperparameters.batch_size, images), precision=arithmetic
        ),
        checkpoints=_checkpoints(hyperparameters, card, arithmetic),
        board=job.tensorboard_directory(),
    ).run()
    return history, _undo_weights(classifier, validation, weights)


def _calibrated(
    hyperparameters: Hyperparameters, card: dict[str, Any], validation: training_loop.Validation
) -> tuple[Calibration, float, indeterminate.Band]:
    """Calibration, decision threshold and indeterminate band, all fitted on the validation split.

    What the network takes for the prevalence is that of the training images, so a target prevalence is reckoned from
    it.
    """
    calibration = fit_temperature(validation.logits, validation.labels)
    target = hyperparameters.target_prevalence or None
    if target is not None:
        counts = card["splits"]["train"]["labels"]
        calibration = calibration.at_prevalence(counts[PNEUMONIA] / sum(counts.values()), target)
    threshold = choose_threshold(validation.logits, validation.labels, calibration)
    band = indeterminate.decide(
        calibration.probability(validation.logits),
        validation.labels,
        validation.patients,
        threshold=threshold,
        negative_value=hyperparameters.guaranteed_npv,
        positive_value=hyperparameters.guaranteed_ppv,
        target_prevalence=target,
    )
    print(
        f"Validation AUROC {validation.auc:.4f}; temperature {calibration.temperature:.3f}, "
        f"bias {calibration.bias:+.3f}, threshold {threshold:.3f}, "
        f"indeterminate from {band.low:.3f} to {band.high:.3f}",
        flush=True,
    )
    print(band.guarantee["sentence"], flush=True)
    print(f"best_val_auc={validation.auc:.4f}", flush=True)
    return calibration, threshold, band


def _fitted_answers(
    hyperparameters: Hyperparameters, scorer: Scorer, count: int, *, floor: float
) -> tuple[Answers, dict[str, Any]]:
    """The network with everything else an answer needs, and the out-of-distribution detector for metadata.json.

    Args:
        floor: logit below which a saliency map is empty.
    """
    size = hyperparameters.image_size
    detector, described = out_of_distribution.fit(job.channel("train"), job.channel("validation"), size)
    print(described["sentence"], flush=True)
    projection = feature_projection.fit(scorer.inspect, _pixels("train", size), count=count)
    fitted = attribution.fit(scorer.staged, _labelled("train", size), count=count, floor=floor)
    if fitted is None:
        print(
            "Saliency maps are Grad-CAM's, of few cells: among the training images that are looked at, a label has "
            "fewer than 20.",
            flush=True,
        )
    return Answers(scorer, detector, projection, fitted), described


def _save_model(
    hyperparameters: Hyperparameters, answers: Answers, directory: Path, calibration: Calibration
) -> dict[str, Any] | None:
    """Export the model for its inference engine, and describe that engine; None for TensorFlow Serving."""
    if hyperparameters.serving_engine != litert.NAME:
        save_servable(answers.scorer, directory, answers.detector, answers.projection, attribution=answers.attribution)
        return None
    return litert.save_models(
        answers,
        directory,
        calibration=calibration,
        training=_pixels("train", hyperparameters.image_size),
        validation=_pixels("validation", hyperparameters.image_size),
    )


def _checkpoints(hyperparameters: Hyperparameters, card: dict[str, Any], arithmetic: str) -> Checkpoints:
    settings = {**dataclasses.asdict(hyperparameters), "dataset": card["sha256"], "policy": arithmetic}
    return Checkpoints(job.checkpoint_directory(), settings)


def _classifier(hyperparameters: Hyperparameters, arithmetic: str) -> Classifier:
    options = dataclasses.replace(hyperparameters, precision=arithmetic)
    if hyperparameters.warm_start_from == "none":
        return build(options)
    return build(options, initial=warm_start(hyperparameters.warm_start_from, options))


def _phases(hyperparameters: Hyperparameters, *, pretrained: bool) -> list[training_loop.Phase]:
    first, second = ("head", "fine-tune") if pretrained else ("all", "all")
    if pretrained and hyperparameters.fine_tune_from == "none":
        second = "head"
    return [
        training_loop.Phase(first, hyperparameters.epochs, hyperparameters.learning_rate),
        training_loop.Phase(second, hyperparameters.fine_tune_epochs, hyperparameters.fine_tune_learning_rate),
    ]


def _undo_weights(
    classifier: Classifier, validation: training_loop.Validation, weights: ClassWeights
) -> training_loop.Validation:
    """Take the prevalence that the class weights made up out of the logits again.

    A temperature cannot: it scales logits and does not shift them.
    """
    classifier.network.get_layer("logit").bias.assign_sub([weights.logit_shift])
    return dataclasses.replace(validation, logits=validation.logits - weights.logit_shift)


def _pixels(channel: str, size: int) -> Iterator[Any]:
    """The images of a channel, uint8 (size, size, 1)."""
    return (pixels for pixels, _ in _labelled(channel, size))


def _labelled(channel: str, size: int) -> Iterator[tuple[Any, int]]:
    """The images of a channel, uint8 (size, size, 1), with their labels."""
    read = examples(job.channel(channel), size).as_numpy_iterator()
    return ((example["pixels"], int(example["label"])) for example in read)


def _save_record(directory: Path, network: Any, training: dict[str, Any]) -> None:
    network.save(directory / "model.keras")
    (directory / "history.json").write_text(json.dumps(training, indent=2) + "\n", encoding="utf-8")
    (directory / "curves.svg").write_text(learning_curves(training["history"]), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(job.run(lambda: main(sys.argv[1:]), message_file="failure"))
