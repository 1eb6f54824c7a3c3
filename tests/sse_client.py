"""A reader of server-sent events that is strict about their form."""

from __future__ import annotations

import json
from typing import Any

Event = dict[str, Any]


def events_in(text: str) -> list[Event]:
    """The events of a stream that has ended, comments left out; each is one line `event:` and one `data:` of JSON."""
    assert text.endswith("\n\n")
    events = []
    for block in text.removesuffix("\n\n").split("\n\n"):
        if block.startswith(":"):
            continue
        first, second = block.split("\n")
        data = json.loads(second.removeprefix("data: "))
        assert first == f"event: {data['event']}"
        events.append(data)
    return events


def names(events: list[Event]) -> list[str]:
    """The names in order, runs of chunks as one."""
    found: list[str] = []
    for event in events:
        if not (event["event"] == "chunk" and found[-1:] == ["chunk"]):
            found.append(event["event"])
    return found


def answer(events: list[Event]) -> str:
    return "".join(event["data"] for event in events if event["event"] == "chunk")
