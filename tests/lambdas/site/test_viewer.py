"""The radiograph in the page's viewer: by mouse, keyboard and touch; DICOM before the answer, and the map over it."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from lambdas.http.problems import Problem
from model_code.dicom.file_format import end_of_meta
from tests.lambdas.site.radiographs import answered
from tests.model_code.support.dicom_files import (
    BASELINE,
    BIG,
    EXPLICIT,
    IMPLICIT,
    J2K_LOSSLESS,
    LOSSLESS_SV1,
    dicom_file,
)
from tests.page_server import PageServer, png, prediction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import Page

pytestmark = pytest.mark.slow


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global drop, expect
    from playwright.sync_api import expect

    from tests.browser import drop


def colour(page: Page, across: float, down: float = 0.5) -> list[int]:
    """Red, green and blue at a place of the stage, in shares of its size, once drawn."""
    found: list[int] = page.evaluate(
        """async ([across, down]) => {
            // What was asked for is drawn in the next frame.
            for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame);
            const canvas = document.querySelector("#canvas");
            const place = [canvas.width * across, canvas.height * down];
            return [...canvas.getContext("2d").getImageData(...place, 1, 1).data.slice(0, 3)];
        }""",
        [across, down],
    )
    return found


def grey_at(page: Page, across: float, down: float = 0.5) -> int:
    found = colour(page, across, down)
    assert len(set(found)) == 1, "grey"
    return found[0]


def drag_over_fifty_pixels(page: Page) -> None:
    """From the middle of a picture of 120 x 100 pixels to the right."""
    box = page.locator("#stage").bounding_box()
    assert box is not None
    scale = min(box["width"] / 120, box["height"] / 100)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 50 * scale, y, steps=4)
    page.mouse.up()


def until_shown(page: Page) -> None:
    """Until the open row's own picture is drawn: before that nothing is noted either, and it begins anew then."""
    expect(page.locator("#stage")).to_have_attribute("aria-label", re.compile("^The radiograph in "))


@pytest.fixture
def opened(page: Page, server: PageServer, tmp_path: Path) -> Page:
    """A picture of 120 x 100 pixels, grey 40 on its left and 140 on its right."""
    drop(page, answered(server, tmp_path / "one.png", 40, prediction(0.93)))
    expect(page.locator("#sentence")).to_contain_text("0.930")
    until_shown(page)
    return page


def test_keys_zoom_move_window_invert_and_reset(opened: Page) -> None:
    stage = opened.locator("#stage")
    expect(stage).to_be_focused()
    assert (grey_at(opened, 0.4), grey_at(opened, 0.6)) == (40, 140)

    stage.press("i")
    assert grey_at(opened, 0.4) == 255 - 40
    stage.press("i")
    stage.press("]")
    brighter = grey_at(opened, 0.4)
    assert brighter > 40
    stage.press("{")
    assert grey_at(opened, 0.6) - grey_at(opened, 0.4) > 100, "more contrast"
    stage.press("0")
    assert grey_at(opened, 0.4) == 40

    for _ in range(4):
        stage.press("+")
    expect(opened.locator("#readout")).to_contain_text("244 %")
    for _ in range(6):
        stage.press("ArrowRight")
    assert grey_at(opened, 0.4) == 140, "the right half moved to the left"
    stage.press("0")
    expect(opened.locator("#readout")).to_contain_text("100 %")


def test_the_mouse_zooms_drags_and_windows(opened: Page) -> None:
    box = opened.locator("#stage").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    opened.mouse.move(x, y)
    opened.mouse.wheel(0, -100)
    expect(opened.locator("#readout")).to_contain_text("125 %")
    opened.mouse.down()
    opened.mouse.move(x - box["width"] / 4, y, steps=4)
    opened.mouse.up()
    assert grey_at(opened, 0.4) == 140

    opened.mouse.dblclick(x, y)
    expect(opened.locator("#readout")).to_contain_text("100 %")
    opened.mouse.move(x, y)
    opened.mouse.down(button="right")
    opened.mouse.move(x, y - box["height"] / 8, steps=4)
    opened.mouse.up(button="right")
    assert grey_at(opened, 0.4) > 40, "upwards is brighter"


