"""Whatever is uploaded ends in one way: a dataset card that accounts for every entry, or a reason told to people."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable

import pytest

from tests.faults.archives import (
    COMPRESSED,
    CRC,
    EXTERNAL,
    FLAGS,
    LOCAL_OFFSET,
    METHOD,
    UNCOMPRESSED,
    Pipe,
    drawn,
    good,
    patched,
    raw_named,
    twice,
    zipped,
)
from tests.faults.conftest import MIB, Bench, accounted, files_in

NORMAL, PNEUMONIA = "chest/train/NORMAL/IM-0001-0001.jpeg", "chest/train/PNEUMONIA/person1_virus_1.jpeg"
FOLDER = "chest/train/NORMAL/"
DEFLATED = zipfile.ZIP_DEFLATED

# File names as people's machines write them.
NAMES = [
    "Röntgen.jpeg",
    "Ro\u0308ntgen in parts.jpeg",
    "胸部.jpeg",
    "🫁.jpeg",
    "written from right to left \u202egepj.jpeg",
    " . . .jpeg",
    "im-0001-0001.JPEG",
    "%2e%2e%2f.jpeg",
    "$(reboot).jpeg",
    "<b>.jpeg",
    "x" * 3000 + ".jpeg",
]
# Likewise, in bytes that are no UTF-8 or do not say that they are.
RAW_NAMES = {
    "a code page of DOS": b"R\x94ntgen",
    "Latin-1": b"R\xf6ntgen",
    "Shift JIS": "胸部".encode("shift_jis"),
    "UTF-8 that does not say so": "ä".encode(),
    "a lone surrogate": b"\xed\xa0\x80",
}


def with_entry(name: str, content: bytes = b"x") -> bytes:
    return zipped({**good(), name: content})


def in_bytes(raw: bytes, *, utf8: bool = False) -> bytes:
    """An archive in which a file name begins with these bytes."""
    stem = "z" * len(raw)
    return raw_named(with_entry(f"{FOLDER}{stem}.jpeg"), stem, raw, utf8=utf8)


def test_every_name_is_only_a_name(bench: Bench) -> None:
    """Whatever files are called, all are trained on, and nothing is written where a name points."""
    named = {f"{FOLDER}{name}": drawn(2000 + number) for number, name in enumerate(NAMES)}
    stems = {f"{'zyxwv'[number] * len(raw)}": raw for number, raw in enumerate(RAW_NAMES.values())}
    raw = {f"{FOLDER}{stem}.jpeg": drawn(2100 + number) for number, stem in enumerate(stems)}
    body = zipped({"chest/": b"", FOLDER: b"", **good(), **named, **raw})
    for stem, content in stems.items():
        body = raw_named(body, f"{FOLDER}{stem}.", f"{FOLDER}".encode() + content + b".")
    body = raw_named(body, PNEUMONIA, PNEUMONIA.replace("/", "\\").encode())  # as old Windows tools separate folders
    end = bench.end(body)
    assert end.kind == "card", end.reason
    assert end.card["dropped"] == []
    assert accounted(end.card) == files_in(body) == len(good()) + len(NAMES) + len(RAW_NAMES)
    assert not list(bench.base.rglob("*.jpeg"))


def test_every_entry_that_is_not_used_is_counted_with_its_reason(bench: Bench) -> None:
    files = good()
    copies = {f"copy/{name}": files[name] for name in list(files)[:10]}
    others = {f"chest/notes/{number}.txt": b"" for number in range(19_900)}
    damaged, renamed = f"{FOLDER}damaged.jpeg", f"{FOLDER}renamed.jpeg"
    body = twice(
        {
            **files,
            **copies,
            **others,
            damaged: drawn(80),
            renamed: drawn(81),
            "chest/inner.zip": zipped({}),
            "chest/a.png": drawn(79),
            "__MACOSX/chest/._a.jpeg": b"x",
            f"{FOLDER}Thumbs.db": b"x",
        },
        NORMAL,
        files[NORMAL],
    )
    body = patched(body, damaged, (CRC, "<L", 7))
    body = body.replace(renamed.encode(), renamed.upper().encode(), 1)  # before the data; the directory's name counts
    end = bench.end(body)
    assert end.kind == "card", end.reason
    assert {one["reason"]: one["count"] for one in end.card["dropped"]} == {
        "duplicate": 11,
        "not_an_image": 19_901,
        "outside_label_folders": 1,
        "undecodable": 1,
    }
    assert end.card["metadata_files"] == 2
    assert accounted(end.card) == files_in(body)


def test_an_archive_of_any_writer_is_read(bench: Bench) -> None:
    """Through a pipe, with sizes of large files (APPNOTE 4.5.3), deflated and stored by turns."""
    pipe, files = Pipe(), good()
    with zipfile.ZipFile(pipe, "w") as archive:  # type: ignore[call-overload]
        for number, (name, content) in enumerate(files.items()):
            info = zipfile.ZipInfo(name)
            info.compress_type = DEFLATED if number % 2 else zipfile.ZIP_STORED
            with archive.open(info, "w", force_zip64=number % 3 == 0) as entry:
                entry.write(content)
    body = bytes(pipe.content)
    # What an entry has beyond what it declares is not read: its checksum fails.
    cut = next(name for name in files if "IM-0003" in name)
    body = patched(body, cut, (METHOD, "<H", 8), (UNCOMPRESSED, "<L", 10))
    end = bench.end(body)
    assert end.kind == "card", end.reason
    assert {one["reason"]: one["count"] for one in end.card["dropped"]} == {"undecodable": 1}
    assert accounted(end.card) == files_in(body)


REJECTED: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "empty"),
    "no entries": (lambda: zipped({}), "empty"),
    "no archive": (lambda: b"\xff\xd8\xff" + bytes(500), "not_a_zip"),
    "cut off": (lambda: zipped(good())[:-300], "truncated"),
    "absolute": (lambda: with_entry("/etc/a.png"), "path_traversal"),
    "of another drive": (lambda: with_entry("C:\\a.png"), "path_traversal"),
    "traversing": (lambda: with_entry("chest/../../a.png"), "path_traversal"),
    "a symbolic link": (lambda: patched(zipped(good()), NORMAL, (EXTERNAL, "<L", 0o120777 << 16)), "link"),
    "a line end in a name": (lambda: with_entry(f"{FOLDER}a\n.png"), "unsafe_name"),
    "no UTF-8 that says it is": (lambda: in_bytes(b"\xff\xfe", utf8=True), "damaged_directory"),
    "encrypted": (lambda: patched(zipped(good()), NORMAL, (FLAGS, "<H", 1)), "encrypted"),
    "oddly compressed": (lambda: patched(zipped(good()), NORMAL, (METHOD, "<H", 14)), "unsupported_compression"),
    "a bomb by ratio": (lambda: zipped({**good(), "chest/a.txt": bytes(3 * MIB)}, DEFLATED), "zip_bomb_ratio"),
    "a bomb by overlap": (lambda: patched(zipped(good()), PNEUMONIA, (LOCAL_OFFSET, "<L", 0)), "zip_bomb_overlap"),
    "a bomb by what is declared": (
        lambda: patched(
            zipped(good()), NORMAL, (METHOD, "<H", 8), (COMPRESSED, "<L", 3 * MIB), (UNCOMPRESSED, "<L", 2**28)
        ),
        "zip_bomb_size",
    ),
    "only an archive inside": (lambda: zipped({"inner.zip": zipped(good())}), "no_layout"),
    "one class": (lambda: zipped({name: data for name, data in good().items() if "NORMAL" in name}), "class_missing"),
    "too many entries": (lambda: zipped({f"NORMAL/{number}.txt": b"" for number in range(25_001)}), "too_many_files"),
}


@pytest.mark.parametrize("made", REJECTED.values(), ids=REJECTED)
def test_a_report_says_why_nothing_starts(bench: Bench, made: tuple[Callable[[], bytes], str]) -> None:
    build, reason = made
    end = bench.end(build())
    assert (end.kind, end.reason) == ("rejected", reason)


def damaged(share: float) -> bytes:
    """So much of the radiographs is cut off in the middle."""
    files = good()
    for name in list(files)[:: round(1 / share)]:
        files[name] = files[name][: len(files[name]) // 2]
    return zipped(files)


def of_one_patient() -> bytes:
    """Every file says that it is of the same patient."""
    names = (f"{name.rsplit('/', 1)[0]}/person1_virus_{number}.png" for number, name in enumerate(good()))
    return zipped({name: drawn(number) for number, name in enumerate(names)})


# What only the images themselves tell; the sentence is the execution's failure reason.
FAILED: dict[str, tuple[Callable[[], bytes], str]] = {
    "one patient": (of_one_patient, "too few usable .* Left out were 60 images of patients who are in test"),
    "one image again and again": (
        lambda: zipped(dict.fromkeys(good(), drawn(1))),
        "too few usable .* Left out were 72 images with the same content under both labels",
    ),
    "a tenth damaged": (lambda: damaged(0.1), r"8 of 72 images cannot be read \(at most 5% may be\)"),
    "all damaged": (lambda: damaged(1), r"72 of 72 images cannot be read"),
}


@pytest.mark.parametrize("made", FAILED.values(), ids=FAILED)
def test_an_execution_that_cannot_go_on_says_why(bench: Bench, made: tuple[Callable[[], bytes], str]) -> None:
    build, sentence = made
    end = bench.end(build())
    assert end.kind == "failed"
    assert re.search(sentence, end.reason), end.reason
