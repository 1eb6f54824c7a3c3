"""The pipeline behind every door: session, retrieval, evidence, prompt, generation, events."""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from . import basis, followup, overview, prompt, quoting, replies, shots
from .errors import RagError
from .evidence import Evidence, gather
from .figures import Figures
from .pacing import Part, fixed, timed
from .plan import Plan
from .protocol import AS_USUAL, MAX_CONTENT, Event, Options, Stream
from .retrieval import Retriever
from .sessions import Sessions, before
from .turns import Turns
from .types import (
    CancelFlag,
    Document,
    Filter,
    Finish,
    Generator,
    Message,
    Passage,
    Sampling,
    Token,
    Turn,
    Usage,
)

Mode = Literal["", "quote", "free"]

# Questions that are looked up at once: more would only keep the cores from each other and from the answers.
SEARCHES = 4
# Tokens of a short answer.
LONGEST_CHOICE = 64

log = logging.getLogger(__name__)


def _wanted() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass(frozen=True, slots=True)
class Question:
    """One question, and how it wants to be answered; `answers` "" leaves it to the chat, and `options` come first.

    `stream` was made when it was received. `replaces` is the id of an earlier message in whose place it is asked.

    A `history` that is given stands in place of the session's; its turns need no sources. `messages`, where there are
    any, are all that the model reads, and nothing is searched. In both cases nothing is kept. `system`: what the client
    asks of a model that writes. `sampling`, if given, stands in place of the chat's and of what `options` say of it.

    Those who ask take turns; `asker` names one. An answer does not begin while it is not `wanted`, unless it is
    cancelled.
    """

    content: str
    stream: Stream
    cancel: CancelFlag
    early_sources: bool = False
    thinking: bool = False
    answers: Mode = ""
    replaces: str = ""
    options: Options = AS_USUAL
    history: Sequence[Turn] | None = None
    messages: Sequence[Message] = ()
    system: str = ""
    sampling: Sampling | None = None
    asker: str = ""
    wanted: asyncio.Event = field(default_factory=_wanted)

    @property
    def kept(self) -> bool:
        """Whether its answer becomes a turn of the session."""
        return self.history is None and not self.messages

    @property
    def where(self) -> Filter:
        """Where its answer is looked for."""
        return Filter(documents=self.options.documents or ())


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
    turns: Turns = field(default_factory=lambda: Turns(SEARCHES))

    async def answer(self, question: Question) -> AsyncGenerator[Event, None]:
        """The events of one answer. Never raises: what goes wrong becomes the last event.

        Closing it cancels the answer. A turn is on disk before its end is told.
        """
        stream = question.stream
        try:
            with self.figures.queued():
                async with self._alone(question), aclosing(self._events(question)) as events:
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

    @asynccontextmanager
    async def _alone(self, question: Question) -> AsyncIterator[None]:
        """Hold the session, when its turn has come and somebody waits for the answer."""
        lock = self.sessions.lock(question.stream.session_id)
        while True:
            await question.wanted.wait()
            async with lock:
                if question.wanted.is_set():
                    yield
                    return

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
        plan, answer, finish = Plan(), "", Finish("cancelled", Usage())
        begun = ended = 0.0
        if question.cancel.is_set():
            yield stream.start()
        else:
            if question.messages:
                plan = await self._bare(question.messages)
            else:
                async with self.turns.taken(question.asker):
                    plan = await self._plan(question, await self._history(question))
            yield stream.start()
            if question.early_sources:
                yield stream.sources(plan.told(), plan.used)
            async with aclosing(self._tokens(plan, question)) as said:
                async for token in said:
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
        if answer and question.kept:
            turn = Turn(stream.message_id, question.content, answer, sources, plan.asked)
            # What it replaces is kept until now: an answer that fails takes nothing away.
            await self.sessions.append(stream.session_id, turn, question.replaces)
        whole = finish.reason != "cancelled"
        grounded = await asyncio.to_thread(plan.grounded, answer) if whole else None
        tokens = finish.usage.completion_tokens if plan.messages else await asyncio.to_thread(self._count, answer)
        end = stream.end(finish.reason, finish.usage, grounded, sources, tokens)
        writing = ended - begun if plan.messages else 0.0
        self.figures.answered(end, writing)
        yield end

    def _count(self, text: str) -> int:
        """Tokens of a text within an answer."""
        return self.generator.count(text) - self.generator.count("")

    async def _bare(self, messages: Sequence[Message]) -> Plan:
        """The messages alone. Raises `RagError` WS-002 if the model's template does not take them in this order."""
        try:
            await asyncio.to_thread(self.generator.count, messages)
        except RagError as error:
            if error.code != "GEN-002":
                raise
            raise RagError("WS-002-VALIDATION_ERROR", field="messages", rule="rule:template") from error
        return Plan(messages=messages)

    async def _history(self, question: Question) -> list[Turn]:
        """The turns before the question. Of given ones, those that searching looks at get sources again."""
        if question.history is None:
            return before(await self.sessions.turns(question.stream.session_id), question.replaces)
        turns = list(question.history[: -followup.TURNS])
        for turn in question.history[-followup.TURNS :]:
            turns.append(await self._traced(turn, question, turns))
        return turns

    async def _traced(self, turn: Turn, question: Question, earlier: Sequence[Turn]) -> Turn:
        """The turn as a session would have kept it, by the same way to its answer but for the answer itself."""
        try:
            if turn.sources or len(turn.question) > MAX_CONTENT:
                return turn
            plan = await self._plan(replace(question, content=turn.question), earlier)
        except RagError as error:
            if error.code != "GEN-003":
                raise
            return turn
        return replace(turn, sources=plan.told(turn.answer), asked=plan.asked)

    async def _plan(self, question: Question, history: Sequence[Turn]) -> Plan:
        """From a question to what its answer is made from. Raises `RagError` GEN-003 and those of the search."""
        if reply := replies.small_talk(question.content, prompt.language_of(question.content)):
            return Plan(text=reply)
        # One that is too long for the model is told so even where the model is not asked.
        await asyncio.to_thread(self._messages, question, (), ())
        asked = question.content
        most = question.options.sources or self.passages
        found = await basis.find(self.retriever, asked, history, most, question.where)
        if document := await self._meant(question, found.passages, history):
            passages = await asyncio.to_thread(overview.beginning, document)
            return await asyncio.to_thread(self._prepare, question, "", history, passages, gather(passages))
        if not found.told:
            return Plan(found.passages, text=replies.refusal(found.passages, prompt.language_of(asked)))
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
    ) -> Plan:
        """Quote, or let the model write. `asked`: what a short answer is to answer, if one can."""
        if not self._quotes(question):
            excerpts = self._excerpts(passages, ranked)
            return Plan(passages, None, len(excerpts), messages=self._messages(question, history, excerpts))
        chosen = quoting.select(ranked)
        quoted = quoting.quotation(passages, chosen)
        offered = quoting.offered(asked, chosen) if asked else []
        shown = self._shown(asked, chosen[0].text) if len(offered) > 1 else ""
        used = len({quote.passage for quote in quoted.quotes})
        return Plan(quoted.sources, frozenset(quoted.numbers), used, quoted=quoted, offered=offered, shown=shown)

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
            max_tokens=self._sampling(question).max_tokens,
            count=self.generator.count,
            system="" if self._quotes(question) else question.system,
        )

    def _tokens(self, plan: Plan, question: Question) -> AsyncGenerator[Token, None]:
        if plan.text:
            return fixed(plan.text, question.cancel, Usage())
        if plan.quoted:
            return self._quoting(plan, plan.quoted, question)
        sampling = self._sampling(question)
        if not (question.messages or sampling.ignore_end):
            # Small models like to go on with a question of their own.
            further = f"\n{prompt.QUESTION[prompt.language_of(question.content)]}:"
            sampling = replace(sampling, stop=(*sampling.stop, further))
        tokens = self.generator.generate(plan.messages, sampling, question.cancel, asker=question.asker)
        return timed(tokens, self.token_timeout)

    def _sampling(self, question: Question) -> Sampling:
        if question.sampling:
            return question.sampling
        options = question.options
        return replace(
            self.sampling,
            temperature=self.sampling.temperature if options.temperature is None else options.temperature,
            max_tokens=options.max_tokens or self.sampling.max_tokens,
            # With one seed for all, a varied answer would vary from the likeliest one, but not from itself.
            seed=secrets.randbits(32),
        )

    async def _quoting(self, plan: Plan, quoted: quoting.Quotation, question: Question) -> AsyncGenerator[Token, None]:
        """The short answer, by the model where it is a help, and the quotes."""
        short = plan.offered[0].text if plan.offered else ""
        finish = Finish("stop", Usage())
        if plan.shown:
            choices = [shots.choice(span.text) for span in plan.offered]
            priors = [span.prior for span in plan.offered]
            tokens = self.generator.generate(
                plan.shown, Sampling(), Part(question.cancel), choices, priors, question.asker
            )
            chosen = ""
            async with aclosing(timed(tokens, self.token_timeout)) as said:
                async for token in said:
                    chosen += token.text
                    finish = token.finish or finish
            short = chosen.strip()
        if finish.reason == "stop":
            text = quoting.answer(prompt.language_of(question.content), quoted, short)
            async with aclosing(fixed(text, question.cancel, finish.usage)) as paragraphs:
                async for token in paragraphs:
                    yield token
        else:
            yield Token("", finish)


def _cited_last(history: Sequence[Turn], chosen: Sequence[str]) -> str | None:
    """The id of the document that the latest answer with a citation cites first, of the chosen ones if any are."""
    places: Iterator[Any] = (source["metadata"] for turn in reversed(history) for source in turn.sources)
    cited = (str(place["document_id"]) for place in places if place["cited"])
    return next((document for document in cited if not chosen or document in chosen), None)
