"""Conversion of the trained network to LiteRT with quantised weights: the same functions as the SavedModel's.

The backbone, nearly all of the weights and of the work, becomes `body.tflite`. Its weights are rounded to eight bits,
each output channel with a scale of its own; what they are multiplied with is rounded for each image by its own range
(dynamic-range quantisation). Ranges fixed beforehand over training images take a third off the time and put 1 % of the
probabilities more than 0.03 away; docs/adr/0019 has the measurements. The head and the out-of-distribution detector
become `head.tflite` in float32, and what makes saliency maps `saliency.tflite`, which runs for who asks for one. What
rounding moves each feature by on average is measured on training images and taken out again there (bias correction:
Nagel et al. 2019, arXiv:1906.04721, section 4.2), and so is what it moves each place of the saliency map by.

Eight bits are taken where validation images carry the claim that their answers are near enough (`closeness`), which
takes 299 of them. Then the same network with sixteen-bit weights travels along, in `fallback/`, and EvaluateModel takes
it where the test split disagrees: nothing is trained again. A network that eight bits change too much, and one with too
few validation images, has sixteen bits and no fallback: small networks with depthwise convolutions are like that, and
small enough for it.
"""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import model_code
from model_code import serving
from model_code.contract import job
from model_code.contract.job import JobError
from model_code.export import artifact, conversion, parity_limits
from model_code.export.conversion import EIGHT_BITS, SIXTEEN_BITS, Answers
from model_code.export.saved_model import FEATURE_MAPS, VERSION_DIRECTORY, Scorer
from model_code.imaging import decoding
from model_code.network.saliency_overlay import enlarged
from model_code.statistics.calibration import Calibration
from model_code.statistics.metrics import Array

NAME = "litert"
CHANNEL = "engine"
_TRAINING_IMAGES = 256
# More would cost minutes and move the bound by little.
_VALIDATION_IMAGES = 1000
_IMPORTABLE = "import model_code.serving.engine"
# What it imports besides its own folder.
_BESIDE_THE_ENGINE = ("__init__.py", "contract/__init__.py", "contract/images.py")


def save_code(directory: Path) -> None:
    """Put the engine's modules beside inference.py, and its libraries into `code/lib`.

    The libraries come from the training channel `engine`, one zip archive of what the serving container is to import.
    Where the channel has none, as on a laptop, endpoints run in the environment in which models are trained, and that
    has to have them.

    Args:
        directory: the model directory. Nothing is left in it on failure.

    Raises:
        JobError: when there is no library, or one that cannot be imported.
    """
    code = directory / "code"
    with tempfile.TemporaryDirectory() as scratch:
        staged = Path(scratch, "code")
        save_sources(staged)
        found = _unpack_libraries(staged / "lib")
        _try_import(staged, "from the training channel 'engine'" if found else "in this environment")
        shutil.copytree(staged, code, dirs_exist_ok=True)


def save_sources(code: Path) -> None:
    """Put the engine's modules, without its libraries, into the folder that has inference.py."""
    package = code / "model_code"
    for module in _BESIDE_THE_ENGINE:
        (package / module).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(model_code.__file__).parent / module, package / module)
    shutil.copytree(
        Path(serving.__file__).parent,
        package / "serving",
        ignore=shutil.ignore_patterns("__pycache__"),
        dirs_exist_ok=True,
    )


def save_models(
    answers: Answers,
    directory: Path,
    *,
    calibration: Calibration,
    training: Iterable[Any],
    validation: Iterable[Any],
) -> dict[str, Any]:
    """Write the files of `engine/`, and the SavedModel that the container asks for.

    With eight-bit weights there, `fallback/` has the same files with sixteen-bit ones.

    Args:
        directory: the model directory, with the engine's code.
        calibration: makes probabilities of logits, which are what is compared.
        training: images, uint8 (size, size, 1), on the first of which features are corrected.
        validation: others, on up to 1,000 of which the result is compared.

    Returns:
        For metadata.json: the engine's name, the weights, what was found on the validation images, and the last two of
        the fallback where there is one.

    Raises:
        JobError: when the network cannot be converted.
    """
    known, images = _first(training, _TRAINING_IMAGES), _first(validation, _VALIDATION_IMAGES)
    made = _Made(
        answers,
        directory,
        known=known,
        usual=_usual(answers, lambda image: answers.scorer.look(tf.constant(image))[2], known),
        images=images,
        wanted=calibration.probability(_logits(answers.scorer, images)),
        calibration=calibration,
    )
    described = made.with_weights(SIXTEEN_BITS)
    if len(images) < parity_limits.FEWEST_IMAGES:
        print(
            f"Engine {NAME} keeps {SIXTEEN_BITS} weights: that {parity_limits.SHARE:.0%} of the probabilities "
            f"are within {parity_limits.MAX_PROBABILITY_DIFFERENCE:g} cannot be told of {EIGHT_BITS} ones from "
            f"{len(images)} validation images; {parity_limits.FEWEST_IMAGES} are needed.",
            flush=True,
        )
    else:
        described = _smaller(made, described)
    _save_decoder(answers.scorer.size, directory)
    return {"engine": NAME, **described}


