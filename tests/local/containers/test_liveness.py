"""A process that answers nothing any more is killed; one that is busy, starting or answering something is not."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from local.containers.liveness import Limits, Liveness
from local.hosting.invocations import INVOCATION_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# No pause between two questions: nothing here waits for a clock.
AT_ONCE = Limits(interval_seconds=0, timeout_seconds=7, failures=3, start_seconds=100)


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A real one, which would run for minutes."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as child:
        yield child
        child.kill()


def scripted(answers: str, then: Callable[[], object]) -> Callable[[float], bool]:
    """A process that answers `/ping` where there is a plus; what comes after the last answer is done by `then`."""
    left = list(answers)

    def ping(seconds: float) -> bool:
        assert seconds == AT_ONCE.timeout_seconds
        if not left:
            then()
            return False
        return left.pop(0) == "+"

    return ping


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()


def never() -> None:
    raise AssertionError("It was asked once more.")


def test_a_stopped_process_is_killed_after_that_many_failures(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM would wait for it to go on."""
    process.send_signal(signal.SIGSTOP)
    assert Liveness(scripted("+---", never), AT_ONCE).wait(process)
    assert process.returncode == -signal.SIGKILL


def test_failures_that_do_not_follow_each_other_kill_nothing(process: subprocess.Popen[bytes]) -> None:
    assert not Liveness(scripted("+--+--+--", lambda: end(process)), AT_ONCE, clock=lambda: 0).wait(process)
    assert process.returncode == -signal.SIGTERM


def test_a_process_that_answers_requests_is_busy_and_not_hung(process: subprocess.Popen[bytes]) -> None:
    left = list(range(20))

    def ping(seconds: float) -> bool:
        if left:
            left.pop()
            liveness.answered()
        else:
            end(process)
        return False

    liveness = Liveness(ping, AT_ONCE)
    assert not liveness.wait(process)
    assert not left


def test_a_process_that_starts_has_longer(process: subprocess.Popen[bytes]) -> None:
    times = iter([1000, *range(1001, 2000)])
    asked: list[float] = []

    def ping(seconds: float) -> bool:
        asked.append(seconds)
        return False

    assert Liveness(ping, AT_ONCE, clock=lambda: next(times)).wait(process)
    assert len(asked) == AT_ONCE.start_seconds + 1


def test_a_process_that_ends_by_itself_is_asked_nothing_more(process: subprocess.Popen[bytes]) -> None:
    end(process)
    assert not Liveness(lambda _: pytest.fail("asked"), AT_ONCE).wait(process)


def test_nothing_is_killed_for_one_request_that_is_answered_in_time() -> None:
    """Even where it holds everything until then. The dearest kept `/ping` for 0.9 s (docs/benchmarks/serving.md)."""
    assert Limits().silence_seconds > INVOCATION_SECONDS
    assert Limits(interval_seconds=1, timeout_seconds=10, failures=3).silence_seconds == 32
    assert Limits().timeout_seconds >= 10 * 0.9
