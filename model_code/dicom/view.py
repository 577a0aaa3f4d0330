"""Whether a radiograph says that it is no frontal view: its own attributes, else how image, series or study are called.

View Position, View Code Sequence and Patient Orientation are about the image; some systems fill in one of the three,
some another (MIT-LCP/mimic-cxr#15). Where none of them says which view it is, descriptions do (`words.view_words`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model_code.dicom.attributes import items, phrases, text, texts
from model_code.dicom.words import view_words
from model_code.dicom.words.view_words import FRONTAL, LATERAL, OBLIQUE

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_OPPOSITES = ({"A", "P"}, {"L", "R"}, {"H", "F"})
# What describes an image, then its series, then all that was taken with it: the first that names one view counts.
PROTOCOL = "ProtocolName"
OF_THE_SERIES = ("AcquisitionDeviceProcessingDescription", "SeriesDescription", PROTOCOL)
DESCRIPTIONS = (
    *OF_THE_SERIES,
    *("PerformedProcedureStepDescription", "RequestedProcedureDescription", "StudyDescription"),
)
# Sequences that describe it too, and what of their items does: the image's protocol, then what was asked for.
_SEQUENCES = {
    "PerformedProtocolCodeSequence": ("CodeMeaning",),
    "RequestAttributesSequence": ("ScheduledProcedureStepDescription", "RequestedProcedureDescription"),
    "ProcedureCodeSequence": ("CodeMeaning",),
}
DESCRIBING = (*DESCRIPTIONS, *_SEQUENCES)
"""Attributes by which a view may be described."""
# CID 4010 DX View: SNOMED CT, and the SNOMED RT that older systems write for the same, some of it corrected since
# (PS3.16, notes to that group). CID 501 has projections beside views.
_LATERAL_CODES = frozenset(
    {
        *("399067008", "R-102CD"),  # lateral
        *("399173006", "R-10236"),  # left lateral
        *("399198007", "R-10232"),  # right lateral
        *("399260004", "R-10224"),  # medial-lateral
        *("399352003", "R-10228"),  # lateral-medial
        *("30730003", "G-A145", "R-10222"),  # sagittal
        *("399118008", "G-5223", "399297009", "G-5222"),  # left and right lateral projection
        *("399012007", "G-5220", "399300004", "G-5221"),  # medial-lateral and lateral-medial projection
        *("49370004", "G-A104"),  # the qualifier "lateral", which some write
    }
)
_OBLIQUE_CODES = frozenset(
    {
        *("399182000", "R-102C1"),  # oblique
        *("399184004", "R-10238", "399236003", "R-10234"),  # left, right
        *("399135007", "R-10220", "399356000", "R-40985", "R-10218"),  # left anterior, right anterior
        *("399006002", "R-10212", "399038007", "R-10210"),  # left posterior, right posterior
        *("399312000", "R-10208", "399059000", "R-10216"),  # antero-posterior, postero-anterior
        *("260427002", "R-40783", "260426006", "R-40782"),  # lateral, medial
        *("399099002", "R-10230", "399368009", "R-10226"),  # latero-medial, medio-lateral
        *("399160007", "R-10204", "399004004", "R-10246"),  # frontal, axial
        *("399132005", "R-10252", "399325008", "R-10254"),  # frontal axial, sagittal axial
        *("399225005", "R-10250", "399288005", "R-10248"),  # caudo-cranial, cranio-caudal
        *("21114003", "G-A472", "399268006", "G-5224", "399159002", "G-5225"),  # oblique projections of CID 501
        *("399074003", "G-5207", "399108003", "G-5206", "399136008", "G-5209", "399075002", "G-5208"),
        *("399089007", "G-5210", "399273000", "G-5212"),
    }
)


# Of the same: frontal, antero-posterior and postero-anterior.
_FRONTAL_CODES = frozenset({"399033003", "399348003", "272479007", "R-10202", "R-10206", "R-40888", "R-10214"})


def other_than_frontal(dataset: Dataset) -> str | None:
    """`lateral` or `oblique` where the file says so anywhere, else None."""
    stated = [*phrases(dataset, "ViewPosition")]
    codes: set[str] = set()
    for view in items(dataset, "ViewCodeSequence"):
        stated += [*phrases(view, "CodeMeaning"), *phrases(view, "CodeValue")]
        codes |= {text(view, "CodeValue"), text(view, "LongCodeValue")}
    views = {view_words.of_position(one) for one in stated}
    # "Lateral oblique" is oblique.
    if codes & _OBLIQUE_CODES or OBLIQUE in views:
        return OBLIQUE
    if codes & _LATERAL_CODES or LATERAL in views:
        return LATERAL
    # Rows or columns run to the front or back of the patient (C.7.6.1.1.1); the first letter is the main direction.
    if {"A", "P"} & {one[0] for one in orientation(dataset)}:
        return LATERAL
    return None if codes & _FRONTAL_CODES or FRONTAL in views else _described(dataset)


def _described(dataset: Dataset) -> str | None:
    # Devices' lists of body parts have CHEST LAT among them.
    said = [one for name in (DESCRIPTIONS[0], "BodyPartExamined", *DESCRIPTIONS[1:]) for one in phrases(dataset, name)]
    said += [
        one
        for sequence, names in _SEQUENCES.items()
        for item in items(dataset, sequence)
        for name in names
        for one in phrases(item, name)
    ]
    chest = any(map(view_words.names_chest, said))
    views = (view_words.of_description(one, chest=chest) for one in said)
    view = next(filter(None, views), FRONTAL)
    return None if view == FRONTAL else view


def orientation(dataset: Dataset) -> list[str]:
    """Patient Orientation: where rows and columns run to, such as `["L", "F"]`; empty when not stated (C.7.6.1.1.1).

    `PA` and `P\\A` are views that somebody wrote into it: nothing runs to the back and to the front at once.
    """
    stated = texts(dataset, "PatientOrientation")
    directions = [one[0] for one in stated] if len(stated) > 1 else list(stated[0][:2]) if stated else []
    return [] if set(directions) in _OPPOSITES else stated
