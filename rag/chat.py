"""The pipeline behind every door: session, retrieval, evidence, prompt, generation, events."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import threading
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from . import basis, grounding, overview, prompt, quoting, replies, shots
from .errors import RagError
from .evidence import Evidence, gather
from .figures import Figures
from .protocol import AS_USUAL, Event, Options, Stream, source_of
from .retrieval import Retriever
from .sessions import Sessions, before
from .spans import Span
from .types import (
    CancelFlag,
    Document,
    Filter,
    Finish,
    FinishReason,
    Generator,
    Message,
    Passage,
    Sampling,
    Token,
    Turn,
    Usage,
)

Mode = Literal["", "quote", "free"]

# Tokens of a short answer.
LONGEST_CHOICE = 64

_PARAGRAPH = re.compile(r".+?(?:\n\n|\Z)", re.DOTALL)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """One question, and how it wants to be answered; `answers` "" leaves it to the chat, and `options` come first.

    `stream` was made when it was received. `replaces` is the id of an earlier message in whose place it is asked.
    """

    content: str
    stream: Stream
    cancel: CancelFlag
    early_sources: bool = False
    thinking: bool = False
    answers: Mode = ""
    replaces: str = ""
    options: Options = AS_USUAL

    @property
    def where(self) -> Filter:
        """Where its answer is looked for."""
        return Filter(documents=self.options.documents or ())


@dataclass(frozen=True, slots=True)
class _Plan:
    """What an answer is made from: a text that is ready, what it quotes, or what the model reads to write it.

    `cited`: numbers of the sources that it cites, None as long as only the model knows. `used`: how many passages it
    is made from. `offered`: short answers that the model chooses from when it has read `shown`.
    """

    sources: Sequence[Passage] = ()
    cited: frozenset[int] | None = frozenset()
    used: int = 0
    text: str = ""
    quoted: quoting.Quotation | None = None
    offered: Sequence[Span] = ()
    shown: str = ""
    messages: Sequence[Message] = ()

    def told(self, answer: str = "") -> list[dict[str, Any]]:
        """The sources in the shape of the protocol, marked as far as the answer is known."""
        cited = grounding.cited(answer) if self.cited is None else self.cited
        return [source_of(passage, number in cited) for number, passage in enumerate(self.sources, 1)]

    def grounded(self, answer: str) -> Mapping[str, Any] | None:
        """How much of the answer its sources support; quotes are their own evidence. Takes milliseconds."""
        if self.quoted:
            return {"supported": self.quoted.sentences, "total": self.quoted.sentences, "unsupported": []}
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
    figures: Figures = field(default_factory=Figures)

    async def answer(self, question: Question) -> AsyncGenerator[Event, None]:
        """The events of one answer. Never raises: what goes wrong becomes the last event.

        Closing it cancels the answer. A turn is on disk before its end is told.
        """
        stream = question.stream
        try:
            lock = self.sessions.lock(stream.session_id)
            with self.figures.queued():
                async with lock, aclosing(self._events(question)) as events:
                    with self.figures.answering():
                        async for event in events:
                            yield event
        except Exception as error:
            if not isinstance(error, RagError):
                log.exception("an answer failed")
                error = RagError("WS-999-INTERNAL_ERROR")
            self.figures.failed()
            if stream.started and not stream.sources_sent:
                yield stream.sources([])
            yield stream.error(error)
        finally:
            question.cancel.set()

    @property
    def quotes(self) -> bool:
        """Whether it quotes where a question leaves that to it."""
        return self._is_quoting(self.answers)

    async def read_ahead(self) -> None:
        """Let the model read what stands before every choice of a short answer, for the first one not to wait."""
        if not self.quotes:
            return
        for lang in filter(self.generator.speaks, shots.EXAMPLES):
            tokens = self.generator.generate(shots.prompt(lang, "", ""), Sampling(max_tokens=1), threading.Event())
            with suppress(RagError):
                async for _ in tokens:
                    pass

    async def _events(self, question: Question) -> AsyncGenerator[Event, None]:
        stream = question.stream
        plan, answer, finish = _Plan(), "", Finish("cancelled", Usage())
        begun = ended = 0.0
        if question.cancel.is_set():
            yield stream.start()
        else:
            history = before(await self.sessions.turns(stream.session_id), question.replaces)
            plan = await self._plan(question, history)
            yield stream.start()
            if question.early_sources:
                yield stream.sources(plan.told(), plan.used)
            async with aclosing(self._tokens(plan, question)) as tokens:
                async for token in tokens:
                    ended = stream.clock()
                    begun = begun or ended
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
            yield stream.sources(sources, plan.used)
        if answer:
            asked = plan.messages[-1].content if plan.messages else ""
            turn = Turn(stream.message_id, question.content, answer, sources, asked)
            # What it replaces is kept until now: an answer that fails takes nothing away.
            await self.sessions.append(stream.session_id, turn, question.replaces)
        whole = finish.reason != "cancelled"
        grounded = await asyncio.to_thread(plan.grounded, answer) if whole else None
        end = stream.end(finish.reason, finish.usage, grounded, sources)
        writing = ended - begun if plan.messages else 0.0
        self.figures.answered(end, writing)
        yield end

    async def _plan(self, question: Question, history: Sequence[Turn]) -> _Plan:
        """From a question to what its answer is made from. Raises `RagError` GEN-003 and those of the search."""
        if reply := replies.small_talk(question.content, prompt.language_of(question.content)):
            return _Plan(text=reply)
        # One that is too long for the model is told so even where the model is not asked.
        await asyncio.to_thread(self._messages, question, (), ())
        asked = question.content
        most = question.options.sources or self.passages
        found = await basis.find(self.retriever, asked, history, most, question.where)
        if document := await self._meant(question, found.passages, history):
            passages = await asyncio.to_thread(overview.beginning, document)
            return await asyncio.to_thread(self._prepare, question, "", history, passages, gather(passages))
        if not found.told:
            return _Plan(found.passages, text=replies.refusal(found.passages, prompt.language_of(asked)))
        return await asyncio.to_thread(self._prepare, question, asked, history, found.passages, found.ranked)

    async def _meant(self, question: Question, passages: Sequence[Passage], history: Sequence[Turn]) -> Document | None:
        """The document that the question is about as a whole: the one it names, or spoken of, or added last."""
        asked, chosen = question.content, question.where.documents
        if not overview.asks(asked):
            return None
        found = overview.named(asked, passages)
        if found is None and (overview.points(asked) or len(chosen) == 1):
            found = _cited_last(history, chosen) or await self._newest(chosen)
        return await self.retriever.store.document(found) if found else None

    async def _newest(self, chosen: Sequence[str]) -> str | None:
        """The id of the document that was added last, of the chosen ones if there are any."""
        store = self.retriever.store
        if not chosen:
            newest, _ = await store.list_documents(most=1)
            return newest[0].id if newest else None
        heads = [head for head in await asyncio.gather(*map(store.head, chosen)) if head]
        return max(heads, key=lambda head: head.added).id if heads else None

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
            return _Plan(passages, None, len(excerpts), messages=self._messages(question, history, excerpts))
        chosen = quoting.select(ranked)
        quoted = quoting.quotation(passages, chosen)
        offered = quoting.offered(asked, chosen) if asked else []
        shown = self._shown(asked, chosen[0].text) if len(offered) > 1 else ""
        used = len({quote.passage for quote in quoted.quotes})
        return _Plan(quoted.sources, frozenset(quoted.numbers), used, quoted=quoted, offered=offered, shown=shown)

    def _shown(self, asked: str, sentence: str) -> str:
        """What the model reads to choose the short answer in the sentence; "" if it is no help there."""
        lang = prompt.language_of(asked)
        if not self.generator.speaks(lang):
            return ""
        text = shots.prompt(lang, asked, sentence)
        return text if self.generator.count(text) < self.generator.context - LONGEST_CHOICE else ""

    def _quotes(self, question: Question) -> bool:
        """Whether to quote. What a model writes in a language that it does not know is no answer."""
        known = self.generator.speaks(prompt.language_of(question.content))
        return not known or self._is_quoting(question.options.answers or question.answers or self.answers)

    def _is_quoting(self, mode: str) -> bool:
        return mode == "quote" or (mode == "auto" and self._small)

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
            max_tokens=question.options.max_tokens or self.sampling.max_tokens,
            count=self.generator.count,
        )

    def _tokens(self, plan: _Plan, question: Question) -> AsyncGenerator[Token, None]:
        if plan.text:
            return _fixed(plan.text, question.cancel, Usage())
        if plan.quoted:
            return self._quoting(plan, plan.quoted, question)
        # Small models like to go on with a question of their own.
        stop = f"\n{prompt.QUESTION[prompt.language_of(question.content)]}:"
        wanted = question.options.temperature
        sampling = replace(
            self.sampling,
            temperature=self.sampling.temperature if wanted is None else wanted,
            max_tokens=question.options.max_tokens or self.sampling.max_tokens,
            # With one seed for all, a varied answer would vary from the likeliest one, but not from itself.
            seed=secrets.randbits(32),
            stop=(*self.sampling.stop, stop),
        )
        tokens = self.generator.generate(plan.messages, sampling, question.cancel)
        return _timed(tokens, self.token_timeout)

    async def _quoting(self, plan: _Plan, quoted: quoting.Quotation, question: Question) -> AsyncGenerator[Token, None]:
        """The short answer, by the model where it is a help, and the quotes."""
        short = plan.offered[0].text if plan.offered else ""
        finish = Finish("stop", Usage())
        if plan.shown:
            choices = [shots.choice(span.text) for span in plan.offered]
            priors = [span.prior for span in plan.offered]
            tokens = self.generator.generate(plan.shown, Sampling(), _Part(question.cancel), choices, priors)
            chosen = ""
            async with aclosing(_timed(tokens, self.token_timeout)) as timed:
                async for token in timed:
                    chosen += token.text
                    finish = token.finish or finish
            short = chosen.strip()
        if finish.reason == "stop":
            text = quoting.answer(prompt.language_of(question.content), quoted, short)
            async with aclosing(_fixed(text, question.cancel, finish.usage)) as paragraphs:
                async for token in paragraphs:
                    yield token
        else:
            yield Token("", finish)


class _Part:
    """The flag of a part of an answer: cancelled with the whole, but its end is not the whole's."""

    def __init__(self, whole: CancelFlag) -> None:
        self._whole = whole
        self._ended = False

    def is_set(self) -> bool:
        return self._ended or self._whole.is_set()

    def set(self) -> None:
        self._ended = True


def _cited_last(history: Sequence[Turn], chosen: Sequence[str]) -> str | None:
    """The id of the document that the latest answer with a citation cites first, of the chosen ones if any are."""
    places: Iterator[Any] = (source["metadata"] for turn in reversed(history) for source in turn.sources)
    cited = (str(place["document_id"]) for place in places if place["cited"])
    return next((document for document in cited if not chosen or document in chosen), None)


async def _fixed(text: str, cancel: CancelFlag, usage: Usage) -> AsyncGenerator[Token, None]:
    """A text that no model wrote, as an answer, paragraph by paragraph."""
    reason: FinishReason = "stop"
    for paragraph in _PARAGRAPH.findall(text):
        if cancel.is_set():
            reason = "cancelled"
            break
        yield Token(paragraph)
    yield Token("", Finish(reason, usage))


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
