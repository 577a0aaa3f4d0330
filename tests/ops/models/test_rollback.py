"""`cxr rollback` returns to the version that served before, says so when it serves, and rejects the one it left."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

from typer.testing import Result

from ops.base.errors import ExitCode
from tests.ops.conftest import GROUP_ARN, START, Cloud
from tests.ops.models.test_releases import LATER, RELEASED, _decides, _marked, _verdicts

REASON = "rolled back with cxr rollback"


def _opened(cloud: Cloud, *, serving: int | None) -> None:
    cloud.has_stack("training")
    cloud.has_stack("endpoint")
    cloud.serves(serving)


def _approved(cloud: Cloud, version: int, hour: int) -> None:
    """The next description of a version: approved at that hour."""
    details = {
        "ModelPackageName": f"cxr-dev/{version}",
        "ModelPackageArn": f"{GROUP_ARN}/{version}",
        "CreationTime": START,
        "LastModifiedTime": START + timedelta(hours=hour),
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": []},
    }
    cloud.answers("sagemaker", "describe_model_package", details, {"ModelPackageName": f"{GROUP_ARN}/{version}"})


def test_rollback_returns_to_the_version_approved_before_the_one_that_serves(
    cloud: Cloud, cxr: Callable[..., Result]
) -> None:
    """Not to the next lower number, and not to a later one whose release failed."""
    states = ("Approved", "Approved", "Approved", "Rejected", "Approved")
    _opened(cloud, serving=3)
    cloud.has_models(*states)
    for version, hour in ((5, 9), (3, 7), (2, 1), (1, 4)):
        _approved(cloud, version, hour)
    cloud.has_models(*states)
    _marked(cloud, 1)
    _decides(cloud, 1, "PendingManualApproval", "Approved", comment="too many false alarms")
    _verdicts(cloud, 1)
    cloud.serves(3)
    cloud.has_stack("endpoint", "UPDATE_IN_PROGRESS", LastUpdatedTime=LATER)
    _verdicts(cloud, 1, RELEASED)
    cloud.serves(1)
    _decides(cloud, 3, "Rejected", comment="too many false alarms")
    result = cxr("rollback", "--reason", "too many false alarms")
    assert result.exit_code == 0
    assert "going back from version 3 to version 1" in result.stderr
    assert result.stdout == "version 1 is serving; version 3 is rejected\n"
    cloud.all_asked()


def test_a_version_can_be_named_and_the_one_that_is_left_kept(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    _opened(cloud, serving=2)
    cloud.has_models("Approved", "Approved")
    cloud.has_models("Approved", "Approved")
    _marked(cloud, 1)
    _decides(cloud, 1, "PendingManualApproval", "Approved", comment=REASON)
    _verdicts(cloud, 1, RELEASED)
    cloud.serves(1)
    document = json.loads(cxr("rollback", "1", "--no-reject", "--json").stdout)
    assert document == {"version": 1, "arn": f"{GROUP_ARN}/1", "serving": True, "left": 2}
    cloud.all_asked()


def test_a_rollback_that_fails_rejects_nothing(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    """The serving version must not end up rejected because another could not be released."""
    _opened(cloud, serving=2)
    cloud.has_models("Approved", "Approved")
    cloud.has_models("Approved", "Approved")
    _marked(cloud, 1)
    _decides(cloud, 1, "PendingManualApproval", "Approved", comment=REASON)
    _verdicts(cloud, 1, ("rolled_back", "The model did not load."))
    cloud.serves(2)
    result = cxr("rollback", "1")
    assert result.exit_code == ExitCode.FAILED
    assert "The model did not load; version 2 is what the endpoint has now" in result.stderr
    cloud.all_asked()


def test_one_that_was_rejected_while_it_serves_is_left_for_the_newest_approved(
    cloud: Cloud, cxr: Callable[..., Result]
) -> None:
    _opened(cloud, serving=3)
    cloud.has_models("Approved", "Approved", "Rejected")
    _approved(cloud, 2, 5)
    _approved(cloud, 1, 2)
    cloud.has_models("Approved", "Approved", "Rejected")
    _marked(cloud, 2)
    _decides(cloud, 2, "PendingManualApproval", "Approved", comment=REASON)
    _verdicts(cloud, 2, RELEASED)
    cloud.serves(2)
    assert cxr("rollback").stdout == "version 2 is serving; version 3 is rejected\n"
    cloud.all_asked()


def test_without_an_earlier_version_rollback_says_what_to_do(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    _opened(cloud, serving=1)
    cloud.has_models("Approved")
    _approved(cloud, 1, 1)
    result = cxr("rollback")
    assert result.exit_code == ExitCode.FAILED
    assert "No other version was approved before version 1" in result.stderr


def test_there_is_nothing_to_go_back_from_where_nothing_serves(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    _opened(cloud, serving=None)
    cloud.has_models()
    assert "No model is serving" in cxr("rollback").stderr


def test_the_version_that_serves_is_no_version_to_return_to(cloud: Cloud, cxr: Callable[..., Result]) -> None:
    _opened(cloud, serving=1)
    cloud.has_models("Approved")
    assert "Version 1 is what serves" in cxr("rollback", "1").stderr
