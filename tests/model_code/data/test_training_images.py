"""Fingerprints name nobody, are the same for the same images, and find patients only by keyed hashes."""

import gzip
import io
import json

import numpy as np
import pytest
from PIL import Image

from model_code.contract.job import JobError
from model_code.data import training_images
from model_code.data.patient_split import Radiograph
from model_code.data.pseudonyms import Pseudonyms
from model_code.imaging import perceptual_hash
from model_code.imaging.perceptual_hash import Fingerprints
from tests.model_code.support.data_steps import chest

KEYED = Pseudonyms(b"k" * 32).patient("4711")


def image(number, patient):
    return Radiograph(f"secret/{number}.jpeg", "NORMAL", None, patient, "", f"{number:064x}", number)


def fingerprints_of(images):
    found = Fingerprints.room(10)
    for one in images:
        pixels = np.asarray(Image.open(io.BytesIO(chest(one.position))).resize((64, 64)))
        found.put(one.position, perceptual_hash.fingerprint(pixels))
    return found


def written(directory, images):
    training_images.write(directory, images, fingerprints_of(images))
    return (directory / training_images.FILE).read_bytes()


def test_nothing_in_them_says_whose_they_are_or_what_files_are_called(tmp_path):
    content = gzip.decompress(written(tmp_path, [image(1, "P12"), image(2, KEYED)])).decode()
    lines = [json.loads(line) for line in content.splitlines()]
    assert [line["patient"] for line in lines] == ["", KEYED]
    assert "secret" not in content
    assert "P12" not in content


def test_the_same_images_in_any_order_give_the_same_bytes(tmp_path):
    images = [image(1, "P12"), image(2, KEYED)]
    assert written(tmp_path, images) == written(tmp_path, images[::-1])


def test_a_patient_is_the_same_person_only_where_the_deployment_says_so(tmp_path):
    """`P12` of one archive and `P12` of another are two people, a keyed hash is one."""
    written(tmp_path, [image(1, "P12"), image(2, KEYED)])
    site = [image(3, "P12"), image(4, KEYED), image(5, "")]
    found = training_images.overlap(site, fingerprints_of(site), tmp_path)
    assert [one.position for one in found.patients] == [4]
    assert found.images == found.patients


def test_who_is_betrayed_by_a_copy_is_left_out_whole(tmp_path):
    """The archives may call one person by two names; one radiograph that comes back says who it is."""
    written(tmp_path, [image(1, "P12")])
    site = [image(1, "their-7"), image(3, "their-7"), image(4, "their-8")]
    found = training_images.overlap(site, fingerprints_of(site), tmp_path)
    assert [one.position for one in found.contents] == [1]
    assert [one.position for one in found.patients] == [3]


def test_a_dataset_without_them_is_unknown_and_not_clean(tmp_path):
    assert training_images.overlap([image(1, "")], Fingerprints.room(0), tmp_path) is None


@pytest.mark.parametrize("lines", [b"{\n", b"[]\n", b'{"sha256": "00"}\n'])
def test_a_damaged_file_is_named(tmp_path, lines):
    (tmp_path / training_images.FILE).write_bytes(gzip.compress(lines))
    with pytest.raises(JobError, match=training_images.FILE):
        training_images.overlap([], Fingerprints.room(0), tmp_path)


def test_what_is_no_gzip_file_is_named(tmp_path):
    (tmp_path / training_images.FILE).write_bytes(b"no gzip")
    with pytest.raises(JobError, match=training_images.FILE):
        training_images.overlap([], Fingerprints.room(0), tmp_path)
