"""From an uploaded archive to exactly one execution, or to one report and one notification."""

import json

import pytest
from botocore.exceptions import ClientError

from lambdas.trigger import dataset
from lambdas.trigger.report import report_key
from lambdas.trigger.upload import Announcement, UnversionedBucketError, Upload
from tests.lambdas.trigger.conftest import BUCKET, KEY, MIB, PACKAGES, keys


def report(s3):
    return json.loads(s3.get_object(Bucket=BUCKET, Key=KEY + ".rejected.json")["Body"].read())


@pytest.mark.parametrize("letter", ["a", "\u00fc", "\U0001fac1"])
def test_a_report_fits_beside_the_longest_key(letter):
    """S3 refuses a key above 1,024 bytes: the reason would be lost, and the event come again until it is dropped."""
    key = "incoming/" + letter * ((1024 - len("incoming/")) // len(letter.encode()))
    names = {report_key(Upload(BUCKET, key, version, 5)) for version in ("one", "two")}
    assert len(names) == 2, "of two uploads whose names begin alike each has its own"
    for name in names:
        assert len(name.encode()) <= 1024
        assert name.startswith("incoming/" + letter * 200)
        assert name.endswith(".rejected.json")


class TestAccepted:
    def test_execution_reads_an_immutable_copy(self, intake, put, s3, make_zip, kaggle_files):
        data = make_zip(kaggle_files())
        outcome = intake.receive(put(data))
        (request,) = intake.sagemaker.requests
        token = request["ClientRequestToken"]
        assert 32 <= len(token) <= 128, "SageMaker's limits of a token"
        assert request["PipelineName"] == "cxr-dev"
        copy = f"datasets/{token}/archive.zip"
        assert request["PipelineParameters"] == [{"Name": "InputArchiveUri", "Value": f"s3://{BUCKET}/{copy}"}]
        assert request["PipelineExecutionDisplayName"] == f"Chest-X-ray-2018-{token[:8]}"
        assert s3.get_object(Bucket=BUCKET, Key=copy)["Body"].read() == data
        assert outcome["status"] == "started"
        assert outcome["images"]["train/NORMAL"] == 6
        assert intake.sns.messages == []

    def test_same_event_three_times_is_one_execution_and_one_copy(self, intake, put, make_zip, kaggle_files, calls):
        announced = put(make_zip(kaggle_files()))
        outcomes = [intake.receive(announced) for _ in range(3)]
        assert outcomes[0] == outcomes[1] == outcomes[2]
        assert len(intake.sagemaker.executions) == 1
        assert [name for name, _ in calls].count("CopyObject") == 1

    def test_event_without_a_version_is_the_same_upload(self, intake, put, make_zip, kaggle_files):
        """Emulators leave the version out of the event."""
        announced = put(make_zip(kaggle_files()))
        first = intake.receive(announced)
        assert intake.receive(Announcement(BUCKET, KEY, None)) == first
        assert len(intake.sagemaker.executions) == 1

    def test_late_event_uses_its_own_version(self, intake, put, s3, make_zip, kaggle_files):
        """The key holds another archive by the time the first event arrives."""
        older = make_zip(kaggle_files(images_per_folder=2))
        announced = put(older)
        put(make_zip(kaggle_files(images_per_folder=4)))
        copy = intake.receive(announced)["archive_uri"].removeprefix(f"s3://{BUCKET}/")
        assert s3.get_object(Bucket=BUCKET, Key=copy)["Body"].read() == older

    def test_same_key_uploaded_again_is_another_execution(self, intake, put, make_zip, kaggle_files):
        data = make_zip(kaggle_files())
        first, second = intake.receive(put(data)), intake.receive(put(data))
        assert first["execution_arn"] != second["execution_arn"]

    def test_reads_less_than_a_hundredth_of_the_archive(self, intake, put, *, make_zip, noise, calls):
        image = noise(100_000)
        files = {f"train/{label}/{n}.jpeg": image for n in range(100) for label in ("NORMAL", "PNEUMONIA")}
        data = make_zip(files)
        assert len(data) > 20_000_000
        announced = put(data)
        calls.clear()
        intake.receive(announced)
        reads = [parsed["ContentLength"] for name, parsed in calls if name == "GetObject"]
        assert sum(reads) < len(data) / 100
        assert len(reads) <= 3

    def test_copy_in_parts_keeps_what_marks_it(self, intake, put, s3, *, make_zip, noise, calls, monkeypatch):
        """Above 5 GB only a multipart copy works, which S3 does not give the source's metadata to."""
        threshold = dataset.TransferConfig(multipart_threshold=6 * MIB, multipart_chunksize=5 * MIB, use_threads=False)
        monkeypatch.setattr(dataset, "_COPY", threshold)
        image = noise(6 * MIB)
        data = make_zip({"NORMAL/a.png": image, "PNEUMONIA/b.png": image})
        announced = put(data)
        outcome = intake.receive(announced)
        assert [name for name, _ in calls].count("UploadPartCopy") == 3
        copy = outcome["archive_uri"].removeprefix(f"s3://{BUCKET}/")
        assert s3.get_object(Bucket=BUCKET, Key=copy)["Body"].read() == data
        calls.clear()
        intake.receive(announced)
        assert "UploadPartCopy" not in [name for name, _ in calls], "the second delivery finds the copy"


class TestRefused:
    def test_report_beside_the_upload_and_notification(self, intake, put, s3, make_zip):
        announced = put(make_zip({"../evil.png": b"x", "NORMAL/a.png": b"x", "PNEUMONIA/b.png": b"x"}))
        outcome = intake.receive(announced)
        assert (outcome["status"], outcome["reason"]) == ("rejected", "path_traversal")
        written = report(s3)
        assert written["reason"] == "path_traversal"
        assert written["entry"] == "../evil.png"
        assert "../evil.png" in written["detail"]
        assert written["what_to_do"]
        assert written["archive"] == {
            "bucket": BUCKET,
            "key": KEY,
            "version_id": announced.version_id,
            "size_bytes": s3.head_object(Bucket=BUCKET, Key=KEY)["ContentLength"],
        }
        (message,) = intake.sns.messages
        assert written["detail"] in message["Message"]
        assert len(message["Subject"]) <= 100
        assert message["Subject"].isascii()

    def test_nothing_starts_and_nothing_is_copied(self, intake, put, s3):
        intake.receive(put(b"not a zip"))
        assert intake.sagemaker.requests == []
        assert keys(s3) == {KEY, KEY + ".rejected.json"}

    def test_repeat_tells_people_once(self, intake, put, s3):
        announced = put(b"not a zip")
        assert [intake.receive(announced)["first_time"] for _ in range(3)] == [True, False, False]
        assert len(intake.sns.messages) == 1
        assert len(s3.list_object_versions(Bucket=BUCKET, Prefix=KEY + ".rejected.json")["Versions"]) == 1

    def test_another_bad_version_gets_its_own_report(self, intake, put, s3, make_zip):
        intake.receive(put(b"not a zip"))
        intake.receive(put(make_zip({})))
        assert report(s3)["reason"] == "empty"
        assert len(intake.sns.messages) == 2

    def test_failed_notification_is_repeated_and_not_lost(self, intake, put, s3, monkeypatch):
        announced = put(b"not a zip")

        def down(**_):
            raise ClientError({"Error": {"Code": "InternalError", "Message": ""}}, "Publish")

        with monkeypatch.context() as broken:
            broken.setattr(intake.sns, "publish", down)
            with pytest.raises(ClientError):
                intake.receive(announced)
        assert KEY + ".rejected.json" not in keys(s3)
        intake.receive(announced)
        assert len(intake.sns.messages) == 1

    def test_oversized_archive_is_refused_unread(self, intake, put, calls):
        object.__setattr__(intake.limits, "max_archive_bytes", 10)
        announced = put(b"PK\x03\x04" * 10)
        calls.clear()
        assert intake.receive(announced)["reason"] == "archive_too_large"
        assert "GetObject" not in [name for name, _ in calls]


class TestUnexpected:
    def test_upload_deleted_meanwhile(self, intake, put, s3):
        announced = put(b"x")
        s3.delete_object(Bucket=BUCKET, Key=KEY, VersionId=announced.version_id)
        assert intake.receive(announced)["status"] == "gone"
        assert intake.receive(Announcement(BUCKET, KEY, None))["status"] == "gone"

    def test_unversioned_bucket_is_refused_with_a_sentence(self, intake, s3):
        s3.create_bucket(Bucket="unversioned")
        s3.put_object(Bucket="unversioned", Key=KEY, Body=b"x")
        with pytest.raises(UnversionedBucketError, match="turn versioning on"):
            intake.receive(Announcement("unversioned", KEY, None))

    def test_failed_start_raises_so_that_the_event_comes_again(self, intake, put, make_zip, kaggle_files, monkeypatch):
        def throttled(**_):
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, "StartPipelineExecution")

        announced = put(make_zip(kaggle_files()))
        with monkeypatch.context() as broken:
            broken.setattr(intake.sagemaker, "start_pipeline_execution", throttled)
            with pytest.raises(ClientError):
                intake.receive(announced)
        assert intake.receive(announced)["status"] == "started"

    def test_denied_read_is_no_rejection(self, intake, put, s3, *, make_zip, kaggle_files, monkeypatch):
        """A missing grant must not tell people that their archive is bad."""
        announced = put(make_zip(kaggle_files()))

        def denied(**_):
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "GetObject")

        monkeypatch.setattr(s3, "get_object", denied)
        with pytest.raises(ClientError):
            intake.receive(announced)
        assert keys(s3) == {KEY}


