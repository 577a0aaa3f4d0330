"""Intake of an upload: validation, then the start of an execution or a published refusal.

An inventory is kept and starts nothing: `cxr start --from`, which sends it, starts the execution with its parameters.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdas.trigger import dataset, other_file, registered_model, report, upload
from lambdas.trigger.archive import Limits, Summary, check_size, inspect
from lambdas.trigger.ranged import RangedObject, ReadBudgetExceededError
from lambdas.trigger.rejection import Reason, Rejection

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_sagemaker.client import SageMakerClient
    from mypy_boto3_sns.client import SNSClient

    from lambdas.trigger.registered_model import RegisteredModel
    from lambdas.trigger.upload import Announcement, Upload


@dataclass(frozen=True)
class Intake:
    """Intake of one upload. Safe to repeat: every outcome of a repeat is that of the first time."""

    s3: S3Client
    sagemaker: SageMakerClient
    sns: SNSClient
    pipeline_name: str
    site_pipeline_name: str
    calibration_pipeline_name: str
    packages_arn: str
    topic_arn: str
    limits: Limits

    def receive(self, announced: Announcement) -> dict[str, Any]:
        """Validate, then start or refuse. The result is for logs and direct invocations; it names no entry,
        and the upload only where that is an archive: single radiographs are called by whom they are of.

        Raises:
            botocore.exceptions.ClientError, OSError: nothing was decided; the event has to be delivered again.
        """
        found = upload.find(self.s3, announced)
        if found is None:
            return {"status": "gone", "version_id": announced.version_id}
        if found.is_folder_marker:
            return {"status": "ignored", "why": "it stands for a folder and holds nothing"}
        if not found.is_archive:
            return self._refuse(found, other_file.refusal(found.key)) | {"version_id": found.version_id}
        outcome = {"key": found.key, "version_id": found.version_id}
        pipeline, parameters = self.pipeline_name, dict[str, str]()
        try:
            if found.is_inventory:
                return {"status": "kept", "archive_uri": self._kept_inventory(found), **outcome}
            if found.calibrates:
                pipeline, parameters = self.calibration_pipeline_name, self._model(found).to_calibrate()
            elif found.purpose == "evaluate":
                pipeline, parameters = self.site_pipeline_name, self._model(found).to_evaluate()
            summary = self._validate(found)
        except Rejection as rejection:
            return {**self._refuse(found, rejection), **outcome}
        archive_uri = dataset.keep(self.s3, found)
        execution_arn = dataset.start(
            self.sagemaker,
            pipeline,
            archive_uri,
            token=found.token,
            name=dataset.display_name(found),
            description=f"{found.uri} version {found.version_id}",
            parameters=parameters,
        )
        return {
            "status": "started",
            "execution_arn": execution_arn,
            "archive_uri": archive_uri,
            "files": summary.files,
            "images": summary.images,
            "masks": summary.masks,
            "unlabelled": summary.unlabelled,
            **outcome,
        }

    def _refuse(self, found: Upload, rejection: Rejection) -> dict[str, Any]:
        first = report.publish(self.s3, self.sns, self.topic_arn, found, rejection)
        return {"status": "rejected", "reason": rejection.reason.value, "first_time": first}

    def _kept_inventory(self, found: Upload) -> str:
        if found.purpose == "evaluate":
            raise Rejection(
                Reason.NOT_A_ZIP,
                "A model is evaluated and calibrated on a zip archive; an inventory is to train on.",
            )
        return dataset.keep_inventory(self.s3, found)

    def _model(self, found: Upload) -> RegisteredModel:
        return registered_model.named_by(self.sagemaker, self.packages_arn, found)

    def _validate(self, found: Upload) -> Summary:
        check_size(found.size, self.limits)
        raw = RangedObject(self.s3, found, budget=self.limits.read_budget)
        try:
            # The reader's blocks are the buffer; BufferedReader only makes `read(n)` return n bytes.
            return inspect(io.BufferedReader(raw), found.size, self.limits, found.purpose)
        except ReadBudgetExceededError as error:
            raise Rejection(Reason.DAMAGED_DIRECTORY, f"The zip's directory does not fit the file: {error}.") from error