def test_two_fingers_zoom_and_one_moves(opened: Page) -> None:
    box = opened.locator("#stage").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tools = opened.context.new_cdp_session(opened)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        """One moment of a touch, by the protocol of the browser's own tools."""
        places = [{"x": across, "y": down, "id": number} for number, (across, down) in enumerate(points)]
        tools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    touch("touchStart", (x - 50, y), (x + 50, y))
    touch("touchMove", (x - 100, y), (x + 100, y))
    touch("touchEnd")
    expect(opened.locator("#readout")).to_contain_text("200 %")

    touch("touchStart", (x, y))
    touch("touchMove", (x - 50, y))
    touch("touchMove", (x - box["width"] / 3, y))
    touch("touchEnd")
    assert grey_at(opened, 0.4) == 140


def test_a_length_is_measured_by_mouse_and_by_keyboard(opened: Page) -> None:
    opened.get_by_role("button", name="Measure").click()
    drag_over_fifty_pixels(opened)
    expect(opened.locator("#measured")).to_contain_text("50 pixels: the file does not say how large one is.")

    stage = opened.locator("#stage")
    stage.focus()
    stage.press("0")
    stage.press("ArrowUp")
    stage.press("Enter")
    for _ in range(3):
        stage.press("Shift+ArrowRight")
    stage.press("Enter")
    expect(opened.locator("#measured")).to_contain_text("18 pixels")


def test_the_map_is_off_until_a_key_is_held_or_it_is_switched_on(opened: Page) -> None:
    expect(opened.get_by_role("button", name="Map", exact=True)).to_be_enabled()
    stage = opened.locator("#stage")
    assert grey_at(opened, 0.4, 0.3) == 40
    stage.focus()
    opened.keyboard.down("m")
    assert colour(opened, 0.4, 0.3)[0] > 100, "yellow over grey"
    opened.keyboard.up("m")
    assert grey_at(opened, 0.4, 0.3) == 40

    opened.get_by_role("button", name="Map", exact=True).click()
    assert colour(opened, 0.4, 0.3)[0] > 100
    weak = colour(opened, 0.6, 0.7)
    assert len(set(weak)) > 1, "a weak mark"
    slider = opened.get_by_label("Show from this strength on")
    for _ in range(8):
        slider.press("ArrowRight")
    assert grey_at(opened, 0.6, 0.7) == 140, "what is weaker than the threshold is not drawn"
    assert colour(opened, 0.4, 0.3)[0] > 100
    opened.get_by_label("Opacity of the map").press("Home")
    assert grey_at(opened, 0.4, 0.3) == 40


def test_an_empty_map_is_said(page: Page, server: PageServer, tmp_path: Path) -> None:
    drop(page, answered(server, tmp_path / "one.png", 40, prediction(0.05)))
    page.get_by_role("button", name="Map", exact=True).click()
    expect(page.locator("#map-empty")).to_contain_text("The map is empty")
    expect(page.locator("#map-cells")).to_contain_text("16 x 16 cells")


LEVELS = np.repeat(np.repeat([[400, 1400], [2400, 3400]], 50, 0), 60, 1).astype(np.int64)
"""Four quarters of 12 bits, 120 x 100 pixels."""


def quarters(page: Page) -> list[int]:
    return [grey_at(page, across, down) for down in (0.3, 0.7) for across in (0.4, 0.6)]


def shown(page: Page, expected: Sequence[int], within: int) -> None:
    """Wait until the quarters have these grey levels: a picture is drawn some time after its note has gone."""
    deadline = time.monotonic() + 10
    while (found := quarters(page)) != pytest.approx(expected, abs=within):
        assert time.monotonic() < deadline, f"{found} instead of {expected}"
        page.wait_for_timeout(50)


def open_dicom(page: Page, server: PageServer, path: Path, content: bytes, answer: Any) -> None:
    path.write_bytes(content)
    server.answers[content] = [answer]
    drop(page, path)


WINDOW = {"WindowCenter": 2048, "WindowWidth": 4096}
EXPECTED = [25, 87, 149, 212]  # 255 / 4095 of the stored values


