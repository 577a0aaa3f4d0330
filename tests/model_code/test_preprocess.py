"""Hosts share the work without talking, and leave pixels and facts of every file exactly once."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model_code.contract import job
from model_code.contract.job import JobError
from model_code.data import manifest
from tests.model_code.conftest import SIZE, drawn, encode, kaggle_members, zip_of
from tests.model_code.support.data_steps import URI, arguments, decode
from tests.model_code.support.picture_files import GREY, mpo, png, quantised


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global decoding_graph, examples, preprocess
    from model_code import preprocess
    from model_code.data.shards import examples
    from model_code.imaging.decoding import decoding_graph


FIRST = "chest_xray/train/NORMAL/IM-0001-0001.jpeg"
SECOND = "chest_xray/train/NORMAL/IM-0002-0001.jpeg"


def read(folder):
    return manifest.read(folder, URI, SIZE)


def facts_of(folder, path):
    found = read(folder)
    return next(found.facts[one.sha256] for one in found.radiographs if one.path == path)


@pytest.mark.parametrize("hosts", [1, 2, 3])
def test_any_number_of_hosts_leaves_the_same_images_once(hosts, job_directory, place_archive):
    members = kaggle_members()
    place_archive(zip_of(members))
    folder = decode(job_directory, hosts=hosts)
    found = read(folder)
    assert [one.path for one in found.radiographs] == sorted(members)
    assert sorted(one.position for one in found.radiographs) == list(range(len(members)))
    records = list(examples(folder, SIZE).as_numpy_iterator())
    assert sorted(one["path"].decode() for one in records) == sorted(members)
    for one in records:
        expected = decoding_graph(SIZE)(members[one["path"].decode()]).numpy()
        np.testing.assert_array_equal(one["pixels"], expected)
        assert (one["width"], one["height"]) == (40, 40)
    assert len(list(folder.glob("*.jsonl"))) == hosts


@pytest.mark.parametrize("hosts", [1, 2])
def test_the_second_copy_of_a_doubled_tree_is_not_decoded(hosts, job_directory, place_archive):
    members = kaggle_members()
    place_archive(zip_of(members | {f"chest_xray/{name}": content for name, content in members.items()}))
    folder = decode(job_directory, hosts=hosts)
    found = read(folder)
    assert len(found.radiographs) == 2 * len(members)
    assert len(found.records) == len(members)
    assert {one["path"].decode() for one in examples(folder, SIZE).as_numpy_iterator()} == set(members)


def test_more_hosts_than_images_leave_empty_parts(job_directory, place_archive):
    place_archive(zip_of({"NORMAL/a.png": drawn(1), "PNEUMONIA/b.png": drawn(2)}))
    assert len(read(decode(job_directory, hosts=4)).radiographs) == 2


def test_facts_tell_type_colour_and_exif(job_directory, place_archive):
    exif = Image.Exif()
    exif[0x010E] = "scanner"
    buffer = io.BytesIO()
    Image.fromarray(quantised(8, 60, 90).astype(np.uint8)).save(buffer, "JPEG", exif=exif)
    light = np.full((50, 70, 3), 200, np.uint8)
    light[20:30, 30:40] = 20
    colour = encode(light)
    place_archive(zip_of({"NORMAL/a.jpeg": buffer.getvalue(), "PNEUMONIA/b.jpeg": colour}))
    folder = decode(job_directory)
    grey, rgb = (facts_of(folder, path) for path in ("NORMAL/a.jpeg", "PNEUMONIA/b.jpeg"))
    assert (grey.format, grey.mode, grey.exif, grey.width, grey.height) == ("JPEG", "L", True, 90, 60)
    assert (rgb.format, rgb.mode, rgb.exif, rgb.width, rgb.height) == ("PNG", "RGB", False, 70, 50)
    assert rgb.bytes == len(colour)
    assert rgb.border == (200.0, 0.0) * 4


def test_a_header_that_only_tensorflow_reads_costs_the_colour_mode(job_directory, place_archive, monkeypatch):
    def refuse(*_, **__):
        raise OSError("cannot identify image file")

    place_archive(zip_of({"NORMAL/a.jpeg": drawn(1, format_="JPEG"), "PNEUMONIA/b.png": drawn(2)}))
    monkeypatch.setattr(preprocess.Image, "open", refuse)
    folder = decode(job_directory)
    assert (facts_of(folder, "NORMAL/a.jpeg").format, facts_of(folder, "NORMAL/a.jpeg").mode) == ("JPEG", "unknown")
    assert facts_of(folder, "PNEUMONIA/b.png").format == "PNG"


def test_an_unreadable_image_is_named_with_its_reason(job_directory, place_archive):
    members = kaggle_members()
    members[FIRST] = members[FIRST][: len(members[FIRST]) // 2]
    members[SECOND] = b"GIF89a" + bytes(30)
    place_archive(zip_of(members))
    assert read(decode(job_directory)).undecodable == {
        FIRST: "it cannot be decoded to its end",
        SECOND: "it is a GIF and neither a JPEG nor a PNG: save it as PNG",
    }


@pytest.mark.parametrize("level", [0, 5, 128, 255])
def test_a_picture_in_which_there_is_nothing_to_see_is_no_radiograph(level, job_directory, place_archive):
    """A black picture was trained on as one of its label, and nobody was told (keras#13023)."""
    blank = np.full((200, 200), level, np.uint8)
    blank[:, ::2] = max(level - 5, 0)
    blank[:8, :12] = 255 - level  # a marker
    place_archive(zip_of({"NORMAL/a.png": encode(blank), "PNEUMONIA/b.png": drawn(1)}))
    (reason,) = read(decode(job_directory)).undecodable.values()
    assert "nearly uniform" in reason


def test_sixteen_bits_with_values_of_twelve_are_trained_on_as_they_look(job_directory, place_archive):
    values = quantised(12, 200, 220)
    dark, light = (png(values, 16, GREY), png(values >> 4, 8, GREY))
    place_archive(zip_of({"NORMAL/a.png": dark, "PNEUMONIA/b.png": light}))
    decoded = read(decode(job_directory))
    assert not decoded.undecodable
    # The same picture twice: their fingerprints say so.
    assert len(np.unique(decoded.fingerprints.hashes, axis=0)) == 1
    assert len(decoded.facts) == 2


def test_a_jpeg_with_a_second_picture_is_a_jpeg(job_directory, place_archive):
    picture = Image.fromarray(quantised(8, 200, 220).astype(np.uint8))
    turned = picture.transpose(Image.Transpose.ROTATE_180)
    place_archive(zip_of({"NORMAL/a.jpeg": mpo(picture, picture), "PNEUMONIA/b.jpeg": mpo(turned, turned)}))
    facts = read(decode(job_directory)).facts.values()
    assert [(each.format, each.mode) for each in facts] == [("JPEG", "L")] * 2


def test_a_bomb_is_refused_before_anything_reads_it(job_directory, place_archive):
    header = bytearray(drawn(1))
    header[16:24] = (60_000).to_bytes(4, "big") * 2
    place_archive(zip_of({"NORMAL/a.png": bytes(header), "PNEUMONIA/b.png": drawn(2)}))
    assert "60000 x 60000 pixels" in read(decode(job_directory)).undecodable["NORMAL/a.png"]


def test_a_damaged_member_of_the_archive_is_named(job_directory, place_archive):
    content = bytearray(zip_of({"NORMAL/a.png": drawn(1), "PNEUMONIA/b.png": drawn(2)}))
    content[200] ^= 255
    place_archive(bytes(content))
    assert "the zip member is damaged" in read(decode(job_directory)).undecodable["NORMAL/a.png"]


def test_names_that_point_outside_are_only_names(job_directory, place_archive):
    place_archive(zip_of(kaggle_members() | {"../../../../etc/train/NORMAL/evil.png": drawn(999)}))
    before = sorted(path.name for path in job_directory.parent.iterdir())
    decode(job_directory)
    assert sorted(path.name for path in job_directory.parent.iterdir()) == before
    everything = [path.name for path in job_directory.rglob("*") if path.is_file()]
    assert not [name for name in everything if name.endswith((".png", ".jpeg"))]


def test_progress_tells_the_rate_and_the_time_left(job_directory, place_archive, monkeypatch, capsys):
    monkeypatch.setattr(preprocess, "_PROGRESS_SECONDS", 0.0)
    place_archive(zip_of(kaggle_members(train=3, val=0, test=0)))
    decode(job_directory)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("decoded")]
    assert lines[2].startswith("decoded-00000-of-00001: 3/6 images, ")
    assert lines[2].endswith(" s left")
    assert lines[-1].startswith("decoded-00000-of-00001: 6/6 images, ")


