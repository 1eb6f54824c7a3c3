"""The pipeline behind every door: session, retrieval, evidence, prompt, generation, events."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal

from . import grounding, overview, prompt, quoting, replies
from .errors import RagError
from .evidence import EMBEDDED, Evidence, bears, gather, in_passage, rank, refine
from .protocol import Event, Stream, source_of
from .retrieval import Retriever
from .sessions import Sessions
from .types import CancelFlag, Document, Finish, Generator, Message, Passage, Sampling, Token, Turn, Usage

Mode = Literal["", "quote", "free"]

# Below this likelihood the documents do not tell.
BEARS = 0.5

_CITATION = re.compile(r"\[(\d{1,3})\]")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """One question, and how it wants to be answered; `answers` "" leaves it to the chat.

    `stream` was made when it was received.
    """

    content: str
    stream: Stream
    cancel: CancelFlag
    early_sources: bool = False
    thinking: bool = False
    answers: Mode = ""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What an answer is made from: a fixed text, or what the model reads and the answers that it may choose from.

    `cited`: numbers of the sources that the answer cites, None as long as only the model knows.
    """

    sources: Sequence[Passage] = ()
    cited: frozenset[int] | None = frozenset()
    text: str = ""
    messages: Sequence[Message] = ()
    choices: Sequence[str] = ()
    quoted: int = 0

    def told(self, answer: str = "") -> list[dict[str, Any]]:
        """The sources in the shape of the protocol, marked as far as the answer is known."""
        cited = self.cited
        if cited is None:
            cited = frozenset(int(number) for number in _CITATION.findall(answer))
        return [source_of(passage, number in cited) for number, passage in enumerate(self.sources, 1)]

    def grounded(self, answer: str) -> Mapping[str, Any] | None:
        """How much of the answer its sources support; quotes are their own evidence. Takes milliseconds."""
        if self.quoted:
            return {"supported": self.quoted, "total": self.quoted, "unsupported": []}
        found = grounding.check(answer, self.sources) if self.cited is None else grounding.Grounding(0, 0)
        if not found.total:
            return None
        return {"supported": found.supported, "total": found.total, "unsupported": list(map(list, found.unsupported))}


