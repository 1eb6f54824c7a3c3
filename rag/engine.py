"""The decode thread: requests in, tokens out. One answer at a time for now, behind the interface that stays.

The thread owns model memory and sampler. The event loop never waits for the model: a request goes in through
a queue, and each step's tokens come back through one `call_soon_threadsafe`.
"""

from __future__ import annotations

import asyncio
import codecs
import logging
import queue
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from .errors import RagError
from .types import CancelFlag, Finish, FinishReason, Message, Sampling, Token, Usage

MAX_WAITING = 64
ABORTED = 2

log = logging.getLogger(__name__)


class ModelPart(Protocol):
    """What the engine asks of a model. `rag.llama.Model` is the real one; tests script their own."""

    @property
    def name(self) -> str: ...

    @property
    def parameters(self) -> int: ...

    def speaks(self, lang: str) -> bool: ...

    def prompt_tokens(self, messages: Sequence[Message]) -> list[int]: ...

    def text_tokens(self, text: str) -> list[int]: ...

    def piece(self, token: int) -> bytes: ...

    def ends(self, token: int) -> bool: ...


class ContextPart(Protocol):
    """What the engine asks of a model's memory. `rag.llama.Context` is the real one."""

    size: int
    batch_size: int
    abort: Callable[[], bool]

    def decode(self, tokens: Sequence[int], start: int, *, output: Literal["none", "last", "all"]) -> int: ...

    def cut(self, start: int) -> bool: ...

    def close(self) -> None: ...


class SamplerPart(Protocol):
    def sample(self) -> int: ...

    def likeliest(self, tokens: Collection[int]) -> int: ...

    def close(self) -> None: ...


@dataclass(eq=False, slots=True)
class _Chooser:
    """Samples one of the choices: at each branch of their tree, the one that the model finds likeliest."""

    sampler: SamplerPart
    choices: list[list[int]]
    said: int = 0

    def sample(self) -> int | None:
        """The next token, or None when a choice is said to its end."""
        branches = {choice[self.said] for choice in self.choices if len(choice) > self.said}
        if not branches:
            return None
        token = self.sampler.likeliest(branches)
        self.choices = [choice for choice in self.choices if choice[self.said : self.said + 1] == [token]]
        self.said += 1
        return token


@dataclass(eq=False, slots=True)
class _Request:
    prompt: list[int]
    choices: list[list[int]]
    sampling: Sampling
    cancel: CancelFlag
    loop: asyncio.AbstractEventLoop
    out: asyncio.Queue[Token | RagError] = field(default_factory=asyncio.Queue)
    cached: int = 0
    completed: int = 0

    def emit(self, item: Token | RagError) -> None:
        # The loop may be closed when the server goes down in the middle of an answer.
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.out.put_nowait, item)

    def finish(self, reason: FinishReason, text: str = "") -> None:
        usage = Usage(len(self.prompt), self.cached, self.completed)
        self.emit(Token(text, Finish(reason, usage)))


