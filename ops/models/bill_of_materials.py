"""Machine-learning bill of materials (ML-BOM) of a registered version, in CycloneDX 1.6, of what was signed of it.

Source: https://cyclonedx.org/docs/1.6/json/ (read 2026-11). It is written here, since cyclonedx-python-lib 11 has no
model cards; the tests hold it against the schema with that library's validator. It follows from the signed statement
and the files that it is about, so the same version has the same bill wherever it is written.
"""

from __future__ import annotations

import dataclasses
import email.parser
import hashlib
import json
import re
import tarfile
import uuid
from collections.abc import Iterator, Mapping
from email.message import Message
from pathlib import Path, PurePosixPath
from typing import Any

from lambdas.aws import package_files, statement
from model_code.contract.documents import Evaluation, Metadata, read_evaluation, read_metadata
from model_code.contract.metrics import METRICS, figure
from ops.base.errors import CommandError
from ops.models.evidence import File

NEEDED = (package_files.MODEL, package_files.EVALUATION)
_MODEL, _DATASET, _CONTAINER = "model", "dataset", "serving-container"
# What joins SPDX's short identifiers; anything else with spaces are words of the package's own.
_EXPRESSION = re.compile(r"[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*")


@dataclasses.dataclass(frozen=True)
class _Library:
    name: str
    version: str
    licence: str
    record_sha256: str


def bill(package: Mapping[str, Any], signed: Mapping[str, Any], files: Mapping[str, File]) -> dict[str, Any]:
    """The bill of a version.

    Args:
        package: the described model package.
        signed: its signed statement, verified.
        files: those of `NEEDED`, fetched, and as they were signed.

    Raises:
        CommandError: the artifact is none of this pipeline's.
    """
    metadata, libraries = artifact(files[package_files.MODEL].path)
    evaluation = read_evaluation(json.loads(files[package_files.EVALUATION].path.read_bytes()))
    image = statement.members(signed)["serving container"]
    model = _model(package, signed, metadata, evaluation)
    dataset = _dataset(metadata)
    container: dict[str, Any] = {"type": "container", "bom-ref": _CONTAINER, "name": image.partition(" ")[0]}
    parts = [_part(library) for library in libraries]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, f"{package['ModelPackageArn']}#{_digest(signed)}").urn,
        "version": 1,
        "metadata": {
            "timestamp": statement.moment(package["CreationTime"]),
            "component": model,
        },
        "components": [dataset, container, *parts],
        "dependencies": [
            {"ref": _MODEL, "dependsOn": [_DATASET, _CONTAINER, *(part["bom-ref"] for part in parts)]},
            *({"ref": component["bom-ref"]} for component in (dataset, container, *parts)),
        ],
    }


def _digest(signed: Mapping[str, Any]) -> str:
    return statement.digests(signed)[package_files.MODEL]


def _model(
    package: Mapping[str, Any], signed: Mapping[str, Any], metadata: Metadata, evaluation: Evaluation
) -> dict[str, Any]:
    return {
        "type": "machine-learning-model",
        "bom-ref": _MODEL,
        "group": package["ModelPackageGroupName"],
        "name": metadata["backbone"],
        "version": str(package["ModelPackageVersion"]),
        "description": package.get("ModelPackageDescription", ""),
        "hashes": [_sha256(_digest(signed))],
        "modelCard": _card(metadata, evaluation),
        "properties": [
            _property("chest-xray-stack:modelPackage", package["ModelPackageArn"]),
            _property("chest-xray-stack:sourceRevision", metadata["source_revision"]),
            *(
                _property(f"chest-xray-stack:trainedWith:{name}", version)
                for name, version in metadata["versions"].items()
            ),
        ],
        "externalReferences": [
            {"type": "distribution", "url": place["uri"], "hashes": [_sha256(place["digest"]["sha256"])]}
            for place in statement.files(signed)
        ],
    }


def _dataset(metadata: Metadata) -> dict[str, Any]:
    return {
        "type": "data",
        "bom-ref": _DATASET,
        "name": "radiographs",
        "description": _splits(metadata),
        "data": [{"type": "dataset", "name": "radiographs"}],
        "properties": [
            _property(f"chest-xray-stack:{statement.DATASET_DIGEST}", metadata["dataset"]["sha256"]),
            _property("chest-xray-stack:archive", metadata["dataset"]["archive_uri"]),
        ],
    }


def text(package: Mapping[str, Any], signed: Mapping[str, Any], files: Mapping[str, File]) -> bytes:
    """The bill as it is written, with the arguments of `bill`."""
    return (json.dumps(bill(package, signed, files), indent=2) + "\n").encode()


