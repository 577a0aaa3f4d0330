"""An archive is judged from its directory alone, and every refusal has its own code and names the entry at fault."""

import io
import struct
import zipfile

import pytest

from lambdas.trigger import directory
from lambdas.trigger.archive import Limits, inspect
from lambdas.trigger.rejection import ADVICE, Reason, Rejection

MIB = 1024 * 1024
LIMITS = Limits(max_archive_bytes=20 * MIB, max_uncompressed_bytes=50 * MIB, max_files=500)
GOOD = {"data/train/NORMAL/a.jpeg": b"n" * 100, "data/train/PNEUMONIA/b.jpeg": b"p" * 100}
OF_PATIENTS = {"DOE JANE/1.dcm": b"", "DOE JANE/NORMAL/DOE 2.jpeg": b"n" * 100, "DOE JANE/PNEUMONIA/DOE 3": b"p" * 100}

# Offsets inside a central directory header, APPNOTE 4.3.12.
FLAGS, METHOD, COMPRESSED, UNCOMPRESSED, EXTERNAL, LOCAL_OFFSET = 8, 10, 20, 24, 38, 42


def judge(data, limits=LIMITS):
    return inspect(io.BytesIO(data), len(data), limits)


def refused(data, limits=LIMITS):
    with pytest.raises(Rejection) as caught:
        judge(data, limits)
    assert caught.value.detail.endswith("."), "a refusal is a sentence"
    return caught.value


def header(data, name):
    """Start of the central directory header of an entry."""
    return data.rindex(name.encode()) - 46


def patched(data, name, *changes):
    data = bytearray(data)
    for offset, layout, value in changes:
        struct.pack_into(layout, data, header(bytes(data), name) + offset, value)
    return bytes(data)


class TestAccepted:
    def test_kaggle_archive_counts_images_without_metadata_files(self, make_zip, kaggle_files):
        summary = judge(make_zip(kaggle_files(images_per_folder=3)))
        # Twice three: the doubled tree is counted as it lies there; preprocessing removes duplicates by content.
        assert summary.images == {
            f"{split}/{label}": 6 for split in ("test", "train", "validation") for label in ("NORMAL", "PNEUMONIA")
        }

    @pytest.mark.parametrize(
        "names",
        [
            ["NORMAL/a.png", "PNEUMONIA/b.JPG"],
            ["deep/er/Train/Normal/a.PNG", "deep/er/TRAIN/pneumonia/b.jpeg"],
            ["x/normal/a.jpg", "y/Pneumonia/b.jpg", "readme.txt", "x/notes.csv"],
            ["tränings bilder/train/NORMAL/ä.jpeg", "tränings bilder/train/PNEUMONIA/ö.jpeg"],
        ],
    )
    def test_layouts(self, make_zip, names):
        assert sum(judge(make_zip(dict.fromkeys(names, b"x"))).images.values()) == 2

    def test_names_with_backslashes(self, make_zip):
        """Old Windows tools separate folders so; a folder's own entry ends with one too."""
        names = ["data\\", "data\\train\\NORMAL\\a.png", "data\\train\\PNEUMONIA\\b.png"]
        assert judge(make_zip(dict.fromkeys(names, b"x"))).images == {"train/NORMAL": 1, "train/PNEUMONIA": 1}

    def test_macos_icon_of_a_folder(self, make_zip):
        """Its name ends with a carriage return, which no other name may hold."""
        assert sum(judge(make_zip({**GOOD, "data/Icon\r": b""})).images.values()) == 2

    def test_archive_with_a_comment_and_folders(self, make_zip):
        assert judge(make_zip({"data/": b"", **GOOD}, comment=b"chest radiographs" * 3000)).files == 3

    def test_zip64(self, make_zip):
        """Archives above 4 GB or 65,535 entries carry their directory's place in another record."""
        plain = make_zip(GOOD)
        end = plain[-22:]
        count, size, offset = struct.unpack("<HLL", end[10:20])
        record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, offset)
        locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(plain) - 22, 1)
        end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
        assert judge(plain[:-22] + record + locator + end).files == 2

    def test_real_radiographs_compress_far_less_than_the_limit(self, make_zip):
        """A large black border may compress well; a megabyte of it 100 times over is still below the size looked at."""
        files = {**GOOD, "data/train/NORMAL/flat.png": b"\0" * (MIB - 1)}
        assert judge(make_zip(files, compression=zipfile.ZIP_DEFLATED)).files == 3


