"""A conversation lives 30 minutes after its last use, on disk, and its turns stay in order."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sqlite3
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from yarl import URL

from rag.errors import RagError
from rag.protocol import timestamp
from rag.sessions import Sessions, Summary, before
from rag.types import Turn
from tests.app_client import Client, Parts, converse
from tests.fakes import Clock, make_turn, until
from tests.socket_client import answer
from web.keys import ANSWERS

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


async def test_a_turn_takes_the_place_of_an_earlier_one_and_of_all_after_it(sessions: Sessions) -> None:
    for number in range(1, 5):
        await sessions.append("a", make_turn(number))
        await sessions.append("b", make_turn(number))
    await sessions.append("a", make_turn(9), replaces="m2")
    assert await sessions.turns("a") == [make_turn(1), make_turn(9)]
    await sessions.append("a", make_turn(5))
    assert [turn.message_id for turn in await sessions.turns("a")] == ["m1", "m9", "m5"]
    assert len(await sessions.turns("b")) == 4


async def test_a_turn_in_place_of_an_unknown_one_is_just_added(sessions: Sessions) -> None:
    await sessions.append("b", make_turn(7))
    await sessions.append("a", make_turn(1), replaces="m7")
    await sessions.append("a", make_turn(2), replaces="")
    assert [turn.message_id for turn in await sessions.turns("a")] == ["m1", "m2"]


async def test_what_a_turn_replaces_is_kept_where_the_turn_cannot_be_written(sessions: Sessions) -> None:
    await sessions.append("a", make_turn(1))
    with pytest.raises(TypeError):
        await sessions.append("a", Turn("m2", "Q", "A", [{"no JSON": object()}]), replaces="m1")
    assert await sessions.turns("a") == [make_turn(1)]


def test_the_turns_before_one_are_all_where_there_is_none_such() -> None:
    turns = [make_turn(number) for number in range(4)]
    assert before(turns, "m2") == turns[:2]
    assert before(turns, "m0") == []
    assert before(turns, "") == before(turns, "other") == turns


async def test_looking_tells_the_turns_and_how_long_they_live(sessions: Sessions, clock: Clock) -> None:
    assert await sessions.look("a") is None
    await sessions.append("a", make_turn(1))
    clock.advance(10 * MINUTE)
    assert await sessions.look("a") == ([make_turn(1)], 20 * MINUTE)


async def test_looking_is_no_use(sessions: Sessions, clock: Clock) -> None:
    await sessions.append("a", make_turn(1))
    clock.advance(29 * MINUTE)
    assert await sessions.look("a")
    clock.advance(2 * MINUTE)
    assert await sessions.look("a") is None
    assert await sessions.turns("a") == []


async def test_a_session_that_was_just_made_is_known_and_empty(sessions: Sessions, clock: Clock) -> None:
    assert await sessions.create("a")
    assert await sessions.look("a") == ([], 30 * MINUTE)
    clock.advance(30 * MINUTE)
    assert await sessions.look("a") == ([], 0)
    clock.advance(1)
    assert await sessions.look("a") is None
    assert await sessions.create("a")


async def test_making_a_session_that_is_known_is_use_of_it(sessions: Sessions, clock: Clock) -> None:
    await sessions.append("a", make_turn(1))
    clock.advance(20 * MINUTE)
    assert not await sessions.create("a")
    assert await sessions.look("a") == ([make_turn(1)], 30 * MINUTE)


async def test_sessions_are_listed_the_latest_used_first(reopen: Open, clock: Clock) -> None:
    sessions = await reopen()
    assert await sessions.summaries(0, 10) == ([], 0)
    for id, count in (("a", 1), ("b", 3), ("c", 0), ("d", 1)):
        clock.advance(MINUTE)
        await sessions.create(id)
        for number in range(count):
            await sessions.append(id, make_turn(number))
    begun = clock()
    clock.advance(MINUTE)
    await sessions.append("a", make_turn(5))
    sessions = await reopen()
    listed, total = await sessions.summaries(0, 10)
    assert total == 4
    assert listed == [
        Summary("a", 2, begun + MINUTE, "question0"),
        Summary("d", 1, begun, "question0"),
        Summary("c", 0, begun - MINUTE, ""),
        Summary("b", 3, begun - 2 * MINUTE, "question0"),
    ]
    assert await sessions.summaries(1, 2) == (listed[1:3], 4)
    assert await sessions.summaries(4, 2) == ([], 4)


async def test_what_has_expired_or_was_deleted_is_not_listed_and_listing_is_no_use(
    sessions: Sessions, clock: Clock
) -> None:
    await sessions.append("a", make_turn(1))
    clock.advance(20 * MINUTE)
    await sessions.append("b", make_turn(2))
    await sessions.create("c")
    await sessions.delete("c")
    assert (await sessions.summaries(0, 10))[1] == 2
    clock.advance(11 * MINUTE)
    listed, total = await sessions.summaries(0, 10)
    assert ([summary.session_id for summary in listed], total) == (["b"], 1)


@pytest.mark.parametrize(
    ("question", "title"),
    [
        (" two\n lines ", "two lines"),
        ("가" * 80, "가" * 80),
        ("ab " * 40, "ab " * 26 + "a…"),
        ("🙂" * 81, "🙂" * 79 + "…"),
    ],
)
async def test_a_title_is_the_first_question_on_one_line(sessions: Sessions, question: str, title: str) -> None:
    await sessions.append("a", Turn("m", question, "A"))
    assert (await sessions.summaries(0, 1))[0][0].title == title


async def test_deleting_forgets_one_session_and_says_whether_there_was_one(sessions: Sessions) -> None:
    await sessions.append("a", make_turn(1))
    await sessions.append("b", make_turn(2))
    assert await sessions.delete("a")
    assert not await sessions.delete("a")
    assert await sessions.look("a") is None
    assert len(await sessions.turns("b")) == 1


async def test_what_was_deleted_is_in_no_file(sessions: Sessions, tmp_path: Path) -> None:
    def files() -> bytes:
        return b"".join(path.read_bytes() for path in tmp_path.iterdir())

    await sessions.append("b", make_turn(2))
    await sessions.append("a", Turn("m", "the secret question", "the secret answer", [{"title": "secret"}]))
    assert b"secret" in files()
    await sessions.delete("a")
    assert b"secret" not in files()


async def test_deleting_waits_for_the_answer_that_would_be_added(sessions: Sessions) -> None:
    async with sessions.lock("a"):
        deletion = asyncio.create_task(sessions.delete("a"))
        await sessions.append("a", make_turn(1))
        assert not deletion.done()
    assert await deletion
    assert await sessions.turns("a") == []


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
    (tmp_path / "file").write_text("no folder")
    path = tmp_path / "file" / "sessions.sqlite"
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


# Over HTTP.


async def test_a_conversation_can_be_read_as_it_was_told(parts: Parts, client: Client) -> None:
    events = await converse(client, "what is the answer", session_id="a.b:c-d_e")
    response = await client.get("/sessions/a.b:c-d_e")
    assert (response.status, response.headers["Cache-Control"]) == (200, "no-store")
    assert await response.json() == {
        "session_id": "a.b:c-d_e",
        "turns": [
            {
                "message_id": "m",
                "question": "what is the answer",
                "answer": answer(events),
                "sources": events[-2]["sources"],
            }
        ],
        "expires_in": 30 * MINUTE,
    }


async def test_reading_a_conversation_does_not_prolong_it(parts: Parts, client: Client) -> None:
    await converse(client, "what is the answer", session_id="s")
    for left in (20, 10, 0):
        parts.clock.advance(10 * MINUTE)
        assert (await (await client.get("/sessions/s")).json())["expires_in"] == left * MINUTE
    parts.clock.advance(1)
    assert (await client.get("/sessions/s")).status == 404


async def test_a_deleted_conversation_is_gone_and_its_id_starts_anew(parts: Parts, client: Client) -> None:
    await converse(client, "what is the answer", session_id="s")
    response = await client.delete("/sessions/s")
    assert (response.status, await response.text()) == (204, "")
    assert (await client.get("/sessions/s")).status == 404
    await converse(client, "what is the answer", session_id="s")
    assert [len(messages) for messages in parts.generator.prompts] == [2, 2]


async def test_an_answer_of_a_deleted_conversation_cannot_be_resumed(client: Client) -> None:
    async with client.ws_connect("/chat-ws?session_id=s") as socket:
        await socket.send_json({"type": "message", "message_id": "m", "content": "what is it", "session_id": "s"})
        while (await socket.receive_json(timeout=10))["type"] != "stream_end":
            pass
        await client.delete("/sessions/s")
        await socket.send_json({"type": "resume", "message_id": "m", "next_index": 0})
        assert (await socket.receive_json(timeout=10))["error_code"] == "SESSION-003"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_there_is_no_conversation_of_an_unknown_id(client: Client, method: str) -> None:
    response = await client.request(method, "/sessions/unknown?lang=en")
    body = await response.json()
    assert (response.status, body["error_code"]) == (404, "SESSION-002")
    assert "30 minutes" in body["solutions"][0]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("bad", ["%2e%2e%2f%2e%2e%2fetc", "a%20b", "%ec%97%90", "a" * 129, "a%00", "a%2Fb", "%27--"])
async def test_a_bad_id_is_refused(client: Client, method: str, bad: str) -> None:
    response = await client.request(method, URL(f"/sessions/{bad}", encoded=True))
    assert (response.status, (await response.json())["error_code"]) == (400, "SESSION-001")


async def test_a_question_over_the_socket_takes_the_place_of_an_earlier_one(parts: Parts, client: Client) -> None:
    async with client.ws_connect("/chat-ws?session_id=s") as socket:
        for id, more in (("m1", {}), ("m2", {}), ("m3", {"replaces": "m1"})):
            question = {"type": "message", "message_id": id, "content": "what is the answer", "session_id": "s"}
            await socket.send_json(question | more)
        ended = 0
        while ended < 3:
            ended += (await socket.receive_json(timeout=10))["type"] == "stream_end"
    turns = (await (await client.get("/sessions/s")).json())["turns"]
    assert [turn["message_id"] for turn in turns] == ["m3"]
    assert [len(messages) for messages in parts.generator.prompts] == [2, 4, 2]


async def test_deleting_ends_an_answer_that_nobody_reads(parts: Parts, client: Client) -> None:
    await converse(client, "what is the answer", session_id="s")
    hold, begun = asyncio.Event(), asyncio.Event()

    def wait() -> asyncio.Event:
        begun.set()
        return hold

    parts.generator.wait = wait
    async with client.ws_connect("/chat-ws?session_id=s") as socket:
        question = {"type": "message", "message_id": "m2", "content": "what is the answer", "session_id": "s"}
        await socket.send_json(question)
        await asyncio.wait_for(begun.wait(), 10)
    await until(lambda: client.app[ANSWERS].abandoned("s"))
    (abandoned,) = client.app[ANSWERS].abandoned("s")
    deletion = asyncio.create_task(client.delete("/sessions/s"))
    await until(lambda: abandoned.question.cancel.is_set())
    hold.set()
    assert (await asyncio.wait_for(deletion, 10)).status == 204
    assert (await client.get("/sessions/s")).status == 404


async def test_a_session_is_made_over_http_and_then_talked_in(client: Client) -> None:
    response = await client.post("/sessions")
    body = await response.json()
    assert (response.status, body.keys()) == (201, {"session_id", "expires_in"})
    assert uuid.UUID(body["session_id"]).version == 4
    assert body["expires_in"] == 30 * MINUTE
    known = await (await client.get(f"/sessions/{body['session_id']}")).json()
    assert known == {"session_id": body["session_id"], "turns": [], "expires_in": 30 * MINUTE}
    await converse(client, "what is the answer", session_id=body["session_id"])
    assert len((await (await client.get(f"/sessions/{body['session_id']}")).json())["turns"]) == 1


async def test_a_session_may_be_named_and_made_twice(parts: Parts, client: Client) -> None:
    assert uuid.UUID((await (await client.post("/sessions", json={"session_id": None})).json())["session_id"])
    for status in (201, 200):
        response = await client.post("/sessions", json={"session_id": "mine", "more": 1})
        assert (response.status, (await response.json())["session_id"]) == (status, "mine")
        parts.clock.advance(MINUTE)
    assert (await client.delete("/sessions/mine")).status == 204


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ('{"session_id": "a b"}', 400, "SESSION-001"),
        ('{"session_id": ""}', 400, "SESSION-001"),
        ('{"session_id": 5}', 400, "WS-002-VALIDATION_ERROR"),
        ("[]", 400, "WS-001-INVALID_JSON"),
        ("{", 400, "WS-001-INVALID_JSON"),
    ],
)
async def test_a_session_that_cannot_be_made_is_refused(client: Client, body: str, status: int, code: str) -> None:
    response = await client.post("/sessions", data=body, headers={"Content-Type": "application/json"})
    assert (response.status, (await response.json())["error_code"]) == (status, code)
    other = await client.post("/sessions", data=body, headers={"Content-Type": "text/plain"})
    assert (other.status, (await other.json())["error_code"]) == (415, "HTTP-415")


async def test_sessions_are_listed_over_http(parts: Parts, client: Client) -> None:
    for id in ("a", "b", "c"):
        parts.clock.advance(MINUTE)
        await converse(client, f"what is the answer to {id}?", session_id=id)
    await client.post("/sessions", json={"session_id": "new"})
    response = await client.get("/sessions")
    assert response.headers["Cache-Control"] == "no-store"
    body = await response.json()
    assert body["total"] == 4
    assert [row["session_id"] for row in body["sessions"]] == ["c", "new", "b", "a"]
    assert body["sessions"][0] == {
        "session_id": "c",
        "turns": 1,
        "used": timestamp(parts.clock()),
        "title": "what is the answer to c?",
    }
    page = await (await client.get("/sessions?page=2&page_size=3")).json()
    assert page == {"sessions": body["sessions"][3:], "total": 4}


@pytest.mark.parametrize("query", ["page=0", "page=x", "page_size=0", "page_size=201", "page=1000001"])
async def test_a_page_that_cannot_be_is_refused(client: Client, query: str) -> None:
    response = await client.get(f"/sessions?{query}")
    body = await response.json()
    assert (response.status, body["error_code"]) == (400, "WS-002-VALIDATION_ERROR")
    assert f"'{query.split('=')[0]}'" in body["message"]
