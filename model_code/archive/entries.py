"""Kind of an archive's entry, by its name: radiograph of a class, table, mask, operating-system metadata file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from model_code.archive import layout_words as spoken
from model_code.archive import split_folders
from model_code.archive.split_folders import PerhapsSplit
from model_code.contract.labels import PNEUMONIA
from model_code.dicom.words import origin, view_words

IMAGE_SUFFIXES = frozenset({".jpeg", ".jpg", ".jpe", ".jfif", ".png"})
DICOM_SUFFIXES = frozenset({".dcm", ".dicom", ".dic", ".ima"})
RSNA_TABLE = "stage_2_train_labels.csv"
"""Of RSNA's pneumonia challenge (2018), whose archive is taken as it is."""
RSNA_IMAGES = "stage_2_train_images"
"""The folder beside it that its rows are about."""
TABLES = ("labels.csv", RSNA_TABLE)
"""Names, in any case, of a table of labels; the first that an archive has counts."""
# The index of a medium (PS3.10, 8.6): DICOM, and no image.
_DICOM_INDEX = "dicomdir"
PICTURE_SUFFIXES = frozenset(
    {
        *(".gif", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".heic", ".heif", ".avif", ".pgm", ".pnm", ".ppm", ".pbm"),
        *(".jp2", ".j2k", ".j2c", ".jpc", ".jpx", ".jph", ".jls", ".jxl", ".jxr", ".tga", ".psd"),
    }
)
"""Of pictures that nothing here decodes; they are counted, and said to be left out."""
TABLE_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".xls", ".xlsx", ".ods")
"""Of tables, of which one under another name than `TABLES` is pointed out where labels are missing."""
# What is never DICOM, though it is no image either: papers, tables, programs, volumes and other archives.
_OTHER_SUFFIXES = frozenset(
    {
        *(".txt", ".md", ".rst", ".rtf", ".pdf", ".doc", ".docx", ".odt", ".html", ".htm", ".log", ".bib"),
        *TABLE_SUFFIXES,
        *(".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml", ".parquet"),
        *(".py", ".ipynb", ".r", ".m", ".sh", ".bat", ".ini", ".cfg", ".js", ".css", ".exe"),
        # Of the viewer on a patient's CD.
        *(".dll", ".inf", ".msi", ".ico", ".chm", ".jar", ".lnk", ".url"),
        *PICTURE_SUFFIXES,
        *(".svg", ".mp4", ".avi"),
        *(".nii", ".nrrd", ".mha", ".mhd", ".npy", ".npz", ".h5", ".hdf5", ".mat", ".pkl", ".pt"),
        *(".zip", ".tar", ".tgz", ".gz", ".7z", ".rar", ".xz", ".bz2", ".md5", ".sha1", ".sha256"),
    }
)
# In a viewer's folder; in others they may end the names of DICOM files as well.
_OF_PROGRAMS = frozenset(
    {
        *(".dat", ".db", ".bin", ".cab", ".pak", ".so", ".dylib", ".class", ".ocx", ".sys", ".com", ".scr", ".tlb"),
        *(".lng", ".lang", ".hlp", ".cur", ".ttf", ".otf", ".wav", ".mp3", ".swf", ".xsl", ".xslt", ".reg", ".ver"),
        *(".config", ".conf", ".properties", ".manifest", ".policy", ".security", ".lic", ".key", ".sqlite"),
    }
)
_OTHER_FILES = frozenset({"license", "licence", "readme", "notice", "copying", "authors", "citation", "changelog"})
_OTHER_FILES |= {"version", "manifest", "checksums", "md5sums", "sha256sums", "records", "makefile"}


# Folders of one patient's images: `Patient_017`, `patient00001` (CheXpert), `sub-S03044` (BIDS, "Entities"). Not `pt1`,
# which may be a part of the archive, nor `case 1`, of which each class and split has one.
_PATIENT = re.compile(
    r"(?:patient(?:in|en)?|pat|subject|subj|paciente|paziente|pacjent|pacient|pasient|pasien|potilas"
    r"|пациент|患者|病人|환자)[ _.#-]*\d+|sub-(?=[a-z]*\d)[a-z0-9]+",
    re.IGNORECASE,
)
_PATIENT_OF_FILE = re.compile(rf"({_PATIENT.pattern})(?=[ _(-]+[a-z0-9])", re.IGNORECASE)
# MIMIC-CXR's patient and study; either alone may be a year, a site or a part.
_MIMIC = re.compile(r"(?:^|/)(p1\d{7})/s5\d{7}(?=/|$)")
_YEAR = re.compile(r"(19|20)\d\d")


