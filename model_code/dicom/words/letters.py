"""Text of a file in the letters that it was written in, whatever character set the file names.

Devices write in the code page of their machine, and name none, or the one that they came with: ISO_IR 100 above Chinese
(GBK), ISO_IR 144 above Russian of Windows (1251). A description so read is no word of any language, and a lateral view
is taken for a frontal one. So a text is read in each set, and the one counts in which it says most of what is known of
a radiograph. Letters by chance hardly make such a word.
"""

from __future__ import annotations

import contextlib
import re
import unicodedata

from pydicom.charset import convert_encodings, decode_bytes

from model_code.dicom.words import anatomy, view_words

# Letters that Unicode takes for one, and people for a letter with a mark.
_WITHOUT_STROKE = str.maketrans({"Ł": "L", "Ø": "O", "Đ": "D", "İ": "I"})
_REPLACED = "\ufffd"
_ESCAPE = b"\x1b"  # which begins another set of letters (PS3.5, 6.1.2.5)
# Sets of letters first, whose known words are long. Of Chinese and Japanese one sign is a word.
_ALPHABETS = ("latin-1", "cp1251", "koi8-r", "iso8859-5", "cp866", "cp1253", "cp1250", "iso8859-2", "cp1254", "cp949")
_SIGNS = ("gb18030", "cp932", "euc_jp", "big5")
# Text of which every byte fits, where no set makes a known word of it: common Chinese characters (GB 2312), or Japanese
# ones (JIS level 1 in Shift-JIS), and ASCII. Letters of Latin-1 stand between ASCII's, and none is below 0xA0.
_UNNAMED_SETS = (
    ("gb18030", re.compile(rb"([\xb0-\xf7][\xa1-\xfe]|[\t -~])+")),
    ("cp932", re.compile(rb"([\x81-\x9f][\x40-\x7e\x80-\xfc]|[\t -~])+")),
)
# In place of bytes beyond ASCII, to see what the rest says: a letter of no language that is known here.
_UNREAD = re.compile(rb"[\x80-\xff]+")
_A_LETTER = "ʘ"


def folded(said: str) -> str:
    """Text in capitals and without accents."""
    taken_apart = unicodedata.normalize("NFKD", said.upper().translate(_WITHOUT_STROKE))
    return unicodedata.normalize("NFC", "".join(one for one in taken_apart if not unicodedata.combining(one)))


def decoded(data: bytes, stated: list[str]) -> str:
    """Text of an element's bytes: UTF-8 where they are that, else as the module says.

    Args:
        data: of the element.
        stated: the file's Specific Character Set (C.12.1.1.2), empty where it names none.
    """
    if _ESCAPE not in data:
        with contextlib.suppress(UnicodeDecodeError):
            return data.decode("utf-8")
    named = _as_stated(data, stated)
    plain = _says(_UNREAD.sub(_A_LETTER.encode(), data).decode("utf-8"))
    others = [] if _ESCAPE in data else [_read(data, name) for name in (*_ALPHABETS, *_SIGNS)]
    read = [said for said in (named, *others) if said is not None]
    most = max(read, key=lambda said: len(_says(said) - plain), default="")
    if _says(most) - plain:
        return most
    if named is not None:
        return named
    fitting = (_read(data, name) for name, text_of_it in _UNNAMED_SETS if text_of_it.fullmatch(data))
    return next((said for said in fitting if said is not None), data.decode("latin-1"))


def _says(said: str) -> frozenset[str]:
    """Facts that a text says of a radiograph: its view, and that it shows the chest."""
    named = folded(said)
    chest = anatomy.names_chest(view_words.words(named))
    view = view_words.of_description(named, chest=True) or view_words.of_position(named)
    return frozenset({view or "", anatomy.CHEST if chest else ""} - {""})


def _as_stated(data: bytes, stated: list[str]) -> str | None:
    said = _REPLACED
    if stated:
        with contextlib.suppress(Exception):  # of a set that pydicom does not know
            said = str(decode_bytes(data, convert_encodings(stated), set()))
    return None if _REPLACED in said else said


def _read(data: bytes, name: str) -> str | None:
    with contextlib.suppress(UnicodeDecodeError):
        return data.decode(name)
    return None
