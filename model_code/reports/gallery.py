"""The radiographs of the evaluation report: which are shown, and the sections that show them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

from model_code.reports import html_page
from model_code.reports.html_page import Html, Section

_METHODS = {
    "attribution": "an estimate, fitted on training images, of where hiding something lowers the score",
    "Grad-CAM": "Grad-CAM of the last feature maps",
}


@dataclasses.dataclass(frozen=True)
class Picture:
    """A JPEG as a data URI, what can be seen in it, and the line below it."""

    source: str
    alternative: str
    caption: str


@dataclasses.dataclass(frozen=True)
class Case:
    """A radiograph and the same one with its saliency map over it."""

    plain: Picture
    overlay: Picture


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Radiographs to show, and the facts that go with them.

    Attributes:
        samples: test images by label.
        cases: the most certain right and wrong predictions, by kind.
        averages: the average saliency map of each label.
        legend: the colours of the saliency maps as a data URI.
    """

    samples: dict[str, list[Picture]]
    cases: dict[str, list[Case]]
    averages: list[Picture]
    legend: str

    def samples_section(self) -> Section:
        """A few images of each label."""
        return Section("samples", "Sample of the test images", list(self._samples()))

    def saliency_section(self, summary: dict[str, Any]) -> Section:
        """Section with saliency maps.

        Args:
            summary: of `SaliencySummary.as_json`.
        """
        parts = [*self._cases(summary["method"], summary["cells"]), *self._averages(), *_together(summary)]
        return Section("saliency", "What the model looked at", parts)

    def _samples(self) -> Iterator[Html]:
        yield html_page.paragraph(
            "Drawn at random, as the model sees them, each of another patient. A number is the image's row in "
            "test_predictions.csv beside this report; images that were predicted wrongly have their file's name below.",
            "quiet",
        )
        for title, shown in self.samples.items():
            yield html_page.heading(title)
            yield html_page.group((_figure(picture) for picture in shown), "pictures")

    def _cases(self, method: str, cells: int) -> Iterator[Html]:
        yield html_page.paragraph(
            f"Colour shows where an image speaks for PNEUMONIA ({_METHODS[method]}), scaled to each image's own "
            "greatest value. It says where the network looked, not that it was right to look there. A map has "
            f"{cells} x {cells} cells, each as large as the least that it can point to; colours between them are "
            "interpolated. A map without colour is empty: nothing in that image speaks for PNEUMONIA enough to be "
            "marked, or its probability is below the band where the model cannot tell."
        )
        scale = html_page.image(self.legend, "Colour scale from black through purple and orange to yellow")
        yield html_page.group([Html("<span>nothing</span>"), scale, Html("<span>most of this image</span>")], "legend")
        for title, shown in self.cases.items():
            yield html_page.heading(title)
            if shown:
                yield pairs(shown)
            else:
                yield html_page.paragraph("No such image.")

    def _averages(self) -> Iterator[Html]:
        yield html_page.heading("Average over the test split")
        yield html_page.group((_figure(picture) for picture in self.averages), "averages")


def _together(summary: dict[str, Any]) -> Iterator[Html]:
    """Sentences on what all maps have in common."""
    empty = ", ".join(f"{count} of {summary['images'][label]} {label}" for label, count in summary["empty"].items())
    yield html_page.paragraph(f"Empty maps: {empty} images.")
    same, near = summary["same_place"], f"within {summary['border']:.0%} of the width of one place"
    if same["share"] is None:
        yield html_page.paragraph(
            f"Only {same['maps']} images predicted PNEUMONIA have a map: too few to tell whether all light the same "
            "place."
        )
    else:
        yield html_page.paragraph(
            f"Of the {same['maps']} maps of images predicted PNEUMONIA {same['share']:.0%} have their maximum {near}, "
            f"at the {same['place']}. Maps that light the same place in most images do not tell what is in one of them."
        )
    wide, cells = f"the outer {summary['border']:.0%} at each edge", summary["cells"]
    if cells * summary["border"] < 1:
        yield html_page.paragraph(
            f"How much of the saliency lies in {wide}, where markers and the edges of the detector are, cannot be "
            f"told: the cells of a map of {cells} x {cells} are wider."
        )
        return
    shares = summary["border_share"].items()
    shown = ", ".join(f"{label} {share:.1%}" for label, share in shares if share is not None)
    yield html_page.paragraph(
        f"Share of the saliency in {wide}, where markers and the edges of the detector are: {shown or 'none'}. That "
        f"border is {summary['border_area']:.1%} of the image."
    )


def _figure(picture: Picture) -> Html:
    return html_page.figure(html_page.image(picture.source, picture.alternative), picture.caption)


def pairs(cases: Iterable[Case]) -> Html:
    """Radiographs, each beside the same one with its saliency map."""
    return html_page.group(map(_pair, cases), "pairs")


def _pair(case: Case) -> Html:
    both = html_page.group(
        (html_page.image(picture.source, picture.alternative) for picture in (case.plain, case.overlay)), "both"
    )
    return html_page.figure(both, f"{case.plain.caption}; {case.overlay.caption}", "pair")
