"""An inventory trains to the data set that a zip of the same files does, and its versions stay what was trained on."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from model_code.archive import inventory
from model_code.archive.inventory import Object
from model_code.contract.job import JobError
from model_code.data import manifest
from model_code.members import bucket
from tests.model_code.conftest import SIZE, drawn, kaggle_members, zip_of
from tests.model_code.support.data_steps import decode, split
from tests.model_code.test_dicom_archive import dicom, members, table

BUCKET, PREFIX = "radiology", "study 7/"


@pytest.fixture(scope="module")
def client() -> Any:
    """Made once: loading S3's API description takes most of a second."""
    from moto import mock_aws

    with mock_aws():
        return boto3.client("s3", region_name="us-east-1")


@pytest.fixture
def s3(client: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    from moto import mock_aws

    with mock_aws():
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield client


@pytest.fixture(autouse=True)
def patient_key(job_directory: Path) -> None:
    folder = job_directory / "processing" / "input" / "patient-key"
    folder.mkdir(parents=True)
    (folder / "patients").write_bytes(bytes(range(32)))


@pytest.fixture
def place_folder(s3: Any, job_directory: Path) -> Callable[..., str]:
    """Puts files into the bucket and their inventory where the processing job has its input; the inventory's URI."""

    def place(files: dict[str, bytes], **etags: str) -> str:
        objects = []
        for name in sorted(files):
            put = s3.put_object(Bucket=BUCKET, Key=PREFIX + name, Body=files[name])
            objects.append(Object(name, put["VersionId"], len(files[name]), etags.get(name, put["ETag"].strip('"'))))
        packed = io.BytesIO()
        digest = inventory.write(packed, BUCKET, PREFIX, objects)
        directory = job_directory / "processing" / "input" / "archive"
        directory.mkdir(parents=True, exist_ok=True)
        for other in directory.iterdir():
            other.unlink()
        (directory / "inventory.jsonl.gz").write_bytes(packed.getvalue())
        return f"s3://data/datasets/{digest}/inventory.jsonl.gz"

    return place


def mixed() -> dict[str, bytes]:
    """DICOM files of patients, a table that names others, and files that are none."""
    files = {f"images/{name.replace('/', '-')}": data for name, data in members(32).items()}
    rows = [f"{name.rpartition('/')[2]},{name.partition('-')[0].partition('/')[2]}" for name in files]
    return {**files, "labels.csv": table(*rows), "images/notes.pdf": b"%PDF-1.4"}


@pytest.mark.parametrize("files", [kaggle_members(), mixed()], ids=["folders", "table"])
def test_a_folder_of_a_bucket_trains_to_the_data_set_of_its_zip(
    files: dict[str, bytes], job_directory: Path, place_archive: Callable[..., None], place_folder: Callable[..., str]
) -> None:
    # A zip's entries are called by their numbers where there is DICOM: in the order in which S3 lists them, here.
    place_archive(zip_of({name: files[name] for name in sorted(files)}))
    decode(job_directory)
    of_zip = split(job_directory)
    uri = place_folder(files)
    decode(job_directory, hosts=2, archive_uri=uri)
    of_folder = split(job_directory, archive_uri=uri)
    assert of_folder["sha256"] == of_zip["sha256"]
    for name in ("splits", "dropped", "sources", "metadata_files"):
        assert of_folder[name] == of_zip[name], name
    digest = uri.split("/")[-2]
    assert of_folder["archive_uri"] == uri
    assert of_folder["decisions"][0] == (
        f"Images are objects of s3://{BUCKET}/{PREFIX} by their versions, of the inventory with SHA-256 {digest}."
    )


def test_what_is_written_later_changes_nothing(s3: Any, job_directory: Path, place_folder: Callable[..., str]) -> None:
    files = members(2)
    uri = place_folder(files)
    before = _digests(decode(job_directory, archive_uri=uri), uri)
    for name in files:
        s3.put_object(Bucket=BUCKET, Key=PREFIX + name, Body=b"another file")
    s3.delete_object(Bucket=BUCKET, Key=PREFIX + "NORMAL/1.dcm")
    assert _digests(decode(job_directory, archive_uri=uri), uri) == before
    assert len(before) == 4


def _digests(folder: Path, uri: str) -> dict[str, str]:
    return {one.path: one.sha256 for one in manifest.read(folder, uri, SIZE).radiographs}


def test_a_version_that_is_gone_ends_the_step_with_a_sentence(
    s3: Any, job_directory: Path, place_folder: Callable[..., str]
) -> None:
    uri = place_folder(members(2))
    (version,) = s3.list_object_versions(Bucket=BUCKET, Prefix=f"{PREFIX}PNEUMONIA/1000")["Versions"]
    s3.delete_object(Bucket=BUCKET, Key=version["Key"], VersionId=version["VersionId"])
    with pytest.raises(JobError) as ended:
        decode(job_directory, archive_uri=uri)
    said = str(ended.value)
    assert said.startswith(f"The object entry-3.dcm of {uri} (version {version['VersionId']}) is gone:")
    assert f"`cxr start --from s3://{BUCKET}/{PREFIX}`" in said


def test_a_version_that_is_another_content_now_ends_the_step(
    job_directory: Path, place_folder: Callable[..., str]
) -> None:
    """`null` versions are replaced when somebody suspends a bucket's versioning."""
    uri = place_folder(members(2), **{"NORMAL/0.dcm": "0" * 32})
    with pytest.raises(JobError, match=r"The object entry-1\.dcm .* was changed since the inventory was taken"):
        decode(job_directory, archive_uri=uri)


def test_copies_whose_etags_differ_are_one_image(
    s3: Any, job_directory: Path, place_folder: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of objects that KMS encrypts, or that came in parts, the ETag is not the content's."""
    files = members(2) | {f"copies/{name}": data for name, data in members(2).items()}
    uri = place_folder(files, **{name: f"{number:032x}" for number, name in enumerate(files)})
    _without_if_match(monkeypatch)
    found = manifest.read(decode(job_directory, hosts=3, archive_uri=uri), uri, SIZE)
    assert len(found.radiographs) == len(found.records) == 8
    # Copies share the record of one of them.
    assert len({(one.sha256, one.position) for one in found.radiographs}) == len(found.facts) == 4


def _without_if_match(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bucket's ETags are not those of the inventory."""
    make = boto3.client

    def made(service: str, **options: Any) -> Any:
        client = make(service, **options)
        client.meta.events.register("before-parameter-build.s3.GetObject", lambda params, **_: params.pop("IfMatch"))
        return client

    monkeypatch.setattr(bucket.boto3, "client", made)


def test_no_more_than_a_few_files_are_held_at_a_time(
    s3: Any, job_directory: Path, place_folder: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room for the bytes of one file alone, every file is read all the same, by several threads."""
    monkeypatch.setattr(bucket, "_BYTES_AHEAD", 1)
    uri = place_folder(members(8))
    assert len(_digests(decode(job_directory, archive_uri=uri), uri)) == 16


def test_each_process_of_an_instance_fetches_its_share(job_directory: Path) -> None:
    """A client of the process that they are forked from would share its connections with all of them."""
    program = """
import io, sys
from pathlib import Path
import boto3
from moto import mock_aws
from model_code import preprocess
from model_code.archive import inventory
preprocess._FILES_PER_PROCESS, preprocess.job.processors = 3, lambda: 2
names = [f"{label}/{number}.png" for label in ("NORMAL", "PNEUMONIA") for number in range(4)]
with mock_aws():
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="radiology")
    s3.put_bucket_versioning(Bucket="radiology", VersioningConfiguration={"Status": "Enabled"})
    objects = []
    for name, content in zip(names, sys.argv[3:], strict=True):
        body = bytes.fromhex(content)
        put = s3.put_object(Bucket="radiology", Key=name, Body=body)
        objects.append(inventory.Object(name, put["VersionId"], len(body), put["ETag"].strip('"')))
    packed = io.BytesIO()
    uri = f"s3://data/datasets/{inventory.write(packed, 'radiology', '', objects)}/inventory.jsonl.gz"
    Path(sys.argv[1]).write_bytes(packed.getvalue())
    preprocess.main(["--archive-uri", uri, "--image-size", sys.argv[2]])
print(uri)
"""
    path = job_directory / "processing" / "input" / "archive" / "inventory.jsonl.gz"
    path.parent.mkdir(parents=True)
    images = [drawn(number).hex() for number in range(8)]
    command = [sys.executable, "-c", program, str(path), str(SIZE), *images]
    root = Path(manifest.__file__).resolve().parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "decodes its part in 2 processes" in done.stdout
    uri = done.stdout.split()[-1]
    assert len(_digests(job_directory / "processing" / "output" / "decoded", uri)) == 8


def test_an_inventory_that_was_changed_is_refused(job_directory: Path, place_folder: Callable[..., str]) -> None:
    uri = place_folder(members(1))
    with pytest.raises(JobError, match="it was changed"):
        decode(job_directory, archive_uri=uri.replace(uri.split("/")[-2], "0" * 64))


def test_a_job_without_a_network_says_how_to_start_it(
    job_directory: Path, place_folder: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As somebody finds out who starts the pipeline by hand and leaves NetworkIsolation at its default."""
    uri = place_folder({"NORMAL/a.dcm": dicom(1), "PNEUMONIA/b.dcm": dicom(2)})

    def unreachable(*_: Any, **__: Any) -> Any:
        raise bucket.BotoCoreError

    _patched_get(monkeypatch, unreachable)
    with pytest.raises(JobError, match=r"the job reaches no S3.*parameter NetworkIsolation at false"):
        decode(job_directory, archive_uri=uri)


class Broken:
    """Content that ends in the middle."""

    def read(self, *_: int) -> bytes:
        raise bucket.ResponseStreamingError(error="IncompleteRead")

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("times", [4, 5])
def test_an_object_that_breaks_off_on_its_way_is_fetched_again(
    job_directory: Path, place_folder: Callable[..., str], monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """Of a million objects some do: the job of hours does not end for it, and never takes a part for the whole."""
    uri = place_folder({"NORMAL/a.dcm": dicom(1), "PNEUMONIA/b.dcm": dicom(2)})
    left, make = [times], boto3.client

    def made(service: str, **options: Any) -> Any:
        client = make(service, **options)
        get = client.get_object

        def breaking(**asked: Any) -> Any:
            if "Range" in asked or not asked["Key"].endswith("b.dcm") or not left[0]:
                return get(**asked)
            left[0] -= 1
            return {"Body": Broken()}

        client.get_object = breaking
        return client

    monkeypatch.setattr(bucket.boto3, "client", made)
    if times < bucket._DOWNLOADS:
        assert len(_digests(decode(job_directory, archive_uri=uri), uri)) == 2
    else:
        with pytest.raises(JobError, match=r"entry-2\.dcm .* broke off on its way .*: start the execution again"):
            decode(job_directory, archive_uri=uri)


def test_a_denied_read_names_the_setting(
    job_directory: Path, place_folder: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = place_folder({"NORMAL/a.dcm": dicom(1), "PNEUMONIA/b.dcm": dicom(2)})

    def denied(*_: Any, **__: Any) -> Any:
        raise bucket.ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "GetObject")

    _patched_get(monkeypatch, denied)
    with pytest.raises(JobError, match=rf"name s3://{BUCKET}/{PREFIX} in archive\.sources of cdk\.json"):
        decode(job_directory, archive_uri=uri)


def _patched_get(monkeypatch: pytest.MonkeyPatch, answer: Callable[..., Any]) -> None:
    make = boto3.client

    def made(service: str, **options: Any) -> Any:
        client = make(service, **options)
        client.get_object = answer
        return client

    monkeypatch.setattr(bucket.boto3, "client", made)
