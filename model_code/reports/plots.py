"""Plots as SVG, each with a sentence that says what it shows to those who cannot see it; those of data and training.

Everything drawn is read from the dataset card or the training history.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NORMAL_COLOUR, PNEUMONIA_COLOUR, INK, FAINT = "#2f6690", "#c1443c", "#333333", "#8a8a8a"
# Light to dark within PNEUMONIA; a subtype beyond these takes the last.
_SUBTYPE_COLOURS = ("#c1443c", "#e58f88", "#f3c6c2")
_LAYOUT: Literal["constrained"] | None = "constrained"
_STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "legend.frameon": False,
    "legend.fontsize": 8,
    # Without a fixed salt, the same numbers would give another file each time.
    "svg.hashsalt": "chest-xray",
    "svg.fonttype": "none",
}


@dataclasses.dataclass(frozen=True)
class Plot:
    """An SVG document, in words what can be seen in it, and whether it needs the page's whole width."""

    title: str
    svg: str
    alternative: str
    wide: bool = False


def class_distribution(card: dict[str, Any]) -> Plot:
    """Bars of the labels, and the subtypes of PNEUMONIA, in each split."""
    splits = card["splits"]
    subtypes = sorted({name for counts in splits.values() for name in counts["subtypes"]})

    def parts(counts: dict[str, Any]) -> list[tuple[str, int, str]]:
        named = [(name, int(counts["subtypes"].get(name, 0))) for name in subtypes]
        rest = counts["labels"]["PNEUMONIA"] - sum(count for _, count in named)
        colours = [_SUBTYPE_COLOURS[min(place, 2)] for place in range(len(named))]
        return [
            ("NORMAL", int(counts["labels"]["NORMAL"]), NORMAL_COLOUR),
            *((f"PNEUMONIA, {name}", count, colour) for (name, count), colour in zip(named, colours, strict=True)),
            ("PNEUMONIA" + (", other" if named else ""), rest, "#8f2f29" if named else PNEUMONIA_COLOUR),
        ]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        named: set[str] = set()
        for place, counts in enumerate(splits.values()):
            left = 0.0
            for title, count, colour in parts(counts):
                if count:
                    share = count / counts["images"]
                    label = title if title not in named else None
                    named.add(title)
                    axes.barh(place, share, left=left, color=colour, edgecolor="white", label=label)
                    if share > 0.06:
                        ink = "black" if colour in _SUBTYPE_COLOURS[1:] else "white"
                        axes.text(left + share / 2, place, f"{count:,}", ha="center", va="center", color=ink)
                    left += share
        axes.set_yticks(range(len(splits)), [f"{name} ({counts['images']:,})" for name, counts in splits.items()])
        axes.invert_yaxis()
        axes.grid(visible=False)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.set(xlim=(0, 1), xlabel="share of the split's images", title="Labels in each split")
        figure.legend(loc="outside lower center", ncols=4)

    sentences = (
        f"{name}: " + ", ".join(f"{count:,} {title}" for title, count, _ in parts(counts) if count)
        for name, counts in splits.items()
    )
    return Plot("Labels in each split", svg(draw, 8, 2.8), f"Stacked bars. {'; '.join(sentences)}.", wide=True)


def learning_curves(history: Sequence[dict[str, Any]]) -> str:
    """Training and validation loss, and validation AUROC, by epoch and phase, as an SVG document."""
    epochs = [line["epoch"] for line in history]
    best = _best(history)

    def draw(figure: Figure) -> None:
        loss, area = figure.subplots(1, 2)
        loss.plot(epochs, [line["loss"] for line in history], marker="o", markersize=3, color=FAINT, label="training")
        loss.plot(epochs, [line["val_loss"] for line in history], marker="o", markersize=3, label="validation")
        loss.set(xlabel="epoch", ylabel="cross-entropy", title="Loss", ylim=(0, None))
        area.plot(epochs, [line["val_auc"] for line in history], marker="o", markersize=3, color=PNEUMONIA_COLOUR)
        area.plot(
            best["epoch"], best["val_auc"], marker="o", markersize=9, fillstyle="none", linestyle="", color=INK,
            label=f"kept: epoch {best['epoch']}, {best['val_auc']:.4f}",
        )  # fmt: skip
        area.set(xlabel="epoch", ylabel="AUROC", title="Validation AUROC")
        for axes in (loss, area):
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.legend(loc="best")
            for first, before in zip(history[1:], history, strict=False):
                if first["phase"] != before["phase"]:
                    axes.axvline(first["epoch"] - 0.5, linestyle=":", color=FAINT)
            for start, phase in _phases(history):
                axes.annotate(
                    phase, (start - 0.5, 1.0), xycoords=("data", "axes fraction"), xytext=(2, 2),
                    textcoords="offset points", va="bottom", fontsize=7, color=INK, annotation_clip=False,
                )  # fmt: skip
            axes.set_title(axes.get_title(loc="left"), pad=14)
            axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)

    return svg(draw, 8, 3)


def training(history: Sequence[dict[str, Any]]) -> Plot:
    """`learning_curves` with its sentence."""
    best, last = _best(history), history[-1]
    phases = ", then ".join(f"{phase} from epoch {start}" for start, phase in _phases(history))
    return Plot(
        "Learning curves",
        learning_curves(history),
        f"Lines over {len(history)} epochs ({phases}). Validation AUROC is greatest in epoch {best['epoch']} with "
        f"{best['val_auc']:.4f}, whose weights were kept; the last epoch's training loss is {last['loss']:.3f}, its "
        f"validation loss {last['val_loss']:.3f}.",
        wide=True,
    )


def _best(history: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The epoch whose weights training keeps: greatest validation AUROC, then least validation loss."""
    return max(history, key=lambda line: (line["val_auc"], -line["val_loss"]))


def _phases(history: Sequence[dict[str, Any]]) -> list[tuple[int, str]]:
    """First epoch and name of each phase."""
    return [
        (line["epoch"], line["phase"])
        for place, line in enumerate(history)
        if place == 0 or line["phase"] != history[place - 1]["phase"]
    ]


def svg(draw: Callable[[Figure], None], width: float, height: float) -> str:
    """SVG document of a figure of so many inches, as a function draws it."""
    import matplotlib as mpl  # noqa: PLC0415 - only for those who draw
    from matplotlib.figure import Figure  # noqa: PLC0415

    buffer = io.StringIO()
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout=_LAYOUT)
        draw(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
