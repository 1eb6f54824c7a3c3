"""The decode thread: requests in, tokens out, many at once.

The thread owns model memory and samplers. Each step computes one row for every answer that is being written (more
where a draft pays), then a piece of the prompts that wait. The event loop never waits for the model: a request goes
in through a queue, and each step's tokens come back through one `call_soon_threadsafe`.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import math
import queue
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from .drafting import Lookup, Worth
from .errors import RagError
from .pieces import Pieces
from .slots import Slot, choose, common_prefix, share
from .turns import Crowd, Rota
from .types import CancelFlag, Finish, FinishReason, Message, Rows, Sampling, Token, Usage

MAX_WAITING = 64
PROMPTS_KEPT = 16
# What `llama_decode` returns; negative: failed.
DONE, NO_ROOM, ABORTED = 0, 1, 2
# A sign of life for those that wait, in seconds.
SIGN_OF_LIFE = 1.0
# Text leaves so many seconds apart, a little more with each chat beside it, but for first words and ends, which leave
# at once. Nobody sees it, and the event loop and the clients take the cores from the model that much less often
# (measured with 8 chats: a tenth of the speed).
FRAME, FRAME_BESIDE = 0.025, 0.006
# Before anything is measured: seconds of an answer.
FIRST_GUESS = 10.0

log = logging.getLogger(__name__)


class ModelPart(Protocol):
    """What the engine asks of a model. `rag.llama.Model` is the real one; tests script their own."""

    @property
    def name(self) -> str: ...

    @property
    def parameters(self) -> int: ...

    def speaks(self, lang: str) -> bool: ...

    def prompt_tokens(self, messages: Sequence[Message]) -> list[int]: ...

    def raw_tokens(self, text: str) -> list[int]: ...

    def text_tokens(self, text: str) -> list[int]: ...

    def piece(self, token: int) -> bytes: ...

    def ends(self, token: int) -> bool: ...


class ContextPart(Protocol):
    """What the engine asks of a model's memory. `rag.llama.Context` is the real one."""

    size: int
    """Tokens that one sequence may hold."""
    sequences: int
    batch_size: int
    """Rows that one decode may have, at least as many as there are sequences."""
    cuttable: bool
    """Whether the end of a sequence can be taken back."""
    abort: Callable[[], bool]

    def decode(self, parts: Sequence[Rows]) -> int: ...

    def cut(self, sequence: int, start: int) -> bool: ...

    def copy(self, source: int, target: int) -> bool: ...

    def close(self) -> None: ...


class SamplerPart(Protocol):
    def sample(self, row: int) -> int: ...

    def log_probabilities(self, row: int, tokens: Sequence[int]) -> list[float]: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """What was measured on this machine: tokens of prompts that are read between two tokens of the running answers,
    and the seconds of a decode by its rows (none: no drafts)."""

    piece: int = 256
    cost: Sequence[tuple[int, float]] = ()


@dataclass(eq=False, slots=True)
class _Choice:
    """One of the answers that the model chooses from. `weight`: the logarithm of how good it can be at best, which
    falls with each of its first `known` tokens that the model has weighed."""

    tokens: list[int]
    weight: float
    known: int = 0


@dataclass(eq=False, slots=True)
class _Request:
    """One answer. `pending` tokens come next in its sequence; one means that it is being written.

    `trial`: tokens of a choice to be weighed, after the pending one.
    """

    prompt: list[int]
    choices: list[_Choice]
    sampling: Sampling
    cancel: CancelFlag
    loop: asyncio.AbstractEventLoop
    pieces: Pieces
    lookup: Lookup | None
    begun: float
    asker: str = ""
    started: float = 0.0
    pending: list[int] = field(default_factory=list)
    trial: list[int] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    items: list[Token | RagError] = field(default_factory=list)
    slot: Slot | None = None
    sampler: SamplerPart | None = None
    cached: int = 0
    completed: int = 0
    silent: bool = True
    # So that what the decode thread logs says whose it is.
    context: contextvars.Context = field(default_factory=contextvars.copy_context)

    @property
    def usage(self) -> Usage:
        return Usage(len(self.prompt), self.cached, self.completed)

    def forced(self) -> list[int]:
        """What all choices go on with from here on, and all of what is left where they are down to one."""
        run: list[int] = []
        while len(branches := self.branches(len(run))) == 1:
            run += branches
        return run

    def branches(self, ahead: int = 0) -> set[int]:
        place = self.completed + ahead
        return {choice.tokens[place] for choice in self.choices if len(choice.tokens) > place}


