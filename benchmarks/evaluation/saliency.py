"""Whether saliency maps point at what they should: drawn opacities, and what real scores rest on.

    python -m benchmarks.evaluation.saliency --drawn MODEL            # a model.tar.gz trained on the drawn archive
    python -m benchmarks.evaluation.saliency --real MODEL --radiographs FOLDER     # one trained on FOLDER/chest_xray

Drawn: radiographs of patients in no archive, whose opacities the drawing knows. Of those predicted PNEUMONIA, how often
the map's maximum lies in an opacity, grown by a tenth of the width (the pointing game of Zhang et al. 2018,
arXiv:1608.00507), beside chance: the share of the image that is such a place.

Real: of the test images predicted PNEUMONIA, by how much the logit falls when the tenth of the image that the map marks
most is blurred, and by how much for as much elsewhere: the same shape moved, and what the map of another image marks.

Both say how long an answer with a map takes against one without, by turns; several models are compared in one run.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image
from scipy.ndimage import distance_transform_edt, gaussian_filter

from local.samples.phantom import Anatomy, Finding, draw_with_opacity
from model_code.evaluation.saliency_summary import SaliencySummary
from model_code.evaluation.scoring import ExportedModel
from model_code.export import litert
from model_code.imaging.decoding import batch_from_bytes

_SEED = 990
_KINDS = (Finding.BACTERIA, Finding.BACTERIA, Finding.BACTERIA, Finding.VIRUS, Finding.VIRUS)
# Half of the air gone is what an opacity is here: its border is soft.
_OPAQUE = 0.5
_GROWN = 0.1
_HIDDEN = 0.1
_TURNS, _RUNS = 12, 20


def main() -> None:
    """Print a line for each model."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--drawn", type=Path, nargs="*", default=[], metavar="MODEL", help="trained on drawn ones")
    options.add_argument("--real", type=Path, nargs="*", default=[], metavar="MODEL", help="trained on real ones")
    options.add_argument("--radiographs", type=Path, help="folder with chest_xray/test, for --real")
    options.add_argument("--images", type=int, default=200, help="drawn radiographs, and real ones at most (200)")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for number, archive in enumerate(chosen.drawn):
            directory = Path(scratch, f"drawn-{number}")
            _point(ExportedModel(archive, directory), directory, archive, chosen.images)
        for number, archive in enumerate(chosen.real):
            directory = Path(scratch, f"real-{number}")
            _hide(ExportedModel(archive, directory), archive, chosen.radiographs / "chest_xray" / "test", chosen.images)


def _point(model: ExportedModel, directory: Path, archive: Path, count: int) -> None:
    files, opacities, kinds = _drawn(count, model.image_size)
    pixels = batch_from_bytes(tf.constant(files), model.image_size).numpy()
    predicted, maps = _predicted(model, pixels)
    places = np.stack(
        [distance_transform_edt(~opacity) <= _GROWN * model.image_size for opacity in opacities >= _OPAQUE]
    )
    hit = np.asarray(
        [bool(saliency.any() and place.flat[saliency.argmax()]) for saliency, place in zip(maps, places, strict=True)]
    )
    print(f"\n{archive}: {model.engine}, {model.image_size} px, {model.map_cells} x {model.map_cells} cells")
    for name, inside in (("all", predicted), *((kind, predicted & (kinds == kind)) for kind in sorted(set(kinds)))):
        print(
            f"{name:9} {inside.sum():4} predicted PNEUMONIA, the maximum lies in an opacity in "
            f"{hit[inside].mean():.0%}, by chance in {places[inside].mean():.0%}"
        )
    _say_together(model, predicted, maps)
    _time(model, directory, files)


def _drawn(count: int, size: int) -> tuple[list[bytes], Any, Any]:
    """JPEG files, the share of air that is gone (n, size, size), and what each shows."""
    files, opacities, kinds = [], [], []
    for number in range(count):
        rng = np.random.default_rng([_SEED, 2, number])
        width = int(rng.integers(220, 300))
        anatomy, kind = Anatomy.sample(np.random.default_rng([_SEED, 1, number])), _KINDS[number % len(_KINDS)]
        levels, gone = draw_with_opacity(anatomy, kind, rng, width=width, height=int(width / rng.uniform(1.02, 1.4)))
        buffer = io.BytesIO()
        Image.fromarray(levels).save(buffer, "JPEG", quality=88)
        files.append(buffer.getvalue())
        shrunk = tf.image.resize(gone[..., np.newaxis].astype(np.float32), (size, size), antialias=True)
        opacities.append(shrunk.numpy()[..., 0])
        kinds.append(str(kind))
    return files, np.stack(opacities), np.asarray(kinds)


