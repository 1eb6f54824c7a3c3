"""A conversation lives 30 minutes after its last use, on disk, and its turns stay in order."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from rag.errors import RagError
from rag.sessions import Sessions
from rag.types import Turn
from tests.fakes import Clock, make_turn

MINUTE = 60.0
Open = Callable[[], Awaitable[Sessions]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def reopen(tmp_path: Path, clock: Clock) -> AsyncIterator[Open]:
    """Opens the one file, closing it first where it is open: a restart."""
    opened: list[Sessions] = []

    async def open_() -> Sessions:
        if opened:
            await opened.pop().close()
        opened.append(Sessions(tmp_path / "sessions.db", 30, clock))
        return opened[-1]

    yield open_
    if opened:
        await opened.pop().close()


@pytest.fixture
async def sessions(reopen: Open) -> Sessions:
    return await reopen()


async def test_a_new_session_has_no_turns(sessions: Sessions) -> None:
    assert await sessions.turns("a") == []


async def test_turns_come_back_in_order_and_whole(sessions: Sessions) -> None:
    sources: list[dict[str, object]] = [{"title": "제목", "score": 0.5}]
    turns = [Turn(f"m{n}", f"질문 {n} '\"", f"답 🙂 {n}", sources, f"구절 {n}") for n in range(12)]
    for turn in turns:
        await sessions.append("a", turn)
    assert await sessions.turns("a") == turns


async def test_sessions_do_not_see_each_other(sessions: Sessions) -> None:
    await sessions.append("a", make_turn(1))
    await sessions.append("A", make_turn(2))
    await sessions.append("a", make_turn(3))
    assert [turn.message_id for turn in await sessions.turns("a")] == ["m1", "m3"]
    assert [turn.message_id for turn in await sessions.turns("A")] == ["m2"]


async def test_it_lives_for_30_minutes_after_its_last_turn(sessions: Sessions, clock: Clock) -> None:
    await sessions.append("a", make_turn(1))
    clock.advance(30 * MINUTE)
    assert len(await sessions.turns("a")) == 1


async def test_after_30_minutes_the_same_id_starts_anew(sessions: Sessions, clock: Clock) -> None:
    await sessions.append("a", make_turn(1))
    clock.advance(30 * MINUTE + 1)
    assert await sessions.turns("a") == []
    await sessions.append("a", make_turn(2))
    assert [turn.message_id for turn in await sessions.turns("a")] == ["m2"]


async def test_an_expired_session_is_not_continued_by_an_answer_either(sessions: Sessions, clock: Clock) -> None:
    await sessions.append("a", make_turn(1))
    clock.advance(31 * MINUTE)
    await sessions.append("a", make_turn(2))
    assert [turn.message_id for turn in await sessions.turns("a")] == ["m2"]


async def test_a_question_counts_as_use(sessions: Sessions, clock: Clock) -> None:
    await sessions.append("a", make_turn(1))
    for _ in range(3):
        clock.advance(20 * MINUTE)
        assert len(await sessions.turns("a")) == 1


async def test_use_of_one_session_does_not_keep_another(sessions: Sessions, clock: Clock) -> None:
    await sessions.append("a", make_turn(1))
    await sessions.append("b", make_turn(2))
    clock.advance(20 * MINUTE)
    await sessions.turns("b")
    clock.advance(20 * MINUTE)
    assert len(await sessions.turns("b")) == 1
    assert await sessions.turns("a") == []


async def test_what_has_expired_leaves_nothing_on_disk(sessions: Sessions, clock: Clock, tmp_path: Path) -> None:
    await sessions.append("a", make_turn(1))
    clock.advance(31 * MINUTE)
    await sessions.turns("b")
    with sqlite3.connect(tmp_path / "sessions.db") as db:
        assert db.execute("SELECT COUNT(*) FROM turns").fetchone() == (0,)
        assert db.execute("SELECT COUNT(*) FROM sessions").fetchone() == (0,)
    db.close()


async def test_a_restart_keeps_the_turns_and_their_age(reopen: Open, clock: Clock) -> None:
    await (await reopen()).append("a", make_turn(1))
    clock.advance(20 * MINUTE)
    sessions = await reopen()
    await sessions.append("b", make_turn(2))
    clock.advance(11 * MINUTE)
    sessions = await reopen()
    assert await sessions.turns("a") == []
    assert len(await sessions.turns("b")) == 1


async def test_an_acknowledged_turn_is_on_disk_without_a_close(
    sessions: Sessions, clock: Clock, tmp_path: Path
) -> None:
    await sessions.append("a", make_turn(1))
    other = Sessions(tmp_path / "sessions.db", 30, clock)
    assert len(await other.turns("a")) == 1
    await other.close()


async def test_turns_that_are_appended_at_once_all_arrive(sessions: Sessions) -> None:
    await asyncio.gather(*(sessions.append("a", make_turn(number)) for number in range(20)))
    assert {turn.message_id for turn in await sessions.turns("a")} == {f"m{number}" for number in range(20)}


async def test_one_question_of_a_session_is_answered_at_a_time(sessions: Sessions) -> None:
    lock = sessions.lock("a")
    assert sessions.lock("a") is lock
    assert sessions.lock("b") is not lock
    async with lock:
        assert sessions.lock("a").locked()
        assert not sessions.lock("b").locked()


async def test_locks_of_sessions_that_nobody_uses_are_let_go(sessions: Sessions) -> None:
    for number in range(1000):
        sessions.lock(f"s{number}")
    gc.collect()
    assert len(sessions._locks) == 0


async def test_the_event_loop_is_not_held_by_the_disk(sessions: Sessions, tmp_path: Path) -> None:
    blocker = sqlite3.connect(tmp_path / "sessions.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(sessions.append("a", make_turn(1)))
    # The writer is stuck on the lock of the file. A loop that waited with it would never come to the commit.
    for _ in range(50):
        await asyncio.sleep(0)
    assert not waiting.done()
    blocker.execute("COMMIT")
    blocker.close()
    await waiting


def test_a_file_that_cannot_be_opened_is_setup_003(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "file").write_text("this is not a database, but text that is long enough to look at" * 10)
    for path in (tmp_path / "file", tmp_path / "no" / "such" / "folder.db"):
        with pytest.raises(RagError) as caught:
            Sessions(path, 30, clock)
        assert caught.value.code == "SETUP-003"
        assert caught.value.data["directory"] == str(path.parent)


async def test_conversations_of_the_first_version_go_on(tmp_path: Path, clock: Clock) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "old.sqlite")) as db:
        db.execute("CREATE TABLE turns (session_id, number, message_id, question, answer, sources)")
        db.execute("CREATE TABLE sessions (session_id TEXT PRIMARY KEY, used REAL)")
        db.execute("INSERT INTO turns VALUES ('a', 1, 'm1', 'Q', 'A', '[]')")
        db.execute("INSERT INTO sessions VALUES ('a', ?)", (clock(),))
        db.commit()
    sessions = Sessions(tmp_path / "old.sqlite", 30, clock)
    await sessions.append("a", Turn("m2", "Q2", "A2", [], "passages, Q2"))
    assert [(turn.question, turn.asked) for turn in await sessions.turns("a")] == [("Q", ""), ("Q2", "passages, Q2")]
    await sessions.close()
