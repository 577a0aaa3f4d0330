"""`cxr verify`: everything that was signed is named with what became of it, and a change is a failure."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import Result

from ops.base.deployment import Deployment
from ops.base.errors import ExitCode
from ops.commands.workspace import Workspace
from ops.models.registry import ModelRegistry, ModelVersion
from tests.lambdas.aws.test_provenance import ARN, CREATED, FILES, STATEMENT, Signed
from tests.lambdas.signing import KEY


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
