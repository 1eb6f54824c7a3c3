"""Connections that break: whatever is lost, the client ends up with the very text of the server, once."""

from __future__ import annotations

import asyncio
import json
import urllib.parse
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from socket import SHUT_RDWR
from typing import Any

import aiohttp
import pytest

from rag import answers
from rag.errors import RagError
from web.keys import ANSWERS

from .app_client import Client, MakeClient, Parts, converse
from .conftest import Server
from .cutting_proxy import CuttingProxy, cutting_proxy
from .fakes import PATIENCE, until
from .socket_client import LAST, Event, answer, types

ASKED = "what is the answer"
REPLY = "The answer 답은 is 42 🙂 [1], says the book, more than once."
THOUGHTS = "Let me see what it says"
WORDS = len(REPLY.split())
LOST = (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.ERROR)


def cut(socket: aiohttp.ClientWebSocketResponse) -> None:
    """As when the network goes: without a goodbye."""
    transport = socket.get_extra_info("socket")
    assert transport is not None
    transport.shutdown(SHUT_RDWR)


@dataclass
class Telling:
    """What one connection told of an answer."""

    events: list[Event] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        return bool(self.events) and self.events[-1]["type"] in LAST


@dataclass
class PatientClient:
    """Asks, and comes back after each break, with what the protocol says to do then."""

    url: str
    query: str = "&lang=en"
    session_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    tellings: list[Telling] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    async def ask(
        self, content: str = ASKED, message_id: str = "m", after_break: Callable[[], Any] | None = None
    ) -> None:
        async with aiohttp.ClientSession() as client:
            while not (self.tellings and self.tellings[-1].whole):
                told = await self._connect(client, content, message_id)
                assert told.events or not self.tellings or after_break
                if after_break and not told.whole:
                    after_break()

    async def _connect(self, client: aiohttp.ClientSession, content: str, message_id: str) -> Telling:
        begun = any(telling.events for telling in self.tellings)
        frame: dict[str, object] = {"type": "resume", "message_id": message_id, "next_index": len(self.pieces)}
        if not begun:
            frame = {"type": "message", "message_id": message_id, "content": content, "session_id": self.session_id}
        telling = Telling()
        self.tellings.append(telling)
        address = f"{self.url}/chat-ws?session_id={self.session_id}{self.query}"
        try:
            async with client.ws_connect(address) as socket:
                await socket.send_json(frame)
                while not telling.whole:
                    received = await asyncio.wait_for(socket.receive(), 10 * PATIENCE)
                    if received.type in LOST:
                        break
                    self._take(telling, json.loads(received.data))
        except (aiohttp.ClientError, ConnectionError):
            pass
        return telling

    def _take(self, telling: Telling, event: Event) -> None:
        telling.events.append(event)
        if event["type"] == "stream_token":
            assert event["index"] == len(self.pieces), "a token was lost or came twice"
            self.pieces.append(event["token"])

    def check(self, thoughts: str = "") -> None:
        """The telling that came to its end has all of the thinking, and is in the order of the protocol."""
        starts = [telling.events[0] for telling in self.tellings if telling.events]
        assert all(start == starts[0] for start in starts)
        last = self.tellings[-1].events
        assert "".join(event["text"] for event in last if event["type"] == "stream_thinking") == thoughts
        kinds = [event["type"] for event in last if event["type"] not in ("stream_token", "stream_thinking")]
        assert sorted(kinds) == ["stream_end", "stream_sources", "stream_start"]
        assert (kinds[0], kinds[-1]) == ("stream_start", "stream_end")
        assert last[-1]["total_tokens"] == len(self.pieces)


def at_pace(parts: Parts, seconds: float = 0.002) -> None:
    """Each word takes so long."""

    def wait() -> asyncio.Event:
        event = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, event.set)
        return event

    parts.generator.wait = wait


async def ask(socket: aiohttp.ClientWebSocketResponse, message_id: str, content: str = ASKED) -> None:
    await socket.send_json({"type": "message", "message_id": message_id, "content": content, "session_id": "s"})


