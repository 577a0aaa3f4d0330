"""Building blocks of a self-contained HTML page that reads well on a phone, on paper, in light and in dark.

Every text that is handed in is escaped here; only `Html` is taken as it is.
"""

from __future__ import annotations

import base64
import dataclasses
import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from model_code.reports.plots import Plot


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page with an entry in the table of contents."""

    anchor: str
    title: str
    parts: Sequence[Html]


def text(value: Any) -> Html:
    """A value as HTML."""
    return value if isinstance(value, Html) else Html(html.escape(str(value)))


def paragraph(value: Any, css_class: str = "") -> Html:
    """One paragraph."""
    attribute = f' class="{css_class}"' if css_class else ""
    return Html(f"<p{attribute}>{text(value)}</p>")


def link(address: str, value: Any) -> Html:
    """A link that opens another page."""
    return Html(f'<a href="{html.escape(address)}">{text(value)}</a>')


def heading(value: Any) -> Html:
    """A heading within a section."""
    return Html(f"<h3>{text(value)}</h3>")


def bullets(values: Iterable[Any]) -> Html:
    """A list."""
    return Html("<ul>" + "".join(f"<li>{text(value)}</li>" for value in values) + "</ul>")


def table(caption: str, head: Sequence[Any], rows: Iterable[Sequence[Any]]) -> Html:
    """A table whose first column names the rows; scrolls sideways where it is wider than the screen."""
    columns = "".join(f'<th scope="col">{text(value)}</th>' for value in head)
    body = "".join(
        f'<tr><th scope="row">{text(first)}</th>' + "".join(f"<td>{text(value)}</td>" for value in rest) + "</tr>"
        for first, *rest in rows
    )
    label = html.escape(caption)
    return Html(
        f'<div class="scroll" role="region" aria-label="{label}" tabindex="0"><table><caption>{label}</caption>'
        f"<thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def interval(ends: Sequence[float], form: str = ".3f") -> Html:
    """An interval's two ends, kept on one line."""
    low, high = (format(end, form) for end in ends)
    return Html(f'<span class="nowrap">{low} to {high}</span>')


def measured(found: Mapping[str, Any] | None, form: str = ".3f") -> Html:
    """A figure of a document with its interval, `0.950 (0.930 to 0.970)`; a dash where there is none."""
    if not found:
        return Html("-")
    return Html(f"{format(found['value'], form)} ({interval(found['confidence_interval'], form)})")


def image(source: str, alternative: str, css_class: str = "") -> Html:
    """An image from a data URI."""
    attribute = f' class="{css_class}"' if css_class else ""
    return Html(f'<img{attribute} src="{source}" alt="{html.escape(alternative)}">')


def figure(content: Html, caption: Any, css_class: str = "") -> Html:
    """A figure with a caption."""
    attribute = f' class="{css_class}"' if css_class else ""
    return Html(f"<figure{attribute}>{content}<figcaption>{text(caption)}</figcaption></figure>")


def plots(drawn: Iterable[Plot]) -> Html:
    """Plots side by side where there is room; each on a white ground, since it is drawn for one."""
    return group((_plot(plot) for plot in drawn), "plots")


def beside(plot: Plot, parts: Iterable[Html]) -> Html:
    """A plot, and on its right, or below where the screen is narrow, what there is to say to it."""
    return group([_plot(plot), group(parts, "text")], "beside")


def _plot(plot: Plot) -> Html:
    source = "data:image/svg+xml;base64," + base64.b64encode(plot.svg.encode()).decode("ascii")
    return image(source, plot.alternative, "plot wide" if plot.wide else "plot")


def group(parts: Iterable[Html], css_class: str) -> Html:
    """Parts in a box."""
    return Html(f'<div class="{css_class}">{"".join(parts)}</div>')


