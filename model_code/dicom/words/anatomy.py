"""Whether Body Part Examined says chest, in the words and languages that archives have it in.

PS3.16, annex L, defines CHEST, LUNG, RIB and what they are part of (CHESTABDOMEN, NECKCHEST). What is filled in by hand
or by a device's protocol is other than that: CXR, PORTABLE CHEST, CHEST PA X-WISE, CHSTABDPELV, THORAXABD, UNKNOWN and
DEFAULT in MIDRC's archive, TORAX and PECHO in BIMCV's (read 2026-11), each country's own word elsewhere. Words of the
spine go before, since the thoracic one has the chest's name. What is not known here is another part of the body: it is
dropped from training with the reason, and the API says that the file says so.

Where Body Part Examined says nothing, Anatomic Region Sequence may (C.8.11.2), else how image and series are called.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from model_code.contract.population import UNSTATED

CHEST, OTHER = "chest", "other"

# Inside of other words too: PORTCHEST, THORAXPA, HEMITHORAX.
_STEMS = (
    *("CHEST(?!ER)", "CHST"),  # English, but not Manchester
    *("T(H)?ORAX", "T(H)?ORAKS", "TORACE", "ΘΩΡΑ[ΚΞ]"),  # Latin and what most languages made of it
    *("MEDIASTIN", "PULMON", "PULMAO", "PULMOES", "POUMON", "POLMON"),
    *("BRUSTKORB", "BORSTKAS", "BROSTKORG", "BRYSTKASSE", "RINTAKEHA", "HRUDNIK", "MELLKAS", "AKCIGER", "KEUHKO"),
    *("KRUTINES", "KRUSKURV", "RINDKERE", "GRUDNI KOS", "PRSNI KOS", "PLEURA", "PLAUCI", "MUSHKERI"),
    *("ЛЕГЕН", "ПЛУЋА", "ГРЪДЕН КОШ", "БЯЛ ДРОБ"),
    *("ГРУДН", "ЛЕГКИ", "胸", "肺", "흉부", "폐", "ทรวงอก", "ปอด"),
)
_WORDS = (
    *("CHES", "P?CXR", "LUNGS?", "RIBS?", "HEART", "THX"),
    *("PECHO", "PULMO", "PEITO", "PETTO", "POITRINE"),  # Spanish, Latin, Portuguese, Italian, French
    *("LUNGEN?", "LUNGER", "LUNGA", "LUNGOR", "LONGEN"),  # German, Danish, Norwegian, Swedish, Dutch
    *("KLATKA PIERSIOWA", "PLUCA", "PLICE", "GOGUS"),  # Polish, Slovak, Czech, Turkish
    *("NGUC", "PHOI", "DADA", "PARU", "ОГК", "OGK", "ОГП", "ГРУДЬ"),  # Vietnamese, Indonesian, Russian
    *("חזה", "ריאות", "صدر", "الصدر"),  # Hebrew, Arabic
)
_CHEST = re.compile(rf"{'|'.join(_STEMS)}|\b({'|'.join(_WORDS)})\b")
# Of the thoracic spine, and of the sternum, which bear the chest's name; Thai as `view_words.words` takes it apart.
_SPINE = re.compile(
    r"SPINE|SPINAL|VERTEBR|WIRBEL|\b(COLUMNA|COLUNA|COLONNA|COLONNE|RACHIS|RAQUIS|BWS|OMURGA\w*|KREGOSLUP)\b|ПОЗВОН"
    r"|脊|척추|椎|胸骨|胸[鎖锁]|GERINC|STUBUR|KICM|КИЧМ|ХРЕБ|ГРУДН\w* (ОТДЕЛ|ВІДДІЛ)|ΣΠΟΝΔΥΛ|ΜΟΙΡΑ"  # noqa: RUF001
    r"|\b[CD]OT SONG\b|TULANG BELAKANG|ส นหล ง|فقر|العمود"
)
_SAYS_NOTHING = frozenset({"UNKNOWN", "UNSPECIFIED", "UNDEFINED", "NOT STATED", "NONE", "NULL", "NAN", "NA", "N A"})
_SAYS_NOTHING |= {"DEFAULT", "PORTABLE", "ROUTINE", "STANDARD"}
# Defined terms of PS3.16, annex L, that radiographs of other parts have. A reason may repeat them, and nothing else
# that somebody wrote into a file.
TERMS = frozenset(
    {
        *("ABDOMEN", "ABDOMENPELVIS", "ANKLE", "ARM", "BREAST", "CLAVICLE", "COCCYX", "CSPINE", "ELBOW", "EXTREMITY"),
        *("FEMUR", "FINGER", "FOOT", "FOREARM", "HAND", "HEAD", "HIP", "HUMERUS", "JAW", "KNEE", "LEG", "LSPINE"),
        *("LSSPINE", "NECK", "PELVIS", "SCAPULA", "SHOULDER", "SKULL", "SPINE", "SSPINE", "STERNUM", "TLSPINE"),
        *("TSPINE", "WHOLEBODY", "WRIST"),
    }
)

# Of CID 4009 and CID 4031 (PS3.16), in SNOMED CT and in the SNOMED RT of older systems: chest, thorax and thoracic
# cavity, lung, rib, and chest with abdomen, with pelvis, with neck.
_CHEST_CODES = frozenset(
    {
        *("51185008", "T-D3000", "816094009", "43799004", "T-D3300", "39607008", "T-28000", "113197003", "T-11300"),
        *("416550000", "R-FAB55", "416775004", "R-FAB56", "417437006", "R-FAB52", "416152001", "R-FAB54"),
    }
)
# Terms that say the part as a word of a description: no way to hold a patient, and no part of a machine's name (C-ARM).
_DESCRIBED = TERMS - {"ARM", "HEAD", "NECK", "BREAST", "LEG", "HIP", "STERNUM", "SCAPULA", "WHOLEBODY"}
# The same parts by other words of descriptions, in the languages of radiology departments; not MAIN, MANO, PIE, PE or
# TOE, which are words of others, nor what chests are described with: hands up, the foot of the bed, a cervical collar.
_OTHER_WORDS = {
    "ABDOMEN": "KUB BAUCH BRZUCH BRICHO BUIK VATSA PERUT ЖИВОТ БРЮШНАЯ БРЮШНОЙ ΚΟΙΛΙΑ بطن בטן",
    "ANKLE": "TOBILLO CHEVILLE SPRUNGGELENK CAVIGLIA TORNOZELO ENKEL HLEZNO NILKKA ANKEL FOTLED ГОЛЕНОСТОП "
    "ГОЛЕНОСТОПНЫЙ ГОЛЕНОСТОПНОГО",
    "CLAVICLE": "CLAVICULA SCHLUESSELBEIN SCHLUSSELBEIN CLAVICOLA",
    "CSPINE": "HWS",
    "ELBOW": "CODO COUDE ELLENBOGEN GOMITO COTOVELO ELLEBOOG LOKIEC LOKET KONYOK KYYNARPAA DIRSEK ALBUE ARMBAGE "
    "ЛОКОТЬ ЛОКТЕВОЙ ЛОКТЕВОГО",
    "FEMUR": "OBERSCHENKEL",
    "FINGER": "THUMB DAUMEN DEDO DOIGT",
    "FOOT": "TOES CALCANEUS FUSS VORFUSS PIEDE VOET STOPA STOPY CHODIDLO LABFEJ JALKATERA AYAK СТОПА СТОПЫ",
    "FOREARM": "UNTERARM ANTEBRAZO",
    "HAND": "TANGAN KEZFEJ КИСТЬ КИСТИ",
    "HUMERUS": "HUMERO OBERARM",
    "KNEE": "PATELLA RODILLA GENOU KNIE GINOCCHIO JOELHO KOLANO KOLANA KOLENO KOLENA KOLJENO TERD POLVI DIZ "
    "GENUNCHI LUTUT KNE KNA КОЛЕНО КОЛЕННЫЙ КОЛЕННОГО КОЛІНО ΓΟΝΑΤΟ ركبة ברך",
    "LEG": "TIBIA FIBULA UNTERSCHENKEL",
    "LSPINE": "LWS LUMBAR LUMBALE LOMBAR LOMBAIRE LEDZWIOWY BEDERNI AGYEKI ПОЯСНИЧНЫЙ ПОЯСНИЧНОГО",
    "PELVIS": "BECKEN CADERA HUEFTE HUFTE HANCHE BACINO BACIA QUADRIL BEKKEN MIEDNICA MIEDNICY PANEV KYCEL BIODRO "
    "MEDENCE CSIPO LANTIO KALCA COXAL HOFTE HOFT ТАЗ ТАЗА ТАЗОБЕДРЕННЫЙ ΛΕΚΑΝΗ",  # noqa: RUF001
    "SHOULDER": "HOMBRO EPAULE SCHULTER SPALLA OMBRO SCHOUDER RAMENO OLKAPAA OMUZ SKULDER BAHU ПЛЕЧО ПЛЕЧЕВОЙ "
    "ПЛЕЧЕВОГО ΩΜΟΣ",
    "SKULL": "CRANEO SCHAEDEL SCHADEL CRANIO SINUSES PARANASAL PARANASALES MANDIBLE CZASZKA CZASZKI LEBKA KOPONYA "
    "KALLO KAFA CRANIU SKALLE MANDIBULA OPG NNH ЧЕРЕП ЧЕРЕПА ΚΡΑΝΙΟ",  # noqa: RUF001
    "SPINE": "WIRBELSAEULE WIRBELSAULE RACHIS GANZWIRBELSAULE KREGOSLUP KREGOSLUPA SELKARANKA ПОЗВОНОЧНИК "
    "ПОЗВОНОЧНИКА ХРЕБЕТ",
    "WRIST": "MUNECA POIGNET HANDGELENK POLSO PUNHO POLS NADGARSTEK ZAPESTI CSUKLO RANNE ЛУЧЕЗАПЯСТНЫЙ ЛУЧЕЗАПЯСТНОГО",
}
# Letters that are not parted by blanks: found anywhere.
_OTHER_LETTERS = {
    "ABDOMEN": "腹部|복부",
    "ANKLE": "足関節|踝|발목",
    "CSPINE": "[頚頸颈]椎|경추",
    "ELBOW": "肘|팔꿈치",
    "FOOT": "足部|[左右両]足",
    "HAND": "手部|手指|[左右両双]手",
    "KNEE": "膝|무릎|슬관절",
    "LSPINE": "腰椎|요추",
    "PELVIS": "骨盤|骨盆|股関節|髋|골반|고관절",
    "SHOULDER": "肩|견관절",
    "SKULL": "頭部|头颅|颅骨|副鼻|두개|부비동",
    "TSPINE": "胸椎|흉추",
    "WRIST": "手関節|腕关节|손목",
}
_TERMS_BY_WORD = {one: one for one in _DESCRIBED}
_TERMS_BY_WORD |= {word: term for term, said in _OTHER_WORDS.items() for word in said.split()}
_TERM = re.compile(rf"\b({'|'.join(sorted(_TERMS_BY_WORD))})\b")
# Parts that a chest's examination may have beside it, or lie on.
_BESIDE_CHESTS = frozenset({"ABDOMEN", "ABDOMENPELVIS", "SPINE"})
# Views, sides and their numbers: what a description of one part may say besides.
_NO_PARTS = frozenset(
    {
        *("A", "P", "D", "AP", "PA", "DP", "LAT", "LATERAL", "OBL", "OBLIQUE", "AXIAL", "FRONTAL", "FACE", "PROFIL"),
        *("V", "VW", "VIEW", "VIEWS", "EBENE", "EBENEN", "R", "L", "RT", "LT", "RIGHT", "LEFT", "BOTH", "BILATERAL"),
        *("RECHTS", "LINKS", "DROIT", "DROITE", "GAUCHE", "DERECHA", "DERECHO", "IZQUIERDA", "IZQUIERDO"),
    }
)


class BodyPart(NamedTuple):
    """Body part by a file's own words.

    Attributes:
        kind: `chest`, `other` or `unstated`.
        term: the defined term of another part, or "".
    """

    kind: str
    term: str = ""


def names_chest(words: str) -> bool:
    """Whether words name the chest, or what is in it.

    Args:
        words: in capitals without accents, one space between them.
    """
    return bool(_CHEST.search(words)) and not _SPINE.search(words)


def read(words: str) -> BodyPart:
    """Body part by the words of Body Part Examined; `words` as above."""
    if not words or words in _SAYS_NOTHING:
        return BodyPart(UNSTATED)
    if names_chest(words):
        return BodyPart(CHEST)
    return BodyPart(OTHER, words if words in TERMS else "")


def of_region(codes: Iterable[str], meanings: Iterable[str]) -> BodyPart:
    """Body part by the codes and meanings of Anatomic Region Sequence; `meanings` as above."""
    if _CHEST_CODES & set(codes):
        return BodyPart(CHEST)
    named = [part for part in map(read, meanings) if part.kind != UNSTATED]
    return next((part for part in named if part.kind == CHEST), named[0] if named else BodyPart(UNSTATED))


def described(descriptions: Iterable[str]) -> BodyPart:
    """Body part by what images and series are called: another one where a word names it and nothing the chest.

    Args:
        descriptions: as above.
    """
    said = list(descriptions)
    if any(map(names_chest, said)):
        return BodyPart(CHEST)
    found = next(filter(None, map(_TERM.search, said)), None)
    if found:
        return BodyPart(OTHER, _TERMS_BY_WORD[found[1]])
    by_letters = (term for one in said for term, letters in _OTHER_LETTERS.items() if re.search(letters, one))
    term = next(by_letters, None)
    return BodyPart(OTHER, term) if term else BodyPart(UNSTATED)


def alone(descriptions: Iterable[str]) -> BodyPart | None:
    """The other part that a description names, and besides only views, sides and numbers; None where none does.

    Args:
        descriptions: as above.
    """
    for said in map(str.split, descriptions):
        terms = [_TERMS_BY_WORD[word] for word in said if word in _TERMS_BY_WORD]
        rest = {word for word in said if word not in _TERMS_BY_WORD and not word.isdigit()}
        if terms and rest <= _NO_PARTS and not _BESIDE_CHESTS & set(terms):
            return BodyPart(OTHER, terms[0])
    return None