async def resume(socket: aiohttp.ClientWebSocketResponse, message_id: str, next_index: int = 0) -> None:
    await socket.send_json({"type": "resume", "message_id": message_id, "next_index": next_index})


async def cancel(socket: aiohttp.ClientWebSocketResponse, message_id: str) -> None:
    await socket.send_json({"type": "cancel", "message_id": message_id})


async def receive(socket: aiohttp.ClientWebSocketResponse) -> Event:
    event: Event = json.loads(await asyncio.wait_for(socket.receive_str(), PATIENCE))
    return event


async def until_last(socket: aiohttp.ClientWebSocketResponse) -> list[Event]:
    events = [await receive(socket)]
    while events[-1]["type"] not in LAST:
        events.append(await receive(socket))
    return events


@pytest.mark.parametrize("pace", [0, 0.002], ids=["at once", "word by word"])
@pytest.mark.parametrize(
    "break_", [{"more": 0}, {"more": 5}, {"half_open": True}], ids=["between frames", "inside a frame", "half open"]
)
@pytest.mark.parametrize("query", ["&lang=en", "&sources=early&thinking=show"], ids=["plain", "all"])
async def test_a_connection_may_break_at_any_event_of_an_answer(
    parts: Parts, client: Client, query: str, break_: dict[str, Any], pace: float
) -> None:
    parts.generator.reply, parts.generator.thoughts = REPLY, THOUGHTS
    thoughts = THOUGHTS if "thinking" in query else ""
    if pace:
        at_pace(parts, pace)
    events = WORDS + 3 + len(thoughts.split())
    for position in range(events):
        async with cutting_proxy(str(client.host), client.port or 0, frames=position, **break_) as proxy:
            person = PatientClient(proxy.url, query)

            def no_more_breaks(proxy: CuttingProxy = proxy) -> None:
                proxy.frames = None

            await person.ask(after_break=no_more_breaks)
            assert proxy.cuts == 1
        assert person.text == REPLY
        person.check(thoughts)
    assert len(parts.generator.prompts) == events


async def test_a_connection_may_break_after_every_single_token(parts: Parts, client: Client) -> None:
    parts.generator.reply = REPLY
    at_pace(parts)
    async with cutting_proxy(str(client.host), client.port or 0, frames=2) as proxy:
        person = PatientClient(proxy.url)

        def last_ones() -> None:
            if len(person.pieces) == WORDS:
                proxy.frames = None

        await person.ask(after_break=last_ones)
        assert proxy.cuts == WORDS
    assert person.text == REPLY
    person.check()
    assert len(parts.generator.prompts) == 1


@pytest.mark.model
@pytest.mark.parametrize("how", ["free", "quote"])
async def test_the_real_model_s_answer_survives_a_break_after_every_token(server: Server, how: str) -> None:
    address = urllib.parse.urlsplit(server.url)
    query = f"&lang=en&answers={how}"
    async with cutting_proxy(address.hostname or "", address.port or 0, frames=2) as proxy:
        person = PatientClient(proxy.url, query)
        seen = 0

        def last_ones() -> None:
            # Nothing new came, so that what is left is the end.
            nonlocal seen
            if seen == len(person.pieces) > 0:
                proxy.frames = None
            seen = len(person.pieces)

        await person.ask("How do I add documents?", after_break=last_ones)
        assert proxy.cuts >= len(person.pieces) > 0
    person.check()
    again = PatientClient(server.url, query, person.session_id, [Telling([person.tellings[-1].events[0]])])
    await again.ask()
    assert again.text == person.text