@dataclass(frozen=True, slots=True)
class Chat:
    """The parts that an answer is made with. `answers`: whether to quote; auto: where the model is small."""

    generator: Generator
    retriever: Retriever
    sessions: Sessions
    sampling: Sampling
    passages: int = 5
    token_timeout: float = 120.0
    answers: Literal["auto", "quote", "free"] = "auto"

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
        stream = question.stream
        plan, answer, finish = _Plan(), "", Finish("cancelled", Usage())
        if question.cancel.is_set():
            yield stream.start()
        else:
            plan = await self._plan(question, await self.sessions.turns(stream.session_id))
            yield stream.start()
            if question.early_sources:
                yield stream.sources(plan.told())
            async with aclosing(self._tokens(plan, question)) as tokens:
                async for token in tokens:
                    if token.thinking:
                        if question.thinking and token.text:
                            yield stream.thinking(token.text)
                    elif token.text:
                        answer += token.text
                        yield stream.token(token.text)
                    if token.finish:
                        finish = token.finish
        sources = plan.told(answer)
        if not stream.sources_sent:
            yield stream.sources(sources)
        if answer:
            asked = plan.messages[-1].content if plan.messages else ""
            turn = Turn(stream.message_id, question.content, answer, sources, asked)
            await self.sessions.append(stream.session_id, turn)
        whole = finish.reason != "cancelled"
        grounded = await asyncio.to_thread(plan.grounded, answer) if whole else None
        yield stream.end(finish.reason, finish.usage, grounded)

    async def _plan(self, question: Question, history: Sequence[Turn]) -> _Plan:
        """From a question to what its answer is made from. Raises `RagError` GEN-003 and those of the search."""
        if reply := replies.small_talk(question.content, prompt.language_of(question.content)):
            return _Plan(text=reply)
        asked = question.content
        passages = await self.retriever.search(asked, self.passages)
        if document := await self._meant(asked, passages, history):
            passages = await asyncio.to_thread(overview.beginning, document)
            return await asyncio.to_thread(self._prepare, question, "", history, passages, gather(passages))
        ranked = await self._weigh(asked, passages)
        if bears(asked, passages, ranked) < BEARS:
            return await asyncio.to_thread(self._refuse, question, passages)
        return await asyncio.to_thread(self._prepare, question, asked, history, passages, ranked)

    async def _meant(self, asked: str, passages: Sequence[Passage], history: Sequence[Turn]) -> Document | None:
        """The document that the question is about as a whole: the one it names, or spoken of, or added last."""
        if not overview.asks(asked):
            return None
        found = overview.named(asked, passages)
        if found is None and overview.points(asked):
            found = _cited_last(history)
            if found is None:
                newest, _ = await self.retriever.store.list_documents(most=1)
                found = newest[0].id if newest else None
        return await self.retriever.store.document(found) if found else None

    async def _weigh(self, asked: str, passages: Sequence[Passage]) -> list[Evidence]:
        """The sentences of the passages, those that bear most on the question first."""
        ranked = await asyncio.to_thread(lambda: rank(asked, passages, gather(passages)))
        texts = [in_passage(sentence, passages) for sentence in ranked[:EMBEDDED]]
        return refine(ranked, await self.retriever.cosines(asked, texts))

    def _refuse(self, question: Question, passages: Sequence[Passage]) -> _Plan:
        # One that is too long for the model is told so even where the model is not asked.
        self._messages(question, (), ())
        return _Plan(passages, text=replies.refusal(passages, prompt.language_of(question.content)))

    def _prepare(
        self,
        question: Question,
        asked: str,
        history: Sequence[Turn],
        passages: Sequence[Passage],
        ranked: Sequence[Evidence],
    ) -> _Plan:
        """Quote, or let the model write. `asked`: what a short answer is to answer, if one can."""
        if not self._quotes(question):
            excerpts = self._excerpts(passages, ranked)
            return _Plan(passages, None, messages=self._messages(question, history, excerpts))
        chosen = quoting.select(ranked)
        quoted = quoting.quotation(passages, chosen)
        lang = prompt.language_of(question.content)
        return _Plan(
            quoted.sources,
            frozenset(quoted.numbers),
            messages=self._messages(question, history, quoted.excerpts),
            choices=quoting.answers(lang, quoted, quoting.short_answers(asked, chosen) if asked else []),
            quoted=quoted.sentences,
        )

    def _quotes(self, question: Question) -> bool:
        """Whether to quote. What a model writes in a language that it does not know is no answer."""
        mode = question.answers or self.answers
        if mode == "quote" or not self.generator.speaks(prompt.language_of(question.content)):
            return True
        return mode == "auto" and self._small

    @property
    def _small(self) -> bool:
        return self.generator.parameters < prompt.NARROW_BELOW

    def _excerpts(self, passages: Sequence[Passage], ranked: Sequence[Evidence]) -> list[prompt.Excerpt]:
        if self._small:
            return prompt.narrow(passages, ranked, self.generator.parameters)
        return prompt.wide(passages)

    def _messages(
        self, question: Question, history: Sequence[Turn], excerpts: Sequence[prompt.Excerpt]
    ) -> list[Message]:
        return prompt.build(
            question.content,
            history,
            excerpts,
            context=self.generator.context,
            max_tokens=self.sampling.max_tokens,
            count=self.generator.count,
        )

    def _tokens(self, plan: _Plan, question: Question) -> AsyncGenerator[Token, None]:
        if plan.text:
            return _fixed(plan.text)
        tokens = self.generator.generate(plan.messages, self.sampling, question.cancel, plan.choices)
        return _timed(tokens, self.token_timeout)


def _cited_last(history: Sequence[Turn]) -> str | None:
    """The id of the document that the latest answer with a citation cites first."""
    places: Iterator[Any] = (source["metadata"] for turn in reversed(history) for source in turn.sources)
    return next((place["document_id"] for place in places if place["cited"]), None)


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
