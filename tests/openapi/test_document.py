"""One document describes the API as its functions, its templates and its errors are."""

from __future__ import annotations

import ast
import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from lambdas.http.problems import KINDS
from model_code.contract.answer import AnsweredImage, AnsweringModel, member_types
from openapi import examples
from openapi.document import SECURITY_SCHEMES, document, text
from openapi.operations import OPERATIONS, Operation


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global Draft202012Validator, validate
    from jsonschema import Draft202012Validator
    from openapi_spec_validator import validate


REPOSITORY = Path(__file__).resolve().parents[2]
# The operations that Powertools' resolvers answer, by function.
RESOLVERS = {
    "uploads": "create_upload",
    "predictions": "read_prediction",
    "feedback": "label_prediction",
    "model": "read_model",
}


def operation(name: str) -> Operation:
    (found,) = (one for one in OPERATIONS if one.id == name)
    return found


def test_the_document_that_is_served_is_the_one_that_the_models_give() -> None:
    served = (REPOSITORY / "lambdas" / "site" / "openapi.json").read_text(encoding="utf-8")

    assert served == text(), "run `python -m openapi` and review the difference"


def test_it_is_an_openapi_document() -> None:
    validate(document())


@pytest.mark.parametrize("module", RESOLVERS)
def test_a_resolver_has_the_path_the_method_and_the_models_that_are_described(module: str) -> None:
    app = importlib.import_module(f"lambdas.api.{module}").app
    described = operation(RESOLVERS[module])
    path = described.path
    own = json.loads(app.get_openapi_json_schema())["paths"]

    assert list(own) == [path]
    assert list(own[path]) == [described.method]
    body = own[path][described.method].get("requestBody")
    named = [body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]] if body else []
    assert named == [model.__name__ for model in described.requests]
    answered = str(own[path][described.method]["responses"])
    assert described.answer is not None
    assert f"schemas/{described.answer.__name__}'" in answered


@pytest.mark.parametrize(
    ("part", "schemas"), [(AnsweredImage, {"Prediction", "KeptPrediction"}), (AnsweringModel, {"Model"})]
)
def test_what_the_container_tells_is_described_and_shown(part: type, schemas: set[str]) -> None:
    """With nothing to add here, where a member is added there."""
    whole = document()
    shown = whole["paths"]["/v1/predictions"]["post"]["responses"]["200"]["content"]["application/json"]["example"]
    shown = {**shown["model"], **shown}

    assert member_types(part)
    for name, (_, one) in member_types(part).items():
        assert shown[name] == one.example
        for schema in schemas:
            assert whole["components"]["schemas"][schema]["properties"][name]["description"] == one.sentence


def test_every_problem_of_the_functions_is_described_where_it_can_be_met() -> None:
    described = {code for one in OPERATIONS for code in one.codes}
    # What any path may answer, or none of those that there are.
    anywhere = {"internal_error", "throttled", "not_found", "method_not_allowed"}

    assert described | anywhere == set(KINDS)


def test_each_status_of_an_operation_is_described_with_its_codes() -> None:
    paths = document()["paths"]
    for one in OPERATIONS:
        responses = paths[one.path][one.method]["responses"]
        for code in one.codes:
            assert f"`{code}`" in responses[str(KINDS[code].status)]["description"], (one.id, code)
        for status, response in responses.items():
            expected = "application/problem+json" if status == "default" or int(status) >= 400 else None
            assert expected is None or list(response["content"]) == [expected], (one.id, status)


def test_what_needs_no_leave_says_so_and_nothing_else() -> None:
    paths = document()["paths"]
    public = {(path, method) for path, methods in paths.items() for method, one in methods.items() if "security" in one}

    assert public == {("/v1/health", "get"), ("/openapi.json", "get"), ("/docs", "get")}
    assert document()["security"] == [{name: []} for name in SECURITY_SCHEMES]


def test_every_schema_is_used_and_every_reference_leads_somewhere() -> None:
    whole = document()
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(whole)))

    assert references == set(whole["components"]["schemas"])


