"""Ctrl-C in the first moment, while a command is being loaded, ends it without a traceback."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

# Ctrl-C comes when the named module is about to be imported.
INTERRUPTED = """
import os, runpy, signal, sys

wanted = sys.argv[2]

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == wanted:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
module, sys.argv = sys.argv[1], sys.argv[:1]
runpy.run_module(module, run_name="__main__")
"""
AFTERWARDS = """
import os, signal
from ops.base.interrupts import silent_interrupts

with silent_interrupts():
    pass
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    print("stopped in order")
"""
IGNORED = """
import os, signal
from ops.base.interrupts import silent_interrupts

signal.signal(signal.SIGINT, signal.SIG_IGN)
with silent_interrupts():
    os.kill(os.getpid(), signal.SIGINT)
print("went on")
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(("module", "imported"), [("ops", "typer"), ("local.demo", "rich")])
def test_while_a_command_is_loaded_nothing_is_printed(module: str, imported: str) -> None:
    done = run(INTERRUPTED, module, imported)
    # What a shell shows as 130, the command's own code for an interrupt.
    assert (done.returncode, done.stderr, done.stdout) == (-signal.SIGINT, "", "")


def test_afterwards_the_command_itself_is_interrupted() -> None:
    assert run(AFTERWARDS).stdout == "stopped in order\n"


def test_who_has_ctrl_c_ignored_is_not_ended_by_it() -> None:
    assert run(IGNORED).stdout == "went on\n"
