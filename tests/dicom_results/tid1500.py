"""TID 1500 and the templates below it (PS3.16, annex A), as far as a report of one whole image uses them.

dciodvfy and dsrdump know the value types and relationships of an SR, not its templates: both accept a measurement
report without a measurement. Reads with pydicom alone, so that highdicom does not judge its own work.
"""

from __future__ import annotations

from pydicom.dataset import Dataset

# Concept (value, scheme), value type, relationship to what is above it, least and largest number.
Row = tuple[tuple[str, str], str, str, int, int | None]
ROOT: list[Row] = [
    (("121049", "DCM"), "CODE", "HAS CONCEPT MOD", 1, 1),  # TID 1204: language
    (("121005", "DCM"), "CODE", "HAS OBS CONTEXT", 1, 1),  # TID 1002: observer type
    (("121012", "DCM"), "UIDREF", "HAS OBS CONTEXT", 1, 1),  # TID 1004: device observer UID
    (("121058", "DCM"), "CODE", "HAS CONCEPT MOD", 1, None),  # TID 1500: procedure reported
    (("126010", "DCM"), "CONTAINER", "CONTAINS", 1, 1),  # TID 1500: imaging measurements
]
GROUP: list[Row] = [
    (("112039", "DCM"), "TEXT", "HAS OBS CONTEXT", 1, 1),  # TID 1501: tracking identifier
    (("112040", "DCM"), "UIDREF", "HAS OBS CONTEXT", 1, 1),  # TID 1501: tracking unique identifier
    (("121071", "DCM"), "CODE", "CONTAINS", 1, 1),  # TID 1501: finding
    (("111001", "DCM"), "TEXT", "HAS CONCEPT MOD", 1, 1),  # TID 4019: algorithm name
    (("111003", "DCM"), "TEXT", "HAS CONCEPT MOD", 1, 1),  # TID 4019: algorithm version
    (("111002", "DCM"), "TEXT", "HAS CONCEPT MOD", 0, None),  # TID 4019: algorithm parameters
    (("121112", "DCM"), "IMAGE", "CONTAINS", 1, 1),  # TID 1501: source of measurement
    (("122157", "DCM"), "NUM", "CONTAINS", 1, 1),  # TID 300: probability
    (("233604007", "SCT"), "CODE", "CONTAINS", 1, 1),  # TID 1501: qualitative evaluation
    (("121106", "DCM"), "TEXT", "CONTAINS", 1, 1),  # of this product: the research notice
]


def faults(report: Dataset) -> list[str]:
    """Breaches of the templates by a report, in words; empty where it keeps them."""
    found = []
    if _concept(report) != ("126000", "DCM"):
        found.append("the title is not Imaging Measurement Report")
    template = report.get("ContentTemplateSequence") or [Dataset()]
    if (template[0].get("MappingResource"), template[0].get("TemplateIdentifier")) != ("DCMR", "1500"):
        found.append("the root does not name TID 1500")
    found += _rows(report, ROOT, "root")
    groups = [one for one in _children(report, ("126010", "DCM")) for one in one.get("ContentSequence", [])]
    if not groups:
        found.append("there is no measurement group")
    for group in groups:
        if _concept(group) != ("125007", "DCM"):
            found.append("a measurement group has another name")
        found += _rows(group, GROUP, "group")
        found += [fault for image in _children(group, ("121112", "DCM")) for fault in _evidence(report, image)]
        for number in _children(group, ("122157", "DCM")):
            measured = (number.get("MeasuredValueSequence") or [Dataset()])[0]
            unit = (measured.get("MeasurementUnitsCodeSequence") or [Dataset()])[0]
            if (unit.get("CodeValue"), unit.get("CodingSchemeDesignator")) != ("1", "UCUM"):
                found.append("the probability has a unit")
    return found


def _evidence(report: Dataset, image: Dataset) -> list[str]:
    """An image of the content is in the evidence of the document (PS3.3, C.17.2)."""
    referenced = image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    held = [
        instance.ReferencedSOPInstanceUID
        for study in report.get("CurrentRequestedProcedureEvidenceSequence", [])
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
        if study.StudyInstanceUID == report.StudyInstanceUID
    ]
    return [] if referenced in held else ["the source image is no evidence of the same study"]


def _rows(item: Dataset, rows: list[Row], where: str) -> list[str]:
    found = []
    for concept, value_type, relationship, least, most in rows:
        items = _children(item, concept)
        if not least <= len(items) <= (len(items) if most is None else most):
            found.append(f"{where}: {len(items)} of {concept[0]}")
        if any((one.ValueType, one.RelationshipType) != (value_type, relationship) for one in items):
            found.append(f"{where}: {concept[0]} is no {value_type} that its parent {relationship}")
    known = {concept for concept, *_ in rows} | {("121013", "DCM"), ("121014", "DCM"), ("121015", "DCM")}
    return found + [f"{where}: {one} is in no row" for one in map(_concept, _items(item)) if one not in known]


def _items(item: Dataset) -> list[Dataset]:
    return list(item.get("ContentSequence", []))


def _children(item: Dataset, concept: tuple[str, str]) -> list[Dataset]:
    return [one for one in _items(item) if _concept(one) == concept]


def _concept(item: Dataset) -> tuple[str, str]:
    named = (item.get("ConceptNameCodeSequence") or [Dataset()])[0]
    return str(named.get("CodeValue", "")), str(named.get("CodingSchemeDesignator", ""))
