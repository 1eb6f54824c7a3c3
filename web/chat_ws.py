"""`/chat-ws`: frames in, events out, in the order the messages came."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
import weakref
from collections import deque
from dataclasses import dataclass, field

from aiohttp import WSCloseCode, WSMsgType, web

from rag.answers import Answer, Answers, Reader
from rag.chat import Mode, Question
from rag.ending import refusal
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

from . import connections, places, rate
from .keys import ANSWERS, CLOSING, SOCKETS, STATE
from .metrics import METRICS
from .middleware import lang_of
from .request_id import note_end
from .state import State

MAX_WAITING = 4
# Refusals wait for their turn too; a client that makes more of them than this is not talking any more.
MAX_BACKLOG = 100
HEARTBEAT = 20.0
SEND_TIMEOUT = 30.0
# The first is the client's goodbye. The library's close code does not tell it from a connection that just ended.
CLOSED = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED)

# Seconds that a client has to answer a goodbye in.
FAREWELL = 0.7

log = logging.getLogger(__name__)


async def chat_ws(request: web.Request) -> web.WebSocketResponse:
    session_id = check_session_id(request.query.get("session_id"))
    with places.held(request, "socket"):
        return await _serve(request, session_id)


async def _serve(request: web.Request, session_id: str) -> web.WebSocketResponse:
    sockets = request.app[SOCKETS]
    # One byte more than is allowed: the library refuses a frame that reaches its limit.
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=MAX_FRAME + 1, compress=False)
    sockets.add(socket)
    try:
        try:
            await socket.prepare(request)
        except ValueError as error:  # the library's, for a key beyond ASCII
            raise RagError("HTTP-400") from error
        connection = Connection(
            socket=socket,
            request=request,
            state=request.app[STATE],
            answers=request.app[ANSWERS],
            session_id=session_id,
            lang=lang_of(request),
            early_sources=request.query.get("sources") == "early",
            thinking=request.query.get("thinking") == "show",
            mode=_mode_of(request.query.get("answers")),
        )
        request.app[CONNECTIONS].add(connection)
        await connection.serve()
    finally:
        sockets.discard(socket)
        if socket.prepared and (request.transport is None or request.transport.is_closing()):
            # A pong to somebody who has left ends all at once. Then the timer of the next heartbeat would keep the
            # socket, and with it all that was not read yet.
            await socket.close()
    return socket


@dataclass(eq=False, slots=True, weakref_slot=True)
class Connection:
    """One socket: a reader of frames, and a writer that tells the answers one after the other.

    `all_told` is set while nothing waits to be told.
    """

    socket: web.WebSocketResponse
    request: web.Request
    state: State
    answers: Answers
    session_id: str
    lang: Lang
    early_sources: bool
    thinking: bool
    mode: Mode
    all_told: asyncio.Event = field(default_factory=asyncio.Event)
    _waiting: deque[Reader | ErrorEvent] = field(default_factory=deque)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _telling: Reader | None = None
    _told: weakref.WeakSet[Answer] = field(default_factory=weakref.WeakSet)

    async def serve(self) -> None:
        """Until the socket is closed. Answers go on for a while, in case that their client comes back."""
        self.all_told.set()
        writer = asyncio.create_task(self._write(), name="chat")
        try:
            while (message := await self.socket.receive()).type not in CLOSED:
                if message.type is WSMsgType.TEXT:
                    self._take(message.data)
                elif message.type is WSMsgType.BINARY:
                    self._refuse(UNKNOWN_ID, RagError("WS-001-INVALID_JSON"))
                if len(self._waiting) > MAX_BACKLOG:
                    await self._close(WSCloseCode.POLICY_VIOLATION)
                    break
            if message.type is WSMsgType.CLOSE:
                # Without a goodbye, what was sent last may never have arrived.
                for answer in self._told:
                    answer.told = True
        finally:
            for reader in self._readers():
                reader.close()
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer

    # The reader.

    def _take(self, frame: str) -> None:
        kind = "invalid"
        try:
            message = parse(frame, self.session_id)
            kind = message.type
            if isinstance(message, Cancel):
                if answer := self.answers.find(self.session_id, message.message_id):
                    answer.cancel()
            elif isinstance(message, Resume):
                self._resume(message)
            else:
                self._ask(message)
        except RagError as error:
            self._refuse(message_id_of(frame), error)
        finally:
            self.request.app[METRICS].frames[kind] += 1

    def _ask(self, message: ClientMessage) -> None:
        self._refuse_twice(message.message_id)
        known = self.answers.find(self.session_id, message.message_id)
        same = known and known.question.content == message.content
        if known and same and not (known.told or known in self._told or known.broken):
            # Sent again, since the connection was lost before the answer came.
            self._read(known, 0)
            return
        if known and not known.ended and not known.abandoned:
            raise _busy()
        if self.request.app[CLOSING].is_set():
            raise refusal()
        chat = self.state.ready_chat()
        asked = {reader.answer for reader in self._readers()} | set(self.answers.abandoned(self.session_id))
        # One is being answered, or will be as soon as the writer has its turn.
        if len(asked) > MAX_WAITING:
            raise RagError("GEN-004", seconds=10 * len(asked))
        rate.check(self.request)
        stream = Stream(message.message_id, self.session_id, time.monotonic)
        how = (self.early_sources, self.thinking, self.mode, message.replaces, message.options)
        asker = rate.asker_of(self.request, self.session_id)
        question = Question(message.content, stream, threading.Event(), *how, asker=asker)
        self._read(self.answers.begin(question, chat.answer(question)), 0)

    def _resume(self, message: Resume) -> None:
        self._refuse_twice(message.message_id)
        answer = self.answers.find(self.session_id, message.message_id)
        if answer is None:
            raise RagError("SESSION-003")
        self._read(answer, message.next_index)

    def _refuse_twice(self, message_id: str) -> None:
        if any(reader.answer.message_id == message_id for reader in self._readers()):
            raise _busy()

    def _read(self, answer: Answer, next_index: int) -> None:
        self._put(answer.read(next_index, early_sources=self.early_sources, thinking=self.thinking))

    def _readers(self) -> list[Reader]:
        """The one that is being told and those that wait."""
        telling = [self._telling] if self._telling else []
        return telling + [item for item in self._waiting if isinstance(item, Reader)]

    def _refuse(self, message_id: str, error: RagError) -> None:
        self._put(ErrorEvent(message_id, error))

    def _put(self, item: Reader | ErrorEvent) -> None:
        self._waiting.append(item)
        self.all_told.clear()
        self._arrived.set()

    # The writer.

    async def _write(self) -> None:
        try:
            while True:
                await self._arrived.wait()
                if not self._waiting:
                    self._arrived.clear()
                    self.all_told.set()
                    continue
                item = self._waiting.popleft()
                if isinstance(item, ErrorEvent):
                    await self._send(item)
                    note_end(self.request, item)
                else:
                    await self._tell(item)
        except (ConnectionError, TimeoutError):
            # Nobody reads any more. Without the abort a stalled reader would hold the socket open.
            if self.request.transport is not None:
                connections.drop(self.request.transport)
        except Exception:
            log.exception("a socket failed")
            await self._close(WSCloseCode.INTERNAL_ERROR)

    async def _tell(self, reader: Reader) -> None:
        self._telling = reader
        last: Event | None = None
        try:
            while events := await reader.more():
                for event in events:
                    await self._send(event)
                last = events[-1]
            self._told.add(reader.answer)
            if last:
                note_end(self.request, last)
        finally:
            self._telling = None
            reader.close()

    async def _send(self, event: Event) -> None:
        async with asyncio.timeout(SEND_TIMEOUT):
            await self.socket.send_str(to_ws(event, self.lang))

    async def _close(self, code: WSCloseCode) -> None:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self.socket.close(code=code), SEND_TIMEOUT)


def _busy() -> RagError:
    return RagError("WS-002-VALIDATION_ERROR", field="message_id", rule="rule:busy-id")


def _mode_of(value: str | None) -> Mode:
    """How the client wants its answers; anything else is left to the setting."""
    return "quote" if value == "quote" else "free" if value == "free" else ""


CONNECTIONS = web.AppKey("connections", weakref.WeakSet[Connection])


async def leave(app: web.Application) -> None:
    """Close every connection with 1001, each as soon as all is told on it."""

    async def close(connection: Connection) -> None:
        await connection.all_told.wait()
        await _say_goodbye(connection)

    still_open = app[CONNECTIONS]
    await asyncio.gather(*map(close, still_open))


async def close_all(app: web.Application) -> None:
    """`on_shutdown`: tell every client that the server goes, and do not wait for those that do not listen.

    Answers end with it, read or not.
    """
    still_open = app[CONNECTIONS]
    await asyncio.gather(*map(_say_goodbye, still_open))
    for connection in still_open:
        transport = connection.request.transport
        # Of those that take nothing alone: it would take back a goodbye that is on its way.
        if transport is not None and transport.get_write_buffer_size():
            connections.drop(transport)
    await app[ANSWERS].close()


async def _say_goodbye(connection: Connection) -> None:
    """Close it with 1001, and do not wait long for a client to say the same."""
    with contextlib.suppress(Exception):
        await asyncio.wait_for(connection.socket.close(code=WSCloseCode.GOING_AWAY), FAREWELL)
