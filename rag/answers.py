"""Answers that run apart from who reads them, so that a lost connection loses nothing.

An answer is kept while it runs and for `KEEP` seconds after its end. It knows its readers: when the last one has left,
it does not begin any more, or goes on if it has begun, and is cancelled after `ABANDON` seconds. A reader is a place in
the answer's own list of events, so that a slow one costs no queue.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from . import logs
from .chat import Question
from .ending import refusal
from .errors import RagError
from .protocol import End, ErrorEvent, Event, Sources, ThinkingEvent, TokenEvent
from .turns import Crowd

KEEP = 60.0
ABANDON = 30.0
# Beyond it the oldest that have ended are forgotten, and then the oldest that nobody reads.
MAX_KEPT = 256
# Answers that run or wait to, in all sessions together.
MAX_RUNNING = 256
# Seconds after which to ask again where more are asked.
BUSY = 30
# So many events are read before others have their turn on the event loop.
BATCH = 64
# Seconds that all of them have to end in when the server stops.
CLOSE = 0.5

log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True, weakref_slot=True)
class Answer:
    """One answer and all its events so far. `told`: a reader surely has had them all."""

    question: Question
    ended: bool = False
    told: bool = False
    _events: list[Event] = field(default_factory=list)
    _tokens: int = 0
    _cancelled: bool = False
    _readers: set[Reader] = field(default_factory=set)
    _timer: asyncio.TimerHandle | None = None

    @property
    def message_id(self) -> str:
        return self.question.stream.message_id

    @property
    def session_id(self) -> str:
        return self.question.stream.session_id

    @property
    def abandoned(self) -> bool:
        """Whether it runs, or waits to, and nobody reads it."""
        return not self.ended and not self._readers

    @property
    def broken(self) -> bool:
        """Whether it failed or was cancelled, so that its question may be asked once more."""
        last = self._events[-1] if self._events else None
        if isinstance(last, End):
            return last.finish_reason == "cancelled"
        # The flag does not tell: a generator sets it at its end, too.
        return isinstance(last, ErrorEvent) or self._cancelled

    def cancel(self) -> None:
        """Ends it within one token; its last events tell so. Does nothing to one that has ended."""
        self._cancelled = True
        self.question.cancel.set()
        self.question.wanted.set()

    def read(self, next_index: int, *, early_sources: bool, thinking: bool) -> Reader:
        """All its events, but for tokens before `next_index`. Raises `RagError` WS-002 if that is yet to come."""
        if next_index > self._tokens:
            raise RagError("WS-002-VALIDATION_ERROR", field="next_index", rule="rule:next-index")
        reader = Reader(self, next_index, self.question.early_sources and not early_sources, thinking)
        self._readers.add(reader)
        self.question.wanted.set()
        if not self.ended:
            self._later(None)
        return reader

    def _later(self, call: Callable[[], None] | None, seconds: float = 0) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, call) if call else None

    def _left(self, reader: Reader) -> None:
        self._readers.discard(reader)
        if self.abandoned:
            self._later(self.cancel, ABANDON)
            if not self._cancelled:
                self.question.wanted.clear()

    async def _run(self, events: AsyncGenerator[Event, None]) -> None:
        try:
            async with aclosing(events):
                async for event in events:
                    self._events.append(event)
                    self._tokens += isinstance(event, TokenEvent)
                    self.ended = isinstance(event, End | ErrorEvent)
                    self._wake()
        except asyncio.CancelledError:
            self._cut()
            raise
        except Exception:
            log.exception("an answer broke off")
            self._events.append(ErrorEvent(self.message_id, RagError("WS-999-INTERNAL_ERROR")))
        finally:
            self.ended = True
            self._wake()

    def _cut(self) -> None:
        """The server stops. Whoever reads it is told so."""
        if self.ended:
            return
        stream = self.question.stream
        if stream.started and not stream.sources_sent:
            self._events.append(stream.sources([]))
        self._events.append(stream.error(refusal()))
        self.ended = True
        self._wake()

    def _wake(self) -> None:
        for reader in self._readers:
            reader._more.set()


@dataclass(eq=False, slots=True)
class Reader:
    """One telling of an answer. `late`: sources that came early are held back to the end."""

    answer: Answer
    next_index: int
    late: bool
    thinking: bool
    _place: int = 0
    _held: Sources | None = None
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    async def more(self) -> list[Event]:
        """The next events, as soon as there are some. Empty when all were told."""
        while True:
            begin, self._place = self._place, min(self._place + BATCH, len(self.answer._events))
            found = self._told(self.answer._events[begin : self._place])
            if self._place < len(self.answer._events):
                await asyncio.sleep(0)
            if found:
                return found
            if self._place > begin:
                continue
            if self.answer.ended:
                return []
            self._more.clear()
            await self._more.wait()

    def close(self) -> None:
        """It reads no more."""
        self.answer._left(self)

    def _told(self, events: list[Event]) -> list[Event]:
        found: list[Event] = []
        for event in events:
            if isinstance(event, TokenEvent):
                if event.index >= self.next_index:
                    found.append(event)
            elif isinstance(event, ThinkingEvent):
                if self.thinking:
                    found.append(event)
            elif isinstance(event, Sources) and self.late:
                self._held = event
            else:
                if self._held and isinstance(event, End | ErrorEvent):
                    found.append(self._held)
                found.append(event)
        return found


class Answers:
    """The answers that can be read, by session and message."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Answer] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = Crowd(MAX_RUNNING)

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, session_id: str, message_id: str) -> Answer | None:
        return self._kept.get((session_id, message_id))

    def abandoned(self, session_id: str) -> list[Answer]:
        """Those of the session that run, or wait to, and that nobody reads."""
        return [answer for answer in self._kept.values() if answer.session_id == session_id and answer.abandoned]

    def running(self, session_id: str) -> int:
        """How many of the session run or wait to, whoever reads them."""
        return sum(answer.session_id == session_id and not answer.ended for answer in self._kept.values())

    @property
    def busy(self) -> int:
        """How many run or wait to."""
        return len(self._tasks)

    def forget(self, session_id: str) -> None:
        """Keep none of the session's answers that have ended."""
        for answer in [kept for kept in self._kept.values() if kept.session_id == session_id and kept.ended]:
            self.drop(answer)

    def begin(self, question: Question, events: AsyncGenerator[Event, None]) -> Answer:
        """Run `events` to their end, whoever reads them; one of the same id is cancelled and forgotten.

        It is cancelled like one that was abandoned if no reader comes. Raises `RagError` GEN-004 where too many run.
        """
        asker = question.asker
        if not self._running.has_room(asker):
            raise RagError("GEN-004", seconds=BUSY)
        if old := self.find(question.stream.session_id, question.stream.message_id):
            self.drop(old)
        self._make_room()
        answer = Answer(question)
        self._kept[answer.session_id, answer.message_id] = answer
        answer._later(answer.cancel, ABANDON)
        with logs.bound(message_id=answer.message_id):
            task = asyncio.create_task(answer._run(events), name="answer")
        self._tasks.add(task)
        self._running.add(asker)
        task.add_done_callback(lambda done: self._done(done, answer))
        return answer

    def drop(self, answer: Answer) -> None:
        """Cancel it if it runs, and do not keep it."""
        answer.cancel()
        answer._later(None)
        if self.find(answer.session_id, answer.message_id) is answer:
            del self._kept[answer.session_id, answer.message_id]

    async def close(self) -> None:
        """End all at once; their last event says that the server stops."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE)

    def _done(self, task: asyncio.Task[None], answer: Answer) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            # One that had not begun knows nothing of it.
            answer._cut()
        self._running.remove(answer.question.asker)
        if self.find(answer.session_id, answer.message_id) is answer:
            answer._later(lambda: self.drop(answer), KEEP)

    def _make_room(self) -> None:
        if len(self._kept) < MAX_KEPT:
            return
        kept = list(self._kept.values())
        oldest = next((answer for answer in kept if answer.ended), None)
        oldest = oldest or next((answer for answer in kept if answer.abandoned), None)
        if oldest:
            self.drop(oldest)