def document(title: str, opening: Iterable[Html], sections: Sequence[Section], closing: Html) -> str:
    """The whole page: what comes first, a table of contents, and the sections."""
    contents = "".join(f'<li><a href="#{section.anchor}">{text(section.title)}</a></li>' for section in sections)
    body = "".join(
        f'<section id="{section.anchor}" aria-labelledby="{section.anchor}-title"><h2 id="{section.anchor}-title">'
        f"{text(section.title)}</h2>{''.join(section.parts)}</section>\n"
        for section in sections
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n<title>{text(title)}</title>\n<style>{_STYLE}</style>\n'
        f"</head>\n<body>\n<header><h1>{text(title)}</h1>{''.join(opening)}</header>\n"
        f'<nav aria-label="Contents"><ol>{contents}</ol></nav>\n<main>\n{body}</main>\n'
        f"<footer>{closing}</footer>\n</body>\n</html>\n"
    )


_STYLE = """
:root { --ink: #1d2126; --quiet: #596270; --ground: #fff; --card: #f5f7f9; --line: #d8dde3; --link: #1f5f99;
  --good: #1f7a3d; --good-ground: #e9f5ec; --bad: #b3261e; --bad-ground: #fcebe9; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ed; --quiet: #a3adb9; --ground: #14181d; --card: #1e242b; --line: #38414b; --link: #8dc0f0;
    --good: #6fcf8e; --good-ground: #16301f; --bad: #ff8f86; --bad-ground: #3a1a18; } }
* { box-sizing: border-box; }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--ground); max-width: 66rem;
  margin: 0 auto; padding: 1rem 1rem 3rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .8rem 0; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .6rem; padding-bottom: .25rem; border-bottom: 2px solid var(--line); }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p, ul { max-width: 46rem; margin: .5rem 0; } a { color: var(--link); }
code { font-size: .9em; overflow-wrap: anywhere; } footer, .quiet, figcaption, caption { color: var(--quiet); }
nav ol { columns: 15rem; margin: 1rem 0; padding: .8rem 1rem .8rem 2.2rem; background: var(--card);
  border-radius: 6px; }
.verdict { max-width: none; padding: .8rem 1rem; border-left: .5rem solid; border-radius: 4px; }
.verdict strong { display: block; font-size: 1.15rem; }
.passed { border-color: var(--good); background: var(--good-ground); } .passed strong { color: var(--good); }
.doubted { border-color: var(--line); background: var(--card); }
.failed { border-color: var(--bad); background: var(--bad-ground); } .failed strong { color: var(--bad); }
.scroll { overflow-x: auto; margin: .7rem 0; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-size: .9rem; padding-bottom: .3rem; }
th, td { text-align: left; padding: .3rem 1rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { font-size: .9rem; white-space: nowrap; } tbody th { font-weight: 500; }
.key { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .8rem; margin: 1rem 0; }
.key > div { background: var(--card); border-radius: 6px; padding: .7rem 1rem; }
.key b { display: block; font-size: 1.7rem; line-height: 1.2; } .key span { display: block; font-size: .9rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); gap: .8rem;
  margin: .8rem 0; overflow-x: auto; }
.plot { background: #fff; border: 1px solid var(--line); border-radius: 6px; padding: .3rem; width: 100%;
  max-width: 27rem; height: auto; }
.plot.wide { grid-column: 1 / -1; min-width: 34rem; max-width: 48rem; }
.beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); gap: .5rem 1.5rem;
  align-items: start; margin: .8rem 0; }
.nowrap { white-space: nowrap; }
figure { margin: 0; } figcaption { font-size: .85rem; line-height: 1.35; padding-top: .2rem; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(7.2rem, 1fr)); gap: .7rem; }
.pictures img, .pair img, .averages img { display: block; width: 100%; height: auto; border-radius: 3px; }
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); gap: 1rem; }
.pair > div { display: grid; grid-template-columns: 1fr 1fr; gap: .3rem; }
.averages { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 14rem)); gap: 1rem; }
.legend { display: flex; align-items: center; gap: .6rem; font-size: .85rem; margin: .7rem 0; }
.legend img { width: 12rem; height: .8rem; }
@media print {
  body { font-size: 10.5pt; max-width: none; padding: 0; } nav { display: none; } .beside { display: block; }
  .scroll { overflow: visible; break-inside: avoid; } h2, h3 { break-after: avoid; }
  figure, tr, .plot, .key > div { break-inside: avoid; } .plot.wide { min-width: 0; }
  .verdict, .key > div { -webkit-print-color-adjust: exact; print-color-adjust: exact; } }
"""
