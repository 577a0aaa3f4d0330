"""The commands' tables: executions, models, predictions and the state of the whole deployment."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from ops.api.predictions import COLUMNS
from ops.base.deployment import STACKS
from ops.base.output import day, duration, fail, moment, print_csv, print_json, results, say, size, status_text, table
from ops.models.registry import state

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ops.api.predictions import Prediction
    from ops.base.deployment import Stack
    from ops.commands.workspace import Workspace
    from ops.models.registry import ModelVersion, Serving
    from ops.pipelines.datasets import Dataset
    from ops.pipelines.executions import Execution


def print_executions(found: list[Execution]) -> None:
    """Executions, newest first."""
    if not found:
        say("There are no executions yet: upload an archive with `cxr upload PATH`.")
        return
    listing = table("id", "status", "started", "took", "reason")
    for execution in found:
        took = duration(execution.started, execution.ended)
        started = moment(execution.started)
        listing.add_row(execution.id, status_text(execution.status), started, took, escape(execution.reason))
    results().print(listing)


def print_datasets(found: list[Dataset]) -> None:
    """Archives that were taken, newest first."""
    if not found:
        say("There is no dataset yet: upload an archive with `cxr upload PATH`.")
        return
    listing = table("id", "taken", "size")
    for dataset in found:
        listing.add_row(dataset.token[:12], moment(dataset.kept), size(dataset.size))
    results().print(listing)


def print_models(versions: list[ModelVersion], serving: Serving) -> None:
    """Registered models, newest first, with what they reached on the test split."""
    if not versions:
        say("There is no registered model yet: `cxr watch` shows how training is going.")
        return
    listing = table("version", "status", "registered", "AUROC", "sensitivity", "specificity", "calibration\nerror")
    # The only one that can be folded where a terminal is narrow: PendingManualApproval is a long word.
    listing.columns[1].no_wrap = False
    for version in versions:
        figures = [
            f"{version.metrics[name]:.3f}" if name in version.metrics else "-"
            for name in ("auroc", "sensitivity", "specificity", "calibration_error")
        ]
        listing.add_row(str(version.version), status_text(state(version, serving)), day(version.created), *figures)
    results().print(listing)
    for version in versions:
        if version.comment:
            results().print(f"Version {version.version}: {version.comment}", markup=False)
    for version in versions:
        if version.calibration:
            say(f"Version {version.version}: {version.calibration}")


def model_json(version: ModelVersion, serving: Serving) -> dict[str, Any]:
    """A registered model for scripts."""
    return {**dataclasses.asdict(version), "serving": version.arn == serving.package_arn}


# What a DICOM file may say of the part of the body that it shows, where that is a warning.
_SAYS = {"other": "not the chest", "unstated": "body part not stated"}
_MEANING = "The model knows chest radiographs only, and answers about anything."


class PredictionSummary:
    """Prints predictions as they come, and at the end what they amount to.

    Args:
        form: `text` for people, `json` for one document a line, `csv` for a table with a header.
    """

    def __init__(self, form: str = "text") -> None:
        self.failed = 0
        self._form = form
        self._answers: dict[str, int] = {}
        self._body_parts: dict[str, int] = {}
        self._last: Prediction | None = None
        if form == "csv":
            print_csv(COLUMNS)

    def add(self, prediction: Prediction, overlay: str | None = None, dicom: Sequence[Path] = ()) -> None:
        """One file's result: a line on standard output, or its error.

        `overlay` is where its picture was written, and `dicom` where its instances were.
        """
        if prediction.error is not None:
            self.failed += 1
        document = prediction.as_json() | ({"overlay": overlay} if overlay else {})
        document |= {"dicom": list(map(str, dicom))} if dicom else {}
        if self._form == "json":
            print_json(document)
        elif self._form == "csv":
            print_csv([_cell(document.get(column)) for column in COLUMNS])
        elif prediction.error is not None:
            fail(prediction.error)
        else:
            # Most files do not say it; one that says otherwise is seen beside its answer.
            is_other = prediction.body_part == "other"
            outside = " and ".join(prediction.outside_intended_population)
            said = [_SAYS["other"]] if is_other else []
            said += [f"the model is not meant for this {outside}"] if outside else []
            warning = f"  ({'; '.join(said)})" if said else ""
            style = "red" if said else "yellow" if prediction.indeterminate else None
            line = f"{prediction.probability:.3f}  {prediction.answer:<13}  {prediction.path}{warning}"
            results().out(line, style=style)
        if prediction.answer:
            self._answers[prediction.answer] = self._answers.get(prediction.answer, 0) + 1
            if prediction.body_part in _SAYS:
                self._body_parts[prediction.body_part] = self._body_parts.get(prediction.body_part, 0) + 1
            self._last = prediction

    def close(self) -> None:
        """The count by answer, the model, its threshold, what DICOM files say, and the notice, on standard error."""
        for body_part, count in sorted(self._body_parts.items()):
            say(f"{count} DICOM {'file says' if count == 1 else 'files say'}: {_SAYS[body_part]}. {_MEANING}")
        if self._form != "text" or self._last is None:
            return
        counts = ", ".join(f"{count} {answer}" for answer, count in sorted(self._answers.items()))
        failed = f", {self.failed} failed" if self.failed else ""
        say(f"{counts}{failed}; model version {self._last.model_version}, threshold {self._last.threshold:.3f}")
        if self._last.notice:
            say(self._last.notice)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ";".join(value)
    return "" if value is None else str(value)


@dataclasses.dataclass(frozen=True)
class Status:
    """The whole deployment at one moment."""

    env: str
    region: str | None
    stacks: dict[str, Stack | None]
    execution: Execution | None = None
    latest_model: ModelVersion | None = None
    serving: Serving | None = None
    serving_model: ModelVersion | None = None
    api_url: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Members of the answer with `--json`; what is not there is null."""
        return {
            "env": self.env,
            "region": self.region,
            "stacks": {name: stack.status if stack else None for name, stack in self.stacks.items()},
            "execution": self.execution.as_json() if self.execution else None,
            "latest_model": dataclasses.asdict(self.latest_model) if self.latest_model else None,
            "endpoint_status": self.serving.status if self.serving else None,
            "serving_version": self.serving.version if self.serving else None,
            "serving_approval": self.serving_model.approval if self.serving_model else None,
            "serving_package_arn": self.serving.package_arn if self.serving else None,
            "api_url": self.api_url,
        }


