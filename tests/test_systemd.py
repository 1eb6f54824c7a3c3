"""The unit of the guide on operations: systemd understands all of it, and the server the command in it."""

from __future__ import annotations

import queue
import random
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from rag.settings import load
from server import _parser, _with_command

from .bench import stops
from .conftest import ROOT, Server, start_server
from .guides import block
from .socket_client import ask


@pytest.mark.guide("11-operations", "As a service of the system (systemd)")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    systemd = shutil.which("systemd-analyze")
    if systemd is None:
        pytest.skip("systemd-analyze is not installed")
    text = block("11-operations", "As a service of the system (systemd)").text
    here = text.replace("/opt/rag-standard/.venv/bin/python", sys.executable).replace("/opt/rag-standard", str(ROOT))
    unit = tmp_path / "rag.service"
    unit.write_text(here)
    done = subprocess.run([systemd, "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False)
    # It also tells of units of this machine that are none of ours.
    assert "rag.service" not in done.stderr, done.stderr
    unit.write_text(here.replace("Restart=always", "Restart=now and then"))
    done = subprocess.run([systemd, "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False)
    assert "rag.service" in done.stderr


def test_the_server_takes_the_command_of_the_unit() -> None:
    text = block("11-operations", "As a service of the system (systemd)").text
    _, _, *arguments = shlex.split(re.findall("^ExecStart=(.*)$", text, re.MULTILINE)[0])
    settings = load(vars(_parser().parse_args(_with_command(arguments))), {})
    (state,) = re.findall("^StateDirectory=(.*)$", text, re.MULTILINE)
    assert settings.data_dir == Path("/var/lib") / state


@pytest.mark.model
def test_a_server_that_is_killed_is_started_anew_and_all_is_there(data_dir: Path, starter_models: Path) -> None:
    """By a loop that does what `Restart=always` does."""
    text = block("11-operations", "As a service of the system (systemd)").text
    assert "Restart=always" in text
    pause = float(re.findall("^RestartSec=(.*)$", text, re.MULTILINE)[0])
    started: queue.Queue[Server] = queue.Queue()
    stopped = threading.Event()

    def supervise() -> None:
        while not stopped.is_set():
            server = start_server(data_dir, starter_models)
            started.put(server)
            server.process.wait()
            time.sleep(pause)

    threading.Thread(target=supervise, daemon=True).start()
    scene = stops.Scene(started.get(timeout=60).wait(), random.Random(3))
    scene.upload("pump.md", "# Pump\n\nThe pump weighs 37 kilograms.\n")
    events = ask(scene.server.ws_url, "How much does the pump weigh?", "kept")
    assert events[-1]["type"] == "stream_end"
    stops.embedding(scene, 2000)
    scene.server.process.kill()
    again = started.get(timeout=60).wait()
    stopped.set()
    try:
        assert stops.missing(again, scene.texts, {("kept", events[-1]["message_id"])}) == []
    finally:
        assert again.stop() == 0
