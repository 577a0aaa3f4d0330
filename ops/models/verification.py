"""Verification of a version's signed statement: dataset, model, evidence and container as they were registered."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from lambdas.aws import package_files, statement
from lambdas.aws.provenance import Provenance, ProvenanceError
from lambdas.aws.statement import Difference
from ops.base.errors import CommandError
from ops.models import bill_of_materials, evidence, forgotten_executions
from ops.models.evidence import File


@dataclasses.dataclass(frozen=True)
class Verified:
    """Result of verifying a version's signed statement.

    Attributes:
        statement_uri: S3 URI of the signed statement.
        members: everything that was signed, by names for people.
        changed: what is otherwise now.
    """

    arn: str
    statement_uri: str
    members: Mapping[str, str]
    changed: list[Difference]

    def as_json(self) -> dict[str, Any]:
        """Members of the answer with `--json`."""
        return {
            "arn": self.arn,
            "statement": self.statement_uri,
            "signed": dict(self.members),
            "changed": [dataclasses.asdict(difference) for difference in self.changed],
        }


@dataclasses.dataclass(frozen=True)
class Fetched:
    """A version's files, which are what was signed.

    Attributes:
        package: the described package.
        signed: its signed statement.
        files: files by the names of `package_files`.
    """

    package: Mapping[str, Any]
    signed: Mapping[str, Any]
    files: Mapping[str, File]


def fetch(package: Mapping[str, Any], provenance: Provenance, names: Iterable[str], directory: Path) -> Fetched:
    """Some files of a described package, once each is what was signed.

    Raises:
        CommandError: there is no statement, a file is missing, or something is not what was signed.
    """
    signed = _statement(package, provenance)
    digests, uris = statement.digests(signed), package_files.locations(package)
    files = evidence.fetch(provenance.s3, {name: uris[name] for name in names if name in digests}, directory)
    for name in names:
        now = files[name].sha256 if name in files else None
        if name not in digests or now != digests[name]:
            changed = Difference(name, digests.get(name), now)
            raise not_as_signed(_version(package), [changed])
    return Fetched(package, signed, files)


def verify(package: Mapping[str, Any], provenance: Provenance) -> Verified:
    """Verify the signature of a described package's statement, and compare it with what there is.

    Raises:
        CommandError: there is no statement, or it is not what was signed.
    """
    signed = _statement(package, provenance)
    return Verified(
        package["ModelPackageArn"],
        provenance.uri(package),
        statement.members(signed),
        _changed(package, signed, provenance),
    )


def carried(
    package: Mapping[str, Any],
    files: Mapping[str, File],
    provenance: Provenance,
    directory: Path,
    tell: Callable[[str], None],
) -> dict[str, File]:
    """Statement and bill of materials of a version that is carried elsewhere, once what was fetched is what was signed.

    Args:
        package: the described package.
        files: what was fetched.
        provenance: of the environment it is from.
        directory: where they are put.
        tell: called with a sentence about a version that need not be signed.

    Raises:
        CommandError: something is not what was signed.
    """
    signed = _signed(package, provenance)
    if signed is None:
        because = provenance.unsigned_because(package)
        if not because:
            raise CommandError(
                f"Version {_version(package)} is not signed, its statement {provenance.uri(package)} is not there: "
                "nothing was copied."
            )
        tell(because)
        return {}
    uris = package_files.locations(package)
    fetched = {uris[name]: file.path for name, file in files.items()}
    inspector = dataclasses.replace(provenance.inspector, fetched=fetched)
    if changed := _changed(package, signed, dataclasses.replace(provenance, inspector=inspector)):
        raise not_as_signed(_version(package), changed)
    made = {
        package_files.SOURCE_SIGNATURE: provenance.envelope(package) or b"",
        package_files.BILL_OF_MATERIALS: bill_of_materials.text(package, signed, files),
    }
    return {name: _written(name, content, directory) for name, content in made.items()}


def _written(name: str, content: bytes, directory: Path) -> File:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return File(name, path, hashlib.sha256(content).hexdigest())


def _version(package: Mapping[str, Any]) -> str:
    return str(package["ModelPackageArn"].rpartition("/")[2])


def not_as_signed(version: str, changed: Iterable[Difference]) -> CommandError:
    """Error about a version that is not what was signed, with every difference."""
    reasons = "; ".join(forgotten_executions.sentences(changed))
    return CommandError(f"Version {version} is not what was signed when it was registered: {reasons}.")


def _changed(package: Mapping[str, Any], signed: Mapping[str, Any], provenance: Provenance) -> list[Difference]:
    """Differences from everything that was signed, and members that cannot be looked at any more."""
    return forgotten_executions.explain_unknown(
        provenance.all_changed(package, signed),
        statement.members(signed)["execution"],
        package["CreationTime"],
        provenance.inspector.sagemaker,
    )


def _statement(package: Mapping[str, Any], provenance: Provenance) -> dict[str, Any]:
    """Signed statement of a package that has to be signed."""
    signed = _signed(package, provenance)
    if signed is not None:
        return signed
    reason = provenance.unsigned_because(package)
    if not reason and provenance.may_still_be_signed(package):
        reason = "It was registered a short time ago: try again in a minute, then see the Sign function's log."
    why = reason or f"Its statement {provenance.uri(package)} is not there."
    raise CommandError(f"Version {_version(package)} is not signed. {why}")


def _signed(package: Mapping[str, Any], provenance: Provenance) -> dict[str, Any] | None:
    try:
        return provenance.signed(package)
    except ProvenanceError as problem:
        raise CommandError(str(problem)) from problem