def artifact(path: Path) -> tuple[Metadata, list[_Library]]:
    """metadata.json of a model's archive, and the libraries that it carries, by what their wheels say."""
    metadata: Metadata | None = None
    wheels: dict[str, dict[str, bytes]] = {}
    try:
        with tarfile.open(path) as archive:
            for member, name in _files(archive):
                content = archive.extractfile(member)
                if content is None:
                    continue
                if name == PurePosixPath("metadata.json"):
                    metadata = read_metadata(json.load(content))
                elif name.parent.suffix == ".dist-info" and name.name in {"METADATA", "RECORD"}:
                    wheels.setdefault(name.parent.name, {})[name.name] = content.read()
    except (tarfile.TarError, OSError, ValueError) as error:
        raise CommandError(f"The version's model.tar.gz cannot be read: {error}.") from error
    if metadata is None:
        raise CommandError("The version's model.tar.gz has no metadata.json: it is not one of this pipeline's.")
    return metadata, [_library(wheels[name]) for name in sorted(wheels)]


def _files(archive: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, PurePosixPath]]:
    return ((member, PurePosixPath(member.name)) for member in archive if member.isfile())


def _library(wheel: Mapping[str, bytes]) -> _Library:
    said = email.parser.BytesHeaderParser().parsebytes(wheel.get("METADATA", b""))
    record = hashlib.sha256(wheel.get("RECORD", b"")).hexdigest()
    return _Library(said["Name"] or "unknown", said["Version"] or "unknown", _licence(said), record)


def _licence(said: Message) -> str:
    """Licence that a wheel states, the field that is exact first; empty where it states none."""
    classifier = next(
        (classifier for classifier in said.get_all("Classifier", []) if classifier.startswith("License :: ")), ""
    )
    text = said["License-Expression"] or said["License"] or classifier.rpartition(" :: ")[2]
    return " ".join(text.split())


def _part(library: _Library) -> dict[str, Any]:
    url = f"pkg:pypi/{re.sub('[-_.]+', '-', library.name).lower()}@{library.version}"
    part: dict[str, Any] = {
        "type": "library",
        "bom-ref": url,
        "name": library.name,
        "version": library.version,
        "purl": url,
        # Of the list that the wheel brings of its files, each with a SHA-256; the wheel itself is not in the artifact.
        "hashes": [_sha256(library.record_sha256)],
        "properties": [_property("chest-xray-stack:hashOf", "RECORD")],
    }
    if library.licence:
        part["licenses"] = [_licensed(library.licence)]
    return part


def _licensed(licence: str) -> dict[str, Any]:
    if " " in licence and _EXPRESSION.fullmatch(licence):
        return {"expression": licence}
    # A name, whether or not it is an SPDX identifier: which those are changes with each list.
    return {"license": {"name": licence}}


def _card(metadata: Metadata, evaluation: Evaluation) -> dict[str, Any]:
    """The model card: what it computes, and every figure on its held-out images with its 95 % interval."""
    figures, target = [], evaluation["target_prevalence"]
    held_out = "held-out test split" + ("" if target is None else f", weighted to a prevalence of {target:g}")
    for name in METRICS:
        found = figure(evaluation, name)
        if not found or not isinstance(found.get("value"), (int, float)):
            continue
        metric: dict[str, Any] = {"type": name, "value": str(found["value"]), "slice": held_out}
        if interval := found.get("confidence_interval"):
            metric["confidenceInterval"] = {"lowerBound": str(interval[0]), "upperBound": str(interval[1])}
        figures.append(metric)
    population: Mapping[str, Any] = evaluation["population"] or {}
    said = "; ".join(f"{name}: {', '.join(map(str, ones))}" for name, ones in population.items() if ones)
    limits = [f"Trained on and meant for {said}."] if said else ["The training data does not say whom it is meant for."]
    return {
        "modelParameters": {
            "approach": {"type": "supervised"},
            "task": "binary image classification",
            "architectureFamily": "convolutional neural network",
            "modelArchitecture": metadata["backbone"],
            "datasets": [{"ref": _DATASET}],
            "inputs": [{"format": "frontal chest radiograph: image/jpeg, image/png"}],
            "outputs": [{"format": f"probability of {metadata['labels'][1]}"}],
        },
        "quantitativeAnalysis": {"performanceMetrics": figures},
        "considerations": {
            "useCases": ["Decision support for research."],
            "technicalLimitations": [*limits, "No medical device: not for diagnosis or treatment."],
        },
    }


def _splits(metadata: Metadata) -> str:
    counts = metadata["dataset"].get("splits", {})
    return "; ".join(
        f"{name}: {split['images']} images of {split['patients']} patients" for name, split in counts.items()
    )


def _sha256(digest: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": digest}


def _property(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": value}
