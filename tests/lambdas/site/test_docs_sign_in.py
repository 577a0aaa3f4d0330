"""Signing in at /docs where the API takes tokens: the token goes into the field, as a pasted one does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.page_server import PageServer

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global expect
    from playwright.sync_api import expect


@pytest.mark.parametrize("authentication", ["jwt"])
def test_a_person_signs_in_and_the_token_is_in_the_field_alone(docs: Page, server: PageServer) -> None:
    """The window comes back to the page's own address: an issuer knows one."""
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


@pytest.mark.parametrize("authentication", ["jwt"])
def test_a_token_that_ended_leaves_the_field(docs: Page, server: PageServer) -> None:
    server.tokens = [{"access_token": "issued-token", "expires_in": 1}]
    docs.get_by_role("button", name="Sign in").click()
    expect(docs.locator("#sign-in [role=status]")).to_have_text("Your token has ended: sign in again.")
    expect(docs.get_by_label("Access token")).to_have_value("")


def test_where_nobody_signs_in_there_is_no_button(docs: Page) -> None:
    expect(docs.get_by_role("button", name="Sign in")).to_have_count(0)