class TestNotAnArchive:
    def test_empty_file(self):
        assert refused(b"").reason is Reason.EMPTY

    def test_archive_without_entries(self, make_zip):
        assert refused(make_zip({})).reason is Reason.EMPTY

    @pytest.mark.parametrize("data", [b"x", b"\xff\xd8\xff" + b"j" * 500, b"%PDF-1.7" + b"\n" * 200_000])
    def test_other_file(self, data):
        assert refused(data).reason is Reason.NOT_A_ZIP

    @pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
    def test_truncated_upload(self, make_zip, kaggle_files, kept):
        data = make_zip(kaggle_files())
        assert refused(data[: int(len(data) * kept)]).reason is Reason.TRUNCATED

    def test_front_missing(self, make_zip):
        assert refused(make_zip(GOOD)[40:]).reason is Reason.DAMAGED_DIRECTORY

    def test_bytes_after_the_end(self, make_zip):
        assert refused(make_zip(GOOD) + b"tail").reason is Reason.DAMAGED_DIRECTORY

    def test_two_possible_ends(self, make_zip):
        """An end record hidden in the comment: two readers could unpack two different archives."""
        data = make_zip(GOOD, comment=b"PK\x05\x06" + b"\0" * 16 + b"\x05\0hello")
        hidden = refused(data)
        assert hidden.reason in {Reason.DAMAGED_DIRECTORY, Reason.EMPTY}

    def test_split_archive(self, make_zip):
        data = bytearray(make_zip(GOOD))
        struct.pack_into("<H", data, len(data) - 22 + 4, 1)
        assert refused(bytes(data)).reason is Reason.SPLIT_ARCHIVE

    @pytest.mark.parametrize("garbage", [b"\0" * 46, b"PK\x01\x02" + b"\xff" * 42])
    def test_directory_of_garbage(self, make_zip, garbage):
        data = make_zip(GOOD)
        at = header(data, "data/train/PNEUMONIA/b.jpeg")
        assert refused(data[:at] + garbage + data[at + 46 :]).reason is Reason.DAMAGED_DIRECTORY

    def test_count_that_is_too_low(self, make_zip):
        """A claim of fewer entries would slip past the limit on their number."""
        data = bytearray(make_zip(GOOD))
        struct.pack_into("<HH", data, len(data) - 22 + 8, 1, 1)
        assert refused(bytes(data)).reason is Reason.DAMAGED_DIRECTORY

    @pytest.mark.parametrize(("claimed", "held"), [(2, 6), (0, 4), (1, 5)])
    def test_count_of_sixteen_bits_without_zip64(self, make_zip, monkeypatch, claimed, held):
        """macOS's Finder leaves out the rest of a count above 65,535; here above 3: so many files take a second."""
        monkeypatch.setattr(directory, "COUNTS", 4)
        names = [f"{label}/{number}.png" for number in range(3) for label in ("NORMAL", "PNEUMONIA")][:held]
        data = bytearray(make_zip(dict.fromkeys(names, b"x")))
        struct.pack_into("<HH", data, len(data) - 22 + 8, claimed, claimed)
        assert judge(bytes(data)).files == held
        struct.pack_into("<HH", data, len(data) - 22 + 8, 3, 3)
        assert refused(bytes(data)).reason is Reason.DAMAGED_DIRECTORY
        struct.pack_into("<HH", data, len(data) - 22 + 8, claimed, claimed)
        assert refused(bytes(data), Limits(20 * MIB, 50 * MIB, held - 1)).reason is Reason.TOO_MANY_FILES

    def test_count_of_zip64_is_whole(self, monkeypatch):
        monkeypatch.setattr(directory, "COUNTS", 4)
        assert not directory.Directory(0, 100, 2).holds(6)

    def test_places_of_four_bytes_above_four_gigabytes(self):
        """macOS's Finder cuts them too: where the directory is can be guessed, and where the files are cannot."""
        beginning = 5 * 2**30 - 22
        end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 9, 9, 900, (beginning - 900) % 2**32, 0)

        class Sparse(io.BytesIO):
            def seek(self, position, _whence=0):
                return super().seek(max(0, position - beginning) if position >= beginning else len(end))

        with pytest.raises(Rejection, match="larger than 4 GB") as caught:
            directory.locate(Sparse(end), beginning + 22)
        assert "zip -r archive.zip" in caught.value.advice


