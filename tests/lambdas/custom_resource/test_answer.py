"""A custom resource waits for rights that were given a moment ago and for another write, and for nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.custom_resource import answer


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": f"{code} it is"}}, "CopyObject")


class Act:
    """Refused so many times, then done."""

    def __init__(self, times: int, code: str = "AccessDenied") -> None:
        self.left, self.code, self.calls = times, code, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise refusal(self.code)
        return "done"


@pytest.fixture
def respond(cloudformation: Any) -> Any:
    url, received = cloudformation
    said = type("Logger", (), {"info": staticmethod(lambda *_, **__: None)})()

    def call(act: Act) -> dict[str, Any]:
        names = ("StackId", "RequestId", "LogicalResourceId")
        event = {"RequestType": "Create", "ResponseURL": url, **dict.fromkeys(names, "x")}
        answer.respond(event, said, act, "It failed")
        return dict(received[-1])

    return call


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "ConditionalRequestConflict"])
def test_a_right_that_iam_has_not_spread_yet_is_waited_for(code: str, respond: Any, waits: list[float]) -> None:
    """The policy is as old as the request: a first deployment would be rolled back for a delay of seconds."""
    act = Act(3, code)
    assert respond(act) | {"Reason": "", "PhysicalResourceId": ""} == {
        **dict.fromkeys(("StackId", "RequestId", "LogicalResourceId"), "x"),
        "Status": "SUCCESS",
        "Reason": "",
        "PhysicalResourceId": "",
    }
    assert (act.calls, waits) == (4, [1, 2, 4])


def test_a_refusal_that_stays_is_answered_within_what_the_functions_may_take(respond: Any, waits: list[float]) -> None:
    told = respond(Act(99))
    assert (told["Status"], told["Reason"].startswith("It failed: ")) == ("FAILED", True)
    assert sum(waits) < 60 - 20, "the shortest timeout among them is a minute"


def test_what_is_no_refusal_is_answered_at_once(respond: Any, waits: list[float]) -> None:
    assert respond(Act(1, "NoSuchBucket"))["Status"] == "FAILED"
    assert waits == []


@pytest.mark.parametrize("letter", ["x", '"', "ü", "\U0001f4a3"])
def test_an_answer_is_no_longer_than_cloudformation_takes(respond: Any, waits: list[float], letter: str) -> None:
    """It does not hear a longer one, and waits for an hour."""
    told = respond(Act(99, "AccessDenied" + letter * 9000))
    assert (told["Status"], told["Reason"].startswith("It failed: ")) == ("FAILED", True)
    assert len(json.dumps(told)) < 4096
