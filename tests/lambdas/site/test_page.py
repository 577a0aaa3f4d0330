"""The page never shows or labels one file's answer as another's, and says what an answer means.

In Chromium, against a stand-in for the API whose answers a test holds back and orders as it likes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lambdas.http.answers import Answers
from lambdas.site import handler
from tests.lambdas.rest_events import event


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global Browser, chromium, drop, expect, listen, Page, Route, serious
    from playwright.sync_api import Browser, Page, Route, expect

    from tests.browser import chromium, drop, listen, serious


PAGE = "http://page.test/"
SHOWN = "#result:visible"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="  # 1 x 1
DOCUMENT = json.loads((Path(handler.__file__).parent / "openapi.json").read_text(encoding="utf-8"))
FRONT = handler.Front(DOCUMENT, authentication="api_key", answers=Answers(), max_image_bytes=1_000_000)
METRIC = {"value": 0.9, "low": 0.8, "high": 0.95}


class Api:
    """Answers each request with a prediction of its own; those of held files wait until they are let go."""

    def __init__(self) -> None:
        self.members: dict[str, Any] = {}
        self.hold = False
        self.asked: list[Route] = []
        self.labels: list[tuple[str, str]] = []
        self.held_labels: list[Route] | None = None

    def answer(self, number: int) -> None:
        """Answer the n-th request for a prediction."""
        prediction = {
            "id": f"prediction-{number}",
            "probability": 0.9 if number % 2 else 0.1,
            "label": "PNEUMONIA" if number % 2 else "NORMAL",
            "indeterminate": False,
            "threshold": 0.5,
            "model": {"version": 1, "indeterminate": {"low": 0.4, "high": 0.5}},
            "overlay": {"media_type": "image/png", "data": PIXEL},
        }
        self.asked[number].fulfill(json={**prediction, **self.members})

    def __call__(self, route: Route) -> None:
        path = route.request.url.removeprefix(PAGE).partition("?")[0]
        if path == "v1/predictions":
            self.asked.append(route)
            if not self.hold:
                self.answer(len(self.asked) - 1)
        elif path.endswith("/feedback"):
            if self.held_labels is not None:
                self.held_labels.append(route)
                return
            self.labels.append((path.split("/")[2], json.loads(route.request.post_data or "")["label"]))
            route.fulfill(json={})
        elif path == "v1/model":
            figures = dict.fromkeys(("auroc", "sensitivity"), METRIC) | {"images": 160, "patients": 80}
            approval = {"status": "Approved", "changed_at": "2026-11-01T00:00:00Z"}
            route.fulfill(json={"version": 1, "group": "cxr", "approval": approval, "threshold": 0.5,
                                "metrics": figures, "dataset_sha256": "00", "engine": {"name": "litert"}})  # fmt: skip
        else:
            answer = FRONT.answer(event("GET", f"/{path}"))
            route.fulfill(status=answer["statusCode"], headers=answer["headers"], body=answer["body"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    yield from chromium()


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def page(browser: Browser, api: Api) -> Iterator[Page]:
    context = browser.new_context()
    opened = context.new_page()
    opened.set_default_timeout(10_000)
    found: list[str] = []
    listen(opened, found)
    opened.route(f"{PAGE}**", api)
    opened.goto(PAGE)
    opened.get_by_label("API key").fill("key")
    yield opened
    assert found == []
    context.close()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three radiographs of different size, called by their patients' names."""
    paths = []
    for number, name in enumerate(("ada.png", "bea.png", "cleo.png")):
        paths.append(tmp_path / name)
        Image.fromarray(np.full((20 + number, 30 + number), 99, np.uint8)).save(paths[-1])
    return paths


def choose(page: Page, file: Path) -> None:
    page.get_by_label("Radiograph").set_input_files(file)


def ask(page: Page, file: Path) -> None:
    choose(page, file)
    with page.expect_request("**/v1/predictions?explain=true"):
        page.get_by_role("button", name="Ask the model").click()


def shown_size(page: Page) -> list[int]:
    """Width and height of the picture on the page, once it is there."""
    page.wait_for_function("document.querySelector('#radiograph').naturalWidth > 0")
    size: list[int] = page.evaluate(
        "(({ naturalWidth, naturalHeight }) => [naturalWidth, naturalHeight])(document.querySelector('#radiograph'))"
    )
    return size