async def test_what_waits_in_the_queue_goes_on_while_the_connection_is_lost(parts: Parts, client: Client) -> None:
    at_pace(parts)
    socket = await client.ws_connect("/chat-ws?session_id=s")
    for number in range(5):
        await ask(socket, f"m{number}", f"{ASKED} {number}")
    assert (await receive(socket))["message_id"] == "m0"
    await socket.close()
    async with client.ws_connect("/chat-ws?session_id=s") as back:
        for number in range(5):
            await resume(back, f"m{number}")
        for number in range(5):
            events = await until_last(back)
            assert {event["message_id"] for event in events} == {f"m{number}"}
            assert types(events) == ["stream_start", "stream_token", "stream_sources", "stream_end"]
            assert answer(events) == parts.generator.reply
    assert len(parts.generator.prompts) == 5
    turns = await parts.sessions.turns("s")
    assert [turn.message_id for turn in turns] == [f"m{number}" for number in range(5)]


async def left_waiting(parts: Parts, client: Client) -> asyncio.Event:
    """One question is being answered and another waits behind it when their client goes. Setting it lets words out."""
    hold = asyncio.Event()
    parts.generator.wait = lambda: hold
    socket = await client.ws_connect("/chat-ws?session_id=s")
    await ask(socket, "running")
    await until(lambda: parts.generator.prompts)
    await ask(socket, "waiting", f"{ASKED} exactly")
    await until(lambda: client.app[ANSWERS].find("s", "waiting"))
    cut(socket)
    await until(lambda: len(client.app[ANSWERS].abandoned("s")) == 2)
    hold.set()
    await until(lambda: len(client.app[ANSWERS].abandoned("s")) == 1)
    return hold


async def test_a_question_that_waits_does_not_begin_while_its_client_is_gone(parts: Parts, client: Client) -> None:
    await left_waiting(parts, client)
    # A later one of the session has its turn meanwhile.
    assert types(await converse(client, f"{ASKED} now", session_id="s"))[-1] == "stream_end"
    assert len(parts.generator.prompts) == 2
    async with client.ws_connect("/chat-ws?session_id=s") as back:
        await resume(back, "waiting")
        assert answer(await until_last(back)) == parts.generator.reply
    assert len(parts.generator.prompts) == 3


async def test_a_question_that_waits_never_begins_for_a_client_that_stays_away(
    parts: Parts, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "ABANDON", 0.5)
    await left_waiting(parts, client)
    waiting = client.app[ANSWERS].find("s", "waiting")
    assert waiting is not None
    await until(lambda: waiting.ended)
    assert waiting.broken
    assert len(parts.generator.prompts) == 1


async def test_those_that_were_left_behind_count_as_waiting(parts: Parts, client: Client) -> None:
    hold = asyncio.Event()
    parts.generator.wait = lambda: hold
    socket = await client.ws_connect("/chat-ws?session_id=s&lang=en")
    for number in range(5):
        await ask(socket, f"m{number}", f"{ASKED} {number}")
    await socket.close()
    async with client.ws_connect("/chat-ws?session_id=s&lang=en") as back:
        await ask(back, "m5", f"{ASKED} 5")
        assert (await receive(back))["error_code"] == "GEN-004"
        async with client.ws_connect("/chat-ws?session_id=other&lang=en") as other:
            frame = {"type": "message", "message_id": "m", "content": "hello", "session_id": "other"}
            await other.send_json(frame)
            assert (await until_last(other))[-1]["type"] == "stream_end"
    hold.set()


async def test_questions_sent_again_after_a_break_are_answered_once(parts: Parts, client: Client) -> None:
    at_pace(parts)
    url = "/chat-ws?session_id=s"
    socket = await client.ws_connect(url)
    await ask(socket, "m")
    await until(lambda: parts.generator.prompts)
    await socket.close()
    for _ in range(2):  # while it runs, and after its end
        back = await client.ws_connect(url)
        await ask(back, "m")
        assert answer(await until_last(back)) == parts.generator.reply
        cut(back)
        await until(lambda: not client.app[ANSWERS].find("s", "m").told)
    assert len(parts.generator.prompts) == 1
    assert len(await parts.sessions.turns("s")) == 1


