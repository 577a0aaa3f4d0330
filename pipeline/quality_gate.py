"""CheckQuality: the condition step on all quality gates; registers the model, or fails and names the gate."""

from __future__ import annotations

from typing import Any

from sagemaker.core.workflow.conditions import ConditionGreaterThanOrEqualTo, ConditionLessThanOrEqualTo
from sagemaker.core.workflow.functions import Join, JsonGet
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.fail_step import FailStep

from model_code.contract import metrics
from model_code.contract.parameters import GATES
from pipeline.steps import METRICS, RequestStep


def quality_gate(parameters: dict[str, Any], evaluate: RequestStep, register: RequestStep) -> ConditionStep:
    """The condition step with both its branches.

    Args:
        parameters: the pipeline's, by name; the limits are among them.
        evaluate: the step whose property file `METRICS` has the figures.
        register: what follows when all conditions hold.
    """

    def measured(path: str) -> JsonGet:
        return JsonGet(step_name=evaluate.name, property_file=METRICS, json_path=path)

    at_least, at_most = ConditionGreaterThanOrEqualTo, ConditionLessThanOrEqualTo
    return ConditionStep(
        "CheckQuality",
        conditions=[
            *(
                (at_least if gate.at_least else at_most)(
                    left=measured(metrics.path(gate.judged or gate.metric)), right=parameters[limit]
                )
                for limit, gate in GATES.items()
            ),
            # 1 or 0; the evaluation writes 0 where TensorFlow serves, which is the float32 network itself.
            at_most(left=measured("engine.beyond_limits"), right=0),
            # 1 or 0; the evaluation writes 0 where nothing serves, or the comparison is only to be reported.
            at_most(left=measured("comparison.significantly_worse"), right=0),
        ],
        if_steps=[register],
        else_steps=[_gate_failed(parameters, evaluate)],
    )


def _gate_failed(parameters: dict[str, Any], evaluate: RequestStep) -> FailStep:
    # The evaluation job succeeds and names each failed gate in its exit message. A Fail step may hold parameters, Join
    # and step properties (developer guide, "Fail step": JsonGet is not among them). 1,024 characters of it are kept.
    limits: list[Any] = []
    for limit, gate in GATES.items():
        title = gate.title if gate.title.isupper() else gate.title.lower()
        limits += [f"{', ' if limits else ' Limits: '}{title} at {'least' if gate.at_least else 'most'} "]
        limits += [parameters[limit]]
    message = Join(on="", values=["Model not registered. ", evaluate.properties.ExitMessage, *limits, "."])
    return FailStep("QualityGateFailed", error_message=message)
