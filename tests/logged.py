"""What this process logs, as a log in JSON shows it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from rag import logs


class Logged:
    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.handler = logging.StreamHandler(self.stream)
        self.handler.addFilter(logs.Fields())
        self.handler.setFormatter(logs.Json())

    def lines(self) -> list[dict[str, Any]]:
        """The records so far, each from its one line."""
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def logged() -> Iterator[Logged]:
    """Everything that is logged from `info` on."""
    made, root = Logged(), logging.getLogger()
    level = root.level
    root.addHandler(made.handler)
    root.setLevel(logging.INFO)
    yield made
    root.removeHandler(made.handler)
    root.setLevel(level)
