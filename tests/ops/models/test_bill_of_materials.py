"""The bill of materials says what a version is made of, in CycloneDX's own terms, and only of what was signed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from typer.testing import Result

from lambdas.aws import package_files
from ops.base.errors import ExitCode
from tests.lambdas.aws.test_provenance import ARN, DATASET, FILES, Signed, archive
from tests.ops.models.test_verification import has

METADATA = {
    "labels": ["NORMAL", "PNEUMONIA"],
    "backbone": "ResNet50V2",
    "dataset": {
        "sha256": DATASET,
        "archive_uri": "s3://data/datasets/0a1b/archive.zip",
        "splits": {"train": {"images": 512, "patients": 256}, "test": {"images": 128, "patients": 64}},
    },
    "source_revision": "0123456789ab",
    "versions": {"python": "3.12.3", "tensorflow": "2.21.0"},
}
EVALUATION = {
    "dataset_sha256": DATASET,
    "threshold": 0.4,
    "population": {"ages": ["0-17"], "views": ["AP", "PA"], "modalities": []},
    "binary_classification_metrics": {"auc": {"value": 0.97, "confidence_interval": [0.95, 0.98]}},
    "calibration": {"brier_score": {"value": 0.05}},
}
WHEELS = {
    "code/lib/pillow-13.0.0.dist-info/METADATA": b"Name: pillow\nVersion: 13.0.0\nLicense-Expression: MIT-CMU\n",
    "code/lib/pillow-13.0.0.dist-info/RECORD": b"PIL/__init__.py,sha256=x,1\n",
    "code/lib/two-1.0.dist-info/METADATA": b"Name: Two_Licences\nVersion: 1.0\nLicense-Expression: MIT AND Zlib\n",
    "code/lib/old-1.0.dist-info/METADATA": (
        b"Name: old\nVersion: 1.0\nClassifier: License :: OSI Approved :: BSD License\n"
    ),
    "code/lib/silent-1.0.dist-info/METADATA": b"Name: silent\nVersion: 1.0\n",
}


def refusal(bill: str | bytes) -> Any:
    """Objection of CycloneDX's own schema to a bill; None where there is none."""
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill if isinstance(bill, str) else bill.decode())


@pytest.fixture
def signed(monkeypatch: pytest.MonkeyPatch) -> Signed:
    made = Signed()
    made.s3.objects[FILES[package_files.MODEL]] = archive(METADATA, **WHEELS)
    made.s3.objects[FILES[package_files.EVALUATION]] = json.dumps(EVALUATION).encode()
    return has(made, monkeypatch)


@pytest.fixture
def bill(cxr: Callable[..., Result], signed: Signed) -> dict[str, Any]:
    result = cxr("bom", "3")
    assert result.exit_code == 0, result.stderr
    assert refusal(result.stdout) is None
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_the_schema_is_one_that_refuses() -> None:
    wrong = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"type": "model", "name": "x"}]}
    assert refusal(json.dumps(wrong)) is not None


def test_it_names_model_dataset_and_container_with_their_digests(bill: dict[str, Any], signed: Signed) -> None:
    model = bill["metadata"]["component"]
    digest = hashlib.sha256(signed.s3.objects[FILES[package_files.MODEL]]).hexdigest()
    assert (model["type"], model["version"]) == ("machine-learning-model", "3")
    assert model["hashes"] == [{"alg": "SHA-256", "content": digest}]
    assert {"name": "chest-xray-stack:modelPackage", "value": ARN} in model["properties"]
    assert {"name": "chest-xray-stack:sourceRevision", "value": "0123456789ab"} in model["properties"]
    assert len(model["externalReferences"]) == len(FILES), "each signed file with its digest"
    dataset, container, *_ = bill["components"]
    assert {"name": "chest-xray-stack:splitContentSha256", "value": DATASET} in dataset["properties"]
    assert dataset["description"] == "train: 512 images of 256 patients; test: 128 images of 64 patients"
    assert (container["type"], container["name"]) == ("container", "763104351884.dkr.ecr/tensorflow:2.20")


def test_figures_have_their_intervals(bill: dict[str, Any]) -> None:
    card = bill["metadata"]["component"]["modelCard"]
    auroc, brier = card["quantitativeAnalysis"]["performanceMetrics"]
    assert (auroc["type"], auroc["value"]) == ("auroc", "0.97")
    assert auroc["confidenceInterval"] == {"lowerBound": "0.95", "upperBound": "0.98"}
    assert (brier["type"], "confidenceInterval" in brier) == ("brier_score", False)
    said = " ".join(card["considerations"]["technicalLimitations"])
    assert "ages: 0-17; views: AP, PA" in said
    assert "not for diagnosis or treatment" in said


def test_libraries_have_the_licence_that_they_say_and_a_hash(bill: dict[str, Any]) -> None:
    libraries = {one["name"]: one for one in bill["components"] if one["type"] == "library"}
    assert set(libraries) == {"pillow", "Two_Licences", "old", "silent"}
    assert libraries["pillow"]["licenses"] == [{"license": {"name": "MIT-CMU"}}]
    assert libraries["Two_Licences"]["licenses"] == [{"expression": "MIT AND Zlib"}]
    assert libraries["old"]["licenses"] == [{"license": {"name": "BSD License"}}]
    assert "licenses" not in libraries["silent"], "nothing is made up"
    assert libraries["Two_Licences"]["purl"] == "pkg:pypi/two-licences@1.0"
    record = hashlib.sha256(WHEELS["code/lib/pillow-13.0.0.dist-info/RECORD"]).hexdigest()
    assert libraries["pillow"]["hashes"] == [{"alg": "SHA-256", "content": record}]


def test_the_same_version_has_the_same_bill(cxr: Callable[..., Result], signed: Signed, tmp_path: Path) -> None:
    assert cxr("bom", "3", "--save", str(tmp_path / "bom.json")).exit_code == 0
    assert (tmp_path / "bom.json").read_text(encoding="utf-8") == cxr("bom", "3").stdout


@pytest.mark.parametrize("name", [package_files.MODEL, package_files.EVALUATION])
def test_of_what_was_changed_there_is_none(cxr: Callable[..., Result], signed: Signed, name: str) -> None:
    signed.s3.flip(FILES[name])
    result = cxr("bom", "3")
    assert (result.exit_code, result.stdout) == (ExitCode.FAILED, "")
    assert f"Version 3 is not what was signed when it was registered: {name} is " in " ".join(result.stderr.split())
