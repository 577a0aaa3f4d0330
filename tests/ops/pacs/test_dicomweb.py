"""Archives that refuse, fail, are slow or are none: one sentence each, and nothing is sent twice."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from dicom_results import source
from ops.base.errors import CommandError, ExitCode
from tests.dicom_results.radiographs import STUDY, opened, picture, radiograph, result
from tests.http_server import serving


def setup_module() -> None:
    """Import what takes seconds: collecting does without."""
    global Archive, capture, report
    from dicom_results import capture, report
    from ops.pacs.dicomweb import Archive


DICOM_JSON = "application/dicom+json"


class Fake:
    """An archive that answers as it is told.

    Attributes:
        found: UIDs that it has, by its own word.
        query: status of its answers to queries, where not 200.
        answers: status, media type and document of each answer to STOW-RS.
        delay: seconds before each answer to STOW-RS.
        stows: bodies sent by STOW-RS; `asked` is the number of queries.
    """

    def __init__(self) -> None:
        self.found: set[str] = set()
        self.query = 200
        self.answers: list[tuple[int, str, Any]] = []
        self.delay = 0.0
        self.stows: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.asked = 0
        archive = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                archive.asked += 1
                uid = self.path.rpartition("=")[2]
                document = [{"00080018": {"vr": "UI", "Value": [uid]}}] if uid in archive.found else []
                self.answer(archive.query, DICOM_JSON, document if archive.query == 200 else {"error": "no"})

            def do_POST(self) -> None:
                archive.stows.append(self.rfile.read(int(self.headers["Content-Length"])))
                archive.headers.append({name.lower(): value for name, value in self.headers.items()})
                time.sleep(archive.delay)
                self.answer(*archive.answers.pop(0))

            def answer(self, status: int, media_type: str, document: Any) -> None:
                content = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(status)
                if status in {301, 302, 307}:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Type", media_type)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_arguments: object) -> None:
                """Silent."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_arguments: object) -> None:
                """Silent: who gave up waiting has closed the connection."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/dicom-web"


@pytest.fixture
def fake() -> Iterator[Fake]:
    made = Fake()
    with serving(made.server):
        yield made


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """A report and a saliency map, in a folder `results` of the test's own."""
    (tmp_path / "image.dcm").write_bytes(radiograph())
    reference, folder = source.read(tmp_path / "image.dcm"), tmp_path / "results"
    folder.mkdir()
    (folder / "a.report.dcm").write_bytes(report.make(reference, result()))
    (folder / "a.saliency.dcm").write_bytes(capture.make(reference, result(), picture()))
    return sorted(folder.iterdir())


def uid(path: Path) -> str:
    return str(opened(path.read_bytes()).SOPInstanceUID)


def told(*, stored: list[Path] = [], failed: dict[Path, int] = {}) -> dict[str, Any]:  # noqa: B006 - read only
    """A Store Instances Response (PS3.18, annex I)."""
    document: dict[str, Any] = {}
    if stored:
        items = [{"00081155": {"vr": "UI", "Value": [uid(path)]}} for path in stored]
        document["00081199"] = {"vr": "SQ", "Value": items}
    if failed:
        items = [
            {"00081155": {"vr": "UI", "Value": [uid(path)]}, "00081197": {"vr": "US", "Value": [reason]}}
            for path, reason in failed.items()
        ]
        document["00081198"] = {"vr": "SQ", "Value": items}
    return document


def test_one_request_a_study_with_every_byte_of_the_files(fake: Fake, files: list[Path]) -> None:
    fake.answers = [(200, DICOM_JSON, told(stored=files))]
    outcome = Archive(fake.url).store(files)
    assert (outcome.stored, outcome.present, outcome.failed) == (files, [], {})
    assert len(fake.stows) == 1
    assert all(path.read_bytes() in fake.stows[0] for path in files)
    assert STUDY not in fake.headers[0]["content-type"]


@pytest.mark.parametrize(
    ("status", "media_type"),
    [(202, DICOM_JSON), (202, f"{DICOM_JSON}; charset=utf-8"), (409, DICOM_JSON), (400, "application/json")],
)
def test_which_instance_was_refused(fake: Fake, files: list[Path], status: int, media_type: str) -> None:
    """202 is success for the HTTP client, and an archive's word that it kept one of the two."""
    kept, refused = files
    fake.answers = [(status, media_type, told(stored=[kept], failed={refused: 0xA700}))]
    outcome = Archive(fake.url).store(files)
    assert outcome.stored == [kept]
    reason = "it is out of resources (failure reason A700H)"
    assert outcome.failed == {refused: f"{fake.url} did not store {refused}: {reason}."}
    assert len(fake.stows) == 1, "nothing is sent a second time"


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (0x0110, "it failed to process it (failure reason 0110H)"),
        (0x0122, "it does not take its SOP class (failure reason 0122H)"),
        (0xA7FF, "it is out of resources (failure reason A7FFH)"),
        (0xA901, "it finds that it does not match its SOP class (failure reason A901H)"),
        (0xC123, "it cannot understand it (failure reason C123H)"),
        (0x0001, "it gave a reason of its own (failure reason 0001H)"),
    ],
)
def test_reasons_are_put_in_words(fake: Fake, files: list[Path], reason: int, words: str) -> None:
    fake.answers = [(409, DICOM_JSON, told(failed=dict.fromkeys(files, reason)))]
    assert all(words in sentence for sentence in Archive(fake.url).store(files).failed.values())


