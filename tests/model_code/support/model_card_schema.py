"""The rules of SageMaker's model package model card schema, restated.

Source: SageMaker developer guide, "View and update the details of a model version", section "Model package model card
schema", and the API reference of ModelPackageModelCard. Where the guide's schema counts items with a keyword that
draft 7 does not know, or leaves a pattern without anchors, the limit that is meant is checked.
"""

from __future__ import annotations

from typing import Any

MAX_CONTENT = 100_000

_NUMBER = {"type": "number"}


def _text(most: int, least: int = 0) -> dict[str, Any]:
    return {"type": "string", "minLength": least, "maxLength": most}


def _list(items: dict[str, Any], most: int | None = None, least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least} | ({"maxItems": most} if most else {})


def _object(required: str = "", **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required.split(),
        "properties": properties,
    }


def _metric(kinds: list[str], value: dict[str, Any], x_axis: dict[str, Any], y_axis: dict[str, Any]) -> dict[str, Any]:
    return _object(
        "name type value",
        name=_text(255, 1),
        notes=_text(1024),
        type={"type": "string", "enum": kinds},
        value=value,
        x_axis_name=x_axis,
        y_axis_name=y_axis,
    )


_AXIS, _AXES = _text(63), _list(_text(63))
_TRAINING_METRIC = _object("name value", name=_text(255, 1), notes=_text(1024), value=_NUMBER)
_HYPERPARAMETER = _object("name value", name=_text(255, 1), value=_text(255, 1))
_PAIR = _list(_NUMBER, 2, 2)
_EVALUATION_METRIC = {
    "anyOf": [
        _metric(["number", "string", "boolean"], {"anyOf": [_NUMBER, _text(63), {"type": "boolean"}]}, _AXIS, _AXIS),
        _metric(["linear_graph"], _list(_PAIR, least=1), _AXIS, _AXIS),
        _metric(["bar_chart"], _list(_NUMBER, least=1), _AXES, _AXIS),
        _metric(["matrix"], _list(_list(_NUMBER, 20, 1), 20, 1), _AXES, _AXES),
    ]
}

SCHEMA = _object(
    model_overview=_object(model_creator=_text(1024), model_artifact=_list(_text(1024), 15)),
    intended_uses=_object(
        purpose_of_model=_text(2048),
        intended_uses=_text(2048),
        factors_affecting_model_efficiency=_text(2048),
        risk_rating={"type": "string", "enum": ["High", "Medium", "Low", "Unknown"]},
        explanations_for_risk_rating=_text(2048),
    ),
    business_details=_object(
        business_problem=_text(2048), business_stakeholders=_text(2048), line_of_business=_text(2048)
    ),
    training_details=_object(
        objective_function=_object(
            function=_object(
                function={"type": "string", "enum": ["Maximize", "Minimize"]}, facet=_text(63), condition=_text(63)
            ),
            notes=_text(1024),
        ),
        training_observations=_text(1024),
        training_job_details=_object(
            training_arn=_text(1024),
            training_datasets=_list(_text(1024), 15),
            training_environment=_object(container_image=_list(_text(1024), 15)),
            training_metrics=_list(_TRAINING_METRIC, 50),
            user_provided_training_metrics=_list(_TRAINING_METRIC, 50),
            hyper_parameters=_list(_HYPERPARAMETER, 100),
            user_provided_hyper_parameters=_list(_HYPERPARAMETER, 100),
        ),
    ),
    evaluation_details=_list(
        _object(
            "name",
            name=_text(63, 1),
            evaluation_observation=_text(2096),
            evaluation_job_arn=_text(256),
            datasets=_list(_text(1024), 10),
            metadata={"type": "object", "additionalProperties": _text(1024)},
            metric_groups=_list(_object("name metric_data", name=_text(63, 1), metric_data=_list(_EVALUATION_METRIC))),
        )
    ),
    additional_information=_object(
        ethical_considerations=_text(2048),
        caveats_and_recommendations=_text(2048),
        custom_details={"type": "object", "additionalProperties": _text(1024)},
    ),
)