class Kind(StrEnum):
    """Kinds of entries; METADATA is a file that an operating system left, OTHER_VIEW a picture whose name says
    that it is no frontal view.

    What is DICOM says itself which view it is.
    """

    FOLDER = "folder"
    RADIOGRAPH = "radiograph"
    PERHAPS_DICOM = "perhaps_dicom"
    TABLE = "table"
    METADATA = "metadata"
    MASK = "mask"
    OTHER_VIEW = "other_view"
    UNLABELLED = "unlabelled"
    NOT_AN_IMAGE = "not_an_image"


@dataclass(frozen=True)
class Entry:
    """One entry: its kind and, of a radiograph, the class and split that its folders name.

    Attributes:
        kind: radiograph, mask, ...
        file: its name without folders.
        label: NORMAL or PNEUMONIA of what is or may be a radiograph, else "".
        split: train, validation or test where a folder says so, else None.
        subtype: bacteria or virus where a folder says so, else "".
        depth: number of folders above it.
    """

    kind: Kind
    file: str
    label: str
    split: str | None
    subtype: str
    depth: int


@dataclass(frozen=True)
class Folders:
    """Class, split and subtype that the folders above an entry name.

    Attributes:
        viewer: whether one in a class's is that of a program, as on a patient's CD.
        labels: path and class of each folder that names one, the nearest first; none where the nearest is unclear.
        half_labels: paths of folders with a class's name among words that may change its meaning.
        set_aside: path of a folder in or around a class's that says its images are not of it, or not to be used, or "";
            then no folder names a class.
        split: train, validation or test where a folder certainly names it, and the folder which that one is in.
        perhaps_splits: folders which may be meant as one, where none does.
        other_modality: path of a folder that names another kind of image than radiographs, or "".
        other_view: whether the nearest folder that names a view names a lateral or oblique one.
        shown: name of the nearest folder that says something, for messages.
    """

    depth: int
    metadata: bool = False
    mask: bool = False
    viewer: bool = False
    labels: tuple[tuple[str, str], ...] = ()
    half_labels: tuple[str, ...] = ()
    set_aside: str = ""
    subtype: str = ""
    split: tuple[str, str] | None = None
    perhaps_splits: tuple[PerhapsSplit, ...] = ()
    other_modality: str = ""
    other_view: bool = False
    shown: str = ""


def look(name: str, *, dicom: bool | None = None) -> Entry:
    """Classify an entry by its name, which ends with a separator where it is a folder; see `look_closely`."""
    return look_closely(name, dicom=dicom)[0]


def parts(name: str) -> tuple[str, ...]:
    """Folders and file of a path with separators of either kind, without empty components and `.`."""
    return tuple(part for part in name.replace("\\", "/").split("/") if part not in {"", "."})


def shown(name: str, limit: int = 200) -> str:
    """An entry's name as it may be printed: control characters escaped, at most `limit` characters."""
    printable = repr(name)[1:-1]
    return printable if len(printable) <= limit else printable[: limit - 1] + "…"


def patient_named(name: str) -> str:
    """Patient by number whom an entry's own name begins with, or the nearest folder is called after, or "".

    `patient00001_study1_view1_frontal.jpg` is CheXpert's path with other separators, `sub-S1_ses-E1_cr.png` BIDS'.
    """
    *folders, file = parts(name)
    own = _PATIENT_OF_FILE.match(file.rpartition(".")[0]) or _MIMIC.search("/".join(folders))
    return own[1] if own else next((part for part in reversed(folders) if _PATIENT.fullmatch(part)), "")


def is_table(name: str) -> bool:
    """Whether an entry is a table by its suffix."""
    return name.lower().rstrip().endswith(TABLE_SUFFIXES)


def suffix(name: str) -> str:
    """Suffix of a name from its last dot, in lower case, without blanks that somebody's program left behind it."""
    _, dot, end = name.rpartition(".")
    return dot + end.lower().rstrip()


def may_be_dicom(name: str) -> bool:
    """Whether a file may be DICOM, as far as its name says: it ends neither as an image nor as anything well known.

    Names of instances end in a number of their UID, in whatever an export calls them, or have no dot at all.
    """
    file = parts(name)[-1:]
    return suffix(name) not in IMAGE_SUFFIXES | _OTHER_SUFFIXES and not _OTHER_FILES & {one.lower() for one in file}


def by_number(name: str, number: int) -> str:
    """Name of an entry where its own may say of whom it is: `entry-17.dcm`.

    Args:
        name: of the entry, of which a well-known suffix stays. Another may be part of somebody's name.
        number: of it in the archive's directory, from 1.
    """
    end = suffix(name)
    return f"entry-{number}{end if end in IMAGE_SUFFIXES | DICOM_SUFFIXES | _OTHER_SUFFIXES else ''}"


