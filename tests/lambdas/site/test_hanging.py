"""Connections that hang: a limit of time, a row that says so, and nothing predicted twice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lambdas.http.problems import Problem
from tests.lambdas.site.radiographs import answered, grey, hold, until_held
from tests.page_server import PageServer, prediction

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page, Route

pytestmark = pytest.mark.slow

PREDICTIONS = "**/v1/predictions?explain=true"


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global drop, expect
    from playwright.sync_api import expect

    from tests.browser import drop


@pytest.fixture
def patient(page: Page) -> Page:
    """The page, for which time is over when a test says so."""
    page.evaluate(
        """() => {
            window.limits = [];
            AbortSignal.timeout = (ms) => {
                const limit = new AbortController();
                window.limits.push({ ms, end: () => limit.abort(new DOMException("", "TimeoutError")) });
                return limit.signal;
            };
        }"""
    )
    return page


def time_is_over(page: Page, held: list[Route], count: int) -> None:
    """End what hangs, once so many requests do."""
    until_held(page, held, count)
    page.evaluate("window.limits.forEach((limit) => limit.end())")


def row(page: Page, name: str):
    return page.locator("#rows tr", has=page.get_by_role("button", name=name, exact=True))


def test_a_request_that_hangs_is_repeated_with_its_key(patient: Page, server: PageServer, three: list[Path]) -> None:
    """The first one may have been answered meanwhile: its key lets no second prediction be made."""
    held: list[Route] = []
    hold(patient, PREDICTIONS, held, times=1)
    drop(patient, three[1])
    time_is_over(patient, held, 1)
    expect(row(patient, "b.png")).to_contain_text("0.930")
    assert [held[0].request.headers["idempotency-key"]] == server.keys
    drop(patient, three[0])
    expect(row(patient, "a.png")).to_contain_text("0.045")
    assert len({*server.keys}) == 2, "another radiograph's key is another"


def test_a_file_that_does_not_get_through_holds_up_no_other(
    patient: Page, server: PageServer, three: list[Path]
) -> None:
    held: list[Route] = []
    hung = three[0].read_bytes()

    def through(route: Route) -> None:
        if route.request.post_data_buffer == hung:
            held.append(route)
        else:
            route.continue_()

    patient.route(PREDICTIONS, through)
    drop(patient, three[0])
    time_is_over(patient, held, 1)
    expect(patient.locator("#sentence")).to_contain_text("No answer came in time: the model is being asked once more")
    until_held(patient, held, 2)
    drop(patient, *three[1:])
    expect(patient.locator("#progress")).to_contain_text("1 indeterminate, 1 PNEUMONIA")
    time_is_over(patient, held, 2)
    expect(row(patient, "a.png")).to_contain_text("No answer in time. The connection hung")
    expect(patient.get_by_role("alert")).to_be_hidden()
    patient.unroute(PREDICTIONS)
    patient.get_by_role("button", name="a.png", exact=True).click()
    patient.get_by_role("button", name="Ask again").click()
    expect(row(patient, "a.png")).to_contain_text("0.045")


def test_where_everything_hangs_all_of_it_waits(patient: Page, server: PageServer, three: list[Path]) -> None:
    held: list[Route] = []
    hold(patient, PREDICTIONS, held)
    drop(patient, *three)
    time_is_over(patient, held, 3)
    time_is_over(patient, held, 6)
    expect(patient.get_by_role("alert")).to_contain_text("No answer in time")
    patient.unroute(PREDICTIONS)
    patient.get_by_role("button", name="Send what waits").click()
    expect(patient.locator("#progress")).to_have_text("1 indeterminate, 1 PNEUMONIA, 1 NORMAL")
    assert {*server.keys} == {route.request.headers["idempotency-key"] for route in held}


def test_a_request_whose_first_time_is_still_being_answered_is_asked_again(
    page: Page, server: PageServer, tmp_path: Path
) -> None:
    busy = Problem("request_in_progress", "A request with this Idempotency-Key is being answered.")
    busy.headers["Retry-After"] = "0"
    drop(page, answered(server, tmp_path / "one.png", 1, busy, busy, prediction(0.93)))
    expect(row(page, "one.png")).to_contain_text("0.930")
    assert len({*server.keys}) == 1


def bucket(page: Page, server: PageServer) -> list[str]:
    """Ids of what will be uploaded, each in a form of its own."""
    forms: list[str] = []

    def form(route: Route) -> None:
        forms.append(f"{len(forms):032x}")
        document = {"upload": forms[-1], "url": f"{server.url}bucket", "fields": {}, "max_bytes": 9_000_000}
        route.fulfill(content_type="application/json", body=json.dumps(document))

    page.route("**/v1/uploads", form)
    page.route("**/bucket", lambda route: route.fulfill(status=204))
    return forms


def choose_large(page: Page, folder: Path) -> None:
    """A file that is sent by way of the bucket."""
    large = grey(folder / "large.png", 1)
    large.write_bytes(large.read_bytes() + bytes(6_000_000))
    page.get_by_label("Choose files").set_input_files(large)


def test_an_upload_that_the_bucket_lost_meanwhile_is_made_once_more(
    page: Page, server: PageServer, tmp_path: Path
) -> None:
    """A list that waited overnight goes on; what was never there is an error of the file's."""
    forms = bucket(page, server)
    busy, lost = Problem("throttled", "Wait."), Problem("upload_not_found", "There is no such upload.")
    busy.headers["Retry-After"] = "0"
    for number, answers in enumerate(([busy, lost], [prediction(0.93)])):
        server.answers[json.dumps({"upload": f"{number:032x}"}, separators=(",", ":")).encode()] = list(answers)
    choose_large(page, tmp_path)
    expect(row(page, "large.png")).to_contain_text("0.930")
    assert (len(forms), len(server.keys), len({*server.keys})) == (2, 3, 2), "another upload is another request"
    server.answers = {body: [lost] for body in (b'{"upload":"%032x"}' % number for number in (2, 3))}
    choose_large(page, tmp_path)
    expect(row(page, "large.png (2)")).to_contain_text("There is no such upload")
    assert len(forms) == 3


