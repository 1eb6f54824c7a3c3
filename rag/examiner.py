"""Asks questions over the normal pipeline, one after the other, each in a conversation of its own."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Protocol

from .chat import Chat, Question
from .errors import Lang
from .evaluation import FIRST, Outcome, Reply, judge
from .protocol import Stream, source_of, to_ws
from .questions import Case
from .replies import is_refusal
from .types import Document, Store


class Door(Protocol):
    """Where questions are asked: this process or a server."""

    def ask(self, question: str, session_id: str) -> AsyncIterable[Mapping[str, Any]]:
        """The events of the answer, in the form of the wire."""
        ...

    async def search(self, query: str, k: int) -> Sequence[Mapping[str, Any]]:
        """The passages that are found, in the shape of sources."""
        ...

    async def part(self, document_id: str, start: int, end: int) -> str:
        """A part of a document's text, by its characters."""
        ...


class Here:
    """The chat of this process."""

    def __init__(self, chat: Chat, store: Store, lang: Lang) -> None:
        self._chat = chat
        self._store = store
        self._lang: Lang = lang
        # Sources that follow one another are often of the same document.
        self._document: Document | None = None

    async def ask(self, question: str, session_id: str) -> AsyncIterator[dict[str, Any]]:
        stream = Stream("question", session_id, time.monotonic)
        async with aclosing(self._chat.answer(Question(question, stream, threading.Event()))) as events:
            async for event in events:
                yield json.loads(to_ws(event, self._lang))

    async def search(self, query: str, k: int) -> Sequence[dict[str, Any]]:
        return [source_of(passage) for passage in await self._chat.retriever.search(query, k)]

    async def part(self, document_id: str, start: int, end: int) -> str:
        if self._document is None or self._document.id != document_id:
            self._document = await self._store.document(document_id)
        return self._document.text[start:end] if self._document else ""


async def examine(cases: Iterable[Case], door: Door) -> AsyncIterator[Outcome]:
    """The outcome of each case, as soon as it is known."""
    for case in cases:
        yield judge(case, await _reply(case.question, door))


async def _reply(question: str, door: Door) -> Reply:
    tokens: list[str] = []
    sources: list[dict[str, Any]] = []
    end: Mapping[str, Any] = {}
    async for event in door.ask(question, f"bench-{uuid.uuid4()}"):
        if event["type"] == "stream_token":
            tokens.append(event["token"])
        elif event["type"] == "stream_sources":
            sources = event["sources"]
        elif event["type"] in ("stream_end", "stream_error"):
            end = event
    text = "".join(tokens)
    if "error_code" in end:
        return Reply(text, sources, error=f"{end['error_code']}: {end['message']}")
    # After the answer, or its time would be that of a question asked before.
    passages = await door.search(question, FIRST[-1])
    places = [source["metadata"] for source in sources]
    parts = [await door.part(place["document_id"], place["start"], place["end"]) for place in places]
    grounded = end.get("grounded") or {"supported": 0, "total": 0}
    return Reply(
        text,
        sources,
        parts,
        passages,
        is_refusal(text),
        grounded["supported"],
        grounded["total"],
        end["time_to_first_token_ms"],
        end["processing_time_ms"],
    )