@pytest.mark.parametrize(
    ("key", "stem"),
    [
        ("incoming/archive.zip", "archive-"),
        ("incoming/räntgen/..--1.zip", "1-"),
        ("incoming/" + "x" * 300 + ".zip", "x" * 73 + "-"),
        ("incoming/___.zip", ""),
    ],
)
def test_display_names_fit_sagemaker(key, stem):
    upload = Upload("b", key, "v", 1)
    name = dataset.display_name(upload)
    assert name == stem + upload.token[:8]
    assert len(name) <= 82


def registered(**metadata):
    """A package as DescribeModelPackage tells of it."""
    return {
        "InferenceSpecification": {"Containers": [{"ModelDataUrl": "s3://artifacts/executions/e/served.tar.gz"}]},
        "ModelMetrics": {"ModelQuality": {"Statistics": {"S3Uri": "s3://artifacts/executions/e/evaluation.json"}}},
        "CustomerMetadataProperties": metadata,
    }


class TestToEvaluate:
    """Below incoming/evaluate/<version>/ an archive is to evaluate that version on."""

    KEY = "incoming/evaluate/3/hospital b.zip"

    @pytest.fixture
    def site(self, make_zip, kaggle_files):
        """A site's archive has no train split, and needs none."""
        return make_zip({name.replace("/train/", "/test/"): data for name, data in kaggle_files().items()})

    def test_the_other_pipeline_starts_with_what_the_registry_says(self, intake, put, site):
        card = "s3://artifacts/executions/e/report/dataset.json"
        intake.sagemaker.packages[f"{PACKAGES}/3"] = registered(ImageSize="64", DatasetReportUri=card)
        outcome = intake.receive(put(site, self.KEY))
        assert outcome["status"] == "started"
        (request,) = intake.sagemaker.requests
        assert request["PipelineName"] == "cxr-dev-site-evaluation"
        copy = f"s3://{BUCKET}/evaluations/{request['ClientRequestToken']}/archive.zip"
        assert {one["Name"]: one["Value"] for one in request["PipelineParameters"]} == {
            "InputArchiveUri": copy,
            "ModelVersion": "3",
            "ModelUri": "s3://artifacts/executions/e/served.tar.gz",
            "EvaluationUri": "s3://artifacts/executions/e/evaluation.json",
            "ImageSize": "64",
            "DatasetReportPrefix": "s3://artifacts/executions/e/report",
        }

    def test_what_an_older_version_does_not_say_is_left_to_the_defaults(self, intake, put, site):
        intake.sagemaker.packages[f"{PACKAGES}/3"] = registered()
        intake.receive(put(site, self.KEY))
        (request,) = intake.sagemaker.requests
        assert {one["Name"] for one in request["PipelineParameters"]} == {
            *("InputArchiveUri", "ModelVersion", "ModelUri", "EvaluationUri")
        }

    @pytest.mark.parametrize(
        ("key", "detail"),
        [
            ("incoming/evaluate/4/site.zip", "There is no version 4 of cxr-dev."),
            ("incoming/evaluate/site.zip", "names no model version"),
            ("incoming/evaluate/latest/site.zip", "names no model version"),
            ("incoming/evaluate/3/deeper/site.zip", "names no model version"),
            ("incoming/evaluate/03/site.zip", "names no model version"),
        ],
    )
    def test_a_key_that_names_no_version_is_refused_and_never_trained_on(self, *, intake, put, s3, site, key, detail):
        intake.sagemaker.packages[f"{PACKAGES}/3"] = registered()
        outcome = intake.receive(put(site, key))
        assert (outcome["status"], outcome["reason"]) == ("rejected", "no_such_model")
        said = json.loads(s3.get_object(Bucket=BUCKET, Key=key + ".rejected.json")["Body"].read())
        assert detail in said["detail"]
        assert "cxr evaluate ARCHIVE --model VERSION" in said["what_to_do"]
        assert intake.sagemaker.requests == []

    def test_one_class_is_refused_as_in_training(self, intake, put, make_zip, kaggle_files):
        intake.sagemaker.packages[f"{PACKAGES}/3"] = registered()
        one = make_zip({name: data for name, data in kaggle_files().items() if "NORMAL" in name})
        assert intake.receive(put(one, self.KEY))["reason"] == "class_missing"


