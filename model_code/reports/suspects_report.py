"""Suspect labels as a section of the evaluation report."""

from __future__ import annotations

from collections.abc import Sequence

from model_code.contract.label_review import FILE
from model_code.evaluation.suspect_labels import FOLDS, SuspectLabels
from model_code.reports import gallery, html_page
from model_code.reports.gallery import Case
from model_code.reports.html_page import Section

_FIRST = 0.05


def section(ranked: SuspectLabels | None, shown: Sequence[Case]) -> Section:
    """Section on suspect labels: meaning of the ranking, and its first images.

    Args:
        ranked: the ranking; None where there are too few patients for one.
        shown: the pictures of its first images, in its order.
    """
    if ranked is None:
        said = f"Labels are not ranked: that takes {FOLDS} patients of each label."
        return Section("suspects", "Suspect labels", [html_page.paragraph(said)])
    images, seen = len(ranked.scores), len(shown)
    first = round(_FIRST * images)
    parts = [
        html_page.paragraph(
            f"All {images:,} images of the three splits are ranked by how probable the label that they have is to a "
            f"logistic regression on the images of other patients ({FOLDS}-fold cross-fitting): no label speaks for "
            "itself. This is a list for a reader to look at and corrects nothing. Beside wrong labels it has images "
            "that are hard or unusual, and a wrong label on an image that could have either stands further down."
        ),
        html_page.paragraph(
            f"{ranked.doubted:,} images have the less probable label. If one label in a hundred is wrong, {seen} "
            f"images taken at random hold {seen / 100:.1g} wrong ones, and {first:,} taken at random (5 %) hold 5 % of "
            "all. Where 2 % of the labels of Kermany's radiographs were flipped to find them again, the first 5 % of "
            "this ranking held 94 % of those (docs/benchmarks/evaluation.md); what it finds elsewhere is not known."
        ),
        html_page.paragraph(
            f"{FILE} beside this report has all images. `cxr labels export` writes it with columns for a reader to "
            "fill in, and `cxr labels import` makes a new version of the dataset from it.",
            "quiet",
        ),
        gallery.pairs(shown),
    ]
    return Section("suspects", "Suspect labels", parts)
