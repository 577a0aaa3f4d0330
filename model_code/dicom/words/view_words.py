"""Words for views of the chest: those of View Position, and those that describe images, series and studies.

Words are compared whole: "LATERAL DECUBITUS" names how a patient lies in a frontal view, and "BILATERAL" what is in it.
A description counts only where it names one view and nothing speaks of another. "CHEST PA AND LATERAL" is what a study
of two images is called, on both of them; in MIMIC-CXR 22,043 images of View Position AP have it
(MIT-LCP/mimic-code#1513). "W034 TORAX LAT.", "LATERAL IZQ.", "BUCKY LAT" and "TORAX FRENTE Y PERFIL" are series of
BIMCV's (read 2026-11); the words of other languages are those that radiology departments have.
"""

from __future__ import annotations

import re

from model_code.dicom.words import anatomy

FRONTAL, LATERAL, OBLIQUE = "frontal", "lateral", "oblique"

# What is written for it, alone and joined to a side: LLAT, LT LAT, X-TABLE LAT, LATERO-LATERAL.
_LAT = (
    r"(L|R|LT|RT|LEFT|RIGHT|X|XT|XTABLE|CROSSTABLE)?"
    r"LAT(ERAL|ERALE|ERALES|ERALIS|ERALER|ERAAL|ERO|EROLATERAL|S|L|R|LT|RT)?"
)
# Words of every attribute, and those that mean other things too: in descriptions, these count beside the chest's name.
_LATERAL_WORDS = (
    rf"({_LAT}|(CHEST|THORAX|TORAX|CXR)LAT(ERAL)?|LAT(CHEST|THORAX|TORAX)|SEITL(ICH\w*)?|SEITENA(UFN|NS)\w+"
    r"|ZIJDELINGS\w*|OLDALIR\w+|BOCN\w|BOCZN\w+|БОК|БОКОВ\w+|ΠΛΑΓΙ\w+|NGHIENG|SIVUKUVA|SID[EO]BILDE?|SIDEBILLEDE?"
    r"|SID[EO](PROJE[KC]\w+|OPTAG\w+)|KULG(VAADE|ULES)\w*|SANSKAT\w+|ANESOR\w*|HLI[ÐD]AR\w+"
    r"|БІЧН\w+|БОЧН\w+|СТРАНИЧН\w+|ЛАТЕРАЛЬН\w+|جانبي|جانبية|جانبی|نیمرخ|צדדי|צידי|לטרלי)"
)
# Thai without the marks above its letters, which `folded` takes away.
_LATERAL_LETTERS = "側|侧|측면|측방|ดานขาง"
_OTHER_LATERAL_WORDS = (
    r"LL|L L|RL|PROFIL|PERFIL|PROFILO|PROFILN\w|DWARS|YAN|BOK|SIVU|SWIMMERS?|SANU|SAMPING|STRANSK\w+"
    r"|SONIN\w+|ПРОФИЛЬ?|ПРОФІЛЬ|צד"
)
# Where the beam comes from and goes to, as Japanese departments write it; `R-L` may be both sides.
_FROM_SIDE_TO_SIDE = re.compile(r"(?<![A-Z])(L ?(->|=>|→|⇒) ?R|R ?(->|=>|→|⇒) ?L)(?![A-Z])")
# PS3.3, C.8.7.1.1 and C.8.11.5 (LL, RL, and what is written for them); LLD and RLD are frontal, of a patient who lies.
_LATERAL_POSITION = re.compile(
    rf"\b({_LATERAL_WORDS}|{_OTHER_LATERAL_WORDS}|ML|LM|SAGITTAL|PROFILE)\b|{_LATERAL_LETTERS}"
)
# A horizontal beam across the table that the patient lies on: what it shows is lateral, unless a frontal view is named.
_CROSS_TABLE = r"X ?TABLE|CROSS ?TABLE|SHOOT ?THROUGH"
_CROSS_TABLE_POSITION = re.compile(rf"\b({_CROSS_TABLE})\b")
_OBLIQUE_WORDS = r"OBL(I[QC]\w*)?|SCHRA(E)?G\w*|КОСАЯ|КОСОЙ|ΛΟΞ\w+|مائل|مايل"
# People are called so too.
_OTHER_OBLIQUE_WORDS = r"UKOSN\w+|SIKM\w+|FERDE|SKRA|SNETT|CHECH"
_OBLIQUE_POSITION = re.compile(
    rf"\b(RLO|LLO|RAO|LAO|RPO|LPO|RAFO|LAFO|MLO|LMO|{_OBLIQUE_WORDS}|{_OTHER_OBLIQUE_WORDS})\b|斜|사위"
)
_DECUBITUS = re.compile(r"DECUB|\bLLD\b|\bRLD\b")
_FRONTAL = re.compile(
    r"\b(P ?A|A ?P|FRONTAL\w*|FRONT|POSTERO ?ANT\w*|ANTERO ?POST\w*|FACE|FRENTE|FRONTE|DORSO ?VENTRAL|VENTRO ?DORSAL"
    r"|THANG)\b|正"
)
_LATERAL = re.compile(rf"\b{_LATERAL_WORDS}\b|{_LATERAL_LETTERS}")
_LATERAL_OF_CHEST = re.compile(rf"\b({_OTHER_LATERAL_WORDS}|{_CROSS_TABLE})\b")
# Surgeons are called Rao: the standard's abbreviations count in View Position only.
_OBLIQUE = re.compile(rf"\b([RL]PO|{_OBLIQUE_WORDS})\b|斜|사위")
_OBLIQUE_OF_CHEST = re.compile(rf"\b({_OTHER_OBLIQUE_WORDS})\b")
# What names of files and folders say of a lateral view beside the words above: nothing else is called so. `vp` is the
# view in names of BIMCV's data sets (MIDS); elsewhere LL may be the left lung, or its lower lobe.
_LATERAL_NAMES = re.compile(r"\b(PERFIL|PROFIL|PROFILO|VP LL|VP RL)\b")
_NOT_A_VIEW = re.compile(
    r"\b(BI|UNI|CONTRA|IPSI|POSTERO|ANTERO|MEDIO|INFERO|SUPERO|NO|NON|NOT|SIN|SEM|SANS|OHNE|WITHOUT|WO|W O) LAT"
)
_DEC = re.compile(r"\bDEC\b")
# `PA and lateral` speaks of two by naming both; `chest and lateral`, `chest with lateral` and `2 views` do without.
_AND = r"(AND|Y|E|I|O|ET|UND|VE|OG|OCH|OR|OU|ODER|PLUS)"
_WITH = r"(W|WITH|CON|COM|AVEC|MIT|EN|INCL\w*)"
_SEVERAL = re.compile(
    rf"\b({_AND}|{_WITH}) ((L|R|LT|RT|LEFT|RIGHT) )?{_LATERAL_WORDS}\b|\b{_LATERAL_WORDS} {_AND}\b"
    r"|\b(VIEWS|VUES|EBENEN|PROJECTIONS|PROYECCIONES|PROIEZIONI|INCIDENCIAS|INCIDENCES|PROJEKTIONEN|FILMS)\b"
    r"|\b[2-9] ?(V|VW|VWS|VIEW|P|PR|PROJ\w*|INC\w*|F)\b|[+&]"
)
_BETWEEN_WORDS = re.compile(r"[^\w+&]+|_")
# Parts that every word above of a lateral or oblique description has, which are found faster than the words.
_PARTS = re.compile(
    r"lat|seit|bo[cč]|бок|боч|πλ|nghi|sivuk|sid[eo][bop]|zijdel|oldal|側|侧|측|ob[il]|schr|斜|사위|perf|prof|k[uü]lg"
    r"|s[aā]nsk|an[eë]sor|hli[ðd]ar|бічн|стран|латер|جانب|نیمرخ|צדדי|צידי|לטרלי|ด[\u0e49]?าน|кос|λοξ|مائل|lpo|rpo"
    # Each alternative begins with a letter, and the name is in lower case, so that most of its places are passed over.
    r"|ll(?![^\W_])(?<![^\W_]ll)|rl(?![^\W_])(?<![^\W_]rl)"
)


