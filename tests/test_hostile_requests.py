"""No request makes an internal error or a traceback. (tests/bench/frames.py --requests sends all of them.)"""

from __future__ import annotations

import random

import pytest

from .frame_client import faults_of
from .hostile_requests import cases, routes


async def test_each_is_answered_and_none_by_an_internal_error(port: int, caplog: pytest.LogCaptureFixture) -> None:
    some = random.Random(8).sample(list(cases(routes())), 200)
    assert await faults_of(some, port) == []
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
