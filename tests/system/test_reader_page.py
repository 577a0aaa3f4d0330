"""The page in a browser, against the deployed stack: what a person without a command line sees and does."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lambdas.http.problems import CONTENT_TYPE, KINDS, Problem
from tests.model_code.dicom_files import dicom_file
from tests.system.deployed import Stack


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global Browser, chromium, drop, expect, listen, Page, Route, serious
    from playwright.sync_api import Browser, Page, Route, expect

    from tests.browser import chromium, drop, listen, serious


pytestmark = [pytest.mark.system, pytest.mark.slow]

# With this variable the tests write the pictures of the documentation.
_SCREENSHOTS = os.environ.get("CXR_SCREENSHOTS")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    yield from chromium()


@pytest.fixture
def complaints() -> list[str]:
    """What the page's policy or the browser forbade, and what a script broke: a test takes out what it expects."""
    return []


@pytest.fixture
def page(browser: Browser, stack: Stack, complaints: list[str]) -> Iterator[Page]:
    """The page as it opens, with the key filled in; complaints fail."""
    context = browser.new_context(color_scheme="light")
    opened = context.new_page()
    listen(opened, complaints)
    opened.goto(stack.page_url)
    opened.get_by_label("API key").fill(stack.key)
    yield opened
    assert complaints == []
    context.close()


def ask(page: Page, image: Path) -> None:
    page.get_by_label("Radiograph").set_input_files(image)
    page.get_by_role("button", name="Ask the model").click()


def picture(page: Page, name: str) -> None:
    if _SCREENSHOTS:
        page.screenshot(path=Path(_SCREENSHOTS) / f"{name}.png", full_page=True)


