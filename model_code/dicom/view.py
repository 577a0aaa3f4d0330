"""Whether a radiograph says that it is no frontal view: View Position, View Code Sequence, Patient Orientation.

Some systems fill in one of the three, some another (MIT-LCP/mimic-cxr#15). Words are compared whole, because "LATERAL
DECUBITUS" names how a patient lies in a frontal view, and "BILATERAL" what is in it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from model_code.dicom.attributes import items, text, texts

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

# PS3.3, C.8.7.1.1 and C.8.11.5 (LL, RL, and what is written for them); LLD and RLD are frontal, of a patient who lies.
_LATERAL = re.compile(
    r"\b(LL|RL|(L|R|LT|RT|LEFT|RIGHT|X|XT|XTABLE|CROSSTABLE)?LAT(ERAL|ERALE|ERALIS|ERO|EROLATERAL|S|L|R)?"
    r"|SAGITTAL|PROFILE?|PERFIL|SEITLICH)\b"
)
_DECUBITUS = re.compile(r"DECUB|\bLLD\b|\bRLD\b")
_OBLIQUE = re.compile(r"\b(RLO|LLO|RAO|LAO|RPO|LPO|RAFO|LAFO|OBL|OBLIQUE|OBLIQUES)\b")
_BETWEEN_WORDS = re.compile(r"[^A-Z0-9]+")
# CID 4010 DX View: SNOMED CT, and the SNOMED RT that older systems write for the same (PS3.16).
_LATERAL_CODES = frozenset(
    {
        *("399067008", "R-102CD"),  # lateral
        *("399173006", "R-10236"),  # left lateral
        *("399198007", "R-10232"),  # right lateral
        *("399260004", "R-10224"),  # medial-lateral
        *("399352003", "R-10228"),  # lateral-medial
        *("30730003", "G-A145"),  # sagittal
        *("49370004", "G-A104"),  # the qualifier "lateral", which some write
    }
)
_OBLIQUE_CODES = frozenset(
    {
        *("399182000", "R-102C1"),  # oblique
        *("399184004", "R-10238", "399236003", "R-10234"),  # left, right
        *("399135007", "R-10220", "399356000", "R-40985"),  # left anterior, right anterior
        *("399006002", "R-10212", "399038007", "R-10210"),  # left posterior, right posterior
        *("399312000", "R-10208", "399059000", "R-10216"),  # antero-posterior, postero-anterior
        *("260427002", "R-40783", "260426006", "R-40782"),  # lateral, medial
        *("399099002", "R-10230", "399368009", "R-10226"),  # latero-medial, medio-lateral
        *("399160007", "R-10204", "399004004", "R-10246"),  # frontal, axial
        *("399132005", "R-10252", "399325008", "R-10254"),  # frontal axial, sagittal axial
        *("399225005", "R-10250", "399288005", "R-10248"),  # caudo-cranial, cranio-caudal
    }
)


def other_than_frontal(dataset: Dataset) -> str | None:
    """`lateral` or `oblique` where the file says so anywhere, else None."""
    stated = [*texts(dataset, "ViewPosition")]
    codes: set[str] = set()
    for view in items(dataset, "ViewCodeSequence"):
        stated += texts(view, "CodeMeaning")
        codes |= {text(view, "CodeValue"), text(view, "LongCodeValue")}
    named = [_BETWEEN_WORDS.sub(" ", one).strip() for one in stated]
    # "Lateral oblique" is oblique.
    if codes & _OBLIQUE_CODES or any(map(_OBLIQUE.search, named)):
        return "oblique"
    if codes & _LATERAL_CODES or any(_LATERAL.search(one) and not _DECUBITUS.search(one) for one in named):
        return "lateral"
    # Rows or columns run to the front or back of the patient (C.7.6.1.1.1); the first letter is the main direction.
    return "lateral" if {"A", "P"} & {one[0] for one in orientation(dataset)} else None


def orientation(dataset: Dataset) -> list[str]:
    """Patient Orientation: where rows and columns run to, such as `["L", "F"]`; empty when not stated (C.7.6.1.1.1)."""
    return texts(dataset, "PatientOrientation")
