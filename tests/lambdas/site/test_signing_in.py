"""Signing in, at the page and at /docs, where the API takes tokens: code with PKCE, in a window of its own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lambdas.site.radiographs import answered
from tests.page_server import PageServer, prediction

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global drop, expect
    from playwright.sync_api import expect

    from tests.browser import drop


@pytest.fixture
def authentication() -> str:
    return "jwt"


def test_a_person_signs_in_and_what_waits_is_sent(page: Page, server: PageServer, tmp_path: Path) -> None:
    server.tokens = [{"access_token": "one", "expires_in": 3600}]
    drop(page, answered(server, tmp_path / "one.png", 1, prediction(0.93)))
    expect(page.get_by_role("alert")).to_contain_text("Sign in, and the radiographs are sent.")
    expect(page.get_by_label("Access token")).to_be_hidden()
    assert server.asked == []

    with page.expect_popup() as window:
        page.get_by_role("button", name="Sign in").click()

    expect(page.locator("#sentence")).to_contain_text("0.930")
    expect(page.get_by_role("alert")).to_be_hidden()
    assert window.value.is_closed()
    assert server.grants == ["authorization_code"]


def test_a_token_is_renewed_before_it_ends_and_the_worklist_stays(
    page: Page, server: PageServer, tmp_path: Path
) -> None:
    """Tokens of a second are renewed at once; then the issuer gives no more."""
    server.tokens = [
        {"access_token": "one", "expires_in": 1, "refresh_token": "renew"},
        {"access_token": "two", "expires_in": 1},
    ]
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#sign-in")).to_contain_text("Your token has ended: sign in again.")
    assert server.grants == ["authorization_code", "refresh_token", "refresh_token"]

    drop(page, answered(server, tmp_path / "one.png", 1, prediction(0.93)))
    expect(page.get_by_role("alert")).to_contain_text("Sign in, and the radiographs are sent.")
    server.tokens = [{"access_token": "three", "expires_in": 3600}]
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#sentence")).to_contain_text("0.930")


def test_what_the_issuer_says_is_reported(page: Page, server: PageServer) -> None:
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("The issuer gave no token: your session has ended.")


def test_at_docs_the_token_is_in_the_field_alone(docs: Page, server: PageServer) -> None:
    """As a pasted one is. The window comes back to the page's own address: an issuer knows one."""
    server.tokens = [{"access_token": "issued-token", "expires_in": 3600}]
    with docs.expect_popup() as window:
        docs.get_by_role("button", name="Sign in").click()
    expect(docs.locator("#sign-in [role=status]")).to_have_text("Signed in.")
    assert window.value.is_closed()
    expect(docs.get_by_label("Access token")).to_have_value("issued-token")
    docs.locator("#read_model .try > summary").click()
    docs.locator("#read_model").get_by_role("button", name=re.compile("^Send ")).click()

    expect(docs.locator("#read_model form [role=status]")).to_have_text("Answered 200.")
    assert "issued-token" not in docs.evaluate("JSON.stringify({...sessionStorage, ...localStorage}) + location.href")


def test_at_docs_a_token_that_ended_leaves_the_field(docs: Page, server: PageServer) -> None:
    server.tokens = [{"access_token": "issued-token", "expires_in": 1}]
    docs.get_by_role("button", name="Sign in").click()
    expect(docs.locator("#sign-in [role=status]")).to_have_text("Your token has ended: sign in again.")
    expect(docs.get_by_label("Access token")).to_have_value("")


@pytest.mark.parametrize("authentication", ["api_key"])
def test_where_nobody_signs_in_docs_have_no_button(docs: Page) -> None:
    expect(docs.get_by_role("button", name="Sign in")).to_have_count(0)
