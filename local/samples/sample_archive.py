"""Synthetic archive of chest radiographs in the layout of Kaggle's chest-xray-pneumonia, macOS' metadata included.

    python -m local.samples.sample_archive build/archive.zip --images 400     # the archive
    python -m local.samples.sample_archive --examples build/examples          # one image of each label, to predict on
    python -m local.samples.sample_archive --other-site build/site.zip        # another hospital's, to evaluate on
    python -m local.samples.sample_archive --other-readers build/site.zip     # one that a model can be calibrated to

Drawn, not photographed (local/samples/phantom.py): it exercises every step of the stack and trains a small network,
and says nothing about any patient. The same arguments give the same bytes.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from local.samples.phantom import Anatomy, Finding, draw
from model_code.contract.labels import LABELS

SPLITS = ("train", "val", "test")
_TEST_SHARE = 0.2
ARCHIVE_SEED = 2018
# Of sixty, the one whose first PNEUMONIA example has the most of its lungs opaque: 27 % where the median is 16 %. A
# network that was trained for two minutes should call it so whatever processor trained it.
EXAMPLES_SEED = 4273
OTHER_SITE_SEED = 1895
OTHER_SITE_PREVALENCE = 0.25
OTHER_READERS_SEED = 1896
# Of the pneumonias that are drawn, how many the other readers call so.
OTHER_READERS_CALL = 0.6
# Of each edge, what the other site's technicians leave out; and its machine's grey levels, of the first one's.
_OTHER_MARGIN = 0.08
_OTHER_GAMMA, _OTHER_LEVELS = 0.7, (40, 215)
_VALIDATION_PER_CLASS = 8  # the real archive's val folder holds 16 images
_MODIFIED = (2018, 3, 24, 10, 0, 0)
# First bytes of an AppleDouble file and of a .DS_Store: enough for a reader to recognise them, and no image.
_APPLE_DOUBLE = bytes.fromhex("00051607000200004d6163204f532058") + bytes(104)
_DS_STORE = b"\x00\x00\x00\x01Bud1" + bytes(120)


@dataclasses.dataclass(frozen=True)
class ArchiveContents:
    """Contents of a written archive: images per split and label (the tree's second copy not counted) and patients."""

    images: dict[str, dict[str, int]]
    patients: int
    image_bytes: int

    @property
    def total(self) -> int:
        """Images, each counted once."""
        return sum(sum(by_label.values()) for by_label in self.images.values())


@dataclasses.dataclass(frozen=True)
class _Plan:
    """One image that is to be drawn: its place in the archive and what is on it."""

    split: str
    label: str
    name: str
    patient: int
    view: int
    finding: Finding


def write_archive(
    path: Path | str, *, images_per_class: int = 200, seed: int = ARCHIVE_SEED, shuffle_labels: bool = False
) -> ArchiveContents:
    """Write the archive to `path`: `images_per_class` images of each label over train, val (8 of each) and test.

    With `shuffle_labels`, every second image of each folder shows what the other folder should show, so nothing can be
    learned and a quality gate has to refuse the model. Patients never cross splits. Raises ValueError for fewer than
    20 images per class, which would leave a split empty.
    """
    if images_per_class < 20:
        raise ValueError(f"{images_per_class} images per class cannot fill three splits: ask for at least 20")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    plans = _plan(images_per_class, np.random.default_rng([seed, 0]), shuffle_labels=shuffle_labels)
    images = [(f"chest_xray/{plan.split}/{plan.label}/{plan.name}", _encoded(plan, seed)) for plan in plans]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in _tree("chest_xray/", images):
            _add(archive, name, content)
        for name, _ in images:
            folder, _, file = name.rpartition("/")
            _add(archive, f"chest_xray/__MACOSX/{folder}/._{file}", _APPLE_DOUBLE)
        for name, content in _tree("", images):
            _add(archive, name, content)
    counts = {split: dict.fromkeys(LABELS, 0) for split in SPLITS}
    for plan in plans:
        counts[plan.split][plan.label] += 1
    patients = len({plan.patient for plan in plans})
    return ArchiveContents(images=counts, patients=patients, image_bytes=sum(len(content) for _, content in images))


def write_examples(folder: Path | str, *, per_class: int = 1) -> list[Path]:
    """Write `per_class` JPEG images of each label to `folder`, named by label, of patients in no archive."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for label in LABELS:
        for index in range(per_class):
            patient = 100_000 + index + (0 if label == "NORMAL" else 50_000)
            finding = Finding.NORMAL if label == "NORMAL" else (Finding.BACTERIA, Finding.VIRUS)[index % 2]
            path = folder / f"{label}-{index + 1}.jpeg"
            plan = _Plan(split="test", label=label, name=path.name, patient=patient, view=0, finding=finding)
            path.write_bytes(_encoded(plan, EXAMPLES_SEED))
            written.append(path)
    return written


def write_other_site(path: Path | str) -> dict[str, int]:
    """Write another hospital's archive, to evaluate a model on; how many images of each label.

    Other patients, framed closer, by a machine with less contrast, and one in four with pneumonia instead of one in
    two. There are no splits.
    """
    return _write_site(Path(path), images=240, seed=OTHER_SITE_SEED, called=1.0, elsewhere=True)


def write_other_readers(path: Path | str, *, images: int = 400) -> dict[str, int]:
    """Write the archive of a hospital that a model can be calibrated to; how many images of each label.

    Other patients before the same machine, one in four with pneumonia, of whom these readers call only some so: the
    ranking holds there, and every probability is too high. There are no splits.
    """
    return _write_site(Path(path), images=images, seed=OTHER_READERS_SEED, called=OTHER_READERS_CALL, elsewhere=False)


def _write_site(path: Path, *, images: int, seed: int, called: float, elsewhere: bool) -> dict[str, int]:
    path.parent.mkdir(parents=True, exist_ok=True)
    ill = round(images * OTHER_SITE_PREVALENCE)
    counts = dict.fromkeys(LABELS, 0)
    with zipfile.ZipFile(path, "w") as archive:
        for patient in range(1, images + 1):
            index = patient - (images - ill) - 1
            finding = Finding.NORMAL if index < 0 else (Finding.BACTERIA, Finding.VIRUS)[index % 2]
            label = LABELS[int(0 <= index < round(called * ill))]
            counts[label] += 1
            plan = _Plan("", label, f"{patient:05d}.jpeg", patient, 0, finding)
            _add(archive, f"other_hospital/{label}/{plan.name}", _encoded(plan, seed, elsewhere=elsewhere))
    return counts


def _plan(images_per_class: int, rng: np.random.Generator, *, shuffle_labels: bool) -> list[_Plan]:
    test = round(images_per_class * _TEST_SHARE)
    sizes = {"train": images_per_class - test - _VALIDATION_PER_CLASS, "val": _VALIDATION_PER_CLASS, "test": test}
    plans: list[_Plan] = []
    patient = 0
    for label in LABELS:
        number = 114 if label == "NORMAL" else 0  # the real archive's first names are IM-0115 and person1
        for split in SPLITS:
            left = sizes[split]
            while left > 0:
                views = min(left, int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15])))
                number += int(rng.integers(1, 4))
                kind = Finding.VIRUS if rng.random() < 0.4 else Finding.BACTERIA
                for view in range(views):
                    shown = label
                    if shuffle_labels and (sizes[split] - left + view) % 2 == 1:
                        shown = LABELS[1 - LABELS.index(label)]
                    finding = kind if shown == "PNEUMONIA" else Finding.NORMAL
                    name = _file_name(label, number, view, kind, rng)
                    plans.append(_Plan(split, label, name, patient, view, finding))
                left -= views
                patient += 1
    return plans


def _file_name(label: str, number: int, view: int, kind: Finding, rng: np.random.Generator) -> str:
    # A few files break the pattern, with the same odds in both labels, so that neither type nor case tells them apart.
    extension = str(rng.choice(["jpeg", "JPEG", "jpg", "png"], p=[0.94, 0.02, 0.02, 0.02]))
    if label == "PNEUMONIA":
        return f"person{number}_{kind}_{number * 3 + view}.{extension}"
    series = "NORMAL2-IM" if number % 3 == 0 else "IM"
    suffix = "0001" if view == 0 else f"0001-{view:04d}"
    return f"{series}-{number:04d}-{suffix}.{extension}"


def _encoded(plan: _Plan, seed: int, *, elsewhere: bool = False) -> bytes:
    """The image file: size, colour mode and compression are drawn without regard to the label."""
    anatomy = Anatomy.sample(np.random.default_rng([seed, 1, plan.patient]))
    rng = np.random.default_rng([seed, 2, plan.patient, plan.view])
    width = int(rng.integers(220, 300))
    height = int(width / rng.uniform(1.02, 1.40))
    image = Image.fromarray(draw(anatomy, plan.finding, rng, width=width, height=height))
    if elsewhere:
        image = _as_elsewhere(image)
    if rng.random() < 0.06:
        image = image.convert("RGB")
    buffer = io.BytesIO()
    if plan.name.endswith("png"):
        image.save(buffer, "PNG", compress_level=1)
    else:
        image.save(buffer, "JPEG", quality=int(rng.integers(80, 93)))
    return buffer.getvalue()


def _as_elsewhere(image: Image.Image) -> Image.Image:
    """The same chest as the other site's people and machine would have taken it."""
    left, top = (round(_OTHER_MARGIN * edge) for edge in image.size)
    levels = np.asarray(image.crop((left, top, image.width - left, image.height - top))) / 255
    black, white = _OTHER_LEVELS
    return Image.fromarray(np.rint(black + (white - black) * levels**_OTHER_GAMMA).astype(np.uint8))


def _tree(prefix: str, images: list[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """One copy of the tree under `prefix`, with the files that macOS left in its folders."""
    yield f"{prefix}chest_xray/.DS_Store", _DS_STORE
    for split in SPLITS:
        yield f"{prefix}chest_xray/{split}/.DS_Store", _DS_STORE
    for name, content in images:
        yield prefix + name, content


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, date_time=_MODIFIED)
    info.external_attr = 0o644 << 16
    info.create_system = 3
    # Image bytes do not get smaller, and stored ones do not depend on the version of zlib.
    archive.writestr(info, content, compress_type=zipfile.ZIP_STORED)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m local.samples.sample_archive", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("archive", nargs="?", type=Path, help="zip file to write, in Kaggle's layout")
    parser.add_argument("--images", type=int, default=400, help="images in the archive, half of each label (400)")
    parser.add_argument("--seed", type=int, default=ARCHIVE_SEED, help="another seed, other patients (2018)")
    parser.add_argument("--shuffle-labels", action="store_true", help="labels that say nothing about the images")
    parser.add_argument("--examples", type=Path, metavar="FOLDER", help="write single images with known labels here")
    parser.add_argument("--other-site", type=Path, metavar="FILE", help="write another hospital's archive here")
    parser.add_argument("--other-readers", type=Path, metavar="FILE", help="write one to calibrate a model to here")
    parser.add_argument("--examples-per-class", type=int, default=1, metavar="N", help="how many of each label (1)")
    options = parser.parse_args(arguments)
    if not any((options.archive, options.examples, options.other_site, options.other_readers)):
        parser.error("name a zip file to write, --examples FOLDER, --other-site FILE or --other-readers FILE")
    if options.archive is not None:
        try:
            contents = write_archive(
                options.archive,
                images_per_class=options.images // 2,
                seed=options.seed,
                shuffle_labels=options.shuffle_labels,
            )
        except ValueError as error:
            parser.error(str(error))
        splits = ", ".join(f"{split} {sum(counts.values())}" for split, counts in contents.images.items())
        print(f"{options.archive}: {contents.total} images of {contents.patients} patients ({splits})")
    for path, write in ((options.other_site, write_other_site), (options.other_readers, write_other_readers)):
        if path is not None:
            labels = ", ".join(f"{label} {count}" for label, count in write(path).items())
            print(f"{path}: another hospital's images ({labels})")
    if options.examples is not None:
        for path in write_examples(options.examples, per_class=options.examples_per_class):
            print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
