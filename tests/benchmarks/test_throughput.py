"""The benchmark of throughput asks in a closed loop, and compares what was measured under the same load."""

from __future__ import annotations

import threading
from collections import Counter

from benchmarks.serving import throughput
from benchmarks.serving.throughput import Turn


def test_so_many_clients_ask_at_once_and_each_waits_for_its_answer() -> None:
    """Fewer would leave a server idle that could do more; more would measure its queue."""
    together = threading.Barrier(4)
    asked: Counter[bytes] = Counter()

    def ask(image: bytes) -> None:
        together.wait(30)
        asked[image] += 1

    used = iter((1.0, 4.0))
    found = throughput.turn(ask, [b"one", b"two"], clients=4, count=12, used=lambda: next(used))
    assert asked == {b"one": 6, b"two": 6}
    assert found.processor == 3.0 / 12
    assert found.rate > 0
    assert found.seconds > 0


def test_ratios_are_of_the_same_round() -> None:
    """Other work slowed the second round by ten: the ratio of medians would tell of that."""
    turns = {
        "before": [Turn(10.0, 0.030, 0.1), Turn(1.0, 0.030, 1.0), Turn(10.0, 0.030, 0.1)],
        "now": [Turn(15.0, 0.020, 0.1), Turn(1.5, 0.020, 0.7), Turn(1.5, 0.020, 0.7)],
    }
    rows = throughput.table(turns, "before").splitlines()
    assert rows[2] == "| before | 10.0 | 1.00 | 30.0 ms | 1.00 | 100 ms |"
    assert rows[3] == "| now | 1.5 | 1.50 | 20.0 ms | 1.50 | 700 ms |"
