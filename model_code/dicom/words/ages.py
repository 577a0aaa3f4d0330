"""Ages and days as people and programs write them into a file, whatever the standard has for them (PS3.5, 6.2)."""

from __future__ import annotations

import datetime as dt
import re
from typing import NamedTuple

_DAYS = 365.25
# Units in years, and words for each: of the standard, and in the languages of hospitals, in capitals without accents.
_UNITS = {
    1.0: "Y YO YR YRS YEAR YEARS A AN ANS ANO ANOS ANNO ANNI ANI J JAHR JAHRE JAAR JAREN AR LAT LATA ROK ROKY LET LETA "
    "ЛЕТ ГОД ГОДА РОКІВ РОКИ YAS YIL VUOTTA EV EVES GODINA GODINE GADI METAI AASTAT TUOI TAHUN "  # noqa: RUF001
    "THN ΕΤΩΝ 歳 才 岁 歲 세 살",
    1 / 12: "M MO MOS MTH MTHS MONTH MONTHS MES MESES MESE MESI MOIS MONAT MONATE MAAND MAANDEN MND MANADER MANEDER "
    "MDR MIES MIESIAC MIESIACE MIESIECY MESIC MESICE MESICU МЕС МЕСЯЦ МЕСЯЦА МЕСЯЦЕВ МІС МІСЯЦІВ "  # noqa: RUF001
    "AY AYLIK KK KUUKAUTTA HONAP HONAPOS LUNI THANG BULAN ΜΗΝΩΝ 个月 個月 ヶ月 か月 カ月 ヵ月 月 개월",
    7 / _DAYS: "W WK WKS WEEK WEEKS SEMANA SEMANAS SETTIMANA SETTIMANE SEMAINE SEMAINES WOCHE WOCHEN WEKEN UKE UKER "
    "UGE UGER VECKA VECKOR TYG TYGODNI НЕД НЕДЕЛЬ НЕДЕЛИ HAFTA HAFTALIK VIIKKOA HETES SAPTAMANI 周 週 주",
    1 / _DAYS: "D DAY DAYS DIA DIAS GIORNO GIORNI JOUR JOURS TAG TAGE DAG DAGE DAGEN DAGAR DAGER DNI DNU DNY ДН ДНЕЙ "
    "ДНЯ ДЕНЬ ДНІВ GUN GUNLUK PAIVAA NAPOS ZILE NGAY HARI 天 日 일",
    1 / 24 / _DAYS: "H HR HRS HOUR HOURS HORA HORAS ORE ORA HEURE HEURES STUNDE STUNDEN Ч ЧАС ЧАСОВ",
}
_YEARS = {word: unit for unit, words in _UNITS.items() for word in words.split()}
_NUMBER = r"\d{1,5}(?:[.,]\d{1,2})?"
_WORD = "|".join(sorted(_YEARS, key=len, reverse=True))
_PART = re.compile(rf"({_NUMBER}) ?({_WORD})(?![^\W\d_])")
# Also `2Y6M`, `45 Y/O`, and the duration of ISO 8601 (`P6M`).
_AGE = re.compile(rf"P?(?:{_NUMBER} ?(?:{_WORD})(?![^\W\d_])[ ,]*)+(?:OLD)?")
_YEARS_OLD = re.compile(r"Y[./ ]?O(\.$|\b)")
_UNIT_FIRST = re.compile(r"([YMWD])(\d{3})")
_FULL = re.compile(r"(\d{4})([./-]?)(\d{2})\2(\d{2})")
_SHORT = re.compile(r"(\d{4})(?:[./-]?(\d{2}))?")
_YEAR_LAST = re.compile(r"\d{1,2}([./-])\d{1,2}\1(\d{4})")


class Days(NamedTuple):
    """First and last day that a text may mean; the same where it says one."""

    first: dt.date
    last: dt.date


def years(said: str) -> float | None:
    """An age in years; None of what is none.

    Args:
        said: in capitals without accents.
    """
    said = _YEARS_OLD.sub("YO", said.strip())
    if first := _UNIT_FIRST.fullmatch(said):
        said = f"{first[2]}{first[1]}"
    if not _AGE.fullmatch(said):
        return None
    return sum(float(number.replace(",", ".")) * _YEARS[unit] for number, unit in _PART.findall(said))


def days(said: str) -> Days | None:
    """The day that a text says, also of a moment; all of a month or year where it says no more, as de-identified ones.

    Args:
        said: as DA has it, with signs as of ACR-NEMA, or with the year behind, of which it cannot be told which of the
            other two is the day.
    """
    if found := _FULL.match(said):
        return _days(int(found[1]), int(found[3]), int(found[4]))
    if found := _SHORT.fullmatch(said):
        return _days(int(found[1]), int(found[2] or 0), 0)
    if found := _YEAR_LAST.match(said):
        return _days(int(found[2]), 0, 0)
    return None


def _days(year: int, month: int, day: int) -> Days | None:
    """A day, or all days of a month or year where 0 stands for the rest."""
    try:
        if day and month:
            one = dt.date(year, month, day)
            return Days(one, one)
        first = dt.date(year, month or 1, 1)
        following = dt.date(year + 1, 1, 1) if not month or month == dt.date.max.month else dt.date(year, month + 1, 1)
        return Days(first, following - dt.timedelta(days=1))
    except ValueError:
        return None
