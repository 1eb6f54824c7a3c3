"""The pipeline behind every door: which events an answer gives, whatever happens on the way."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rag.chat import Chat, Question
from rag.errors import Lang, RagError
from rag.figures import Figures
from rag.protocol import End, ErrorEvent, Event, Options, Sources, Start, Stream, ThinkingEvent, TokenEvent
from rag.replies import HELLO, NOT_TOLD, NOTHING_FOUND
from rag.retrieval import Retriever
from rag.sessions import Sessions
from rag.types import CancelFlag, Message, Sampling, Token, Turn
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


async def test_a_question_in_place_of_an_earlier_one_is_asked_without_it_and_what_followed(rig: Rig) -> None:
    for id in ("m1", "m2", "m3"):
        await rig.answer(rig.question(f"the battery {id}", id=id))
    await rig.answer(rig.question("the battery m4", id="m4", replaces="m2"))
    assert [message.content for message in rig.generator.prompts[3]][1] == rig.generator.prompts[0][-1].content
    assert [len(messages) for messages in rig.generator.prompts] == [2, 4, 6, 4]
    assert [turn.message_id for turn in await rig.sessions.turns("s")] == ["m1", "m4"]


async def test_a_question_in_place_of_an_unknown_one_is_asked_as_any_other(rig: Rig) -> None:
    await rig.answer(rig.question(id="m1"))
    await rig.answer(rig.question(id="m2", replaces="forgotten"))
    assert [turn.message_id for turn in await rig.sessions.turns("s")] == ["m1", "m2"]


async def test_an_answer_that_fails_takes_nothing_away(rig: Rig) -> None:
    for id in ("m1", "m2"):
        await rig.answer(rig.question(id=id))
    rig.generator.error = RagError("GEN-999")
    assert kinds(await rig.answer(rig.question(id="m3", replaces="m1")))[-1] is ErrorEvent
    cancelled = rig.question(id="m4", replaces="m1")
    cancelled.cancel.set()
    await rig.answer(cancelled)
    rig.generator.error = None
    closed = rig.chat().answer(rig.question(id="m5", replaces="m1"))
    async for event in closed:
        if isinstance(event, TokenEvent):
            break
    await closed.aclose()
    assert [turn.message_id for turn in await rig.sessions.turns("s")] == ["m1", "m2"]


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
        asker: str = "",
    ) -> AsyncGenerator[Token, None]:
        for _ in range(10):
            await asyncio.sleep(self.gap)
            yield Token("")
        async for token in super().generate(messages, sampling, cancel, choices, priors, asker):
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


MANUAL = (
    "# Manual\n\nThe pump is sold in two colours. The warranty of the pump is 24 months. It covers the *motor*.\n\n"
    "이 펌프의 보증 기간은 24개월입니다. 필터는 보증되지 않습니다."
)


@pytest.fixture
def quoting(rig: Rig) -> Rig:
    """The rig with a small model and a manual."""
    rig.generator.parameters = 135_000_000
    rig.store.documents["doc"] = make_document(MANUAL)
    middle = MANUAL.index("이")
    rig.store.passages["doc"] = [make_passage(MANUAL[:middle], 0), make_passage(MANUAL[middle:], 1, start=middle)]
    return rig


def quotes(events: list[Event]) -> list[tuple[str, int]]:
    return [(text, int(number)) for text, number in re.findall(r"“(.+?)” \[(\d+)\]", said(events), re.DOTALL)]


@pytest.mark.parametrize(
    ("content", "start"),
    [
        ("warranty of the pump is what", "**24 months**\n\n“The warranty of the pump is 24 months.” [1]"),
        ("보증 기간은 얼마입니까?", "**24개월**\n\n“이 펌프의 보증 기간은 24개월입니다.” [1]"),
    ],
)
async def test_a_small_model_quotes_below_a_short_answer(quoting: Rig, content: str, start: str) -> None:
    events = await quoting.answer(quoting.question(content))
    assert kinds(events) == [Start, TokenEvent, Sources, End]
    assert said(events).startswith(start)
    assert quotes(events)
    for text, number in quotes(events):
        source = sources(events)[number - 1]
        assert source["content"] == text
        assert source["metadata"]["cited"]


@pytest.mark.parametrize("content", ["warranty of the pump is what", "보증 기간은 얼마입니까?", "the composer flood"])
async def test_every_source_is_the_text_between_its_offsets(quoting: Rig, content: str) -> None:
    for source in sources(await quoting.answer(quoting.question(content))):
        metadata = source["metadata"]
        assert MANUAL[metadata["start"] : metadata["end"]] == source["content"]


async def test_what_will_be_quoted_is_marked_in_early_sources(quoting: Rig) -> None:
    events = await quoting.answer(quoting.question("warranty of the pump is what", early_sources=True))
    assert kinds(events) == [Start, Sources, TokenEvent, End]
    cited = [source["content"] for source in sources(events) if source["metadata"]["cited"]]
    assert sorted(cited) == sorted(text for text, _ in quotes(events))


async def test_quotes_ground_their_answer(quoting: Rig) -> None:
    end = (await quoting.answer(quoting.question("warranty of the pump is what")))[-1]
    assert isinstance(end, End)
    assert end.grounded is not None
    assert end.grounded["supported"] == end.grounded["total"] >= 1
    assert end.grounded["unsupported"] == []


async def test_the_model_chooses_the_short_answer_where_it_knows_the_language(quoting: Rig) -> None:
    quoting.generator.languages = ("en",)
    await quoting.answer(quoting.question("warranty of the pump is what"))
    assert quoting.generator.raw[-1].endswith("Q: warranty of the pump is what\nA:")
    assert len(quoting.generator.choices) == len(quoting.generator.priors) > 1
    end = (await quoting.answer(quoting.question("보증 기간은 얼마입니까?")))[-1]
    assert isinstance(end, End)
    assert (len(quoting.generator.raw), quoting.generator.prompts, end.usage.completion_tokens) == (1, [], 0)


async def test_a_question_that_leans_on_the_conversation_is_searched_with_it(quoting: Rig) -> None:
    await quoting.answer(quoting.question("What is the warranty of the pump?"))
    await quoting.answer(quoting.question("And in which colours is it sold?", "2"))
    assert any("colours" in text and "pump" in text for text in quoting.embedder.texts)
    assert "And in which colours is it sold?" not in quoting.embedder.texts


@pytest.mark.parametrize(
    ("content", "again"), [("which pump colours", True), ("and which pump colours", False), ("which", False)]
)
async def test_a_question_that_the_conversation_does_not_help_is_searched_alone(
    quoting: Rig, monkeypatch: pytest.MonkeyPatch, content: str, again: bool
) -> None:
    await quoting.answer(quoting.question("What is the warranty of the pump?"))
    monkeypatch.setattr("rag.basis.bears", lambda searched, *rest: float(searched == content))
    events = await quoting.answer(quoting.question(content, "2"))
    assert (content in quoting.embedder.texts) is again
    assert bool(quotes(events)) is again


async def test_what_stands_before_every_choice_is_read_ahead_where_the_chat_quotes(quoting: Rig) -> None:
    quoting.generator.languages = ("en",)
    await quoting.chat().read_ahead()
    (ahead,) = quoting.generator.raw
    await quoting.answer(quoting.question("warranty of the pump is what"))
    assert quoting.generator.raw[-1].startswith(ahead.removesuffix("\nQ: \nA:").rstrip())
    quoting.generator.parameters = 7_000_000_000
    await quoting.chat().read_ahead()
    assert len(quoting.generator.raw) == 2


async def test_a_free_answer_stops_before_a_question_of_its_own(rig: Rig) -> None:
    await rig.answer(rig.question())
    assert rig.generator.samplings[-1].stop == ("\nQuestion:",)


async def test_a_choice_that_is_cancelled_ends_the_answer(quoting: Rig) -> None:
    question = quoting.question("warranty of the pump is what")
    quoting.generator.wait = lambda: question.cancel.set()
    events = await quoting.answer(question)
    end = events[-1]
    assert isinstance(end, End)
    assert (said(events), end.finish_reason, end.grounded) == ("", "cancelled", None)


async def test_a_cancelled_quotation_keeps_what_was_said(quoting: Rig) -> None:
    question = quoting.question("warranty of the pump is what")
    events = []
    async for event in quoting.chat().answer(question):
        events.append(event)
        if isinstance(event, TokenEvent):
            question.cancel.set()
    end = events[-1]
    assert isinstance(end, End)
    assert said(events) == "**24 months**\n\n"
    assert (end.finish_reason, end.grounded) == ("cancelled", None)
    assert (await quoting.sessions.turns("s"))[0].answer == said(events)


@pytest.mark.parametrize(
    ("parameters", "setting", "mode", "quoted"),
    [
        (135_000_000, "auto", "", True),
        (135_000_000, "auto", "free", False),
        (135_000_000, "free", "", False),
        (135_000_000, "free", "quote", True),
        (7_000_000_000, "auto", "", False),
        (7_000_000_000, "auto", "quote", True),
        (7_000_000_000, "quote", "", True),
        (7_000_000_000, "quote", "free", False),
    ],
)
async def test_the_question_decides_then_the_setting_then_the_size_of_the_model(
    quoting: Rig, parameters: int, setting: str, mode: str, quoted: bool
) -> None:
    quoting.generator.parameters = parameters
    events = await quoting.answer(quoting.question("warranty of the pump is what", answers=mode), answers=setting)
    assert (quoting.generator.prompts == []) == quoted
    end = events[-1]
    assert isinstance(end, End)
    assert end.grounded is not None
    assert (end.grounded["supported"] == end.grounded["total"]) == quoted


async def test_a_model_that_does_not_know_the_language_quotes_however_large(quoting: Rig) -> None:
    quoting.generator.parameters, quoting.generator.languages = 7_000_000_000, ("en",)
    events = await quoting.answer(quoting.question("보증 기간은 얼마입니까?", answers="free"))
    assert "“이 펌프의 보증 기간은 24개월입니다.” [1]" in said(events)
    assert quoting.generator.prompts == []
    await quoting.answer(quoting.question("warranty of the pump is what", id="m2"))
    assert len(quoting.generator.prompts) == 1


@pytest.mark.parametrize("parameters", [135_000_000, 7_000_000_000])
@pytest.mark.parametrize(
    ("content", "lang"), [("Who composed the opera about flood?", "en"), ("홍수 오페라는 누가 The 작곡했나?", "ko")]
)
async def test_what_the_documents_do_not_tell_is_refused_with_the_nearest(
    quoting: Rig, parameters: int, content: str, lang: Lang
) -> None:
    quoting.generator.parameters = parameters
    events = await quoting.answer(quoting.question(content))
    assert said(events) == NOT_TOLD[lang].format(titles="Title")
    assert quoting.generator.prompts == []
    assert [source["metadata"]["cited"] for source in sources(events)] == [False]
    end = events[-1]
    assert isinstance(end, End)
    assert end.grounded is None


@pytest.mark.parametrize(("content", "lang"), [("Hello!", "en"), ("안녕하세요", "ko")])
async def test_a_greeting_is_answered_without_a_search(rig: Rig, content: str, lang: Lang) -> None:
    events = await rig.answer(rig.question(content))
    assert said(events) == HELLO[lang]
    assert sources(events) == []
    assert (rig.embedder.texts, rig.generator.prompts) == ([], [])


@pytest.mark.parametrize(
    ("content", "head"), [("What is this document about?", "The documents say:"), ("요약해 줘", "문서에는")]
)
async def test_a_question_about_the_whole_document_is_answered_with_its_beginning(
    quoting: Rig, content: str, head: str
) -> None:
    events = await quoting.answer(quoting.question(content))
    assert said(events).startswith(head)
    assert "The pump is sold in two colours." in quotes(events)[0][0]
    for source in sources(events):
        assert MANUAL[source["metadata"]["start"] : source["metadata"]["end"]] == source["content"]


async def test_this_document_is_the_one_that_was_cited_last_or_else_the_newest(quoting: Rig) -> None:
    quoting.store.documents["new"] = make_document("A new text tells of trees.", "new")
    quoting.store.passages["new"] = [make_passage("A new text tells of trees.", document_id="new")]
    about = "What is this document about?"
    assert "A new text" in said(await quoting.answer(quoting.question(about)))
    quoting.store.documents["doc"] = quoting.store.documents.pop("doc")
    assert "A new text" in said(await quoting.answer(quoting.question(about, id="m2")))


async def test_an_empty_store_has_no_document_to_speak_of(rig: Rig) -> None:
    rig.store.documents.clear()
    rig.store.passages.clear()
    assert said(await rig.answer(rig.question("What is this document about?"))) == NOTHING_FOUND["en"]


# Wishes of one question, and what is measured.


@pytest.fixture
def two(rig: Rig) -> Rig:
    """Two documents that both tell of a battery."""
    rig.store.documents["new"] = make_document("a battery of trees", "new", added="2026-02")
    rig.store.passages["new"] = [make_passage("the battery of trees", document_id="new", title="Trees")]
    return rig


async def test_the_chosen_documents_alone_are_searched_for_that_question_alone(two: Rig) -> None:
    chosen = await two.answer(two.question(options=Options(documents=("new",))))
    assert {source["metadata"]["document_id"] for source in sources(chosen)} == {"new"}
    later = await two.answer(two.question(id="m2"))
    assert {source["metadata"]["document_id"] for source in sources(later)} == {"doc", "new"}


async def test_a_refusal_names_chosen_documents_only(two: Rig) -> None:
    asked = "Who composed the opera about battery?"
    events = await two.answer(two.question(asked, options=Options(documents=("new",))))
    assert said(events) == NOT_TOLD["en"].format(titles="Trees")


async def test_a_chosen_document_that_is_gone_is_not_found(two: Rig) -> None:
    events = await two.answer(two.question(options=Options(documents=("gone",))))
    assert (said(events), sources(events)) == (NOTHING_FOUND["en"], [])


async def test_this_document_is_one_of_those_chosen(quoting: Rig) -> None:
    quoting.store.documents["new"] = make_document("A new text tells of trees.", "new", added="2026-02")
    quoting.store.passages["new"] = [make_passage("A new text tells of trees.", document_id="new")]
    about = "What is this document about?"
    await quoting.answer(quoting.question(about))
    only = Options(documents=("doc", "gone"))
    assert "A new text" not in said(await quoting.answer(quoting.question(about, id="m2", options=only)))
    both = Options(documents=("new", "doc"))
    assert "A new text" not in said(await quoting.answer(quoting.question(about, id="m3", options=both)))
    one = Options(documents=("new",))
    assert "A new text" in said(await quoting.answer(quoting.question("Give me a summary", id="m4", options=one)))
    gone = Options(documents=("gone",))
    assert sources(await quoting.answer(quoting.question(about, id="m5", options=gone))) == []


async def test_sources_and_temperature_hold_for_that_question_alone(two: Rig) -> None:
    one = await two.answer(two.question(options=Options(sources=1, temperature=1.5)))
    assert len(sources(one)) == 1
    assert len(sources(await two.answer(two.question(id="m2")))) == 3
    warm, usual = two.generator.samplings
    assert (warm.temperature, usual.temperature) == (1.5, 0.0)
    assert warm.seed != usual.seed


async def test_a_question_may_want_a_shorter_or_a_longer_answer(rig: Rig) -> None:
    for wanted in (7, None, 2_000):
        await rig.answer(rig.question(id=f"m{wanted}", options=Options(max_tokens=wanted)))
    assert [sampling.max_tokens for sampling in rig.generator.samplings] == [7, 512, 2_000]


async def test_a_quotation_is_never_cut(rig: Rig) -> None:
    asked = {"content": "what of the battery", "answers": "quote"}
    whole, short = [said(await rig.answer(rig.question(**asked, options=Options(max_tokens=n)))) for n in (None, 1)]
    assert short == whole
    assert "“" in whole


async def test_an_answer_tells_how_many_passages_it_is_made_from(rig: Rig) -> None:
    for answers, used in (("free", 2), ("quote", 1)):
        rig.store.passages["doc"] = [make_passage("The battery lasts two days.", 0), make_passage("battery of it", 1)]
        question = rig.question("how long does the battery last", id=answers, early_sources=True, answers=answers)
        found = next(event for event in await rig.answer(question) if isinstance(event, Sources))
        assert (len(found.sources), found.used) == (2, used)


async def test_the_end_knows_what_the_whole_answer_cites(rig: Rig) -> None:
    events = await rig.answer(rig.question(early_sources=True))
    early, end = sources(events), events[-1]
    assert isinstance(end, End)
    assert [source["metadata"]["cited"] for source in early] == [False, False]
    assert [source["metadata"]["cited"] for source in end.final_sources] == [True, False]


@pytest.mark.parametrize(
    ("setting", "address", "wish", "asks_the_model"),
    [("free", "quote", "free", True), ("free", "", "quote", False), ("quote", "free", "auto", True)],
)
async def test_how_to_answer_is_said_by_the_question_then_by_the_address(
    quoting: Rig, setting: Any, address: Any, wish: Any, asks_the_model: bool
) -> None:
    quoting.generator.parameters = 7_000_000_000
    question = quoting.question("warranty of the pump is what", answers=address, options=Options(answers=wish))
    await quoting.answer(question, answers=setting)
    assert bool(quoting.generator.prompts) == asks_the_model


async def test_answers_are_counted_and_only_what_a_model_writes_has_a_speed(rig: Rig) -> None:
    figures = Figures()
    async with asyncio.timeout(PATIENCE):
        for content, id in (("the battery", "m"), ("nothing here", "m2")):
            question = Question(content, Stream(id, "s", iter(range(100)).__next__), threading.Event())
            async for _ in rig.chat(figures=figures).answer(question):
                assert (figures.running, figures.waiting) == (1, 0)
    assert (figures.answers, figures.errors, figures.tokens) == (2, 0, 5)
    assert len(figures.series["first_token_ms"].points(figures.clock())) == 2
    assert len(figures.series["tokens_per_second"].points(figures.clock())) == 1
    rig.generator.error = RagError("GEN-999")
    await rig.answer(rig.question(id="m3"), figures=figures)
    assert (figures.answers, figures.errors) == (2, 1)
    assert (figures.running, figures.waiting) == (0, 0)


# A conversation that the client brings along.


@pytest.mark.parametrize("small", [True, False])
async def test_a_given_history_is_answered_like_a_session_and_not_kept(quoting: Rig, small: bool) -> None:
    if not small:
        quoting.generator.parameters = 7_000_000_000
    contents = ["What is the warranty of the pump?", "And in which colours is it sold?", "And how heavy is it?"]
    told = [await quoting.answer(quoting.question(content, content)) for content in contents]
    history = [Turn("", content, said(events)) for content, events in zip(contents, told, strict=True)]
    for number, content in enumerate(contents):
        question = replace(
            quoting.question(content, "m"), stream=Stream("m", "given", Clock()), history=history[:number]
        )
        events = await quoting.answer(question)
        assert said(events) == said(told[number])
        assert sources(events) == sources(told[number])
    prompts = quoting.generator.prompts
    assert prompts[: len(prompts) // 2] == prompts[len(prompts) // 2 :]
    assert await quoting.sessions.turns("given") == []
    assert len(await quoting.sessions.turns("s")) == 3


async def test_of_a_long_given_history_only_the_last_turns_are_searched_again(rig: Rig) -> None:
    history = [Turn("", f"the battery {number}", "It lasts.") for number in range(20)]
    events = await rig.answer(rig.question(history=history))
    assert kinds(events)[-1] is End
    assert {"the battery 17", "the battery 18", "the battery 19"} <= set(rig.embedder.texts)
    assert "the battery 16" not in rig.embedder.texts


async def test_a_given_question_that_does_not_fit_is_part_of_the_history_all_the_same(rig: Rig) -> None:
    rig.generator.context = 200
    events = await rig.answer(rig.question(history=[Turn("", "the battery " * 150, "It lasts.")]))
    assert kinds(events)[-1] is End


async def test_a_bare_model_is_given_the_messages_alone(rig: Rig) -> None:
    messages = [Message("system", "Be brief."), Message("user", "hello")]
    events = await rig.answer(rig.question("hello", messages=messages))
    assert rig.generator.prompts == [messages]
    assert rig.generator.samplings[0].stop == ()
    assert (said(events), sources(events)) == ("The answer is 42 [1].", [])
    end = events[-1]
    assert isinstance(end, End)
    assert end.grounded is None
    assert await rig.sessions.turns("s") == []
    assert rig.embedder.texts == []


async def test_a_wish_of_the_client_is_for_a_model_that_writes(quoting: Rig) -> None:
    question = quoting.question("What is the warranty of the pump?", system="Rhyme. " * 5000)
    assert quotes(await quoting.answer(question))
    quoting.generator.parameters = 7_000_000_000
    await quoting.answer(replace(question, stream=Stream("2", "s", Clock()), system="Rhyme.", cancel=threading.Event()))
    assert quoting.generator.prompts[-1][0].content.endswith("\n\nRhyme.")


async def test_the_tokens_of_an_answer_are_counted_whoever_wrote_it(quoting: Rig) -> None:
    for parameters in (135_000_000, 7_000_000_000):
        quoting.generator.parameters = parameters
        events = await quoting.answer(quoting.question("What is the warranty of the pump?", str(parameters)))
        end = events[-1]
        assert isinstance(end, End)
        assert end.answer_tokens == len(said(events).split())
