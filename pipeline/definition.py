"""The training pipeline, compiled to `definition.json` (on-demand training) and `definition-spot.json` (managed spot).

    s3://.../datasets/<token>/archive.zip
        |
    PreprocessImages ---- train, validation, report ----> TrainModel
        |                                                     |
        +---- test, report ------> EvaluateModel <---- model.tar.gz
                                        |
                                   CheckQuality   AUROC, sensitivity, specificity, calibration error
                                    /        \\
                       RegisterModel          QualityGateFailed

The only module that imports the SageMaker SDK. It runs on a developer's machine, without credentials and without a
network (`make pipeline`); deploying reads the committed JSON, in which `${...}` stands for what the stacks know.
Everything an operator may change for one execution is a parameter.

**Spot is chosen by deploying one file or the other**, not by a parameter: CreateTrainingJob refuses
`MaxWaitTimeInSeconds` without managed spot training and requires it with (sagemaker-python-sdk#4140), and an expression
cannot leave a member out. Two training steps behind a condition would need everything after them twice, and condition
steps do not nest (developer guide, "Condition step").

**Caching.** A step is skipped if an earlier one, within `ExpireAfter`, had the same attributes: for a processing job
AppSpecification (image, arguments), Environment and ProcessingInputs
(https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-default-keys.html). URIs are compared, not what lies behind
them. So only PreprocessImages is cached: its inputs are content-addressed source code and an archive whose URI the
script refuses unless it is the immutable copy made of each uploaded version. TrainModel is not, because
`BackboneWeights` may name an object that changes; nor EvaluateModel, so that every registered version was evaluated in
the execution that registered it. After a cache hit the outputs lie below another execution's prefix, therefore later
steps take every input from the properties of the step before.

**Instance counts** are no parameters: each script works on one instance (see `processing.py`, `training.py`).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

# The SDK resolves a region while it is imported; nothing is called there.
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

DIRECTORY = Path(__file__).parent
ON_DEMAND_FILE = DIRECTORY / "definition.json"
SPOT_FILE = DIRECTORY / "definition-spot.json"

ARTIFACTS = "s3://${ArtifactBucketName}/executions"
# Artifacts must outlive this, or a cache hit points at objects that the bucket's lifecycle has removed.
CACHE_EXPIRES_AFTER = "P30D"


class RequestStep(ConfigurableRetryStep):  # type: ignore[misc]  # the SDK carries no types
    """A step that carries its API request as it is sent, so that compiling needs neither credentials nor a network."""

    def __init__(
        self,
        name: str,
        step_type: StepTypeEnum,
        request: dict[str, Any],
        *,
        describes: str,
        retries: list[Any],
        cache: CacheConfig | None = None,
        property_files: tuple[PropertyFile, ...] = (),
    ) -> None:
        super().__init__(name, step_type, retry_policies=retries)
        self.property_files = list(property_files)
        self._request = request
        self._cache = cache
        self._properties = Properties(step_name=name, step=self, shape_name=describes)

    @property
    def arguments(self) -> dict[str, Any]:
        """The request of the step's API."""
        return self._request

    @property
    def properties(self) -> Properties:
        """References to the members of the response that describes what the step made."""
        return self._properties

    def to_request(self) -> dict[str, Any]:
        """The step as the pipeline definition writes it."""
        step: dict[str, Any] = super().to_request()
        if self.property_files:
            step["PropertyFiles"] = [file.expr for file in self.property_files]
        if self._cache:
            step.update(self._cache.config)
        return step


def _parameters(*, spot: bool) -> dict[str, Any]:
    parameters = [
        ParameterString("InputArchiveUri"),  # no default: a start names its data
        ParameterString("ProcessingInstanceType", default_value="ml.m5.xlarge"),
        ParameterString("TrainingInstanceType", default_value="ml.g4dn.xlarge"),
        ParameterString("TrainingImageUri", default_value="${TrainingImageUri}"),
        ParameterInteger("ImageSize", default_value=220),
        ParameterString("BackboneWeights", default_value="imagenet"),
        ParameterInteger("Epochs", default_value=5),
        ParameterInteger("FineTuneEpochs", default_value=5),
        ParameterFloat("LearningRate", default_value=1e-3),
        ParameterFloat("FineTuneLearningRate", default_value=1e-4),
        ParameterInteger("BatchSize", default_value=64),
        ParameterFloat("ValidationFraction", default_value=0.1),
        ParameterInteger("Seed", default_value=20180222),
        ParameterFloat("MinAuroc", default_value=0.95),
        ParameterFloat("MinSensitivity", default_value=0.9),
        ParameterFloat("MinSpecificity", default_value=0.75),
        ParameterFloat("MaxCalibrationError", default_value=0.1),
        ParameterInteger("MaxRuntimeSeconds", default_value=7200),
    ]
    if spot:
        parameters.append(ParameterInteger("MaxWaitSeconds", default_value=14400))
    return {parameter.name: parameter for parameter in parameters}


