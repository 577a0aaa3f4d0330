"""Load on a running stack: p50 and p99, lost and mixed-up answers, and on a laptop the memory of every process.

    make demo                                # prints the API's URL and key
    python -m benchmarks.serving.load URL --key KEY --rate 2 --seconds 60 .laptop/cloud/examples/*

Open loop: requests come as a Poisson process, whatever became of those before, and an answer's time begins when its
request was due, so that a stack that falls behind is not spared (coordinated omission). Each answer is compared with
what its own image got alone. Only this machine is asked, and a stack of one's own whose host is named beside its URL
(`--host`), which costs what requests cost; for at most an hour and 150,000 requests. A figure holds for the machine as
it was: nothing else should run on it.

Prints a JSON document, and the same in a sentence. The stack keeps up while `answered_per_second` is what was asked,
every outcome is `right`, and a longer run has no greater p99; the rate of saturation is the greatest of that kind.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import requests

from benchmarks.operation import processes
from ops.api.image_files import media_type

MOST_SECONDS, MOST_REQUESTS = 3_600.0, 150_000
# So many may be under way; what comes then is not sent, and counts as lost.
_AT_ONCE = 256
_TIMEOUT_SECONDS = 60.0
# Looking at each process takes processor time of its own, which 200 of them would feel every second.
_SAMPLE_SECONDS = 10.0
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_MEANINGS = {
    "mixed up": "another answer than the image got alone",
    "not sent": f"{_AT_ONCE} requests were under way when it was due",
    "HTTP 403": "the key, or the firewall's limit of one address",
    "HTTP 429": "a limit of the API, of a serverless endpoint or of Lambda",
    "HTTP 502": "the endpoint failed",
    "HTTP 503": "no model is released, or it starts",
    "HTTP 504": "the model did not answer in time",
}


@dataclasses.dataclass(frozen=True)
class Answer:
    """One request's end.

    Attributes:
        seconds: from when it was due.
        outcome: `right`, `mixed up` (not what its image got alone), an HTTP status, or why there is none.
    """

    seconds: float
    outcome: str


class Client:
    """Asks one API for predictions.

    Args:
        url: of the API, without `v1`.
        images: files, by whose answers others are judged.
        host: the URL's host, named once more where it is not this machine.

    Raises:
        ValueError: the API is neither on this machine nor at the named host, or a file is no image.
    """

    def __init__(self, url: str, key: str, images: Sequence[bytes], host: str | None = None) -> None:
        if urlsplit(url).hostname not in {*_LOOPBACK, host}:
            raise ValueError(
                f"{url} is not on this machine: load is for a stack of one's own, whose host --host names."
            )
        self._url = f"{url.rstrip('/')}/v1/predictions"
        self._headers = [{"x-api-key": key, "content-type": _type(image)} for image in images]
        self._images = images
        self._local = threading.local()
        self._alone = [self._ask(number) for number in range(len(images))]
        if wrong := [str(answer) for answer in self._alone if isinstance(answer, str)]:
            raise ValueError(f"Without load an image is answered {wrong[0]}.")

    def answer(self, number: int, due: float) -> Answer:
        """Ask for an image's prediction, due at a time of the monotonic clock."""
        try:
            found = self._ask(number)
        except requests.RequestException as error:
            return Answer(time.monotonic() - due, type(error).__name__)
        seconds = time.monotonic() - due
        if isinstance(found, str):
            return Answer(seconds, found)
        return Answer(seconds, "right" if found == self._alone[number] else "mixed up")

    def _ask(self, number: int) -> tuple[float, str] | str:
        """Probability and label, or the status of an error."""
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
        asked = self._local.session.post(
            self._url, data=self._images[number], headers=self._headers[number], timeout=_TIMEOUT_SECONDS
        )
        if asked.status_code != 200:
            return f"HTTP {asked.status_code}"
        document = asked.json()
        return document["probability"], document["label"]


def arrivals(rate: float, seconds: float, seed: int = 0) -> list[float]:
    """Due times of requests, in seconds from the start: a Poisson process, cut off at MOST_REQUESTS.

    Args:
        rate: mean number of requests a second.
        seconds: for how long; at most MOST_SECONDS.
    """
    rng = np.random.default_rng(seed)
    due, times = 0.0, list[float]()
    while len(times) < MOST_REQUESTS and (due := due + rng.exponential(1 / rate)) < min(seconds, MOST_SECONDS):
        times.append(due)
    return times


def run(client: Client, images: int, times: Sequence[float]) -> list[Answer]:
    """Send a request for one image after the other at these times, and wait for all ends."""
    room = threading.Semaphore(_AT_ONCE)
    begun = time.monotonic()

    def ask(number: int, due: float) -> Answer:
        try:
            return client.answer(number, due)
        finally:
            room.release()

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        asked, unsent = [], list[Answer]()
        for position, at in enumerate(times):
            time.sleep(max(0.0, begun + at - time.monotonic()))
            if room.acquire(blocking=False):
                asked.append(pool.submit(ask, position % images, begun + at))
            else:
                unsent.append(Answer(0.0, "not sent"))
        return [future.result() for future in asked] + unsent