def test_the_next_call_sends_what_is_lacking_and_nothing_else(fake: Fake, files: list[Path]) -> None:
    kept, refused = files
    fake.found = {uid(kept)}
    fake.answers = [(200, DICOM_JSON, told(stored=[refused]))]
    outcome = Archive(fake.url).store(files)
    assert (outcome.stored, outcome.present) == ([refused], [kept])
    assert kept.read_bytes() not in fake.stows[0]
    fake.found |= {uid(refused)}
    assert Archive(fake.url).store(files).present == files
    assert len(fake.stows) == 1


@pytest.mark.parametrize("media_type", ["text/plain", DICOM_JSON])
@pytest.mark.parametrize("document", [b"", b"<xml/>", b"[]", b"[1]", b'{"00081199": 1}', {"00081199": {"vr": "SQ"}}])
def test_an_answer_that_names_nobody_is_settled_by_asking(
    fake: Fake, files: list[Path], document: Any, media_type: str
) -> None:
    kept, lost = files
    fake.answers = [(200, media_type, document)]
    before = fake.asked
    archive = Archive(fake.url)
    archive._has = lambda _study, one: fake.stows != [] and one == uid(kept)  # type: ignore[method-assign]
    outcome = archive.store(files)
    assert outcome.stored == [kept]
    assert outcome.failed == {lost: f"{fake.url} did not store {lost}: it gave no reason (HTTP 200)."}
    assert fake.asked == before


@pytest.mark.parametrize("status", [400, 404, 405, 501])
def test_an_archive_that_answers_no_queries_is_sent_everything(fake: Fake, files: list[Path], status: int) -> None:
    fake.query = status
    fake.answers = [(200, DICOM_JSON, told(stored=files))]
    assert Archive(fake.url).store(files).stored == files


@pytest.mark.parametrize(
    ("status", "words", "code"),
    [
        (401, "does not accept who asks (HTTP 401): put credentials into ~/.netrc", ExitCode.UNAVAILABLE),
        (403, "does not accept who asks (HTTP 403)", ExitCode.UNAVAILABLE),
        (404, "there is no DICOMweb service (HTTP 404)", ExitCode.UNAVAILABLE),
        (503, "it is busy (HTTP 503)", ExitCode.UNAVAILABLE),
        (307, "it redirects to another address", ExitCode.UNAVAILABLE),
        (302, "it redirects to another address", ExitCode.UNAVAILABLE),
        (500, "failed (HTTP 500)", ExitCode.FAILED),
    ],
)
def test_an_archive_that_stores_nothing(fake: Fake, files: list[Path], status: int, words: str, code: ExitCode) -> None:
    """A redirected POST would come back as a GET, which succeeds."""
    fake.answers = [(status, "text/html", b"<html>")]
    with pytest.raises(CommandError, match="Nothing is lost") as caught:
        Archive(fake.url).store(files)
    assert words in str(caught.value)
    assert caught.value.exit_code == code
    assert len(fake.stows) == 1


def test_a_server_that_is_no_archive(fake: Fake, files: list[Path]) -> None:
    fake.query, fake.answers = 404, [(200, "text/html", b"<html>welcome</html>")]
    outcome = Archive(fake.url).store(files)
    assert (outcome.stored, len(outcome.failed)) == ([], 2)


def test_one_that_is_slow_is_not_waited_for_without_end(fake: Fake, files: list[Path]) -> None:
    fake.delay, fake.answers = 0.6, [(200, DICOM_JSON, told(stored=files))]
    with pytest.raises(CommandError, match=r"did not answer within 0\.2 s") as caught:
        Archive(fake.url, read_seconds=0.2).store(files)
    assert caught.value.exit_code == ExitCode.TIMED_OUT


def test_one_that_is_down_is_reported_before_anything_is_sent(files: list[Path]) -> None:
    with pytest.raises(CommandError, match="nothing answers there") as caught:
        Archive("http://127.0.0.1:1/dicom-web").store(files)
    assert caught.value.exit_code == ExitCode.UNAVAILABLE


@pytest.mark.parametrize("url", ["pacs:8042", "ftp://pacs/dicom-web", "https://", "dicom-web"])
def test_what_is_no_address_is_wrong_usage(url: str) -> None:
    with pytest.raises(CommandError, match="no address of a DICOMweb service") as caught:
        Archive(url)
    assert caught.value.exit_code == ExitCode.USAGE