def test_a_dropped_radiograph_is_answered_with_probability_overlay_and_model(
    page: Page, stack: Stack, released: str, examples: dict[str, Path]
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    drop(page, examples["PNEUMONIA"])

    expect(page.locator("#sentence")).to_contain_text("probability of pneumonia 0.", timeout=30_000)
    expect(page.get_by_role("heading", name="Result")).to_be_focused()
    assert "the model cannot tell" in str(page.locator("#scale").get_attribute("aria-label"))
    for image in ("#radiograph", "#overlay"):
        page.wait_for_function(f"document.querySelector('{image}').naturalWidth > 0")
    # In one look: the page may still grow and scroll.
    boxes = page.evaluate(
        """["#radiograph", "#overlay"].map((image) => {
            const { x, y, width, height } = document.querySelector(image).getBoundingClientRect();
            return { x, y, width, height };
        })"""
    )
    assert boxes[0] == pytest.approx(boxes[1], abs=1), "the overlay lies on the radiograph"
    expect(page.locator("#model")).to_contain_text("95 % interval")
    expect(page.locator("#history tr")).to_have_count(1)
    expect(page.locator("#history")).to_contain_text(examples["PNEUMONIA"].name)
    assert all(url.startswith((stack.page_url, "blob:", "data:")) for url in asked), "no third party is asked"
    picture(page, "page")


def test_a_dicom_file_is_seen_under_its_overlay(
    page: Page, released: str, examples: dict[str, Path], tmp_path: Path
) -> None:
    """No browser shows DICOM: the answer brings the picture that the model was shown."""
    levels = np.asarray(Image.open(examples["PNEUMONIA"]).convert("L"), np.int64)
    (tmp_path / "study.dcm").write_bytes(dicom_file(levels * 16))
    ask(page, tmp_path / "study.dcm")

    expect(page.locator("#sentence")).to_contain_text("probability of pneumonia 0.", timeout=30_000)
    for image in ("#radiograph", "#overlay"):
        page.wait_for_function(f"document.querySelector('{image}').naturalWidth > 0")
    width = page.evaluate("document.querySelector('#radiograph').naturalWidth")
    assert width == levels.shape[1]


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A DICOM file above the inline limit, as a detector writes them: 12 bits in 16, uncompressed."""
    levels = np.random.default_rng(7).integers(0, 1 << 12, (1800, 1500), np.int64)
    path = tmp_path / "large.dcm"
    path.write_bytes(dicom_file(levels, bits=12))
    assert path.stat().st_size > 5_000_000
    return path


def test_a_large_file_goes_to_another_origin_and_is_answered_like_a_small_one(
    page: Page, stack: Stack, released: str, examples: dict[str, Path], tmp_path: Path
) -> None:
    picture = Image.open(examples["PNEUMONIA"]).convert("L").resize((1800, 1800))
    (tmp_path / "large.dcm").write_bytes(dicom_file(np.asarray(picture, np.int64) * 16))

    with page.expect_response("http://127.0.0.1:*/**") as answered:
        ask(page, tmp_path / "large.dcm")

    assert (answered.value.status, answered.value.request.method) == (204, "POST")
    expect(page.locator("#sentence")).to_contain_text("probability of pneumonia 0.", timeout=30_000)


def test_an_upload_needs_the_rule_of_the_bucket(page: Page, stack: Stack, large: Path, complaints: list[str]) -> None:
    """The rule is what S3 answers a browser by: without it the same file is refused, on the laptop as in AWS."""
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(str(route.request.post_data))
        document = Problem("no_model_released", "Nothing is asked here.").document("request-7")
        route.fulfill(status=503, content_type=CONTENT_TYPE, body=json.dumps(document))

    page.route("**/v1/predictions?explain=true", refuse)
    s3, bucket = stack.laptop.client("s3"), stack.outputs["DataBucketName"]
    rules = s3.get_bucket_cors(Bucket=bucket)["CORSRules"]
    try:
        s3.delete_bucket_cors(Bucket=bucket)
        ask(page, large)
        expect(page.get_by_role("alert")).to_contain_text("upload_failed", timeout=30_000)
        assert asked == []
        assert "blocked by CORS policy" in complaints.pop()
    finally:
        s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})

    ask(page, large)

    expect(page.get_by_role("alert")).to_contain_text("no_model_released", timeout=30_000)
    assert [list(json.loads(body)) for body in asked] == [["upload"]]


def test_the_page_sends_nothing_anywhere_else(page: Page, complaints: list[str]) -> None:
    """Its policy names the API and the uploads, and no other port of the same machine."""
    send = "url => fetch(url, {method: 'POST', mode: 'no-cors', body: 'x'}).then(() => 'sent', () => 'refused')"
    assert page.evaluate(send, "http://127.0.0.1:9/") == "refused"
    assert any("Content Security Policy" in complaint for complaint in complaints)
    complaints.clear()


def test_the_slider_shows_the_radiograph_alone(page: Page, released: str, examples: dict[str, Path]) -> None:
    ask(page, examples["PNEUMONIA"])
    slider = page.get_by_label("Saliency")
    expect(slider).to_be_visible(timeout=30_000)

    slider.focus()
    slider.press("Home")

    expect(page.locator("#overlay")).to_have_css("opacity", "0")


def test_a_readers_label_is_kept(page: Page, stack: Stack, released: str, examples: dict[str, Path]) -> None:
    with page.expect_response("**/v1/predictions?explain=true") as answered:
        ask(page, examples["NORMAL"])
    button = page.get_by_role("button", name="NORMAL", exact=True)

    button.click()

    expect(page.locator("#feedback-status")).to_contain_text("kept as NORMAL", timeout=30_000)
    expect(button).to_have_attribute("aria-pressed", "true")
    kept = stack.request(f"v1/predictions/{answered.value.headers['x-request-id']}").document
    assert kept["feedback"]["label"] == "NORMAL"


def test_the_keyboard_is_enough(page: Page, released: str, examples: dict[str, Path]) -> None:
    page.get_by_label("Radiograph").set_input_files(examples["NORMAL"])
    page.get_by_label("API key").focus()
    reached = []
    for _ in range(3):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert reached[0] == "file"
    assert "Ask the model" in reached

    page.get_by_role("button", name="Ask the model").press("Enter")

    expect(page.get_by_role("heading", name="Result")).to_be_focused(timeout=30_000)


def test_what_is_no_image_is_said_before_anything_is_sent(page: Page, tmp_path: Path) -> None:
    text = tmp_path / "letter.jpeg"
    text.write_text("Dear colleague")

    ask(page, text)

    expect(page.get_by_role("alert")).to_contain_text("letter.jpeg is no JPEG, PNG or DICOM file")


def test_a_damaged_image_is_refused_with_the_apis_sentence(
    page: Page, released: str, examples: dict[str, Path], tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.jpeg"
    damaged.write_bytes(examples["NORMAL"].read_bytes()[:2000])

    ask(page, damaged)

    expect(page.get_by_role("alert")).to_contain_text("undecodable_image", timeout=30_000)
    assert serious(page) == []


def test_a_wrong_key_is_said(page: Page, examples: dict[str, Path]) -> None:
    page.get_by_label("API key").fill("not a key")

    ask(page, examples["NORMAL"])

    expect(page.get_by_role("alert")).to_be_visible(timeout=30_000)
    expect(page.locator("#result")).to_be_hidden()


@pytest.mark.parametrize("code", sorted(KINDS))
def test_every_error_of_the_api_is_shown_in_its_own_words(page: Page, examples: dict[str, Path], code: str) -> None:
    document = Problem(code, f"The sentence for {code}.").document("request-7")

    def refuse(route: Route) -> None:
        route.fulfill(status=document["status"], content_type=CONTENT_TYPE, body=json.dumps(document))

    page.route("**/v1/predictions?explain=true", refuse)
    ask(page, examples["NORMAL"])

    alert = page.get_by_role("alert")
    for text in (document["title"], document["detail"], code, "request-7"):
        expect(alert).to_contain_text(text)
    expect(page.get_by_role("button", name="Ask the model")).to_be_enabled()


def test_a_lost_connection_is_said(page: Page, examples: dict[str, Path]) -> None:
    page.route("**/v1/predictions?explain=true", lambda route: route.abort())

    ask(page, examples["NORMAL"])

    expect(page.get_by_role("alert")).to_contain_text("could not be reached")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out_on_a_phone_by_day_and_by_night(
    page: Page, released: str, examples: dict[str, Path], scheme: Any
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 360, "height": 740})
    assert serious(page) == []

    ask(page, examples["PNEUMONIA"])

    expect(page.locator("#model")).to_contain_text("95 % interval", timeout=30_000)
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 360, "nothing is cut off at the right"
    picture(page, f"page-phone-{scheme}")
