"""The training pipeline, compiled to `pipeline/definition.json`.

    s3://.../datasets/<token>/archive.zip
        |
    PreprocessImages ---- train, validation, report ----> TrainModel
        |                                                     |
        +---- test, report ------> EvaluateModel <---- model.tar.gz
                                        |
                                   CheckQuality   AUROC, sensitivity, specificity, calibration error
                                    /        \\
                       RegisterModel          QualityGateFailed
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

# The SDK resolves a region while it is imported, and its session signs nothing here.
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

import boto3
from sagemaker.core.workflow.conditions import ConditionGreaterThanOrEqualTo, ConditionLessThanOrEqualTo
from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.functions import Join, JsonGet
from sagemaker.core.workflow.parameters import ParameterFloat, ParameterInteger, ParameterString
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.core.workflow.properties import Properties, PropertyFile
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.retry import (
    SageMakerJobExceptionTypeEnum,
    SageMakerJobStepRetryPolicy,
    StepExceptionTypeEnum,
    StepRetryPolicy,
)
from sagemaker.mlops.workflow.steps import CacheConfig, ConfigurableRetryStep, StepTypeEnum

from pipeline.processing import evaluate_request, preprocess_request
from pipeline.registration import register_request
from pipeline.training import train_request

DEFINITION_FILE = Path(__file__).with_name("definition.json")

ARTIFACTS = "s3://${ArtifactBucketName}/executions"


class RequestStep(ConfigurableRetryStep):  # type: ignore[misc]  # the SDK carries no types
    """A step that carries its API request as it is sent, so that compiling needs neither credentials nor a network."""

    def __init__(
        self,
        name: str,
        step_type: StepTypeEnum,
        request: dict[str, Any],
        *,
        shape: str,
        retry: bool = True,
        cache: CacheConfig | None = None,
        property_files: tuple[PropertyFile, ...] = (),
    ) -> None:
        super().__init__(name, step_type, retry_policies=_job_retries() if retry else _call_retries())
        self.property_files = list(property_files)
        self._request = request
        self._cache = cache
        self._properties = Properties(step_name=name, step=self, shape_name=shape)

    @property
    def arguments(self) -> dict[str, Any]:
        """The request of the step's API."""
        return self._request

    @property
    def properties(self) -> Properties:
        """References to the members of the response that describes the finished job."""
        return self._properties

    def to_request(self) -> dict[str, Any]:
        """The step as the pipeline definition writes it."""
        step: dict[str, Any] = super().to_request()
        if self.property_files:
            step["PropertyFiles"] = [file.expr for file in self.property_files]
        if self._cache:
            step.update(self._cache.config)
        return step


def _call_retries() -> list[StepRetryPolicy]:
    faults = [StepExceptionTypeEnum.SERVICE_FAULT, StepExceptionTypeEnum.THROTTLING]
    return [StepRetryPolicy(exception_types=faults, interval_seconds=10, backoff_rate=2.0, max_attempts=5)]


def _job_retries() -> list[Any]:
    def policy(error: SageMakerJobExceptionTypeEnum, **times: Any) -> SageMakerJobStepRetryPolicy:
        return SageMakerJobStepRetryPolicy(exception_types=[error], **times)

    errors = SageMakerJobExceptionTypeEnum
    return [
        *_call_retries(),
        # No machine of the type is free in the region: hours, and worth waiting for.
        policy(errors.CAPACITY_ERROR, interval_seconds=300, backoff_rate=1.5, expire_after_mins=360),
        # The account's quota is in use: a job of another execution may end soon. A quota of zero never will.
        policy(errors.RESOURCE_LIMIT, interval_seconds=120, backoff_rate=2.0, max_attempts=3),
        policy(errors.INTERNAL_ERROR, interval_seconds=60, backoff_rate=2.0, max_attempts=2),
    ]


