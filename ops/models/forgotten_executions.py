"""Members of a signed statement that can no longer be compared, because SageMaker has forgotten their execution."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from lambdas.aws import statement
from lambdas.aws.errors import error_code, is_absent

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from mypy_boto3_sagemaker import SageMakerClient

    from lambdas.aws.statement import Difference

_DENIED = frozenset({"AccessDenied", "AccessDeniedException"})


def explain_unknown(
    changed: list[Difference], execution: str, registered: datetime, sagemaker: SageMakerClient
) -> list[Difference]:
    """The differences from a signed statement, with the reason where one can no longer be compared.

    Args:
        changed: what is otherwise now.
        execution: ARN of the execution, as it was signed.
        registered: when the version was registered.

    Raises:
        botocore.exceptions.ClientError: SageMaker refuses to tell.
    """
    if not any(difference.name == statement.DEFINITION and difference.now is None for difference in changed):
        return changed
    why = _why(execution, registered, sagemaker)
    if why is None:
        return changed
    return [
        dataclasses.replace(difference, unknown=why)
        if difference.now is None and statement.is_of_execution(difference.name)
        else difference
        for difference in changed
    ]


def sentences(changed: Iterable[Difference]) -> list[str]:
    """A sentence for each difference, and one for all that cannot be looked at for the same reason."""
    differences = list(changed)
    lost: dict[str, list[str]] = {}
    for difference in differences:
        if difference.unknown:
            lost.setdefault(difference.unknown, []).append(difference.name)
    return [
        *(str(difference) for difference in differences if not difference.unknown),
        *(f"{', '.join(names)} cannot be compared with what was signed: {why}" for why, names in lost.items()),
    ]


def _why(execution: str, registered: datetime, sagemaker: SageMakerClient) -> str | None:
    """Reason why an execution's definition cannot be had, as far as it can be known; None where SageMaker knows it.

    A single execution cannot be deleted; "When you delete a pipeline, all instances of the pipeline are deleted"
    (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DeletePipeline.html, read 2026-11). How long it keeps
    an execution otherwise is not documented.
    """
    try:
        sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution)
    except Exception as error:
        if error_code(error) in _DENIED:
            return f"SageMaker tells no definition of the execution {execution}, and this role may not ask it why"
        if not is_absent(error):
            raise
    else:
        return None
    name = execution.partition("/execution/")[0].rpartition("/")[2]
    lost = f"SageMaker does not know the execution {execution} any more"
    try:
        made = sagemaker.describe_pipeline(PipelineName=name)["CreationTime"]
    except Exception as error:
        if error_code(error) in _DENIED:
            return lost
        if not is_absent(error):
            raise
        return f"{lost}, since the pipeline {name} was deleted, and its executions with it"
    if made > registered:
        when = statement.moment(made)
        return f"{lost}, since the pipeline {name} was deleted, and its executions with it, and made again at {when}"
    return f"{lost}, which it forgets in time; the pipeline {name} is there"
