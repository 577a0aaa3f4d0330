"""Site evaluations of a version are read newest first, within a bound, and nothing of them is lost silently."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest

from lambdas.aws.site_evaluations import Interval, SiteEvaluations, of_version
from tests.lambdas.site_bucket import ARCHIVE, SiteBucket, document, figure


def test_everything_that_is_told_of_an_evaluation_is_in_its_document_or_its_key():
    bucket = SiteBucket()
    bucket.add("abc", document("not_usable"))
    (found,) = of_version(bucket, "artifacts", 3).found
    assert (found.execution, found.created) == ("abc", datetime(2026, 11, 28, 8, 59, tzinfo=UTC))
    assert (found.verdict, found.sentence) == ("not_usable", "What is not_usable.")
    assert (found.images, found.patients) == (669, 640), "those that the figures are of"
    assert found.auroc == Interval(0.91, pytest.approx(0.89), pytest.approx(0.93))
    assert (found.sensitivity.value, found.specificity.value, found.refused_share.value) == (0.88, 0.83, 0.03)
    assert (found.missed, found.compared) == (True, True)
    assert found.archive_uri == ARCHIVE
    assert found.report_uri == "s3://artifacts/site-evaluations/3/abc/report.html"


def test_no_evaluation_is_no_error():
    assert of_version(SiteBucket(), "artifacts", 3) == SiteEvaluations()


def test_those_of_another_version_are_not_this_ones():
    """Version 3 is the start of 31, and no folder of it."""
    bucket = SiteBucket()
    bucket.add("other", document(), version=31)
    assert of_version(bucket, "artifacts", 3) == SiteEvaluations()


def test_the_newest_come_first_and_older_ones_than_the_bound_are_counted_not_read():
    bucket = SiteBucket()
    keys = {name: bucket.add(name, document(), minutes=minutes) for name, minutes in [("c", 1), ("a", 3), ("b", 2)]}
    found = of_version(bucket, "artifacts", 3, newest=2)
    assert [one.execution for one in found.found] == ["a", "b"]
    assert found.older == 1
    assert bucket.read == [keys["a"], keys["b"]]


def test_twenty_are_read_unless_all_are_asked_for():
    bucket = SiteBucket()
    for number in range(23):
        bucket.add(f"{number:02}", document(), minutes=number)
    usual, everything = of_version(bucket, "artifacts", 3), of_version(bucket, "artifacts", 3, newest=None)
    assert (len(usual.found), usual.older, usual.found[0].execution) == (20, 3, "22")
    assert (len(everything.found), everything.older) == (23, 0)


def without(name: str):
    made = document()
    del made[name]
    return made


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(document(schema=99), "is of schema 99, where 2 is the latest understood: deploy", id="late"),
        pytest.param([], "The site evaluation is no JSON object.", id="a list"),
        pytest.param(b'{"schema": 1, "cre', "is damaged .JSONDecodeError.", id="cut off"),
        pytest.param(b"\xff\xfe", "is damaged", id="no text"),
        pytest.param(without("created"), "is damaged .KeyError.", id="a member missing"),
        pytest.param(document(verdict="usable"), "is damaged .TypeError.", id="no verdict"),
        pytest.param(document("splendid"), "is damaged", id="an unknown verdict"),
        pytest.param(document(created="2026-11-28T08:59:00"), "is damaged", id="a time of no zone"),
        pytest.param(document(evaluation={}), "is damaged .LookupError.", id="no figures"),
        pytest.param(document(refused_share={"value": 0.1}), "is damaged", id="no interval"),
        pytest.param(document(refused_share=figure(float("nan"))), "is damaged", id="not a number"),
    ],
)
def test_what_cannot_be_read_is_reported_as_such_and_hides_no_other(content, reason):
    bucket = SiteBucket()
    bucket.add("good", document(), minutes=0)
    key = bucket.add("bad", content if isinstance(content, bytes) else json.dumps(content).encode(), minutes=1)
    found = of_version(bucket, "artifacts", 3)
    assert [one.execution for one in found.found] == ["good"]
    (bad,) = found.unreadable
    assert (bad.execution, bad.uri) == ("bad", f"s3://artifacts/{key}")
    assert bad.reason.endswith(".")
    assert re.search(reason, bad.reason)
