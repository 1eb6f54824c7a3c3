"""`POST /chat/stream` and `POST /chat`: one question, its answer as server-sent events or as one JSON.

A client that goes away takes its answer with it.
"""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict
from typing import Any

from aiohttp import web

from rag.answers import Answer
from rag.chat import Question
from rag.errors import RagError
from rag.protocol import AS_USUAL, End, ErrorEvent, Event, Stream, TokenEvent, chat_request, to_sse

from . import places, rate
from .chat_ws import MAX_WAITING, SEND_TIMEOUT
from .gone import when_gone
from .keys import ANSWERS, STATE
from .middleware import lang_of
from .replies import event_stream, json_body, reply
from .request_id import note_end

# Seconds between two looks at a connection on which nothing is said.
LOOK = 0.25
# Seconds of silence after which a line is sent that says nothing, so that nobody between takes the line for dead.
HEARTBEAT = 15.0
# Written to the log alone: there is nobody to read it.
CLIENT_GONE = 499


async def chat(request: web.Request) -> web.Response:
    """`POST /chat` {"message", "session_id"?, "options"?} → the whole answer with its sources, as one JSON.

    `tokens_used` are those that the model read and wrote, `processing_time` is in seconds, `grounded` is there where
    the answer was checked.
    """
    question = await _question(request)
    try:
        return reply(_whole(await listen(request, question), question.stream.session_id))
    except ConnectionError:
        return web.Response(status=CLIENT_GONE)


async def stream(request: web.Request) -> web.StreamResponse:
    """`POST /chat/stream` {"message", "session_id"?, "options"?} → events `metadata`, `chunk`*, `done`, or `error`.

    What is refused before anything was sent leaves with its HTTP status.
    """
    question, lang = await _question(request), lang_of(request)
    return await send(request, question, lambda event: to_sse(event, question.stream.session_id, lang))


async def listen(request: web.Request, question: Question) -> list[Event]:
    """All events of its answer, the last of which is the end. Raises `RagError` if it failed, and
    `ConnectionResetError` if the client has gone."""
    told: list[Event] = []
    async with _answering(request, question) as answer, aclosing(_tell(request, answer)) as batches:
        async for events in batches:
            told += events
    if isinstance(told[-1], ErrorEvent):
        raise told[-1].error
    note_end(request, told[-1])
    return told


async def send(request: web.Request, question: Question, encode: Callable[[Event], str]) -> web.StreamResponse:
    """Tell its answer by server-sent events. `encode` gives the text of an event, "" for what is not told.

    Raises `RagError` for what fails before anything was sent.
    """
    response: web.StreamResponse | None = None
    held, told, spoken = "", False, time.monotonic()
    try:
        async with _answering(request, question) as answer, aclosing(_tell(request, answer)) as batches:
            async for events in batches:
                told = told or any(isinstance(event, TokenEvent) for event in events)
                if response is None and not told and events and isinstance(events[-1], ErrorEvent):
                    raise events[-1].error
                held += "".join(map(encode, events))
                # What fails at once leaves with its status: what comes before the first token waits for what follows.
                if response is None and not told and events and not isinstance(events[-1], End):
                    continue
                if not held and time.monotonic() - spoken < HEARTBEAT:
                    continue
                response = response or await event_stream(request)
                async with asyncio.timeout(SEND_TIMEOUT):
                    await response.write((held or ": \n\n").encode())
                held = ""
                spoken = time.monotonic()
        if response is not None:
            note_end(request, events[-1])
            async with asyncio.timeout(SEND_TIMEOUT):
                await response.write_eof()
    except ConnectionError:
        pass
    except TimeoutError:
        # It stopped reading. Without the abort it would hold the connection open.
        if request.transport is not None:
            request.transport.abort()
    return response or web.Response(status=CLIENT_GONE)


async def _question(request: web.Request) -> Question:
    """What the client asks. Raises `RagError` for what is refused."""
    asked = chat_request(await json_body(request))
    session_id = asked.session_id or str(uuid.uuid4())
    stream = Stream(str(uuid.uuid4()), session_id, time.monotonic)
    options = asked.options or AS_USUAL
    asker = rate.asker_of(request, session_id)
    return Question(asked.message, stream, threading.Event(), early_sources=True, options=options, asker=asker)


@asynccontextmanager
async def _answering(request: web.Request, question: Question) -> AsyncIterator[Answer]:
    """The answer to the question; it is not kept. Raises `RagError` for what is refused."""
    chat, answers = request.app[STATE].ready_chat(), request.app[ANSWERS]
    running = answers.running(question.stream.session_id)
    if running > MAX_WAITING:
        raise RagError("GEN-004", seconds=10 * running)
    with places.held(request, "stream"):
        rate.check(request)
        answer = answers.begin(question, chat.answer(question))
        try:
            with when_gone(request, answer.cancel):
                yield answer
        finally:
            answers.drop(answer)


async def _tell(request: web.Request, answer: Answer) -> AsyncGenerator[Sequence[Event], None]:
    """Its events as soon as there are some, up to the last; none after each `LOOK` seconds without.

    Raises `ConnectionResetError` if the client has gone.
    """
    reader = answer.read(0, early_sources=True, thinking=False)
    more = asyncio.ensure_future(reader.more())
    try:
        while True:
            await asyncio.wait([more], timeout=LOOK)
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError
            if not more.done():
                yield ()
                continue
            events = more.result()
            yield events
            if isinstance(events[-1], End | ErrorEvent):
                break
            more = asyncio.ensure_future(reader.more())
    finally:
        more.cancel()
        reader.close()


def _whole(events: Sequence[Event], session_id: str) -> dict[str, Any]:
    """An answer that has ended, as one object."""
    last = events[-1]
    assert isinstance(last, End)
    body = {
        "session_id": session_id,
        "message_id": last.message_id,
        "answer": "".join(event.token for event in events if isinstance(event, TokenEvent)),
        "sources": last.final_sources,
        "usage": asdict(last.usage),
        "finish_reason": last.finish_reason,
        "tokens_used": last.tokens_used,
        "total_chunks": last.total_tokens,
        "processing_time": last.processing_time,
    }
    return body if last.grounded is None else body | {"grounded": last.grounded}
