"""/docs tries each path: what is sent, what is shown of the answer, the line for a shell, and where the key is not."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from pathlib import Path

import pytest

from lambdas.http.problems import Problem
from lambdas.site import curl, handler
from openapi.document import SECURITY_SCHEMES
from tests.page_server import KEY, PageServer, prediction


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global Browser, expect, Locator, Page, serious
    from playwright.sync_api import Browser, Locator, Page, expect

    from tests.browser import serious


pytestmark = pytest.mark.slow

BUDGET = 120_000
"""Bytes of /docs with its scripts."""
DOCUMENT = json.loads((Path(handler.__file__).parent / "openapi.json").read_text(encoding="utf-8"))
EXAMPLES = json.loads((Path(handler.__file__).parent / "static" / "examples.json").read_text(encoding="utf-8"))
DRAWN = base64.b64decode(EXAMPLES[0]["data"])


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """A drawn radiograph, in a file whose name a shell has to be told with care."""
    path = tmp_path / "Anna's chest.jpeg"
    path.write_bytes(DRAWN)
    return path


def section(docs: Page, operation: str) -> Locator:
    """An operation's section, its form open."""
    found = docs.locator(f"#{operation}")
    if found.locator(".try").get_attribute("open") is None:
        found.locator(".try > summary").click()
    return found


def give_key(docs: Page, key: str = KEY) -> None:
    docs.locator("#secret").fill(key)


def prediction_of(docs: Page, file: Path, key: str = KEY) -> Locator:
    """The section that predicts, with a key and a file chosen."""
    give_key(docs, key)
    found = section(docs, "create_prediction")
    found.get_by_label("file", exact=True).set_input_files(file)
    return found


def send(found: Locator) -> None:
    found.get_by_role("button", name=re.compile("^Send ")).click()


def said(found: Locator) -> Locator:
    return found.locator("form [role=status]")


def line(found: Locator) -> list[str]:
    """The words of the line, as a shell takes them, variables as they stand in it."""
    text = found.locator(".line pre").inner_text()
    shell = ["bash", "-c", f"curl() {{ printf '%s\\0' curl \"$@\"; }}; API_KEY='$API_KEY'; {text}"]
    return subprocess.run(shell, check=True, capture_output=True, text=True).stdout.split("\0")[:-1]


def test_a_radiograph_is_answered_with_its_probability_and_its_map_is_drawn(
    docs: Page, server: PageServer, drawn: Path
) -> None:
    server.answers[DRAWN] = [prediction(0.93)]
    found = prediction_of(docs, drawn)
    found.get_by_label("explain").select_option("true")
    with docs.expect_request("**/v1/predictions?explain=true") as asked:
        send(found)

    expect(said(found)).to_have_text("Answered 200.")
    assert asked.value.headers["content-type"] == "image/jpeg"
    expect(found.locator(".answer pre")).to_contain_text('"probability": 0.93')
    expect(found.locator(".answer pre")).to_contain_text("characters)")
    expect(found.locator("dl")).to_contain_text("x-request-idrequest-7")
    picture = found.get_by_role("img", name="overlay")
    colours = "canvas => [...canvas.getContext('2d').getImageData(5, 5, 1, 1).data].slice(0, 3)"
    assert picture.evaluate(colours) == pytest.approx([252, 255, 164], abs=3)
    with docs.expect_download() as loading:
        found.get_by_role("link", name="Download the answer").click()
    assert loading.value.suggested_filename == "create_prediction.json"
    assert json.loads(Path(loading.value.path()).read_text("utf-8"))["probability"] == 0.93
    assert docs.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_picture_that_cannot_be_decoded_leaves_the_answer(docs: Page, server: PageServer, drawn: Path) -> None:
    damaged = {"media_type": "image/png", "data": base64.b64encode(b"no picture").decode(), "cells": 16, "empty": False}
    server.answers[DRAWN] = [prediction(0.93, overlay=damaged)]
    found = prediction_of(docs, drawn)
    send(found)

    expect(said(found)).to_have_text("Answered 200.")
    expect(found.locator(".answer pre")).to_contain_text('"probability": 0.93')
    expect(found.locator(".answer")).to_contain_text("The picture overlay could not be shown")
    expect(found.get_by_role("link", name="Download the answer")).to_be_visible()


