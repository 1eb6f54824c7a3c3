"""`POST /chat` and `/chat/stream` over scripted parts: their form, their refusals, and clients that go away."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rag.errors import RagError
from rag.service import Models
from rag.settings import load
from rag.types import Token
from web import chat_http
from web.app import create_app
from web.keys import ANSWERS
from web.state import State

from .app_client import Client, MakeClient, Parts, converse
from .fakes import PATIENCE, ScriptedGenerator, make_passage, until
from .socket_client import is_korean
from .sse_client import Event, answer, events_in, names
from .test_app import fail_long, fail_search, fail_store, fail_unforeseen

ASKED = "what is the answer"
DOORS = ["/chat", "/chat/stream"]


async def post(client: Client, path: str, lang: str = "en", **body: Any) -> aiohttp.ClientResponse:
    return await client.post(path, json={"message": ASKED} | body, headers={"Accept-Language": lang})


async def streamed(client: Client, **body: Any) -> list[Event]:
    async with asyncio.timeout(PATIENCE):
        return events_in(await (await post(client, "/chat/stream", **body)).text())


async def read_until(response: aiohttp.ClientResponse, mark: bytes) -> bytes:
    """What is sent up to the mark."""
    text = b""
    async with asyncio.timeout(PATIENCE):
        while mark not in text:
            piece = await response.content.readany()
            assert piece, f"it ended without {mark!r}: {text!r}"
            text += piece
    return text


class Hold:
    """Lets a generator say so many words, and then holds it back."""

    def __init__(self, parts: Parts, words: int = 0) -> None:
        self.left, self.said, self.go_on = words, 0, asyncio.Event()
        parts.generator.wait = self.wait

    def wait(self) -> asyncio.Event | None:
        self.said += 1
        self.left -= 1
        return None if self.left >= 0 else self.go_on


# The form.


async def test_an_answer_is_metadata_chunks_and_done(parts: Parts, client: Client) -> None:
    response = await post(client, "/chat/stream", session_id="s")
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Accel-Buffering"] == "no"
    metadata, *chunks, done = events_in(await response.text())
    found = metadata["sources"]
    ids = {"session_id": "s", "message_id": metadata["message_id"]}
    assert uuid.UUID(metadata["message_id"]).version == 4
    assert metadata == {"event": "metadata", **ids, "search_results": 1, "ranked_results": 1, "sources": found}
    assert [source["metadata"]["cited"] for source in found] == [False]
    words = ["The", " answer", " is", " 42", " [1]."]
    assert chunks == [{"event": "chunk", "data": word, "chunk_index": at} for at, word in enumerate(words)]
    usage = len(" ".join(message.content for message in parts.generator.prompts[0]).split()) + len(words)
    cited = [source | {"metadata": source["metadata"] | {"cited": True}} for source in found]
    took = done.pop("processing_time")
    assert done == {"event": "done", **ids, "total_chunks": 5, "tokens_used": usage, "sources": cited}
    assert isinstance(took, float)
    assert 0 <= took < PATIENCE


async def test_the_whole_answer_is_one_object(parts: Parts, client: Client) -> None:
    response = await post(client, "/chat", session_id="s")
    body = await response.json()
    assert (response.status, response.content_type) == (200, "application/json")
    (source,) = body["sources"]
    assert source["metadata"]["cited"]
    assert uuid.UUID(body.pop("message_id")).version == 4
    assert isinstance(body.pop("processing_time"), float)
    prompt = len(" ".join(message.content for message in parts.generator.prompts[0]).split())
    assert body == {
        "session_id": "s",
        "answer": parts.generator.reply,
        "sources": [source],
        "usage": {"prompt_tokens": prompt, "cached_tokens": 0, "completion_tokens": 5},
        "finish_reason": "stop",
        "tokens_used": prompt + 5,
        "total_chunks": 5,
        "grounded": {"supported": 1, "total": 1, "unsupported": []},
    }


@pytest.mark.parametrize("given", [{}, {"session_id": None, "options": None}])
async def test_without_a_session_one_is_made(client: Client, given: dict[str, Any]) -> None:
    ids = [(await (await post(client, "/chat", **given)).json())["session_id"]]
    ids += [event["session_id"] for event in await streamed(client, **given) if event["event"] != "chunk"]
    assert [uuid.UUID(id).version for id in ids] == [4, 4, 4]
    assert ids[0] != ids[1] == ids[2]
    assert len((await (await client.get(f"/sessions/{ids[0]}")).json())["turns"]) == 1


async def test_options_hold_for_their_question(parts: Parts, client: Client) -> None:
    parts.store.passages["doc"] = [make_passage(f"the answer is {number}", number) for number in range(4)]
    options = {"temperature": 0.7, "max_tokens": 33, "sources": 2, "unknown": 1}
    events = await streamed(client, options=options, more="ignored")
    assert (events[0]["search_results"], len(events[0]["sources"])) == (2, 2)
    await post(client, "/chat")
    asked, usual = parts.generator.samplings
    assert (asked.temperature, asked.max_tokens) == (0.7, 33)
    assert (usual.temperature, usual.max_tokens) == (0.0, 512)
    quoted = await (await post(client, "/chat", options={"answers": "quote"})).json()
    assert "“the answer is" in quoted["answer"]
    gone = await (await post(client, "/chat", options={"documents": ["gone"]})).json()
    assert gone["sources"] == []


async def test_what_is_quoted_counts_as_used(parts: Parts, client: Client) -> None:
    text = "The warranty of the pump is two years. The hotel has a pool."
    parts.store.passages["doc"] = [make_passage(text), make_passage("The hotel of the pump is far.", 1)]
    events = await streamed(client, message="What is the warranty of the pump?", options={"answers": "quote"})
    assert (events[0]["search_results"], events[0]["ranked_results"]) == (2, 1)
    assert events[0]["sources"] == events[-1]["sources"]


async def test_nothing_found_and_a_greeting_are_answers_too(parts: Parts, client: Client) -> None:
    parts.store.passages.clear()
    for message in (ASKED, "hello"):
        events = await streamed(client, message=message)
        assert names(events) == ["metadata", "chunk", "done"]
        assert [events[0][name] for name in ("search_results", "ranked_results", "sources")] == [0, 0, []]
        assert (events[-1]["tokens_used"], events[-1]["sources"]) == (0, [])


async def test_thinking_is_no_part_of_the_answer(parts: Parts, client: Client) -> None:
    parts.generator.thoughts = "Let me see."
    assert answer(await streamed(client)) == parts.generator.reply
    assert (await (await post(client, "/chat")).json())["answer"] == parts.generator.reply


async def test_a_conversation_goes_on_through_every_door(parts: Parts, client: Client) -> None:
    await post(client, "/chat", session_id="s")
    await converse(client, ASKED, session_id="s")
    await streamed(client, session_id="s")
    await post(client, "/chat", session_id="s")
    assert [len(messages) for messages in parts.generator.prompts] == [2, 4, 6, 8]
    turns = (await (await client.get("/sessions/s")).json())["turns"]
    assert [turn["answer"] for turn in turns] == [parts.generator.reply] * 4
    assert all(turn["sources"] for turn in turns)


# What is refused before work begins.

BAD: dict[str, tuple[str | bytes, int, str, str]] = {
    "no JSON": ("{", 400, "WS-001-INVALID_JSON", ""),
    "nothing": ("", 400, "WS-001-INVALID_JSON", ""),
    "no UTF-8": (b'{"message": "\xff"}', 400, "WS-001-INVALID_JSON", ""),
    "a list": ('["message"]', 400, "WS-001-INVALID_JSON", ""),
    "no message": ("{}", 400, "WS-002-VALIDATION_ERROR", "message"),
    "a number": ('{"message": 5}', 400, "WS-002-VALIDATION_ERROR", "message"),
    "an empty message": ('{"message": ""}', 400, "WS-002-VALIDATION_ERROR", "message"),
    "a blank message": ('{"message": " \\n"}', 400, "WS-002-VALIDATION_ERROR", "message"),
    "a long message": (json.dumps({"message": "가" * 10_001}), 400, "WS-002-VALIDATION_ERROR", "message"),
    "half a character": ('{"message": "a\\ud800"}', 400, "WS-002-VALIDATION_ERROR", "message"),
    "a numbered session": ('{"message": "a", "session_id": 5}', 400, "WS-002-VALIDATION_ERROR", "session_id"),
    "a bad session": ('{"message": "a", "session_id": "a b"}', 400, "SESSION-001", ""),
    "an empty session": ('{"message": "a", "session_id": ""}', 400, "SESSION-001", ""),
    "options of no kind": ('{"message": "a", "options": []}', 400, "WS-002-VALIDATION_ERROR", "options"),
    "a bad option": (
        '{"message": "a", "options": {"max_tokens": 0}}',
        400,
        "WS-002-VALIDATION_ERROR",
        "options.max_tokens",
    ),
    "too much": (b"x" * (2 << 20), 413, "HTTP-413", ""),
}


def assert_body(body: dict[str, Any], code: str, lang: str) -> None:
    assert body["error_code"] == code
    assert body["solutions"]
    assert is_korean(body["message"] + body["solutions"][0]) == (lang == "ko")


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_request_gets_its_row_of_the_catalogue(client: Client, name: str) -> None:
    data, status, code, field = BAD[name]
    for path in DOORS:
        for lang in ("en", "ko"):
            headers = {"Content-Type": "application/json", "Accept-Language": lang}
            response = await client.post(path, data=data, headers=headers)
            body = await response.json()
            assert response.status == status
            assert_body(body, code, lang)
            assert f"'{field}'" in body["message"] or not field
    assert not len(client.app[ANSWERS])


@pytest.mark.parametrize("path", DOORS)
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_a_body_of_another_type_is_415(client: Client, path: str, kind: str) -> None:
    headers = {"Content-Type": kind} if kind else {}
    skip = ["Content-Type"] if not kind else []
    response = await client.post(path + "?lang=en", data=b'{"message": "a"}', headers=headers, skip_auto_headers=skip)
    assert response.status == 415
    assert_body(await response.json(), "HTTP-415", "en")


@pytest.mark.parametrize("path", DOORS)
async def test_a_type_with_a_charset_is_the_same_type(client: Client, path: str) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert (await client.post(path, data=b'{"message": "hello"}', headers=headers)).status == 200


@pytest.mark.parametrize("path", DOORS)
async def test_other_methods_are_told_which_one_there_is(client: Client, path: str) -> None:
    response = await client.get(path)
    assert (response.status, response.headers["Allow"]) == (405, "OPTIONS, POST")


REFUSALS: dict[str, tuple[int, Callable[[Parts], None]]] = {
    "GEN-003": (413, fail_long),
    "SEARCH-001": (500, fail_search),
    "SEARCH-003": (503, fail_store),
    "WS-999-INTERNAL_ERROR": (500, fail_unforeseen),
}


@pytest.mark.parametrize("path", DOORS)
@pytest.mark.parametrize("code", REFUSALS)
async def test_what_is_refused_before_work_begins_leaves_with_its_status(
    parts: Parts, client: Client, code: str, path: str
) -> None:
    status, fail = REFUSALS[code]
    fail(parts)
    if code == "GEN-003":
        parts.generator.context = 3
    for lang in ("en", "ko"):
        response = await post(client, path, lang)
        assert response.status == status
        assert_body(await response.json(), code, lang)


class Full(ScriptedGenerator):
    """A model with too many questions waiting for it."""

    async def generate(self, *_: Any, **__: Any) -> AsyncGenerator[Token, None]:
        raise RagError("GEN-004", seconds=7)
        yield Token("")


@pytest.mark.parametrize("path", DOORS)
async def test_a_full_queue_says_when_to_come_again(parts: Parts, aiohttp_client: MakeClient, path: str) -> None:
    parts.generator = Full()
    client = await aiohttp_client(parts.app())
    response = await post(client, path)
    assert (response.status, response.headers["Retry-After"]) == (503, "7")
    assert_body(await response.json(), "GEN-004", "en")


@pytest.mark.parametrize("path", DOORS)
async def test_of_six_questions_at_once_in_a_session_the_sixth_is_refused(
    parts: Parts, client: Client, path: str
) -> None:
    hold = Hold(parts)
    asking = [asyncio.create_task(streamed(client, session_id="s")) for _ in range(5)]
    await until(lambda: client.app[ANSWERS].running("s") == 5)
    response = await post(client, path, session_id="s")
    assert (response.status, response.headers["Retry-After"]) == (503, "50")
    assert_body(await response.json(), "GEN-004", "en")
    assert (await post(client, path, message="hello", session_id="other")).status == 200
    hold.go_on.set()
    assert [names(events) for events in await asyncio.gather(*asking)] == [["metadata", "chunk", "done"]] * 5
    assert (await post(client, path, session_id="s")).status == 200


@pytest.mark.parametrize("path", DOORS)
async def test_while_the_model_loads_the_service_says_so(parts: Parts, aiohttp_client: MakeClient, path: str) -> None:
    client = await aiohttp_client(parts.app(State()))
    response = await post(client, path)
    assert response.status == 503
    assert_body(await response.json(), "WS-003-SERVICE_NOT_INITIALIZED", "en")


@pytest.mark.parametrize("path", DOORS)
async def test_without_a_model_the_file_is_named(aiohttp_client: MakeClient, tmp_path: Path, path: str) -> None:
    settings = load({"data_dir": str(tmp_path), "models_dir": str(tmp_path / "models")}, {})
    client = await aiohttp_client(create_app(settings, "test", models=Models(None, None)))
    async with asyncio.timeout(PATIENCE):
        while (body := await (await post(client, path)).json())["error_code"].startswith("WS-003"):
            pass
    assert_body(body, "GEN-002", "en")


# What goes wrong later.


@pytest.mark.parametrize("lang", ["en", "ko"])
async def test_a_failure_after_the_beginning_is_the_last_event(parts: Parts, client: Client, lang: str) -> None:
    hold = Hold(parts)
    response = await post(client, "/chat/stream", lang)
    begun = await read_until(response, b"event: metadata")
    parts.generator.error = RagError("GEN-999")
    hold.go_on.set()
    metadata, chunk, error = events_in((begun + await response.read()).decode())
    assert (metadata["event"], chunk["data"]) == ("metadata", "The")
    body = RagError("GEN-999").body("ko" if lang == "ko" else "en")
    assert error == {"event": "error", **body, "suggestion": body["solutions"][0]}


@pytest.mark.parametrize("lang", ["en", "ko"])
async def test_a_failure_of_the_whole_answer_is_its_status(parts: Parts, client: Client, lang: str) -> None:
    parts.generator.error = RagError("GEN-999")
    response = await post(client, "/chat", lang)
    assert response.status == 500
    assert_body(await response.json(), "GEN-999", lang)


async def test_a_model_that_hangs_is_told_on_the_stream(parts: Parts, aiohttp_client: MakeClient) -> None:
    Hold(parts)
    parts.token_timeout = 3 * chat_http.LOOK
    client = await aiohttp_client(parts.app())
    response = await post(client, "/chat")
    assert (response.status, (await response.json())["error_code"]) == (504, "GEN-001")
    assert (await streamed(client))[-1]["error_code"] == "GEN-001"


async def test_a_server_that_stops_ends_its_streams(parts: Parts, aiohttp_client: MakeClient) -> None:
    Hold(parts, 1)
    client = await aiohttp_client(parts.app())
    response = await post(client, "/chat/stream")
    begun = await read_until(response, b"event: chunk")
    whole = asyncio.create_task(post(client, "/chat"))
    await until(lambda: len(client.app[ANSWERS]) == 2)
    stopped = asyncio.create_task(client.server.close())
    events = events_in((begun + await asyncio.wait_for(response.read(), PATIENCE)).decode())
    assert events[-1]["error_code"] == "WS-006-SERVER_STOPPING"
    assert (await asyncio.wait_for(whole, PATIENCE)).status == 503
    await asyncio.wait_for(stopped, PATIENCE)


async def test_silence_is_filled_with_comments(parts: Parts, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_http, "LOOK", 0.01)
    monkeypatch.setattr(chat_http, "HEARTBEAT", 0.02)
    hold = Hold(parts)
    first = await post(client, "/chat/stream", session_id="s")
    begun = await read_until(first, b": \n\n: \n\n")
    # It waits for the first one and has nothing to say yet.
    second = await post(client, "/chat/stream", session_id="s")
    waited = await read_until(second, b": \n\n: \n\n")
    assert b"event" not in waited
    parts.store.error = RagError("SEARCH-001")
    hold.go_on.set()
    assert names(events_in((begun + await first.read()).decode())) == ["metadata", "chunk", "done"]
    (error,) = events_in((waited + await second.read()).decode())
    assert error["error_code"] == "SEARCH-001"


# Clients that go away.


async def test_a_client_that_goes_away_stops_its_answer_within_a_token(parts: Parts, client: Client) -> None:
    parts.generator.reply = "word " * 1_000
    hold = Hold(parts, 3)
    response = await post(client, "/chat/stream", session_id="s")
    await read_until(response, b'"chunk_index":2')
    response.close()
    await until(lambda: not len(client.app[ANSWERS]))
    hold.left = 1_000
    hold.go_on.set()
    # The session is free for the next question, and holds what was said.
    parts.generator.reply = "short"
    assert answer(await streamed(client, session_id="s")) == "short"
    assert hold.said == 4 + 1
    assert [turn.answer for turn in await parts.sessions.turns("s")] == ["word word word", "short"]


async def test_a_client_that_goes_away_stops_an_answer_that_it_would_get_whole(parts: Parts, client: Client) -> None:
    hold = Hold(parts, 3)
    asking = asyncio.create_task(post(client, "/chat", session_id="s"))
    await until(lambda: hold.said == 4)
    asking.cancel()
    await until(lambda: not len(client.app[ANSWERS]))
    hold.go_on.set()
    assert (await post(client, "/chat", message="hello", session_id="s")).status == 200
    assert hold.said == 4
    assert (await parts.sessions.turns("s"))[0].answer == "The answer is"


@pytest.mark.parametrize("path", DOORS)
async def test_a_client_that_goes_away_while_it_waits_costs_nothing(parts: Parts, client: Client, path: str) -> None:
    hold = Hold(parts)
    first = asyncio.create_task(streamed(client, session_id="s"))
    await until(lambda: parts.generator.prompts)
    second = asyncio.create_task(post(client, path, session_id="s"))
    await until(lambda: client.app[ANSWERS].running("s") == 2)
    second.cancel()
    await until(lambda: client.app[ANSWERS].running("s") == 1)
    hold.go_on.set()
    assert names(await first) == ["metadata", "chunk", "done"]
    assert (await post(client, "/chat", message="hello", session_id="s")).status == 200
    assert len(parts.generator.prompts) == 1


async def test_a_client_that_stops_reading_is_dropped(
    parts: Parts, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_http, "SEND_TIMEOUT", 0.2)
    parts.generator.reply = " ".join(["x" * 200_000] * 101)
    hold = Hold(parts, 100)
    response = await post(client, "/chat/stream")
    await until(lambda: not len(client.app[ANSWERS]))
    hold.go_on.set()
    with pytest.raises(aiohttp.ClientError):
        await response.read()
    assert (await post(client, "/chat", message="hello")).status == 200


async def test_nothing_is_kept_of_an_answer_that_was_told(client: Client) -> None:
    for path in DOORS:
        await (await post(client, path)).read()
    await until(lambda: not len(client.app[ANSWERS]))
