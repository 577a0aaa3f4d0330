"""Archives of DICOM files and tables: the grey of the API, labels by folder or table, patients apart, nobody named."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model_code.contract.job import JobError
from model_code.data import manifest
from tests.model_code.conftest import SIZE, zip_of
from tests.model_code.support.data_steps import URI, chest, decode, split
from tests.model_code.support.dicom_files import EXPLICIT, J2K_LOSSLESS, JPEG_LS, RLE, dicom_file


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global examples
    from model_code.data.shards import examples


SECRETS = ("SECRET", "19010203", "NOBODY")
LABELS = ("NORMAL", "PNEUMONIA")


@pytest.fixture(autouse=True)
def patient_key(job_directory):
    """The deployment's key, where SageMaker copies it to."""
    folder = job_directory / "processing" / "input" / "patient-key"
    folder.mkdir(parents=True)
    (folder / "patients").write_bytes(bytes(range(32)))


def grey(number: int) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(chest(number))).convert("L"))


def dicom(number: int, *, transfer_syntax: str = EXPLICIT, **attributes: Any) -> bytes:
    """A radiograph of its own for each number, with a window under which its values are shown as they are."""
    shown = {"WindowCenter": 128, "WindowWidth": 256, "PatientID": f"SECRET-{number}", "BodyPartExamined": "CHEST"}
    instance = {"SOPInstanceUID": f"1.2.3.{number}"}
    return dicom_file(grey(number), transfer_syntax=transfer_syntax, bits=8, **{**shown, **instance, **attributes})