def test_who_has_no_file_takes_a_drawn_radiograph(docs: Page, server: PageServer) -> None:
    server.answers[DRAWN] = [prediction(0.71)]
    give_key(docs)
    found = section(docs, "create_prediction")
    found.get_by_role("button", name="Take a drawn radiograph").click()
    expect(found.locator(".line pre")).to_contain_text("@drawn-1.jpeg")
    send(found)

    expect(found.locator(".answer pre")).to_contain_text('"probability": 0.71')


def test_the_media_type_is_that_of_the_files_first_bytes(docs: Page, tmp_path: Path) -> None:
    (tmp_path / "study").write_bytes(bytes(128) + b"DICM")
    (tmp_path / "notes.txt").write_bytes(b"nothing")
    found = section(docs, "create_prediction")
    found.get_by_label("file", exact=True).set_input_files(tmp_path / "study")
    expect(found.get_by_label("body")).to_have_value("application/dicom")
    found.get_by_label("file", exact=True).set_input_files(tmp_path / "notes.txt")
    expect(said(found)).to_have_text("Not a radiograph's file: notes.txt is no JPEG, PNG or DICOM file.")


def test_a_wrong_key_gives_the_problems_sentence(docs: Page, drawn: Path) -> None:
    found = prediction_of(docs, drawn, "another-key")
    send(found)

    expect(said(found)).to_have_text("403. A valid API key is needed: Send a key.")
    expect(found.locator(".answer pre")).to_contain_text('"code": "api_key_required"')


@pytest.mark.parametrize("key", ["", "pasted…"])
def test_without_a_key_a_sentence_says_where_to_paste_it(docs: Page, key: str) -> None:
    """A character that no header carries would look like a network that failed."""
    give_key(docs, key)
    found = section(docs, "read_model")
    send(found)

    expect(said(found)).to_contain_text("This path needs the API key: paste it at the top of this page")
    expect(docs.locator("#secret")).to_be_focused()


def test_without_a_file_nothing_is_sent(docs: Page, server: PageServer) -> None:
    give_key(docs)
    found = section(docs, "create_prediction")
    send(found)

    expect(said(found)).to_have_text("This path needs a body: choose a file, or write one.")
    assert server.asked == []


def test_a_file_above_the_limit_is_not_sent_and_the_other_way_is_named(
    docs: Page, server: PageServer, tmp_path: Path
) -> None:
    (tmp_path / "large.dcm").write_bytes(bytes(128) + b"DICM" + bytes(6_000_000))
    found = prediction_of(docs, tmp_path / "large.dcm")
    send(found)

    expect(said(found)).to_contain_text("The file has 6.0 MB, and a request to this deployment carries at most 5.0 MB")
    expect(said(found)).to_contain_text("POST /v1/uploads")
    assert server.asked == []


def test_what_the_deployments_limits_refuse_is_reported_with_the_time_to_wait(
    docs: Page, server: PageServer, drawn: Path
) -> None:
    server.answers[DRAWN] = [Problem("throttled", "Send requests more slowly.")]
    found = prediction_of(docs, drawn)
    send(found)

    expect(said(found)).to_have_text("429. Too many requests: Send requests more slowly. Try again in 1 s.")
    expect(found.locator("dl")).to_contain_text("Retry-After1")


def test_a_network_that_fails_is_reported(docs: Page) -> None:
    docs.route("**/v1/model", lambda route: route.abort())
    give_key(docs)
    found = section(docs, "read_model")
    send(found)

    expect(said(found)).to_have_text("No connection: The API could not be reached. Check the network and try again.")


def test_a_file_that_was_written_anew_is_not_taken_for_the_network(docs: Page, drawn: Path) -> None:
    found = prediction_of(docs, drawn)
    drawn.write_bytes(DRAWN + b"again")
    send(found)
    expect(said(found)).to_contain_text("was changed or removed. Choose it again.")


def test_an_answer_of_a_proxy_is_shown_as_it_came(docs: Page) -> None:
    page = "<h1>Bad gateway</h1><script>alert(1)</script>"
    docs.route("**/v1/model", lambda route: route.fulfill(status=502, content_type="text/html", body=page))
    give_key(docs)
    found = section(docs, "read_model")
    send(found)

    expect(said(found)).to_have_text("502. The answer does not say why.")
    expect(found.locator(".answer pre")).to_have_text(page)


