"""The load generator finds what it looks for: lost and mixed-up answers, and a stack that falls behind."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from benchmarks.serving import load
from benchmarks.serving.load import MOST_REQUESTS, Answer, Client, Memory, arrivals, run, sentences, summary
from tests.http_server import serving

IMAGES = [b"\xff\xd8\xff\xe0" + bytes([number]) for number in range(3)]


@pytest.fixture
def api() -> Iterator[tuple[str, dict[int, object]]]:
    """An API whose answers are by image, and what it does instead at the nth request."""
    instead: dict[int, object] = {}
    count = itertools.count()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            image = self.rfile.read(int(self.headers["Content-Length"]))
            fault = instead.get(next(count))
            if isinstance(fault, float):
                time.sleep(fault)
            answer = {"probability": (fault if isinstance(fault, int) else image[-1]) / 10, "label": "NORMAL"}
            body = json.dumps(answer).encode()
            self.send_response(502 if fault == "error" else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}/", instead


def test_every_end_is_counted_and_a_late_one_from_when_it_was_due(api: tuple[str, dict[int, object]]) -> None:
    url, instead = api
    client = Client(url, "key", IMAGES)
    first = len(IMAGES)  # what was asked alone
    instead.update({first + 1: 9, first + 2: "error", first + 3: 0.5})
    answers = run(client, len(IMAGES), [0.0, 0.1, 0.2, 0.3, 0.4])
    assert [one.outcome for one in answers] == ["right", "mixed up", "HTTP 502", "right", "right"]
    assert answers[3].seconds >= 0.5
    assert answers[4].seconds < 0.5, "nobody waits for another's answer"


@pytest.mark.parametrize("host", [None, "abd.execute-api.us-east-1.amazonaws.com"])
def test_only_this_machine_is_asked_where_no_host_is_named(host: str | None) -> None:
    with pytest.raises(ValueError, match="not on this machine"):
        Client("https://abc.execute-api.us-east-1.amazonaws.com/api/", "key", IMAGES, host)


def test_a_named_host_is_asked(api: tuple[str, dict[int, object]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_LOOPBACK", frozenset())
    client = Client(api[0], "key", IMAGES, "127.0.0.1")
    assert [one.outcome for one in run(client, len(IMAGES), [0.0])] == ["right"]


def test_the_figures_say_what_was_asked_and_what_was_answered() -> None:
    answers = [Answer(number / 100, "right") for number in range(1, 101)]
    figures = summary([*answers, Answer(0.1, "HTTP 429"), Answer(0.0, "not sent")], rate=12, elapsed=10)
    assert figures == {
        "requests": 102,
        "asked_per_second": 12,
        "answered_per_second": 10,
        "outcomes": {"right": 100, "HTTP 429": 1, "not sent": 1},
        "p50_seconds": 0.505,
        "p99_seconds": 0.99,
    }
    first, *others = sentences(figures).splitlines()
    assert first.startswith("100 of 102 requests were answered right: 10 a second of 12 asked. Half of them")
    assert others[0] == "1 x HTTP 429: a limit of the API, of a serverless endpoint or of Lambda"
    nothing = summary([Answer(0.1, "HTTP 418")], rate=1, elapsed=1)
    assert sentences(nothing) == "0 of 1 requests were answered right: 0 a second of 1 asked.\n1 x HTTP 418"


def test_arrivals_are_a_poisson_process_within_bounds() -> None:
    times = arrivals(50, 100, seed=1)
    assert len(times) == pytest.approx(5_000, rel=0.05)
    gaps = np.diff(times)
    assert np.std(gaps) == pytest.approx(np.mean(gaps), rel=0.1), "of an exponential distribution both are the same"
    assert len(arrivals(1e6, 1e9)) == MOST_REQUESTS


def test_memory_is_that_of_the_processes_below_one_by_command_line() -> None:
    """A stack has one cloud and many processes of a function, of which a line each would hide what grows."""
    waiting = [sys.executable, "-c", "input()", "of a function"]
    children = [subprocess.Popen(waiting, stdin=subprocess.PIPE) for _ in range(2)]
    try:
        with Memory(os.getpid()) as memory:
            pass
        with Memory(children[0].pid) as of_one:
            pass
    finally:
        for child in children:
            child.communicate(b"\n")
    name = "-c input() of a function"
    held = memory.samples[0][name]
    assert held.processes == 2
    assert 0 < held.largest < held.together
    assert [*of_one.samples[0]] == [name], "what lies beside the process counts for nothing"
    (line,) = (one for one in memory.lines() if one.startswith(name))
    assert line.startswith(f"{name}: {held.together} MiB in 2 processes at first")
