"""Idempotency: a repeated POST is answered from memory, and nothing else is."""

from __future__ import annotations

import dataclasses

import pytest

from lambdas.http.idempotency import CLAIM_SECONDS, MAX_ANSWER_BYTES, Requests, caller, fingerprint
from lambdas.http.problems import Problem
from tests.lambdas.tables import REQUESTS, items


@pytest.fixture
def clock():
    return [1_800_000_000.0]


@pytest.fixture
def requests(dynamodb, clock):
    return Requests(dynamodb, REQUESTS, operation="predictions", keep_seconds=600, clock=lambda: clock[0])


def event(key="a-key", **identity):
    return {
        "headers": {} if key is None else {"Idempotency-Key": key},
        "requestContext": {"identity": {"apiKeyId": "client", **identity}},
    }


def begin(requests, sent, asked):
    return requests.claim(sent, lambda: asked)


def refused(requests, *arguments):
    with pytest.raises(Problem) as raised:
        begin(requests, *arguments)
    return raised.value.code


def test_without_a_key_nothing_is_claimed_or_remembered(requests, dynamodb):
    claim, earlier = begin(requests, event(key=None), "asked")
    requests.finish(claim, {"x": 1})
    requests.release(claim)

    assert (claim, earlier) == (None, None)
    assert items(dynamodb, REQUESTS) == []


def test_without_a_key_nothing_is_hashed(requests):
    """It would take milliseconds of a large image."""
    requests.claim(event(key=None), lambda: pytest.fail("hashed"))


def test_an_empty_key_is_refused_and_not_taken_for_a_missing_one(requests):
    assert refused(requests, event(key=""), "asked") == "invalid_request"


def test_the_second_gets_the_first_one_s_answer(requests):
    claim, _ = begin(requests, event(), "asked")
    requests.finish(claim, {"probability": 0.5})

    assert begin(requests, event(), "asked") == (None, {"probability": 0.5})


def test_a_key_that_came_with_another_request_is_refused(requests):
    claim, _ = begin(requests, event(), "asked")
    assert refused(requests, event(), "something else") == "idempotency_key_reused"
    requests.finish(claim, {})
    assert refused(requests, event(), "something else") == "idempotency_key_reused"


def test_the_same_at_once_waits(requests):
    begin(requests, event(), "asked")
    assert refused(requests, event(), "asked") == "request_in_progress"


class Repeating:
    """DynamoDB whose first answer gets lost, so that the SDK writes the same again."""

    def __init__(self, dynamodb):
        self.dynamodb = dynamodb

    def put_item(self, **request):
        self.dynamodb.put_item(**request)
        return self.dynamodb.put_item(**request)


def test_a_claim_whose_answer_got_lost_is_claimed_by_the_sdk_s_second_attempt(requests, dynamodb):
    repeating = dataclasses.replace(requests, dynamodb=Repeating(dynamodb))
    claim, earlier = begin(repeating, event(), "asked")
    assert (claim is not None, earlier) == (True, None)
    requests.finish(claim, {"probability": 0.5})
    assert begin(requests, event(), "asked") == (None, {"probability": 0.5})


def test_two_requests_of_one_id_do_not_share_a_claim(requests):
    """A client may set the gateway's id of its requests, or a proxy repeat one with its headers."""
    sent = event() | {"requestContext": event()["requestContext"] | {"requestId": "the-client-s"}}
    begin(requests, sent, "asked")
    assert refused(requests, sent, "asked") == "request_in_progress"
    assert refused(requests, sent, "another image") == "idempotency_key_reused"


def test_what_failed_can_be_tried_again(requests):
    claim, _ = begin(requests, event(), "asked")
    requests.release(claim)

    claim, earlier = begin(requests, event(), "asked")
    assert claim is not None
    assert earlier is None


def test_a_function_that_died_blocks_its_key_for_half_a_minute_only(requests, clock):
    begin(requests, event(), "asked")
    clock[0] += CLAIM_SECONDS
    assert begin(requests, event(), "asked")[0] is not None


def test_an_answer_is_forgotten_after_its_time_whether_dynamodb_removed_it_or_not(requests, clock):
    requests.finish(begin(requests, event(), "asked")[0], {"x": 1})
    clock[0] += 599
    assert begin(requests, event(), "asked")[1] == {"x": 1}
    clock[0] += 1
    assert begin(requests, event(), "asked")[1] is None


def test_who_lost_its_claim_neither_answers_nor_ends_the_other_s(requests, clock):
    slow, _ = begin(requests, event(), "asked")
    clock[0] += CLAIM_SECONDS
    quick, _ = begin(requests, event(), "asked")
    requests.release(slow)
    requests.finish(slow, {"by": "slow"})
    requests.finish(quick, {"by": "quick"})

    assert begin(requests, event(), "asked")[1] == {"by": "quick"}


def test_an_answer_too_long_for_an_item_is_not_remembered(requests):
    requests.finish(begin(requests, event(), "asked")[0], {"data": "x" * MAX_ANSWER_BYTES})
    assert begin(requests, event(), "asked")[1] is None


def test_clients_do_not_share_keys(requests):
    requests.finish(begin(requests, event(apiKeyId="one"), "asked")[0], {"of": "one"})
    assert begin(requests, event(apiKeyId="two"), "asked")[1] is None


def test_records_begin_with_their_operation_and_hold_no_key(requests, dynamodb):
    """The functions' roles are confined by the beginning of the id."""
    begin(requests, event("secret-key"), "asked")
    (record,) = items(dynamodb, REQUESTS)
    assert record["id"].startswith("predictions#")
    assert "secret-key" not in str(record)
    assert "client" not in str(record)


@pytest.mark.parametrize("key", ["with space", "umläut", "x" * 256, "line\nbreak"])
def test_a_key_of_another_form_is_refused(requests, key):
    assert refused(requests, event(key), "asked") == "invalid_request"


def test_a_failure_of_the_table_is_not_taken_for_an_answer(requests, dynamodb):
    dynamodb.delete_table(TableName=REQUESTS)
    with pytest.raises(dynamodb.exceptions.ResourceNotFoundException):
        begin(requests, event(), "asked")


@pytest.mark.parametrize(
    ("context", "name"),
    [
        ({"authorizer": {"principalId": "subject"}, "identity": {"apiKeyId": "x"}}, "subject"),
        ({"identity": {"userArn": "arn:aws:iam::1:user/x", "apiKeyId": "x"}}, "arn:aws:iam::1:user/x"),
        ({"identity": {"apiKeyId": "id"}}, "id"),
        ({}, "value"),
    ],
)
def test_a_caller_is_what_the_gateway_proved(context, name):
    """A header is looked at last: who signs requests or holds a token could write anything there."""
    assert caller({"requestContext": context, "headers": {"X-Api-Key": "value"}}) == name


def test_a_fingerprint_tells_where_one_part_ends():
    assert fingerprint("ab", "c") != fingerprint("a", "bc")
    assert fingerprint(b"ab", "c") == fingerprint("ab", b"c")