def look_closely(name: str, *, dicom: bool | None = None) -> tuple[Entry, Folders]:
    """Classify an entry, and read what the folders above it name.

    Args:
        name: name of the entry.
        dicom: whether its content is DICOM; None where nobody has looked.
    """
    parent, _, file = name.replace("\\", "/").rpartition("/")
    folders = _folders(parent)
    kind = _kind(file, folders, dicom=dicom)
    radiograph = kind in {Kind.RADIOGRAPH, Kind.PERHAPS_DICOM}
    label = folders.labels[0][1] if radiograph and folders.labels else ""
    subtype = folders.subtype if label == PNEUMONIA else ""
    split = folders.split[0] if folders.split else None
    return Entry(kind, file, label, split, subtype, folders.depth), folders


def _kind(file: str, folders: Folders, *, dicom: bool | None) -> Kind:
    lowered = file.lower()
    if not file:
        return Kind.FOLDER
    if folders.metadata or lowered.startswith((".", "~$")) or lowered in spoken.METADATA_FILES:
        return Kind.METADATA
    if lowered in TABLES:
        return Kind.TABLE
    picture = _is_picture(lowered, dicom)
    # What has any other suffix there, or none, may be an image: `1.img`, `IM0001`.
    if picture is False or (picture is None and folders.viewer and suffix(lowered) in _OF_PROGRAMS):
        return Kind.NOT_AN_IMAGE
    shows = _shown_by_name(
        file.rpartition(".")[0], folders, may_be_dicom=bool(dicom) or suffix(lowered) not in IMAGE_SUFFIXES
    )
    named = Kind.RADIOGRAPH if folders.labels else Kind.UNLABELLED
    return shows or (named if picture else Kind.PERHAPS_DICOM)


def _shown_by_name(stem: str, folders: Folders, *, may_be_dicom: bool) -> Kind | None:
    """Kind of a picture whose name says that it is no frontal radiograph; None of others.

    Args:
        stem: of the name as written: lower case would hide where a word begins.
        folders: above it.
        may_be_dicom: whether the file may say itself which view it is.
    """
    # A table says itself which it means.
    augmented = spoken.AUGMENTED_WORDS if folders.labels and not folders.split else frozenset()
    copies = spoken.COPY_WORDS | augmented
    masked = (
        spoken.as_written(stem) & spoken.MASK_WORDS
        or (folders.labels and _is_made_of_another(stem))
        or spoken.last_word(stem) in copies
        or (folders.viewer and not may_be_dicom)
    )
    if folders.mask or masked or stem.lower().endswith(spoken.SEGMENTATION_SUFFIXES):
        return Kind.MASK
    return Kind.OTHER_VIEW if not may_be_dicom and _is_other_view(stem, folders) else None


def _is_other_view(stem: str, folders: Folders) -> bool:
    """Whether a name, or else the folders around it, say one view, and that is none from the front."""
    if not folders.other_view and not view_words.may_be_said(stem):
        return False
    view = _view(stem)
    return view != view_words.FRONTAL if view else folders.other_view


def _is_picture(lowered: str, dicom: bool | None) -> bool | None:
    """Whether a file is an image, by its name in lower case and its content; None where neither says."""
    if lowered == _DICOM_INDEX:
        return False
    if dicom or suffix(lowered) in IMAGE_SUFFIXES | DICOM_SUFFIXES:
        return True
    return None if dicom is None and may_be_dicom(lowered) else False


@lru_cache(maxsize=8192)
def _folders(parent: str) -> Folders:
    """Class, split and subtype that the folders of a path name."""
    above = parts(parent)
    if any(part.lower() in spoken.METADATA_FOLDERS or (part.startswith(".") and part != "..") for part in above):
        return Folders(len(above), metadata=True)
    paths = {"/".join(above[:depth]): spoken.words(above[depth - 1]) for depth in range(len(above), 0, -1)}
    labels, half_labels = _labels(paths)
    set_aside = _set_aside(paths, labels)
    labels = () if set_aside else labels
    below = [found for path, found in paths.items() if labels and path.startswith(labels[0][0])]
    subtypes = [spoken.only(found, spoken.SUBTYPE_WORDS, spoken.SUBTYPE_COMPANIONS) for found in below]
    split, perhaps_splits = _split(paths, labels)
    return Folders(
        depth=len(above),
        mask=_mask(list(paths.values()), spoken.MASK_WORDS) or _copy(paths, labels, in_split=split is not None),
        viewer=_viewer(paths, labels),
        labels=labels,
        half_labels=half_labels,
        set_aside=set_aside,
        subtype=next(filter(None, subtypes), ""),
        split=split,
        perhaps_splits=perhaps_splits,
        other_modality=next((path for path, found in paths.items() if _other_modality(path, found)), ""),
        other_view=next(filter(None, map(_view, reversed(above))), view_words.FRONTAL) != view_words.FRONTAL,
        shown=next((part for part in reversed(above) if spoken.words(part) - spoken.PLAIN), parent),
    )


