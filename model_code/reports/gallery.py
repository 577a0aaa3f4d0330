"""The radiographs of the evaluation report: which are shown, and the sections that show them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from model_code.evaluation.scoring import ExportedModel, TestScores, images_at
from model_code.reports import html_page, saliency_pictures
from model_code.reports.html_page import Html, Section
from model_code.reports.saliency_pictures import Case, MeanSaliency, Picture

# Pixels of the image for one place of the feature maps; the same for every backbone on offer.
_STRIDE = 32


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
            summary: of `MeanSaliency.as_json`.
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


def collect(model: ExportedModel, scores: TestScores, attention: MeanSaliency, test: Path, *, seed: int) -> Gallery:
    """Choose the images and read, explain and encode them.

    Args:
        model: the candidate.
        scores: its scores of the test split.
        attention: its saliency maps, averaged.
        test: directory with the test shards.
        seed: of the sample.
    """
    samples = saliency_pictures.choose_samples(scores, seed=seed)
    cases = saliency_pictures.choose_cases(scores, model.threshold)
    chosen = {at for groups in (samples, cases) for positions in groups.values() for at in positions}
    pixels = images_at(test, model.image_size, chosen)
    explained = [at for positions in cases.values() for at in positions]
    maps = dict(zip(explained, model.explain([pixels[at] for at in explained]), strict=True))
    return Gallery(
        samples={
            title: [saliency_pictures.sample(at, pixels[at], scores) for at in positions]
            for title, positions in samples.items()
        },
        cases={
            title: [
                saliency_pictures.case(
                    at, pixels[at], maps[at], scores, is_wrong=title.endswith(saliency_pictures.WRONG)
                )
                for at in positions
            ]
            for title, positions in cases.items()
        },
        averages=attention.pictures(),
        legend=saliency_pictures.legend(),
        places=-(-model.image_size // _STRIDE),
    )


def _figure(picture: Picture) -> Html:
    return html_page.figure(html_page.image(picture.source, picture.alternative), picture.caption)


def _pair(case: Case) -> Html:
    both = html_page.group((html_page.image(one.source, one.alternative) for one in (case.plain, case.overlay)), "both")
    return html_page.figure(both, case.plain.caption, "pair")
