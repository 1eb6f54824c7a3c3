"""Nothing that was acknowledged is lost, whenever the server is killed. (tests/bench/kills.py kills more often.)"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from .bench.kill_points import kill_at_points
from .bench.kills import kill_at_random


@pytest.mark.model
def test_what_was_told_survives_kills_and_nothing_else_is_left(starter_models: Path) -> None:
    """One while all work and one in a pause, with another embedding model each time (the seed decides)."""
    found = kill_at_random(2, 233, starter_models)
    assert found["wrong"] == []
    assert found["uploads"] > 0
    assert found["turns"] > 0


@pytest.mark.model
@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("cc"), reason="needs Linux and a C compiler")
@pytest.mark.parametrize(("calls", "number"), [("rename", 14), ("remove", 60)])
def test_a_kill_before_a_call_that_changes_the_disk_loses_nothing(
    starter_models: Path, tmp_path: Path, calls: str, number: int
) -> None:
    embed = next(starter_models.glob("all-MiniLM*.gguf"))
    found = kill_at_points(calls, number, 1, number, tmp_path, embed)
    assert found == {"calls": calls, "kills": 1, "wrong": []}
