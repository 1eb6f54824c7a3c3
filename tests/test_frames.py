"""Handshakes and frames that break the RFC are answered as it wants. (tests/bench/frames.py makes many more.)"""

from __future__ import annotations

import gc
import random

import pytest
from aiohttp import web

from .fakes import until
from .frame_client import faults_of
from .hostile_frames import PING, Case, frame, random_case, table


def sockets() -> int:
    """How many the server has, and has not let go."""
    gc.collect()
    return sum(isinstance(each, web.WebSocketResponse) for each in gc.get_objects())


async def test_each_gets_its_code(port: int, caplog: pytest.LogCaptureFixture) -> None:
    assert await faults_of(table(), port) == []
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


async def test_any_others_do_no_harm(port: int, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(8)
    assert await faults_of((random_case(chance) for _ in range(300)), port) == []
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


async def test_who_leaves_amid_pings_is_let_go_at_once_and_what_was_not_read_with_it(port: int) -> None:
    before = sockets()
    pings = Case("pings", (frame(PING, bytes(125)) * 500,), ending="rst")
    assert await faults_of([pings] * 30, port) == []
    await until(lambda: sockets() <= before)
