"""The application over scripted parts: what goes wrong in any of them reaches the person as a row of the catalogue."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from rag import memory
from rag.errors import RagError
from rag.service import Models
from rag.settings import load
from web import app as application
from web import chat_ws
from web.app import create_app
from web.keys import SOCKETS
from web.state import State

from .app_client import Client, MakeClient, Parts, converse
from .fakes import until
from .socket_client import answer, is_korean, types

ASKED = "what is the answer"


def fail_search(parts: Parts) -> None:
    parts.store.error = RagError("SEARCH-001")


def fail_store(parts: Parts) -> None:
    parts.store.error = RagError("SEARCH-003", reason="disk", directory="data")


def fail_decode(parts: Parts) -> None:
    parts.generator.error = RagError("GEN-999")


def fail_unforeseen(parts: Parts) -> None:
    parts.embedder.error = ZeroDivisionError()


def fail_slowly(parts: Parts) -> None:
    never = asyncio.Event()
    parts.generator.wait = lambda: never
    parts.token_timeout = 0.05


def fail_long(parts: Parts) -> None:
    parts.generator.context = 10


FAILURES: dict[str, Callable[[Parts], None]] = {
    "GEN-001": fail_slowly,
    "GEN-003": fail_long,
    "GEN-999": fail_decode,
    "SEARCH-001": fail_search,
    "SEARCH-003": fail_store,
    "WS-999-INTERNAL_ERROR": fail_unforeseen,
}


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("code", FAILURES)
async def test_a_failure_is_told_once_in_the_language_and_the_socket_goes_on(
    parts: Parts, aiohttp_client: MakeClient, code: str, lang: str
) -> None:
    FAILURES[code](parts)
    client = await aiohttp_client(parts.app())
    events = await converse(client, ASKED, lang)
    assert events[-1]["error_code"] == code
    assert is_korean(events[-1]["message"]) == is_korean(events[-1]["solutions"][0]) == (lang == "ko")
    # Either refused before work began, or all that had begun is closed in order.
    begun = ["stream_start", "stream_sources", "stream_error"]
    assert [kind for kind in types(events) if kind != "stream_token"] in (["stream_error"], begun)


@pytest.mark.parametrize("lang", ["en", "ko"])
async def test_while_the_model_loads_the_service_says_so(parts: Parts, aiohttp_client: MakeClient, lang: str) -> None:
    client = await aiohttp_client(parts.app(State()))
    events = await converse(client, ASKED, lang)
    assert [event["error_code"] for event in events] == ["WS-003-SERVICE_NOT_INITIALIZED"]
    assert is_korean(events[0]["message"]) == (lang == "ko")
    health = await (await client.get("/health")).json()
    assert health["status"] == "loading"


@pytest.mark.parametrize("lang", ["en", "ko"])
async def test_without_a_model_the_message_names_where_to_put_one(
    aiohttp_client: MakeClient, tmp_path: Path, lang: str
) -> None:
    settings = load({"data_dir": str(tmp_path), "models_dir": str(tmp_path / "models")}, {})
    client = await aiohttp_client(create_app(settings, "test", models=Models(None, None)))
    events = await converse(client, ASKED, lang)
    assert [event["error_code"] for event in events] == ["GEN-002"]
    assert str(tmp_path / "models") in " ".join(events[0]["solutions"])
    assert is_korean(events[0]["message"]) == (lang == "ko")
    response = await client.get("/health")
    assert (response.status, (await response.json())["status"]) == (503, "error")


@pytest.mark.parametrize("lang", ["en", "ko"])
async def test_while_the_index_is_rebuilt_the_progress_is_told(
    parts: Parts, aiohttp_client: MakeClient, lang: str
) -> None:
    client = await aiohttp_client(parts.app(State(done=1, total=4)))
    response = await client.post(f"/search?lang={lang}", json={"query": "x"})
    body = await response.json()
    assert (response.status, body["error_code"]) == (503, "SEARCH-004")
    assert "25%" in body["message"]


async def test_memory_that_is_free_is_given_back_now_and_then(
    parts: Parts, aiohttp_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str] = []
    monkeypatch.setattr(application, "MEMORY_EVERY", 0.01)
    monkeypatch.setattr(memory, "give_back", lambda: given.append(threading.current_thread().name))
    await aiohttp_client(parts.app())
    await until(lambda: len(given) > 1)
    assert threading.main_thread().name not in given


async def test_an_empty_index_is_no_error(parts: Parts, aiohttp_client: MakeClient) -> None:
    parts.store.passages.clear()
    client = await aiohttp_client(parts.app())
    for question, said in (("what is it", "documents"), ("무엇인가요", "문서")):
        events = await converse(client, question)
        assert types(events) == ["stream_start", "stream_token", "stream_sources", "stream_end"]
        assert events[-2]["sources"] == []
        assert said in answer(events)
    assert parts.generator.prompts == []


async def test_a_flood_of_bad_frames_closes_the_socket(parts: Parts, aiohttp_client: MakeClient) -> None:
    never = asyncio.Event()
    parts.generator.wait = lambda: never
    client = await aiohttp_client(parts.app())
    async with client.ws_connect("/chat-ws?session_id=s") as socket:
        await socket.send_json({"type": "message", "message_id": "m", "content": ASKED, "session_id": "s"})
        for _ in range(200):
            await socket.send_str("{")
        while not socket.closed:
            await asyncio.wait_for(socket.receive(), 10)
    assert socket.close_code == 1008


async def test_a_client_that_stops_reading_is_dropped(
    parts: Parts, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_ws, "SEND_TIMEOUT", 0.2)
    parts.generator.reply = " ".join(["x" * 200_000] * 100)
    async with client.ws_connect("/chat-ws?session_id=s") as socket:
        await socket.send_json({"type": "message", "message_id": "m", "content": ASKED, "session_id": "s"})
        await until(lambda: parts.generator.prompts)
        await until(lambda: not client.app[SOCKETS])


async def test_thinking_is_shown_to_those_who_ask_for_it(parts: Parts, client: Client) -> None:
    parts.generator.thoughts = "Let me see <b>."
    shown = await converse(client, ASKED, query="&thinking=show")
    assert types(shown) == ["stream_start", *["stream_thinking"] * 4, "stream_token", "stream_sources", "stream_end"]
    thoughts = [event for event in shown if event["type"] == "stream_thinking"]
    assert "".join(event["text"] for event in thoughts) == "Let me see <b>."
    assert all(event == {"type": "stream_thinking", "message_id": "m", "text": event["text"]} for event in thoughts)
    assert answer(shown) == parts.generator.reply
    assert shown[-1]["total_tokens"] == 5


@pytest.mark.parametrize("query", ["", "&thinking=", "&thinking=hide"])
async def test_thinking_is_not_sent_unasked(parts: Parts, client: Client, query: str) -> None:
    parts.generator.thoughts = "Let me see."
    events = await converse(client, ASKED, query=query)
    assert types(events) == ["stream_start", "stream_token", "stream_sources", "stream_end"]
    assert answer(events) == parts.generator.reply


async def test_of_six_messages_that_come_at_once_just_the_last_is_refused(
    parts: Parts, aiohttp_client: MakeClient
) -> None:
    hold = asyncio.Event()
    parts.generator.wait = lambda: hold
    client = await aiohttp_client(parts.app())
    async with client.ws_connect("/chat-ws?session_id=s") as socket:
        for number in range(6):
            frame = {"type": "message", "message_id": f"m{number}", "content": ASKED, "session_id": "s"}
            await socket.send_json(frame)
        await asyncio.sleep(0.3)
        hold.set()
        last: dict[str, str] = {}
        while len(last) < 6:
            event = await asyncio.wait_for(socket.receive_json(), 10)
            if event["type"] in ("stream_end", "stream_error"):
                last[event["message_id"]] = event.get("error_code", "")
    assert last == {"m0": "", "m1": "", "m2": "", "m3": "", "m4": "", "m5": "GEN-004"}
