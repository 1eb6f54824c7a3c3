"""The pipeline behind every door: which events an answer gives, whatever happens on the way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from rag.chat import Chat, Question
from rag.errors import RagError
from rag.prompt import NOTHING_FOUND
from rag.protocol import End, ErrorEvent, Event, Sources, Start, Stream, ThinkingEvent, TokenEvent
from rag.retrieval import Retriever
from rag.sessions import Sessions
from rag.types import CancelFlag, Message, Sampling, Token
from tests.fakes import PATIENCE, Clock, HashEmbedder, MemoryStore, ScriptedGenerator, make_document, make_passage


class Rig:
    """A chat on scripted parts, whose store holds two passages about a battery."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions
        self.generator = ScriptedGenerator()
        self.embedder = HashEmbedder()
        self.store = MemoryStore()
        passages = [make_passage("the battery lasts", 0), make_passage("battery of it", 1)]
        self.store.documents["doc"] = make_document("text")
        self.store.passages["doc"] = passages

    def question(self, content: str = "the battery", id: str = "m", **fields: Any) -> Question:
        return Question(content, Stream(id, "s", Clock()), threading.Event(), **fields)

    def chat(self, **fields: Any) -> Chat:
        return Chat(self.generator, Retriever(self.embedder, self.store), self.sessions, Sampling(), **fields)

    async def answer(self, question: Question | None = None, **fields: Any) -> list[Event]:
        async with asyncio.timeout(PATIENCE):
            return [event async for event in self.chat(**fields).answer(question or self.question())]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    sessions = Sessions(tmp_path / "sessions.db", 30, Clock())
    yield Rig(sessions)
    await sessions.close()


def kinds(events: list[Event]) -> list[type]:
    """The kinds of the events, runs of tokens as one."""
    found = [type(event) for event in events]
    return [kind for at, kind in enumerate(found) if kind is not TokenEvent or found[at - 1] is not TokenEvent]


def said(events: list[Event]) -> str:
    return "".join(event.token for event in events if isinstance(event, TokenEvent))


def sources(events: list[Event]) -> list[dict[str, Any]]:
    (event,) = [event for event in events if isinstance(event, Sources)]
    return list(event.sources)


async def test_an_answer_is_start_tokens_sources_end(rig: Rig) -> None:
    events = await rig.answer()
    assert kinds(events) == [Start, TokenEvent, Sources, End]
    assert said(events) == "The answer is 42 [1]."
    end = events[-1]
    assert isinstance(end, End)
    assert (end.total_tokens, end.finish_reason, end.usage.completion_tokens) == (5, "stop", 5)


async def test_sources_are_those_of_the_prompt_in_its_order_and_say_which_are_cited(rig: Rig) -> None:
    found = sources(await rig.answer())
    assert [(source["content"], source["metadata"]["cited"]) for source in found] == [
        ("the battery lasts", True),
        ("battery of it", False),
    ]
    asked = rig.generator.prompts[0][-1].content
    assert asked.index("[1] Title\nthe battery lasts") < asked.index("[2] Title\nbattery of it")


async def test_early_sources_come_before_the_tokens_and_once(rig: Rig) -> None:
    assert kinds(await rig.answer(rig.question(early_sources=True))) == [Start, Sources, TokenEvent, End]


@pytest.mark.parametrize(("content", "lang"), [("nothing here", "en"), ("없는 내용", "ko")])
async def test_nothing_found_is_said_without_asking_the_model(rig: Rig, content: str, lang: str) -> None:
    events = await rig.answer(rig.question(content))
    assert said(events) == NOTHING_FOUND[lang]  # type: ignore[index]
    assert sources(events) == []
    assert kinds(events)[-1] is End
    assert rig.generator.prompts == []


async def test_the_next_question_sees_the_earlier_turn(rig: Rig) -> None:
    await rig.answer(rig.question("the battery"))
    await rig.answer(rig.question("battery again", id="m2"))
    roles = [(message.role, message.content) for message in rig.generator.prompts[1][1:3]]
    assert roles == [("user", rig.generator.prompts[0][-1].content), ("assistant", "The answer is 42 [1].")]
    turns = await rig.sessions.turns("s")
    assert [turn.message_id for turn in turns] == ["m", "m2"]
    assert turns[0].sources[0]["content"] == "the battery lasts"


async def test_a_turn_is_on_disk_before_its_end_is_told(rig: Rig) -> None:
    async for event in rig.chat().answer(rig.question()):
        if isinstance(event, End):
            assert len(await rig.sessions.turns("s")) == 1


async def test_questions_of_one_session_are_answered_one_after_the_other(rig: Rig) -> None:
    first, second = await asyncio.gather(rig.answer(rig.question(id="a")), rig.answer(rig.question(id="b")))
    assert kinds(first)[-1] is kinds(second)[-1] is End
    # The one that came second was asked with the first one's turn.
    assert [len(messages) for messages in rig.generator.prompts] == [2, 4]


async def test_a_cancelled_answer_keeps_what_was_said(rig: Rig) -> None:
    question = rig.question()
    events = []
    async for event in rig.chat().answer(question):
        events.append(event)
        if isinstance(event, TokenEvent) and event.index == 1:
            question.cancel.set()
    assert kinds(events) == [Start, TokenEvent, Sources, End]
    assert said(events) == "The answer"
    end = events[-1]
    assert isinstance(end, End)
    assert end.finish_reason == "cancelled"
    assert (await rig.sessions.turns("s"))[0].answer == "The answer"


async def test_a_question_that_is_cancelled_before_its_turn_does_no_work(rig: Rig) -> None:
    question = rig.question()
    question.cancel.set()
    events = await rig.answer(question)
    assert kinds(events) == [Start, Sources, End]
    assert (rig.embedder.texts, rig.generator.prompts) == ([], [])
    assert await rig.sessions.turns("s") == []


