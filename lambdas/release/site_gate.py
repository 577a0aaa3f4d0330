"""The gate of site evaluations: what they say against releasing a version, where a deployment asks them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdas.aws import site_evaluations
from lambdas.release.objection import Objection

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


HELD_BACK = "held_back"


@dataclass(frozen=True)
class SiteGate:
    """The evaluations in the artifact bucket, all of a version's.

    One endpoint answers every site, so what one site's radiographs said is not outvoted by another's, and a later
    evaluation does not hide an earlier one: at least one has to be `usable`, and in none may a figure miss its limit
    with certainty, which `too_few` does not exclude. One that cannot be read may say anything, so nothing is released
    over it. One whose images were not compared with those that the model has seen does not count for a version.
    """

    s3: S3Client
    bucket: str

    def objection(self, version: str) -> Objection | None:
        """The evaluations' objection to the release of a version; None where they let it pass.

        Raises:
            botocore.exceptions.ClientError: S3 refuses to tell.
        """
        said = site_evaluations.of_version(self.s3, self.bucket, version, newest=None)
        if said.unreadable:
            lost = said.unreadable[0]
            return Objection(
                HELD_BACK,
                f"The site evaluation {lost.execution} of version {version} cannot be read. {lost.reason}",
                self._withdraw(version, lost.execution, "it cannot be mended"),
            )
        against = next((evaluation for evaluation in said.found if evaluation.missed), None)
        if against is not None:
            wrong = self._withdraw(version, against.execution, "that evaluation was wrong itself, as by false labels")
            return Objection(
                HELD_BACK,
                f"The site evaluation {against.execution} speaks against version {version}: {against.sentence}",
                f"Reject the version. {wrong}",
            )
        usable = [evaluation for evaluation in said.found if evaluation.verdict == "usable"]
        if any(evaluation.compared for evaluation in usable):
            return None
        if usable:
            return Objection(
                HELD_BACK,
                f"Version {version} left no fingerprints of the images that it was trained on, so a site evaluation "
                "may be about these.",
                "Train again: a version of today leaves them.",
            )
        if said.found:
            reason = f"No site evaluation calls version {version} usable. The newest says: {said.found[0].sentence}"
        else:
            reason = f"There is no site evaluation of version {version}."
        return Objection(
            HELD_BACK,
            f"{reason} This deployment releases only what one calls usable.",
            f"Run `cxr evaluate ARCHIVE --model {version}` on a site's radiographs, then `cxr approve {version}`.",
        )

    def _withdraw(self, version: str, execution: str, where: str) -> str:
        folder = f"s3://{self.bucket}/{site_evaluations.PREFIX}/{version}/{execution}/"
        return f"Where {where}, remove {folder} and approve the version again."