def test_a_repeated_request_names_the_upload_of_the_first(patient: Page, server: PageServer, tmp_path: Path) -> None:
    """Another upload is another request, which the API refuses under the same key."""
    forms = bucket(patient, server)
    held: list[Route] = []
    hold(patient, PREDICTIONS, held, times=1)
    choose_large(patient, tmp_path)
    time_is_over(patient, held, 1)
    expect(row(patient, "large.png")).to_contain_text("NORMAL")
    assert len(forms) == 1
    assert [json.loads(body) for _, body in server.asked] == [json.loads(str(held[0].request.post_data))]
    limits = patient.evaluate("window.limits.map(({ ms }) => ms)")
    assert max(limits) == 1000 * (45 + 601), (
        "of six megabytes: 45 s, and as long as a third of 256 kbit/s takes for them"
    )
    assert min(limits) == 45_000, "above what the gateway allows"


def test_a_label_that_hangs_is_sent_once_more_and_then_said(
    patient: Page, server: PageServer, three: list[Path]
) -> None:
    drop(patient, three[1])
    expect(patient.locator("#sentence")).to_contain_text("0.930")
    held: list[Route] = []
    hold(patient, "**/feedback", held, times=1)
    patient.get_by_role("button", name="NORMAL", exact=True).click()
    time_is_over(patient, held, 1)
    expect(patient.locator("#feedback-status")).to_contain_text("is kept as NORMAL")
    assert server.labels == [("prediction-0.930", "NORMAL")]
    hold(patient, "**/feedback", held)
    patient.get_by_role("button", name="Unsure").click()
    time_is_over(patient, held, 2)
    time_is_over(patient, held, 3)
    expect(patient.locator("#feedback-status")).to_contain_text("Not kept: The connection hung")
    expect(patient.get_by_role("button", name="NORMAL", exact=True)).to_have_attribute("aria-pressed", "true")


def test_pictures_of_answers_are_kept_outside_of_the_tabs_memory(page: Page, server: PageServer) -> None:
    """Hundreds in base64 stayed there until Clear."""
    kept = page.evaluate(
        """async () => {
            const { Worklist } = await import("./worklist.js");
            const list = new Worklist(() => {});
            const png = new File([new Uint8Array([0x89, 0x50, 0x4e, 0x47])], "one.png");
            await list.add([{ file: png, name: "one.png", inFolder: false }]);
            list.start();
            while (list.rows[0].state !== "answered") await new Promise((go) => setTimeout(go, 20));
            const { overlay } = list.rows[0].prediction;
            const head = new Uint8Array(await overlay.blob.arrayBuffer()).slice(1, 4);
            return [Object.keys(overlay).sort(), String.fromCharCode(...head), overlay.blob.type];
        }"""
    )
    assert kept == [["blob", "cells", "empty", "media_type"], "PNG", "image/png"]