def summary(answers: Sequence[Answer], rate: float, elapsed: float) -> dict[str, Any]:
    """Figures of a run.

    Args:
        rate: requests a second that were due on average.
        elapsed: seconds from the first request to the last end.

    Returns:
        `requests`, `asked_per_second`, `answered_per_second` (right answers), `outcomes`, and `p50_seconds` and
        `p99_seconds` of right answers from when they were due, None without any.
    """
    seconds = [answer.seconds for answer in answers if answer.outcome == "right"]
    p50, p99 = (round(float(np.quantile(seconds, at)), 3) if seconds else None for at in (0.5, 0.99))
    return {
        "requests": len(answers),
        "asked_per_second": rate,
        "answered_per_second": round(len(seconds) / elapsed, 3),
        "outcomes": dict(Counter(answer.outcome for answer in answers)),
        "p50_seconds": p50,
        "p99_seconds": p99,
    }


def sentences(figures: Mapping[str, Any]) -> str:
    """The figures in words, with what outcomes mean that are not right."""
    outcomes = dict(figures["outcomes"])
    right = outcomes.pop("right", 0)
    text = (
        f"{right} of {figures['requests']} requests were answered right: {figures['answered_per_second']:g} a second "
        f"of {figures['asked_per_second']:g} asked."
    )
    if right:
        text += (
            f" Half of them had their answer {figures['p50_seconds']:g} s after they were due or earlier, 99 of 100 "
            f"after {figures['p99_seconds']:g} s."
        )
    for name, count in outcomes.items():
        text += f"\n{count} x {name}" + (f": {_MEANINGS[name]}" if name in _MEANINGS else "")
    return text


@dataclasses.dataclass(frozen=True)
class Held:
    """Resident memory of the processes of one command line at one moment, in MiB.

    Attributes:
        processes: how many there were.
        largest: what the largest of them held.
        together: the sum, in which a page that several share counts for each.
    """

    processes: int
    largest: int
    together: int


class Memory:
    """Samples what the processes below one hold, while it is entered; the first time at once.

    Args:
        root: number of the process that started the others.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.samples: list[dict[str, Held]] = []
        """By command line, one after the other."""

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def lines(self) -> list[str]:
        """A sentence for each command line: at first, at last, and when it held most."""
        names = sorted({name for sample in self.samples for name in sample})
        found = []
        for name in names:
            held = [sample[name] for sample in self.samples if name in sample]
            first, last, most = held[0], held[-1], max(held, key=lambda memory: memory.together)
            found.append(
                f"{name}: {_told(first)} at first, {_told(last)} at last, {_told(most)} at most; "
                f"the largest process {max(memory.largest for memory in held)} MiB"
            )
        return found

    def _sample(self) -> None:
        while True:
            resident: dict[str, list[int]] = {}
            for process in processes.below(self._root):
                # What has ended and is not waited for yet holds nothing.
                if held := _resident(process):
                    resident.setdefault(_name(process), []).append(held)
            self.samples.append({name: Held(len(held), max(held), sum(held)) for name, held in resident.items()})
            if self._over.wait(_SAMPLE_SECONDS):
                return


def _told(held: Held) -> str:
    return f"{held.together} MiB" + (f" in {held.processes} processes" if held.processes > 1 else "")


def _resident(process: int) -> int | None:
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20
    except (OSError, IndexError):
        return None


def _name(process: int) -> str:
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return b" ".join(words[1:4]).decode(errors="replace")[:60]


def _type(image: bytes) -> str:
    found = media_type(image)
    if found is None:
        raise ValueError("A file is no JPEG, PNG or DICOM image.")
    return found


def main() -> int:
    """Measure and print; the exit code is 0 when every request got the right answer."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving.load", description="Load on a running stack of one's own."
    )
    parser.add_argument("url")
    parser.add_argument("images", nargs="+", type=Path)
    parser.add_argument("--key", required=True, help="the API's")
    parser.add_argument("--host", help="the URL's host once more, where it is not this machine; requests cost there")
    parser.add_argument("--rate", type=float, default=1.0, help="requests a second (1)")
    parser.add_argument("--seconds", type=float, default=60.0, help="for how long (60)")
    parser.add_argument("--process", type=int, help="of whose descendants the memory is sampled")
    options = parser.parse_args()
    images = [path.read_bytes() for path in options.images]
    client = Client(options.url, options.key, images, options.host)
    times = arrivals(options.rate, options.seconds)
    load_before = os.getloadavg()[0]
    with Memory(options.process or os.getpid()) as memory:
        begun = time.monotonic()
        answers = run(client, len(images), times)
        elapsed = time.monotonic() - begun
    figures = summary(answers, options.rate, elapsed)
    print(json.dumps({**figures, "load_before": load_before}, indent=2))
    print(sentences(figures), file=sys.stderr)
    if options.process:
        print(*memory.lines(), sep="\n")
    return 0 if set(figures["outcomes"]) == {"right"} else 1


if __name__ == "__main__":
    sys.exit(main())