class Engine:
    """A `Generator` on one context and one thread. `close()` stops the thread and frees the context."""

    def __init__(self, model: ModelPart, context: ContextPart, sampler: Callable[[Sampling], SamplerPart]) -> None:
        self._model = model
        self._context = context
        self._make_sampler = sampler
        self._commands: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._waiting: deque[_Request] = deque()
        self._memory: list[int] = []
        self._pending = 0
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

    def count(self, messages: Sequence[Message]) -> int:
        return len(self._model.prompt_tokens(messages))

    async def generate(
        self, messages: Sequence[Message], sampling: Sampling, cancel: CancelFlag, choices: Sequence[str] = ()
    ) -> AsyncGenerator[Token, None]:
        if self._pending >= MAX_WAITING:
            raise RagError("GEN-004", seconds=5 * self._pending)
        self._pending += 1
        try:
            prompt = await asyncio.to_thread(self._model.prompt_tokens, messages)
            if len(prompt) >= self.context:
                raise RagError("GEN-003", tokens=len(prompt), limit=self.context, characters=self.context * 2)
            allowed = [await asyncio.to_thread(self._model.text_tokens, choice) for choice in choices]
            request = _Request(prompt, allowed, sampling, cancel, asyncio.get_running_loop())
            self._commands.put(request)
            if self._closing.is_set():
                # Looked at after the put: the thread may be past its last look at the queue.
                raise RagError("GEN-999")
            while True:
                item = await request.out.get()
                if isinstance(item, RagError):
                    raise item
                yield item
                if item.finish is not None:
                    return
        finally:
            cancel.set()
            self._pending -= 1

    def close(self) -> None:
        """Stop within one token and free the context. Running answers end with GEN-999."""
        self._closing.set()
        self._commands.put(None)
        self._thread.join()

    # The decode thread.

    def _run(self) -> None:
        while not self._closing.is_set():
            self._admit(block=not self._waiting)
            if self._waiting:
                request = self._waiting.popleft()
                try:
                    self._answer(request)
                except Exception:
                    log.exception("decoding failed")
                    self._forget()
                    request.emit(RagError("GEN-999"))
        self._admit(block=False)
        for request in self._waiting:
            request.emit(RagError("GEN-999"))
        self._context.close()

    def _admit(self, *, block: bool) -> None:
        """Take in new requests, and let go of waiting ones that were cancelled."""
        try:
            while True:
                request = self._commands.get(block=block)
                block = False
                if request is not None:
                    self._waiting.append(request)
        except queue.Empty:
            pass
        for request in [request for request in self._waiting if request.cancel.is_set()]:
            self._waiting.remove(request)
            request.finish("cancelled")

    def _answer(self, request: _Request) -> None:
        self._context.abort = lambda: request.cancel.is_set() or self._closing.is_set()
        sampler = self._make_sampler(request.sampling)
        try:
            if self._prefill(request):
                self._decode(request, _Chooser(sampler, request.choices) if request.choices else sampler)
            elif self._closing.is_set():
                request.emit(RagError("GEN-999"))
            else:
                request.finish("cancelled")
        finally:
            sampler.close()

    def _prefill(self, request: _Request) -> bool:
        """Compute what the memory does not hold yet. False if cancelled. The last token is always computed."""
        prompt = request.prompt
        kept = min(_common_prefix(self._memory, prompt), len(prompt) - 1)
        if not self._context.cut(kept):
            kept = 0
            self._context.cut(0)
        del self._memory[kept:]
        request.cached = kept
        for start in range(kept, len(prompt), self._context.batch_size):
            piece = prompt[start : start + self._context.batch_size]
            last = start + len(piece) == len(prompt)
            if self._context.abort() or not self._compute(piece, output="last" if last else "none"):
                return False
            self._admit(block=False)
        return True

    def _decode(self, request: _Request, sampler: SamplerPart | _Chooser) -> None:
        text = codecs.getincrementaldecoder("utf-8")("replace")
        room = self._context.size - len(request.prompt)
        if not request.choices:
            room = min(room, request.sampling.max_tokens)
        while True:
            token = sampler.sample()
            if token is None or self._model.ends(token):
                # What the decoder still holds is half a character: it never leaves.
                request.finish("stop")
                return
            request.completed += 1
            piece = text.decode(self._model.piece(token))
            if request.completed >= room:
                request.finish("length", piece)
                return
            if piece:
                request.emit(Token(piece))
            self._admit(block=False)
            if self._context.abort() or not self._compute([token], output="last"):
                if self._closing.is_set():
                    request.emit(RagError("GEN-999"))
                else:
                    request.finish("cancelled")
                return

    def _compute(self, tokens: list[int], output: Literal["none", "last"]) -> bool:
        """Decode at the end of the memory. False if aborted. Raises `RuntimeError` if the library fails."""
        start = len(self._memory)
        code = self._context.decode(tokens, start, output=output)
        if code == 0:
            self._memory += tokens
            return True
        if code == ABORTED:
            # Some of the rows may have been computed; without the cut they would be taken for a prefix.
            if not self._context.cut(start):
                self._forget()
            return False
        raise RuntimeError(f"llama_decode returned {code} for {len(tokens)} tokens at {start}")

    def _forget(self) -> None:
        self._context.cut(0)
        self._memory.clear()


def _common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    shorter = min(len(left), len(right))
    return next((index for index in range(shorter) if left[index] != right[index]), shorter)
