"""Lambda steps: a function called with the step's arguments, whose JSON answer holds the step's output parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.pipelines.step_run import StepError

# https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-steps-types.html, "Lambda step"
MAX_SECONDS = 600
OUTPUT_TYPES: Mapping[str, tuple[type, ...]] = {
    "String": (str,),
    "Integer": (int,),
    "Float": (int, float),
    "Boolean": (bool,),
}
_ACTION = "lambda:InvokeFunction"


def invoke(client: Any, function: str, arguments: Any, outputs: Mapping[str, str]) -> dict[str, Any]:
    """Call a step's function and take its output parameters from the answer.

    Args:
        client: a boto3 client of Lambda that acts as the pipeline's role.
        function: ARN of the function.
        arguments: event of the function.
        outputs: the type of each output parameter by its name, of `OUTPUT_TYPES`.

    Returns:
        The output parameters.

    Raises:
        StepError: the function may not be called, failed, or answered something else than the step declares. That this
            fails the step is the service's doing; the words are not known to be its own.
    """
    try:
        answer = client.invoke(FunctionName=function, Payload=json.dumps(arguments).encode())
        payload = answer["Payload"].read()
    except ClientError as error:
        said = error.response["Error"]
        details = f"{said.get('Message', '')} ({said.get('Code', '')})"
        raise StepError(f"ClientError: Failed to invoke {_ACTION}. Error Details: {details}") from error
    except BotoCoreError as error:
        raise StepError(f"ClientError: Failed to invoke {_ACTION}. Error Details: {error}") from error
    try:
        document = json.loads(payload or b"null")
    except ValueError as error:
        raise StepError(f"ClientError: The answer of {function} is not valid JSON: {error}.") from error
    if "FunctionError" in answer:
        raise StepError(f"ClientError: {function} failed ({answer['FunctionError']}): {_message(document)}")
    if not isinstance(document, dict):
        raise StepError(f"ClientError: The answer of {function} must be an object with the step's output parameters.")
    return {name: _output(function, document, name, kind) for name, kind in outputs.items()}


def text(value: Any) -> str:
    """An output parameter as the step's metadata shows it."""
    return value if isinstance(value, str) else json.dumps(value)


def _output(function: str, document: Mapping[str, Any], name: str, kind: str) -> Any:
    if document.get(name) is None:
        known = ", ".join(document) or "nothing"
        raise StepError(f"ClientError: The output parameter '{name}' is not in the answer of {function}: {known}.")
    value = document[name]
    if not isinstance(value, OUTPUT_TYPES[kind]) or isinstance(value, bool) != (kind == "Boolean"):
        raise StepError(f"ClientError: The output parameter '{name}' of {function} is not of type {kind}: {value!r}.")
    return value


def _message(document: Any) -> str:
    """Message of a failed function: the runtime answers `errorMessage` and `errorType`."""
    if not isinstance(document, dict) or "errorMessage" not in document:
        return text(document)
    return f"{document.get('errorType', 'Error')}: {document['errorMessage']}"
