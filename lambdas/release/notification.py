"""Notifications about releases, published to the SNS topic."""

from __future__ import annotations

from dataclasses import dataclass

from lambdas.aws.topic import Topic


@dataclass(frozen=True)
class Notifier:
    """Messages about releases."""

    topic: Topic

    def _publish(self, event: str, subject: str, *lines: str) -> None:
        self.topic.publish(event, subject, "\n".join(lines))

    def approval_wanted(self, package_arn: str, *, evaluated_first: bool) -> None:
        """A model passed the gates and was registered; `evaluated_first` where only a site evaluation releases it."""
        version = _version(package_arn)
        first = "Only a site evaluation that calls it usable lets it be released. First:"
        self._publish(
            "approval_wanted",
            f"Model version {version} waits for approval",
            f"{package_arn} passed the quality gates and was registered. It serves nobody until a person approves it.",
            *([first, f"  cxr evaluate ARCHIVE --model {version}"] if evaluated_first else []),
            f"Look at its evaluation with `cxr report {version}` and compare it with `cxr models`; then",
            f"  cxr approve {version}",
            f"  cxr reject {version} --reason ...",
        )

    def requested(self, package_arn: str, stack: str, replaced_arn: str, remark: str = "") -> None:
        """The stack update was accepted; `remark` is a sentence about the package, or empty."""
        self._publish(
            "release_requested",
            f"Release of model version {_version(package_arn)} started",
            f"{package_arn} was approved and the stack {stack} is being updated to serve it.",
            f"It replaces {replaced_arn}." if replaced_arn else "It is the first model of this endpoint.",
            *([remark] if remark else []),
            "CloudFormation shifts the traffic and rolls back by itself when an alarm of the endpoint fires.",
        )

    def released(self, package_arn: str, *, answered: bool) -> None:
        """The update is done, and the endpoint was asked."""
        how = (
            "It was asked: its configuration leads to this package, and an answer named it."
            if answered
            else "It was asked: its configuration leads to this package, and the model answered, but refused the drawn "
            "radiograph it was asked about, so no answer named the package."
        )
        self._publish(
            "released",
            f"Model version {_version(package_arn)} is released",
            f"The endpoint serves {package_arn}.",
            how,
        )

    def rolled_back(self, package_arn: str, serving_arn: str | None, reasons: list[str]) -> None:
        """The endpoint serves what it served before."""
        self._publish(
            "release_rolled_back",
            f"Release of model version {_version(package_arn)} was rolled back",
            f"{package_arn} is not served.",
            f"{serving_arn} serves as before." if serving_arn else "No model serves, as before.",
            *(f"Why: {reason}" for reason in reasons),
            "What to do: find the reason in the endpoint's log and alarms; reject the version if it is the model's.",
        )

    def taken_back(self, package_arn: str, previous_arn: str, reason: str) -> None:
        """The update was done, but the endpoint does not serve what it should: the model before is put back."""
        self._publish(
            "release_failed",
            f"Release of model version {_version(package_arn)} failed",
            f"{package_arn} was rolled out, but is not what answers. {previous_arn} is being put back.",
            f"Why: {reason}",
        )

    def unverified(self, package_arn: str, stack: str, reason: str) -> None:
        """The endpoint does not serve what it should, and there is nothing to put back."""
        self._publish(
            "release_failed",
            f"Release of model version {_version(package_arn)} failed",
            f"The stack {stack} was updated to serve {package_arn}, but that is not what answers, and there is no "
            "earlier version to put back.",
            f"Why: {reason}",
            "What to do: approve another version, or find the reason in the endpoint's log.",
        )

    def stuck(self, package_arn: str, stack: str, status: str, reasons: list[str]) -> None:
        """CloudFormation could neither finish the update nor roll it back."""
        self._publish(
            "release_failed",
            f"Release of model version {_version(package_arn)} failed",
            f"The stack {stack} is {status}: no release is possible until somebody has continued its rollback.",
            *(f"Why: {reason}" for reason in reasons),
            f"What to do: aws cloudformation continue-update-rollback --stack-name {stack}",
        )

    def failed(self, package_arn: str, stack: str, reason: str) -> None:
        """CloudFormation refused the update."""
        self._publish(
            "release_failed",
            f"Release of model version {_version(package_arn)} failed",
            f"{package_arn} was approved but the stack {stack} could not be updated; what served before still serves.",
            f"Why: {reason}",
            "What to do: bring the stack into a state that can be updated (its events in CloudFormation say what "
            "failed), then approve the package again.",
        )

    def held_back(self, package_arn: str, serving_arn: str, reason: str, advice: str) -> None:
        """A gate does not let it be released: signatures, or site evaluations where the deployment asks them."""
        self._publish(
            "release_held_back",
            f"Model version {_version(package_arn)} was not released",
            f"{package_arn} is approved and is not released.",
            f"{serving_arn} serves as before." if serving_arn else "No model serves, as before.",
            f"Why: {reason}",
            f"What to do: {advice}",
        )

    def superseded(self, package_arn: str, serving_arn: str) -> None:
        """A later approval has been released already."""
        self._publish(
            "release_superseded",
            f"Model version {_version(package_arn)} was not released",
            f"{package_arn} is approved, but {serving_arn} was approved after it and is the one to serve.",
            "To go back to the earlier version, reject the later one, then set the earlier one to "
            "PendingManualApproval and approve it.",
        )

    def rejected_while_serving(self, package_arn: str, stack: str) -> None:
        """The package that serves was rejected, which by itself changes nothing."""
        set_status = "aws sagemaker update-model-package --model-package-arn <arn of an earlier version>"
        self._publish(
            "serving_model_rejected",
            f"Rejected model version {_version(package_arn)} is still serving",
            f"{package_arn} was rejected, but it is the model of the stack {stack} and still serves: "
            "rejecting a version takes nothing off the endpoint.",
            "To roll back, approve the version to return to. One that is Approved already has to be set back first:",
            f"  {set_status} --model-approval-status PendingManualApproval",
            f"  {set_status} --model-approval-status Approved",
        )


def _version(package_arn: str) -> str:
    return package_arn.rsplit("/", 1)[-1]
