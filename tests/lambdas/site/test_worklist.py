"""The page's worklist in a browser: many files, each with its own answer, asked no faster than the API allows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lambdas.http.problems import KINDS, Problem
from model_code.contract.images import other_format
from tests.lambdas.site.radiographs import answered, grey, table
from tests.page_server import KEY, PageServer, prediction

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global drop, expect
    from playwright.sync_api import expect

    from tests.browser import drop


def names(page: Page) -> list[str]:
    return page.locator("#rows .name").all_text_contents()


def row(page: Page, name: str):
    return page.locator("#rows tr", has=page.get_by_role("button", name=name, exact=True))


@pytest.fixture
def several(server: PageServer, tmp_path: Path) -> list[Path]:
    """One file of each kind of answer, none of them in the order in which they are to be read."""
    kinds = {
        "normal.png": prediction(0.05),
        "damaged.png": Problem("undecodable_image", "The picture ends too early."),
        "refused.png": Problem("not_a_radiograph", "This is unlike every chest radiograph."),
        "ill.png": prediction(0.93),
        "between.png": prediction(0.5),
    }
    return [
        answered(server, tmp_path / name, number, answer)
        for number, (name, answer) in enumerate(kinds.items(), start=1)
    ]


def test_what_needs_a_look_comes_first_and_what_has_no_answer_last(page: Page, several: list[Path]) -> None:
    drop(page, *several, onto="footer")

    expect(row(page, "damaged.png")).to_contain_text("The picture ends too early.")
    expect(row(page, "refused.png")).to_contain_text("refused")
    expect(row(page, "between.png")).to_contain_text("INDETERMINATE")
    expect(row(page, "ill.png")).to_contain_text("PNEUMONIA")
    expect(row(page, "normal.png")).to_contain_text("NORMAL")
    assert names(page) == ["between.png", "ill.png", "normal.png", "refused.png", "damaged.png"]
    assert "NORMAL" not in row(page, "between.png").inner_text(), "indeterminate is no label"
    said = page.locator("#progress").inner_text()
    assert set(said.split(", ")) == {"1 indeterminate", "1 PNEUMONIA", "1 NORMAL", "1 refused", "1 error"}

    page.get_by_label("Order").select_option("added")
    assert names(page) == [path.name for path in several]


def test_every_row_opens_with_its_own_name_answer_and_picture(page: Page, several: list[Path]) -> None:
    drop(page, *several)
    expect(row(page, "refused.png")).to_contain_text("refused")
    expect(row(page, "between.png")).to_contain_text("INDETERMINATE")
    expected = {
        "normal.png": ("NORMAL: probability of pneumonia 0.050.", 1),
        "ill.png": ("PNEUMONIA: probability of pneumonia 0.930.", 4),
        "between.png": ("Indeterminate: probability of pneumonia 0.500", 5),
        "refused.png": ("This is unlike every chest radiograph.", 3),
    }
    for name, (sentence, level) in expected.items():
        page.get_by_role("button", name=name, exact=True).click()
        expect(page.locator("#identity")).to_have_text(name)
        expect(page.locator("#sentence")).to_contain_text(sentence)
        expect(page.locator("#stage")).to_have_attribute("aria-label", f"The radiograph in {name}, 120 x 100 pixels")
        grey_level = page.evaluate(
            """async () => {
                for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame);
                const canvas = document.querySelector("#canvas");
                return canvas.getContext("2d").getImageData(canvas.width * 0.3, canvas.height / 2, 1, 1).data[0];
            }"""
        )
        assert grey_level == level, "another file's picture"


def test_a_row_that_is_opened_again_is_named_when_it_is_shown_again(page: Page, several: list[Path]) -> None:
    """A label must not tell somebody who hears it of a radiograph that is not there yet."""
    drop(page, *several)
    shown = "The radiograph in normal.png, 120 x 100 pixels"
    expect(page.locator("#stage")).to_have_attribute("aria-label", shown)
    page.evaluate(
        """() => {
            const read = Blob.prototype.arrayBuffer;
            const held = new Promise((go) => { window.go = go; });
            Blob.prototype.arrayBuffer = async function () { await held; return read.call(this); };
        }"""
    )
    page.get_by_role("button", name="normal.png", exact=True).click()
    expect(page.locator("#stage-note")).to_have_text("Opening…")
    expect(page.locator("#stage")).to_have_attribute("aria-label", "No radiograph of normal.png is shown")
    page.evaluate("window.go()")
    expect(page.locator("#stage")).to_have_attribute("aria-label", shown)


def test_files_are_asked_a_few_at_a_time(page: Page, server: PageServer, tmp_path: Path) -> None:
    server.seconds = 0.2
    files = [answered(server, tmp_path / f"{number}.png", number, prediction(0.1)) for number in range(1, 9)]
    drop(page, *files)

    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.locator("#progress")).to_have_text("8 NORMAL")
    assert server.most_at_once == 3
    expect(page.get_by_role("progressbar")).to_be_hidden()


def test_a_throttled_file_is_sent_again_when_the_api_says_so(page: Page, server: PageServer, tmp_path: Path) -> None:
    """Retry-After is a second: nothing at all is sent before it is over."""
    files = [
        answered(server, tmp_path / f"{number}.png", number, Problem("throttled", "Slow down."), prediction(0.1))
        for number in (1, 2)
    ]
    drop(page, *files)

    expect(page.locator("#progress")).to_have_text("2 NORMAL")
    times = [moment for moment, _ in server.asked]
    assert len(times) == 4
    assert times[2] - times[1] >= 0.9
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_refused_key_stops_everything_until_there_is_another(
    page: Page, server: PageServer, several: list[Path]
) -> None:
    page.get_by_label("API key").fill("another key")
    drop(page, *several)
    expect(page.get_by_role("alert")).to_contain_text("api_key_required")
    assert server.asked == []

    page.get_by_label("API key").fill(KEY)
    page.get_by_role("button", name="Start").click()

    expect(row(page, "ill.png")).to_contain_text("0.930")
    expect(page.get_by_role("alert")).to_be_hidden()


def test_without_a_key_the_files_wait_for_it(page: Page, server: PageServer, several: list[Path]) -> None:
    page.get_by_label("API key").fill("")
    drop(page, *several)
    expect(page.get_by_label("API key")).to_be_focused()
    expect(page.get_by_role("alert")).to_contain_text("No API key")
    expect(page.locator("#stage")).to_have_attribute("aria-label", "The radiograph in normal.png, 120 x 100 pixels")

    page.get_by_label("API key").fill(KEY)
    page.get_by_label("API key").press("Enter")

    expect(row(page, "ill.png")).to_contain_text("0.930")


def test_a_folder_gives_its_radiographs_by_their_paths(page: Page, server: PageServer, tmp_path: Path) -> None:
    grey(tmp_path / "ward" / "one.png", 1)
    grey(tmp_path / "ward" / "deeper" / "two.png", 2)
    (tmp_path / "ward" / "notes.txt").write_text("no radiograph")
    page.get_by_label("Choose a folder").set_input_files(tmp_path / "ward")

    expect(page.locator("#progress")).to_have_text("2 NORMAL")
    assert sorted(names(page)) == ["ward/deeper/two.png", "ward/one.png"]
    expect(page.locator("#file-help")).to_contain_text("no JPEG, PNG or DICOM files: 1 of the folder")


def test_a_file_that_is_no_radiograph_is_a_row_and_is_not_sent(page: Page, server: PageServer, tmp_path: Path) -> None:
    letter = tmp_path / "letter.jpeg"
    letter.write_text("Dear colleague")
    page.get_by_label("Choose files").set_input_files([letter, grey(tmp_path / "one.png", 1)])

    expect(row(page, "letter.jpeg")).to_contain_text("letter.jpeg is no JPEG, PNG or DICOM file.")
    expect(row(page, "one.png")).to_contain_text("NORMAL")
    assert len(server.asked) == 1


OTHER_FORMATS = {
    "a.tif": b"II*\0",
    "a.gif": b"GIF89a",
    "a.bmp": b"BM\1\2\3\4\0\0\0\0",
    "a.webp": b"RIFF\1\2\3\4WEBP",
    "a.avif": b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf",
    "photo.jpg": b"\0\0\0\x18ftypheic\0\0\0\0",
    "a.jp2": b"\0\0\0\x0cjP  \r\n\x87\n",
    "a.jxl": b"\xff\x0a\xfa\x7f",
    "a.pdf": b"%PDF-1.7",
    "a.zip": b"PK\3\4",
    "a.xz": b"\xfd7zXZ\0",
    "a.pgm": b"P5\n640 480\n255\n",
    "page.jpeg": b"\n<!DOCTYPE html><html>",
    "pointer.png": b"version https://git-lfs.github.com/spec/v1\n",
}


def test_a_file_of_another_format_is_called_by_its_name(page: Page, server: PageServer, tmp_path: Path) -> None:
    """As by the API: a telephone's HEIC is called .jpg by whoever renamed it."""
    paths = [tmp_path / name for name in OTHER_FORMATS]
    for path, begin in zip(paths, OTHER_FORMATS.values(), strict=True):
        path.write_bytes(begin + bytes(200))
    page.get_by_label("Choose files").set_input_files(paths)

    for path in paths:
        other = other_format(path.read_bytes())
        assert other
        expect(row(page, path.name)).to_contain_text(f"{path.name} is {other}, which the model is not asked about")
    assert server.asked == []