def test_a_map_says_its_cells_and_when_it_is_empty(page: Page, api: Api, files: list[Path]) -> None:
    for empty in (True, False):
        api.members["overlay"] = {"media_type": "image/png", "data": PIXEL, "cells": 14, "empty": empty}
        ask(page, files[0])
        expect(page.locator("#map-cells")).to_contain_text("14 x 14 cells")
        expect(page.locator("#map-empty")).to_be_visible(visible=empty)
        expect(page.get_by_role("img", name="Colours of the map")).to_be_visible()
        choose(page, files[1])


def test_a_result_carries_its_files_name_picture_and_time(page: Page, files: list[Path]) -> None:
    for number, file in enumerate(files):
        ask(page, file)
        expect(page.locator("#identity")).to_contain_text(file.name)
        expect(page.locator("#identity")).to_contain_text("answered at")
        expect(page.locator("#feedback-title")).to_contain_text(file.name)
        assert shown_size(page) == [30 + number, 20 + number]


def test_a_result_goes_when_another_file_is_chosen(page: Page, files: list[Path]) -> None:
    ask(page, files[0])
    expect(page.locator(SHOWN)).to_be_visible()

    choose(page, files[1])

    expect(page.locator("#result")).to_be_hidden()
    assert not page.get_by_role("button", name="PNEUMONIA").is_visible(), "nothing can be labelled"
    assert page.locator("#radiograph").get_attribute("src") is None, "the picture is not kept for the next result"


def test_a_result_goes_when_the_choice_is_taken_back(page: Page, files: list[Path]) -> None:
    ask(page, files[0])
    expect(page.locator(SHOWN)).to_be_visible()

    page.get_by_label("Radiograph").set_input_files([])

    expect(page.locator("#result")).to_be_hidden()
    expect(page.locator("#file-help")).not_to_contain_text(files[0].name)


def test_an_answer_that_comes_after_another_choice_is_not_shown(page: Page, api: Api, files: list[Path]) -> None:
    api.hold = True
    ask(page, files[0])
    expect(page.locator("#progress")).to_contain_text(files[0].name)

    ask(page, files[1])
    expect(page.locator("#progress")).to_contain_text(files[1].name)
    api.answer(1)
    expect(page.locator("#identity")).to_contain_text(files[1].name)
    api.answer(0)
    page.get_by_role("button", name="PNEUMONIA").click()

    expect(page.locator("#feedback-status")).to_contain_text(f"{files[1].name} is kept as PNEUMONIA")
    assert api.labels == [("prediction-1", "PNEUMONIA")]
    expect(page.locator("#history tr")).to_have_count(1)
    expect(page.get_by_role("alert")).to_be_hidden()


def test_nothing_can_be_labelled_while_the_next_is_asked_or_after_it_failed(
    page: Page, api: Api, files: list[Path]
) -> None:
    ask(page, files[0])
    expect(page.locator(SHOWN)).to_be_visible()
    api.hold = True
    ask(page, files[1])
    label = 'document.querySelector("[data-label=NORMAL]").click()'
    page.evaluate(label)
    api.asked[1].fulfill(status=500, content_type="application/problem+json", body='{"title": "No", "detail": "No."}')
    expect(page.get_by_role("alert")).to_contain_text("No.")
    page.evaluate(label)

    assert api.labels == []


def test_a_label_that_is_kept_late_is_said_of_its_own_file_only(page: Page, api: Api, files: list[Path]) -> None:
    ask(page, files[0])
    api.held_labels = []
    page.get_by_role("button", name="NORMAL", exact=True).click()
    expect(page.get_by_role("button", name="PNEUMONIA")).to_be_disabled()
    ask(page, files[1])
    expect(page.locator("#identity")).to_contain_text(files[1].name)

    api.held_labels[0].fulfill(json={})

    rows = page.locator("#history tr")
    expect(rows.nth(1).locator("td").last).to_have_text("NORMAL")
    expect(rows.nth(0).locator("td").last).to_have_text("")
    expect(page.locator("#feedback-status")).not_to_contain_text("kept as")
    expect(page.get_by_role("button", name="NORMAL", exact=True)).to_have_attribute("aria-pressed", "false")