def test_an_answer_in_dicom_is_a_file_to_keep(docs: Page, drawn: Path) -> None:
    report = bytes(128) + b"DICM\x00\xff"
    sent: list[str | None] = []

    def answered(route) -> None:
        sent.append(route.request.headers.get("accept"))
        route.fulfill(status=200, content_type="application/dicom", body=report)

    docs.route("**/v1/predictions", answered)
    found = prediction_of(docs, drawn)
    found.get_by_label("Accept").select_option("application/dicom")
    assert line(found)[-3:-1] == ["--output", "result.dcm"]
    send(found)

    expect(said(found)).to_have_text("Answered 200.")
    expect(found.locator(".answer pre")).to_have_count(0)
    with docs.expect_download() as loading:
        found.get_by_role("link", name="Download the answer").click()
    assert loading.value.suggested_filename == "create_prediction.dcm"
    assert Path(loading.value.path()).read_bytes() == report
    assert sent == ["application/dicom"]


def test_a_reader_labels_a_prediction_in_json_that_can_be_changed(docs: Page, server: PageServer) -> None:
    give_key(docs)
    found = section(docs, "label_prediction")
    expect(found.get_by_label("JSON")).to_have_value('{"label": "PNEUMONIA"}')
    found.get_by_role("textbox", name="prediction_id").fill("prediction-0.930")
    found.get_by_label("JSON").fill('{"label": "NORMAL"}')
    send(found)

    expect(said(found)).to_have_text("Answered 200.")
    assert server.labels == [("prediction-0.930", "NORMAL")]


def test_an_upload_ends_with_the_line_that_posts_the_file(docs: Page) -> None:
    form = {"upload": "a1", "url": "https://bucket.example/", "fields": {"key": "uploads/a1", "policy": "it's=;@x"}}
    docs.route("**/v1/uploads", lambda route: route.fulfill(status=201, json=form))
    give_key(docs)
    found = section(docs, "create_upload")
    expect(found).to_contain_text("this page asks only its own")
    send(found)

    expect(said(found)).to_have_text("Answered 201.")
    text = found.locator(".answer pre").last.inner_text()
    words = subprocess.run(["bash", "-c", f"printf '%s\\n' {text}"], check=True, capture_output=True, text=True)
    assert words.stdout.splitlines() == [
        "curl", "--form-string", "key=uploads/a1", "--form-string", "policy=it's=;@x",
        "--form", "file=@radiograph.dcm", "https://bucket.example/",
    ]  # fmt: skip


def test_an_open_path_is_sent_without_the_key(docs: Page) -> None:
    give_key(docs)
    found = section(docs, "read_openapi")
    with docs.expect_request("**/openapi.json") as asked:
        send(found)

    expect(said(found)).to_have_text("Answered 200.")
    assert not {"x-api-key", "authorization"} & set(asked.value.headers)


@pytest.mark.parametrize("authentication", SECURITY_SCHEMES)
def test_the_lines_are_the_pages_own_until_something_is_changed(
    docs: Page, server: PageServer, authentication: str
) -> None:
    described = handler.narrowed(DOCUMENT, authentication)
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            shown = docs.locator(f"#{operation['operationId']} .line pre").inner_text()
            written = curl.line(path, method, operation, described)
            assert shown.replace(f"'{server.url}", '"$API_URL/').rstrip("'\"") == written.rstrip('"')


def test_the_line_is_the_request_that_the_form_makes(docs: Page, server: PageServer, drawn: Path) -> None:
    found = prediction_of(docs, drawn)
    expect(found.locator(".line pre")).to_contain_text("chest.jpeg")
    found.get_by_label("explain").select_option("true")
    found.get_by_label("Idempotency-Key").fill("it's-$HOME")
    found.get_by_label("Accept").select_option('multipart/related; type="application/dicom"')

    assert line(found) == [
        "curl", "--request", "POST", "--header", "x-api-key: $API_KEY", "--header", "Idempotency-Key: it's-$HOME",
        "--header", "Content-Type: image/jpeg", "--header", 'Accept: multipart/related; type="application/dicom"',
        "--data-binary", "@Anna's chest.jpeg", "--output", "result.bin", f"{server.url}v1/predictions?explain=true",
    ]  # fmt: skip
    found.get_by_role("button", name=re.compile("^Copy ")).click()
    expect(found.locator(".line [role=status]")).to_have_text("Copied.")
    assert docs.evaluate("navigator.clipboard.readText()") == found.locator(".line pre").inner_text()

    found.get_by_label("body").select_option(index=4)
    expect(found.get_by_label("file", exact=True)).to_be_hidden()
    changed = line(found)
    assert changed[changed.index("--data-raw") + 1] == '{"upload": "5f0e3b1c9a7d4e2f8b6c1d0a3e5f7b9c"}'
    assert "--data-binary" not in changed