class Engine:
    """A `Generator` on one context and one thread. `close()` stops the thread and frees the context."""

    def __init__(
        self,
        model: ModelPart,
        context: ContextPart,
        sampler: Callable[[Sampling], SamplerPart],
        pace: Pace | None = None,
        patience: float = math.inf,
    ) -> None:
        """`patience`: who would wait longer than so many seconds for a first token is refused."""
        self._model = model
        self._context = context
        self._make_sampler = sampler
        self._pace = pace or Pace()
        self._patience = patience
        self._worth = Worth(self._pace.cost)
        # What is generated from was counted just before.
        self._tokens = lru_cache(maxsize=PROMPTS_KEPT)(
            lambda prompt: model.raw_tokens(prompt) if isinstance(prompt, str) else model.prompt_tokens(prompt)
        )
        self._commands: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._slots = [Slot(number) for number in range(context.sequences)]
        self._waiting: deque[_Request] = deque()
        self._running: list[_Request] = []
        self._outbox: list[tuple[_Request, Token | RagError]] = []
        self._urgent = False
        self._flushed = 0.0
        self._rota = Rota()
        self._asked = Crowd(MAX_WAITING + context.sequences)
        self._steps = 0
        self._answer_seconds = 0.0
        self._alive = 0.0
        # Tokens that drafts proposed, and those of them that were right, since the start.
        self.drafted = self.accepted = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="decode", daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def context(self) -> int:
        return self._context.size

    @property
    def parameters(self) -> int:
        return self._model.parameters

    def speaks(self, lang: str) -> bool:
        return self._model.speaks(lang)

    @property
    def waiting(self) -> int:
        """How many answers wait for a place in the model's memory."""
        return max(0, len(self._asked) - self._context.sequences)

    def count(self, messages: Sequence[Message] | str) -> int:
        return len(self._prompt(messages))

    def _prompt(self, messages: Sequence[Message] | str) -> list[int]:
        return self._tokens(messages if isinstance(messages, str) else tuple(messages))

    async def generate(
        self,
        messages: Sequence[Message] | str,
        sampling: Sampling,
        cancel: CancelFlag,
        choices: Sequence[str] = (),
        priors: Sequence[float] = (),
        asker: str = "",
    ) -> AsyncGenerator[Token, None]:
        sequences = self._context.sequences
        ahead = max(0, self._asked.ahead(asker) - sequences)
        wait = (self._answer_seconds or FIRST_GUESS) * (1 + ahead / sequences)
        if not self._asked.has_room(asker) or (len(self._asked) >= sequences and wait > self._patience):
            raise RagError("GEN-004", seconds=math.ceil(wait))
        self._asked.add(asker)
        try:
            request = await asyncio.to_thread(
                self._request, messages, sampling, cancel, choices, priors, asyncio.get_running_loop(), asker
            )
            self._commands.put(request)
            if self._closing.is_set():
                # Looked at after the put: the thread may be past its last look at the queue.
                raise RagError("GEN-999")
            while True:
                await request.arrived.wait()
                request.arrived.clear()
                items, request.items = request.items, []
                for item in _joined(items):
                    if isinstance(item, RagError):
                        raise item
                    yield item
                    if item.finish is not None:
                        return
        finally:
            cancel.set()
            self._asked.remove(asker)

    def close(self) -> None:
        """Stop within one token and free the context. Running answers end with GEN-999."""
        self._closing.set()
        self._commands.put(None)
        self._thread.join()

    def _request(
        self,
        messages: Sequence[Message] | str,
        sampling: Sampling,
        cancel: CancelFlag,
        choices: Sequence[str],
        priors: Sequence[float],
        loop: asyncio.AbstractEventLoop,
        asker: str,
    ) -> _Request:
        """Everything that can be made ready off the decode thread. Raises `RagError` GEN-003."""
        prompt = self._prompt(messages)
        if not prompt:
            raise RagError("GEN-999")
        if len(prompt) >= self.context:
            raise RagError("GEN-003", tokens=len(prompt), limit=self.context, characters=self.context * 2)
        # Templates of some reasoning models open the thinking themselves.
        tail = b"".join(map(self._model.piece, prompt[-16:])).rstrip()
        return _Request(
            prompt,
            _choices([self._model.text_tokens(choice) for choice in choices], priors),
            sampling,
            cancel,
            loop,
            Pieces(sampling.stop, thinking=tail.endswith(b"<think>")),
            Lookup(prompt) if self._pace.cost and self._context.cuttable and not choices else None,
            time.monotonic(),
            asker,
        )

    # The decode thread.

    def _run(self) -> None:
        while not self._closing.is_set():
            self._admit(block=not (self._running or self._waiting))
            try:
                self._step()
            except Exception:
                log.exception("a step failed")
                for request in [*self._running, *self._waiting]:
                    self._end(request, RagError("GEN-999"), forget=True)
        self._admit(block=False)
        for request in [*self._running, *self._waiting]:
            self._end(request, RagError("GEN-999"))
        self._flush()
        self._context.close()

    def _step(self) -> None:
        self._steps += 1
        self._drop_cancelled()
        self._write()
        self._read()
        self._show_life()
        self._flush(hold=True)

    def _admit(self, *, block: bool) -> None:
        try:
            while True:
                request = self._commands.get(block=block)
                block = False
                if request is not None:
                    self._waiting.append(request)
        except queue.Empty:
            pass

    def _drop_cancelled(self) -> None:
        for request in [request for request in (*self._running, *self._waiting) if request.cancel.is_set()]:
            self._finish(request, "cancelled")

    def _write(self) -> None:
        """One decode for all answers that are being written: the row of each first, then drafts in the room left."""
        writing = [request for request in self._running if len(request.pending) == 1]
        if not writing:
            return
        # The library computes sequences together only where their numbers follow one another.
        writing.sort(key=lambda request: request.slot.number if request.slot else 0)
        room = self._context.batch_size - len(writing)
        parts: list[tuple[_Request, list[int]]] = []
        for request in writing:
            draft = self._draft(request, len(writing) + sum(len(part) for _, part in parts), room)
            room -= len(draft)
            parts.append((request, draft))
        self._compute([(request, request.pending + draft, len(draft)) for request, draft in parts])
        self._flush(hold=True)

    def _draft(self, request: _Request, rows: int, room: int) -> list[int]:
        if request.slot is None:
            return []
        room = min(room, self._context.size - len(request.slot.tokens) - 1)
        if request.lookup is None:
            return request.trial[:room]
        room = min(room, request.sampling.max_tokens - request.completed - 1)
        proposal = request.lookup.proposal()
        return proposal[: self._worth.draft(request.lookup.length, len(proposal), rows, room)]

    def _read(self) -> None:
        """A piece of the prompts, which delays the answers that are being written by no more than its time."""
        reading = [request for request in self._running if len(request.pending) > 1]
        idle = sum(not slot.busy for slot in self._slots)
        if idle and self._waiting:
            running = [request.asker for request in self._running]
            reading += self._rota.order(self._waiting, lambda request: request.asker, running)[:idle]
        reading.sort(key=lambda request: request.begun)
        if reading:
            # A piece takes longer than a frame.
            self._flush()
        left = [len(one.pending) if one.slot else len(one.prompt) + len(one.forced()) for one in reading]
        writing = any(len(request.pending) == 1 for request in self._running)
        budget = self._pace.piece if writing else max(self._pace.piece, self._context.batch_size)
        for request, rows in zip(reading, share(left, budget), strict=True):
            while rows > 0 and not (request.cancel.is_set() or self._closing.is_set()):
                if request.slot is None and not self._try_begin(request):
                    break
                batch = self._context.batch_size
                count = _whole(min(rows, batch), len(request.pending), batch)
                rows -= count
                self._compute([(request, request.pending[:count], 0)])
                self._flush(hold=True)
                if request not in self._running or len(request.pending) <= 1:
                    break

    def _try_begin(self, request: _Request) -> bool:
        try:
            return self._begin(request)
        except Exception:
            request.context.run(log.exception, "an answer could not begin")
            self._end(request, RagError("GEN-999"), forget=True)
            return False
        finally:
            self._flush()

    def _begin(self, request: _Request) -> bool:
        """Give the request a sequence, and in it what is known of its prompt. False if it is answered already."""
        choice = choose(self._slots, request.prompt, cuttable=self._context.cuttable)
        self._waiting.remove(request)
        self._running.append(request)
        self._rota.serve(request.asker)
        request.started = time.monotonic()
        run = request.forced()
        for one in request.choices:
            one.known = len(run)
        if request.choices and self._say(request, run):
            return False
        request.pending = request.prompt + run
        if choice is None:
            raise RuntimeError("a request without a free sequence")
        slot, kept = choice.slot, choice.kept
        slot.busy, request.slot = True, slot
        request.sampler = self._make_sampler(request.sampling)
        if choice.source is not None:
            # The copy is of the whole sequence; what is not wanted is cut off again.
            slot.tokens = list(choice.source.tokens)
            if not self._context.copy(choice.source.number, slot.number):
                slot.tokens, kept = [], 0
        if not self._cut(slot, kept):
            kept = 0
        request.cached = kept
        del request.pending[:kept]
        return True

    def _cut(self, slot: Slot, kept: int) -> bool:
        """Keep the first tokens only. False if nothing could be kept."""
        done = kept == len(slot.tokens) > 0 or (kept > 0 and self._context.cut(slot.number, kept))
        if not done:
            self._context.cut(slot.number, 0)
        del slot.tokens[kept if done else 0 :]
        return done

    def _compute(self, parts: list[tuple[_Request, list[int], int]]) -> None:
        """Decode tokens of several requests at once, and go on with each. The last of each are drafts, so many.

        If it fails, each is tried alone, so that one fails alone.
        """
        rows = []
        for request, tokens, drafted in parts:
            assert request.slot is not None
            complete = len(tokens) - drafted == len(request.pending)
            outputs = 1 + drafted if complete else 0
            rows.append(Rows(request.slot.number, len(request.slot.tokens), tokens, outputs))
        requests = [request for request, _, _ in parts]
        self._context.abort = lambda: self._closing.is_set() or all(one.cancel.is_set() for one in requests)
        code = self._decode(rows)
        if code == DONE:
            # Of the whole batch, the row of each one's first output.
            row = 0
            for request, tokens, drafted in parts:
                row += len(tokens)
                self._go_on(request, tokens, drafted, row - 1 - drafted)
            return
        for request in requests:
            self._take_back(request)
        if code == ABORTED:
            return
        log.warning("llama_decode returned %d for %d rows", code, sum(len(tokens) for _, tokens, _ in parts))
        if code == NO_ROOM and self._make_room():
            # The next step tries again.
            return
        if len(parts) == 1:
            self._end(requests[0], RagError("GEN-999"), forget=True)
            return
        for request in requests:
            self._compute([(request, request.pending[: self._context.batch_size], 0)])

    def _decode(self, rows: list[Rows]) -> int:
        try:
            return self._context.decode(rows)
        except Exception:
            log.exception("decoding failed")
            return -1

    def _take_back(self, request: _Request) -> None:
        """After a decode that ended badly: some of its rows may be in memory. Without a cut all is computed anew."""
        slot = request.slot
        assert slot is not None
        before = list(slot.tokens)
        if not self._context.cut(slot.number, len(before)) or not before:
            self._context.cut(slot.number, 0)
            slot.tokens = []
            request.pending = before + request.pending

    def _make_room(self) -> bool:
        """Forget what nobody uses now. False if there was nothing."""
        idle = [slot for slot in self._slots if not slot.busy and slot.tokens]
        for slot in idle:
            self._cut(slot, 0)
        return bool(idle)

    def _go_on(self, request: _Request, tokens: list[int], drafted: int, row: int) -> None:
        """The tokens are computed. If they were the last, say what follows; `row` is the first to sample from."""
        slot = request.slot
        assert slot is not None
        computed = len(tokens) - drafted
        slot.tokens += tokens[:computed]
        del request.pending[:computed]
        if request.pending:
            return
        try:
            draft = tokens[computed:]
            if request.choices:
                self._choose(request, draft, row)
                return
            self._sample(request, draft, row)
            if drafted and not self._context.cut(slot.number, len(slot.tokens)):
                slot.tokens = []
                raise RuntimeError("a draft could not be taken back")
        except Exception:
            request.context.run(log.exception, "an answer failed")
            self._end(request, RagError("GEN-999"), forget=True)

    def _sample(self, request: _Request, draft: list[int], row: int) -> None:
        """Sample after the last token, and on behind each drafted token that is what was sampled before it."""
        sampler, slot, lookup = request.sampler, request.slot, request.lookup
        assert sampler is not None
        assert slot is not None
        said: list[int] = []
        for place in range(len(draft) + 1):
            token = sampler.sample(row + place)
            said.append(token)
            if lookup is not None:
                if proposal := lookup.proposal(1):
                    self._worth.learn(lookup.length, proposal[0] == token)
                lookup.extend(said[-1:])
            if place == len(draft) or draft[place] != token or self._model.ends(token):
                break
            slot.tokens.append(token)
        self.drafted += len(draft)
        self.accepted += place
        if not self._say(request, said):
            request.pending = said[-1:]

    def _choose(self, request: _Request, draft: list[int], row: int) -> None:
        """Weigh the choices by the rows, then say the best, or try it if part of it is not weighed yet.

        No token makes a choice likelier: when the best is weighed to its end, none of the others can be better.
        """
        sampler, slot = request.sampler, request.slot
        assert sampler is not None
        assert slot is not None
        slot.tokens += draft
        begin = len(request.prompt) + request.completed
        tried = slot.tokens[begin:]
        for behind in range(len(draft), -1, -1):
            place = len(tried) - behind
            at = request.completed + place
            reached = [
                choice
                for choice in request.choices
                if choice.known == at < len(choice.tokens) and choice.tokens[request.completed : at] == tried[:place]
            ]
            if reached:
                logs = sampler.log_probabilities(row + len(draft) - behind, [choice.tokens[at] for choice in reached])
                for choice, log_probability in zip(reached, logs, strict=True):
                    choice.weight += log_probability
                    choice.known += 1
        best = max(request.choices, key=lambda choice: choice.weight)
        if not self._context.cuttable:
            known = best.tokens[: request.completed + len(tried) + 1]
            request.choices = [choice for choice in request.choices if choice.tokens[: len(known)] == known]
        trial = best.tokens[request.completed : -1]
        kept = common_prefix(trial, tried)
        if best.known == len(best.tokens) or len(request.choices) == 1 or begin + kept >= self._context.size:
            request.choices = [best]
            self._say(request, request.forced())
            return
        if kept < len(tried):
            if not self._context.cut(slot.number, begin + kept):
                slot.tokens = []
                raise RuntimeError("a trial could not be taken back")
            del slot.tokens[begin + kept :]
        request.pending = trial[kept : kept + 1]
        request.trial = trial[kept + 1 :] if self._context.cuttable else []

    def _say(self, request: _Request, tokens: list[int]) -> bool:
        """Send the text of the tokens, and end the answer if it is to end here. Whether it ended."""
        reason: FinishReason | None = None
        pieces: list[Token] = []
        at = len(request.prompt) + request.completed
        for token in tokens:
            if not request.choices and self._model.ends(token):
                reason = "stop"
                break
            request.completed += 1
            at += 1
            pieces += request.pieces.feed(self._model.piece(token))
            if request.pieces.stopped:
                reason = "stop"
                break
            if at >= self._context.size or (not request.choices and request.completed >= request.sampling.max_tokens):
                reason = "length"
                break
        if reason is None and request.choices and not request.branches():
            reason = "stop"
        if reason is None:
            for piece in pieces:
                self._outbox.append((request, piece))
                self._urgent |= request.silent
                request.silent = False
            return False
        self._finish(request, reason, pieces + request.pieces.close())
        return True

    # Ends.

    def _finish(self, request: _Request, reason: FinishReason, pieces: Iterable[Token] = ()) -> None:
        for piece in pieces:
            self._outbox.append((request, piece))
        if request.completed:
            seconds = time.monotonic() - request.started
            self._answer_seconds += (seconds - self._answer_seconds) * (0.2 if self._answer_seconds else 1.0)
        self._end(request, Token("", Finish(reason, request.usage)))

    def _end(self, request: _Request, last: Token | RagError, *, forget: bool = False) -> None:
        """The last thing that a request hears. Its sequence stays as a prefix for others."""
        if request in self._running:
            self._running.remove(request)
        elif request in self._waiting:
            self._waiting.remove(request)
        else:
            return
        self._outbox.append((request, last))
        self._urgent = True
        if request.sampler is not None:
            request.sampler.close()
        if request.slot is not None:
            request.slot.busy = False
            request.slot.used = self._steps
            if forget:
                self._cut(request.slot, 0)

    def _show_life(self) -> None:
        """Those that wait are told that the model is at work, so that only a model that hangs is GEN-001."""
        now = time.monotonic()
        if now - self._alive >= SIGN_OF_LIFE:
            self._alive = now
            self._outbox += [(request, Token("")) for request in (*self._running, *self._waiting)]

    def _flush(self, *, hold: bool = False) -> None:
        """Hand everything over to the event loops at once. With `hold` it may wait for its frame."""
        now = time.monotonic()
        frame = FRAME + FRAME_BESIDE * len(self._running)
        if not self._outbox or (hold and not self._urgent and now - self._flushed < frame):
            return
        self._flushed, self._urgent = now, False
        loops: dict[asyncio.AbstractEventLoop, list[tuple[_Request, Token | RagError]]] = {}
        for request, item in self._outbox:
            loops.setdefault(request.loop, []).append((request, item))
        self._outbox.clear()
        for loop, items in loops.items():
            # The loop may be closed when the server goes down in the middle of an answer.
            if not loop.is_closed():
                loop.call_soon_threadsafe(_deliver, items)