def collect(workspace: Workspace) -> Status:
    """Ask every part that is deployed."""
    deployment = workspace.deployment
    stacks = {part: deployment.describe(part) for part in STACKS}
    execution = latest_model = serving = serving_model = api_url = None
    if stacks["training"]:
        newest = workspace.executions.recent(1)
        execution = workspace.executions.read(newest[0].arn) if newest else None
    if stacks["training"] and stacks["endpoint"]:
        versions = workspace.registry.versions()
        latest_model = workspace.registry.with_metrics(versions[0]) if versions else None
        serving = workspace.registry.serving()
        serving_model = next((version for version in versions if version.arn == serving.package_arn), None)
    if stacks["api"]:
        api_url = deployment.api_url
    return Status(
        env=deployment.env,
        region=deployment.region,
        stacks={deployment.stack_name(part): stack for part, stack in stacks.items()},
        execution=execution,
        latest_model=latest_model,
        serving=serving,
        serving_model=serving_model,
        api_url=api_url,
    )


def print_status(found: Status) -> None:
    """The state for a person, one line a thing, and the command that comes next."""
    listing = table("", "", "")
    listing.show_header = False
    for name, stack in found.stacks.items():
        listing.add_row(
            name,
            status_text(stack.status) if stack else "[red]not deployed[/]",
            moment(stack.updated if stack else None),
        )
    if found.execution:
        took = duration(found.execution.started, found.execution.ended)
        listing.add_row("execution", status_text(found.execution.status), escape(f"{found.execution.id}, {took}"))
    if found.latest_model:
        newest = found.latest_model
        listing.add_row("newest model", status_text(newest.approval), f"version {newest.version}")
    if found.serving:
        version = f"version {found.serving.version}" if found.serving.version else ""
        if found.serving_model and found.serving_model.approval != "Approved":
            version += f", {status_text(found.serving_model.approval)}"
        listing.add_row("endpoint", status_text(found.serving.status or "no model released yet"), version)
    results().print(listing)
    if found.api_url:
        # Outside the table, which would fold the address on a narrow terminal: it is there to be copied.
        results().print(f"POST {escape(found.api_url)}v1/predictions", soft_wrap=True, highlight=False)
    _print_next(found)


def _print_next(found: Status) -> None:
    if any(stack is None for stack in found.stacks.values()):
        say(f"Deploy what is missing with `make deploy ENV={found.env}`.")
    elif found.execution is None:
        say("Next: `cxr upload PATH`.")
    elif found.latest_model and found.latest_model.approval == "PendingManualApproval":
        say(f"Next: `cxr approve {found.latest_model.version}`.")
    if found.serving_model and found.serving_model.approval == "Rejected":
        number = found.serving_model.version
        say(f"Version {number} was rejected and is still what serves: approve another version, or `cxr rollback`.")