async def test_a_question_sent_again_whose_answer_was_cancelled_meanwhile_is_answered_anew(
    parts: Parts, client: Client
) -> None:
    hold = asyncio.Event()
    parts.generator.wait = lambda: hold
    url = "/chat-ws?session_id=s"
    async with client.ws_connect(url) as socket:
        await ask(socket, "m")
        assert (await receive(socket))["type"] == "stream_start"
    async with client.ws_connect(url) as socket:
        await cancel(socket, "m")
        await ask(socket, "m")
        hold.set()
        assert answer(await until_last(socket)) == parts.generator.reply


@pytest.mark.parametrize("connections", [1, 2])
async def test_the_same_question_again_from_a_client_that_had_its_answer_is_answered_anew(
    parts: Parts, client: Client, connections: int
) -> None:
    sockets = [await client.ws_connect("/chat-ws?session_id=s") for _ in range(connections)]
    for count in (1, 2):
        socket = sockets[count % connections]
        await ask(socket, "m")
        assert answer(await until_last(socket)) == parts.generator.reply
        assert len(parts.generator.prompts) == count
        if connections > 1:
            await socket.close()


async def test_an_id_may_not_be_taken_while_somebody_reads_its_answer(parts: Parts, client: Client) -> None:
    hold = asyncio.Event()
    parts.generator.wait = lambda: hold
    url = "/chat-ws?session_id=s&lang=en"
    async with client.ws_connect(url) as one, client.ws_connect(url) as two:
        await ask(one, "m")
        await until(lambda: parts.generator.prompts)
        await ask(two, "m", "what else")
        assert (await receive(two))["error_code"] == "WS-002-VALIDATION_ERROR"
        await one.close()
        await until(lambda: client.app[ANSWERS].abandoned("s"))
        await ask(two, "m", "what is the answer now")
        hold.set()
        assert answer(await until_last(two)) == parts.generator.reply
    assert len(parts.generator.prompts) == 2


async def test_two_connections_may_read_one_answer_and_either_may_cancel_it(parts: Parts, client: Client) -> None:
    at_pace(parts)
    parts.generator.reply = "word " * 5_000
    url = "/chat-ws?session_id=s"
    for canceller in (0, 1):
        async with client.ws_connect(url) as one, client.ws_connect(url) as two:
            await ask(one, f"m{canceller}")
            assert (await receive(one))["type"] == "stream_start"
            await resume(two, f"m{canceller}")
            begun = [await receive(two) for _ in range(3)]
            await cancel([one, two][canceller], f"m{canceller}")
            events = [await until_last(one), begun + await until_last(two)]
        assert [each[-1]["finish_reason"] for each in events] == ["cancelled", "cancelled"]
        assert answer(events[0]) == answer(events[1]) != ""


async def test_a_stranger_to_the_session_can_neither_read_nor_cancel(parts: Parts, client: Client) -> None:
    hold = asyncio.Event()
    parts.generator.wait = lambda: hold
    async with client.ws_connect("/chat-ws?session_id=s") as own:
        await ask(own, "m")
        assert (await receive(own))["type"] == "stream_start"
        async with client.ws_connect("/chat-ws?session_id=s2") as stranger:
            await cancel(stranger, "m")
            await resume(stranger, "m")
            refused = await receive(stranger)
            assert (refused["type"], refused["error_code"]) == ("stream_error", "SESSION-003")
        hold.set()
        assert (await until_last(own))[-1]["finish_reason"] == "stop"


async def test_tokens_that_are_yet_to_come_cannot_be_skipped(parts: Parts, client: Client) -> None:
    async with client.ws_connect("/chat-ws?session_id=s&lang=en") as socket:
        await ask(socket, "m")
        count = (await until_last(socket))[-1]["total_tokens"]
        await resume(socket, "m", count + 1)
        refused = await receive(socket)
        assert (refused["error_code"], refused["message_id"]) == ("WS-002-VALIDATION_ERROR", "m")
        assert "'next_index'" in refused["message"]
        await resume(socket, "m", count)
        assert types(await until_last(socket)) == ["stream_start", "stream_sources", "stream_end"]


