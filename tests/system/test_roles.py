"""Four people at their tasks, by the real commands and addresses of the deployed stack, without a dead end.

A dead end is a step that ends otherwise than it should, a refusal that does not say what to do, or a piece of advice
that names a command or an option that there is not.
"""

from __future__ import annotations

import html
import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urljoin
from urllib.request import Request, urlopen

import pytest

from openapi.examples import PREDICTION_ID
from ops.cli import commands
from tests.system.deployed import Stack

pytestmark = [pytest.mark.system, pytest.mark.slow]

_ADVICE = re.compile(r"`(cxr [^`]+)`")
# What an advice leaves for the person to fill in, such as PATH or ARCHIVE.
_OPTIONS = re.compile(r"(?<!\S)-{1,2}[a-z][a-z-]*")


class Walk:
    """One person's way through the tasks.

    Attributes:
        dead_ends: a sentence for each.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.dead_ends: list[str] = []

    def cxr(self, arguments: str, *, ends: int = 0, says: str = "") -> str:
        """Run a command; its standard output.

        Args:
            arguments: as one types them.
            ends: exit code that it should have.
            says: regular expression of what has to be in what it prints.
        """
        done = self.stack.cxr(*shlex.split(arguments))
        printed = f"{done.stdout}\n{done.stderr}"
        if done.returncode != ends:
            self.dead_ends.append(f"cxr {arguments} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
        if not re.search(says, printed, re.DOTALL):
            self.dead_ends.append(f"cxr {arguments} does not say {says!r}: {printed.strip()[:300]}")
        if done.returncode and not re.search(r"`|docs/|Fill in|No such file", done.stderr):
            self.dead_ends.append(f"cxr {arguments} refuses without saying what to do: {done.stderr.strip()}")
        self.dead_ends += [f"cxr {arguments} advises {one}" for one in _ADVICE.findall(printed) if not _exists(one)]
        return str(done.stdout)

    def asks(self, path: str, *, answers: int = 200, code: str = "", **request: Any) -> dict[str, Any]:
        """Ask the API; a refusal has to have its code and a sentence.

        Args:
            path: below the API's address.
            answers: status that it should have.
            code: of the refusal.
            request: of `Stack.request`.
        """
        answer = self.stack.request(path, **request)
        if (answer.status, answer.document.get("code", "")) != (answers, code):
            self.dead_ends.append(f"{path} answered {answer.status}: {answer.document}")
        if code and len(str(answer.document.get("detail"))) < 20:
            self.dead_ends.append(f"{path} refuses without a reason: {answer.document}")
        return answer.document

    def opens(self, address: str) -> str:
        """Open an address in a browser's way, without a key; what it shows."""
        try:
            with urlopen(Request(address, headers={"accept": "text/html, */*"}), timeout=60) as answer:
                return str(answer.read().decode("utf-8", "replace"))
        except HTTPError as error:
            self.dead_ends.append(f"{address} answered {error.code}")
            return ""


def _exists(advice: str) -> bool:
    """Whether there is such a command with such options."""
    words = shlex.split(advice)[1:]
    known = commands()
    if words[:1] == ["--env"]:
        words = words[2:]
    name = next((found for length in (2, 1) if (found := " ".join(words[:length])) in known), None)
    if name is None:
        return advice in {"cxr labels"}
    options = {option for one in known[name].params for option in (*one.opts, *one.secondary_opts)}
    return set(_OPTIONS.findall(advice)) <= options


@pytest.fixture
def walk(stack: Stack, released: str) -> Iterator[Walk]:
    del released
    made = Walk(stack)
    yield made
    assert made.dead_ends == []


def test_a_data_scientist_finds_what_was_trained_on_what_and_how_well(walk: Walk, tmp_path: Path) -> None:
    walk.cxr("status")
    (token, *_rest) = walk.cxr("datasets").splitlines()[1].split()
    walk.cxr(f"start {token} --set Epochs=none", ends=2, says="Epochs")
    # Other tests start executions in this stack too: the first one is what registered version 1.
    trained = json.loads(walk.cxr("executions --limit 100 --json"))[-1]["id"]
    walk.cxr(f"watch {trained}", says="version 1 is registered, `cxr approve 1`")
    walk.cxr(f"logs {trained} --step TrainModel", says="Trained and exported")
    walk.cxr(f"logs {trained} --step NoSuchStep", ends=1, says="`--step` takes one of: .*TrainModel")
    report = tmp_path / "report.html"
    walk.cxr(f"report {trained} --save {report}", says="test_predictions.csv")
    page = report.read_text(encoding="utf-8")
    assert trained in page
    walk.dead_ends += [f"the report has no #{to}" for to in _missing_anchors(page)]
    walk.cxr("compare 1 1", says="AUROC")
    walk.cxr(f"labels export {trained} --csv {tmp_path / 'review.csv'}", says="the most suspect first")