def png(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(grey(number)).save(buffer, "PNG")
    return buffer.getvalue()


def members(count: int = 30, **attributes: Any) -> dict[str, bytes]:
    """So many DICOM files of each label, in folders."""
    return {
        f"{label}/{number}.dcm": dicom(number, **attributes)
        for place, label in enumerate(LABELS)
        for number in range(place * 1000, place * 1000 + count)
    }


def read(folder: Path) -> manifest.Decoded:
    return manifest.read(folder, URI, SIZE)


def table(*rows: str, header: str = "file,label") -> bytes:
    return "\n".join([header, *rows, ""]).encode()


@pytest.mark.parametrize("transfer_syntax", [EXPLICIT, RLE, JPEG_LS, J2K_LOSSLESS])
def test_a_radiograph_trains_to_the_same_pixels_as_dicom_and_as_png(transfer_syntax, job_directory, place_archive):
    files = {"NORMAL/a.dcm": dicom(1, transfer_syntax=transfer_syntax), "NORMAL/a.png": png(1)}
    place_archive(zip_of({**files, "PNEUMONIA/b.dcm": dicom(2), "PNEUMONIA/b.png": png(2)}))
    pixels = {one["path"].decode(): one["pixels"] for one in examples(decode(job_directory), SIZE).as_numpy_iterator()}
    np.testing.assert_array_equal(pixels["entry-1.dcm"], pixels["entry-2.png"])
    np.testing.assert_array_equal(pixels["entry-3.dcm"], pixels["entry-4.png"])


def test_dicom_is_known_by_its_content_whatever_its_name(job_directory, place_archive):
    names = ("a.dcm", "IM000001", "1.2.840.113619.2.5", "scan.dat", "misplaced.png", "b.DICOM")
    files = {f"NORMAL/{name}": dicom(number) for number, name in enumerate(names)}
    place_archive(zip_of({**files, "PNEUMONIA/x.dcm": dicom(99), "PNEUMONIA/LICENSE": b"free"}))
    found = read(decode(job_directory))
    called = ["entry-1.dcm", "entry-2", "entry-3", "entry-4", "entry-5.png", "entry-6.dicom", "entry-7.dcm"]
    assert [one.path for one in found.radiographs] == called
    assert {facts.format for facts in found.facts.values()} == {"DICOM"}
    assert found.header.not_images == ["entry-8"]


def test_facts_are_of_the_stored_image_and_subgroups_of_the_header(job_directory, place_archive):
    said = {"PatientAge": "045Y", "PatientSex": "F", "ViewPosition": "AP", "Manufacturer": "GE MEDICAL, SECRET"}
    place_archive(zip_of({"NORMAL/a.dcm": dicom(1, **said), "PNEUMONIA/b.dcm": dicom(2)}))
    facts = {one.path: facts for one, facts in _facts(read(decode(job_directory)))}
    first, second = facts["entry-1.dcm"], facts["entry-2.dcm"]
    assert (first.width, first.height, first.mode) == (320, 260, "MONOCHROME2")
    assert first.groups == {"view": "AP", "age": "40-59", "sex": "female", "manufacturer": "GE"}
    assert set(second.groups.values()) == {"unstated"}


def _facts(found: manifest.Decoded) -> list[tuple[Any, manifest.Facts]]:
    return [(one, found.facts[one.sha256]) for one in found.radiographs]


def test_images_of_one_patient_id_are_one_patient_whatever_their_names(job_directory, place_archive):
    files = {
        f"NORMAL/IM-0001-{number:04d}.dcm": dicom(number, PatientID=f"SECRET {number // 2}") for number in range(4)
    }
    place_archive(zip_of({**files, "PNEUMONIA/x.dcm": dicom(99, PatientID=" secret 0 ")}))
    patients = {one.path: one.patient for one in read(decode(job_directory)).radiographs}
    first, second, third, fourth = (patients[f"entry-{number}.dcm"] for number in range(1, 5))
    assert first == second == patients["entry-5.dcm"]
    assert third == fourth != first
    assert first.startswith("H")


def test_nobody_is_named_in_anything_that_leaves_the_jobs(job_directory, place_archive, capfd):
    files = members(40)
    number = len(files) + 1
    for label in LABELS:  # names of patients in paths, of files that are used, dropped and damaged
        files[f"{label}/SECRET^NOBODY/1.dcm"] = dicom(7000 + number, PatientName="SECRET^NOBODY")
        files[f"{label}/nobody.dcm"] = dicom(8000 + number, PatientName="SECRET^NOBODY", ViewPosition="LL")
        files[f"{label}/secret-{label}.dcm"] = dicom(9000 + number, PatientID=f"SECRET-{label}")[:700]
        # of people whom no header names: a de-identified file, and what is no DICOM
        files[f"{label}/DEV NOBODY/2.dcm"] = dicom(7100 + number, PatientName="ANON", PatientID=f"ANON-{number}")
        files[f"{label}/DEV NOBODY/3.png"] = png(7200 + number)
        number += 10
    files["elsewhere/SECRET NOBODY"] = dicom(1)
    files["elsewhere/NOBODY.png"] = png(9)
    files["NORMAL/SECRET^NOBODY/report.pdf"] = b"%PDF-1.4"
    files["NORMAL/NOBODY/unnamed.dcm"] = dicom(1, PatientName="")
    files["NORMAL/NOBODY/damaged.dcm"] = dicom(9100)
    files["NORMAL/NOBODY/small.png"] = chest(9200, size=(31, 40), format_="PNG")
    place_archive(_damaged(zip_of(files), "NORMAL/NOBODY/damaged.dcm"))
    decode(job_directory)
    card = split(job_directory)

    out = "".join(capfd.readouterr())
    left = [path for path in (job_directory / "processing" / "output").rglob("*") if path.is_file()]
    assert any(path.suffix == ".tfrecord" for path in left)
    for secret in SECRETS:
        assert secret.lower() not in out.lower()
        for path in left:
            assert secret.lower().encode() not in path.read_bytes().lower(), path
    dropped = {one["reason"]: one["files"] for one in card["dropped"]}
    # The 82nd file of the archive: who has it can look it up.
    assert dropped["not_a_frontal_chest_radiograph"][0].startswith("entry-82.dcm: The DICOM file says that this is a")
    assert dropped["outside_label_folders"] == ["entry-91", "entry-92.png"]
    # Kept files and lines of progress name nobody either; patients whom nothing names are called as their file is.
    assert sum(one["images"] for one in card["splits"].values()) == 87
    assert any(one.startswith("entry-96.png: it has 31 x 40 pixels") for one in dropped["undecodable"])


def _damaged(archive: bytes, name: str) -> bytes:
    """The archive with a wrong byte in a stored member."""
    member = zipfile.ZipFile(io.BytesIO(archive)).getinfo(name)
    at = member.header_offset + 30 + len(name) + member.file_size - 1
    return archive[:at] + bytes([archive[at] ^ 1]) + archive[at + 1 :]


def test_names_that_a_table_calls_patients_by_are_not_left_of_files_that_are_not_used(job_directory, place_archive):
    files = {f"{number}.png": png(number) for number in range(4)} | {"SECRET-8.png": png(8), "SECRET-9.png": png(9)}
    rows = [f"{number}.png,{number % 2},P-{number}" for number in range(4)]
    rows += ["SECRET-8.png,COVID,SECRET-8", "SECRET-9.png,0,SECRET-9"]
    content = zip_of({**files, "labels.csv": table(*rows, header="file,label,patient")})
    place_archive(_damaged(content, "SECRET-9.png"))
    folder = decode(job_directory)
    found = read(folder)
    assert found.header.mismatched == {"other_label": ["entry-5.png"]}
    assert found.undecodable == {"entry-6.png": "the zip member is damaged or unsupported"}
    assert all(b"SECRET" not in path.read_bytes() for path in folder.iterdir())


def test_another_deployments_key_gives_other_patients_and_the_same_one_the_same(job_directory, place_archive):
    place_archive(zip_of({"NORMAL/a.dcm": dicom(1), "PNEUMONIA/b.dcm": dicom(2)}))
    first = [one.patient for one in read(decode(job_directory)).radiographs]
    assert [one.patient for one in read(decode(job_directory)).radiographs] == first
    (job_directory / "processing" / "input" / "patient-key" / "patients").write_bytes(bytes(32))
    assert not {one.patient for one in read(decode(job_directory)).radiographs} & set(first)


def test_patients_are_not_named_without_a_key(job_directory, place_archive):
    (job_directory / "processing" / "input" / "patient-key" / "patients").unlink()
    place_archive(zip_of({"NORMAL/a.dcm": dicom(1), "PNEUMONIA/b.dcm": dicom(2)}))
    with pytest.raises(JobError, match="has no key"):
        decode(job_directory)


def test_one_patient_id_for_everybody_is_refused_and_a_table_mends_it(job_directory, place_archive):
    files = members(36, PatientID="ANONYMOUS")
    place_archive(zip_of(files))
    decode(job_directory)
    with pytest.raises(JobError, match="72 of 72 DICOM images say that they are of one patient"):
        split(job_directory)
    rows = [f"{path},{path.partition('/')[0]},{number}" for number, path in enumerate(files)]
    place_archive(zip_of({**files, "labels.csv": table(*rows, header="file,label,patient")}))
    decode(job_directory)
    assert sum(one["patients"] for one in split(job_directory)["splits"].values()) == 72


def test_images_that_name_no_patient_are_counted_in_the_card(job_directory, place_archive):
    place_archive(zip_of(members(36, PatientID=" ")))
    decode(job_directory)
    assert split(job_directory)["decisions"][0].startswith("72 of 72 images name no patient, by the file, a folder or")


def test_views_and_body_parts_that_the_model_does_not_know_are_dropped_and_never_too_many(job_directory, place_archive):
    """Half of what a hospital exports are lateral views: that is no damage."""
    files = members(36)
    files |= {f"NORMAL/lateral {number}.dcm": dicom(5000 + number, ViewPosition="LL") for number in range(40)}
    files["NORMAL/hand.dcm"] = dicom(6000, BodyPartExamined="HAND")
    files["NORMAL/ct.dcm"] = dicom(6001, Modality="CT")
    place_archive(zip_of(files))
    decode(job_directory)
    card = split(job_directory)
    (dropped,) = (one for one in card["dropped"] if one["reason"] == "not_a_frontal_chest_radiograph")
    assert dropped["count"] == 42
    assert sum(one["images"] for one in card["splits"].values()) == 72
    sentences = [one for one in card["decisions"] if one.startswith("DICOM files that are dropped")]
    assert len(sentences) == 3
    assert any("(40): " in one and "lateral" in one for one in sentences)


def test_subgroups_are_counted_with_intervals_and_travel_to_the_evaluation(job_directory, place_archive):
    said = {
        number: {"PatientSex": "FM"[number % 2], "PatientAge": "030Y", "ViewPosition": "PA", "Manufacturer": "Agfa"}
        for number in range(80)
    }
    said[0] |= {"PatientAge": "091Y", "ViewPosition": ""}
    place_archive(zip_of({f"{LABELS[n // 40]}/{n}.dcm": dicom(n, **attributes) for n, attributes in said.items()}))
    decode(job_directory)
    card = split(job_directory)
    assert list(card["subgroups"]) == ["view", "age", "sex", "manufacturer"]
    assert {name: one["images"] for name, one in card["subgroups"]["sex"].items()} == {"female": 40, "male": 40}
    female = card["subgroups"]["sex"]["female"]
    assert (female["patients"], female["labels"]) == (40, {"NORMAL": 20, "PNEUMONIA": 20})
    low, high = female["prevalence"]["confidence_interval"]
    assert low < female["prevalence"]["value"] == 0.5 < high
    # One person of a great age and no view is not told apart.
    assert list(card["subgroups"]["age"]) == ["18-39", "of fewer than 10 patients each"]
    records = examples(job_directory / "processing" / "output" / "test", SIZE).as_numpy_iterator()
    groups = [json.loads(one["groups"]) for one in records]
    assert len(groups) == 16
    assert {one["manufacturer"] for one in groups} == {"Agfa"}


def test_what_is_stored_as_dicom_and_is_no_image_is_named_with_its_reason(job_directory, place_archive):
    pdf = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1", "Modality": "OT"}
    index = {"SOPClassUID": "1.2.840.10008.1.3.10"}
    files = {
        "NORMAL/a.dcm": dicom(1),
        "PNEUMONIA/b.dcm": dicom(2),
        "NORMAL/report.dcm": dicom(3, without=("PixelData",), **pdf),
        "NORMAL/sr.dcm": dicom(4, without=("PixelData",), Modality="SR"),
        "NORMAL/index.dcm": dicom(5, without=("PixelData",), **index),
        "NORMAL/DICOMDIR": dicom(6, without=("PixelData",), **index),
        "NORMAL/cut.dcm": dicom(7, transfer_syntax=J2K_LOSSLESS)[:-400],
        "NORMAL/text.dcm": b"no DICOM",
    }
    place_archive(zip_of(files))
    found = read(decode(job_directory))
    assert "a PDF document" in found.unsuitable["entry-3.dcm"]
    assert "of modality SR" in found.unsuitable["entry-4.dcm"]
    assert "the index of a medium" in found.unsuitable["entry-5.dcm"]
    assert "damaged" in found.undecodable["entry-7.dcm"]
    assert "begins neither as the file format demands" in found.undecodable["entry-8.dcm"]
    assert found.header.not_images == ["entry-6"]
    assert found.header.candidates == 7


@pytest.mark.parametrize("by", ["file", "sop_instance_uid", "patient_id"])
def test_a_table_labels_what_it_names(by, job_directory, place_archive):
    keys = {"file": "images/{}.dcm", "sop_instance_uid": "1.2.3.{}", "patient_id": "secret-{}"}
    rows = [f"{keys[by].format(number)},{number % 2},{'val' if number > 3 else 'train'}" for number in range(6)]
    files = {f"x/images/{number}.dcm": dicom(number) for number in range(6)}
    place_archive(zip_of({"x/labels.csv": table(*rows, header=f"{by},Label,split"), **files}))
    found = read(decode(job_directory)).radiographs
    assert {one.path: (one.label, one.folder) for one in found} == {
        f"entry-{number + 2}.dcm": (LABELS[number % 2], "validation" if number > 3 else "train") for number in range(6)
    }
    assert len({one.patient for one in found}) == 6


def test_a_table_without_splits_leaves_a_doubt_about_a_folder_a_doubt(job_directory, place_archive):
    files = {f"{folder}/{number}.png": png(number) for number, folder in enumerate(("a", "a", "holdout", "holdout"))}
    rows = [f"{path},{number % 2}" for number, path in enumerate(files)]
    place_archive(zip_of({**files, "labels.csv": table(*rows)}))
    with pytest.raises(
        JobError, match="The folder holdout may be meant as a split, and the table gives its images none"
    ):
        decode(job_directory)
    rows = [f"{row},{'test' if 'holdout' in row else 'train'}" for row in rows]
    place_archive(zip_of({**files, "labels.csv": table(*rows, header="file,label,split")}))
    assert [one.folder for one in read(decode(job_directory)).radiographs] == ["train", "train", "test", "test"]


def test_a_table_and_a_folder_that_contradict_each_other_about_a_split_are_spoken_of(job_directory, place_archive):
    """Few are left out and named; many mean that the table was made for another tree."""
    files = {f"{split}/{number}.png": png(number) for number, split in enumerate(["train"] * 60 + ["test"] * 20)}
    rows = [f"{path},{number % 2},{path.partition('/')[0]}" for number, path in enumerate(files)]
    rows[3] = rows[3].replace(",train", ",test")
    place_archive(zip_of({**files, "labels.csv": table(*rows, header="file,label,split")}))
    decode(job_directory)
    card = split(job_directory)
    assert {one["reason"]: one["files"] for one in card["dropped"]} == {"two_splits": ["train/3.png"]}
    assert card["decisions"][0] == "Labels are those of the table labels.csv: two splits 1."
    rows = [row.replace(",train", ",val") for row in rows]
    place_archive(zip_of({**files, "labels.csv": table(*rows, header="file,label,split")}))
    with pytest.raises(JobError, match=r"60 of 80 images have two splits, that of their folder counted .*train/0\.png"):
        decode(job_directory)


def test_rsnas_archive_is_taken_as_it_is(job_directory, place_archive):
    boxes = ["patientId,x,y,width,height,Target"]
    files = {}
    for number in range(8):
        files[f"stage_2_train_images/SECRET-{number}.dcm"] = dicom(number, PatientID=f"SECRET-{number}")
        boxes += [f"SECRET-{number},264.0,152.0,213.0,379.0,1"] * 2 if number % 2 else [f"SECRET-{number},,,,,0"]
    files["stage_2_test_images/SECRET-9.dcm"] = dicom(9)
    files["stage_2_detailed_class_info.csv"] = b"patientId,class\n"
    place_archive(zip_of({**files, "stage_2_train_labels.csv": "\n".join(boxes).encode()}))
    found = read(decode(job_directory))
    # A file is called as its patient is, so none keeps its name.
    assert [one.path for one in found.radiographs] == [f"entry-{number}.dcm" for number in range(1, 9)]
    assert [one.label for one in found.radiographs] == [*LABELS] * 4
    assert not found.header.mismatched


def test_few_rows_and_files_that_do_not_fit_are_counted_and_named(job_directory, place_archive):
    files = members(36)
    rows = [f"{path},{path.partition('/')[0]}" for path in files]
    files = {f"all/{path.rpartition('/')[2]}": content for path, content in files.items()}
    rows = [row.rpartition("/")[2] for row in rows]
    files["all/extra.png"] = png(1)
    rows += ["missing.dcm,1", "0.dcm,1"]
    place_archive(zip_of({**files, "labels.csv": table(*rows)}))
    decode(job_directory)
    card = split(job_directory)
    dropped = {one["reason"]: one["files"] for one in card["dropped"]}
    assert dropped["file_without_row"] == ["entry-73.png"]
    assert dropped["row_without_file"] == ["labels.csv, line 74"]
    assert dropped["two_labels"] == ["entry-1.dcm"]
    assert card["decisions"][0].startswith("Labels are those of the table labels.csv: file without row 1,")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (table("0.png,NORMAL", "1.png,PNEUMONIA", "2.png,1"), "1 of 3 rows are about no file .*line 4"),
        (table("0.png,NORMAL", "1.png,PNEUMONIA", "1.png,NORMAL"), r"1 of 2 images have two labels.*1\.png"),
        (table("1.png,PNEUMONIA"), r"1 of 2 images have no row.*0\.png"),
        (table("0.png,PNEUMONIA", "1.png,PNEUMONIA"), "no NORMAL image to train on"),
        ("file,label\n0.png,ünklar\n".encode("latin-1"), "not in UTF-8: line 2 has the byte 0xfc"),
        (b'file,label\n"0.png,NORMAL\n1.png,1\n', "is damaged near line 3"),
        (b"", "The first line of the table labels.csv has to name its columns"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_a_sentence(content, reason, job_directory, place_archive):
    place_archive(zip_of({"0.png": png(0), "1.png": png(1), "labels.csv": content}))
    with pytest.raises(JobError, match=reason):
        decode(job_directory)


def test_a_folder_that_says_otherwise_is_a_second_label(job_directory, place_archive):
    place_archive(
        zip_of({"NORMAL/0.png": png(0), "PNEUMONIA/1.png": png(1), "labels.csv": table("0.png,1", "1.png,1")})
    )
    with pytest.raises(JobError, match=r"1 of 2 images have two labels.*NORMAL/0\.png"):
        decode(job_directory)


def test_archives_without_dicom_do_without_its_libraries(tmp_path):
    """They are trained on as ever where libraries are not carried, or not for the machine."""
    (tmp_path / "archive.zip").write_bytes(zip_of({"NORMAL/a.png": png(0), "PNEUMONIA/b.png": png(1)}))
    program = (
        "import sys, zipfile; sys.modules['pydicom'] = None; from model_code.data.candidates import list_candidates; "
        "from model_code.members.members import ZipMembers; "
        f"print(len(list_candidates(ZipMembers(zipfile.ZipFile({str(tmp_path / 'archive.zip')!r}))).candidates))"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("2\n", "")


def test_the_manifest_holds_groups_of_dicom_only(job_directory, place_archive):
    place_archive(zip_of({"NORMAL/a.png": png(1), "PNEUMONIA/b.png": png(2)}))
    folder = decode(job_directory)
    lines = [json.loads(line) for line in next(folder.glob("*.jsonl")).read_text().splitlines()[1:]]
    assert [line["facts"]["groups"] for line in lines] == [{}, {}]