FILES: dict[str, tuple[dict[str, Any], list[int]]] = {
    "explicit": ({}, EXPECTED),
    "implicit": ({"transfer_syntax": IMPLICIT}, EXPECTED),
    "big endian": ({"transfer_syntax": BIG}, EXPECTED),
    "lossless jpeg": ({"transfer_syntax": LOSSLESS_SV1}, EXPECTED),
    "monochrome1": ({"PhotometricInterpretation": "MONOCHROME1"}, [255 - level for level in EXPECTED]),
    "rescaled": ({"RescaleSlope": 2, "RescaleIntercept": -100, "WindowCenter": 3996, "WindowWidth": 8192}, EXPECTED),
    # Rows run to the patient's right and columns to the head.
    "turned": ({"PatientOrientation": ["R", "H"]}, EXPECTED[::-1]),
    "transposed": ({"PatientOrientation": ["F", "L"]}, [EXPECTED[0], EXPECTED[2], EXPECTED[1], EXPECTED[3]]),
}


def test_dicom_is_shown_without_an_answer_as_the_file_asks(page: Page, server: PageServer, tmp_path: Path) -> None:
    """The answers are refusals without a picture: what is seen was read by the browser."""
    paths = []
    for name, (changes, _) in FILES.items():
        path = tmp_path / f"{name}.dcm"
        path.write_bytes(dicom_file(LEVELS, **{"transfer_syntax": EXPLICIT, **WINDOW, **changes}))
        server.answers[path.read_bytes()] = [Problem("not_a_radiograph", "Unlike a chest.")]
        paths.append(path)
    drop(page, *paths)

    for name, (_, expected) in FILES.items():
        page.get_by_role("button", name=f"{name}.dcm", exact=True).click()
        label = re.compile(rf"{name}\.dcm, 1\d\d x 1\d\d pixels")
        expect(page.locator("#stage")).to_have_attribute("aria-label", label)
        expect(page.locator("#stage-note")).to_be_hidden()
        shown(page, expected, within=1)


