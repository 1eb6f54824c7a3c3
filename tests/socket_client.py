"""A client of `/chat-ws` as the field writes it, with Python's `websockets`."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable
from typing import Any

from websockets.sync.client import ClientConnection, connect

LAST = ("stream_end", "stream_error")
Event = dict[str, Any]


def open_socket(ws_url: str, session_id: str | None = None, query: str = "", **options: Any) -> ClientConnection:
    session_id = session_id or str(uuid.uuid4())
    return connect(f"{ws_url}?session_id={session_id}{query}", compression=None, open_timeout=30, **options)


def message(session_id: str, content: str, message_id: str | None = None) -> str:
    message_id = message_id or str(uuid.uuid4())
    return json.dumps({"type": "message", "message_id": message_id, "content": content, "session_id": session_id})


def receive(socket: ClientConnection, timeout: float = 300) -> Event:
    return json.loads(socket.recv(timeout))


def until_last(socket: ClientConnection, message_ids: Iterable[str] = ()) -> list[Event]:
    """Events until each of the messages (or the first one, if none is named) has had its last."""
    open_ids, events = set(message_ids), []
    while True:
        event = receive(socket)
        events.append(event)
        if event["type"] in LAST:
            open_ids.discard(event["message_id"])
            if not open_ids:
                return events


def ask(ws_url: str, content: str, session_id: str | None = None, query: str = "", **options: Any) -> list[Event]:
    """One question on a connection of its own; all its events."""
    session_id = session_id or str(uuid.uuid4())
    with open_socket(ws_url, session_id, query, **options) as socket:
        socket.send(message(session_id, content))
        return until_last(socket)


def types(events: Iterable[Event]) -> list[str]:
    """The types in order, runs of tokens as one."""
    found: list[str] = []
    for event in events:
        if not (event["type"] == "stream_token" and found[-1:] == ["stream_token"]):
            found.append(event["type"])
    return found


def is_korean(text: str) -> bool:
    return bool(re.search("[가-힣]", text))


def answer(events: Iterable[Event]) -> str:
    return "".join(event["token"] for event in events if event["type"] == "stream_token")