class TestBombs:
    def test_archive_too_large(self, make_zip):
        data = make_zip(GOOD)
        assert refused(data, Limits(len(data) - 1, 50 * MIB, 500)).reason is Reason.ARCHIVE_TOO_LARGE

    def test_declared_total(self, make_zip):
        data = patched(make_zip(GOOD, compression=zipfile.ZIP_DEFLATED), "data/train/NORMAL/a.jpeg")
        limits = Limits(20 * MIB, 150, 500)
        assert refused(data, limits).reason is Reason.ZIP_BOMB_SIZE
        assert refused(data, limits).entry == "data/train/PNEUMONIA/b.jpeg"

    def test_ratio_of_a_real_bomb(self, make_zip):
        data = make_zip({**GOOD, "data/bomb.txt": b"\0" * (5 * MIB)}, compression=zipfile.ZIP_DEFLATED)
        refusal = refused(data)
        assert (refusal.reason, refusal.entry) == (Reason.ZIP_BOMB_RATIO, "data/bomb.txt")

    def test_crafted_sizes(self, make_zip):
        """Sizes written into the header by hand, 4 GB from 102 bytes, are refused without unpacking anything."""
        data = patched(
            make_zip(GOOD), "data/train/PNEUMONIA/b.jpeg", (METHOD, "<H", 8), (UNCOMPRESSED, "<L", 0xFFFFFFF0)
        )
        assert refused(data).reason is Reason.ZIP_BOMB_RATIO

    def test_entries_sharing_their_data(self, make_zip):
        data = patched(make_zip(GOOD), "data/train/PNEUMONIA/b.jpeg", (LOCAL_OFFSET, "<L", 0))
        assert refused(data).reason is Reason.ZIP_BOMB_OVERLAP

    def test_entry_reaching_into_the_directory(self, make_zip):
        data = patched(
            make_zip(GOOD),
            "data/train/PNEUMONIA/b.jpeg",
            (COMPRESSED, "<L", 100_000),
            (UNCOMPRESSED, "<L", 100_000),
        )
        assert refused(data).reason is Reason.ZIP_BOMB_OVERLAP

    def test_too_many_files(self, make_zip):
        data = make_zip({f"NORMAL/{n}.png": b"" for n in range(501)})
        assert refused(data).reason is Reason.TOO_MANY_FILES

    def test_hidden_number_of_files(self, make_zip):
        """The end record claims 10 of 5,000 entries; they are counted before an object is made of each."""
        data = bytearray(make_zip({f"N/{n}": b"" for n in range(5000)}))
        struct.pack_into("<HH", data, len(data) - 22 + 8, 10, 10)
        limits = Limits(20 * MIB, 50 * MIB, max_files=2000)
        assert refused(bytes(data), limits).reason is Reason.TOO_MANY_FILES

    def test_huge_directory_is_refused_unread(self, make_zip):
        """Few entries with long names: only the end of the file may be touched."""
        data = make_zip({f"NORMAL/{n}" + "x" * 60_000: b"" for n in range(20)})

        class Watched(io.BytesIO):
            lowest = len(data)

            def read(self, size=-1):
                Watched.lowest = min(Watched.lowest, self.tell())
                return super().read(size)

        with pytest.raises(Rejection) as caught:
            inspect(Watched(data), len(data), Limits(20 * MIB, 50 * MIB, max_files=100))
        assert caught.value.reason is Reason.DIRECTORY_TOO_LARGE
        assert Watched.lowest >= len(data) - 22 - 20


class TestEntries:
    @pytest.mark.parametrize(
        "name",
        [
            "../../etc/cron.d/evil.png",
            "train/NORMAL/../../../x.png",
            "/train/NORMAL/x.png",
            "C:/Windows/x.png",
            "..\\x.png",
            "\\\\host\\share\\x.png",
        ],
    )
    def test_path_traversal(self, make_zip, name):
        refusal = refused(make_zip({**GOOD, name: b"x"}))
        assert refusal.reason is Reason.PATH_TRAVERSAL
        assert refusal.entry == name.replace("\\", "\\\\")

    @pytest.mark.parametrize("name", ["train/NORMAL/x\n.png", "train/NORMAL/x\x7f.png"])
    def test_unsafe_name(self, make_zip, name):
        refusal = refused(make_zip({**GOOD, name: b"x"}))
        assert refusal.reason is Reason.UNSAFE_NAME
        assert "\n" not in refusal.detail, "a name must not be able to forge a line of a log or a mail"

    def test_name_cut_at_a_nul(self, make_zip):
        """`zipfile` ends a name at a NUL: what is checked has to be what the archive says."""
        data = make_zip({**GOOD, "data/ok_png?../../x": b"x"}).replace(b"ok_png?..", b"ok_png\0..")
        assert refused(data).reason is Reason.PATH_TRAVERSAL

    def test_encrypted(self, make_zip):
        name = "data/train/PNEUMONIA/b.jpeg"
        refusal = refused(patched(make_zip(GOOD), name, (FLAGS, "<H", 1)))
        assert (refusal.reason, refusal.entry) == (Reason.ENCRYPTED, name)

    @pytest.mark.parametrize("method", [9, 12, 14, 93, 99])
    def test_unsupported_compression(self, make_zip, method):
        refusal = refused(patched(make_zip(GOOD), "data/train/NORMAL/a.jpeg", (METHOD, "<H", method)))
        assert refusal.reason is Reason.UNSUPPORTED_COMPRESSION
        assert f"method {method}" in refusal.detail

    def test_symbolic_link(self, make_zip):
        data = patched(make_zip(GOOD), "data/train/NORMAL/a.jpeg", (EXTERNAL, "<L", 0o120777 << 16))
        assert refused(data).reason is Reason.LINK

    def test_stored_entry_with_two_sizes(self, make_zip):
        data = patched(make_zip(GOOD), "data/train/NORMAL/a.jpeg", (UNCOMPRESSED, "<L", 5000))
        assert refused(data).reason is Reason.DAMAGED_DIRECTORY