def test_the_key_is_in_no_line_no_storage_and_not_there_after_a_reload(docs: Page) -> None:
    give_key(docs)
    found = section(docs, "read_model")
    send(found)
    expect(said(found)).to_have_text("Answered 200.")

    everywhere = (
        "async () => document.documentElement.outerHTML + JSON.stringify({...localStorage, ...sessionStorage}) "
        "+ document.cookie + location.href + (await caches.keys()) + (await indexedDB.databases()).length"
    )
    assert KEY not in docs.evaluate(everywhere)
    docs.reload()
    expect(docs.locator("#secret")).to_have_value("")
    assert KEY not in docs.evaluate(everywhere)


@pytest.mark.parametrize("authentication", ["jwt"])
def test_a_token_is_sent_as_one(docs: Page, server: PageServer) -> None:
    server.valid = "the-token"
    docs.get_by_label("Access token").fill("the-token")
    found = section(docs, "read_model")
    send(found)

    expect(said(found)).to_have_text("Answered 200.")
    assert "the-token" not in found.locator(".line pre").inner_text()


@pytest.mark.parametrize("authentication", ["iam"])
def test_where_requests_are_signed_only_open_paths_can_be_sent(docs: Page) -> None:
    expect(docs.locator("#secret")).to_have_count(0)
    found = section(docs, "read_prediction")
    expect(found).to_contain_text("belong in no page: copy the line.")
    expect(found.get_by_role("button", name=re.compile("^Send "))).to_have_count(0)
    found.get_by_role("textbox", name="prediction_id").press("Enter")
    expect(said(found)).to_contain_text("copy the line")
    opened = section(docs, "read_openapi")
    send(opened)
    expect(said(opened)).to_have_text("Answered 200.")


def everything_open(docs: Page) -> None:
    docs.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_open_forms_have_no_serious_fault_and_fit_a_phone(docs: Page, scheme: str, drawn: Path) -> None:
    docs.emulate_media(color_scheme=scheme)
    found = prediction_of(docs, drawn, "another-key")
    send(found)
    expect(found.locator(".answer pre")).to_be_visible()
    everything_open(docs)

    assert serious(docs) == []
    assert docs.evaluate("document.documentElement.scrollWidth") <= 360


def test_at_four_times_the_size_everything_is_reached(docs: Page) -> None:
    """1280 x 1024 pixels at 400 % are 320 x 256 (WCAG 1.4.10); the key's field then moves away with the page."""
    docs.set_viewport_size({"width": 320, "height": 256})
    everything_open(docs)
    assert docs.evaluate("document.documentElement.scrollWidth") <= 320
    assert docs.locator("#access").evaluate("field => getComputedStyle(field).position") == "static"


def test_the_keyboard_alone_sends_a_request(docs: Page) -> None:
    docs.locator("#secret").focus()
    docs.keyboard.type(KEY)
    docs.locator("#read_model .try > summary").focus()
    docs.keyboard.press("Enter")
    docs.keyboard.press("Tab")
    docs.keyboard.press("Enter")

    expect(said(docs.locator("#read_model"))).to_have_text("Answered 200.")


def test_without_scripts_the_page_is_the_description_alone(browser: Browser, server: PageServer) -> None:
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(f"{server.url}docs")

    for unseen in ("form", "button", "#access", ".try"):
        assert not [one for one in opened.locator(unseen).all() if one.is_visible()], unseen
    assert opened.locator("#read_model .line pre").inner_text().startswith("curl ")
    context.close()


def test_the_page_and_its_scripts_are_small(docs: Page, server: PageServer) -> None:
    expect(docs.locator("#access")).to_be_visible()
    assert sum(server.sent.values()) < BUDGET
    assert not {path for path in server.sent if path.startswith(("/vendor", "/examples", "/page"))}
