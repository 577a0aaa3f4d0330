"""Words in the names of an archive's folders and files, and what each means; see `layout`.

English ones, and those for splits, `normal` and `pneumonia` that people write in other languages. Words are compared
in lower case and without accents, which macOS takes apart from their letters.
"""

from __future__ import annotations

import contextlib
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from model_code.contract.labels import NORMAL, PNEUMONIA


def unaccented(text: str) -> str:
    """Text without what stands above and below its letters, which are composed."""
    if text.isascii():
        return text
    apart = unicodedata.normalize("NFKD", text)
    return unicodedata.normalize("NFC", "".join(one for one in apart if not unicodedata.combining(one)))


def _meaning(meanings: dict[str, str]) -> dict[str, str]:
    """Words, each as `words` finds it, by what they mean: a meaning and words for it, with blanks between them."""
    return {unaccented(word.casefold()): meaning for meaning, said in meanings.items() for word in said.split()}


LABEL_WORDS = {"normal": NORMAL, "normals": NORMAL, "pneumonia": PNEUMONIA, "pneumonias": PNEUMONIA}
# As it is misspelt in tables that are published.
LABEL_WORDS |= dict.fromkeys(("pnemonia", "pnuemonia", "penumonia", "pneumona"), PNEUMONIA)
LABEL_WORDS |= _meaning(
    {
        NORMAL: "normale normales normaux normaal normalny норма 正常 정상",
        PNEUMONIA: "pneumonie pneumonies pneumonien neumonía neumonías polmonite polmoniti "
        "lungenentzündung longontsteking lunginflammation lungebetennelse keuhkokuume zatürre pnömoni "
        "пневмония пневмонии 肺炎 폐렴",
    }
)
SUBTYPE_WORDS = {"bacteria": "bacteria", "bacterial": "bacteria", "virus": "virus", "viral": "virus"}
SUBTYPE_WORDS |= _meaning({"bacteria": "bacteriana bactérienne bakteriell bakterielle batterica", "virus": "virale"})
SPLIT_WORDS = {"train": "train", "training": "train", "val": "validation", "valid": "validation"}
SPLIT_WORDS |= {"validation": "validation", "validate": "validation", "test": "test", "testing": "test"}
SPLIT_WORDS |= {f"{word}{end}": split for word, split in SPLIT_WORDS.items() for end in ("set", "data")}
SPLIT_WORDS |= _meaning(
    {
        "train": "trn trainingsdaten entrenamiento entraînement apprentissage treino treinamento "
        "addestramento eğitim обучение 训练 训练集 訓練 訓練集 学習 훈련 학습",
        "validation": "vld validierung validierungsdaten validación validação validazione doğrulama валидация "
        "验证 验证集 驗證 検証 검증",
        "test": "tst tests testdaten prueba pruebas teste testes тест 测试 测试集 測試 テスト 테스트 시험",
    }
)
# Both, of which the split is made here.
BOTH_SPLITS = frozenset({"trainval", "trainvalid", "trainvalidation"})
# Beside a train folder these are for validation in one data set and for test in another.
UNCLEAR_SPLITS = frozenset({"eval", "evaluation", "dev", "development", "holdout", "heldout", "unseen"})
UNCLEAR_SPLITS |= {f"{word}{end}" for word in UNCLEAR_SPLITS for end in ("set", "data")}
UNCLEAR_IN_TWO = (frozenset({"hold", "out"}), frozenset({"held", "out"}))
# People are called Dev, Val, Valid and Train, and Test those whom nobody has treated.
NAMES_TOO = frozenset({"dev", "val", "valid", "test", "train"})
# With one of them a class's name means something else: `no pneumonia` may be any other disease.
NEGATIVE = frozenset({"negative", "negatives", "neg", "negatif", "negatifs", "negativ", "negatief", "negativi"})
NEGATIVE |= {"negativo", "negativos", "negativa", "negativas"}
NEGATIONS = NEGATIVE | {"no", "non", "not", "without"}
NEGATIONS |= {"kein", "keine", "nein", "nicht", "ohne", "sin", "sans", "pas", "senza", "sem", "нет", "без", "無", "无"}
# What takes a finding back, or leaves it open, in a cell beside it or in a folder of the class.
_FINDINGS = frozenset({"finding", "findings"})
# `No. 12`, `PAS 3`, `SEM 1`, and people called Sin.
_NUMBERED = frozenset({"no", "sem", "sin", "pas"})
DOUBTS = NEGATIONS | {"ruled", "rule", "excluded", "exclude", "absent", "resolved", "unlikely", "uncertain", "false"}
DOUBTS |= {"possible", "possibly", "probable", "probably", "suspected", "suspicion", "suspicious", "questionable"}
DOUBTS |= {"unclear", "unsure", "doubtful", "doubt", "doubts", "equivocal", "indeterminate", "verdacht", "fraglich"}
DOUBTS |= {"sospecha", "dudoso", "dudosos", "descartado", "descartada", "suspicao", "sospetto", "douteux"}
# Of an image that is of the other class, as a folder of that class says it.
_CONTRARY = {
    NORMAL: frozenset(
        {"abnormal", "abnormals", "abnormality", "abnormalities", "pathological", "anormal", "anormales"}
    ),
    PNEUMONIA: frozenset({"healthy"}),
}
# `pneumonia-`, `Pneumonia (-)`, `pneumonia=0`: the opposite of what the word says.
_TAKEN_BACK = re.compile(r"\(\s*[\u2013\u2014-]\s*\)|[\u2013\u2014-]\s*$|=\s*(0|no|false)\s*$", re.IGNORECASE)
_DOUBT_COMPANIONS = frozenset({"out", "positive", "positives", "finding", "findings", "reading", "readings"})
# What somebody has taken out of a data set.
SET_ASIDE = frozenset({"excluded", "exclude", "rejected", "rejects", "discarded", "discard", "unusable", "trash"})
SET_ASIDE |= {"junk", "garbage", "unreadable"}
# What data sets call a radiograph on which nothing was found.
_NO_FINDING = (frozenset({"no", "finding"}), frozenset({"no", "findings"}))

