"""Nothing that was acknowledged is lost, whenever the server is killed. (tests/bench/kills.py kills more often.)"""

from __future__ import annotations

from pathlib import Path

import pytest

from .bench.kills import kill_at_random


@pytest.mark.model
def test_what_was_stored_survives_kills_and_nothing_else_is_left(starter_models: Path) -> None:
    assert kill_at_random(5, 7, starter_models)["wrong"] == []
