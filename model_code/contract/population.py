"""The patients a model is meant for, and what a request may say about one: classes only, never an age or a date."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_code.contract.documents import Population

UNSTATED = "unstated"
AGE_BANDS = ((18, "0-17"), (40, "18-39"), (60, "40-59"), (80, "60-79"))
OLDEST = "80+"
"""One band for all of them: great ages are few, and tell who it is (45 CFR 164.514(b)(2)(i)(C))."""
MODALITIES = frozenset({"CR", "DX", "RG", "DR"})
"""Computed radiography, digital radiography, and film that was digitised (PS3.3, C.7.3.1.1.1); DR is no defined term,
and what many systems write for DX."""
MAX_YEARS = 120
# Of the dataset's images: where fewer say it, those that do not may be of anybody.
_LEAST_STATED = 0.9
_BANDS = [*(band for _, band in AGE_BANDS), OLDEST]


def age_band(years: float | None) -> str:
    """The band of an age in years; `unstated` of none, and of what is no age."""
    # 0 years is what many systems write for an age that they do not know, but newborns are X-rayed too.
    if years is None or not 0 <= years < MAX_YEARS:
        return UNSTATED
    return next((band for below, band in AGE_BANDS if years < below), OLDEST)


def of_subgroups(subgroups: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Population | None:
    """The population that a dataset card's subgroups describe; None where no file said anything, as of JPEGs.

    Ages are the bands from the youngest to the oldest with enough patients to be counted by themselves; a band between
    them with fewer is within. A kind that fewer than nine of ten images state limits nothing.

    Args:
        subgroups: by kind and name, each with `images`.
    """
    if not subgroups:
        return None
    places = [_BANDS.index(name) for name in _stated(subgroups.get("age", {})) if name in _BANDS]
    return {
        "ages": _BANDS[min(places) : max(places) + 1] if places else [],
        "views": [name for name in _stated(subgroups.get("view", {})) if name in ("AP", "PA")],
        "modalities": sorted(MODALITIES),
    }


def outside(population: Population | None, *, age: str, view: str) -> list[str]:
    """Stated classes that lie outside of the population: `age`, `view`, both or neither.

    Args:
        population: of the model.
        age: a band, or `unstated`.
        view: `AP`, `PA` or `unstated`.
    """
    if population is None:
        return []
    limits = (("age", age, population["ages"]), ("view", view, population["views"]))
    return [kind for kind, stated, meant in limits if meant and stated != UNSTATED and stated not in meant]


def describe(population: Population, kind: str) -> str:
    """Description in words of the intended population by one attribute."""
    if kind == "age":
        return f"patients of {population['ages'][0].split('-')[0].rstrip('+')} {_until(population['ages'][-1])}"
    return f"{' and '.join(population['views'])} views"


def sentence(population: Population | None) -> str:
    """Whom a model is meant for, as its data were; says so too where the data did not tell."""
    kinds = [kind for kind in ("age", "view") if population and population["ages" if kind == "age" else "views"]]
    if not population or not kinds:
        return "The training data do not state ages and views, so the API cannot tell whom the model is not meant for."
    meant = " and ".join(describe(population, kind) for kind in kinds)
    return f"The training data are of {meant}: the API refuses, or flags, what is stated to be of others."


def _until(band: str) -> str:
    return "years or more" if band == OLDEST else f"to {band.split('-')[1]} years"


def _stated(groups: Mapping[str, Mapping[str, Any]]) -> list[str]:
    images = {name: int(group["images"]) for name, group in groups.items()}
    total = sum(images.values())
    if not total or (total - images.get(UNSTATED, 0)) / total < _LEAST_STATED:
        return []
    return [name for name in images if name != UNSTATED]