@pytest.mark.parametrize("config", ["{", "[]", '{"hosts": ["a"]}', '{"hosts": ["a", "b"], "current_host": "c"}'])
def test_a_host_that_does_not_know_its_place_does_not_begin(config, job_directory, place_archive):
    place_archive(zip_of(kaggle_members()))
    (job_directory / "config").mkdir()
    (job_directory / "config" / "resourceconfig.json").write_text(config)
    with pytest.raises(JobError, match="does not say which of which hosts this is"):
        preprocess.main(arguments(archive_uri=URI, image_size=SIZE))


def test_without_hosts_there_is_one(job_directory):
    assert job.place_among_hosts() == (0, 1)
    (job_directory / "config").mkdir()
    config = {"current_host": "algo-2", "hosts": ["algo-2", "algo-1"]}
    (job_directory / "config" / "resourceconfig.json").write_text(json.dumps(config))
    assert job.place_among_hosts() == (1, 2)


def test_the_step_runs_as_sagemaker_starts_it(job_directory, place_archive):
    place_archive(zip_of(kaggle_members(train=2, val=0, test=0)))
    root = Path(preprocess.__file__).resolve().parents[1]
    command = [sys.executable, "-m", "model_code.preprocess", *arguments(archive_uri=URI, image_size=SIZE)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        "archive.zip: 4 labelled radiographs; instance 1 of 1 decodes its part in 1 process\n"
    )
    assert len(read(job_directory / "processing" / "output" / "decoded").records) == 4


