"""Signed provenance of registered models: envelopes below `signatures/` of the artifact bucket (docs/adr/0051).

One role signs and writes them, when a package has just been registered; whoever may verify can compare what was signed
with what there is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lambdas.aws import package_files, statement
from lambdas.aws.envelope import EnvelopeError, SigningKey
from lambdas.aws.statement import Difference, PackageInspector

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PREFIX = "signatures"
# How long after its registration a package may still be signed: as long as Lambda and EventBridge deliver the event
# again at once. Whoever could change artifacts and call the function later gets no signature of what they made.
SIGNED_WITHIN = timedelta(hours=1)
# What serves, what it is watched by, and what a person decides by. The rest of what is signed decides nothing here.
DECISIVE = (package_files.MODEL, package_files.REFERENCE, package_files.EVALUATION, package_files.REPORT)


class ProvenanceError(Exception):
    """A package's signed statement was changed, or is another package's. `str()` is a sentence for people."""


@dataclass(frozen=True)
class Provenance:
    """Signed statements of one deployment.

    Args:
        bucket: the artifact bucket.
        key: the deployment's signing key.
    """

    s3: S3Client
    bucket: str
    key: SigningKey
    inspector: PackageInspector

    def sign(self, package: Mapping[str, Any]) -> bool:
        """Sign what a described package is made of; False where it is signed already.

        Raises:
            StatementError: what it is made of cannot be signed.
            botocore.exceptions.ClientError: nothing was signed.
        """
        if self.envelope(package) is not None:
            return False
        stated = self.inspector.statement(package)
        statement.check(stated)
        payload = json.dumps(stated, sort_keys=True, separators=(",", ":")).encode()
        self.s3.put_object(
            Bucket=self.bucket, Key=_key(package), Body=self.key.seal(payload), ContentType="application/json"
        )
        return True

    def uri(self, package: Mapping[str, Any]) -> str:
        """S3 URI of a package's envelope, which need not be there."""
        return f"s3://{self.bucket}/{_key(package)}"

    def envelope(self, package: Mapping[str, Any]) -> bytes | None:
        """The envelope, unverified; None where there is none."""
        try:
            return package_files.open_object(self.s3, self.uri(package)).read()
        except Exception as error:
            if not package_files.is_missing(error):
                raise
            return None

    def signed(self, package: Mapping[str, Any]) -> dict[str, Any] | None:
        """The statement that was signed when the package was registered; None where there is none.

        Raises:
            ProvenanceError: what is there is not signed, or about another package.
        """
        sealed = self.envelope(package)
        if sealed is None:
            return None
        try:
            stated: dict[str, Any] = json.loads(self.key.unseal(sealed))
        except EnvelopeError as error:
            raise ProvenanceError(f"The signed statement {self.uri(package)} was changed: {error}.") from error
        said = statement.members(stated)
        wanted = (package["ModelPackageArn"], statement.moment(package["CreationTime"]))
        if (said["model package"], said["registration"]) != wanted:
            raise ProvenanceError(f"The signed statement {self.uri(package)} is that of {said['model package']}.")
        return stated

    def unsigned_because(self, package: Mapping[str, Any]) -> str:
        """Reason why a package without a statement need not have one, as a sentence; empty where it should."""
        if package["CreationTime"] >= self._signing_since:
            return ""
        return (
            f"It was registered before this deployment signed models ({statement.moment(self._signing_since)}), so "
            "nothing shows that its artifact is what was registered."
        )

    def may_still_be_signed(self, package: Mapping[str, Any]) -> bool:
        """Whether its registration was so short a time ago that its statement may be under way."""
        return age(package) < SIGNED_WITHIN

    def changed(self, package: Mapping[str, Any], signed: Mapping[str, Any]) -> list[Difference]:
        """Differences from the signed statement that decide about a release: files of `DECISIVE`, and their places."""
        digests, members = statement.digests(signed), statement.members(signed)
        uris = package_files.locations(package)
        found = []
        for name in DECISIVE:
            if name not in digests:
                continue
            place = f"place of {name}"
            if members[place] != uris.get(name):
                found.append(Difference(place, members[place], uris.get(name)))
            elif (now := self.inspector.digest(uris[name])) != digests[name]:
                found.append(Difference(name, digests[name], now))
        return found

    def all_changed(self, package: Mapping[str, Any], signed: Mapping[str, Any]) -> list[Difference]:
        """Differences from the signed statement, in everything that was signed."""
        return statement.differences(signed, self.inspector.statement(package))

    @cached_property
    def _signing_since(self) -> datetime:
        since: Any = self.key.kms.describe_key(KeyId=self.key.arn)["KeyMetadata"]["CreationDate"]
        made: datetime = since
        return made


def age(package: Mapping[str, Any]) -> timedelta:
    """Time since a described package was registered."""
    registered: datetime = package["CreationTime"]
    return datetime.now(UTC) - registered


def _key(package: Mapping[str, Any]) -> str:
    # Of an environment that was destroyed and made again, version 1 is another package.
    made = package["CreationTime"].astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{PREFIX}/{package['ModelPackageArn'].rpartition('/')[2]}/{made}.dsse.json"
