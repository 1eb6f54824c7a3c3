"""Answers apart from their readers: nothing lost or told twice, whoever comes and goes, and nothing kept for long."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from rag import answers
from rag.answers import Answer, Answers, Reader
from rag.chat import Question
from rag.errors import RagError
from rag.protocol import End, ErrorEvent, Event, Sources, Start, Stream, ThinkingEvent, TokenEvent
from rag.types import Usage
from tests.fakes import PATIENCE, Clock, until

WORDS = ["a", "b", "c", "d"]


class Script:
    """The events of an answer of `WORDS`, each word when `say` allows it; a cancelled one ends before the next."""

    def __init__(self, *, early: bool = False, say: int = 0, id: str = "m", session: str = "s") -> None:
        self.question = Question("q", Stream(id, session, Clock()), threading.Event(), early_sources=early)
        self.allowed = asyncio.Semaphore(say)
        self.error: Exception | None = None

    def say(self, words: int = len(WORDS)) -> None:
        for _ in range(words):
            self.allowed.release()

    async def events(self) -> AsyncGenerator[Event, None]:
        stream, cancel = self.question.stream, self.question.cancel
        yield stream.start()
        if self.question.early_sources:
            yield stream.sources([{"n": 1}])
        yield stream.thinking("hm")
        for word in WORDS:
            while not cancel.is_set():
                try:
                    async with asyncio.timeout(0.005):
                        await self.allowed.acquire()
                    break
                except TimeoutError:
                    continue
            if cancel.is_set():
                break
            yield stream.token(word)
            if self.error:
                raise self.error
        if not stream.sources_sent:
            yield stream.sources([{"n": 1}])
        yield stream.end("cancelled" if cancel.is_set() else "stop", Usage())


@pytest.fixture
async def kept() -> AsyncIterator[Answers]:
    made = Answers()
    yield made
    await made.close()


def begin(kept: Answers, script: Script) -> Answer:
    return kept.begin(script.question, script.events())


def read(answer: Answer, next_index: int = 0, *, early: bool = False, thinking: bool = False) -> Reader:
    return answer.read(next_index, early_sources=early, thinking=thinking)


async def test_what_was_dropped_is_cancelled_and_not_kept(kept: Answers) -> None:
    script, other = Script(), Script(id="other")
    answer, reader = begin(kept, script), read(begin(kept, other))
    assert (kept.running("s"), kept.running("else")) == (2, 0)
    kept.drop(answer)
    assert kept.find("s", "m") is None
    assert kept.running("s") == 1
    await until(lambda: answer.ended)
    other.say()
    assert isinstance((await rest(reader))[-1], End)
    assert kept.running("s") == 0
    kept.drop(answer)
    assert len(kept) == 1


async def rest(reader: Reader) -> list[Event]:
    events: list[Event] = []
    async with asyncio.timeout(PATIENCE):
        while more := await reader.more():
            events += more
    reader.close()
    return events


def tokens(events: list[Event]) -> list[str]:
    return [event.token for event in events if isinstance(event, TokenEvent)]


def kinds(events: list[Event]) -> list[type]:
    return [type(event) for event in events if not isinstance(event, TokenEvent)]


@pytest.mark.parametrize("next_index", range(len(WORDS) + 1))
@pytest.mark.parametrize("said", range(len(WORDS) + 1))
async def test_a_reader_gets_every_token_from_its_index_on_whenever_it_comes(
    kept: Answers, next_index: int, said: int
) -> None:
    script = Script(say=said)
    answer = begin(kept, script)
    first = read(answer)
    events: list[Event] = []
    while len(tokens(events)) < said:
        events += await first.more()
    if next_index > said:
        with pytest.raises(RagError, match="next_index"):
            read(answer, next_index)
        return
    second = read(answer, next_index)
    script.say()
    told = await rest(second)
    assert tokens(told) == WORDS[next_index:]
    assert kinds(told) == [Start, Sources, End]
    assert isinstance(told[-1], End)
    assert told[-1].total_tokens == len(WORDS)
    assert tokens(events + await rest(first)) == WORDS


async def test_each_telling_begins_with_the_same_start(kept: Answers) -> None:
    answer = begin(kept, Script(say=4))
    told = [await rest(read(answer, index)) for index in (0, 2, 4)]
    assert told[0][0] == told[1][0] == told[2][0]
    assert isinstance(told[0][0], Start)


@pytest.mark.parametrize("asked_early", [True, False])
@pytest.mark.parametrize("reads_early", [True, False])
async def test_sources_come_once_and_early_only_to_who_wants_it(
    kept: Answers, asked_early: bool, reads_early: bool
) -> None:
    answer = begin(kept, Script(early=asked_early, say=4))
    told = await rest(read(answer, early=reads_early))
    places = [at for at, event in enumerate(told) if isinstance(event, Sources)]
    assert places == ([1] if asked_early and reads_early else [len(told) - 2])


async def test_thinking_is_told_anew_and_only_to_who_wants_it(kept: Answers) -> None:
    answer = begin(kept, Script(say=4))
    await until(lambda: answer.ended)
    assert kinds(await rest(read(answer, 3, thinking=True))) == [Start, ThinkingEvent, Sources, End]
    assert kinds(await rest(read(answer, 3))) == [Start, Sources, End]


async def test_an_abandoned_answer_is_cancelled_after_a_while(kept: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "ABANDON", 0.05)
    answer = begin(kept, Script(say=2))
    reader = read(answer)
    await asyncio.sleep(0.1)
    assert not answer.question.cancel.is_set()
    reader.close()
    await until(lambda: answer.ended)
    told = await rest(read(answer))
    assert tokens(told) == WORDS[:2]
    assert isinstance(told[-1], End)
    assert told[-1].finish_reason == "cancelled"


async def test_an_answer_whose_reader_comes_back_in_time_goes_on(
    kept: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "ABANDON", 1)
    script = Script(say=2)
    answer = begin(kept, script)
    for _ in range(4):
        read(answer).close()
        await asyncio.sleep(0.3)
    reader = read(answer, 1)
    await asyncio.sleep(1.1)
    script.say()
    assert tokens(await rest(reader)) == WORDS[1:]


async def test_one_of_two_readers_may_leave(kept: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "ABANDON", 0)
    script = Script()
    answer = begin(kept, script)
    first, second = read(answer), read(answer)
    first.close()
    await asyncio.sleep(0.02)
    script.say()
    assert tokens(await rest(second)) == WORDS


async def test_an_answer_is_kept_for_a_while_after_its_end(kept: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "KEEP", 0.05)
    answer = begin(kept, Script(say=4))
    await rest(read(answer))
    assert kept.find("s", "m") is answer
    assert kept.find("other", "m") is kept.find("s", "other") is None
    await until(lambda: not len(kept))


async def test_a_new_answer_of_the_same_id_takes_the_place_of_the_old(
    kept: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "KEEP", 0.05)
    old = begin(kept, Script(say=1))
    script = Script()
    new = begin(kept, script)
    reader = read(new)
    await until(lambda: old.ended)
    await asyncio.sleep(0.1)
    assert kept.find("s", "m") is new
    script.say()
    assert tokens(await rest(reader)) == WORDS


async def test_beyond_the_limit_the_oldest_that_have_ended_are_forgotten_first_and_those_that_are_read_never(
    kept: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "MAX_KEPT", 3)
    read_one, left, ended = (begin(kept, Script(say=say, id=f"m{say}")) for say in (0, 1, 4))
    reader = read(read_one)
    await until(lambda: ended.ended)
    begin(kept, Script(id="m5"))
    assert len(kept) == 3
    assert kept.find("s", "m4") is None
    fifth = begin(kept, Script(id="m6"))
    read(fifth)
    assert kept.find("s", "m1") is None
    await until(lambda: left.ended)
    begin(kept, Script(id="m7"))
    begin(kept, Script(id="m8"))
    assert {id for id in ("m0", "m5", "m6", "m7", "m8") if kept.find("s", id)} == {"m0", "m6", "m8"}
    assert not read_one.question.cancel.is_set()
    reader.close()


async def test_those_that_nobody_reads_are_counted_by_session(kept: Answers) -> None:
    mine, read_one = begin(kept, Script(id="1")), begin(kept, Script(id="2"))
    begin(kept, Script(id="3", session="other"))
    reader = read(read_one)
    assert kept.abandoned("s") == [mine]
    reader.close()
    assert kept.abandoned("s") == [mine, read_one]
    mine.cancel()
    await until(lambda: mine.ended)
    assert kept.abandoned("s") == [read_one]


async def test_an_answer_that_breaks_off_has_a_last_event_all_the_same(kept: Answers) -> None:
    script = Script(say=2)
    script.error = ZeroDivisionError()
    told = await rest(read(begin(kept, script)))
    assert isinstance(told[-1], ErrorEvent)
    assert told[-1].error.code == "WS-999-INTERNAL_ERROR"


async def test_closing_ends_all_at_once(kept: Answers) -> None:
    running = [begin(kept, Script(id=str(number))) for number in range(5)]
    readers = [read(answer) for answer in running]
    await asyncio.sleep(0)
    await asyncio.wait_for(kept.close(), 1)
    assert all(answer.ended for answer in running)
    for reader in readers:
        await rest(reader)


async def test_a_long_telling_lets_others_have_their_turn(kept: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "BATCH", 2)
    answer = begin(kept, Script(say=4))
    await until(lambda: answer.ended)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    reader = read(answer)
    while events := await reader.more():
        assert len(events) <= 2
    task.cancel()
    assert turns >= 3
