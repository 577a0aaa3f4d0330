"""The synthetic archive has to be mistaken for Kaggle's by everything that reads it, and must not leak its labels."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from PIL import Image

from local.samples import sample_archive
from local.samples.phantom import Anatomy, Finding, draw


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global LogisticRegression, roc_auc_score
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score


PER_CLASS = 60


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("radiographs") / "archive.zip"
    sample_archive.write_archive(path, images_per_class=PER_CLASS, seed=5)
    return path


def _images(path: Path, root: str = "chest_xray/") -> dict[tuple[str, str, str], bytes]:
    """(split, label, file name) -> bytes of the images under one of the two trees."""
    with zipfile.ZipFile(path) as opened:
        return {
            (parts[0], parts[1], parts[2]): opened.read(name)
            for name in opened.namelist()
            if name.startswith(root) and len(parts := PurePosixPath(name.removeprefix(root)).parts) == 3
            if parts[0] in sample_archive.SPLITS and not parts[2].startswith(".")
        }


def _pixels(content: bytes, size: int = 24) -> np.ndarray:
    image = Image.open(io.BytesIO(content)).convert("L").resize((size, size), Image.Resampling.BOX)
    return np.asarray(image, dtype=np.float64) / 255


def test_the_archive_has_the_metadata_files_and_the_double_tree_that_users_have(archive: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        names = opened.namelist()
        assert opened.testzip() is None
    assert any(name.startswith("chest_xray/__MACOSX/chest_xray/train/NORMAL/._") for name in names)
    assert "chest_xray/.DS_Store" in names
    assert len(names) == len(set(names))
    assert _images(archive) == _images(archive, "chest_xray/chest_xray/")


def test_the_counts_are_those_asked_for(archive: Path) -> None:
    images = _images(archive)
    for label in sample_archive.LABELS:
        assert sum(1 for _, found, _ in images if found == label) == PER_CLASS
    assert sum(1 for split, _, _ in images if split == "val") == 16


def test_names_follow_the_real_archive_and_no_patient_is_in_two_splits(archive: Path) -> None:
    normal = re.compile(r"^(?:NORMAL2-)?IM-(\d{4})-0001(?:-\d{4})?\.\w+$")
    pneumonia = re.compile(r"^person(\d+)_(?:virus|bacteria)_\d+\.\w+$")
    splits: dict[tuple[str, str], set[str]] = {}
    for split, label, name in _images(archive):
        match = (normal if label == "NORMAL" else pneumonia).match(name)
        assert match, name
        splits.setdefault((label, match[1]), set()).add(split)
    assert all(len(found) == 1 for found in splits.values())
    assert len(splits) < 2 * PER_CLASS, "some patients have several images"


def test_the_same_seed_gives_the_same_bytes_and_another_one_other_images(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        sample_archive.write_archive(tmp_path / name, images_per_class=20, seed=seed)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert set(_images(tmp_path / "a").values()).isdisjoint(_images(tmp_path / "c").values())


def test_neither_size_nor_mode_nor_brightness_tells_the_label(archive: Path) -> None:
    """A model that learned any of these would look good and know nothing about lungs."""
    images = _images(archive)
    is_pneumonia = [label == "PNEUMONIA" for _, label, _ in images]
    opened = [Image.open(io.BytesIO(content)) for content in images.values()]
    leaks = {
        "width": [image.width for image in opened],
        "aspect": [image.width / image.height for image in opened],
        "mode": [len(image.getbands()) for image in opened],
        "brightness": [float(np.asarray(image.convert("L")).mean()) for image in opened],
    }
    for name, values in leaks.items():
        assert 0.35 < roc_auc_score(is_pneumonia, values) < 0.65, name
    assert not any(image.getexif() for image in opened)


def test_the_classes_can_be_told_apart_by_their_pixels(archive: Path) -> None:
    images = _images(archive)
    assert _linear_auroc(images) > 0.85


def test_with_shuffled_labels_the_pixels_say_nothing_about_the_folder(tmp_path: Path) -> None:
    """This archive has to fail the quality gate, so no model may find anything to learn in it."""
    path = tmp_path / "shuffled.zip"
    sample_archive.write_archive(path, images_per_class=PER_CLASS, seed=5, shuffle_labels=True)
    assert _linear_auroc(_images(path)) < 0.72


def _linear_auroc(images: dict[tuple[str, str, str], bytes]) -> float:
    """AUROC on test of a linear classifier trained on train, at 24 pixels."""

    def rows(split: str) -> tuple[np.ndarray, list[bool]]:
        chosen = [(key, content) for key, content in images.items() if key[0] == split]
        return np.array([_pixels(content).ravel() for _, content in chosen]), [k[1] == "PNEUMONIA" for k, _ in chosen]

    x, y = rows("train")
    held_out_x, held_out_y = rows("test")
    model = LogisticRegression(C=0.1, max_iter=500).fit(x, y)
    return float(roc_auc_score(held_out_y, model.decision_function(held_out_x)))


@pytest.mark.parametrize("finding", list(Finding))
def test_a_radiograph_has_the_size_asked_for_and_the_contrast_of_a_chest(finding: Finding) -> None:
    rng = np.random.default_rng(11)
    image = draw(Anatomy.sample(rng), finding, rng, width=256, height=220)
    assert image.shape == (220, 256)
    assert image.dtype == np.uint8
    spine, beside = image[80:160, 122:134].mean(), image[80:160, 70:95].mean()
    assert spine > beside + 20, "the spine is brighter than the lung beside it"


def test_pneumonia_takes_darkness_from_the_lungs_of_the_same_patient() -> None:
    """Contrast between the lungs and the bones over them falls, which is what the network has to see."""
    differences = []
    for seed in range(12):
        anatomy = Anatomy.sample(np.random.default_rng(seed))
        darkest = [
            np.percentile(draw(anatomy, finding, np.random.default_rng([seed, 1]), width=220, height=200)[60:140], 25)
            for finding in (Finding.NORMAL, Finding.VIRUS)
        ]
        differences.append(darkest[1] - darkest[0])
    assert np.median(differences) > 0


def test_examples_are_named_by_label_and_reproducible(tmp_path: Path) -> None:
    written = sample_archive.write_examples(tmp_path / "a", per_class=2)
    again = sample_archive.write_examples(tmp_path / "b", per_class=2)
    assert sorted(path.name for path in written) == [
        "NORMAL-1.jpeg",
        "NORMAL-2.jpeg",
        "PNEUMONIA-1.jpeg",
        "PNEUMONIA-2.jpeg",
    ]
    assert [path.read_bytes() for path in written] == [path.read_bytes() for path in again]


def test_other_readers_call_some_of_the_pneumonia_that_is_drawn(tmp_path: Path) -> None:
    """Probabilities are then all too high and the ranking holds, so a calibration has something to mend."""
    path = tmp_path / "site.zip"
    counts = sample_archive.write_other_readers(path, images=40)
    assert counts == {"NORMAL": 34, "PNEUMONIA": 6}, "six of the ten in forty"
    with zipfile.ZipFile(path) as archive:
        folders = [name.split("/")[1] for name in archive.namelist()]
    assert {label: folders.count(label) for label in set(folders)} == counts


def test_too_few_images_are_refused_with_the_number(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        sample_archive.main([str(tmp_path / "a.zip"), "--images", "10"])
    assert ended.value.code == 2
    assert "5 images per class" in capsys.readouterr().err


def test_the_command_writes_an_archive_and_says_what_is_in_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert sample_archive.main([str(tmp_path / "a.zip"), "--images", "40", "--examples", str(tmp_path)]) == 0
    assert "40 images" in capsys.readouterr().out
    assert (tmp_path / "PNEUMONIA-1.jpeg").exists()
