"""Offline compilation of pipeline definitions: typed parameters, a session that calls nothing, stable JSON.

Whoever imports this has set a region before: the SDK resolves one while it is imported.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import boto3
from sagemaker.core.workflow.functions import Join
from sagemaker.core.workflow.parameters import ParameterBoolean, ParameterFloat, ParameterInteger, ParameterString
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.mlops.workflow.pipeline import Pipeline

from model_code.contract.parameters import Parameter


def declare(required: Iterable[str], others: Iterable[Parameter]) -> dict[str, Any]:
    """The SDK's parameters by name: texts that a start has to name, and then those with a default."""
    parameters = [*map(ParameterString, required), *map(_with_default, others)]
    return {parameter.name: parameter for parameter in parameters}


def _with_default(parameter: Parameter) -> Any:
    """A pipeline parameter of its default's type, with the choices it has, if any: a start names one of them."""
    if isinstance(parameter.default, str):
        return ParameterString(
            parameter.name, default_value=parameter.default, enum_values=list(parameter.choices) or None
        )
    if isinstance(parameter.default, bool):
        return ParameterBoolean(parameter.name, default_value=parameter.default)
    if isinstance(parameter.default, int):
        return ParameterInteger(parameter.name, default_value=parameter.default)
    return ParameterFloat(parameter.name, default_value=parameter.default)


def joined(*parts: Any) -> Join:
    """An address of parts that the execution knows, with slashes between them."""
    return Join(on="/", values=list(parts))


def _offline_session() -> PipelineSession:
    """A session for the SDK's objects: nothing is signed or sent while compiling, it only wants one to exist."""
    session = boto3.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name="us-east-1")  # noqa: S106
    return PipelineSession(boto_session=session, default_bucket="none")


def assembled(parameters: Iterable[Any], steps: list[Any]) -> Pipeline:
    """A pipeline as the SDK's object, which nothing is called for."""
    return Pipeline(
        name="cxr",  # not part of the definition; the stack names the pipeline
        parameters=list(parameters),
        steps=steps,
        pipeline_experiment_config=None,  # the older Experiments would need more permissions and show nothing new
        sagemaker_session=_offline_session(),
    )


def text_of(pipeline: Pipeline) -> str:
    """The definition as committed: two-space indent, one final newline, no null members, the same text every time."""
    return json.dumps(_without_nulls(json.loads(pipeline.definition())), indent=2) + "\n"


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