@pytest.mark.parametrize("onto", ["#drop", "h1", "footer"])
def test_a_drop_anywhere_is_asked_about_at_once_and_followed_by_the_input(
    page: Page, files: list[Path], onto: str
) -> None:
    drop(page, files[0], onto=onto)

    expect(page.locator("#identity")).to_contain_text(files[0].name)
    assert page.evaluate("document.querySelector('#file').files[0].name") == files[0].name
    assert page.url == PAGE


def test_several_dropped_files_are_refused_and_said(page: Page, api: Api, files: list[Path]) -> None:
    ask(page, files[0])
    expect(page.locator(SHOWN)).to_be_visible()

    drop(page, *files)

    expect(page.get_by_role("alert")).to_contain_text("3 files were dropped")
    expect(page.locator("#result")).to_be_hidden()
    assert len(api.asked) == 1


def test_a_drop_without_a_file_is_said(page: Page, api: Api) -> None:
    drop(page)

    expect(page.get_by_role("alert")).to_contain_text("no file")
    assert api.asked == []


def test_a_drop_waits_for_the_key(page: Page, api: Api, files: list[Path]) -> None:
    page.get_by_label("API key").fill("")

    drop(page, files[0])

    expect(page.get_by_role("alert")).to_contain_text("No API key")
    assert api.asked == []
    page.get_by_label("API key").fill("key")
    page.get_by_role("button", name="Ask the model").click()
    expect(page.locator("#identity")).to_contain_text(files[0].name)


def test_what_is_guaranteed_of_an_answer_is_said_and_so_is_that_nothing_is(
    page: Page, api: Api, files: list[Path]
) -> None:
    api.members = {"guarantee": {"predictive_value": 0.95, "confidence": 0.95, "prevalence": 0.474}}
    ask(page, files[0])
    expect(page.locator("#guarantee")).to_contain_text("At least 95 % of such answers are right (95 % confidence)")
    expect(page.locator("#guarantee")).to_contain_text("where 47.4 % of the patients have pneumonia")
    api.members = {"guarantee": None}
    ask(page, files[1])
    expect(page.locator("#guarantee")).to_have_text("Nothing is guaranteed about how many answers PNEUMONIA are right.")


def test_a_patient_that_the_model_is_not_meant_for_is_said_beside_the_answer(
    page: Page, api: Api, files: list[Path]
) -> None:
    api.members = {"outside_intended_population": ["age", "view"]}
    ask(page, files[0])
    expect(page.locator("#body-part")).to_contain_text("The model is not meant for this age and view")
    api.members = {}
    ask(page, files[1])
    expect(page.locator("#body-part")).to_be_hidden()


def test_indeterminate_is_an_answer_of_its_own(page: Page, api: Api, files: list[Path]) -> None:
    api.members = {"probability": 0.45, "label": "NORMAL", "indeterminate": True}
    ask(page, files[0])

    expect(page.locator("#sentence")).to_contain_text("Indeterminate")
    expect(page.locator("#guarantee")).to_be_empty()
    expect(page.locator("#history td").nth(3)).to_have_text("INDETERMINATE")
    for place in ("#sentence", "#history"):
        expect(page.locator(place)).not_to_contain_text("NORMAL")
    indeterminate = page.locator("#sentence").evaluate("(element) => getComputedStyle(element).backgroundColor")
    assert serious(page) == []
    api.members = {}
    ask(page, files[1])
    expect(page.locator("#sentence")).to_contain_text("PNEUMONIA")
    colour = page.locator("#sentence").evaluate("(element) => getComputedStyle(element).backgroundColor")
    assert colour != indeterminate


@pytest.mark.parametrize(
    ("body_part", "sentence"),
    [("other", "does not show the chest"), ("unstated", "does not say"), ("chest", ""), (None, "")],
)
def test_what_a_dicom_file_says_of_its_body_part_reaches_the_reader(
    page: Page, api: Api, files: list[Path], body_part: str | None, sentence: str
) -> None:
    if body_part:
        api.members = {"dicom": {"modality": "DX", "photometric_interpretation": "MONOCHROME2", "body_part": body_part}}
    ask(page, files[0])
    expect(page.locator(SHOWN)).to_be_visible()

    warning = page.locator("#body-part")
    if sentence:
        expect(warning).to_be_visible()
        expect(warning).to_contain_text(sentence)
    else:
        expect(warning).to_be_hidden()
