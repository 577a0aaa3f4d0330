"""One table says what a parameter is; whatever takes one accepts exactly what the table does."""

from __future__ import annotations

import ast
import math
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest

from infra.settings.pipelines import Pipeline
from model_code.contract import backbones
from model_code.contract.metrics import METRICS
from model_code.contract.parameters import GATES, HYPERPARAMETERS, MONITORING, TRAINING, Parameter, problems

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("one", [*TRAINING.values(), *MONITORING.values()], ids=lambda one: one.name)
def test_a_parameter_s_own_default_is_accepted(one: Parameter) -> None:
    assert one.problem(one.default) is None
    assert one.sentence


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("ValidationFraction", 0.005, "ValidationFraction must be from 0.01 to 0.4, not 0.005."),
        ("ValidationFraction", 0.45, "ValidationFraction must be from 0.01 to 0.4, not 0.45."),
        ("LearningRate", math.nan, "LearningRate must be from 1e-08 to 1, not nan."),
        ("Dropout", math.inf, "Dropout must be from 0 to 0.9, not inf."),
        ("MaxWaitSeconds", 1, "MaxWaitSeconds must be at least 600, not 1."),
        ("Xla", "yes", "Xla must be one of off, on, not 'yes'."),
    ],
)
def test_what_is_not_accepted_is_a_sentence(name: str, value: float | str, sentence: str) -> None:
    assert TRAINING[name].problem(value) == sentence


def test_all_that_is_wrong_is_said_at_once_and_other_values_are_passed_over() -> None:
    found = problems({"epochs": 0, "xla": "yes", "archive_uri": "anything"}, TRAINING.values())
    assert [sentence.split()[0] for sentence in found] == ["Epochs", "Xla"]


def test_names_are_spelled_by_rule() -> None:
    one = HYPERPARAMETERS["FineTuneLearningRate"]
    assert (one.flag, one.field) == ("fine-tune-learning-rate", "fine_tune_learning_rate")


def test_a_gate_judges_a_figure_that_the_evaluation_has() -> None:
    assert GATES
    assert all(gate.metric in METRICS for gate in GATES.values())


def test_a_backbone_is_one_that_training_can_build() -> None:
    """One that was added to the settings alone would fail in the paid training job."""
    field = Pipeline.model_fields["backbone"]
    assert get_origin(field.annotation) is Literal
    assert get_args(field.annotation) == HYPERPARAMETERS["Backbone"].choices == tuple(backbones.BACKBONES)
    assert all(name == one.name for name, one in backbones.BACKBONES.items())
    assert backbones.DEFAULT in backbones.BACKBONES


def test_a_backbone_is_named_in_no_other_list() -> None:
    """Neither a second table nor a copy of the choices: docs, definitions and settings come out of the one there is."""
    others = set(backbones.BACKBONES) - {backbones.DEFAULT}
    for package in ("infra", "pipeline", "model_code", "lambdas", "ops", "local"):
        for path in (REPOSITORY / package).rglob("*.py"):
            if path == Path(backbones.__file__):
                continue
            for node in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(node, ast.Tuple | ast.List | ast.Set | ast.Dict):
                    texts = {one.value for one in ast.walk(node) if isinstance(one, ast.Constant)}
                    assert not texts & others, f"{path.relative_to(REPOSITORY)}:{node.lineno}"
