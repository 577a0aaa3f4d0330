"""Whatever the laptop answers in AWS's stead has a row that names the test which holds it to AWS's behaviour."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from local.fidelity import pages
from local.fidelity.rows import OPERATIONS, RESOURCE_TYPES, STEP_TYPES, Row, documentation
from local.pipelines.definition_checks import PROPERTY_SHAPES

REPOSITORY = Path(__file__).resolve().parents[2]
ROWS = (*OPERATIONS, *STEP_TYPES, *RESOURCE_TYPES)
# Of the service that serves requests, which has a model of its own.
INVOCATIONS = {"InvokeEndpoint", "InvokeEndpointAsync"}


def names(rows: tuple[Row, ...]) -> list[str]:
    return [row.name for row in rows]


@cache
def functions(file: str) -> frozenset[str]:
    tree = ast.parse((REPOSITORY / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_test_of_a_row_is_there(row: Row) -> None:
    file, _, test = row.test.partition("::")
    assert test in functions(file), f"{row.test} holds {row.name} to AWS, and is not there"


def test_nothing_has_two_rows() -> None:
    assert len(set(names(ROWS))) == len(ROWS)


def test_every_operation_of_the_services_has_a_row() -> None:
    from local.core.registry import service_model
    from local.hosting.endpoints import Endpoints
    from local.pipelines.pipeline_service import PipelineService

    answered = set(names(OPERATIONS))
    assert answered >= PipelineService.OPERATIONS | Endpoints.OPERATIONS | INVOCATIONS
    # The others are the registry's, which answers those that have a row.
    assert answered - INVOCATIONS <= set(service_model().operation_names)


def test_every_step_type_has_a_row() -> None:
    assert set(names(STEP_TYPES)) == set(PROPERTY_SHAPES)


def test_what_is_documented_by_aws_has_an_address() -> None:
    without = [row.name for row in ROWS if not documentation(row)]
    assert without == [name for name in names(ROWS) if name.startswith("Custom::")]
    (model,) = (row for row in RESOURCE_TYPES if row.name == "AWS::SageMaker::Model")
    assert documentation(model).endswith("/aws-resource-sagemaker-model.html")
    (invoked,) = (row for row in OPERATIONS if row.name == "InvokeEndpoint")
    assert documentation(invoked).endswith("/API_runtime_InvokeEndpoint.html")


def test_the_pages_are_as_the_rows_are() -> None:
    assert pages.FIDELITY.read_text(encoding="utf-8") == pages.fidelity(), "run make fidelity"
    text = pages.LAPTOP.read_text(encoding="utf-8")
    assert text == pages.laptop(text), "run make fidelity"
    for difference in pages.differences():
        assert difference in text


def test_a_page_without_a_place_for_the_list_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for a list"):
        pages.laptop("# The stack on a laptop")
