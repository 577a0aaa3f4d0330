"""The section about suspect labels says what it is and is not, and shows the first images of the ranking."""

from __future__ import annotations

import pytest

from tests.model_code.support.shards import write_split


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global ExportedModel, rank, read, saliency_pictures, suspects_report, write_archive
    from model_code.evaluation.scoring import ExportedModel
    from model_code.evaluation.suspect_labels import rank, read
    from model_code.reports import saliency_pictures, suspects_report
    from tests.model_code.support.toy_model import write_archive


SIZE = 40
SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def section(tmp_path_factory):
    base = tmp_path_factory.mktemp("suspects")
    splits = {split: base / split for split in SPLITS}
    for seed, (split, directory) in enumerate(splits.items()):
        write_split(directory, split, 40, SIZE, seed=seed)
    model = ExportedModel(write_archive(base / "model.tar.gz", size=SIZE), base / "unpacked")
    ranked = rank(read(splits, SIZE))
    shown = saliency_pictures.suspects(model, ranked, splits)
    return ranked, shown, "".join(suspects_report.section(ranked, shown).parts)


def test_the_first_images_are_shown_in_order_with_file_label_score_and_split(section):
    ranked, shown, _ = section
    assert len(shown) == saliency_pictures.SUSPECTS
    for number, (case, row) in enumerate(zip(shown, ranked.rows(), strict=False), start=1):
        assert case.plain.caption.startswith(f"{number}. {row['file']}: {row['label']} with probability 0.")
        assert case.plain.caption.endswith(f", {row['split']}")
        assert case.overlay.caption.startswith("saliency, greatest at the")


def test_it_says_that_it_corrects_nothing_and_what_chance_gives(section):
    ranked, _, said = section
    assert "This is a list for a reader to look at and corrects nothing." in said
    assert f"{ranked.doubted} images have the less probable label." in said
    assert "If one label in a hundred is wrong, 12 images taken at random hold 0.1 wrong ones" in said
    assert said.count("<img") == 2 * saliency_pictures.SUSPECTS


def test_without_a_ranking_it_says_what_that_takes():
    (said,) = suspects_report.section(None, []).parts
    assert "takes 5 patients of each label" in said
