"""The page in a browser, against the deployed stack: what a person without a command line sees and does.

What needs no model is tested against an API whose answers are chosen, in tests/lambdas/site.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lambdas.http.problems import CONTENT_TYPE, Problem
from tests.model_code.support.dicom_files import J2K_LOSSLESS, dicom_file
from tests.system.deployed import Stack


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global Browser, chromium, drop, expect, listen, Locator, Page, Route, serious
    from playwright.sync_api import Browser, Locator, Page, Route, expect

    from tests.browser import chromium, drop, listen, serious


pytestmark = [pytest.mark.system, pytest.mark.slow]

# With this variable the tests write the pictures of the documentation.
_SCREENSHOTS = os.environ.get("CXR_SCREENSHOTS")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    yield from chromium()


@pytest.fixture
def complaints() -> list[str]:
    """Violations of the page's policy and errors of its scripts: a test takes out what it expects."""
    return []


@pytest.fixture
def page(browser: Browser, stack: Stack, complaints: list[str]) -> Iterator[Page]:
    """The page as it opens, with the key filled in; complaints fail."""
    context = browser.new_context(color_scheme="light", viewport={"width": 1440, "height": 960})
    opened = context.new_page()
    listen(opened, complaints)
    opened.set_default_timeout(30_000)
    opened.goto(stack.page_url)
    opened.get_by_label("API key").fill(stack.key)
    yield opened
    assert complaints == []
    context.close()


def picture(page: Page, name: str) -> None:
    if _SCREENSHOTS:
        page.screenshot(path=Path(_SCREENSHOTS) / f"{name}.png")


def row(page: Page, name: str) -> Locator:
    return page.locator("#rows tr", has=page.get_by_role("button", name=name, exact=True))


def choose(page: Page, *files: Path) -> None:
    page.get_by_label("Choose files").set_input_files(files)


def test_dropped_radiographs_are_answered_with_probability_map_and_model(
    page: Page, stack: Stack, released: str, examples: dict[str, Path]
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    drop(page, examples["NORMAL"], examples["PNEUMONIA"])

    for example in examples.values():
        expect(row(page, example.name)).to_contain_text("0.", timeout=60_000)
    page.get_by_role("button", name=examples["PNEUMONIA"].name).click()
    expect(page.locator("#identity")).to_have_text(examples["PNEUMONIA"].name)
    expect(page.locator("#sentence")).to_contain_text("probability of pneumonia 0.")
    assert "the model cannot tell" in str(page.locator("#scale").get_attribute("aria-label"))
    expect(page.locator("#reliance")).to_contain_text("In its evaluation: sensitivity")
    expect(page.locator("#model")).to_contain_text("95 % interval")
    page.get_by_role("button", name="Map", exact=True).click()
    expect(page.locator("#map-cells")).to_contain_text("cells")
    assert all(url.startswith((stack.page_url, "blob:", "data:")) for url in asked), "no third party is asked"


def test_the_drawn_examples_are_radiographs_to_the_model(page: Page, stack: Stack, released: str) -> None:
    """Drawn larger than what the model was trained on, they are not refused; the pictures of the documentation."""
    page.get_by_role("button", name="Try drawn examples").click()

    expect(page.locator("#rows tr[data-state=answered]")).to_have_count(4, timeout=60_000)
    page.get_by_role("button", name="drawn-1.jpeg").click()
    page.get_by_role("button", name="Map", exact=True).click()
    expect(page.locator("#map-controls")).to_be_visible()
    picture(page, "page")
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme="dark")
    page.locator("#reading").evaluate("section => section.scrollIntoView()")
    page.wait_for_timeout(200)
    picture(page, "page-phone-dark")
    assert serious(page) == []


def test_a_drawn_radiograph_is_answered_at_the_description(page: Page, stack: Stack, released: str) -> None:
    """Through the gateway, which passes on path, query and headers as the page sends them."""
    page.goto(f"{stack.page_url}docs")
    page.get_by_label("API key").fill(stack.key)
    section = page.locator("#create_prediction")
    section.locator(".try > summary").click()
    section.get_by_role("button", name="Take a drawn radiograph").click()
    expect(section.locator(".line pre")).to_contain_text("@drawn-1.jpeg")
    section.get_by_label("explain").select_option("true")
    section.get_by_role("button", name="Send POST /v1/predictions").click()

    expect(section.locator("form [role=status]")).to_have_text("Answered 200.", timeout=60_000)
    expect(section.locator(".answer pre")).to_contain_text('"probability": 0.')
    expect(section.get_by_role("img", name="overlay")).to_be_visible()
    expect(section.locator("dl")).to_contain_text("x-request-id")


