"""The radiographs of the evaluation report: which are shown, and the sections that show them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from model_code.reports import html_page
from model_code.reports.html_page import Html, Section


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
    """What is shown.

    Attributes:
        samples: test images by label.
        cases: the most certain right and wrong calls, by kind.
        averages: the average saliency map of each label.
        legend: the colours of the saliency maps as a data URI.
        places: how many places along each edge the network tells apart.
    """

    samples: dict[str, list[Picture]]
    cases: dict[str, list[Case]]
    averages: list[Picture]
    legend: str
    places: int

    def samples_section(self) -> Section:
        """A few images of each label."""
        return Section("samples", "Sample of the test images", list(self._samples()))

    def saliency_section(self, summary: dict[str, Any]) -> Section:
        """What the model looked at.

        Args:
            summary: of `saliency_pictures.MeanSaliency.as_json`.
        """
        return Section("saliency", "What the model looked at", [*self._cases(), *self._averages(summary)])

    def _samples(self) -> Iterator[Html]:
        yield html_page.paragraph(
            "Drawn at random, as the model sees them, each of another patient. A number is the image's row in "
            "test_predictions.csv beside this report; images that were called wrongly have their file's name below.",
            "quiet",
        )
        for title, shown in self.samples.items():
            yield html_page.heading(title)
            yield html_page.group((_figure(picture) for picture in shown), "pictures")

    def _cases(self) -> Iterator[Html]:
        yield html_page.paragraph(
            "Colour shows where an image speaks for PNEUMONIA (Grad-CAM), scaled to each image's own greatest value. "
            "It says where the network looked, not that it was right to look there. At this image size the network "
            f"tells {self.places} x {self.places} places apart; colours between them are interpolated."
        )
        scale = html_page.image(self.legend, "Colour scale from black through purple and orange to yellow")
        yield html_page.group([Html("<span>nothing</span>"), scale, Html("<span>most of this image</span>")], "legend")
        for title, shown in self.cases.items():
            yield html_page.heading(title)
            if shown:
                yield html_page.group((_pair(case) for case in shown), "pairs")
            else:
                yield html_page.paragraph("No such image.")

    def _averages(self, summary: dict[str, Any]) -> Iterator[Html]:
        yield html_page.heading("Average over the test split")
        yield html_page.group((_figure(picture) for picture in self.averages), "averages")
        shares = summary["border_share"].items()
        shown = ", ".join(f"{label} {share:.1%}" for label, share in shares if share is not None)
        yield html_page.paragraph(
            f"Share of the saliency in the outer {summary['border']:.0%} at each edge, where markers and the edges of "
            f"the detector are: {shown or 'none'}. That border is {summary['border_area']:.1%} of the image."
        )


def _figure(picture: Picture) -> Html:
    return html_page.figure(html_page.image(picture.source, picture.alternative), picture.caption)


def _pair(case: Case) -> Html:
    both = html_page.group((html_page.image(one.source, one.alternative) for one in (case.plain, case.overlay)), "both")
    return html_page.figure(both, case.plain.caption, "pair")