def test_a_password_belongs_into_a_file(
    fake: Fake, files: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And a token, where there is one, goes before it."""
    with pytest.raises(CommandError, match=r"~/\.netrc") as caught:
        Archive("https://me:secret@pacs/dicom-web")
    assert "secret" not in str(caught.value)
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    fake.answers = [(200, DICOM_JSON, told(stored=files))] * 2
    Archive(fake.url).store(files)
    monkeypatch.setenv("CXR_PACS_TOKEN", "abc")
    Archive(fake.url).store(files)
    given = [headers["authorization"] for headers in fake.headers]
    assert given == [f"Basic {base64.b64encode(b'me:secret').decode()}", "Bearer abc"]


class TestStore:
    """`cxr store`: what was written once gets into the archive, whenever that is there."""

    def test_a_folder_is_stored_and_then_stays(self, cxr: Callable[..., Result], fake: Fake, files: list[Path]) -> None:
        fake.answers = [(200, DICOM_JSON, told(stored=files))]
        done = cxr("store", str(files[0].parent), "--to", fake.url)
        assert (done.exit_code, done.stderr.strip()) == (0, f"{fake.url}: 2 stored.")
        fake.found = set(map(uid, files))
        again = cxr("store", str(files[0].parent), "--to", fake.url)
        assert (again.exit_code, again.stderr.strip()) == (0, f"{fake.url}: 0 stored, 2 there already.")
        assert all(path.exists() for path in files)

    def test_one_that_is_refused_ends_with_1(self, cxr: Callable[..., Result], fake: Fake, files: list[Path]) -> None:
        fake.answers = [(202, DICOM_JSON, told(stored=files[:1], failed={files[1]: 0xA700}))]
        done = cxr("store", *map(str, files), "--to", fake.url)
        assert done.exit_code == ExitCode.FAILED
        assert f"did not store {files[1]}: it is out of resources" in done.stderr
        assert f"{fake.url}: 1 stored, 1 failed." in done.stderr

    def test_nothing_but_results_is_ever_sent(
        self, cxr: Callable[..., Result], fake: Fake, files: list[Path], tmp_path: Path
    ) -> None:
        """A folder by mistake must not fill an archive with the radiographs that lie in it."""
        (tmp_path / "empty").mkdir()
        fake.answers = [(200, DICOM_JSON, told(stored=files))]
        named = [tmp_path / "image.dcm", tmp_path / "empty", tmp_path / "absent", tmp_path]
        done = cxr("store", *map(str, named), "--to", fake.url)
        assert done.exit_code == ExitCode.FAILED
        assert f"{tmp_path / 'image.dcm'} is no result of `cxr predict --dicom`." in done.stderr
        assert f"{tmp_path / 'absent'} does not exist." in done.stderr
        assert (tmp_path / "image.dcm").read_bytes() not in fake.stows[0]

    def test_a_folder_without_results_is_none_to_send(
        self, cxr: Callable[..., Result], fake: Fake, tmp_path: Path
    ) -> None:
        """A timer calls it each minute."""
        done = cxr("store", str(tmp_path), "--to", fake.url)
        assert (done.exit_code, done.stderr.strip()) == (0, f"{fake.url}: 0 stored.")
        assert (fake.asked, fake.stows) == (0, [])

    def test_a_damaged_result_is_reported_and_the_others_go_on(
        self, cxr: Callable[..., Result], fake: Fake, files: list[Path]
    ) -> None:
        files[0].write_bytes(files[0].read_bytes()[:400])
        fake.answers = [(200, DICOM_JSON, told(stored=files[1:]))]
        done = cxr("store", str(files[0].parent), "--to", fake.url)
        assert done.exit_code == ExitCode.FAILED
        assert f"{files[0]} cannot be read as a DICOM file." in done.stderr
        assert "1 stored, 1 failed" in done.stderr

    def test_no_value_of_a_patient_is_reported(
        self,
        cxr: Callable[..., Result],
        fake: Fake,
        files: list[Path],
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Whatever a result took over from its radiograph."""
        secret = radiograph(PatientID="SECRET" * 10).replace(b"LO\x3c\0" + b"SECRET" * 10, b"LO\x42\0" + b"SECRET" * 11)
        (tmp_path / "image.dcm").write_bytes(secret)
        files[0].write_bytes(report.make(source.read(tmp_path / "image.dcm"), result()))
        assert b"SECRET" * 11 in files[0].read_bytes()
        fake.answers = [(409, DICOM_JSON, told(failed={files[0]: 0xA900}))]
        done = cxr("store", str(files[0]), "--to", fake.url)
        assert done.exit_code == ExitCode.FAILED
        assert "SECRET" not in done.output + caplog.text

    def test_an_unencrypted_way_is_said(self, cxr: Callable[..., Result], files: list[Path]) -> None:
        done = cxr("store", str(files[0]), "--to", "http://pacs.invalid/dicom-web")
        assert "without encryption" in done.stderr
        assert done.exit_code == ExitCode.UNAVAILABLE