def test_a_dicom_file_is_seen_before_its_answer_and_under_its_map(
    page: Page, released: str, examples: dict[str, Path], tmp_path: Path
) -> None:
    levels = np.asarray(Image.open(examples["PNEUMONIA"]).convert("L"), np.int64)
    (tmp_path / "study.dcm").write_bytes(dicom_file(levels * 16))
    choose(page, tmp_path / "study.dcm")

    size = f"{levels.shape[1]} x {levels.shape[0]} pixels"
    expect(page.locator("#stage")).to_have_attribute("aria-label", f"The radiograph in study.dcm, {size}")
    expect(page.locator("#sentence")).to_contain_text("probability of pneumonia 0.", timeout=60_000)
    expect(page.get_by_role("button", name="Map", exact=True)).to_be_enabled()


def test_what_no_browser_decodes_is_seen_with_its_answer(
    page: Page, released: str, examples: dict[str, Path], tmp_path: Path
) -> None:
    levels = np.asarray(Image.open(examples["PNEUMONIA"]).convert("L"), np.int64)
    (tmp_path / "study.dcm").write_bytes(dicom_file(levels * 16, transfer_syntax=J2K_LOSSLESS))
    choose(page, tmp_path / "study.dcm")

    expect(page.locator("#readout")).to_contain_text("The picture that the model was shown", timeout=60_000)
    size = f"{levels.shape[1]} x {levels.shape[0]} pixels"
    expect(page.locator("#stage")).to_have_attribute("aria-label", f"The radiograph in study.dcm, {size}")


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
    enlarged = Image.open(examples["PNEUMONIA"]).convert("L").resize((1800, 1800))
    (tmp_path / "large.dcm").write_bytes(dicom_file(np.asarray(enlarged, np.int64) * 16))

    with page.expect_response("http://127.0.0.1:*/**") as answered:
        choose(page, tmp_path / "large.dcm")

    assert (answered.value.status, answered.value.request.method) == (204, "POST")
    expect(page.locator("#sentence")).to_contain_text("probability of pneumonia 0.", timeout=60_000)


def test_an_upload_needs_the_rule_of_the_bucket(page: Page, stack: Stack, large: Path, complaints: list[str]) -> None:
    """The rule is what S3 answers a browser by: without it the same file is refused, on the laptop as in AWS."""
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(str(route.request.post_data))
        document = Problem("model_error", "Nothing is asked here.").document("request-7")
        route.fulfill(status=502, content_type=CONTENT_TYPE, body=json.dumps(document))

    page.route("**/v1/predictions?explain=true", refuse)
    s3, bucket = stack.laptop.client("s3"), stack.outputs["DataBucketName"]
    rules = s3.get_bucket_cors(Bucket=bucket)["CORSRules"]
    try:
        s3.delete_bucket_cors(Bucket=bucket)
        choose(page, large)
        expect(page.locator("#sentence")).to_contain_text("The upload failed.")
        assert asked == []
        assert "blocked by CORS policy" in complaints.pop()
    finally:
        s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})

    page.get_by_role("button", name="Ask again").click()

    expect(page.locator("#sentence")).to_contain_text("Nothing is asked here.")
    assert [list(json.loads(body)) for body in asked] == [["upload"]]


def test_the_page_sends_nothing_anywhere_else(page: Page, complaints: list[str]) -> None:
    """Its policy names the API and the uploads, and no other port of the same machine."""
    send = "url => fetch(url, {method: 'POST', mode: 'no-cors', body: 'x'}).then(() => 'sent', () => 'refused')"
    assert page.evaluate(send, "http://127.0.0.1:9/") == "refused"
    assert any("Content Security Policy" in complaint for complaint in complaints)
    complaints.clear()


def test_a_readers_label_is_kept_and_so_is_that_nobody_is_sure(
    page: Page, stack: Stack, released: str, examples: dict[str, Path]
) -> None:
    with page.expect_response("**/v1/predictions?explain=true") as answered:
        choose(page, examples["NORMAL"])
    path = f"v1/predictions/{answered.value.headers['x-request-id']}"
    expect(page.locator("#sentence")).to_contain_text("probability", timeout=60_000)
    for name, label in (("NORMAL", "NORMAL"), ("Unsure", "UNSURE")):
        button = page.get_by_role("button", name=name, exact=True)
        button.click()
        expect(page.locator("#feedback-status")).to_contain_text("is kept as")
        expect(button).to_have_attribute("aria-pressed", "true")
        said = "unsure" if label == "UNSURE" else label
        expect(page.locator("#feedback-status")).to_contain_text(f"kept as {said}")
        assert stack.request(path).document["feedback"]["label"] == label


def test_a_damaged_image_is_refused_with_the_apis_sentence(
    page: Page, released: str, examples: dict[str, Path], tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.jpeg"
    damaged.write_bytes(examples["NORMAL"].read_bytes()[:2000])

    choose(page, damaged)

    expect(page.locator("#sentence")).to_contain_text("The image cannot be decoded.", timeout=60_000)


def test_a_wrong_key_is_said(page: Page, examples: dict[str, Path]) -> None:
    page.get_by_label("API key").fill("not a key")

    choose(page, examples["NORMAL"])

    expect(page.get_by_role("alert")).to_contain_text("api_key_required")
    expect(row(page, examples["NORMAL"].name)).to_contain_text("waiting")