def test_a_client_gets_from_the_documents_to_an_answer_and_out_of_each_refusal(
    walk: Walk, examples: dict[str, Path], tmp_path: Path
) -> None:
    url = walk.stack.url
    document = json.loads(walk.opens(urljoin(url, "openapi.json")))
    page = walk.opens(urljoin(url, "docs"))
    walk.dead_ends += [f"/docs does not have {path}" for path in document["paths"] if path not in page]
    walk.dead_ends += [f"/docs has no #{to}" for to in _missing_anchors(page)]
    image = examples["PNEUMONIA"].read_bytes()
    jpeg = {"content-type": "image/jpeg"}
    walk.asks("v1/health")
    made = walk.asks("v1/predictions", body=image, headers=jpeg)
    kept = f"v1/predictions/{made['id']}"
    walk.asks(kept)
    walk.asks(f"{kept}/feedback", body=b'{"label": "PNEUMONIA"}', headers={"content-type": "application/json"})
    walk.asks("v1/model")
    (tmp_path / "radiograph.jpeg").write_bytes(image)
    variables = {"API_URL": url.rstrip("/"), "API_KEY": walk.stack.key}
    page = page.replace(PREDICTION_ID, made["id"])
    lines = [html.unescape(line) for line in re.findall("<pre[^>]*>(curl .*?)</pre>", page)]
    assert len(lines) == sum(map(len, document["paths"].values()))
    for line in lines:
        asked = ["bash", "-c", line.replace("curl ", "curl --silent --show-error --fail ", 1)]
        done = subprocess.run(
            asked, env={**os.environ, **variables}, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        walk.dead_ends += [f"{line}: {done.stderr}"] if done.returncode else []
    walk.asks("v1/predictions", answers=400, code="undecodable_image", body=image[:500], headers=jpeg)
    walk.asks(
        "v1/predictions",
        answers=415,
        code="unsupported_media_type",
        body=b"hello",
        headers={"content-type": "text/plain"},
    )
    walk.asks("v1/prediction", answers=404, code="not_found")
    walk.asks(kept.replace(made["id"][:8], "00000000"), answers=404, code="prediction_not_found")


def test_a_reader_gets_an_answer_with_its_map_and_reviews_labels(
    walk: Walk, examples: dict[str, Path], tmp_path: Path
) -> None:
    page = walk.opens(walk.stack.page_url)
    parts = re.findall(r'(?:src|href)="([^":#]+)"', page)
    assert parts, "the page has a script and a style sheet"
    for part in parts:
        walk.opens(urljoin(walk.stack.page_url, part))
    folder = tmp_path / "overlays"
    files = " ".join(shlex.quote(str(file)) for file in examples.values())
    walk.cxr(f"predict {files} --overlay {folder}", says="PNEUMONIA.*For research use only")
    assert len(list(folder.iterdir())) == len(examples)
    table = tmp_path / "review.csv"
    trained = json.loads(walk.cxr("executions --limit 100 --json"))[-1]["id"]
    walk.cxr(f"labels export {trained} --csv {table}")
    walk.cxr(f"labels import {table} --execution {trained}", ends=1, says="Fill in")
    walk.cxr(f"predict {tmp_path / 'nothing'}", ends=1)


def test_a_platform_engineer_finds_what_stands_what_it_lacks_and_what_it_costs(walk: Walk, tmp_path: Path) -> None:
    shown = json.loads(walk.cxr("status --json"))
    assert shown["endpoint_status"] == "InService"
    walk.cxr("doctor", says="credentials +fine")
    walk.cxr(f"cost --assembly {walk.stack.workspace / 'cdk.out'}", says="Standing, a month: ")
    walk.cxr(f"cost --assembly {tmp_path}", ends=3, says="make synth")
    walk.cxr("models", says="serving")
    walk.cxr("--env prod status", ends=3, says="make deploy ENV=prod")
    walk.cxr("reject 99 --reason none", ends=1, says="has no version 99: there are")


def _missing_anchors(page: str) -> set[str]:
    return set(re.findall(r'href="#([^"]+)"', page)) - set(re.findall(r'\bid="([^"]+)"', page))