def test_every_error_is_a_row_in_the_apis_own_words(page: Page, server: PageServer, tmp_path: Path) -> None:
    codes = sorted(set(KINDS) - {"throttled", "model_not_ready", "request_in_progress", "no_model_released"})
    files = [
        answered(server, tmp_path / f"{code}.png", number, Problem(code, f"Sentence {number}."), prediction(0.2))
        for number, code in enumerate(codes, start=1)
    ]
    drop(page, *files)

    for number, code in enumerate(codes, start=1):
        expect(row(page, f"{code}.png")).to_contain_text(f"{KINDS[code].title}. Sentence {number}.")
    expect(page.locator("#sentence")).to_contain_text("Sentence 1.")
    page.get_by_role("button", name="Ask again").click()
    expect(row(page, f"{codes[0]}.png")).to_contain_text("0.200")
    expect(page.locator("#stage")).to_be_focused()  # the button is gone


def test_a_lost_connection_is_said_and_what_waits_is_sent_later(
    page: Page, server: PageServer, several: list[Path]
) -> None:
    page.route("**/v1/predictions*", lambda route: route.abort())
    drop(page, *several)
    expect(page.get_by_role("alert")).to_contain_text("could not be reached")

    page.unroute("**/v1/predictions*")
    page.get_by_role("button", name="Start").click()

    expect(row(page, "ill.png")).to_contain_text("0.930")


