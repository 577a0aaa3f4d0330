"""Patients by the names that published data sets give their files."""

from __future__ import annotations

import re

_PERSON = re.compile(r"^person(\d+)_(virus|bacteria)_\d+", re.IGNORECASE)
_NORMAL = re.compile(r"^(?:NORMAL(\d+)-)?IM-(\d+)-\d+", re.IGNORECASE)
# Of NIH ChestX-ray14: patient, of 30,805, and follow-up.
_NIH = re.compile(r"^(000[0-3]\d{4})_\d{3}\.")
# Of Indiana University's collection, by its report: as Open-i names them, and Kaggle. Not `3_IM-0115-0001.jpeg`:
# so people number Guangzhou's files.
_INDIANA = re.compile(r"^(?:CXR|(?=.*\.dcm\b))(\d{1,4})_(?:\d_)?IM-\d{4}(?!\d)", re.IGNORECASE)


def patient_of(name: str, *, fallback: str) -> tuple[str, str]:
    """The patient and the subtype that a file name of a published data set tells.

    `person12_virus_30.jpeg` is patient P12. Virus and bacteria are numbered separately in that data set, and whether
    person12_virus and person12_bacteria are one child is not published; one key for both cannot leak. `IM-0003-0001`
    is N1_0003, `NORMAL2-IM-0003-0001` is N2_0003: two series with numbers of their own. `00000013_005.png`, of NIH
    ChestX-ray14, is the sixth radiograph of patient 13, whom people put into folders of classes without its table.
    `CXR1_1_IM-0001-4001.png` and `1_IM-0001-4001.dcm.png` are the patient of Indiana University's first report.

    Args:
        name: the file's name without folders.
        fallback: the key of a file with any other name, which then is a patient of its own.

    Returns:
        The patient key, and bacteria, virus or "".
    """
    if nih := _NIH.match(name):
        return f"NIH{nih[1]}", ""
    if indiana := _INDIANA.match(name):
        return f"I{int(indiana[1])}", ""
    if person := _PERSON.match(name):
        return f"P{int(person[1])}", person[2].lower()
    if normal := _NORMAL.match(name):
        return f"N{int(normal[1] or 1)}_{normal[2]}", ""
    return fallback, ""
