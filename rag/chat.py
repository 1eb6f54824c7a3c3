"""The pipeline behind every door: session, retrieval, prompt, generation, events."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from . import prompt
from .errors import RagError
from .protocol import Event, Stream, source_of
from .retrieval import Retriever
from .sessions import Sessions
from .types import CancelFlag, Finish, Generator, Passage, Sampling, Token, Turn, Usage

_CITATION = re.compile(r"\[(\d{1,3})\]")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """One question, and how it wants to be answered. `stream` was made when it was received."""

    content: str
    stream: Stream
    cancel: CancelFlag
    early_sources: bool = False
    thinking: bool = False


@dataclass(frozen=True, slots=True)
class Chat:
    """The parts that an answer is made with."""

    generator: Generator
    retriever: Retriever
    sessions: Sessions
    sampling: Sampling
    passages: int = 5
    token_timeout: float = 120.0

    async def answer(self, question: Question) -> AsyncGenerator[Event, None]:
        """The events of one answer. Never raises: what goes wrong becomes the last event.

        Closing it cancels the answer. A turn is on disk before its end is told.
        """
        stream = question.stream
        try:
            lock = self.sessions.lock(stream.session_id)
            async with lock, aclosing(self._events(question)) as events:
                async for event in events:
                    yield event
        except Exception as error:
            if not isinstance(error, RagError):
                log.exception("the answer to %s failed", stream.message_id)
                error = RagError("WS-999-INTERNAL_ERROR")
            if stream.started and not stream.sources_sent:
                yield stream.sources([])
            yield stream.error(error)
        finally:
            question.cancel.set()

    async def _events(self, question: Question) -> AsyncGenerator[Event, None]:
        stream, cancel = question.stream, question.cancel
        passages: list[Passage] = []
        answer: list[str] = []
        finish = Finish("cancelled", Usage())
        asked = ""
        if cancel.is_set():
            yield stream.start()
        else:
            history = await self.sessions.turns(stream.session_id)
            passages = await self.retriever.search(question.content, self.passages)
            asked, tokens = await self._tokens(question, history, passages)
            yield stream.start()
            if question.early_sources:
                yield stream.sources([source_of(passage) for passage in passages])
            async with aclosing(tokens):
                async for token in tokens:
                    if token.thinking:
                        if question.thinking and token.text:
                            yield stream.thinking(token.text)
                    elif token.text:
                        answer.append(token.text)
                        yield stream.token(token.text)
                    if token.finish:
                        finish = token.finish
        cited = {int(number) for number in _CITATION.findall("".join(answer))}
        sources = [source_of(passage, number in cited) for number, passage in enumerate(passages, 1)]
        if not stream.sources_sent:
            yield stream.sources(sources)
        if answer:
            turn = Turn(stream.message_id, question.content, "".join(answer), sources, asked)
            await self.sessions.append(stream.session_id, turn)
        yield stream.end(finish.reason, finish.usage)

    async def _tokens(
        self, question: Question, history: Sequence[Turn], passages: Sequence[Passage]
    ) -> tuple[str, AsyncGenerator[Token, None]]:
        """The question as the model reads it, and the answer's tokens. Raises `RagError` GEN-003."""
        lang = prompt.language_of(question.content)
        speaks = self.generator.speaks(lang)
        # What it writes in a language that it does not know is no answer; it may choose what to quote.
        choices = [] if speaks else await asyncio.to_thread(prompt.quotations, question.content, passages)
        if not passages or not (speaks or choices):
            return "", _fixed(prompt.NOTHING_FOUND[lang])
        messages = await asyncio.to_thread(
            prompt.build,
            question.content,
            history,
            passages,
            context=self.generator.context,
            max_tokens=self.sampling.max_tokens,
            parameters=self.generator.parameters,
            count=self.generator.count,
            most=prompt.NARROW_SENTENCES if speaks else prompt.QUOTED_SENTENCES,
        )
        tokens = self.generator.generate(messages, self.sampling, question.cancel, choices)
        return messages[-1].content, _timed(tokens, self.token_timeout)


async def _fixed(text: str) -> AsyncGenerator[Token, None]:
    """A text that no model wrote, as an answer."""
    yield Token(text)
    yield Token("", Finish("stop", Usage()))


async def _timed(tokens: AsyncGenerator[Token, None], seconds: float) -> AsyncGenerator[Token, None]:
    """The same tokens. Raises `RagError` GEN-001 if one takes longer than `seconds`, be it an empty sign of life."""
    async with aclosing(tokens):
        while True:
            try:
                async with asyncio.timeout(seconds):
                    token = await anext(tokens)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise RagError("GEN-001", seconds=round(seconds)) from None
            yield token