def _call_retries() -> list[Any]:
    faults = [StepExceptionTypeEnum.SERVICE_FAULT, StepExceptionTypeEnum.THROTTLING]
    return [StepRetryPolicy(exception_types=faults, interval_seconds=10, backoff_rate=2.0, max_attempts=5)]


def _job_retries() -> list[Any]:
    def policy(error: SageMakerJobExceptionTypeEnum, **times: Any) -> SageMakerJobStepRetryPolicy:
        return SageMakerJobStepRetryPolicy(exception_types=[error], **times)

    errors = SageMakerJobExceptionTypeEnum
    return [
        *_call_retries(),
        # No machine of the type is free in the region: it may take hours, and is worth waiting for.
        policy(errors.CAPACITY_ERROR, interval_seconds=300, backoff_rate=1.5, expire_after_mins=360),
        # The account's quota is in use: a job of another execution may end soon. A quota of zero never will.
        policy(errors.RESOURCE_LIMIT, interval_seconds=120, backoff_rate=2.0, max_attempts=3),
        policy(errors.INTERNAL_ERROR, interval_seconds=60, backoff_rate=2.0, max_attempts=2),
    ]


def _output(name: str) -> Join:
    return Join(on="/", values=[ARTIFACTS, ExecutionVariables.PIPELINE_EXECUTION_ID, name])


def _preprocess(parameters: dict[str, Any]) -> RequestStep:
    request = preprocess_request(
        archive_uri=parameters["InputArchiveUri"],
        arguments={
            "image-size": parameters["ImageSize"].to_string(),
            "validation-fraction": parameters["ValidationFraction"].to_string(),
            "seed": parameters["Seed"].to_string(),
        },
        output_uris={name: _output(name) for name in ("train", "validation", "test", "report")},
        instance_type=parameters["ProcessingInstanceType"],
        max_runtime_seconds=parameters["MaxRuntimeSeconds"],
    )
    return RequestStep(
        "PreprocessImages",
        StepTypeEnum.PROCESSING,
        request,
        describes="DescribeProcessingJobResponse",
        retries=_job_retries(),
        cache=CacheConfig(enable_caching=True, expire_after=CACHE_EXPIRES_AFTER),
    )


def _train(parameters: dict[str, Any], dataset: Any) -> RequestStep:
    request = train_request(
        image_uri=parameters["TrainingImageUri"],
        channels={name: dataset[name].S3Output.S3Uri for name in ("train", "validation", "report")},
        hyperparameters={
            "image-size": parameters["ImageSize"].to_string(),
            "epochs": parameters["Epochs"].to_string(),
            "fine-tune-epochs": parameters["FineTuneEpochs"].to_string(),
            "learning-rate": parameters["LearningRate"].to_string(),
            "fine-tune-learning-rate": parameters["FineTuneLearningRate"].to_string(),
            "batch-size": parameters["BatchSize"].to_string(),
            "backbone-weights": parameters["BackboneWeights"],
            "seed": parameters["Seed"].to_string(),
        },
        output_uri=_output("model"),
        instance_type=parameters["TrainingInstanceType"],
        max_runtime_seconds=parameters["MaxRuntimeSeconds"],
        max_wait_seconds=parameters.get("MaxWaitSeconds"),
    )
    return RequestStep(
        "TrainModel",
        StepTypeEnum.TRAINING,
        request,
        describes="DescribeTrainingJobResponse",
        retries=_job_retries(),
    )


def _evaluate(parameters: dict[str, Any], model_uri: Any, dataset: Any, metrics: PropertyFile) -> RequestStep:
    request = evaluate_request(
        model_uri=model_uri,
        test_uri=dataset["test"].S3Output.S3Uri,
        report_uri=dataset["report"].S3Output.S3Uri,
        arguments={
            "min-auroc": parameters["MinAuroc"].to_string(),
            "min-sensitivity": parameters["MinSensitivity"].to_string(),
            "min-specificity": parameters["MinSpecificity"].to_string(),
            "max-calibration-error": parameters["MaxCalibrationError"].to_string(),
        },
        output_uris={metrics.output_name: _output(metrics.output_name)},
        instance_type=parameters["ProcessingInstanceType"],
        max_runtime_seconds=parameters["MaxRuntimeSeconds"],
    )
    return RequestStep(
        "EvaluateModel",
        StepTypeEnum.PROCESSING,
        request,
        describes="DescribeProcessingJobResponse",
        retries=_job_retries(),
        property_files=(metrics,),
    )


