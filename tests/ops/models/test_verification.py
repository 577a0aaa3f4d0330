"""`cxr verify`: everything that was signed is named with what became of it, and a change is a failure."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from typer.testing import Result

from ops.base.deployment import Deployment
from ops.base.errors import ExitCode
from ops.commands.workspace import Workspace
from ops.models.registry import ModelRegistry, ModelVersion
from tests.lambdas.aws.test_provenance import ARN, CREATED, EXECUTION, FILES, STATEMENT, Signed
from tests.lambdas.signing import KEY, refusal


@pytest.fixture
def signed(monkeypatch: pytest.MonkeyPatch) -> Signed:
    return has(Signed(), monkeypatch)


def has(made: Signed, monkeypatch: pytest.MonkeyPatch) -> Signed:
    """The deployment has a version, which was signed."""
    assert made.provenance.sign(made.package)
    version = ModelVersion(version=3, arn=ARN, approval="Approved", created=CREATED)
    monkeypatch.setattr(ModelRegistry, "resolve", lambda _self, _name: version)
    monkeypatch.setattr(Deployment, "output", lambda _self, _part, key: KEY if key == "SigningKeyArn" else key)
    monkeypatch.setattr(made.sagemaker, "describe_model_package", lambda **_: made.package, raising=False)
    monkeypatch.setattr(Workspace, "sagemaker", made.sagemaker)
    monkeypatch.setattr(Workspace, "provenance", made.provenance)
    return made


def said(result: Result) -> str:
    return " ".join(result.stderr.split())


def test_what_is_as_it_was_is_verified(cxr: Callable[..., Result], signed: Signed) -> None:
    result = cxr("verify", "3")
    assert result.exit_code == 0
    assert f"Version 3 is what s3://artifacts/{STATEMENT} says, which the key {KEY} signed." in said(result)
    assert all(name in result.stdout for name in FILES)
    assert "the same" in result.stdout


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_named(cxr: Callable[..., Result], signed: Signed, name: str) -> None:
    signed.s3.flip(FILES[name])
    result = cxr("verify", "3", "--json")
    assert result.exit_code == ExitCode.FAILED
    assert f"Version 3 is not what was signed when it was registered: {name} is " in said(result)
    document: dict[str, Any] = json.loads(result.stdout)
    assert name in [one["name"] for one in document["changed"]]
    assert document["signed"][name] != document["changed"][0]["now"]


def test_a_changed_statement_is_named(cxr: Callable[..., Result], signed: Signed) -> None:
    signed.s3.flip(STATEMENT)
    result = cxr("verify", "3")
    assert result.exit_code == ExitCode.FAILED
    assert f"The signed statement s3://artifacts/{STATEMENT} was changed" in said(result)


def test_without_a_statement_it_says_why(cxr: Callable[..., Result], signed: Signed) -> None:
    del signed.s3.objects[STATEMENT]
    result = cxr("verify", "3")
    assert result.exit_code == ExitCode.FAILED
    assert f"Version 3 is not signed. Its statement s3://artifacts/{STATEMENT} is not there." in said(result)
    signed.provenance.__dict__.pop("_signing_since", None)
    signed.kms.made = CREATED.replace(year=2027)
    assert "It was registered before this deployment signed models" in said(cxr("verify", "3"))


@pytest.mark.parametrize(
    ("pipeline", "why"),
    [
        (CREATED - timedelta(days=9), ", which it forgets in time; the pipeline cxr-dev is there."),
        (None, ", since the pipeline cxr-dev was deleted, and its executions with it."),
        (
            CREATED + timedelta(days=9),
            ", since the pipeline cxr-dev was deleted, and its executions with it, and made again at "
            "2026-05-10T12:00:00Z.",
        ),
        ("AccessDeniedException", "."),
    ],
    ids=["forgotten", "deleted", "made again", "not allowed to look"],
)
def test_an_execution_that_sagemaker_forgot_is_told_from_what_was_changed(
    cxr: Callable[..., Result],
    signed: Signed,
    monkeypatch: pytest.MonkeyPatch,
    pipeline: datetime | str | None,
    why: str,
) -> None:
    """One cannot look at its definition and parameters any more, of which none need be otherwise."""

    def describe_pipeline(**asked: str) -> dict[str, object]:
        if isinstance(pipeline, datetime):
            return {"PipelineName": asked["PipelineName"], "CreationTime": pipeline}
        raise refusal("DescribePipeline", pipeline or "ResourceNotFound", "Pipeline 'cxr-dev' does not exist.")

    monkeypatch.setattr(signed.sagemaker, "describe_pipeline", describe_pipeline, raising=False)
    signed.sagemaker.definition = None
    signed.s3.flip(FILES["model.tar.gz"])
    result = cxr("verify", "3")
    assert result.exit_code == ExitCode.FAILED
    assert "model.tar.gz is " in said(result)
    assert said(result).endswith(
        "pipeline definition, parameter Epochs cannot be compared with what was signed: SageMaker does not know the "
        f"execution {EXECUTION} any more{why}"
    )
    assert "not known any more" in " ".join(result.stdout.split())
    changed = json.loads(cxr("verify", "3", "--json").stdout)["changed"]
    lost = {one["name"]: one["now"] for one in changed if one["unknown"]}
    assert lost == {"pipeline definition": None, "parameter Epochs": None}


def test_a_denied_look_at_the_execution_is_reported(
    cxr: Callable[..., Result], signed: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_asked: str) -> None:
        raise refusal("DescribePipelineExecution", "AccessDeniedException", "User x is not authorized.")

    signed.sagemaker.definition = None
    monkeypatch.setattr(signed.sagemaker, "describe_pipeline_execution", refuse)
    assert "tells no definition of the execution" in said(cxr("verify", "3"))


def test_a_definition_that_is_gone_from_an_execution_that_is_there_is_called_gone(
    cxr: Callable[..., Result], signed: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed.sagemaker.definition = None
    monkeypatch.setattr(signed.sagemaker, "describe_pipeline_execution", lambda **_: {})
    assert "pipeline definition is gone, of which" in said(cxr("verify", "3"))