def test_baseline_jpeg_in_dicom_is_decoded_by_the_browser(page: Page, server: PageServer, tmp_path: Path) -> None:
    content = dicom_file(LEVELS // 16, transfer_syntax=BASELINE, bits=8)
    open_dicom(page, server, tmp_path / "one.dcm", content, Problem("not_a_radiograph", "Unlike a chest."))
    until_shown(page)
    low, high = LEVELS.min() // 16, LEVELS.max() // 16
    stretched = [round(255 * (level - low) / (high - low)) for level in (25, 87, 150, 212)]
    shown(page, stretched, within=4)


def test_dicom_that_no_browser_decodes_is_seen_with_the_answer(page: Page, server: PageServer, tmp_path: Path) -> None:
    server.seconds = 1.0
    picture = Image.fromarray((LEVELS // 16).astype(np.uint8))
    answer = prediction(0.93, radiograph={"media_type": "image/png", "data": png(picture)})
    open_dicom(page, server, tmp_path / "one.dcm", dicom_file(LEVELS, transfer_syntax=J2K_LOSSLESS), answer)

    expect(page.locator("#stage-note")).to_contain_text("comes with the answer")
    expect(page.locator("#stage-note")).to_be_hidden()
    shown(page, [25, 87, 150, 212], within=0)
    expect(page.locator("#readout")).to_contain_text("The picture that the model was shown")
    expect(page.get_by_role("button", name="Map", exact=True)).to_be_enabled()


def test_of_two_drawings_that_differ_the_models_is_shown(page: Page, server: PageServer, tmp_path: Path) -> None:
    """Whatever the page's own reader gets wrong, nobody reads a negative beside the answer to a positive."""
    levels = (LEVELS // 16).astype(np.uint8)
    same, other = ({"media_type": "image/png", "data": png(Image.fromarray(one))} for one in (levels, 255 - levels))
    content = dicom_file(LEVELS, **WINDOW)
    open_dicom(page, server, tmp_path / "same.dcm", content, prediction(0.93, radiograph=same))
    expect(page.get_by_role("button", name="Map", exact=True)).to_be_enabled()
    assert "The picture that the model was shown" not in page.locator("#readout").inner_text()

    content = dicom_file(LEVELS, **WINDOW, ImageComments="another")
    open_dicom(page, server, tmp_path / "other.dcm", content, prediction(0.93, radiograph=other))
    page.get_by_role("button", name="other.dcm", exact=True).click()
    expect(page.locator("#readout")).to_contain_text("looked different as this browser reads it")
    shown(page, [230, 168, 105, 43], within=0)
    expect(page.get_by_role("button", name="Map", exact=True)).to_be_enabled()


def test_no_picture_is_promised_once_there_is_none(page: Page, server: PageServer, tmp_path: Path) -> None:
    refusal = Problem("not_a_radiograph", "Unlike a chest.")
    open_dicom(page, server, tmp_path / "one.dcm", dicom_file(LEVELS, transfer_syntax=J2K_LOSSLESS), refusal)
    expect(page.locator("#sentence")).to_contain_text("Unlike a chest.")
    expect(page.locator("#stage-note")).to_contain_text("No picture of it came from the API.")
    expect(page.locator("#stage-note")).not_to_contain_text("comes with the answer")
    expect(page.locator("#feedback-status")).to_contain_text("it stays in this list")


def only_the_api_shows() -> dict[str, bytes]:
    """A dataset without preamble and meta information, in each way to write one, and grey levels said for the frame."""
    files = {syntax: dicom_file(LEVELS, transfer_syntax=syntax) for syntax in (EXPLICIT, IMPLICIT, BIG)}
    alone = {f"alone {number}": data[end_of_meta(data, 132) :] for number, data in enumerate(files.values())}
    levels = Dataset()
    levels.RescaleSlope, levels.RescaleIntercept, levels.RescaleType = -1, 4095, "US"
    group = Dataset()
    group.PixelValueTransformationSequence = [levels]
    return {**alone, "for the frame": dicom_file(LEVELS, SharedFunctionalGroupsSequence=[group])}


def test_what_only_the_api_reads_is_sent_as_dicom_and_seen_with_the_answer(
    page: Page, server: PageServer, tmp_path: Path
) -> None:
    """The API takes them, so the page does; that it showed the last one by itself would show a negative."""
    server.seconds = 0.5
    picture = Image.fromarray((LEVELS // 16).astype(np.uint8))
    answer = prediction(0.93, radiograph={"media_type": "image/png", "data": png(picture)})
    for name, content in only_the_api_shows().items():
        open_dicom(page, server, tmp_path / f"{name}.dcm", content, answer)
        page.get_by_role("button", name=f"{name}.dcm", exact=True).click()
        expect(page.locator("#stage-note")).to_contain_text("comes with the answer")
        expect(page.locator("#stage-note")).to_be_hidden()
        shown(page, [25, 87, 150, 212], within=0)


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"ImagerPixelSpacing": [0.2, 0.2]}, "10.0 mm at the detector"),
        ({"PixelSpacing": [0.1, 0.1], "ImagerPixelSpacing": [0.2, 0.2], "PixelSpacingCalibrationType": "FIDUCIAL"},
         "5.0 mm in the patient"),
    ],
)  # fmt: skip
def test_millimetres_are_those_that_the_file_states(
    page: Page, server: PageServer, tmp_path: Path, attributes: dict[str, Any], said: str
) -> None:
    open_dicom(page, server, tmp_path / "one.dcm", dicom_file(LEVELS, **attributes), prediction(0.5))
    until_shown(page)
    page.get_by_role("button", name="Measure").click()
    drag_over_fifty_pixels(page)
    expect(page.locator("#measured")).to_contain_text(said)


def test_a_large_radiograph_is_the_same_at_a_glance_and_enlarged(
    page: Page, server: PageServer, tmp_path: Path
) -> None:
    """At a glance a copy at half its size is drawn, enlarged its own pixels; the window holds for both."""
    levels = np.kron(LEVELS, np.ones((5, 24), np.int64))
    (tmp_path / "one.dcm").write_bytes(dicom_file(levels, **WINDOW))
    page.get_by_label("Choose files").set_input_files(tmp_path / "one.dcm")
    label = f"The radiograph in one.dcm, {levels.shape[1]} x {levels.shape[0]} pixels"
    expect(page.locator("#stage")).to_have_attribute("aria-label", label)
    page.locator("#stage").focus()
    for _ in range(2):
        for expected in (EXPECTED, [255 - level for level in EXPECTED]):
            found = [grey_at(page, across, down) for down in (0.48, 0.52) for across in (0.4, 0.6)]
            assert found == pytest.approx(expected, abs=1)
            page.keyboard.press("i")
        for _ in range(8):
            page.keyboard.press("+")


def test_the_reader_of_dicom_is_loaded_with_the_first_such_file(page: Page, server: PageServer, tmp_path: Path) -> None:
    assert "/vendor/dicomParser.min.js" not in server.sent
    open_dicom(page, server, tmp_path / "one.dcm", dicom_file(LEVELS), prediction(0.5))
    until_shown(page)
    assert "/vendor/dicomParser.min.js" in server.sent