def _predicted(model: ExportedModel, pixels: Any) -> tuple[Any, Any]:
    """Mask of the images predicted PNEUMONIA (n,), and the maps (n, size, size)."""
    return _scores(model, pixels) >= _limit(model), model.explain(list(pixels))


def _limit(model: ExportedModel) -> float:
    """The threshold as a logit."""
    return model.calibration.logit(model.threshold)


def _scores(model: ExportedModel, pixels: Any) -> Any:
    """Logits (n,)."""
    return np.concatenate([model.logits(pixels[at : at + 32]) for at in range(0, len(pixels), 32)])


def _say_together(model: ExportedModel, predicted: Any, maps: Any) -> None:
    summary = SaliencySummary(model.image_size, model.map_cells)
    summary.add(np.ones(len(maps)), predicted, maps)
    same = summary.as_json()["same_place"]
    if same["share"] is not None:
        print(f"Maxima at the same place: {same['share']:.0%} of {same['maps']}, {same['place']}")


def _hide(model: ExportedModel, archive: Path, folder: Path, most: int) -> None:
    paths = sorted((folder / "PNEUMONIA").iterdir())[:most]
    pixels = batch_from_bytes(tf.constant([path.read_bytes() for path in paths]), model.image_size).numpy()
    predicted, maps = _predicted(model, pixels)
    shown = predicted & maps.any(axis=(1, 2))
    pixels, maps = pixels[shown], maps[shown]
    before, size = _scores(model, pixels), model.image_size
    blurred = np.stack(
        [gaussian_filter(image[..., 0].astype(np.float32), size / 8)[..., np.newaxis] for image in pixels]
    )
    marked = np.stack([_most(saliency) for saliency in maps])
    moves = [(size // 2, size // 2), (size // 2, 0), (0, size // 2), (size // 3, size // 3)]

    def fall(where: Any) -> Any:
        hidden = np.where(where[..., np.newaxis], blurred, pixels).round().astype(np.uint8)
        return before - _scores(model, hidden)

    found = fall(marked)
    elsewhere = {
        "the same shape moved": np.mean([fall(np.roll(marked, move, axis=(1, 2))) for move in moves], axis=0),
        "what another image's map marks": np.mean([fall(np.roll(marked, by, axis=0)) for by in (1, 2, 3)], axis=0),
    }
    print(f"\n{archive}: {model.engine}, {size} px, {model.map_cells} x {model.map_cells} cells, {len(found)} images")
    print(f"hiding what the map marks: the logit falls by {found.mean():.2f} on average, median {np.median(found):.2f}")
    for name, other in elsewhere.items():
        more = found - other
        error = 1.96 * more.std(ddof=1) / np.sqrt(len(more))
        print(
            f"{name}: {other.mean():.2f}, median {np.median(other):.2f}; what is marked counts {more.mean():.2f} more "
            f"(95 % interval {more.mean() - error:.2f} to {more.mean() + error:.2f}), in {np.mean(more > 0):.0%} of "
            "the images"
        )
    _say_together(model, np.ones(len(maps)), maps)


def _most(saliency: Any) -> Any:
    """The tenth of a map (size, size) with the greatest values; ties in the order of the rows."""
    order = np.argsort(-saliency, axis=None, kind="stable")
    chosen = np.zeros(saliency.size, dtype=bool)
    chosen[order[: round(_HIDDEN * saliency.size)]] = True
    return chosen.reshape(saliency.shape)


def _time(model: ExportedModel, directory: Path, files: list[bytes]) -> None:
    """An answer with a map against one without, from a file's bytes; medians of turns."""
    if model.engine == litert.NAME:
        running = litert.load(directory)

        def ask(encoded: bytes, *, explain: bool) -> None:
            running.answer(encoded, overlay=explain)
    else:
        signatures = tf.saved_model.load(str(directory / "1")).signatures

        def ask(encoded: bytes, *, explain: bool) -> None:
            answered = signatures["explain" if explain else "serving_default"](image_bytes=tf.constant([encoded]))
            answered["logit"].numpy()

    seconds: dict[bool, list[float]] = {False: [], True: []}
    for encoded in files[: _TURNS + 1]:
        for _ in range(_RUNS):
            for explain, taken in seconds.items():
                started = time.perf_counter()
                ask(encoded, explain=explain)
                taken.append(time.perf_counter() - started)
    plain, explained = (statistics.median(seconds[explain][_RUNS:]) for explain in (False, True))
    least = min(seconds[True][_RUNS:]) / min(seconds[False][_RUNS:])
    print(
        f"One answer {1e3 * plain:.1f} ms, with a map {1e3 * explained:.1f} ms: {explained / plain:.2f} times as long, "
        f"the least {least:.2f} times"
    )


if __name__ == "__main__":
    main()
