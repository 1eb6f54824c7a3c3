"""Asks questions over the normal pipeline, one after the other, each in a conversation of its own."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Any

from .chat import Chat, Question
from .errors import Lang
from .evaluation import Outcome, Reply, judge
from .prompt import NOTHING_FOUND
from .protocol import Stream, to_ws
from .questions import Case
from .types import Store

# A question and a session id to the events of its answer, in the form of the wire.
Ask = Callable[[str, str], AsyncIterator[dict[str, Any]]]
# A document's id, start and end to that part of its text.
Part = Callable[[str, int, int], Awaitable[str]]


def asking(chat: Chat, lang: Lang) -> Ask:
    """Ask in this process."""

    async def ask(question: str, session_id: str) -> AsyncIterator[dict[str, Any]]:
        stream = Stream("question", session_id, time.monotonic)
        async with aclosing(chat.answer(Question(question, stream, threading.Event()))) as events:
            async for event in events:
                yield json.loads(to_ws(event, lang))

    return ask


def reading(store: Store) -> Part:
    """Read documents in this process. The last one is remembered: its sources often come together."""
    last: list[tuple[str, str]] = [("", "")]

    async def part(document_id: str, start: int, end: int) -> str:
        if last[0][0] != document_id:
            document = await store.document(document_id)
            last[0] = (document_id, document.text if document else "")
        return last[0][1][start:end]

    return part


async def examine(cases: Iterable[Case], ask: Ask, part: Part) -> AsyncIterator[Outcome]:
    """The outcome of each case, as soon as it is known."""
    for case in cases:
        yield judge(case, await _reply(ask(case.question, f"bench-{uuid.uuid4()}"), part))


async def _reply(events: AsyncIterator[dict[str, Any]], part: Part) -> Reply:
    tokens: list[str] = []
    sources: list[dict[str, Any]] = []
    end: dict[str, Any] = {}
    async for event in events:
        if event["type"] == "stream_token":
            tokens.append(event["token"])
        elif event["type"] == "stream_sources":
            sources = event["sources"]
        elif event["type"] in ("stream_end", "stream_error"):
            end = event
    text = "".join(tokens)
    if "error_code" in end:
        return Reply(text, sources, error=f"{end['error_code']}: {end['message']}")
    places = [source["metadata"] for source in sources]
    parts = [await part(place["document_id"], place["start"], place["end"]) for place in places]
    return Reply(
        text, sources, parts, text in NOTHING_FOUND.values(), end["time_to_first_token_ms"], end["processing_time_ms"]
    )
