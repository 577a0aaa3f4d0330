"""Scoring of shards by an exported model, unpacked from its model.tar.gz as in serving."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from model_code.contract import documents, served_files
from model_code.contract.job import JobError
from model_code.data.shards import examples, read_columns
from model_code.evaluation import served_archive
from model_code.evaluation.scores import Pixels, TestScores
from model_code.export import artifact, litert, recalibrated
from model_code.export.saved_model import VERSION_DIRECTORY
from model_code.export.unpacking import UnpackError, unpack
from model_code.imaging.decoding import resize
from model_code.statistics.calibration import Calibration
from model_code.statistics.metrics import Array

Watcher = Callable[[Array, Array, Array], None]


class ExportedModel:
    """The SavedModel and the metadata of a model.tar.gz.

    Args:
        archive: the model.tar.gz.
        directory: folder to unpack it into; must outlive the model.

    Raises:
        JobError: when the archive is damaged or holds no model of this project.
    """

    def __init__(self, archive: Path, directory: Path) -> None:
        try:
            unpack(archive, directory)
        except UnpackError as error:
            raise JobError(f"The model archive {archive.name} cannot be unpacked: {error}.") from error
        for needed in ("metadata.json", f"{VERSION_DIRECTORY}/saved_model.pb"):
            if not (directory / needed).is_file():
                raise JobError(f"The model archive {archive.name} has no {needed}.")
        try:
            read = documents.read_metadata(json.loads((directory / "metadata.json").read_text(encoding="utf-8")))
        except ValueError as error:
            raise JobError(f"The metadata.json of the model archive {archive.name} cannot be read: {error}") from error
        self.metadata: dict[str, Any] = dict(read)
        if missing := sorted({"image_size", "threshold", "temperature", "dataset"} - set(self.metadata)):
            raise JobError(f"The metadata.json of the model archive {archive.name} has no {' and no '.join(missing)}.")
        self._archive, self._directory = archive, directory
        if self.engine == litert.NAME:
            self._signatures = litert.signatures(directory)
            return
        try:
            self._signatures = tf.saved_model.load(str(directory / VERSION_DIRECTORY)).signatures
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise JobError(f"The SavedModel of the model archive {archive.name} cannot be loaded: {error}") from error
        if "score_pixels" not in self._signatures:
            raise JobError(f"The SavedModel of the model archive {archive.name} has no signature score_pixels.")

    @property
    def engine(self) -> str:
        """Inference engine of the served model, and of its scores here: `tensorflow` or `litert`."""
        return str(self.metadata["engine"])

    @property
    def has_fallback(self) -> bool:
        """Whether the archive holds fallback weights besides those in use."""
        return artifact.FALLBACK in self.metadata

    def fall_back(self) -> None:
        """Switch to the fallback weights; `metadata` describes those from then on.

        Raises:
            JobError: when their files are damaged.
        """
        self.metadata = served_archive.fallen_back(self.metadata)
        served_archive.fall_back(self._directory)
        self._signatures = litert.signatures(self._directory)

    def write_served(self, target: Path) -> None:
        """Write the archive again, with the weights that compute now and no others."""
        served_archive.write(self._archive, target, self.metadata)

    def recalibrate(self, changed: Mapping[str, Any]) -> None:
        """Answer with another calibration from now on: the network stays, members of `metadata` change."""
        self.metadata = {**self.metadata, **changed}

    def write_recalibrated(self, target: Path) -> None:
        """Write the archive of the model as it answers now, and read it back: what computes must be what it was.

        Raises:
            JobError: it is not.
        """
        weights = self.weights_sha256
        recalibrated.write(self._directory, target, self.metadata)
        with tempfile.TemporaryDirectory() as directory:
            written = ExportedModel(target, Path(directory))
            if written.weights_sha256 != weights or written.metadata != self.metadata:
                raise JobError("The archive that was written is not the model that was calibrated: start again.")

    @property
    def weights_sha256(self) -> str:
        """Digest of everything that computes its logits."""
        return recalibrated.weights_sha256(self._directory)

    @property
    def served_sha256(self) -> str:
        """Digest of all its files, which the container that serves it tells; see `contract.served_files`."""
        return served_files.digest_of_directory(self._directory)

    @property
    def image_size(self) -> int:
        """Edge in pixels of the images it was trained on."""
        return int(self.metadata["image_size"])

    @property
    def map_cells(self) -> int:
        """Places along each edge that its saliency maps tell apart."""
        return documents.map_cells(self.metadata)

    @property
    def map_method(self) -> str:
        """Method of its saliency maps: `attribution` or `Grad-CAM`."""
        return str(self.metadata.get("saliency", {}).get("method", "Grad-CAM"))

    @property
    def calibration(self) -> Calibration:
        """Calibration of its logits to probabilities."""
        return Calibration.of(self.metadata)

    @property
    def threshold(self) -> float:
        """Decision threshold: PNEUMONIA is predicted at or above this probability."""
        return float(self.metadata["threshold"])

    @property
    def dataset(self) -> str:
        """Content hash of the dataset it was trained on."""
        return str(self.metadata["dataset"]["sha256"])

    def score(self, test: Path, size: int, watch: Watcher | None = None) -> TestScores:
        """Score the shards of a split once.

        Args:
            test: directory with the shards, usually of the test split.
            size: edge in pixels of the images in the shards. Where it is not the model's own, they are resized as
                preprocessing resizes originals.
            watch: is handed of each batch the labels (n,), which are predicted PNEUMONIA (n,), and the saliency maps
                (n, size, size), which cost next to nothing in the same forward pass.
        """
        signature = self._signatures["explain_pixels" if watch else "score_pixels"]
        names = ("label", "patient", "path", "subtype", "groups", "width", "height")
        collected: dict[str, list[Any]] = {
            name: [] for name in ("logit", "out_of_distribution_score", "features", *names)
        }
        for pixels, columns in read_columns(examples(test, size), names):
            answered = signature(pixels=self._at_own_size(tf.cast(pixels, tf.uint8), size))
            outputs = {documents.CURRENT_NAMES.get(name, name): value for name, value in answered.items()}
            logits = outputs["logit"].numpy().astype(np.float64)
            collected["logit"].extend(logits)
            seen = outputs.get("projection")
            collected["features"].extend(np.zeros((len(pixels), 0)) if seen is None else seen.numpy())
            unlike = outputs.get("out_of_distribution_score")
            collected["out_of_distribution_score"].extend(np.zeros(len(pixels)) if unlike is None else unlike.numpy())
            for name in names:
                collected[name].extend(columns[name])
            if watch:
                predicted = (self.calibration.probability(logits) >= self.threshold).astype(np.float64)
                watch(columns["label"].astype(np.float64), predicted, outputs["saliency"].numpy().astype(np.float64))
        return TestScores(
            labels=np.asarray(collected["label"], dtype=np.float64),
            logits=np.asarray(collected["logit"]),
            probabilities=self.calibration.probability(np.asarray(collected["logit"])),
            patients=[value.decode("utf-8", "surrogateescape") for value in collected["patient"]],
            subtypes=[value.decode("utf-8", "surrogateescape") for value in collected["subtype"]],
            areas=np.asarray(collected["width"], dtype=np.float64) * np.asarray(collected["height"], dtype=np.float64),
            out_of_distribution_scores=np.asarray(collected["out_of_distribution_score"], dtype=np.float64),
            features=np.asarray(collected["features"], dtype=np.float64),
            # For people: bytes that are no UTF-8 are shown, not kept.
            paths=[value.decode("utf-8", "backslashreplace") for value in collected["path"]],
            groups=[dict(json.loads(value)) if value else {} for value in collected["groups"]],
        )

    def explain(self, pixels: Sequence[Pixels]) -> Array:
        """Saliency of each image, by the signature `explain_pixels`.

        Args:
            pixels: n images (size, size, 1) of the model's own size.

        Returns:
            (n, size, size) in 0..1.
        """
        signature = self._signatures["explain_pixels"]
        return np.asarray(signature(pixels=tf.constant(np.stack(pixels)))["saliency"].numpy(), dtype=np.float64)

    def logits(self, pixels: Pixels) -> Array:
        """Logits (n,) of images (n, size, size, 1) of the model's own size, by the signature `score_pixels`."""
        return np.asarray(self._signatures["score_pixels"](pixels=tf.constant(pixels))["logit"].numpy(), np.float64)

    def _at_own_size(self, pixels: Any, size: int) -> Any:
        return pixels if size == self.image_size else resize(pixels, self.image_size)


def images_at(test: Path, size: int, positions: Iterable[int]) -> dict[int, Pixels]:
    """The pixels of some test images, by their position in the order of `TestScores`.

    Returns:
        uint8 (size, size, 1) for each position.
    """
    wanted = set(positions)

    def read() -> Iterator[tuple[int, Pixels]]:
        for position, example in enumerate(examples(test, size).as_numpy_iterator()):
            if position in wanted:
                yield position, example["pixels"]

    return dict(read())
