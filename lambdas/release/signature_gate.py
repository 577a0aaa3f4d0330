"""The gate of signatures: nothing is released that is not what was signed when it was registered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from lambdas.aws import statement
from lambdas.aws.provenance import Provenance, ProvenanceError, age
from lambdas.release.objection import Objection

CHANGED = "artifact_changed"
UNSIGNED = "not_signed"
# The event of a registration has to arrive and the artifacts, some hundred megabytes, to be read.
_SIGNED_SOON = timedelta(minutes=5)


class NotYetSignedError(Exception):
    """The statement about a package that has just been registered may still come."""


@dataclass(frozen=True)
class SignatureGate:
    """Release gate that checks a package against its signed statement."""

    provenance: Provenance

    def objection(self, package: Mapping[str, Any]) -> Objection | None:
        """Objection to releasing a described package: no signature, or files that are not what was signed.

        Raises:
            NotYetSignedError: it was registered a moment ago and is not signed yet.
            botocore.exceptions.ClientError: a service refuses to tell.
        """
        version = package["ModelPackageArn"].rpartition("/")[2]
        try:
            signed = self.provenance.signed(package)
        except ProvenanceError as problem:
            return Objection(CHANGED, str(problem), _look(version))
        if signed is None:
            if self.provenance.unsigned_because(package):
                return None
            if age(package) < _SIGNED_SOON:
                raise NotYetSignedError
            return Objection(
                UNSIGNED,
                f"There is no signed statement {self.provenance.uri(package)} of what was registered.",
                "The log of the Sign function says why, or the statement was deleted: an earlier version of the object "
                "can be put back. Else train again.",
            )
        changed = self.provenance.changed(package, signed)
        if not changed:
            return None
        reason = "; ".join(str(difference) for difference in changed)
        return Objection(CHANGED, f"What was registered as version {version} was changed: {reason}.", _look(version))

    def served_digest(self, package: Mapping[str, Any]) -> str | None:
        """Digest of the files that a container of a described package has to have loaded.

        None where none was signed; that a statement was changed is `objection`'s to say.

        Raises:
            botocore.exceptions.ClientError: a service refuses to tell.
        """
        try:
            signed = self.provenance.signed(package)
        except ProvenanceError:
            return None
        return statement.served_digest(signed) if signed else None

    def remark(self, package: Mapping[str, Any]) -> str:
        """Remark about a package that is released without a signature; empty for every other."""
        unsigned = self.provenance.envelope(package) is None
        return self.provenance.unsigned_because(package) if unsigned else ""


def _look(version: str) -> str:
    return (
        f"`cxr verify {version}` names all that was changed. Find out who wrote there; earlier versions of the objects "
        "in the artifact bucket have what was registered. Put it back and approve again, or reject the version."
    )