# Words beside a name that leave it what it is.
PLAIN = frozenset({"image", "images", "img", "imgs", "picture", "pictures", "case", "cases", "class", "patient"})
PLAIN |= {"patients", "sample", "samples", "scan", "scans", "lung", "lungs", "jpeg", "jpg", "png", "folder", "copy"}
PLAIN |= {"set"}
# Not `chest`, `xray` or `dataset`: `chest-xray-pneumonia` is what whole data sets are called, and images of other
# diseases lie in it.
LABEL_COMPANIONS = PLAIN | SPLIT_WORDS.keys() | SUBTYPE_WORDS.keys()
SUBTYPE_COMPANIONS = LABEL_COMPANIONS | LABEL_WORDS.keys()
# `Test patient` is what a PACS is tried with.
SPLIT_COMPANIONS = (PLAIN - {"patient", "case"}) | LABEL_WORDS.keys() | SUBTYPE_WORDS.keys()
SPLIT_COMPANIONS |= {"data", "dataset", "split", "chest", "x", "ray", "rays", "xray", "xrays", "cxr"}

# What images are called that are no radiographs, in folders beside theirs: CT of lungs, OCT of retinas.
OTHER_MODALITIES = frozenset({"oct", "ct", "hrct", "mri", "mrt", "ultrasound", "sonography", "fundus", "retina"})
OTHER_MODALITIES |= {"tomography", "tomografia", "mammography", "mammogram", "mammograms", "ecografia", "irm"}
MODALITY_COMPANIONS = PLAIN | {
    "chest",
    "data",
    "dataset",
    "thorax",
    "torax",
    "thoracic",
    "computed",
    "axial",
    "coronal",
}
MODALITY_COMPANIONS |= {"abdomen", "head", "brain", "slices", "covid"}

MASK_WORDS = frozenset({"mask", "masks", "lungmask", "lungmasks", "segmask", "segmasks"})
# What is drawn over a radiograph, as `cxr predict --explain` leaves it beside the radiographs.
MASK_WORDS |= {"overlay", "overlays", "heatmap", "heatmaps", "gradcam", "saliency"}
# Drawn over radiographs of the archive, or made of them, smaller. Around classes, data sets are called so too (`Ground
# Truth/NORMAL`), and at the beginning of a file's name (`contour_enhanced_1`) others.
COPY_WORDS = frozenset({"annotation", "annotations", "groundtruth", "groundtruths", "contour", "contours"})
COPY_WORDS |= {"bbox", "bboxes", "labelmap", "labelmaps"}
COPY_WORDS |= {"thumbnail", "thumbnails", "thumb", "thumbs", "preview", "previews"}
# Turned and shifted: no near-duplicates, so where the split is made here they might be in another than their original.
AUGMENTED_WORDS = frozenset({"augmented", "augmentation", "augmentations"})
SEGMENTATION_WORDS = frozenset({"seg", "segmentation", "segmentations"})
MASK_COMPANIONS = PLAIN | SPLIT_COMPANIONS | SPLIT_WORDS.keys() | SEGMENTATION_WORDS
MASK_COMPANIONS |= {"ground", "truth", "truths", "infection", "heart", "manual", "left", "right", "binary", "predicted"}
SEGMENTATION_SUFFIXES = tuple(f"{mark}{word}" for mark in "_-. " for word in SEGMENTATION_WORDS)

# Folders of the program on a patient's CD, whose pictures are its own (IHE's Portable Data for Imaging has `IHE_PDI`).
VIEWER_WORDS = frozenset({"viewer", "viewers", "dicomviewer", "ihe", "pdi", "autorun", "weasis", "jre"})

