"""Plots of data and training are repeatable SVG, and say in words what they show."""

from __future__ import annotations

from model_code.reports import plots
from tests.model_code.support.evaluated import made_metadata

HISTORY = made_metadata()["training"]["history"]


def assert_svg(drawing):
    assert drawing.startswith("<?xml")
    assert drawing.rstrip().endswith("</svg>")


def test_the_labels_of_each_split_are_drawn_and_said(dataset_card):
    plot = plots.class_distribution(dataset_card)
    assert_svg(plot.svg)
    assert "train: 10 NORMAL, 10 PNEUMONIA, virus; validation: " in plot.alternative
    assert "train (20)" in plot.svg


def test_pneumonia_of_no_known_subtype_is_counted_too(dataset_card):
    counts = {"images": 30, "labels": {"NORMAL": 10, "PNEUMONIA": 20}, "subtypes": {"virus": 5, "bacteria": 6}}
    plot = plots.class_distribution(dataset_card | {"splits": {"test": counts}})
    assert plot.alternative.endswith("test: 10 NORMAL, 6 PNEUMONIA, bacteria, 5 PNEUMONIA, virus, 9 PNEUMONIA, other.")


def test_learning_curves_name_the_phases_and_the_epoch_that_was_kept():
    plot = plots.training(HISTORY)
    assert_svg(plot.svg)
    assert "head from epoch 1, then fine-tune from epoch 2" in plot.alternative
    assert "greatest in epoch 1 with 0.9000" in plot.alternative
    assert "kept: epoch 1, 0.9000" in plot.svg


def test_of_equal_epochs_the_one_with_less_validation_loss_was_kept():
    later = HISTORY[0] | {"epoch": 2, "val_loss": 0.3}
    assert "greatest in epoch 2" in plots.training([HISTORY[0], later]).alternative


def test_a_training_of_one_epoch_has_curves_too():
    assert_svg(plots.learning_curves(HISTORY[:1]))


def test_the_same_numbers_give_the_same_file():
    assert plots.learning_curves(HISTORY) == plots.learning_curves(HISTORY)