def _smaller(made: _Made, described: dict[str, Any]) -> dict[str, Any]:
    """Eight-bit weights, with the others for a fallback, where the validation images carry them; else the others."""
    current, aside = made.directory / artifact.DIRECTORY, made.directory / artifact.FALLBACK_DIRECTORY
    current.rename(aside)
    found = made.with_weights(EIGHT_BITS)
    if found["engine_validation"]["upper_bound"] <= parity_limits.MAX_PROBABILITY_DIFFERENCE:
        return {**found, artifact.FALLBACK: described}
    print(
        f"Engine {NAME} keeps {SIXTEEN_BITS} weights: {EIGHT_BITS} ones change the probabilities too much.", flush=True
    )
    shutil.rmtree(current)
    aside.rename(current)
    return described


@dataclasses.dataclass(frozen=True)
class _Made:
    """Engine files of one network, with weights of one kind or the other.

    Attributes:
        known: training images on which features are corrected.
        usual: the network's own mean features on them, float32 (c,), and its mean map, (cells, cells).
        images: validation images.
        wanted: the network's own probabilities of them, (n,).
        calibration: makes probabilities of the engine's logits.
    """

    answers: Answers
    directory: Path
    known: list[Any]
    usual: tuple[Any, Any]
    images: list[Any]
    wanted: Array
    calibration: Calibration

    def with_weights(self, weights: str) -> dict[str, Any]:
        """Write the files and say, for metadata.json, how far their answers are from the network's."""
        target = self.directory / artifact.DIRECTORY
        target.mkdir(parents=True)
        body = target / "body.tflite"
        body.write_bytes(conversion.body(self.answers.scorer, weights))
        run = _runner(self.directory, body)
        found = _usual(self.answers, lambda image: run(pixels=image), self.known)
        features, places = (mine - usual for mine, usual in zip(found, self.usual, strict=True))
        (target / "head.tflite").write_bytes(conversion.head(self.answers, features))
        (target / "saliency.tflite").write_bytes(conversion.saliency(self.answers, features, places))
        differences = np.abs(self.calibration.probability(_engine_logits(self.directory, self.images)) - self.wanted)
        difference, bound = float(np.quantile(differences, parity_limits.SHARE)), parity_limits.upper_bound(differences)
        sure = "" if bound is None else f"; {parity_limits.CONFIDENCE:.0%} sure below {bound:.4f}"
        print(
            f"Engine {NAME}, {weights} weights: {parity_limits.SHARE:.0%} of the probabilities of {len(differences)} "
            f"validation images differ by at most {difference:.4f}{sure}",
            flush=True,
        )
        validation = {"images": len(differences), "probability_difference_p99": difference, "upper_bound": bound}
        return {"engine_weights": weights, "engine_validation": validation}


def _unpack_libraries(target: Path) -> bool:
    """Whether the training channel held libraries."""
    if not job.has_channel(CHANNEL):
        return False
    archives = sorted(job.channel(CHANNEL).glob("*.zip"))
    if not archives:
        return False
    try:
        with zipfile.ZipFile(archives[0]) as packed:
            packed.extractall(target)
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise JobError(
            f"The libraries {archives[0].name} of the training channel {CHANNEL!r} are damaged: {error}."
        ) from error
    return True