def test_what_is_not_the_api_is_said_and_breaks_nothing(page: Page, server: PageServer, several: list[Path]) -> None:
    """A network's sign-in page answers 200 to everything: it was taken for a prediction."""
    page.route("**/v1/predictions*", lambda route: route.fulfill(content_type="text/html", body="<h1>Welcome</h1>"))
    drop(page, *several)
    expect(page.get_by_role("alert")).to_contain_text("Not the API")

    page.unroute("**/v1/predictions*")
    page.get_by_role("button", name="Send what waits").click()

    expect(row(page, "ill.png")).to_contain_text("0.930")
    expect(page.locator("#stage")).to_be_focused()
    expect(page.get_by_role("button", name="Send what waits")).to_be_hidden()


def test_json_of_something_else_stops_no_other_file(page: Page, server: PageServer, several: list[Path]) -> None:
    page.route(
        "**/v1/predictions*", lambda route: route.fulfill(content_type="application/json", body='{"message": "hello"}')
    )
    drop(page, *several)
    expect(page.get_by_role("alert")).to_contain_text("Not the API")
    page.unroute("**/v1/predictions*")
    page.get_by_role("button", name="Send what waits").click()
    expect(row(page, "ill.png")).to_contain_text("0.930")


def test_a_file_that_was_changed_since_holds_up_no_other(page: Page, server: PageServer, several: list[Path]) -> None:
    """A browser says only that the network failed, and nothing was sent any more."""
    page.get_by_label("API key").fill("")
    page.get_by_label("Choose files").set_input_files(several)
    expect(page.locator("#progress")).to_contain_text("waiting for the API key")
    several[0].write_bytes(several[0].read_bytes() + bytes(10))
    page.get_by_label("API key").fill(KEY)
    page.get_by_label("API key").press("Enter")

    expect(row(page, "normal.png")).to_contain_text("it was changed or removed. Choose it again.")
    expect(row(page, "ill.png")).to_contain_text("0.930")


def test_an_empty_file_and_one_above_the_limit_are_told_apart(page: Page, server: PageServer, tmp_path: Path) -> None:
    """Of the latter the form for an upload says the limit: nothing is sent that would be refused."""
    form = {"upload": "0" * 32, "url": "http://127.0.0.1:9/", "fields": {}, "max_bytes": 5_500_000}
    page.route("**/v1/uploads", lambda route: route.fulfill(content_type="application/json", body=json.dumps(form)))
    (tmp_path / "empty.png").write_bytes(b"")
    grey(tmp_path / "large.png", 1)
    (tmp_path / "large.png").write_bytes((tmp_path / "large.png").read_bytes() + bytes(6_000_000))
    page.get_by_label("Choose files").set_input_files([tmp_path / "empty.png", tmp_path / "large.png"])

    expect(row(page, "empty.png")).to_contain_text("empty.png is empty.")
    expect(row(page, "large.png")).to_contain_text("The file has 6.0 MB, and at most 5.5 MB are taken.")
    assert server.asked == []


def test_the_focus_stays_on_a_row_that_moves(page: Page, several: list[Path]) -> None:
    drop(page, *several)
    expect(row(page, "ill.png")).to_contain_text("0.930")
    for name in names(page):
        page.get_by_role("button", name=name, exact=True).focus()
        for order in ("name", "probability"):
            page.get_by_label("Order").evaluate(
                "(select, order) => { select.value = order; select.dispatchEvent(new Event('change')); }", order
            )
            expect(page.get_by_role("button", name=name, exact=True)).to_be_focused()


