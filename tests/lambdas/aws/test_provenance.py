"""Everything that a registered model was made of is signed, and one flipped bit of it is named."""

import base64
import json
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from lambdas.aws import package_files, statement
from lambdas.aws.envelope import EnvelopeError, SigningKey, read, signed_bytes
from lambdas.aws.provenance import Provenance, ProvenanceError
from lambdas.aws.statement import PackageInspector, StatementError
from tests.lambdas.signing import BUCKET, KEY, Artifacts, Kms, packed, refusal

CREATED = datetime(2026, 5, 1, 12, tzinfo=UTC)
ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-package/cxr-dev/3"
EXECUTION = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/cxr-dev/execution/abc"
DATASET = "d" * 64
STATEMENT = "signatures/3/20260501T120000Z.dsse.json"
FILES = {
    package_files.MODEL: "executions/abc/model/job/output/served.tar.gz",
    package_files.TRAINING_OUTPUT: "executions/abc/model/job/output/output.tar.gz",
    package_files.EVALUATION: "executions/abc/evaluation/evaluation.json",
    package_files.REPORT: "executions/abc/evaluation/report.html",
    package_files.MODEL_CARD: "executions/abc/evaluation/model_card.json",
    package_files.REFERENCE: "executions/abc/evaluation/reference.json",
    package_files.DATASET_REPORT: "executions/abc/report/dataset.json",
    package_files.TRAINING_IMAGES: "executions/abc/report/training_images.jsonl.gz",
}


def archive(metadata, **more):
    """model.tar.gz with metadata.json behind another file, and more files by their paths."""
    return packed({"1/saved_model.pb": b"weights" * 100, "metadata.json": json.dumps(metadata).encode(), **more})


class SageMaker:
    """The execution that registered the package."""

    def __init__(self):
        self.definition = '{"Version": "2020-12-01"}'
        self.parameters = {"Epochs": "12"}

    def describe_pipeline_definition_for_execution(self, *, PipelineExecutionArn):  # noqa: N803
        if self.definition is None:
            raise refusal("Describe", "ResourceNotFound", f"{PipelineExecutionArn} does not exist.")
        return {"PipelineDefinition": self.definition}

    def describe_pipeline_execution(self, *, PipelineExecutionArn):  # noqa: N803
        if self.definition is None:
            raise refusal("Describe", "ResourceNotFound", f"Pipeline execution {PipelineExecutionArn} does not exist.")
        return {"PipelineExecutionArn": PipelineExecutionArn}

    def get_paginator(self, operation):
        assert operation == "list_pipeline_parameters_for_execution"
        return self

    def paginate(self, *, PipelineExecutionArn):  # noqa: N803
        assert PipelineExecutionArn == EXECUTION
        return [{"PipelineParameters": [{"Name": name, "Value": value} for name, value in self.parameters.items()]}]


class Signed:
    """A registered version and all it was made of."""

    def __init__(self):
        self.kms, self.s3, self.sagemaker = Kms(made=CREATED - timedelta(days=1)), Artifacts(), SageMaker()
        self.s3.objects = {key: f"content of {name}".encode() for name, key in FILES.items()}
        metadata = {"dataset": {"sha256": DATASET}, "source_revision": "0123456789ab"}
        self.s3.objects[FILES[package_files.MODEL]] = archive(metadata)
        self.s3.objects[FILES[package_files.EVALUATION]] = json.dumps({"dataset_sha256": DATASET}).encode()
        uris = {name: f"s3://{BUCKET}/{key}" for name, key in FILES.items()}
        self.package = {
            "ModelPackageArn": ARN,
            "ModelPackageGroupName": "cxr-dev",
            "ModelPackageVersion": 3,
            "CreationTime": CREATED,
            "InferenceSpecification": {
                "Containers": [{"Image": "763104351884.dkr.ecr/tensorflow:2.20", "ModelDataUrl": uris["model.tar.gz"]}]
            },
            "ModelMetrics": {"ModelQuality": {"Statistics": {"S3Uri": uris[package_files.EVALUATION]}}},
            "CustomerMetadataProperties": {
                "PipelineExecutionArn": EXECUTION,
                "InputArchiveUri": "s3://data/datasets/0a1b/archive.zip",
                "DatasetReportUri": uris[package_files.DATASET_REPORT],
                "Backbone": "ResNet50V2",
            },
        }
        self.provenance = Provenance(
            self.s3, BUCKET, SigningKey(self.kms, KEY), PackageInspector(self.sagemaker, self.s3)
        )

    def changed(self):
        """Names of what is otherwise now."""
        said = self.provenance.signed(self.package)
        assert said is not None
        return [one.name for one in self.provenance.all_changed(self.package, said)]


@pytest.fixture
def signed():
    made = Signed()
    assert made.provenance.sign(made.package)
    return made


def test_it_says_what_a_model_was_made_of(signed):
    said = statement.members(signed.provenance.signed(signed.package))
    assert said["dataset"] == f"s3://data/datasets/0a1b/archive.zip {DATASET}"
    assert said["source"] == "0123456789ab"
    assert said["serving container"] == "763104351884.dkr.ecr/tensorflow:2.20"
    assert said["pipeline definition"].startswith(f"{EXECUTION} ")
    assert (said["parameter Epochs"], said["property Backbone"]) == ("12", "ResNet50V2")
    assert (said["model package"], said["registration"]) == (ARN, "2026-05-01T12:00:00Z")
    assert set(FILES) <= set(said)


