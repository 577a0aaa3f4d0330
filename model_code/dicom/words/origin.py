"""Whether words say that an image was made of others: bones or soft tissue taken out, a slice of tomosynthesis, a copy
of a screen, a heat map.

Dual-energy and temporal subtraction, and programs that suppress bones or make tubes easier to see, leave series beside
the radiograph's. So do programs that draw what they have found over a copy of it, some of them in grey.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_MADE_OF_ANOTHER = re.compile(
    r"(\b(BONES?|RIBS?) ?(SUPPRESS\w*|SUBTRACT\w*|ONLY|IMAGE|SELECTIVE)\b|\bSOFT ?TISSUE (IMAGE|ONLY|SELECTIVE)\b"
    r"|\b(DE|DES|ES|DUAL ?ENERGY) (SUBTRACT\w* )?(BONES?|SOFT|TISSUE)\b|\b(DUAL ?)?ENERGY SUBTRACT\w*"
    r"|\bTEMPORAL SUBTRACT\w*|\b(CLEAR ?READ|SOFT ?VIEW|X ?BONE)\b|\bSCREEN ?(SAVE|SHOT|CAPTURE)\w*"
    r"|\b(HEAT ?|SALIENCY |VENTILATION |PERFUSION )MAPS?|\b(CAD|AI) (RESULTS?|OVERLAYS?|OUTPUT|MARKS)\b"
    r"|\bDOSE (REPORT|SUMMARY|SHEET)\b|\bCOMPANION (VIEW|IMAGE)S?\b"
    r"|\b(TUBES?|LINES?|PTX|PNEUMOTHORAX) (VISUALI[SZ]\w*|ENHANCE\w*)|\b(TOMOSYNTHES[EI]S?|VOLUME ?RAD)\b"
    # German, French, Spanish, Portuguese, Italian.
    r"|\b(KNOCHEN|RIPPEN) ?(SUBTRAKTION|UNTERDRU\w+|BILD)\b|\bWEICHTEIL(BILD|DARSTELLUNG)\b"
    r"|\bSUPP?RESS?(ION|AO) (DES |DE )?(OSSEUSE|OS|COTES|OSEA|HUESOS?|COSTILLAS|OSSEA|OSSOS|COSTELAS)\b"
    r"|\bSOPPRESSIONE (OSSEA|DELLE OSSA)\b|\b(SOUSTRACTION|SUSTRACCION|SUBTRACAO|SOTTRAZIONE) \w* ?ENERG\w*"
    # Chinese and Japanese; not of the sternum, ribs or clavicle. `folded` makes another letter of one.
    r"|骨抑制|去骨|骨サ[フプ]レ|减影|減影|(?<![胸肋鎖锁])骨(组织|組織|部)?画?像|[软軟]部?(组织|組織)?画?像"
    r")(?! (OFF|NO|NONE)\b)"
)
# Of Image Type, each a value of its own beside DERIVED.
_DERIVED = "DERIVED"
_KINDS = frozenset({"BONE", "BONES", "SOFT TISSUE", "SUBTRACTION", "SUBTRACTED", "CAD", "COMPANION"})
_NOT = re.compile(r"\b(NO|NON|NOT|SIN|SEM|SANS|OHNE|WITHOUT|WO|W O) $")
# An examination by dual energy has the ordinary radiograph too, which its devices call the standard image.
_DUAL_ENERGY = re.compile(r"DE |DES |ES |DUAL|ENERGY")
_ONE_OF_THEM = re.compile(r"\b(BONES?|SOFT|TISSUE)\b")
_ORDINARY = re.compile(r"\bSTANDARD\b")
# So has one of tomosynthesis, before its slices.
_SLICES = re.compile(r"TOMO|VOLUME")
_BEFORE_SLICES = re.compile(r"\b(SCOUT|STANDARD|CONVENTIONAL|PLAIN)\b")


# Parts that each of the words above has, which are found faster: names of files are many.
_PARTS = re.compile(
    r"bone|rib|soft|suppr|supre|soppr|subtra|soustr|sustr|sottr|energ|clear ?read|screen|map|result|overlay|output"
    r"|marks|dose|compan|visuali|enhanc|tomosyn|volume ?rad|knochen|ripp|weich|骨|软|軟|减|減|tissue"
)


def may_be_said(name: str) -> bool:
    """Whether a name may say so, so that not each of many is looked at closely.

    Args:
        name: as it is written.
    """
    return _PARTS.search(name.casefold()) is not None


def made_of_another(
    of_the_image: Iterable[str], of_the_series: Iterable[str] = (), image_type: Iterable[str] = ()
) -> bool:
    """Whether one of an image's descriptions says that it was made of another.

    Args:
        of_the_image: what is said of this image, in capitals without accents, one space between words.
        of_the_series: what may be said of all that was taken with it, likewise: of dual energy it counts where it names
            what is left, and nothing names the ordinary radiograph.
        image_type: its values, likewise.
    """
    image, series, kinds = list(of_the_image), list(of_the_series), set(image_type)
    if _DERIVED in kinds and kinds & _KINDS:
        return True
    ordinary = any(map(_ORDINARY.search, (*image, *series)))
    return any(map(_says_so, image)) or any(
        _says_so(one, dual_energy=not ordinary and bool(_ONE_OF_THEM.search(one))) for one in series
    )


def _says_so(said: str, *, dual_energy: bool = True) -> bool:
    before = bool(_BEFORE_SLICES.search(said))
    return any(
        (dual_energy or not _DUAL_ENERGY.match(found[0]))
        and not (before and _SLICES.match(found[0]))
        and not _NOT.search(said[: found.start()])
        for found in _MADE_OF_ANOTHER.finditer(said)
    )