def _choices(texts: Sequence[list[int]], priors: Sequence[float]) -> list[_Choice]:
    """The choices, without those that another begins with."""
    weighed = zip(texts, priors or [0.0] * len(texts), strict=True)
    return [
        _Choice(tokens, weight)
        for tokens, weight in weighed
        if not any(len(other) > len(tokens) and other[: len(tokens)] == tokens for other in texts)
    ]


def _whole(rows: int, left: int, most: int) -> int:
    """Rows of a piece such that no row of a prompt is computed alone: it may round otherwise than with others."""
    if rows == 1 < left:
        rows = min(2, most)
    if left - rows == 1:
        rows = rows + 1 if rows < most else max(1, rows - 1)
    return rows


def _deliver(items: Iterable[tuple[_Request, Token | RagError]]) -> None:
    for request, item in items:
        request.items.append(item)
        request.arrived.set()


def _joined(items: Sequence[Token | RagError]) -> list[Token | RagError]:
    """Tokens that came in one go as one: a reader that is behind gets fewer and longer ones."""
    joined: list[Token | RagError] = []
    for item in items:
        last = joined[-1] if joined else None
        if isinstance(item, Token) and isinstance(last, Token) and item.thinking == last.thinking:
            joined[-1] = Token(last.text + item.text, item.finish, item.thinking)
        else:
            joined.append(item)
    return joined