def test_nothing_that_is_as_it_was_is_called_changed(signed):
    assert signed.changed() == []


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_of_a_file_is_named(signed, name):
    signed.s3.flip(FILES[name])
    assert name in signed.changed()


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_gone_is_named(signed, name):
    del signed.s3.objects[FILES[name]]
    said = signed.provenance.signed(signed.package)
    gone = next(one for one in signed.provenance.all_changed(signed.package, said) if one.name == name)
    assert gone.now is None


def test_every_byte_of_the_envelope_counts(signed):
    for at in range(len(signed.s3.objects[STATEMENT])):
        signed.s3.flip(STATEMENT, at)
        with pytest.raises(ProvenanceError, match=r"The signed statement s3://artifacts/signatures/3/\S+ was changed"):
            signed.provenance.signed(signed.package)
        signed.s3.flip(STATEMENT, at)
    assert signed.provenance.signed(signed.package)


def test_what_the_registry_says_otherwise_is_named(signed):
    signed.package["InferenceSpecification"]["Containers"][0]["Image"] = "763104351884.dkr.ecr/tensorflow:2.21"
    signed.package["CustomerMetadataProperties"]["Backbone"] = "MobileNetV2"
    signed.package["CustomerMetadataProperties"]["Note"] = "added"
    assert signed.changed() == ["serving container", "property Backbone", "property Note"]


def test_what_the_execution_ran_is_part_of_it(signed):
    signed.sagemaker.definition += " "
    signed.sagemaker.parameters["Epochs"] = "13"
    assert signed.changed() == ["pipeline definition", "parameter Epochs"]


def test_another_keys_signature_is_none(signed):
    signed.kms._key = Kms()._key
    with pytest.raises(ProvenanceError, match="its signature is not one of the key"):
        signed.provenance.signed(signed.package)


def test_it_is_signed_once(signed):
    before = dict(signed.s3.objects)
    signed.s3.flip(FILES[package_files.MODEL])
    assert signed.provenance.sign(signed.package) is False
    assert signed.s3.objects[STATEMENT] == before[STATEMENT]


def test_a_version_of_an_environment_that_was_made_again_has_its_own(signed):
    signed.package["CreationTime"] += timedelta(days=1)
    assert signed.provenance.signed(signed.package) is None


@pytest.mark.parametrize("what", ["another dataset", "no model"])
def test_what_does_not_fit_together_is_not_signed(what):
    made = Signed()
    if what == "no model":
        del made.s3.objects[FILES[package_files.MODEL]]
    else:
        made.s3.objects[FILES[package_files.EVALUATION]] = b'{"dataset_sha256": "eeee"}'
    with pytest.raises(StatementError, match="datasets" if what == "another dataset" else "not where its package"):
        made.provenance.sign(made.package)
    assert STATEMENT not in made.s3.objects


def test_what_is_no_archive_or_no_json_is_signed_by_its_bytes():
    made = Signed()
    made.s3.objects[FILES[package_files.MODEL]] = b"no archive"
    made.s3.objects[FILES[package_files.EVALUATION]] = b"no JSON"
    assert made.provenance.sign(made.package)
    assert made.changed() == []


def test_the_key_says_since_when_there_are_signatures():
    made = Signed()
    assert made.provenance.unsigned_because(made.package) == ""
    made.package["CreationTime"] = CREATED - timedelta(days=2)
    assert "before this deployment signed models (2026-04-30T12:00:00Z)" in made.provenance.unsigned_because(
        made.package
    )


def test_somebody_elses_library_verifies_it(signed):
    """With the public key alone, and neither our code nor AWS."""
    envelope = Envelope.from_dict(json.loads(signed.s3.objects[STATEMENT]))
    key = SSlibKey(KEY, "ecdsa", "ecdsa-sha2-nistp256", {"public": signed.kms.pem().decode()})
    assert envelope.verify([key], 1) == {KEY: key}
    assert json.loads(envelope.payload)["_type"] == "https://in-toto.io/Statement/v1"
    envelope.payload = envelope.payload.replace(b"ResNet50V2", b"ResNet50V3")
    with pytest.raises(VerificationError):
        envelope.verify([key], 1)


def test_openssl_verifies_it(signed, tmp_path):
    payload, signature = read(signed.s3.objects[STATEMENT])
    for name, content in (("signed", signed_bytes(payload)), ("signature", signature), ("key.pem", signed.kms.pem())):
        (tmp_path / name).write_bytes(content)
    command = ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "signature", "signed"]
    asked = {"cwd": tmp_path, "capture_output": True, "text": True}
    assert subprocess.run(command, check=False, **asked).stdout == "Verified OK\n"
    (tmp_path / "signed").write_bytes(signed_bytes(payload + b" "))
    assert subprocess.run(command, check=False, **asked).returncode == 1


def test_an_envelope_of_another_kind_is_none():
    other = {"payloadType": "text/plain", "payload": base64.b64encode(b"{}").decode(), "signatures": [{"sig": ""}]}
    for envelope in (b"", b"[]", b"{}", b"\xff", json.dumps(other).encode()):
        with pytest.raises(EnvelopeError, match="no DSSE envelope"):
            read(envelope)