async def test_an_error_before_the_work_begins_is_told_alone(rig: Rig) -> None:
    rig.store.error = RagError("SEARCH-001")
    (event,) = await rig.answer()
    assert isinstance(event, ErrorEvent)
    assert event.error.code == "SEARCH-001"


async def test_a_question_that_does_not_fit_is_told_alone(rig: Rig) -> None:
    rig.generator.context = 20
    (event,) = await rig.answer(rig.question("battery " * 100))
    assert isinstance(event, ErrorEvent)
    assert event.error.code == "GEN-003"


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize(
    ("error", "code"), [(RagError("GEN-999"), "GEN-999"), (ZeroDivisionError(), "WS-999-INTERNAL_ERROR")]
)
async def test_an_error_in_the_middle_is_the_last_event_behind_sources(
    rig: Rig, error: Exception, code: str, early: bool
) -> None:
    rig.generator.error = error
    question = rig.question(early_sources=early)
    events = await rig.answer(question)
    assert sorted(kinds(events), key=str) == sorted([Start, TokenEvent, Sources, ErrorEvent], key=str)
    last = events[-1]
    assert isinstance(last, ErrorEvent)
    assert last.error.code == code
    assert question.cancel.is_set()
    # Half an answer is no turn; and the session is free for the next question.
    assert await rig.sessions.turns("s") == []
    rig.generator.error = None
    assert kinds(await rig.answer())[-1] is End


async def test_a_model_that_says_nothing_in_time_is_gen_001_and_is_stopped(rig: Rig) -> None:
    rig.generator.wait = asyncio.Event
    question = rig.question()
    events = await rig.answer(question, token_timeout=0.01)
    last = events[-1]
    assert isinstance(last, ErrorEvent)
    assert last.error.code == "GEN-001"
    assert question.cancel.is_set()


class Waiting(ScriptedGenerator):
    """Shows ten signs of life, `gap` seconds apart, before it says anything."""

    gap = 0.05

    async def generate(
        self,
        messages: Sequence[Message] | str,
        sampling: Sampling,
        cancel: CancelFlag,
        choices: Sequence[str] = (),
        priors: Sequence[float] = (),
    ) -> AsyncGenerator[Token, None]:
        for _ in range(10):
            await asyncio.sleep(self.gap)
            yield Token("")
        async for token in super().generate(messages, sampling, cancel, choices, priors):
            yield token


async def test_a_sign_of_life_restarts_the_wait_and_is_no_token(rig: Rig) -> None:
    rig.generator = Waiting()
    events = await rig.answer(token_timeout=0.4)
    assert kinds(events) == [Start, TokenEvent, Sources, End]
    end = events[-1]
    assert isinstance(end, End)
    assert end.total_tokens == 5


async def test_a_model_that_falls_silent_after_signs_of_life_is_gen_001(rig: Rig) -> None:
    rig.generator = Waiting(wait=asyncio.Event)
    last = (await rig.answer(token_timeout=0.4))[-1]
    assert isinstance(last, ErrorEvent)
    assert last.error.code == "GEN-001"


async def test_thinking_is_told_only_where_it_was_asked_for(rig: Rig) -> None:
    rig.generator.thoughts = "Perhaps [2]? No."
    told = await rig.answer(rig.question(thinking=True))
    assert "".join(event.text for event in told if isinstance(event, ThinkingEvent)) == "Perhaps [2]? No."
    assert [kind for kind in kinds(told) if kind is not ThinkingEvent] == [Start, TokenEvent, Sources, End]
    assert kinds(await rig.answer(rig.question(id="m2"))) == [Start, TokenEvent, Sources, End]


@pytest.mark.parametrize("thinking", [True, False])
async def test_thinking_is_no_part_of_the_answer_its_citations_or_its_turn(rig: Rig, thinking: bool) -> None:
    rig.generator.thoughts = "Perhaps [2]? No."
    events = await rig.answer(rig.question(thinking=thinking))
    assert said(events) == "The answer is 42 [1]."
    assert [source["metadata"]["cited"] for source in sources(events)] == [True, False]
    end = events[-1]
    assert isinstance(end, End)
    assert end.total_tokens == 5
    assert (await rig.sessions.turns("s"))[0].answer == "The answer is 42 [1]."


async def test_who_only_thinks_has_no_turn(rig: Rig) -> None:
    rig.generator.thoughts, rig.generator.reply = "Hm.", ""
    events = await rig.answer(rig.question(thinking=True))
    assert kinds(events) == [Start, ThinkingEvent, Sources, End]
    end = events[-1]
    assert isinstance(end, End)
    assert (end.total_tokens, end.time_to_first_token_ms) == (0, None)
    assert await rig.sessions.turns("s") == []


async def test_closing_the_answer_cancels_it_and_frees_the_session(rig: Rig) -> None:
    question = rig.question()
    answer = rig.chat().answer(question)
    await anext(answer)
    await anext(answer)
    await answer.aclose()
    assert question.cancel.is_set()
    assert kinds(await rig.answer())[-1] is End


async def test_a_model_that_does_not_know_the_language_may_only_choose_what_to_quote(rig: Rig) -> None:
    rig.generator.languages = ("en",)
    rig.store.passages["doc"].append(make_passage("배터리 보증 기간은 24개월입니다.", 2))
    events = await rig.answer(rig.question("배터리 보증"))
    assert kinds(events) == [Start, TokenEvent, Sources, End]
    assert "“배터리 보증 기간은 24개월입니다.” [1]" in said(events)
    assert [source["metadata"]["cited"] for source in sources(events)] == [True]
    await rig.answer(rig.question("the battery"))
    assert rig.generator.choices == []
