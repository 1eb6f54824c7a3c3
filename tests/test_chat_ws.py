"""`/chat-ws` over a real socket, by the clients of the field, with the real model."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from rag.errors import Lang
from rag.replies import NOT_TOLD

from .conftest import ROOT, Server, start_server
from .socket_client import Event, answer, ask, is_korean, message, open_socket, receive, types, until_last

pytestmark = pytest.mark.model

FIVE = ["stream_start", "stream_token", "stream_sources", "stream_end"]
QUESTIONS = {"en": "How do I add documents?", "ko": "문서를 어떻게 추가하나요?"}
LONG_STORY = "Tell me everything about documents, models, settings and the protocol, at length."


def error_of(server: Server, frame: str | bytes, lang: str, session_id: str = "errors") -> Event:
    with open_socket(server.ws_url, session_id, f"&lang={lang}") as socket:
        socket.send(frame)
        return receive(socket)


def assert_in_language(event: Event, lang: str) -> None:
    text = event["message"] + " ".join(event["solutions"])
    assert is_korean(text) == (lang == "ko"), text
    assert event["solutions"]


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_question_gets_the_five_events_in_order(server: Server, lang: str) -> None:
    session_id = str(uuid.uuid4())
    with open_socket(server.ws_url, session_id) as socket:
        socket.send(message(session_id, QUESTIONS[lang], "m-1"))
        events = until_last(socket)
    assert types(events) == FIVE
    assert {event["message_id"] for event in events} == {"m-1"}
    start, *tokens, sources, end = events
    assert start["session_id"] == session_id
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", start["timestamp"])
    assert [token["index"] for token in tokens] == list(range(len(tokens)))
    assert end["total_tokens"] == len(tokens) > 0
    assert isinstance(end["processing_time_ms"], int)
    assert end["finish_reason"] in ("stop", "length")
    assert 0 < end["time_to_first_token_ms"] <= end["processing_time_ms"]
    assert_sources(sources["sources"], lang)


def assert_sources(sources: list[dict[str, Any]], lang: str) -> None:
    assert sources
    scores = [source["score"] for source in sources]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    for source in sources:
        assert source["title"]
        assert source["content"]
        assert {"source", "chunk_id", "document_id", "start", "end", "cited"} <= source["metadata"].keys()
    assert sources[0]["metadata"]["source"] == f"guides/{lang}/02-documents.md"


def test_the_model_writes_a_free_answer_in_a_language_that_it_knows(server: Server) -> None:
    usage = ask(server.ws_url, QUESTIONS["en"], query="&answers=free")[-1]["usage"]
    assert usage["completion_tokens"] > 0
    assert usage["prompt_tokens"] > usage["cached_tokens"]


@pytest.mark.parametrize("query", ["", "&answers=quote", "&answers=other", "&sources=early"])
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_small_model_quotes_letter_for_letter(server: Server, lang: str, query: str) -> None:
    events = ask(server.ws_url, QUESTIONS[lang], query=query)
    (sources,) = [event["sources"] for event in events if event["type"] == "stream_sources"]
    quotes = re.findall(r"“(.+?)” \[(\d)\]", answer(events), re.DOTALL)
    assert quotes
    for quote, number in quotes:
        assert sources[int(number) - 1]["content"] == quote
    assert [number + 1 for number, one in enumerate(sources) if one["metadata"]["cited"]] == sorted(
        int(number) for _, number in quotes
    )
    for source in sources:
        assert document_text(server, source["metadata"]) == source["content"]
    grounded = events[-1]["grounded"]
    assert grounded["supported"] == grounded["total"] >= len(quotes)
    assert grounded["unsupported"] == []


def test_options_hold_for_their_message_alone(server: Server) -> None:
    """Free answers, few sources and one document for one message; the next one is answered as usual."""
    with urllib.request.urlopen(f"{server.url}/documents?page_size=200") as response:
        listed = json.load(response)["documents"]
    guide = next(document["id"] for document in listed if document["name"].endswith("en/02-documents.md"))
    wishes = {"answers": "free", "sources": 2, "temperature": 0.3, "documents": [guide]}
    session = str(uuid.uuid4())
    with open_socket(server.ws_url, session, "&lang=en&answers=quote") as socket:
        asked = json.loads(message(session, QUESTIONS["en"]))
        socket.send(json.dumps(asked | {"options": wishes}))
        free = until_last(socket)
        socket.send(message(session, QUESTIONS["en"]))
        quoted = until_last(socket)
    found = free[-2]["sources"]
    assert 1 <= len(found) <= 2
    assert {source["metadata"]["document_id"] for source in found} == {guide}
    assert free[-1]["usage"]["prompt_tokens"] > 0
    assert "“" in answer(quoted)
    with urllib.request.urlopen(f"{server.url}/stats") as response:
        stats = json.load(response)
    assert stats["totals"]["answers"] >= 2
    assert stats["series"]["tokens_per_second"]["points"][-1][1] > 0
    assert stats["model"]["parameters"] == 134_515_008


def document_text(server: Server, metadata: dict[str, Any]) -> str:
    """What stands in the document between the offsets of a source."""
    place = urllib.parse.urlencode({"start": metadata["start"], "end": metadata["end"]})
    with urllib.request.urlopen(f"{server.url}/documents/{metadata['document_id']}/text?{place}") as response:
        return str(json.load(response)["text"])


@pytest.mark.parametrize(
    ("question", "lang"),
    [("Who composed the opera about the flood of 1824?", "en"), ("오페라를 추가로 작곡한 사람은 누구인가요?", "ko")],
)
def test_what_the_documents_do_not_tell_is_refused_in_its_language(server: Server, question: str, lang: Lang) -> None:
    events = ask(server.ws_url, question)
    assert types(events) == FIVE
    assert answer(events).startswith(NOT_TOLD[lang].split("{")[0])
    assert not any(source["metadata"]["cited"] for source in events[-2]["sources"])
    assert events[-1]["usage"]["completion_tokens"] == 0


def test_sources_come_early_if_asked_for(server: Server) -> None:
    events = ask(server.ws_url, QUESTIONS["en"], query="&sources=early")
    assert types(events) == ["stream_start", "stream_sources", "stream_token", "stream_end"]


def test_a_client_in_node_gets_the_five_events(server: Server) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if subprocess.run([node, "--experimental-websocket", "-e", ""], capture_output=True, check=False).returncode:
        pytest.skip("this node has no WebSocket of its own")
    command = [node, "--experimental-websocket", str(ROOT / "tests/clients/ask.mjs"), server.ws_url, "node-1"]
    done = subprocess.run([*command, QUESTIONS["ko"]], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert types(json.loads(line) for line in done.stdout.splitlines()) == FIVE


BAD_FRAMES: dict[str, tuple[Any, str, str]] = {
    "broken": ("{", "WS-001-INVALID_JSON", ""),
    "empty": ("", "WS-001-INVALID_JSON", ""),
    "array": ("[]", "WS-001-INVALID_JSON", ""),
    "number": ("7", "WS-001-INVALID_JSON", ""),
    "binary": (b'{"type": "message"}', "WS-001-INVALID_JSON", ""),
    "no type": ({"type": None}, "WS-002-VALIDATION_ERROR", "type"),
    "unknown type": ({"type": "shout"}, "WS-002-VALIDATION_ERROR", "type"),
    "no content": ({"content": ...}, "WS-002-VALIDATION_ERROR", "content"),
    "no message_id": ({"message_id": ...}, "WS-002-VALIDATION_ERROR", "message_id"),
    "no session_id": ({"session_id": ...}, "WS-002-VALIDATION_ERROR", "session_id"),
    "content of a wrong type": ({"content": 7}, "WS-002-VALIDATION_ERROR", "content"),
    "message_id of a wrong type": ({"message_id": 7}, "WS-002-VALIDATION_ERROR", "message_id"),
    "empty message_id": ({"message_id": ""}, "WS-002-VALIDATION_ERROR", "message_id"),
    "long message_id": ({"message_id": "m" * 129}, "WS-002-VALIDATION_ERROR", "message_id"),
    "0 characters": ({"content": ""}, "WS-002-VALIDATION_ERROR", "content"),
    "only white space": ({"content": " \n\t　"}, "WS-002-VALIDATION_ERROR", "content"),
    "10,001 characters": ({"content": "a" * 10_001}, "WS-002-VALIDATION_ERROR", "content"),
    "10,001 characters of Korean": ({"content": "가" * 10_001}, "WS-002-VALIDATION_ERROR", "content"),
    "another session": ({"session_id": "someone-else"}, "WS-002-VALIDATION_ERROR", "session_id"),
    "resume": ({"type": "resume", "next_index": 0}, "SESSION-003", ""),
}


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("name", BAD_FRAMES)
def test_a_bad_frame_gets_its_row_of_the_catalogue(server: Server, name: str, lang: str) -> None:
    change, code, field = BAD_FRAMES[name]
    frame, message_id = change, "unknown"
    if isinstance(change, dict):
        good = {"type": "message", "message_id": "m-1", "content": "hello", "session_id": "errors"} | change
        message_id = good["message_id"]
        frame = json.dumps({key: value for key, value in good.items() if value is not ...})
        if not isinstance(message_id, str) or not 1 <= len(message_id) <= 128:
            message_id = "unknown"
    event = error_of(server, frame, lang)
    assert (event["type"], event["error_code"], event["message_id"]) == ("stream_error", code, message_id)
    assert_in_language(event, lang)
    assert f"'{field}'" in event["message"] or not field


@pytest.mark.parametrize(
    "content", ["?", "가", "a b " * 2_500, "보증 기간 " * 200], ids=["1", "1 ko", "10,000", "1,200 ko"]
)
def test_the_shortest_and_the_longest_question_are_answered(server: Server, content: str) -> None:
    assert types(ask(server.ws_url, content)) == FIVE


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_question_longer_than_the_context_is_told_so_and_the_next_one_is_answered(server: Server, lang: str) -> None:
    with open_socket(server.ws_url, "long", f"&lang={lang}") as socket:
        # 10,000 characters are allowed by the protocol; in Korean they are more tokens than this model can read.
        socket.send(message("long", "보증기간" * 2_500))
        events = until_last(socket)
        assert types(events) == ["stream_error"]
        assert events[0]["error_code"] == "GEN-003"
        assert_in_language(events[0], lang)
        socket.send(message("long", QUESTIONS[lang]))
        assert types(until_last(socket)) == FIVE


def test_the_language_of_errors_follows_accept_language(server: Server) -> None:
    for header, lang in (("en-US,en;q=0.9,ko;q=0.1", "en"), ("fr, ko;q=0.4, en;q=0.3", "ko"), ("fr", "ko")):
        with open_socket(server.ws_url, additional_headers={"Accept-Language": header}) as socket:
            socket.send("{")
            assert_in_language(receive(socket), lang)


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_messages_are_answered_in_order_and_the_sixth_is_refused(server: Server, lang: str) -> None:
    with open_socket(server.ws_url, "queue", f"&lang={lang}&answers=free") as socket:
        ids = [f"m-{number}" for number in range(6)]
        for message_id in ids:
            socket.send(message("queue", LONG_STORY, message_id))
        for message_id in ids:
            socket.send(json.dumps({"type": "cancel", "message_id": message_id}))
        events = until_last(socket, ids)
    order = [event["message_id"] for event in events]
    assert [
        message_id for position, message_id in enumerate(order) if order[position - 1 : position] != [message_id]
    ] == ids
    assert types([event for event in events if event["message_id"] == "m-5"]) == ["stream_error"]
    assert events[-1]["error_code"] == "GEN-004"
    assert_in_language(events[-1], lang)


def test_an_id_that_is_still_being_answered_is_refused(server: Server) -> None:
    with open_socket(server.ws_url, "twice", "&answers=free") as socket:
        socket.send(message("twice", LONG_STORY, "same"))
        socket.send(message("twice", LONG_STORY, "same"))
        socket.send(json.dumps({"type": "cancel", "message_id": "same"}))
        assert until_last(socket)[-1]["finish_reason"] == "cancelled"
        assert receive(socket)["error_code"] == "WS-002-VALIDATION_ERROR"


def test_cancel_ends_the_answer_and_keeps_what_was_sent(server: Server) -> None:
    with open_socket(server.ws_url, "cancel", "&answers=free") as socket:
        socket.send(message("cancel", LONG_STORY, "m-1"))
        events = [receive(socket), receive(socket)]
        assert types(events) == ["stream_start", "stream_token"]
        socket.send(json.dumps({"type": "cancel", "message_id": "nobody"}))
        socket.send(json.dumps({"type": "cancel", "message_id": "m-1"}))
        events += until_last(socket)
        assert types(events) == FIVE
        assert events[-1]["finish_reason"] == "cancelled"
        assert events[-1]["total_tokens"] == sum(event["type"] == "stream_token" for event in events)
        socket.send(message("cancel", QUESTIONS["en"], "m-2"))
        assert types(until_last(socket)) == FIVE


def test_a_cancelled_message_that_waits_ends_with_zero_tokens(server: Server) -> None:
    with open_socket(server.ws_url, "waiting", "&answers=free") as socket:
        socket.send(message("waiting", LONG_STORY, "first"))
        socket.send(message("waiting", LONG_STORY, "second"))
        socket.send(json.dumps({"type": "cancel", "message_id": "second"}))
        socket.send(json.dumps({"type": "cancel", "message_id": "first"}))
        events = until_last(socket, ["first", "second"])
    second = [event for event in events if event["message_id"] == "second"]
    assert types(second) == ["stream_start", "stream_sources", "stream_end"]
    assert second[1]["sources"] == []
    assert (second[2]["total_tokens"], second[2]["finish_reason"]) == (0, "cancelled")


@pytest.mark.parametrize("query", ["", "?session_id=", "?session_id=a%20b", f"?session_id={'a' * 129}"])
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_bad_session_id_is_refused_with_400(server: Server, query: str, lang: str) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        from websockets.sync.client import connect

        connect(server.ws_url + query, additional_headers={"Accept-Language": lang})
    body = json.loads(refusal.value.response.body)
    assert (refusal.value.response.status_code, body["error_code"]) == (400, "SESSION-001")
    assert_in_language(body, lang)


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_foreign_origin_is_refused_with_403(server: Server, lang: str) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        open_socket(server.ws_url, query=f"&lang={lang}", origin="http://evil.example")
    body = json.loads(refusal.value.response.body)
    assert (refusal.value.response.status_code, body["error_code"]) == (403, "AUTH-003")
    assert_in_language(body, lang)


def test_the_own_origin_is_let_in(server: Server) -> None:
    with open_socket(server.ws_url, origin=server.url):
        pass


def test_a_frame_over_256_kib_closes_with_1009(server: Server) -> None:
    with open_socket(server.ws_url) as socket:
        socket.send("x" * (256 * 1024))
        assert receive(socket)["error_code"] == "WS-001-INVALID_JSON"
        socket.send("x" * (256 * 1024 + 1))
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


def test_a_session_remembers_its_turns_across_a_restart(starter_models: Path, data_dir: Path) -> None:
    def prompt_tokens(server: Server, session_id: str) -> int:
        end = ask(server.ws_url, QUESTIONS["en"], session_id, "&answers=free")[-1]
        return int(end["usage"]["prompt_tokens"])

    first = start_server(data_dir, starter_models, ["--max-tokens", "24"]).wait()
    alone = prompt_tokens(first, "kept")
    with_history = prompt_tokens(first, "kept")
    assert first.stop() == 0
    second = start_server(data_dir, starter_models, ["--max-tokens", "24"]).wait()
    after_restart = prompt_tokens(second, "kept")
    another = prompt_tokens(second, "another")
    assert second.stop() == 0
    assert alone < with_history < after_restart
    assert another == alone


def test_the_server_says_goodbye_with_1001(starter_models: Path, data_dir: Path) -> None:
    server = start_server(data_dir, starter_models).wait()
    with open_socket(server.ws_url) as socket:
        assert server.stop() == 0
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001
