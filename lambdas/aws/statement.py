"""Statement about a registered model: an in-toto statement whose predicate is SLSA provenance.

Sources: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md and https://slsa.dev/spec/v1.0/provenance
(read 2026-11). It is derived from what the registry, the pipeline's execution and the bucket say, so whoever derives it
again later sees what became different.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, cast

from lambdas.aws import package_files
from lambdas.aws.errors import is_absent
from model_code.contract import served_files
from model_code.contract.parameters import INPUT_ARCHIVE_URI

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
# What runs the build, and what its parameters mean, of which this project is the definition.
BUILD_TYPE = "urn:chest-xray-stack:sagemaker-pipeline:v1"
# Of labels and contents of all radiographs by split (`model_code/data/dataset_card.py`): the digest of no single file.
DATASET_DIGEST = "splitContentSha256"
# What model.tar.gz unpacks to, which is what a container can tell of itself: another subject than the archive.
SERVED_FILES = "files of model.tar.gz"
_DIRECTORY_DIGEST = "dirHash"
# What the execution that registered a version tells.
DEFINITION = "pipeline definition"
_PARAMETER = "parameter "

_EXECUTION = "PipelineExecutionArn"
_PROMOTED_FROM = "PromotedFrom"
_METADATA = PurePosixPath("metadata.json")


class StatementError(Exception):
    """Refusal to sign a statement because of its contents. `str()` is a sentence for people."""


@dataclass(frozen=True)
class Difference:
    """A member that a statement has and that is otherwise now; `now` is None where it is gone.

    `unknown` is the reason where it cannot be looked at any more, and need not be otherwise.
    """

    name: str
    signed: str | None
    now: str | None
    unknown: str | None = None

    def __str__(self) -> str:
        if self.unknown:
            return f"{self.name} cannot be compared with {self.signed}, which was signed: {self.unknown}"
        if self.now is None:
            return f"{self.name} is gone, of which {self.signed} was signed"
        if self.signed is None:
            return f"{self.name} was not there when it was signed, and is {self.now} now"
        return f"{self.name} is {self.now}, and {self.signed} was signed"


@dataclass(frozen=True)
class PackageInspector:
    """Reads what a model package is made of, from the registry and S3, for its statement.

    Args:
        fetched: files that are here already, by their S3 URIs.
    """

    sagemaker: SageMakerClient
    s3: S3Client
    fetched: Mapping[str, Path] = field(default_factory=dict)

    def statement(self, package: Mapping[str, Any]) -> dict[str, Any]:
        """The statement about a described package, of those of its files that are there.

        Raises:
            botocore.exceptions.ClientError: a service refuses to tell.
        """
        uris = package_files.locations(package)
        read = {name: file for name, uri in uris.items() if (file := self._read(name, uri)) is not None}
        revision = next((file.revision for file in read.values() if file.revision), "")
        datasets = sorted({file.dataset for file in read.values() if file.dataset})
        served = [file.served for file in read.values() if file.served]
        return {
            "_type": STATEMENT,
            "subject": [
                *(
                    {"name": name, "uri": uris[name], "digest": {"sha256": file.sha256}}
                    for name, file in sorted(read.items())
                ),
                *({"name": SERVED_FILES, "digest": {_DIRECTORY_DIGEST: digest}} for digest in served),
            ],
            "predicateType": PREDICATE,
            "predicate": self._provenance(package, revision, datasets),
        }

    def digest(self, uri: str) -> str | None:
        """SHA-256 of an object, 64 hex digits; None where there is none.

        Raises:
            botocore.exceptions.ClientError: S3 refuses to tell.
        """
        found = self._read("", uri)
        return found.sha256 if found else None

    def _provenance(self, package: Mapping[str, Any], revision: str, datasets: Iterable[str]) -> dict[str, Any]:
        properties = dict(package.get("CustomerMetadataProperties", {}))
        container = package_files.container(package)
        image: dict[str, Any] = {"name": "serving container", "uri": container.get("Image", "")}
        # "An MD5 hash", says the API reference of it, which is not what it holds: kept as it is reported.
        if image_digest := container.get("ImageDigest"):
            image["annotations"] = {"ImageDigest": image_digest}
        dependencies: list[dict[str, Any]] = [image]
        for digest in datasets:
            archive = {"uri": properties[INPUT_ARCHIVE_URI]} if INPUT_ARCHIVE_URI in properties else {}
            dependencies.append({"name": "dataset", **archive, "digest": {DATASET_DIGEST: digest}})
        if revision:
            dependencies.append({"name": "source", "annotations": {"revision": revision}})
        execution: str = properties.get(_EXECUTION, "")
        parameters: dict[str, str] = {}
        # Of a promoted version the execution is another account's: what was signed there is a subject.
        if execution and _PROMOTED_FROM not in properties:
            definition, parameters = self._execution(execution)
            if definition:
                text = {"sha256": hashlib.sha256(definition.encode()).hexdigest()}
                dependencies.append({"name": DEFINITION, "uri": execution, "digest": text})
        arn: str = package["ModelPackageArn"]
        return {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"modelPackage": arn, "properties": properties, "parameters": parameters},
                "resolvedDependencies": dependencies,
            },
            "runDetails": {
                "builder": {"id": execution.partition("/execution/")[0] or arn},
                "metadata": {"invocationId": execution or arn, "finishedOn": moment(package["CreationTime"])},
            },
        }

    def _execution(self, arn: str) -> tuple[str, dict[str, str]]:
        """Definition and parameters of an execution; neither where SageMaker knows it no more."""
        try:
            definition = self.sagemaker.describe_pipeline_definition_for_execution(PipelineExecutionArn=arn)
            pages = self.sagemaker.get_paginator("list_pipeline_parameters_for_execution").paginate(
                PipelineExecutionArn=arn
            )
            parameters = {
                parameter["Name"]: parameter["Value"]
                for page in pages
                for parameter in page.get("PipelineParameters", [])
            }
        except Exception as error:
            if not is_absent(error):
                raise
            return "", {}
        return definition["PipelineDefinition"], parameters

    def _read(self, name: str, uri: str) -> _Read | None:
        try:
            stream = self.fetched[uri].open("rb") if uri in self.fetched else package_files.open_object(self.s3, uri)
        except Exception as error:
            if not package_files.is_missing(error):
                raise
            return None
        with closing(stream):
            return self._look(name, stream)

    @staticmethod
    def _look(name: str, stream: IO[bytes]) -> _Read:
        if name == package_files.MODEL:
            return _model(stream)
        whole = _Hashing(stream)
        if name == package_files.EVALUATION:
            evaluation = _json(whole.read())
            return _Read(whole.sha256(), dataset=str(evaluation.get("dataset_sha256", "")))
        return _Read(whole.sha256())


def moment(when: datetime) -> str:
    """A time as statements have it, to the second."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def check(statement: Mapping[str, Any]) -> None:
    """Refuse a statement about a model that is not there, or about an evaluation of another dataset than the model's.

    Raises:
        StatementError: it is one.
    """
    build = statement["predicate"]["buildDefinition"]
    package = build["externalParameters"]["modelPackage"]
    if package_files.MODEL not in digests(statement):
        raise StatementError(f"The model of {package} is not where its package says.")
    datasets = [
        dependency["digest"][DATASET_DIGEST]
        for dependency in build["resolvedDependencies"]
        if dependency["name"] == "dataset"
    ]
    if len(datasets) > 1:
        raise StatementError(
            f"The model and the evaluation of {package} are of different datasets: "
            f"{' and '.join(dataset[:12] for dataset in datasets)}."
        )