def of_position(said: str) -> str | None:
    """The view that a View Position, or a code's meaning, names: `frontal`, `lateral`, `oblique` or None.

    Args:
        said: in capitals without accents.
    """
    named = words(said)
    if _OBLIQUE_POSITION.search(named):
        return OBLIQUE
    if _DECUBITUS.search(named):
        return FRONTAL
    if _LATERAL_POSITION.search(named) or _FROM_SIDE_TO_SIDE.search(said):
        return LATERAL
    if _FRONTAL.search(named):
        return FRONTAL
    return LATERAL if _CROSS_TABLE_POSITION.search(named) else None


def may_be_said(name: str) -> bool:
    """Whether a name may say a lateral or oblique view by itself, so that not each of many is looked at closely.

    Args:
        name: as it is written.
    """
    return _PARTS.search(name.casefold()) is not None


def of_name(said: str) -> str | None:
    """The one view that the name of a file or a folder names, or None where it names none or several.

    Args:
        said: in capitals without accents.
    """
    if _LATERAL_NAMES.search(said) and not _FRONTAL.search(said):
        return LATERAL
    return of_description(said, chest=False)


def of_description(said: str, *, chest: bool) -> str | None:
    """The one view that a description names, or None where it names none or several.

    Args:
        said: in capitals without accents.
        chest: whether this description or another one names the chest.
    """
    named = words(said)
    if _DECUBITUS.search(named) or _DEC.search(named):
        return FRONTAL
    oblique = bool(_OBLIQUE.search(named) or (chest and _OBLIQUE_OF_CHEST.search(named)))
    lateral = bool(_LATERAL.search(named) or (chest and _LATERAL_OF_CHEST.search(named)))
    lateral = lateral or _FROM_SIDE_TO_SIDE.search(said) is not None
    frontal = bool(_FRONTAL.search(named))
    if not lateral and not oblique:
        return FRONTAL if frontal else None
    if frontal or _NOT_A_VIEW.search(named) or _SEVERAL.search(named):
        return None
    return OBLIQUE if oblique else LATERAL


def names_chest(said: str) -> bool:
    """Whether a description names the chest; `said` as above."""
    return anatomy.names_chest(words(said))


def words(said: str) -> str:
    """The words of a text with one space between them; `+` and `&` stay, which join two views."""
    return " ".join(_BETWEEN_WORDS.sub(" ", said).split())