def _view(name: str) -> str | None:
    return view_words.of_name(spoken.phrase(name))


def _other_modality(path: str, found: frozenset[str]) -> bool:
    # A number makes a month of October, and so does a year's folder around it.
    above, _, name = path.rpartition("/")
    if found == {"oct"} and _YEAR.fullmatch(above.rpartition("/")[2]):
        return False
    alone = found & spoken.OTHER_MODALITIES and found - spoken.OTHER_MODALITIES <= spoken.MODALITY_COMPANIONS
    return bool(alone) and not any(map(str.isdigit, name))


def _labels(paths: dict[str, frozenset[str]]) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Folders that name a class, and those that name one among other words; the nearest first."""
    labels: list[tuple[str, str]] = []
    half: list[str] = []
    for path, found in paths.items():
        label = spoken.label(found)
        if label == PNEUMONIA and spoken.is_taken_back(path):
            half.append(path)
            if not labels:
                return (), (path,)
        elif label:
            labels.append((path, label))
        elif spoken.only(found, spoken.SUBTYPE_WORDS, spoken.SUBTYPE_COMPANIONS):
            # `BACTERIA` and `VIRUS` beside `NORMAL`: what they cause is what these radiographs show.
            labels.append((path, PNEUMONIA))
        elif len({spoken.LABEL_WORDS[word] for word in found & spoken.LABEL_WORDS.keys()}) == 1:
            half.append(path)
            if not labels and found & spoken.NEGATIONS:
                # `no_pneumonia` in `PNEUMONIA`: the nearest one counts, and it names no class.
                return (), (path,)
    return tuple(labels), tuple(half)


def _set_aside(paths: dict[str, frozenset[str]], labels: tuple[tuple[str, str], ...]) -> str:
    """The nearest folder of `PNEUMONIA/suspected`, or of `excluded/PNEUMONIA`; "" where there is none."""
    for path, found in paths.items() if labels else ():
        below = len(path) > len(labels[0][0])
        if spoken.is_set_aside(found) or (below and spoken.is_doubt(path.rpartition("/")[2], found, labels[0][1])):
            return path
    return ""


def _viewer(paths: dict[str, frozenset[str]], labels: tuple[tuple[str, str], ...]) -> bool:
    """Whether a folder in a class's is that of a program, as on a patient's CD."""
    inside = [found for path, found in paths.items() if labels and len(path) > len(labels[0][0])]
    return any(found & spoken.VIEWER_WORDS and found <= spoken.VIEWER_WORDS | spoken.PLAIN for found in inside)


def _split(
    paths: dict[str, frozenset[str]], labels: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str] | None, tuple[PerhapsSplit, ...]]:
    """The split that the nearest folder names, with the folder around it; else the folders that may mean one."""
    perhaps: list[PerhapsSplit] = []
    for path, found in paths.items():
        if split := split_folders.certain(found):
            return (split, path.rpartition("/")[0]), ()
        around = bool(labels) and len(path) <= len(labels[0][0])
        near = around or not labels or path.rpartition("/")[0] == labels[0][0]
        beside = split_folders.beside_splits(path, found) if near else None
        if one := split_folders.perhaps(path, found, around=around) or beside:
            perhaps.append(one)
    return None, tuple(perhaps)


def _copy(paths: dict[str, frozenset[str]], labels: tuple[tuple[str, str], ...], *, in_split: bool) -> bool:
    """Whether a folder in a class's is one of what was made of radiographs; see `_mask`."""
    inside = [path for path in paths if labels and len(path) > len(labels[0][0])]
    copies = spoken.COPY_WORDS | (frozenset() if in_split else spoken.AUGMENTED_WORDS)
    return any(_is_made_of_another(path.rpartition("/")[2]) for path in inside) or _mask(
        [spoken.joined(paths[path]) for path in inside], copies
    )


def _is_made_of_another(name: str) -> bool:
    return origin.may_be_said(name) and origin.made_of_another([spoken.phrase(name)])


def _mask(folders: list[frozenset[str]], named: frozenset[str]) -> bool:
    """Whether a folder is one of masks: `masks`, `lung masks`, `ManualMask`; `segmentation` unless `images` is below.

    Args:
        folders: words of each, the nearest first.
        named: words for it.
    """
    images = False
    for found in folders:
        rest = found - named - spoken.MASK_COMPANIONS
        if not rest and (found & named or (found & spoken.SEGMENTATION_WORDS and not images)):
            return True
        images |= bool(found & {"image", "images"})
    return False