def differences(signed: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """Members of a statement that are different in a later one about the same package."""
    before, after = members(signed), members(now)
    names = [*before, *(name for name in after if name not in before)]
    return [
        Difference(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)
    ]


def digests(statement: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 of each file, by the names of `package_files`."""
    return {file["name"]: file["digest"]["sha256"] for file in files(statement)}


def served_digest(statement: Mapping[str, Any]) -> str | None:
    """Digest of the files that a container has of the model, see `contract.served_files`.

    None where the statement has none: it was signed before that was stated, or the archive could not be read.
    """
    subjects = {subject["name"]: subject["digest"] for subject in statement["subject"]}
    found: str | None = subjects.get(SERVED_FILES, {}).get(_DIRECTORY_DIGEST)
    return found


def files(statement: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Subjects that are files: `name` as in `package_files`, `uri`, and `digest` with `sha256`."""
    return [subject for subject in statement["subject"] if subject["name"] != SERVED_FILES]


def members(statement: Mapping[str, Any]) -> dict[str, str]:
    """Everything that a statement says, by names for people; the files of an archive follow from the archive."""
    build, run = statement["predicate"]["buildDefinition"], statement["predicate"]["runDetails"]
    given = build["externalParameters"]
    found = {
        "model package": given["modelPackage"],
        "registration": run["metadata"]["finishedOn"],
        "execution": run["metadata"]["invocationId"],
    }
    found |= digests(statement)
    found |= {f"place of {file['name']}": file["uri"] for file in files(statement)}
    for dependency in build["resolvedDependencies"]:
        said = {**dependency.get("digest", {}), **dependency.get("annotations", {})}
        place = " ".join(filter(None, [dependency.get("uri", ""), *said.values()]))
        found[dependency["name"]] = f"{found[dependency['name']]} and {place}" if dependency["name"] in found else place
    found |= {f"property {name}": value for name, value in sorted(given["properties"].items())}
    return found | {f"{_PARAMETER}{name}": value for name, value in sorted(given["parameters"].items())}


def is_of_execution(name: str) -> bool:
    """Whether the execution tells a member of `members`: its definition, or a parameter."""
    return name == DEFINITION or name.startswith(_PARAMETER)


@dataclass(frozen=True)
class _Read:
    """One object: its digest, what it says of dataset and source, where it does, and a model's `served_digest`."""

    sha256: str
    dataset: str = ""
    revision: str = ""
    served: str = ""


class _Hashing:
    """A stream that hashes what is read of it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        data = self._stream.read(size) if size >= 0 else self._stream.read()
        self._digest.update(data)
        return data

    def sha256(self) -> str:
        """SHA-256 of the whole stream, of which the rest is read."""
        while self.read(1 << 20):
            pass
        return self._digest.hexdigest()


def _model(stream: IO[bytes]) -> _Read:
    """A model's archive, whose files are read in passing; nothing is unpacked."""
    whole, packed, served = _Hashing(stream), dict[str, str](), ""
    metadata: Mapping[str, Any] = {}
    try:
        # tarfile's own stream ends with the first member of gzip's, of which programs that compress in parallel write
        # several (RFC 1952, 2.2).
        with (
            gzip.GzipFile(fileobj=cast("IO[bytes]", whole)) as unpacked,
            tarfile.open(fileobj=unpacked, mode="r|") as archive,
        ):
            for member in archive:
                path = served_files.path_of(member.name)
                if path is None:
                    continue
                # Unpacked, a hard link is a file like the one before it that it names.
                if member.islnk() and (linked := packed.get(str(served_files.path_of(member.linkname)))):
                    packed[path] = linked
                content = archive.extractfile(member) if member.isfile() else None
                if content is None:
                    continue
                if PurePosixPath(path) == _METADATA:
                    text = content.read()
                    packed[path], metadata = hashlib.sha256(text).hexdigest(), _json(text)
                else:
                    packed[path] = hashlib.file_digest(cast("Any", content), "sha256").hexdigest()
        served = served_files.digest(packed)
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError):
        pass  # its digest is what counts
    dataset = metadata.get("dataset")
    return _Read(
        whole.sha256(),
        dataset=str(dataset.get("sha256", "")) if isinstance(dataset, dict) else "",
        revision=str(metadata.get("source_revision", "")),
        served=served,
    )


def _json(content: bytes) -> Mapping[str, Any]:
    try:
        document: Any = json.loads(content)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