class TestToCalibrate:
    """Below incoming/calibrate/<version>/ an archive is to calibrate that version on."""

    KEY = "incoming/calibrate/3/hospital b.zip"
    CARD = "s3://artifacts/executions/e/report/dataset.json"

    @pytest.fixture
    def site(self, make_zip, kaggle_files):
        return make_zip({name.replace("/train/", "/test/"): data for name, data in kaggle_files().items()})

    def test_the_third_pipeline_starts_with_what_the_registry_says(self, intake, put, site):
        intake.sagemaker.packages[f"{PACKAGES}/3"] = registered(ImageSize="64", DatasetReportUri=self.CARD)
        assert intake.receive(put(site, self.KEY))["status"] == "started"
        (request,) = intake.sagemaker.requests
        assert request["PipelineName"] == "cxr-dev-calibration"
        assert {one["Name"]: one["Value"] for one in request["PipelineParameters"]} == {
            "InputArchiveUri": f"s3://{BUCKET}/evaluations/{request['ClientRequestToken']}/archive.zip",
            "ModelPackageArn": f"{PACKAGES}/3",
            "ModelUri": "s3://artifacts/executions/e/served.tar.gz",
            "TrainingOutputUri": "s3://artifacts/executions/e/output.tar.gz",
            "ImageSize": "64",
            "DatasetReportPrefix": "s3://artifacts/executions/e/report",
        }

    @pytest.mark.parametrize(
        ("key", "detail"),
        [
            (
                "incoming/calibrate/3/site.zip",
                "Version 3 has no dataset report, so what it was trained on is not known.",
            ),
            ("incoming/calibrate/latest/site.zip", "that is the folder below incoming/calibrate/"),
        ],
    )
    def test_what_cannot_be_calibrated_is_refused_and_never_trained_on(self, *, intake, put, s3, site, key, detail):
        intake.sagemaker.packages[f"{PACKAGES}/3"] = registered()
        assert intake.receive(put(site, key))["reason"] == "no_such_model"
        said = json.loads(s3.get_object(Bucket=BUCKET, Key=key + ".rejected.json")["Body"].read())
        assert detail in said["detail"]
        assert "cxr calibrate VERSION --archive ARCHIVE" in said["what_to_do"]
        assert intake.sagemaker.requests == []

    def test_what_is_to_train_on_still_needs_a_train_split(self, intake, put, site):
        assert intake.receive(put(site))["reason"] == "split_missing"
