"""A process that is told to end does so, whatever hangs: in order, at a second signal, or by the clock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rag.ending import HUNG, SIGNALS, Ending

from .conftest import ROOT
from .test_parsing import alive

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent a signal on Windows")

BEGIN = """
import asyncio, os, re, subprocess, sys, threading, time
from rag import ending
from rag.ending import Ending, Stopped
def up(): print("up", flush=True)
def stuck():
    while True: time.sleep(600)
"""


def ended(script: str, *signals: int) -> tuple[int, str]:
    """The exit code of a script that has printed "up", got the signals one after the other, and what it said."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", BEGIN + script],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        for number in signals:
            assert process.stdout.readline().strip() == "up"
            process.send_signal(number)
        return process.wait(60), process.stdout.read()
    finally:
        process.kill()
        process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_before_there_is_anything_to_stop_a_signal_ends_it_with_0_and_its_child(number: int) -> None:
    code, said = ended(
        "with Ending() as end:\n"
        "    try:\n"
        "        child = 'import time; print(\"up\", flush=True); time.sleep(600)'\n"
        "        subprocess.run([sys.executable, '-c', child])\n"
        "    except Stopped:\n"
        "        print('stopped')\n"
        "    end.leave()\n",
        number,
    )
    assert (code, said) == (0, "stopped\n")


def test_what_was_given_is_called_and_threads_that_are_stuck_hold_nothing_up() -> None:
    code, said = ended(
        "with Ending() as end:\n"
        "    asked = threading.Event()\n"
        "    end.on_signal(asked.set)\n"
        "    threading.Thread(target=stuck).start()\n"
        "    up()\n"
        "    asked.wait()\n"
        "    print('in order')\n"
        "    end.leave()\n",
        signal.SIGTERM,
    )
    assert (code, said) == (0, "in order\n")


@pytest.mark.parametrize("hangs", ["stuck()", "asyncio.run(asyncio.to_thread(stuck))"])
def test_what_hangs_is_logged_and_left_by_the_clock_with_a_code_of_its_own(hangs: str) -> None:
    code, said = ended(
        "ending.LIMIT = 0.3\n"
        "with Ending() as end:\n"
        "    end.on_signal(lambda: None)\n"
        "    end.last = lambda: print('last')\n"
        "    up()\n"
        "    try:\n"
        f"        {hangs}\n"
        "    finally:\n"
        "        print('never')\n",
        signal.SIGTERM,
    )
    assert code == HUNG
    assert said.startswith("last\nthe server did not end within 0.3 s")
    assert "MainThread: " in said
    assert "never" not in said
    assert "stuck" in said


def test_a_second_signal_ends_it_at_once() -> None:
    code, said = ended(
        "with Ending() as end:\n    end.on_signal(up)\n    end.last = lambda: print('last')\n    up()\n    stuck()\n",
        signal.SIGTERM,
        signal.SIGTERM,
    )
    assert code == 128 + signal.SIGTERM
    assert said == f"last\na second signal ({int(signal.SIGTERM)}) ends the server at once\n"


def test_a_log_that_nobody_reads_holds_nothing_up() -> None:
    code, _ = ended(
        "ending.LIMIT = 0.3\n"
        "with Ending() as end:\n"
        "    end.on_signal(lambda: None)\n"
        "    end.last = stuck\n"
        "    up()\n"
        "    stuck()\n",
        signal.SIGTERM,
    )
    assert code == HUNG


def test_without_a_signal_nothing_is_changed() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with Ending() as end:
        assert [signal.getsignal(number) for number in SIGNALS] != before
        end.leave()
    assert [signal.getsignal(number) for number in SIGNALS] == before


HOLDS = "import re; re.match('(a+)+$', 'a' * 64 + 'b')"


@pytest.mark.parametrize("what", ["time.sleep(600)", pytest.param(HOLDS, marks=pytest.mark.skipif(
    sys.platform != "linux", reason="the interpreter is held"
))])  # fmt: skip
def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path, what: str) -> None:
    child = f"import time; from rag import orphan; orphan.end_with_parent(); print('up', flush=True); {what}"
    parent = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}])\n"
        "print(child.pid, flush=True)\n"
        "child.wait()"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    try:
        assert process.stdout.readline() == "up\n"
        assert alive(pid)
        process.kill()
        process.wait()
        deadline = time.monotonic() + 30
        while alive(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not alive(pid)
    finally:
        process.stdout.close()
        if alive(pid):
            os.kill(pid, signal.SIGKILL)
