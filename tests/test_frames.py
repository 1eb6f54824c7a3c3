"""Handshakes and frames that break the RFC are answered as it wants. (tests/bench/frames.py makes many more.)"""

from __future__ import annotations

import random

import pytest

from .frame_client import faults_of
from .hostile_frames import random_case, table


async def test_each_gets_its_code(port: int, caplog: pytest.LogCaptureFixture) -> None:
    assert await faults_of(table(), port) == []
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


async def test_any_others_do_no_harm(port: int, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(8)
    assert await faults_of((random_case(chance) for _ in range(300)), port) == []
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