def test_files_of_one_name_are_told_apart(page: Page, server: PageServer, tmp_path: Path) -> None:
    """Media call the first image of every patient the same."""
    for ward, probability in enumerate((0.05, 0.93), start=1):
        drop(page, answered(server, tmp_path / str(ward) / "IM0001", ward, prediction(probability)))
    expect(row(page, "IM0001")).to_contain_text("NORMAL")
    expect(row(page, "IM0001 (2)")).to_contain_text("PNEUMONIA")
    page.get_by_role("button", name="Clear").click()
    drop(page, tmp_path / "1" / "IM0001")
    expect(row(page, "IM0001")).to_contain_text("NORMAL")


def test_a_file_that_cannot_be_read_takes_nothing_of_its_folder_along(page: Page, tmp_path: Path) -> None:
    """The drop was refused as a whole, or such a file counted as no radiograph: a study seemed complete."""
    found = page.evaluate(
        """async () => {
            const { dropped } = await import("./files.js");
            const png = new File([new Uint8Array([0x89, 0x50, 0x4e, 0x47])], "good.png");
            const good = { isFile: true, name: "good.png", file: (take) => take(png) };
            const gone = { isFile: true, name: "gone.png", file: (_, fail) => fail(new Error("NotFoundError")) };
            const batches = [[good, gone], []];
            const createReader = () => ({ readEntries: (take) => take(batches.shift()) });
            const folder = { isDirectory: true, name: "ward", createReader };
            const refuses = () => ({ readEntries: (_, fail) => fail(new Error()) });
            const locked = { isDirectory: true, name: "locked", createReader: refuses };
            batches[0].push(locked);
            const named = await dropped({ files: [], items: [{ webkitGetAsEntry: () => folder }] });
            const { Worklist } = await import("./worklist.js");
            const list = new Worklist(() => {});
            const notes = { file: new File(["notes"], "notes.txt"), name: "ward/notes.txt", inFolder: true };
            const { skipped } = await list.add([...named, notes]);
            return [skipped, ...list.rows.map(({ name, state, problem }) => [name, state, problem?.code])];
        }"""
    )
    assert found[0] == 1, "what is read, and is no radiograph"
    assert [row[0] for row in found[1:]] == ["ward/gone.png", "ward/good.png", "ward/locked"]
    assert [found[1][2], found[3][2]] == ["unreadable_file", "unreadable_file"]


def test_a_pasted_file_is_taken(page: Page, server: PageServer, tmp_path: Path) -> None:
    page.evaluate(
        """(content) => {
            const clipboardData = new DataTransfer();
            clipboardData.items.add(new File([new Uint8Array(content)], "pasted.png"));
            const how = { clipboardData, bubbles: true, cancelable: true };
            document.body.dispatchEvent(new ClipboardEvent("paste", how));
        }""",
        list(grey(tmp_path / "one.png", 1).read_bytes()),
    )
    expect(row(page, "pasted.png")).to_contain_text("NORMAL")


def test_the_table_has_the_columns_of_cxr_and_no_formulas(page: Page, server: PageServer, tmp_path: Path) -> None:
    from ops.api.predictions import COLUMNS

    files = [
        answered(server, tmp_path / "between.png", 1, prediction(0.5)),
        answered(server, tmp_path / "=1+1.png", 2, Problem("not_a_radiograph", 'Unlike a "chest", by far.')),
    ]
    drop(page, *files)
    expect(page.locator("#progress")).to_contain_text("1 refused")
    lines = table(page)

    assert list(lines[0])[:13] == [column for column in COLUMNS if column not in ("overlay", "dicom")]
    assert [line["path"] for line in lines] == ["between.png", "'=1+1.png"]
    assert (lines[0]["label"], lines[0]["probability"], lines[0]["indeterminate"]) == ("INDETERMINATE", "0.5", "true")
    assert (lines[1]["label"], lines[1]["code"]) == ("", "not_a_radiograph")
    assert lines[1]["error"] == 'Unlike a "chest", by far.'


def test_examples_are_read_without_a_file(page: Page, server: PageServer) -> None:
    page.get_by_role("button", name="Try drawn examples").dblclick()
    expect(page.locator("#progress")).to_have_text("4 NORMAL")
    drawn = json.loads((Path("lambdas/site/static/examples.json")).read_text())
    assert names(page) == [one["name"] for one in drawn]


def test_clearing_leaves_nothing_of_anybody(page: Page, server: PageServer, several: list[Path]) -> None:
    drop(page, *several)
    expect(row(page, "ill.png")).to_contain_text("0.930")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#worklist")).to_be_hidden()
    expect(page.locator("#reading")).to_be_hidden()
    assert names(page) == []