class TestArchivesOfPatients:
    """Exports name folders and files after patients, so what is refused beside DICOM is called by its number."""

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ([(FLAGS, "<H", 1)], Reason.ENCRYPTED),
            ([(METHOD, "<H", 14)], Reason.UNSUPPORTED_COMPRESSION),
            ([(COMPRESSED, "<L", 5)], Reason.DAMAGED_DIRECTORY),
            ([(EXTERNAL, "<L", 0xA1FF << 16)], Reason.LINK),
            ([(LOCAL_OFFSET, "<L", 0)], Reason.ZIP_BOMB_OVERLAP),
            ([(METHOD, "<H", 8), (UNCOMPRESSED, "<L", 0xFFFFFFF0)], Reason.ZIP_BOMB_RATIO),
            ([(METHOD, "<H", 8), (UNCOMPRESSED, "<L", 990 * 1024)], Reason.ZIP_BOMB_SIZE),
        ],
    )
    def test_no_refusal_repeats_a_name(self, make_zip, changes, reason):
        data = patched(make_zip(OF_PATIENTS), "DOE JANE/NORMAL/DOE 2.jpeg", *changes)
        refusal = refused(data, Limits(20 * MIB, 900 * 1024 if reason is Reason.ZIP_BOMB_SIZE else 2**40, 500))
        assert refusal.reason is reason
        assert "DOE" not in f"{refusal.detail} {refusal.advice} {refusal.entry}"
        assert refusal.entry in {"entry-1.dcm", "entry-2.jpeg"}
        assert f"`cxr entries ARCHIVE.zip {refusal.entry}` says what it is called" in refusal.advice

    @pytest.mark.parametrize("name", ["../DOE.jpeg", "DOE\n.png"])
    def test_names_that_are_refused_are_not_repeated(self, make_zip, name):
        refusal = refused(make_zip({**OF_PATIENTS, name: b"x"}))
        assert refusal.reason in {Reason.PATH_TRAVERSAL, Reason.UNSAFE_NAME}
        assert "DOE" not in f"{refusal.detail} {refusal.advice} {refusal.entry}"

    def test_what_is_counted_is_not_called_after_the_folder_of_a_table(self, make_zip):
        files = {"DOE JANE/labels.csv": b"", "DOE JANE/1.dcm": b"", "DOE JANE/2.png": b"", "DOE JANE/3": b""}
        assert judge(make_zip(files)).images == {"labels.csv": 3}


class TestLayout:
    def test_no_layout_names_what_was_found_instead(self, make_zip):
        refusal = refused(make_zip({"__MACOSX/._a": b"", ".DS_Store": b"", "photos/holiday.jpeg": b"x"}))
        assert (refusal.reason, refusal.entry) == (Reason.NO_LAYOUT, "photos/holiday.jpeg")

    def test_only_metadata_files(self, make_zip):
        data = make_zip({"__MACOSX/train/NORMAL/._a.jpeg": b"", "train/NORMAL/.DS_Store": b"", "train/": b""})
        assert refused(data).reason is Reason.NO_LAYOUT

    def test_other_formats_are_no_images(self, make_zip):
        assert refused(make_zip({"NORMAL/a.tif": b"x", "PNEUMONIA/b.tif": b"x"})).reason is Reason.NO_LAYOUT

    @pytest.mark.parametrize(
        ("names", "missing"),
        [
            (["train/NORMAL/a.png", "test/NORMAL/b.png"], "train/PNEUMONIA/"),
            (["PNEUMONIA/a.png"], "NORMAL"),
            (["train/NORMAL/a.png", "test/PNEUMONIA/b.png"], "train/PNEUMONIA/"),
        ],
    )
    def test_class_missing(self, make_zip, names, missing):
        refusal = refused(make_zip(dict.fromkeys(names, b"x")))
        assert (refusal.reason, refusal.entry) == (Reason.CLASS_MISSING, missing)

    def test_train_missing(self, make_zip):
        refusal = refused(make_zip({"test/NORMAL/a.png": b"x", "val/PNEUMONIA/b.png": b"x"}))
        assert refusal.reason is Reason.SPLIT_MISSING
        assert "validation/ and test/" in refusal.detail


def test_every_reason_says_what_to_do():
    assert set(ADVICE) == set(Reason)
