"""Whether words say that an image was made of another: bones or soft tissue taken out, a copy of a screen, a heat map.

Dual-energy and temporal subtraction, and programs that suppress bones, leave series beside the radiograph's. So do
programs that draw what they have found over a copy of it, some of them in grey.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_MADE_OF_ANOTHER = re.compile(
    r"(\b(BONES?|RIBS?) ?(SUPPRESS\w*|SUBTRACT\w*|ONLY|IMAGE|SELECTIVE)\b|\bSOFT ?TISSUE (IMAGE|ONLY|SELECTIVE)\b"
    r"|\b(DE|DES|DUAL ?ENERGY) (SUBTRACT\w* )?(BONES?|SOFT|TISSUE)\b|\b(DUAL ?)?ENERGY SUBTRACT\w*"
    r"|\bTEMPORAL SUBTRACT\w*|\b(CLEARREAD|SOFTVIEW|XBONE)\b|\bSCREEN ?(SAVE|SHOT|CAPTURE)\w*"
    r"|\b(HEAT ?|SALIENCY )MAPS?)\b(?! (OFF|NO|NONE)\b)"
)
_NOT = re.compile(r"\b(NO|NON|NOT|SIN|SEM|SANS|OHNE|WITHOUT|WO|W O) $")
# An examination by dual energy has the ordinary radiograph too, which its devices call the standard image.
_DUAL_ENERGY = re.compile(r"DE |DES |DUAL|ENERGY")
_ONE_OF_THEM = re.compile(r"\b(BONES?|SOFT|TISSUE)\b")
_ORDINARY = re.compile(r"\bSTANDARD\b")


def made_of_another(of_the_image: Iterable[str], of_the_series: Iterable[str]) -> bool:
    """Whether one of an image's descriptions says that it was made of another.

    Args:
        of_the_image: what is said of this image, in capitals without accents, one space between words.
        of_the_series: what may be said of all that was taken with it, likewise: of dual energy it counts where it names
            what is left, and nothing names the ordinary radiograph.
    """
    image, series = list(of_the_image), list(of_the_series)
    ordinary = any(map(_ORDINARY.search, (*image, *series)))
    return any(map(_says_so, image)) or any(
        _says_so(one, dual_energy=not ordinary and bool(_ONE_OF_THEM.search(one))) for one in series
    )


def _says_so(said: str, *, dual_energy: bool = True) -> bool:
    return any(
        (dual_energy or not _DUAL_ENERGY.match(found[0])) and not _NOT.search(said[: found.start()])
        for found in _MADE_OF_ANOTHER.finditer(said)
    )
