"""Readers' labels at the page: before the answer or after it, changed, and not lost without a word."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.lambdas.site.radiographs import hold, table, until_held

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page, Route

    from tests.page_server import PageServer

pytestmark = pytest.mark.slow


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global drop, expect
    from playwright.sync_api import expect

    from tests.browser import drop


def names(page: Page) -> list[str]:
    return page.locator("#rows .name").all_text_contents()


def test_blind_reading_shows_nothing_of_an_answer_before_the_label(
    page: Page, server: PageServer, three: list[Path]
) -> None:
    page.get_by_label("I read first").check()
    drop(page, *three)
    expect(page.locator("#progress")).to_have_text("3 not read yet")

    shown = page.locator("body").inner_text()
    assert not [figure for figure in ("0.045", "0.930", "0.500", "INDETERMINATE") if figure in shown]
    assert names(page) == ["a.png", "b.png", "c.png"], "a row's place says nothing either"
    expect(page.get_by_role("button", name="Map", exact=True)).to_be_disabled()
    expect(page.get_by_role("button", name="Print")).to_be_disabled()
    stage = page.locator("#stage")
    stage.press("m")

    stage.press("2")

    expect(page.locator("#sentence")).to_have_text("NORMAL: probability of pneumonia 0.045.")
    expect(page.locator("#feedback-status")).to_contain_text("a.png is kept as PNEUMONIA")
    stage.press("p")
    stage.press("n")
    assert server.labels == [("prediction-0.045", "PNEUMONIA")]
    lines = table(page)
    assert [line["probability"] for line in lines] == ["0.045", "", ""]
    assert [line["label"] for line in lines] == ["NORMAL", "", ""]
    assert [line["read_first"] for line in lines] == ["true", "", ""]


def test_who_changes_a_label_after_the_answer_has_not_read_first(
    page: Page, server: PageServer, three: list[Path]
) -> None:
    """A study of readers counts what they said before they knew the model's answer."""
    page.get_by_label("I read first").check()
    drop(page, three[0])
    expect(page.locator("#progress")).to_contain_text("1 not read yet")
    stage = page.locator("#stage")
    stage.press("2")
    expect(page.locator("#feedback-status")).to_contain_text("is kept as PNEUMONIA")
    assert [line["read_first"] for line in table(page)] == ["true"]
    stage.press("1")
    expect(page.locator("#feedback-status")).to_contain_text("is kept as NORMAL")
    assert [(line["reader_label"], line["read_first"]) for line in table(page)] == [("NORMAL", "false")]


def test_what_was_seen_stays_so_where_its_label_is_lost(page: Page, server: PageServer, three: list[Path]) -> None:
    page.get_by_label("I read first").check()
    drop(page, three[0])
    expect(page.locator("#progress")).to_contain_text("1 not read yet")
    page.route("**/feedback", lambda route: route.abort())
    page.locator("#stage").press("2")
    expect(page.locator("#feedback-status")).to_contain_text("Not kept")
    expect(page.locator("#sentence")).to_contain_text("0.045")
    page.unroute("**/feedback")
    page.locator("#stage").press("1")
    expect(page.locator("#feedback-status")).to_contain_text("is kept as NORMAL")
    assert [line["read_first"] for line in table(page)] == ["false"]


def test_a_throttled_label_is_sent_again_and_a_lost_one_is_said_of_its_row(
    page: Page, server: PageServer, three: list[Path]
) -> None:
    page.get_by_label("Order").evaluate("select => { select.value = 'added'; }")
    drop(page, *three[:2])
    expect(page.locator("#progress")).to_contain_text("1 NORMAL, 1 PNEUMONIA")
    throttled = json.dumps({"title": "Slow down", "detail": "Too many.", "code": "throttled"})
    once = {
        "status": 429,
        "headers": {"Retry-After": "0"},
        "content_type": "application/problem+json",
        "body": throttled,
    }
    page.route("**/feedback", lambda route: route.fulfill(**once), times=1)
    page.locator("#stage").press("1")
    expect(page.locator("#feedback-status")).to_contain_text("a.png is kept as NORMAL")
    held: list[Route] = []
    hold(page, "**/feedback", held)
    page.locator("#stage").press("2")
    until_held(page, held, 1)
    page.locator("#stage").press("n")
    held[0].abort()
    expect(page.get_by_role("alert")).to_contain_text("The label of a.png was not kept")


def test_keys_read_one_after_the_other_and_a_label_can_be_changed(
    page: Page, server: PageServer, three: list[Path]
) -> None:
    page.get_by_label("Order").evaluate("select => { select.value = 'added'; }")
    drop(page, *three)
    expect(page.locator("#progress")).to_contain_text("1 indeterminate")
    stage = page.locator("#stage")
    for key in ("1", "n", "2", "n", "3"):
        stage.press(key)
    expect(page.locator("#feedback-status")).to_contain_text("c.png is kept as unsure")
    expect(page.get_by_role("button", name="Unsure")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="PNEUMONIA", exact=True).click()
    expect(page.locator("#feedback-status")).to_contain_text("c.png is kept as PNEUMONIA")

    assert sorted(server.labels) == [
        ("prediction-0.045", "NORMAL"),
        ("prediction-0.500", "PNEUMONIA"),
        ("prediction-0.500", "UNSURE"),
        ("prediction-0.930", "PNEUMONIA"),
    ]
    assert page.locator("#rows tr td:last-child").all_text_contents() == ["NORMAL", "PNEUMONIA", "PNEUMONIA"]


def test_a_label_given_before_the_answer_goes_with_it(page: Page, server: PageServer, three: list[Path]) -> None:
    server.seconds = 1.0
    drop(page, three[1])
    page.locator("#stage").press("3")
    expect(page.locator("#feedback-status")).to_contain_text("once it is there")
    expect(page.locator("#feedback-status")).to_contain_text("b.png is kept as unsure")
    assert server.labels == [("prediction-0.930", "UNSURE")]


def test_a_label_that_was_not_kept_is_none(page: Page, server: PageServer, three: list[Path]) -> None:
    drop(page, three[1])
    expect(page.locator("#sentence")).to_contain_text("0.930")
    page.route("**/feedback", lambda route: route.abort())
    page.get_by_role("button", name="NORMAL", exact=True).click()
    expect(page.locator("#feedback-status")).to_contain_text("Not kept: The API could not be reached.")
    expect(page.get_by_role("button", name="NORMAL", exact=True)).to_have_attribute("aria-pressed", "false")


def test_a_label_that_is_kept_late_is_said_of_its_own_row_only(
    page: Page, server: PageServer, three: list[Path]
) -> None:
    held: list[Route] = []
    hold(page, "**/feedback", held)
    drop(page, *three[:2])
    expect(page.locator("#progress")).to_have_text("1 PNEUMONIA, 1 NORMAL")
    page.get_by_role("button", name="NORMAL", exact=True).click()
    page.get_by_role("button", name="b.png", exact=True).click()

    until_held(page, held, 1)
    with page.expect_response("**/feedback"):
        held[0].continue_()

    expect(page.locator("#rows tr", has_text="a.png").locator("td").last).to_have_text("NORMAL")
    expect(page.locator("#feedback-status")).not_to_contain_text("a.png")
    expect(page.get_by_role("button", name="NORMAL", exact=True)).to_have_attribute("aria-pressed", "false")
    assert server.labels == [("prediction-0.045", "NORMAL")]
