"""`/chat-ws`: frames in, events out, in the order the messages came."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from contextlib import aclosing
from dataclasses import dataclass, field

from aiohttp import WSCloseCode, WSMsgType, web

from rag.chat import Mode, Question
from rag.errors import Lang, RagError
from rag.protocol import (
    MAX_FRAME,
    UNKNOWN_ID,
    Cancel,
    ClientMessage,
    ErrorEvent,
    Event,
    Resume,
    Stream,
    check_session_id,
    message_id_of,
    parse,
    to_ws,
)

from .keys import SOCKETS, STATE
from .middleware import lang_of
from .state import State

MAX_WAITING = 4
# Refusals wait for their turn too; a client that makes more of them than this is not talking any more.
MAX_BACKLOG = 100
HEARTBEAT = 20.0
SEND_TIMEOUT = 30.0

log = logging.getLogger(__name__)


async def chat_ws(request: web.Request) -> web.WebSocketResponse:
    session_id = check_session_id(request.query.get("session_id"))
    # One byte more than is allowed: the library refuses a frame that reaches its limit.
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=MAX_FRAME + 1, compress=False)
    await socket.prepare(request)
    connection = Connection(
        socket=socket,
        request=request,
        state=request.app[STATE],
        session_id=session_id,
        lang=lang_of(request),
        early_sources=request.query.get("sources") == "early",
        thinking=request.query.get("thinking") == "show",
        answers=_answers_of(request.query.get("answers")),
    )
    request.app[SOCKETS].add(socket)
    try:
        await connection.serve()
    finally:
        request.app[SOCKETS].discard(socket)
    return socket


@dataclass(eq=False, slots=True)
class Connection:
    """One socket: a reader that takes frames in, and a writer that answers them one after the other."""

    socket: web.WebSocketResponse
    request: web.Request
    state: State
    session_id: str
    lang: Lang
    early_sources: bool
    thinking: bool
    answers: Mode
    _waiting: deque[Question | ErrorEvent] = field(default_factory=deque)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _running: Question | None = None

    async def serve(self) -> None:
        """Until the socket is closed. Answers that nobody will read are cancelled."""
        writer = asyncio.create_task(self._write(), name=f"chat {self.session_id}")
        try:
            async for message in self.socket:
                if message.type is WSMsgType.TEXT:
                    self._take(message.data)
                elif message.type is WSMsgType.BINARY:
                    self._refuse(UNKNOWN_ID, RagError("WS-001-INVALID_JSON"))
                if len(self._waiting) > MAX_BACKLOG:
                    await self._close(WSCloseCode.POLICY_VIOLATION)
                    break
        finally:
            for question in self._questions():
                question.cancel.set()
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer

    # The reader.

    def _take(self, frame: str) -> None:
        try:
            message = parse(frame, self.session_id)
            if isinstance(message, Cancel):
                self._cancel(message.message_id)
            elif isinstance(message, Resume):
                raise RagError("SESSION-003")
            else:
                self._ask(message)
        except RagError as error:
            self._refuse(message_id_of(frame), error)

    def _ask(self, message: ClientMessage) -> None:
        self.state.ready_chat()
        asked = self._questions()
        if any(question.stream.message_id == message.message_id for question in asked):
            raise RagError("WS-002-VALIDATION_ERROR", field="message_id", rule="rule:busy-id")
        # One is being answered, or will be as soon as the writer has its turn.
        if len(asked) > MAX_WAITING:
            raise RagError("GEN-004", seconds=10 * len(asked))
        stream = Stream(message.message_id, self.session_id, time.monotonic)
        self._put(
            Question(
                message.content,
                stream,
                threading.Event(),
                self.early_sources,
                self.thinking,
                self.answers,
                message.options,
            )
        )

    def _cancel(self, message_id: str) -> None:
        for question in self._questions():
            if question.stream.message_id == message_id:
                question.cancel.set()

    def _questions(self) -> list[Question]:
        """The one that is being answered and those that wait."""
        running = [self._running] if self._running else []
        return running + [item for item in self._waiting if isinstance(item, Question)]

    def _refuse(self, message_id: str, error: RagError) -> None:
        self._put(ErrorEvent(message_id, error))

    def _put(self, item: Question | ErrorEvent) -> None:
        self._waiting.append(item)
        self._arrived.set()

    # The writer.

    async def _write(self) -> None:
        try:
            while True:
                await self._arrived.wait()
                if not self._waiting:
                    self._arrived.clear()
                    continue
                item = self._waiting.popleft()
                if isinstance(item, ErrorEvent):
                    await self._send(item)
                else:
                    await self._answer(item)
        except (ConnectionError, TimeoutError):
            # Nobody reads any more. Without the abort a stalled reader would hold the socket open.
            if self.request.transport is not None:
                self.request.transport.abort()
        except Exception:
            log.exception("the socket of session %s failed", self.session_id)
            await self._close(WSCloseCode.INTERNAL_ERROR)

    async def _answer(self, question: Question) -> None:
        self._running = question
        try:
            async with aclosing(self.state.ready_chat().answer(question)) as events:
                async for event in events:
                    await self._send(event)
        finally:
            self._running = None

    async def _send(self, event: Event) -> None:
        async with asyncio.timeout(SEND_TIMEOUT):
            await self.socket.send_str(to_ws(event, self.lang))

    async def _close(self, code: WSCloseCode) -> None:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self.socket.close(code=code), SEND_TIMEOUT)


def _answers_of(value: str | None) -> Mode:
    """How the client wants its answers; anything else is left to the setting."""
    return "quote" if value == "quote" else "free" if value == "free" else ""


async def close_all(app: web.Application) -> None:
    """`on_shutdown`: tell every client that the server goes, and do not wait for those that do not listen."""

    async def close(socket: web.WebSocketResponse) -> None:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(socket.close(code=WSCloseCode.GOING_AWAY), 2)

    sockets = app[SOCKETS]
    await asyncio.gather(*[close(socket) for socket in sockets])
