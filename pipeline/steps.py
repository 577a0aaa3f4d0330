"""Step classes for the SageMaker SDK that carry finished API requests, and retry policies."""

from __future__ import annotations

from typing import Any

from sagemaker.core.workflow.properties import Properties, PropertyFile
from sagemaker.mlops.workflow.lambda_step import LambdaOutput
from sagemaker.mlops.workflow.retry import (
    SageMakerJobExceptionTypeEnum,
    SageMakerJobStepRetryPolicy,
    StepExceptionTypeEnum,
    StepRetryPolicy,
)
from sagemaker.mlops.workflow.steps import CacheConfig, ConfigurableRetryStep, Step, StepTypeEnum

# Artifacts must outlive this, or a cache hit points at objects that the bucket's lifecycle has removed.
CACHE = CacheConfig(enable_caching=True, expire_after="P30D")
# What is read of the evaluation that a model is judged and registered by.
METRICS = PropertyFile(name="EvaluationReport", output_name="evaluation", path="evaluation.json")
CARD = PropertyFile(name="ModelCard", output_name="evaluation", path="model_card.json")


class RequestStep(ConfigurableRetryStep):  # type: ignore[misc]  # the SDK carries no types
    """A step that carries its API request as it is sent, so that compiling needs neither credentials nor a network.

    Args:
        describes: shapes of the responses whose members are the step's properties.
    """

    def __init__(
        self,
        name: str,
        step_type: StepTypeEnum,
        request: dict[str, Any],
        *,
        describes: tuple[str, ...],
        retries: list[Any],
        cache: CacheConfig | None = None,
        property_files: tuple[PropertyFile, ...] = (),
    ) -> None:
        super().__init__(name, step_type, retry_policies=retries)
        self.property_files = list(property_files)
        self._request = request
        self._cache = cache
        self._properties = Properties(step_name=name, step=self, shape_names=list(describes))

    @property
    def arguments(self) -> dict[str, Any]:
        """The request of the step's API."""
        return self._request

    @property
    def properties(self) -> Properties:
        """References to the members of the responses that describe what the step made."""
        return self._properties

    def output_uri(self, name: str) -> Any:
        """A reference to the S3 URI of a processing step's output."""
        return self._properties.ProcessingOutputConfig.Outputs[name].S3Output.S3Uri

    def to_request(self) -> dict[str, Any]:
        """The step as the pipeline definition writes it."""
        step: dict[str, Any] = super().to_request()
        if self.property_files:
            step["PropertyFiles"] = [file.expr for file in self.property_files]
        if self._cache:
            step.update(self._cache.config)
        return step


def processing_step(
    name: str,
    request: dict[str, Any],
    *,
    cache: CacheConfig | None = None,
    property_files: tuple[PropertyFile, ...] = (),
) -> RequestStep:
    """A step that is a processing job.

    Args:
        request: of `processing.processing_request`.
        cache: reuse of an earlier execution's outputs, if any.
        property_files: outputs that later steps read figures of.
    """
    return RequestStep(
        name,
        StepTypeEnum.PROCESSING,
        request,
        describes=("DescribeProcessingJobResponse",),
        retries=job_retries(),
        cache=cache,
        property_files=property_files,
    )


def register_step(request: dict[str, Any]) -> RequestStep:
    """RegisterModel.

    Args:
        request: of `registration.register_request`.
    """
    return RequestStep(
        "RegisterModel",
        StepTypeEnum.REGISTER_MODEL,
        request,
        describes=("DescribeModelPackageOutput",),
        retries=call_retries(),
    )


class FunctionStep(Step):  # type: ignore[misc]
    """A step that calls a Lambda function of the deployment.

    The SDK's own `LambdaStep` takes a client's `Lambda` and warns that it will not update it. A Lambda step takes no
    retry policy (https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html): the function itself has
    to repeat what may pass.

    Args:
        function_arn: ARN of the function; `${...}` where the stack knows it.
        outputs: names of the strings that the function answers, flat.
        after: names of the steps that this one waits for.
    """

    def __init__(self, name: str, *, function_arn: str, outputs: tuple[str, ...], after: list[str]) -> None:
        super().__init__(name, step_type=StepTypeEnum.LAMBDA, depends_on=after)
        self._function_arn = function_arn
        self._outputs = [LambdaOutput(output_name=output) for output in outputs]

    @property
    def arguments(self) -> dict[str, Any]:
        """The event of the call: nothing."""
        return {}

    @property
    def properties(self) -> Properties:
        """A Lambda step has no description; see `output`."""
        return Properties(step_name=self.name, step=self)

    def output(self, name: str) -> Properties:
        """A reference to one of the outputs."""
        return Properties(step_name=self.name, step=self, path=f"OutputParameters['{name}']")

    def to_request(self) -> dict[str, Any]:
        """The step as the pipeline definition writes it."""
        step: dict[str, Any] = super().to_request()
        return {
            **step,
            "FunctionArn": self._function_arn,
            "OutputParameters": [output.to_request() for output in self._outputs],
        }


def find_serving_model(*, after: list[str], file: str = "ServingModelUri") -> FunctionStep:
    """FindServingModel, which names the model package that serves and one of its files.

    Args:
        after: names of the steps that it waits for.
        file: which one, as the function calls its URI.
    """
    outputs = ("ServingPackageArn", file)
    arn = "${FindServingModelFunctionArn}"
    return FunctionStep("FindServingModel", function_arn=arn, outputs=outputs, after=after)


def call_retries() -> list[Any]:
    """Policies of a step that is one call: it is repeated when the service stumbles."""
    faults = [StepExceptionTypeEnum.SERVICE_FAULT, StepExceptionTypeEnum.THROTTLING]
    return [StepRetryPolicy(exception_types=faults, interval_seconds=10, backoff_rate=2.0, max_attempts=5)]


def job_retries() -> list[Any]:
    """Policies of a step that is a job: it also waits for machines."""

    def policy(error: SageMakerJobExceptionTypeEnum, **times: Any) -> SageMakerJobStepRetryPolicy:
        return SageMakerJobStepRetryPolicy(exception_types=[error], **times)

    errors = SageMakerJobExceptionTypeEnum
    return [
        *call_retries(),
        # No machine of the type is free in the region: it may take hours, and is worth waiting for.
        policy(errors.CAPACITY_ERROR, interval_seconds=300, backoff_rate=1.5, expire_after_mins=360),
        # The account's quota is in use: a job of another execution may end soon. A quota of zero never will.
        policy(errors.RESOURCE_LIMIT, interval_seconds=120, backoff_rate=2.0, max_attempts=3),
        policy(errors.INTERNAL_ERROR, interval_seconds=60, backoff_rate=2.0, max_attempts=2),
    ]
