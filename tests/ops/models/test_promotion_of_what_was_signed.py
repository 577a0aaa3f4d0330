"""Nothing is promoted but what was signed when it was registered, and its statement goes along."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from typer.testing import Result

from lambdas.aws.provenance import Provenance
from ops.base.errors import ExitCode
from tests.ops.models.test_bill_of_materials import refusal

if TYPE_CHECKING:
    pass

from tests.ops.models.conftest import MODEL, TwoAccounts


def test_what_was_signed_is_carried_along_and_its_statement_is_what_the_source_signed(
    accounts: TwoAccounts, promote: Callable[..., Result]
) -> None:
    described = accounts.described(accounts.register())
    assert promote().exit_code == 0
    objects = accounts.objects("prod")
    (key,) = (key for key in objects if key.endswith("/signature/promoted_from.dsse.json"))
    assert objects[key] == accounts.provenance("staging").envelope(described)
    assert accounts.provenance("staging").signed(described)
    (bill,) = (content for key, content in objects.items() if key.endswith("/evaluation/bom.cdx.json"))
    assert refusal(bill) is None
    assert hashlib.sha256(MODEL).hexdigest() in bill.decode()


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("model/job/output/model.tar.gz", "model.tar.gz"),
        ("model/job/output/output.tar.gz", "output.tar.gz"),
        ("evaluation/report.html", "evaluation/report.html"),
        ("report/dataset.json", "report/dataset.json"),
    ],
)
def test_what_was_changed_since_it_was_registered_goes_nowhere(
    accounts: TwoAccounts, promote: Callable[..., Result], key: str, name: str
) -> None:
    accounts.register()
    content = accounts.objects("staging")[f"executions/e1/{key}"]
    accounts.put({f"executions/e1/{key}": bytes([content[0] ^ 1]) + content[1:]})
    result = promote()
    assert result.exit_code == ExitCode.FAILED
    assert "Version 1 is not what was signed when it was registered" in " ".join(result.stderr.split())
    assert f"{name} is " in " ".join(result.stderr.split())
    assert (accounts.versions("prod"), accounts.objects("prod")) == ([], {})


def test_what_is_not_signed_although_it_should_be_goes_nowhere(
    accounts: TwoAccounts, promote: Callable[..., Result]
) -> None:
    accounts.register()
    (key,) = (key for key in accounts.objects("staging") if key.startswith("signatures/"))
    accounts.client("staging", "s3").delete_object(Bucket=accounts.bucket("staging"), Key=key)
    result = promote()
    assert result.exit_code == ExitCode.FAILED
    assert "Version 1 is not signed" in result.stderr
    assert (accounts.versions("prod"), accounts.objects("prod")) == ([], {})


def test_a_version_of_before_there_were_signatures_is_promoted_and_told(
    accounts: TwoAccounts, promote: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts.register()
    accounts.destroy()
    monkeypatch.setattr(Provenance, "sign", lambda *_: False)
    accounts.register()
    later = datetime.now(UTC) + timedelta(days=1)
    monkeypatch.setattr(Provenance, "_signing_since", later)
    result = promote()
    assert result.exit_code == 0
    assert "It was registered before this deployment signed models" in result.stderr