async def test_a_resume_of_what_is_being_told_on_the_connection_is_refused(parts: Parts, client: Client) -> None:
    at_pace(parts)
    async with client.ws_connect("/chat-ws?session_id=s&lang=en") as socket:
        await ask(socket, "m")
        await resume(socket, "m")
        assert answer(await until_last(socket)) == parts.generator.reply
        assert (await receive(socket))["error_code"] == "WS-002-VALIDATION_ERROR"


async def test_a_resumed_answer_waits_for_its_turn(parts: Parts, client: Client) -> None:
    async with client.ws_connect("/chat-ws?session_id=s") as socket:
        await ask(socket, "first")
        await until_last(socket)
        at_pace(parts)
        await ask(socket, "second")
        await resume(socket, "first", 1)
        assert {event["message_id"] for event in await until_last(socket)} == {"second"}
        assert {event["message_id"] for event in await until_last(socket)} == {"first"}


async def test_an_answer_that_failed_fails_again_in_the_language_of_the_new_connection(
    parts: Parts, client: Client
) -> None:
    parts.store.error = RagError("SEARCH-001")
    async with client.ws_connect("/chat-ws?session_id=s&lang=en") as socket:
        await ask(socket, "m")
        english = (await until_last(socket))[-1]
    async with client.ws_connect("/chat-ws?session_id=s&lang=ko") as socket:
        await resume(socket, "m")
        korean = (await until_last(socket))[-1]
    assert english["error_code"] == korean["error_code"] == "SEARCH-001"
    assert english["message"] != korean["message"]


@pytest.mark.parametrize("waited", [False, True], ids=["at once", "too late"])
async def test_an_answer_is_kept_for_a_while_and_then_cannot_be_resumed(
    parts: Parts, client: Client, monkeypatch: pytest.MonkeyPatch, waited: bool
) -> None:
    if waited:
        monkeypatch.setattr(answers, "KEEP", 0.05)
    await converse(client, ASKED, session_id="s")
    if waited:
        await until(lambda: not len(client.app[ANSWERS]))
    async with client.ws_connect("/chat-ws?session_id=s") as socket:
        await resume(socket, "m")
        last = (await until_last(socket))[-1]
    assert last.get("error_code") == ("SESSION-003" if waited else None)


async def test_a_client_that_leaves_for_good_stops_the_work_after_a_while(
    parts: Parts, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "ABANDON", 0.1)
    at_pace(parts, 0.01)
    parts.generator.reply = "word " * 5_000
    socket = await client.ws_connect("/chat-ws?session_id=s")
    await ask(socket, "m")
    await ask(socket, "waits")
    assert (await receive(socket))["type"] == "stream_start"
    await socket.close()
    # The session is free again.
    parts.generator.reply = "short"
    async with client.ws_connect("/chat-ws?session_id=s") as back:
        await ask(back, "next", "what is the answer now")
        assert (await until_last(back))[-1]["finish_reason"] == "stop"
    async with client.ws_connect("/chat-ws?session_id=s") as back:
        for message_id, said in (("m", True), ("waits", False)):
            await resume(back, message_id)
            events = await until_last(back)
            assert events[-1]["finish_reason"] == "cancelled"
            assert bool(answer(events)) == said


async def test_a_server_that_stops_waits_for_no_answer(parts: Parts, aiohttp_client: MakeClient) -> None:
    never = asyncio.Event()
    parts.generator.wait = lambda: never
    client = await aiohttp_client(parts.app())
    for session in ("left", "s"):
        socket = await client.ws_connect(f"/chat-ws?session_id={session}")
        await socket.send_json({"type": "message", "message_id": "m", "content": ASKED, "session_id": session})
        assert (await receive(socket))["type"] == "stream_start"
        if session == "left":
            await socket.close()
    stopped = asyncio.create_task(client.server.close())
    assert (await asyncio.wait_for(socket.receive(), 5)).data == 1001
    await asyncio.wait_for(stopped, 5)