# Written by file managers and storage systems, never by a radiology department. What begins with a dot counts too.
METADATA_FOLDERS = frozenset({"__macosx", "$recycle.bin", "recycler", "system volume information", "lost+found"})
METADATA_FOLDERS |= {"@eadir", "#recycle", "@recycle", "found.000"}
# `Icon` followed by a carriage return is how macOS keeps a folder's picture.
METADATA_FILES = frozenset({"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r"})

# Of Windows' consoles and of Windows itself, west and central Europe, Greek, Turkish, Russian, then Japanese, Chinese
# and Korean.
CODE_PAGES = (
    *("utf-8", "cp850", "cp1252", "cp852", "cp1250", "cp737", "cp1253", "cp857", "cp1254", "cp866", "cp1251"),
    *("cp932", "gbk", "cp950", "cp949"),
)
_KNOWN = LABEL_WORDS.keys() | SUBTYPE_WORDS.keys() | SPLIT_WORDS.keys()
_LAST_WORD = re.compile(r"[\W\d_]([^\W\d_]+)$")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORD = re.compile(r"[^\W\d_]+")


def phrase(name: str) -> str:
    """The words of a name in capitals without accents, in their order, as `view_words` reads them."""
    return " ".join(_WORD.findall(unaccented(_CAMEL.sub(" ", name)).upper()))


@lru_cache(maxsize=8192)
def words(name: str) -> frozenset[str]:
    """The words of a name in lower case, without numbers: those of `TrainNormal` are those of `train_normal-2`.

    A name that says nothing may be of an archiver that wrote its machine's own code page, which `zipfile` takes for
    code page 437 (APPNOTE 6.3.10, appendix D): then it is read in the one in which it names a class or a split.
    """
    found = as_written(name)
    if name.isascii() or found & _KNOWN:
        return found
    return next((read for read in map(as_written, _in_code_pages(name)) if read & _KNOWN), found)


def as_written(name: str) -> frozenset[str]:
    """The same of a name as it is shown: what files are called says nothing in other languages, and they are many."""
    return frozenset(_WORD.findall(unaccented(_CAMEL.sub(" ", name).casefold())))


def _in_code_pages(name: str) -> Iterator[str]:
    with contextlib.suppress(UnicodeEncodeError):
        raw = name.encode("cp437")
        for encoding in CODE_PAGES:
            with contextlib.suppress(UnicodeDecodeError):
                read = unicodedata.normalize("NFC", raw.decode(encoding))
                # Another sign would part what is one word: `Normaló` is none with a `¢`.
                if all(one.isascii() or one.isalpha() for one in read):
                    yield read


def label(found: frozenset[str]) -> str:
    """The class that words name, or an empty text."""
    named = only(found, LABEL_WORDS, LABEL_COMPANIONS)
    return named or (NORMAL if any(one <= found and found - one <= PLAIN for one in _NO_FINDING) else "")


def joined(found: frozenset[str]) -> frozenset[str]:
    """Words, with `ground truth` as one."""
    return found | {"groundtruth"} if "ground" in found and found & {"truth", "truths"} else found


def is_doubt(name: str, found: frozenset[str], label: str) -> bool:
    """Whether a folder in one of a class says that its images may not be of it: `suspected`, and in PNEUMONIA `no`.

    Args:
        name: of the folder.
        found: its words.
        label: of the class.
    """
    if found - PLAIN <= _NUMBERED - (frozenset() if name[-1:].isdigit() else {"no"}):
        return False
    contrary = found & _CONTRARY[label]
    said = found & DOUBTS
    if label == NORMAL:
        said -= NEGATIONS if found & _FINDINGS or contrary else NEGATIVE
        # `no abnormality`
        contrary = contrary if not found & NEGATIONS else frozenset()
    return bool(said | contrary) and found <= DOUBTS | _DOUBT_COMPANIONS | PLAIN | _CONTRARY[label]


def is_taken_back(path: str) -> bool:
    """Whether a sign in the name of a folder says the opposite of its words."""
    return _TAKEN_BACK.search(path.rpartition("/")[2]) is not None


def last_word(stem: str) -> str:
    """The word that a file's name ends with, behind a number or other words: `thumb` of `1_thumb`; "" where none is."""
    found = _LAST_WORD.search(_CAMEL.sub(" ", stem).casefold())
    return found[1] if found else ""


def is_set_aside(found: frozenset[str]) -> bool:
    """Whether a folder says that its images are not to be used."""
    return bool(found & SET_ASIDE) and found <= SET_ASIDE | PLAIN


def only(found: frozenset[str], meanings: dict[str, str], companions: frozenset[str]) -> str:
    """The one meaning that words have, where the rest of them says nothing; else an empty text."""
    meant = {meanings[word] for word in found if word in meanings}
    return meant.pop() if len(meant) == 1 and found - meanings.keys() <= companions else ""
