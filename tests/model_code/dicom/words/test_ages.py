"""Ages and days are read as people write them, and what is none says nothing."""

from __future__ import annotations

import datetime as dt

import pytest

from model_code.dicom.words import ages
from model_code.dicom.words.letters import folded


@pytest.mark.parametrize(
    ("said", "years"),
    [
        *((one, 0.5) for one in ("006M", "6 MESES", "6 mois", "6 Monate", "6 мес", "6个月", "6개월", "6 ヶ月", "0Y6M")),
        *((one, 0.5) for one in ("P6M", "M006", "0.5Y", "0,5 Jahre", "6 maanden", "6 AY", "6 kk", "6 mies")),
        *((one, 2.5) for one in ("2Y6M", "2 años, 6 meses", "2a 6m", "2.5 yrs", "2Y 6M old")),
        *((one, 45.0) for one in ("045Y", "0045Y", "Y045", "45 yo", "45 Y/O", "45 y.o.", "45 years old", "45.0Y")),
        *((one, 45.0) for one in ("45 лет", "45歳", "45岁", "45세", "45 lat", "45 år", "45 let", "45 yaş", "45 años")),
        *((one, 7 / 365.25) for one in ("7 días", "7 giorni", "1 semana", "1 Woche", "7天", "168H", "7 Tage")),
    ],
)
def test_an_age_is_read_in_any_language(said: str, years: float) -> None:
    """A child's was unstated, so a model of adults answered."""
    assert ages.years(folded(said)) == pytest.approx(years, rel=1e-3)


@pytest.mark.parametrize(
    "said",
    ["45", "", "Y", "M", "45 X", "45 Mon", "45YM", "adult", "45-50Y", "-5Y", "45Y?", "P", "20200101", "3 of 4 m"],
)
def test_what_is_no_age_is_none(said: str) -> None:
    assert ages.years(folded(said)) is None


@pytest.mark.parametrize(
    ("said", "first", "last"),
    [
        *((one, "2015-02-03", "2015-02-03") for one in ("20150203", "2015-02-03", "2015.02.03", "20150203101500")),
        *((one, "2015-02-01", "2015-02-28") for one in ("201502", "2015-02", "20150200")),
        *((one, "2015-01-01", "2015-12-31") for one in ("2015", "20150000", "03.02.2015", "2/3/2015")),
        ("201512", "2015-12-01", "2015-12-31"),
    ],
)
def test_a_day_may_be_all_that_a_month_or_year_has(said: str, first: str, last: str) -> None:
    """De-identification leaves the year of birth alone, which tells a child from an adult."""
    assert ages.days(said) == (dt.date.fromisoformat(first), dt.date.fromisoformat(last))


@pytest.mark.parametrize(
    "said", ["", "20151301", "201513", "20150230", "0000", "00000000", "15", "Feb 2015", "2015 02 03x"]
)
def test_what_is_no_day_is_none(said: str) -> None:
    assert ages.days(said) is None