def build() -> Pipeline:
    """The pipeline as the SDK's objects."""
    archive_uri = ParameterString("InputArchiveUri")
    processing_instance = ParameterString("ProcessingInstanceType", default_value="ml.m5.xlarge")
    training_instance = ParameterString("TrainingInstanceType", default_value="ml.g4dn.xlarge")
    training_image = ParameterString("TrainingImageUri", default_value="${TrainingImageUri}")
    image_size = ParameterInteger("ImageSize", default_value=220)
    backbone_weights = ParameterString("BackboneWeights", default_value="imagenet")
    epochs = ParameterInteger("Epochs", default_value=5)
    fine_tune_epochs = ParameterInteger("FineTuneEpochs", default_value=5)
    learning_rate = ParameterFloat("LearningRate", default_value=1e-3)
    fine_tune_learning_rate = ParameterFloat("FineTuneLearningRate", default_value=1e-4)
    batch_size = ParameterInteger("BatchSize", default_value=64)
    validation_fraction = ParameterFloat("ValidationFraction", default_value=0.1)
    seed = ParameterInteger("Seed", default_value=20180222)
    min_auroc = ParameterFloat("MinAuroc", default_value=0.95)
    min_sensitivity = ParameterFloat("MinSensitivity", default_value=0.9)
    min_specificity = ParameterFloat("MinSpecificity", default_value=0.75)
    max_calibration_error = ParameterFloat("MaxCalibrationError", default_value=0.1)
    max_runtime = ParameterInteger("MaxRuntimeSeconds", default_value=7200)

    def output(name: str) -> Join:
        return Join(on="/", values=[ARTIFACTS, ExecutionVariables.PIPELINE_EXECUTION_ID, name])

    preprocess = RequestStep(
        "PreprocessImages",
        StepTypeEnum.PROCESSING,
        preprocess_request(
            archive_uri=archive_uri,
            arguments={
                "image-size": image_size.to_string(),
                "validation-fraction": validation_fraction.to_string(),
                "seed": seed.to_string(),
            },
            output_uris={name: output(name) for name in ("train", "validation", "test", "report")},
            instance_type=processing_instance,
            max_runtime_seconds=max_runtime,
        ),
        shape="DescribeProcessingJobResponse",
        cache=CacheConfig(enable_caching=True, expire_after="P30D"),
    )
    dataset = preprocess.properties.ProcessingOutputConfig.Outputs

    train = RequestStep(
        "TrainModel",
        StepTypeEnum.TRAINING,
        train_request(
            image_uri=training_image,
            channels={name: dataset[name].S3Output.S3Uri for name in ("train", "validation", "report")},
            hyperparameters={
                "image-size": image_size.to_string(),
                "epochs": epochs.to_string(),
                "fine-tune-epochs": fine_tune_epochs.to_string(),
                "learning-rate": learning_rate.to_string(),
                "fine-tune-learning-rate": fine_tune_learning_rate.to_string(),
                "batch-size": batch_size.to_string(),
                "backbone-weights": backbone_weights,
                "seed": seed.to_string(),
            },
            output_uri=output("model"),
            instance_type=training_instance,
            max_runtime_seconds=max_runtime,
        ),
        shape="DescribeTrainingJobResponse",
    )
    model_uri = train.properties.ModelArtifacts.S3ModelArtifacts

    metrics = PropertyFile(name="EvaluationReport", output_name="evaluation", path="evaluation.json")
    evaluate = RequestStep(
        "EvaluateModel",
        StepTypeEnum.PROCESSING,
        evaluate_request(
            model_uri=model_uri,
            test_uri=dataset["test"].S3Output.S3Uri,
            report_uri=dataset["report"].S3Output.S3Uri,
            arguments={
                "min-auroc": min_auroc.to_string(),
                "min-sensitivity": min_sensitivity.to_string(),
                "min-specificity": min_specificity.to_string(),
                "max-calibration-error": max_calibration_error.to_string(),
            },
            output_uris={"evaluation": output("evaluation")},
            instance_type=processing_instance,
            max_runtime_seconds=max_runtime,
        ),
        shape="DescribeProcessingJobResponse",
        property_files=(metrics,),
    )
    evaluation_uri = evaluate.properties.ProcessingOutputConfig.Outputs["evaluation"].S3Output.S3Uri

    register = RequestStep(
        "RegisterModel",
        StepTypeEnum.REGISTER_MODEL,
        register_request(
            model_uri=model_uri,
            statistics_uri=Join(on="/", values=[evaluation_uri, "evaluation.json"]),
            metadata={
                "PipelineExecutionArn": ExecutionVariables.PIPELINE_EXECUTION_ARN,
                "InputArchiveUri": archive_uri,
                "DatasetReportUri": Join(on="/", values=[dataset["report"].S3Output.S3Uri, "dataset.json"]),
                "EvaluationReportUri": Join(on="/", values=[evaluation_uri, "report.html"]),
            },
        ),
        shape="DescribeModelPackageOutput",
        retry=False,
    )

    def measured(path: str) -> JsonGet:
        return JsonGet(step_name=evaluate.name, property_file=metrics, json_path=path)

    gate_failed = FailStep(
        "QualityGateFailed",
        error_message=Join(
            on="",
            values=[
                "Model not registered: ",
                measured("gates.message"),
                " Limits of this execution: AUROC at least ",
                min_auroc,
                ", sensitivity at least ",
                min_sensitivity,
                ", specificity at least ",
                min_specificity,
                ", calibration error at most ",
                max_calibration_error,
                ".",
            ],
        ),
    )

    at_least, at_most = ConditionGreaterThanOrEqualTo, ConditionLessThanOrEqualTo
    check = ConditionStep(
        "CheckQuality",
        conditions=[
            at_least(left=measured("binary_classification_metrics.auc.value"), right=min_auroc),
            at_least(left=measured("binary_classification_metrics.true_positive_rate.value"), right=min_sensitivity),
            at_least(left=measured("binary_classification_metrics.true_negative_rate.value"), right=min_specificity),
            at_most(left=measured("calibration.expected_calibration_error.value"), right=max_calibration_error),
        ],
        if_steps=[register],
        else_steps=[gate_failed],
    )

    # Credentials are never used: nothing is signed while compiling.
    boto_session = boto3.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name="us-east-1")  # noqa: S106
    return Pipeline(
        name="cxr",
        parameters=[
            archive_uri,
            processing_instance,
            training_instance,
            training_image,
            image_size,
            backbone_weights,
            epochs,
            fine_tune_epochs,
            learning_rate,
            fine_tune_learning_rate,
            batch_size,
            validation_fraction,
            seed,
            min_auroc,
            min_sensitivity,
            min_specificity,
            max_calibration_error,
            max_runtime,
        ],
        steps=[preprocess, train, evaluate, check],
        pipeline_experiment_config=None,  # the older Experiments would need more permissions and show nothing new
        sagemaker_session=PipelineSession(boto_session=boto_session, default_bucket="unused"),
    )


def compile_definition() -> str:
    """The definition as committed: two-space indent, one final newline, no null keys, the same text every time."""
    return json.dumps(_without_nulls(json.loads(build().definition())), indent=2) + "\n"


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def main() -> None:
    """Write `definition.json` beside this module."""
    DEFINITION_FILE.write_text(compile_definition(), encoding="utf-8")
    sys.stdout.write(f"wrote {DEFINITION_FILE}\n")


if __name__ == "__main__":
    main()
