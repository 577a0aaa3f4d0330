"""Reading with the page: limits of an answer; and nobody is kept out."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from lambdas.http.problems import Problem
from local.samples import page_examples
from tests.lambdas.site.radiographs import answered, hold, until_held
from tests.page_server import KEY, PageServer, prediction

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[3]
BUDGET = 300_000
"""Bytes before a radiograph is opened."""


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global drop, expect, serious
    from playwright.sync_api import expect

    from tests.browser import drop, serious


def test_an_answer_that_comes_late_is_its_own_rows(page: Page, server: PageServer, three: list[Path]) -> None:
    held: list[Route] = []
    hold(page, "**/v1/predictions?explain=true", held)
    drop(page, *three[:2])
    page.get_by_role("button", name="b.png", exact=True).click()
    expect(page.locator("#sentence")).to_have_text("The model is being asked…")
    until_held(page, held, 2)

    next(route for route in held if route.request.post_data_buffer == three[0].read_bytes()).continue_()

    expect(page.locator("#rows tr", has_text="a.png")).to_contain_text("0.045")
    expect(page.locator("#identity")).to_have_text("b.png")
    expect(page.locator("#sentence")).to_have_text("The model is being asked…")
    expect(page.locator("#figures")).to_be_hidden()


def test_a_drop_without_a_file_is_said(page: Page, server: PageServer) -> None:
    drop(page)
    expect(page.get_by_role("alert")).to_contain_text("What was dropped is no file.")
    assert server.asked == []


def test_what_a_file_says_of_its_body_part_reaches_the_reader(page: Page, server: PageServer, tmp_path: Path) -> None:
    dicom = {"modality": "DX", "photometric_interpretation": "MONOCHROME2", "rendering": "window"}
    said = {"other": "does not show the chest", "unstated": "does not say which part", "chest": ""}
    files = [
        answered(server, tmp_path / f"{part}.png", number, prediction(0.9, dicom={**dicom, "body_part": part}))
        for number, part in enumerate(said, start=1)
    ]
    drop(page, *files)
    expect(page.locator("#progress")).to_have_text("3 PNEUMONIA")
    for part, sentence in said.items():
        page.get_by_role("button", name=f"{part}.png", exact=True).click()
        if sentence:
            expect(page.locator("#warnings")).to_contain_text(sentence)
        else:
            expect(page.locator("#warnings")).to_be_hidden()


def test_how_far_an_answer_can_be_relied_on_is_said(page: Page, server: PageServer, tmp_path: Path) -> None:
    dicom = {
        "modality": "DX",
        "photometric_interpretation": "MONOCHROME2",
        "body_part": "other",
        "rendering": "full_range",
    }
    answer = prediction(0.93, dicom=dicom, outside_intended_population=["age", "view"], guarantee=None)
    drop(page, answered(server, tmp_path / "one.png", 1, answer))

    for sentence in (
        "not meant for this age and view",
        "it does not show the chest",
        "its grey levels are a guess",
    ):
        expect(page.locator("#warnings")).to_contain_text(sentence)
    for words in ("not meant for this age and view", "not the chest", "grey levels are a guess"):
        expect(page.locator("#rows")).to_contain_text(words)
    for sentence in (
        "Nothing is guaranteed about how many answers PNEUMONIA are right.",
        "On 600 radiographs of another site (2026-11-28) it was not usable: AUROC 0.710",
        "It is meant for ages 18-39, 40-64; views PA",
        "sensitivity 0.900 (95 % interval 0.880 to 0.920)",
    ):
        expect(page.locator("#reliance")).to_contain_text(sentence)
    label = str(page.locator("#scale").get_attribute("aria-label"))
    assert "Probability 0.930" in label
    assert "0.310 to 0.620 (shaded) the model cannot tell" in label


def test_another_versions_figures_say_nothing_of_an_answer(page: Page, server: PageServer, three: list[Path]) -> None:
    server.model["package_arn"] = server.model["package_arn"].replace("/3", "/4")
    drop(page, three[1])
    expect(page.locator("#about-model")).to_contain_text("tested on")
    expect(page.locator("#reliance")).to_contain_text("At least 95 % of such answers are right")
    assert "another site" not in page.locator("#reliance").inner_text()


def test_a_row_that_is_clicked_twice_keeps_its_map(page: Page, server: PageServer, three: list[Path]) -> None:
    """The file is decoded twice then, and the second time took the map away."""
    drop(page, three[1])
    of_map = page.get_by_role("button", name="Map", exact=True)
    expect(of_map).to_be_enabled()
    page.evaluate(
        """() => {
            const decode = window.createImageBitmap;
            window.held = [];
            const hold = (...what) => new Promise((go) => window.held.push(() => go(decode(...what))));
            window.createImageBitmap = (...what) => (what.length > 1 ? hold : decode)(...what);
        }"""
    )
    page.get_by_role("button", name="b.png", exact=True).dblclick()
    expect(of_map).to_be_disabled()
    while page.evaluate("window.held.length") < 2:
        page.wait_for_timeout(20)
    page.evaluate("window.held[0]()")
    page.wait_for_timeout(100)
    page.evaluate("window.held[1]()")
    expect(page.locator("#stage")).to_have_attribute("aria-label", "The radiograph in b.png, 120 x 100 pixels")
    page.wait_for_timeout(50)
    of_map.click()
    expect(page.locator("#map-controls")).to_be_visible()


def test_what_is_pressed_is_seen_in_the_systems_own_colours(page: Page, server: PageServer, three: list[Path]) -> None:
    """Forced colours take backgrounds away: which label was given, and where the probability lies."""
    page.emulate_media(forced_colors="active")
    drop(page, three[1])
    expect(page.locator("#sentence")).to_contain_text("0.930")
    page.get_by_role("button", name="PNEUMONIA", exact=True).click()
    expect(page.locator("#feedback-status")).to_contain_text("is kept as PNEUMONIA")

    def background(selector: str) -> str:
        return str(page.locator(selector).evaluate("one => getComputedStyle(one).backgroundColor"))

    assert background('[data-label="PNEUMONIA"]') != background('[data-label="NORMAL"]')
    assert background("#probability") != background("body")


def test_what_the_models_figures_are_for_is_said(page: Page, server: PageServer, three: list[Path]) -> None:
    server.model["target_prevalence"] = 0.05
    server.model["calibrated_from"] = {"package_arn": "arn", "version": 2, "calibrated_at": "2026-11-20T09:00:00Z"}
    drop(page, three[1])
    expect(page.locator("#model")).to_contain_text("are for 5 % with pneumonia, as was named")
    expect(page.locator("#model")).to_contain_text("to a site on 2026-11-20, with the weights of version 2")


def test_the_page_is_light_before_a_radiograph_is_opened(page: Page, server: PageServer) -> None:
    page.wait_for_load_state("networkidle")
    assert sum(server.sent.values()) < BUDGET
    assert not {path for path in server.sent if path.startswith(("/vendor", "/examples", "/dicom"))}


@pytest.mark.parametrize(
    ("name", "package", "script"),
    [
        ("dicomParser", "dicom-parser", "dist/dicomParser.min.js"),
        ("jpegLossless", "@cornerstonejs/jpeg-lossless-decoder-js", "release/lossless-min.js"),
    ],
)
def test_what_is_vendored_is_the_pinned_package(name: str, package: str, script: str) -> None:
    vendored, installed = REPOSITORY / "lambdas/site/static/vendor", REPOSITORY / "node_modules" / package
    assert (vendored / f"{name}.min.js").read_bytes() == (installed / script).read_bytes()
    assert (vendored / f"{name}.LICENSE.txt").read_bytes() == (installed / "LICENSE").read_bytes()


def test_the_examples_are_drawn_and_do_not_tell_what_they_show() -> None:
    """The file is what the command writes; another version of the JPEG library may differ in a level here and there."""
    examples = json.loads(page_examples.FILE.read_text(encoding="utf-8"))
    assert [one["name"] for one in examples] == [f"drawn-{number}.jpeg" for number in range(1, len(examples) + 1)]
    for number, one in enumerate(examples):
        kept, drawn = (
            np.asarray(Image.open(io.BytesIO(data)), float)
            for data in (base64.b64decode(one["data"]), page_examples.encoded(number))
        )
        assert np.abs(kept - drawn).mean() < 1


@pytest.mark.parametrize(
    ("size", "scheme"),
    [((1280, 900), "light"), ((360, 740), "dark"), ((320, 256), "light")],
    ids=["desktop", "phone at night", "400 %"],
)
def test_nobody_is_kept_out(
    page: Page, server: PageServer, three: list[Path], size: tuple[int, int], scheme: Any
) -> None:
    """1280 pixels at 400 % are 320 x 256 (WCAG 2.2, 1.4.10)."""
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    assert serious(page) == []
    refused = answered(server, three[0].with_name("d.png"), 9, Problem("not_a_radiograph", "Unlike a chest."))
    drop(page, *three, refused)
    expect(page.locator("#progress")).to_contain_text("1 refused")
    page.get_by_role("button", name="b.png", exact=True).click()
    page.get_by_role("button", name="Map", exact=True).click()
    expect(page.locator("#map-controls")).to_be_visible()
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0], "nothing is cut off at the right"
    page.get_by_role("button", name="Keys").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert serious(page) == []


def test_the_keyboard_is_enough(page: Page, server: PageServer, three: list[Path]) -> None:
    """From the key to an answer with its label, without a pointer; single keys do nothing outside of the reading."""
    page.get_by_label("API key").focus()
    reached = []
    for _ in range(4):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert reached == ["Start", "file", "folder", "examples"]
    page.get_by_label("Choose files").set_input_files(three)
    expect(page.locator("#progress")).to_contain_text("1 PNEUMONIA")
    expect(page.locator("#stage")).to_be_focused()
    page.keyboard.press("n")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="CSV").focus()
    page.keyboard.press("1")
    assert server.labels == []


def test_a_key_stays_in_its_tab(page: Page, server: PageServer) -> None:
    assert page.evaluate("[sessionStorage.getItem('cxr-secret'), localStorage.length]") == [KEY, 0]