def _try_import(code: Path, where: str) -> None:
    """Import the engine in a process of its own, with the search path of the serving container."""
    paths = [str(code), str(code / "lib"), *(path for path in sys.path if path)]
    tried = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", f"import sys; sys.path[:0] = {paths!r}; {_IMPORTABLE}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode:
        reason = (tried.stderr.strip() or "it was killed").splitlines()[-1]
        raise JobError(
            f"ServingEngine {NAME} needs LiteRT and Pillow, which cannot be imported {where}: {reason}. Set "
            "vendor_libraries to true and deploy again, or train with ServingEngine tensorflow."
        )


def _first(images: Iterable[Any], count: int) -> list[Any]:
    """Batches of one image each, float32 (1, size, size, 1)."""
    return [np.asarray(pixels, np.float32)[np.newaxis] for pixels in itertools.islice(images, count)]


def _usual(answers: Answers, body: Callable[[Any], Any], images: list[Any]) -> tuple[Any, Any]:
    """Means over images: of each channel of the last feature maps, float32 (c,), and of the raw saliency map."""
    features, places = [], []
    for image in images:
        maps = body(image)
        features.append(np.mean(maps[FEATURE_MAPS], axis=(0, 1, 2)))
        if answers.attribution:
            places.append(answers.attribution.raw([maps[name] for name in answers.scorer.stages])[0].numpy())
    return np.mean(features, axis=0).astype(np.float32), np.mean(places, axis=0) if places else np.zeros(())


def _logits(scorer: Scorer, images: list[Any]) -> Array:
    return np.asarray([scorer.logits(tf.constant(image)).numpy()[0] for image in images], dtype=np.float64)


def _engine_logits(directory: Path, images: list[Any]) -> Array:
    running = load(directory)
    return np.asarray([float(running.outputs(image[0])["logit"]) for image in images])


def load(directory: Path) -> Any:
    """The engine of a model directory, with the libraries that travel in it.

    Raises:
        JobError: when the libraries cannot be imported or the files are damaged.
    """
    engine = _imported(directory)
    try:
        return engine.Engine(directory, engine.own_threads())
    except (ValueError, RuntimeError, OSError) as error:
        raise JobError(f"The engine {NAME} of the model cannot be loaded: {error}.") from error


def signatures(directory: Path) -> dict[str, Callable[..., dict[str, Any]]]:
    """The engine of a model directory behind the SavedModel's signatures `score_pixels` and `explain_pixels`.

    Raises:
        JobError: as `load`.
    """
    running = load(directory)

    def explain_pixels(pixels: Any) -> dict[str, Any]:
        rows = [running.outputs(image) for image in np.asarray(pixels)]
        found = {name: tf.constant(np.stack([row[name] for row in rows])) for name in rows[0] if name != "overlay"}
        if "cells" in found:
            found["saliency"] = enlarged(found.pop("cells"), running.size)
        return found

    return {"score_pixels": explain_pixels, "explain_pixels": explain_pixels}


def _runner(directory: Path, model: Path) -> Any:
    engine = _imported(directory)
    return engine.runner(model, engine.own_threads())


def _imported(directory: Path) -> Any:
    """`model_code.serving.engine`, which needs libraries that may be in the model directory only."""
    library = str(directory / "code" / "lib")
    if Path(library).is_dir() and library not in sys.path:
        sys.path.append(library)
        importlib.invalidate_caches()
    try:
        return importlib.import_module("model_code.serving.engine")
    except ImportError as error:
        raise JobError(f"The libraries of the engine {NAME} cannot be imported: {error}.") from error


def _save_decoder(size: int, directory: Path) -> None:
    """`<directory>/1`, image bytes to pixels.

    The container starts TensorFlow Serving whatever inference.py does and refuses an archive without a SavedModel
    (`serve.py`, "no SavedModel bundles found!"). This one takes no memory, and shows what the engine's own decoding has
    to give.
    """
    module = tf.Module()

    def decode(image_bytes: Any) -> dict[str, Any]:
        return {"pixels": decoding.batch_from_bytes(image_bytes, size)}

    signature = [tf.TensorSpec((None,), tf.string, name="image_bytes")]
    module.decode = tf.function(decode, input_signature=signature, autograph=False)
    tf.saved_model.save(module, str(directory / VERSION_DIRECTORY), signatures={"serving_default": module.decode})
