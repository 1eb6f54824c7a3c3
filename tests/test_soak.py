"""Nothing is left of what was used: a short form of tests/bench/soak over a real server."""

from __future__ import annotations

import asyncio
import random
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from .bench.soak import samples
from .bench.soak.__main__ import soak, start
from .bench.soak.run import Run, http
from .bench.soak.trend import drift, growth
from .conftest import ROOT, Server
from .guides import block

SECONDS = 15.0
DOCUMENTS = 4
PATIENCE = 60.0

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux' /proc")


@pytest.fixture
def soaked(starter_models: Path, data_dir: Path) -> Iterator[Server]:
    server = start(data_dir.parent, starter_models)
    server.settle()
    yield server
    server.stop(signal.SIGKILL)


def held(server: Server) -> dict[str, float]:
    """What has to be as it was once all is closed and deleted."""
    found = samples.sample(server.process.pid, server.data_dir, server.data_dir.parent / "tmp")
    names = ("sockets", "temporary files", "incoming: files", "originals: files", "sessions kept")
    # One for large files and one for small ones, which rest for a while before they end, and the chat template's.
    assert found["children"] <= 3
    return {name: found[name] for name in names} | {"running": running(server)}


def running(server: Server) -> float:
    """Answers that are being written or wait."""
    url = f"{server.url}/stats"

    async def ask() -> float:
        async with aiohttp.ClientSession() as client, client.get(url) as response:
            queue = (await response.json())["queue"]
            return float(queue["running"] + queue["waiting"])

    return asyncio.run(ask())


async def tidy(run: Run, server: Server) -> None:
    """Delete the documents and the conversations."""
    async with http() as client:
        while run.facts:
            id, _ = run.facts.popitem()
            async with client.delete(f"{run.url}/documents/{id}") as response:
                assert response.status == 204, id
        async with client.get(f"{run.url}/sessions?page_size=200") as response:
            sessions = (await response.json())["sessions"]
        for session in sessions:
            async with client.delete(f"{run.url}/sessions/{session['session_id']}") as response:
                # It may have come to its end meanwhile.
                assert response.status in (204, 404)


@linux
@pytest.mark.model
def test_a_mixed_load_leaves_nothing_behind_and_fails_nowhere(soaked: Server) -> None:
    run = Run(soaked.url, seed=8, pace=20)
    before = held(soaked)
    asyncio.run(soak(soaked, run, SECONDS / 60, DOCUMENTS, soaked.data_dir.parent))
    assert run.errors == []
    assert run.done["page"]
    assert run.done.total() > 10
    asyncio.run(tidy(run, soaked))
    deadline = time.monotonic() + PATIENCE
    # Answers of clients that left without a goodbye go on for a while.
    while (after := held(soaked)) != before and time.monotonic() < deadline:
        asyncio.run(tidy(run, soaked))
        time.sleep(0.5)
    assert after == before


# The figures.


def test_growth_is_found_in_noise_and_told_in_percent_an_hour() -> None:
    chance = random.Random(1)
    level = [(10.0 * n, 1000 + chance.gauss(0, 5)) for n in range(270)]
    rising = [(at, value + 0.01 * at) for at, value in level]
    assert growth(level)["percent_low"] < 0 < growth(level)["percent_high"]
    found = growth(rising)
    assert found["percent_low"] > 0
    assert found["percent"] == pytest.approx(3.6, abs=0.5)
    # One leap up and down again is no trend.
    assert growth([*level[:100], *((at, 2000.0) for at, _ in level[100:103]), *level[103:]])["percent"] < 1


def test_what_becomes_slower_is_seen_by_its_medians() -> None:
    found = drift([(float(at), 1.0 if at < 50 else 3.0) for at in range(90)], 0, 90)
    assert (found["first_s"], found["last_s"], found["ratio"]) == (1.0, 3.0, 3.0)


# The commands of the guide.


@pytest.mark.guide("15-endurance", "How to run the long commands")
@pytest.mark.parametrize(
    "line", block("15-endurance", "How to run the long commands").text.splitlines(), ids=lambda line: line.split(".")[2]
)
def test_each_long_command_knows_its_flags(line: str) -> None:
    python, *arguments = shlex.split(line)
    assert python == "python"
    done = subprocess.run(
        [sys.executable, *arguments, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert all(flag in done.stdout for flag in arguments if flag.startswith("--"))
