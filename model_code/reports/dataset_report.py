"""The dataset card as sections of the evaluation report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from model_code.reports import html_page
from model_code.reports.html_page import Html, Section
from model_code.reports.plots import class_distribution

_NAMED_FILES = 5


def labels_section(card: dict[str, Any]) -> Section:
    """Section with the number of images of each label in each split."""
    rows = (
        [
            split,
            f"{counts['images']:,}",
            f"{counts['patients']:,}",
            *(f"{counts['labels'][label]:,}" for label in card["labels"]),
            ", ".join(f"{name} {count:,}" for name, count in counts["subtypes"].items()) or "-",
        ]
        for split, counts in card["splits"].items()
    )
    return Section(
        "labels",
        "Labels in each split",
        [
            html_page.plots([class_distribution(card)]),
            html_page.table(
                "Images and patients in each split", ["Split", "Images", "Patients", *card["labels"], "Subtypes"], rows
            ),
            *_review(card),
        ],
    )


def _review(card: dict[str, Any]) -> Iterator[Html]:
    """Sentences on the review of labels, once readers have changed some."""
    review = card.get("review")
    if review is None:
        return
    changed = review["changed"]
    if changed["test"]:
        ways = ", ".join(f"{count} {way}" for way, count in changed["test"].items())
        yield html_page.paragraph(
            f"Readers changed labels of test images ({ways}): figures of this report and of one made before that are "
            "of other labels, and their difference is not one between two models."
        )
    yield html_page.table(
        "Revisions of the labels by readers, the first one first",
        ["Made", "Of the dataset", "By the table with SHA-256", "Labels changed"],
        (
            [
                revision["created"],
                revision["archive_uri"],
                revision["table_sha256"][:12],
                ", ".join(f"{count} {way}" for way, count in revision["changed"].items()),
            ]
            for revision in review["revisions"]
        ),
    )
    yield html_page.table(
        "Images with another label than the archive gives",
        ["Split", "Labels changed"],
        (
            [split, ", ".join(f"{count} {way}" for way, count in ways.items()) or "none"]
            for split, ways in changed.items()
        ),
    )


def dataset_section(card: dict[str, Any]) -> Section:
    """Section on the images' source, decisions, dropped files and leakage audits."""
    return Section("dataset", "Dataset card", [*_origin(card), *_decisions(card), *_subgroups(card), *_checks(card)])


def _origin(card: dict[str, Any]) -> Iterator[Html]:
    digest, archive = (f"<code>{html_page.text(card[name])}</code>" for name in ("sha256", "archive_uri"))
    yield html_page.paragraph(
        Html(f"Content SHA-256 {digest}, from {archive}, made {html_page.text(card['created'])}.")
    )
    sources = card["sources"]

    def spread(name: str, unit: float = 1.0, digits: int = 0) -> list[str]:
        return [
            " / ".join(f"{found[name][key] / unit:,.{digits}f}" for key in ("min", "median", "max"))
            for found in sources.values()
        ]

    def counted(name: str) -> list[str]:
        return [", ".join(f"{key} {count:,}" for key, count in found[name].items()) for found in sources.values()]

    yield html_page.table(
        "The original files of the images used (least / median / greatest)",
        ["", *sources],
        [
            ["Images", *(f"{found['images']:,}" for found in sources.values())],
            ["Format", *counted("formats")],
            ["Mode", *counted("modes")],
            ["With EXIF", *(f"{found['with_exif']:,}" for found in sources.values())],
            ["Width, px", *spread("width")],
            ["Height, px", *spread("height")],
            ["Aspect ratio", *spread("aspect_ratio", digits=2)],
            ["File size, kB", *spread("bytes", 1000.0, 1)],
        ],
    )


def _decisions(card: dict[str, Any]) -> Iterator[Html]:
    yield html_page.heading("Decisions")
    yield html_page.bullets(card["decisions"])
    yield html_page.heading("Files that are not used")
    if not card["dropped"]:
        yield html_page.paragraph("Every file with a label is used.")
        return
    yield html_page.table(
        f"Reasons, with up to {_NAMED_FILES} of the files; dataset.json names more",
        ["Reason", "Files", "For example"],
        (
            [entry["reason"].replace("_", " "), f"{entry['count']:,}", "; ".join(entry["files"][:_NAMED_FILES])]
            for entry in card["dropped"]
        ),
    )


def _subgroups(card: dict[str, Any]) -> Iterator[Html]:
    found = card.get("subgroups", {})
    if not found:
        return
    yield html_page.heading("Who and what the images are of")
    yield html_page.table(
        "Subgroups that the DICOM files of the images used name; the share of PNEUMONIA with its 95 % interval",
        ["By", "Subgroup", "Images", "Patients", *card["labels"], "PNEUMONIA"],
        (
            [
                kind,
                name,
                f"{group['images']:,}",
                f"{group['patients']:,}",
                *(f"{group['labels'][label]:,}" for label in card["labels"]),
                "{:.1%} ({:.1%} to {:.1%})".format(
                    group["prevalence"]["value"], *group["prevalence"]["confidence_interval"]
                ),
            ]
            for kind, groups in found.items()
            for name, group in groups.items()
        ),
    )


def _checks(card: dict[str, Any]) -> Iterator[Html]:
    audit = card["audit"]
    yield html_page.heading("Splits kept apart")
    yield html_page.table(
        f"Shared between splits after the split was made; near-duplicates by {audit['hash']}, threshold "
        f"{audit['threshold']}",
        ["Shared", "Number"],
        [
            ["Patients", audit["patients_shared"]],
            ["Identical images", audit["duplicates_shared"]],
            ["Near-duplicate images", audit["near_duplicates_shared"]],
        ],
    )
    yield html_page.heading("Shortcuts: what gives the label away without a look at the lungs")
    yield html_page.paragraph(
        "Each probe predicts the label from one property of the original file. An AUROC of 0.5 is guessing; near 1, a "
        "network could learn the property instead of the disease, as far as it survives in the resized grey pixels."
    )
    yield html_page.table(
        "Probes",
        ["Property", "AUROC", "95 % interval", "Images", "What it says"],
        (
            [
                probe["probe"].replace("_", " "),
                f"{probe['auroc']:.3f}",
                "{:.3f} to {:.3f}".format(*probe["confidence_interval"]),
                f"{probe['images']:,}",
                probe["sentence"],
            ]
            for probe in card["shortcuts"]
        ),
    )