def test_the_schemas_tell_good_documents_from_bad_ones() -> None:
    whole = document()

    def accepts(name: str, instance: Any) -> bool:
        schema = {"$ref": f"#/components/schemas/{name}", "components": whole["components"]}
        return bool(Draft202012Validator(schema).is_valid(instance))

    assert accepts("ReadersLabel", {"label": "NORMAL"})
    assert not accepts("ReadersLabel", {"label": "HEALTHY"})
    assert not accepts("ReadersLabel", {"label": "NORMAL", "comment": "x"})
    assert accepts("UploadedImage", {"upload": "0" * 32})
    assert not accepts("UploadedImage", {"upload": "../x"})


def test_every_answer_has_an_example_that_is_one() -> None:
    whole = document()
    for path, methods in whole["paths"].items():
        for method, described in methods.items():
            for status, response in described["responses"].items():
                for media_type, content in response["content"].items():
                    shown = [_problem(whole, one)["value"] for one in content.get("examples", {}).values()]
                    shown += [content["example"]] if "example" in content else []
                    assert shown, (path, method, status, media_type)
                    schema = {**content["schema"], "components": whole["components"]}
                    for one in shown:
                        Draft202012Validator(schema).validate(one)
    for model, example in examples.ANSWERS.items():
        assert model.model_validate(example)


def test_every_json_body_and_every_parameter_that_repeats_has_an_example_that_is_one() -> None:
    whole = document()
    for methods in whole["paths"].values():
        for described in methods.values():
            for parameter in described.get("parameters", []):
                # A new one for each request is no example's.
                assert ("example" in parameter) == (parameter["name"] != "Idempotency-Key")
                Draft202012Validator(parameter["schema"]).validate(parameter.get("example", "any"))
            for media_type, content in described.get("requestBody", {}).get("content", {}).items():
                schema = {**content["schema"], "components": whole["components"]}
                shown = [one["value"] for one in content.get("examples", {}).values()]
                # A file's bytes are no text that a document could show.
                assert bool(shown) == (content["schema"].get("format") != "binary"), (
                    described["operationId"],
                    media_type,
                )
                for one in shown:
                    Draft202012Validator(schema).validate(one)
    for model, (_, example) in examples.REQUESTS.items():
        assert model.model_validate(example)
    assert set(examples.REQUESTS) == {model for one in OPERATIONS for model in one.requests}


def _problem(whole: dict[str, Any], reference: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = whole["components"]["examples"][reference["$ref"].rpartition("/")[2]]
    return found


def test_every_code_that_a_status_describes_has_an_example() -> None:
    whole = document()
    for methods in whole["paths"].values():
        for described in methods.values():
            for status, response in described["responses"].items():
                problems = response["content"].get("application/problem+json", {}).get("examples", {})
                for code, reference in problems.items():
                    shown = _problem(whole, reference)["value"]
                    assert shown["code"] == code
                    assert status == "default" or shown["status"] == int(status)
    assert set(examples.DETAILS) | {"internal_error", "throttled", "not_found", "method_not_allowed"} == set(KINDS)


def test_examples_of_the_gateway_are_what_it_answers() -> None:
    """Read and not imported: the module starts the CDK."""
    source = ast.parse((REPOSITORY / "infra" / "api" / "gateway_responses.py").read_text(encoding="utf-8"))
    (problems,) = [
        ast.literal_eval(one.value)
        for one in source.body
        if isinstance(one, ast.AnnAssign) and getattr(one.target, "id", "") == "PROBLEMS" and one.value
    ]
    answered = {(code, title, detail) for _status, code, title, detail in problems.values()}
    assert {(code, title, detail) for code, (_status, title, detail) in examples.GATEWAY.items()} <= answered


def test_no_operation_has_another_s_name() -> None:
    assert len({one.id for one in OPERATIONS}) == len(OPERATIONS)
    assert len({(one.path, one.method) for one in OPERATIONS}) == len(OPERATIONS)