def _register(parameters: dict[str, Any], model_uri: Any, dataset: Any, evaluation_uri: Any) -> RequestStep:
    request = register_request(
        model_uri=model_uri,
        statistics_uri=Join(on="/", values=[evaluation_uri, "evaluation.json"]),
        metadata={
            "PipelineExecutionArn": ExecutionVariables.PIPELINE_EXECUTION_ARN,
            "InputArchiveUri": parameters["InputArchiveUri"],
            "DatasetReportUri": Join(on="/", values=[dataset["report"].S3Output.S3Uri, "dataset.json"]),
            "EvaluationReportUri": Join(on="/", values=[evaluation_uri, "report.html"]),
        },
    )
    return RequestStep(
        "RegisterModel",
        StepTypeEnum.REGISTER_MODEL,
        request,
        describes="DescribeModelPackageOutput",
        retries=_call_retries(),
    )


def _gate_failed(parameters: dict[str, Any], evaluate: RequestStep) -> FailStep:
    # The evaluation job succeeds and names each failed gate in its exit message. A Fail step may hold parameters, Join
    # and step properties (developer guide, "Fail step": JsonGet is not among them). 1,024 characters of it are kept.
    message = Join(
        on="",
        values=[
            "Model not registered. ",
            evaluate.properties.ExitMessage,
            " Limits: AUROC at least ",
            parameters["MinAuroc"],
            ", sensitivity at least ",
            parameters["MinSensitivity"],
            ", specificity at least ",
            parameters["MinSpecificity"],
            ", calibration error at most ",
            parameters["MaxCalibrationError"],
            ".",
        ],
    )
    return FailStep("QualityGateFailed", error_message=message)


def build(*, spot: bool) -> Pipeline:
    """The pipeline as the SDK's objects.

    Args:
        spot: train on managed spot capacity, with the parameter `MaxWaitSeconds`, instead of on-demand.
    """
    parameters = _parameters(spot=spot)
    metrics = PropertyFile(name="EvaluationReport", output_name="evaluation", path="evaluation.json")

    preprocess = _preprocess(parameters)
    dataset = preprocess.properties.ProcessingOutputConfig.Outputs
    train = _train(parameters, dataset)
    model_uri = train.properties.ModelArtifacts.S3ModelArtifacts
    evaluate = _evaluate(parameters, model_uri, dataset, metrics)
    evaluation_uri = evaluate.properties.ProcessingOutputConfig.Outputs[metrics.output_name].S3Output.S3Uri

    def measured(path: str) -> JsonGet:
        return JsonGet(step_name=evaluate.name, property_file=metrics, json_path=path)

    at_least, at_most = ConditionGreaterThanOrEqualTo, ConditionLessThanOrEqualTo
    scores = "binary_classification_metrics"
    check = ConditionStep(
        "CheckQuality",
        conditions=[
            at_least(left=measured(f"{scores}.auc.value"), right=parameters["MinAuroc"]),
            at_least(left=measured(f"{scores}.true_positive_rate.value"), right=parameters["MinSensitivity"]),
            at_least(left=measured(f"{scores}.true_negative_rate.value"), right=parameters["MinSpecificity"]),
            at_most(
                left=measured("calibration.expected_calibration_error.value"), right=parameters["MaxCalibrationError"]
            ),
        ],
        if_steps=[_register(parameters, model_uri, dataset, evaluation_uri)],
        else_steps=[_gate_failed(parameters, evaluate)],
    )
    return Pipeline(
        name="cxr",  # not part of the definition; the stack names the pipeline
        parameters=list(parameters.values()),
        steps=[preprocess, train, evaluate, check],
        pipeline_experiment_config=None,  # the older Experiments would need more permissions and show nothing new
        sagemaker_session=_offline_session(),
    )


def _offline_session() -> PipelineSession:
    # Nothing is signed or sent while compiling; the SDK only wants the objects to exist.
    session = boto3.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name="us-east-1")  # noqa: S106
    return PipelineSession(boto_session=session, default_bucket="none")


def compile_definition(*, spot: bool) -> str:
    """The definition as committed: two-space indent, one final newline, no null members, the same text every time."""
    return json.dumps(_without_nulls(json.loads(build(spot=spot).definition())), indent=2) + "\n"


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def main() -> None:
    """Write both definitions beside this module."""
    for path, spot in ((ON_DEMAND_FILE, False), (SPOT_FILE, True)):
        path.write_text(compile_definition(spot=spot), encoding="utf-8")
        sys.stdout.write(f"wrote {path}\n")


if __name__ == "__main__":
    main()