def run_in_processes(processes, change="", main="preprocess.main(sys.argv[1:])"):
    """The step with so many processes, and a change of its module before it runs."""
    program = f"""
import os, signal, sys
from model_code import preprocess
from model_code.contract import job
preprocess._FILES_PER_PROCESS, preprocess.job.processors = 5, lambda: {processes}
{change}
sys.exit(job.run(lambda: {main}, message_file="message"))
"""
    command = [sys.executable, "-c", program, *arguments(archive_uri=URI, image_size=SIZE)]
    root = Path(preprocess.__file__).resolve().parents[1]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=120)


def test_several_processes_of_two_hosts_leave_every_image_once(job_directory, place_archive):
    """Each process is to the others what a host is: nobody's files are anybody else's."""
    members = kaggle_members()
    place_archive(zip_of(members))
    (job_directory / "config").mkdir()
    # One after the other in one process, because TensorFlow takes seconds to import: it computes in their own alone.
    hosts = """
def on_hosts():
    for name in ("algo-1", "algo-2"):
        config = {"current_host": name, "hosts": ["algo-1", "algo-2"]}
        with open(os.environ["SAGEMAKER_BASE_DIR"] + "/config/resourceconfig.json", "w") as file:
            preprocess.json.dump(config, file)
        preprocess.main(sys.argv[1:])
"""
    done = run_in_processes(3, hosts, "on_hosts()")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("decodes its part in 3 processes") == 2
    folder = job_directory / "processing" / "output" / "decoded"
    assert len(list(folder.glob("*.jsonl"))) == 6
    assert [one.path for one in read(folder).radiographs] == sorted(members)
    records = list(examples(folder, SIZE).as_numpy_iterator())
    assert sorted(one["path"].decode() for one in records) == sorted(members)


def test_what_fails_in_one_process_fails_the_step_with_its_reason(job_directory, place_archive):
    place_archive(zip_of(kaggle_members()))
    done = run_in_processes(
        2,
        """
def write_shards(folder, name, *_):
    if name == "decoded-00001-of-00002":
        raise job.JobError("There is no space left for the shards.")

preprocess.write_shards = write_shards
""",
    )
    assert done.returncode == 1
    assert (job_directory / "output" / "message").read_text() == "There is no space left for the shards."


def test_a_process_that_the_kernel_kills_fails_the_step_with_its_reason(job_directory, place_archive):
    """As it does with one that takes too much memory; the others would wait for it."""
    place_archive(zip_of(kaggle_members()))
    done = run_in_processes(2, "preprocess.write_shards = lambda *_: os.kill(os.getpid(), signal.SIGKILL)")
    assert done.returncode == 1
    assert "The job ran out of memory: choose a larger instance" in (job_directory / "output" / "message").read_text()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"archive_uri": "s3://data/incoming/archive.zip"}, "not an immutable copy"),
        ({"archive_uri": URI + "x"}, "not an immutable copy"),
        ({"image_size": 16}, "ImageSize must be from 32"),
    ],
)
def test_parameters_out_of_range_are_named(changes, reason, job_directory, place_archive):
    place_archive(zip_of(kaggle_members()))
    with pytest.raises(JobError, match=reason):
        decode(job_directory, **changes)
